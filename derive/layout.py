"""The records of the schemas that are derived, byte for byte, and what is kept per book.

Source of the layouts: the DBN specification, version 3 (``TradeMsg``, ``Mbp1Msg``, ``Mbp10Msg``,
``BboMsg``, ``OhlcvMsg``). Prices are int64 in 1e-9, times ns since the epoch, UTC.
"""

from typing import Any, Final

import numpy as np

from tapewire.compiled.memory import accessor, offset_of
from tapewire.market.records import MBO_KERNEL_DTYPE, RECORD_BYTES

_HEADER: Final = (
    ("length", "u1"),  # of the record in 4-byte words
    ("rtype", "u1"),
    ("publisher_id", "<u2"),
    ("instrument_id", "<u4"),
    ("ts_event", "<u8"),
)
_TRADE: Final = (
    *_HEADER,
    ("price", "<i8"),
    ("size", "<u4"),
    ("action", "S1"),
    ("side", "S1"),
    ("flags", "u1"),
    ("depth", "u1"),
    ("ts_recv", "<u8"),
    ("ts_in_delta", "<i4"),
    ("sequence", "<u4"),
)
_LEVEL: Final = (
    ("bid_px", "<i8"), ("ask_px", "<i8"),
    ("bid_sz", "<u4"), ("ask_sz", "<u4"), ("bid_ct", "<u4"), ("ask_ct", "<u4"),
)  # fmt: skip
_BBO: Final = (
    *_HEADER,
    ("price", "<i8"),  # of the last trade; UNDEF_PRICE before there was one
    ("size", "<u4"),
    ("_reserved1", "u1"),
    ("side", "S1"),
    ("flags", "u1"),
    ("_reserved2", "u1"),
    ("ts_recv", "<u8"),  # the end of the interval
    ("_reserved3", "S4"),
    ("sequence", "<u4"),
)
_OHLCV: Final = (
    *_HEADER,  # ts_event: the beginning of the interval
    ("open", "<i8"),
    ("high", "<i8"),
    ("low", "<i8"),
    ("close", "<i8"),
    ("volume", "<u8"),
)


def _levels(depth: int) -> list[tuple[str, str]]:
    return [(f"{name}_{k:02d}", kind) for k in range(depth) for name, kind in _LEVEL]


TRADE_DTYPE: Final = np.dtype([*_TRADE])
MBP_1_DTYPE: Final = np.dtype([*_TRADE, *_levels(1)])
MBP_10_DTYPE: Final = np.dtype([*_TRADE, *_levels(10)])
BBO_DTYPE: Final = np.dtype([*_BBO, *_levels(1)])
OHLCV_DTYPE: Final = np.dtype([*_OHLCV])

#: Levels a side that are kept of a book, whatever is asked for.
DEPTH_MAX: Final = 10


def _for_kernels(fields: tuple[tuple[str, str], ...]) -> np.dtype[Any]:
    other = {"S1": "u1", "S4": "<u4", "<u8": "<i8"}
    return np.dtype([(name, other.get(kind, kind)) for name, kind in fields])


#: The same bytes as kernels write them: signed 64-bit numbers, actions as numbers.
ROW: Final = _for_kernels(_TRADE)
LEVEL_PAIR: Final = np.dtype([*_LEVEL])
BAR: Final = _for_kernels(_OHLCV)
BBO_ROW: Final = _for_kernels(_BBO)
#: Bytes of a record before its levels, in every schema that has levels.
ROW_BYTES: Final = 48
LEVEL_BYTES: Final = 32
WORD_BYTES: Final = 8
EVENT_WORDS: Final = RECORD_BYTES // WORD_BYTES

#: What was last said of a book, and what is not yet said.
SHOWN: Final = np.dtype(
    [
        ("levels", LEVEL_PAIR, (DEPTH_MAX,)),  # as its last event left them
        ("event", MBO_KERNEL_DTYPE),  # the open event's last record that may change a book
        ("event_open", "i1"),  # whether there is one
        ("known", "i1"),  # whether an event of the book has ended
        ("bids", "i2"),  # levels of the bids that are there
        ("asks", "i2"),
        ("waiting", "i2"),  # whether it waits for the end of the interval
        ("next", "i8"),  # book after it of those that wait; NIL
        ("trade_ts_event", "i8"),  # of its last trade; -1 before
        ("trade_price", "i8"),
        ("trade_size", "i8"),
        ("trade_side", "i8"),
        ("sequence", "i8"),  # of the last row of mbp-1
        ("flags", "i8"),
        ("open", "i8"),  # the bar of the interval
        ("high", "i8"),
        ("low", "i8"),
        ("close", "i8"),
        ("volume", "i8"),
        ("key", "i8"),  # publisher_id << 32 | instrument_id
    ]
)
SHOWN_BYTES: Final = SHOWN.itemsize
#: Where its parts are that are reached by address.
SHOWN_LEVELS: Final = offset_of(SHOWN, "levels")
SHOWN_EVENT: Final = offset_of(SHOWN, "event")

#: What a pass is of, where its rows go, and where it stands.
DERIVE: Final = np.dtype(
    [
        ("kind", "i8"),  # one of the KIND_* below
        ("depth", "i8"),  # levels a side of a row: 0, 1 or 10
        ("rtype", "i8"),
        ("row_bytes", "i8"),
        ("interval_ns", "i8"),  # of bars and samples
        ("sided", "i8"),  # whether a change of one side says which
        ("rows", "i8"),  # address
        ("row_n", "i8"),
        ("capacity", "i8"),
        ("shown", "i8"),  # address
        ("clock", "i8"),  # largest ts_recv so far
        ("due_ns", "i8"),  # end of the interval of the books that wait
        ("waiting_head", "i8"),  # first book that waits; NIL
        ("waiting_tail", "i8"),
        ("records", "i8"),  # told of
        ("trades", "i8"),  # T records
    ]
)
KIND_BOOK: Final = 0  # every trade, every change of the best levels
KIND_TRADES: Final = 1  # every trade, beside the book before it
KIND_BBO: Final = 2  # the best levels at the end of intervals
KIND_BARS: Final = 3

#: There is no room for another row: to be emptied, and called again.
ROWS_FULL: Final = 100

derive_row_at = accessor(ROW, in_block=False)
derive_pair_at = accessor(LEVEL_PAIR, in_block=False)
derive_bar_at = accessor(BAR, in_block=False)
derive_bbo_at = accessor(BBO_ROW, in_block=False)
derive_word_at = accessor(np.dtype([("value", "i8")]), in_block=False)
shown_at = accessor(SHOWN)
