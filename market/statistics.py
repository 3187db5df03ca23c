"""Statistics of a venue: DBN's ``statistics`` records, and what instruments settled at.

The record is Databento's ``StatMsg``; its quantity is wider in DBN version 3 (https://docs.rs/dbn,
``StatMsg`` of its modules ``v1`` and ``v3``). Fields mean what
https://databento.com/docs/schemas-and-data-formats/statistics says.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.units import NS_PER_S
from tapewire.market.records import UNDEF_PRICE

RTYPE_STATISTICS: Final = 0x18
#: Sizes of a record by DBN version.
STATISTICS_BYTES: Final[Mapping[int, int]] = {1: 64, 2: 64, 3: 80}
#: ``StatType`` of a settlement price.
SETTLEMENT_PRICE: Final = 3
#: ``StatType`` of the lots that are held of an instrument.
OPEN_INTEREST: Final = 9
#: A quantity that says nothing, in `STATISTICS`.
UNDEF_QUANTITY: Final = 2**63 - 1
#: ``StatUpdateAction`` of a record that takes an earlier one back.
DELETED: Final = 2
_UNDEF_TIME: Final = 2**64 - 1
_UNDEF_QUANTITY_BEFORE_V3: Final = 2**31 - 1
_DAY_NS: Final = 86_400 * NS_PER_S

#: The fields that are read: format, and offset in versions 1 and 2, and in 3. Times are ns since
#: the epoch, prices in 1e-9.
_FIELDS: Final[dict[str, tuple[str, tuple[int, int]]]] = {
    "length": ("u1", (0, 0)),  # in 4-byte words
    "rtype": ("u1", (1, 1)),
    "publisher_id": ("<u2", (2, 2)),
    "instrument_id": ("<u4", (4, 4)),
    "ts_event": ("<u8", (8, 8)),
    "ts_recv": ("<u8", (16, 16)),
    "ts_ref": ("<u8", (24, 24)),  # the day that it is of
    "price": ("<i8", (32, 32)),
    "quantity": ("<i8", (40, 40)),
    "stat_type": ("<u2", (52, 56)),
    "update_action": ("u1", (56, 60)),
}


def _layout(version: int) -> np.dtype[Any]:
    formats = {name: kind for name, (kind, _) in _FIELDS.items()}
    if version != 3:
        formats["quantity"] = "<i4"
    return np.dtype(
        {
            "names": list(_FIELDS),
            "formats": list(formats.values()),
            "offsets": [offsets[version == 3] for _, offsets in _FIELDS.values()],
            "itemsize": STATISTICS_BYTES[version],
        }
    )


#: Records as they lie in a file, by its DBN version.
STATISTICS_LAYOUTS: Final = {version: _layout(version) for version in STATISTICS_BYTES}
#: What is read of a record, whatever its version.
STATISTICS: Final = np.dtype([(name, kind) for name, (kind, _) in _FIELDS.items()])


def plain_statistics(records: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return records of any version, shape (n,), with their common fields alone: `STATISTICS`."""
    out = np.empty(len(records), STATISTICS)
    for name in _FIELDS:
        out[name] = records[name]
    if records.dtype["quantity"].itemsize < out.dtype["quantity"].itemsize:
        out["quantity"][out["quantity"] == _UNDEF_QUANTITY_BEFORE_V3] = UNDEF_QUANTITY
    return out


def settlement_of(records: npt.NDArray[Any], instrument_id: int, expires_ns: int) -> int | None:
    """Return what an instrument settled at on the UTC day of its expiry, in 1e-9; None: unknown.

    Parameters
    ----------
    records
        `STATISTICS`, shape (n,), of any instruments.
    instrument_id
        The instrument.
    expires_ns
        When it expires, ns since the epoch.
    """
    return settlements_in(records, instrument_id).get(expires_ns // _DAY_NS)


def settlements_in(records: npt.NDArray[Any], instrument_id: int) -> dict[int, int]:
    """Return what an instrument settled at, in 1e-9, by day since the epoch.

    Of several prices of a day the one that was captured last: a preliminary one comes first; one
    that was taken back is none. A record is of the day of its ``ts_ref``, or where it has none of
    its ``ts_event``.

    Parameters
    ----------
    records
        `STATISTICS`, shape (n,), of any instruments.
    instrument_id
        The instrument.
    """
    mine = records[
        (records["instrument_id"] == instrument_id) & (records["stat_type"] == SETTLEMENT_PRICE)
    ]
    mine = mine[np.argsort(mine["ts_recv"], kind="stable")]
    day = np.where(mine["ts_ref"] == _UNDEF_TIME, mine["ts_event"], mine["ts_ref"]) // _DAY_NS
    last = dict(zip(day.tolist(), mine, strict=True))
    return {
        of: int(record["price"])
        for of, record in last.items()
        if record["update_action"] != DELETED and record["price"] != UNDEF_PRICE
    }
