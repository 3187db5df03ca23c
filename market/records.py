"""The one event record: Databento's ``MboMsg``, byte for byte, and its constants.

Source of layout, flags and sentinels: the DBN specification (``MboMsg``, ``RecordHeader``,
``FlagSet``), the same in DBN versions 1, 2 and 3.
"""

from typing import Final

import numpy as np

_FIELDS: Final = (
    # name, public format, kernel format, byte offset
    ("length", "u1", "u1", 0),  # record length in 4-byte words: always 14
    ("rtype", "u1", "u1", 1),  # RTYPE_MBO
    ("publisher_id", "<u2", "<u2", 2),
    ("instrument_id", "<u4", "<u4", 4),
    ("ts_event", "<u8", "<i8", 8),  # matching engine clock, ns since the epoch, UTC
    ("order_id", "<u8", "<i8", 16),
    ("price", "<i8", "<i8", 24),  # 1 unit = 1e-9; UNDEF_PRICE where there is none
    ("size", "<u4", "<u4", 32),  # lots or shares
    ("flags", "u1", "u1", 36),  # F_* bits
    ("channel_id", "u1", "u1", 37),
    ("action", "u1", "u1", 38),  # ASCII, ACTION_*
    ("side", "u1", "u1", 39),  # ASCII, SIDE_*
    ("ts_recv", "<u8", "<i8", 40),  # capture clock, ns since the epoch, UTC
    ("ts_in_delta", "<i4", "<i4", 48),  # ns
    ("sequence", "<u4", "<u4", 52),
)


def _dtype(format_column: int) -> np.dtype[np.void]:
    return np.dtype(
        {
            "names": [f[0] for f in _FIELDS],
            "formats": [f[format_column] for f in _FIELDS],
            "offsets": [f[3] for f in _FIELDS],
            "itemsize": 56,
        }
    )


#: The public record dtype: unsigned times and ids, as Databento documents them.
MBO_DTYPE: Final = _dtype(1)
#: The same bytes as kernels read them: signed 64-bit times and ids, because numba turns mixed
#: ``uint64``/``int64`` arithmetic into floats or silently wraps it. Use ``records.view(...)``.
MBO_KERNEL_DTYPE: Final = _dtype(2)

RECORD_BYTES: Final = 56
RECORD_LENGTH_WORDS: Final = 14
RTYPE_MBO: Final = 0xA0

UNDEF_PRICE: Final = 2**63 - 1
UNDEF_TIMESTAMP: Final = 2**64 - 1

F_LAST: Final = 128
F_TOB: Final = 64
F_SNAPSHOT: Final = 32
F_MBP: Final = 16
F_BAD_TS_RECV: Final = 8
F_MAYBE_BAD_BOOK: Final = 4

ACTION_ADD: Final = ord("A")
ACTION_CANCEL: Final = ord("C")
ACTION_MODIFY: Final = ord("M")
ACTION_CLEAR: Final = ord("R")
ACTION_TRADE: Final = ord("T")
ACTION_FILL: Final = ord("F")
ACTION_NONE: Final = ord("N")
#: Every action there is; a record with another one is corrupt.
ACTIONS: Final = b"ACFMNRT"

SIDE_ASK: Final = ord("A")
SIDE_BID: Final = ord("B")
SIDE_NONE: Final = ord("N")
