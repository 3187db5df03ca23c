"""Instrument definitions: DBN's ``definition`` records, and what they say of a contract.

The record is Databento's ``InstrumentDefMsg``; its size and most offsets differ between DBN
versions 1, 2 and 3 (https://docs.rs/dbn, ``InstrumentDefMsg`` of its modules ``v1``, ``v2``,
``v3``). Fields mean what https://databento.com/docs/schemas-and-data-formats/
instrument-definitions says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

RTYPE_DEFINITION: Final = 0x13
#: ``security_update_action`` of a record that takes its instrument away.
DELETE: Final = b"D"
#: Sizes of a record by DBN version.
DEFINITION_BYTES: Final[Mapping[int, int]] = {1: 360, 2: 400, 3: 520}
_PRICE_UNITS: Final = 1_000_000_000
_UNDEF_I64: Final = 2**63 - 1
_UNDEF_I32: Final = 2**31 - 1
_QUANTITY_MAX: Final = 2**31 - 1

#: The fields that are read: format, and offset in versions 1, 2 and 3. Prices and quantities with a
#: fraction are in 1e-9, times ns since the epoch.
_FIELDS: Final[dict[str, tuple[str, tuple[int, int, int]]]] = {
    "length": ("u1", (0, 0, 0)),  # in 4-byte words
    "rtype": ("u1", (1, 1, 1)),
    "publisher_id": ("<u2", (2, 2, 2)),
    "instrument_id": ("<u4", (4, 4, 4)),
    "ts_event": ("<u8", (8, 8, 8)),
    "ts_recv": ("<u8", (16, 16, 16)),
    "expiration": ("<u8", (40, 40, 40)),
    "min_price_increment": ("<i8", (24, 24, 24)),
    "display_factor": ("<i8", (32, 32, 32)),
    "max_price_variation": ("<i8", (72, 72, 72)),
    "unit_of_measure_qty": ("<i8", (88, 88, 80)),
    "min_price_increment_amount": ("<i8", (96, 96, 88)),
    "min_trade_vol": ("<u4", (152, 160, 172)),
    "contract_multiplier": ("<i4", (160, 164, 176)),
    "original_contract_size": ("<i4", (168, 172, 184)),
    "raw_symbol": ("S71", (200, 200, 238)),
    "asset": ("S11", (248, 297, 335)),
    "instrument_class": ("S1", (325, 374, 487)),
    "match_algorithm": ("S1", (342, 375, 488)),
    "security_update_action": ("S1", (349, 382, 493)),
}
_RAW_SYMBOL_V1: Final = "S22"
_ASSET_BEFORE_V3: Final = "S7"


def _layout(version: int) -> np.dtype[Any]:
    formats = {name: kind for name, (kind, _) in _FIELDS.items()}
    if version == 1:
        formats["raw_symbol"] = _RAW_SYMBOL_V1
    if version <= 2:
        formats["asset"] = _ASSET_BEFORE_V3
    return np.dtype(
        {
            "names": list(_FIELDS),
            "formats": list(formats.values()),
            "offsets": [offsets[version - 1] for _, offsets in _FIELDS.values()],
            "itemsize": DEFINITION_BYTES[version],
        }
    )


#: Records as they lie in a file, by its DBN version.
DEFINITION_LAYOUTS: Final = {version: _layout(version) for version in DEFINITION_BYTES}
#: What is read of a record, whatever its version.
DEFINITION: Final = np.dtype([(name, kind) for name, (kind, _) in _FIELDS.items()])


def plain_definitions(records: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return records of any version with their common fields alone.

    Parameters
    ----------
    records
        One of `DEFINITION_LAYOUTS`, shape (n,).

    Returns
    -------
    ndarray
        ``DEFINITION``, shape (n,).
    """
    out = np.empty(len(records), DEFINITION)
    for name in _FIELDS:
        out[name] = records[name]
    return out


@dataclass(frozen=True)
class DefinedFacts:
    """What a definition says of its instrument; None where it does not say.

    Attributes
    ----------
    raw_symbol : str
        As the venue calls it.
    ts_recv : int
        When it was captured, ns since the epoch.
    tick_size : int or None
        In 1e-9: ``min_price_increment``; None, too, where the tick changes with the price.
    multiplier : Fraction or None
        Currency per price unit and lot: ``unit_of_measure_qty``, where no other of `sizes` says
        otherwise.
    min_lots : int or None
        ``min_trade_vol``.
    band : int or None
        In 1e-9: ``max_price_variation``.
    match_algorithm : str
        The letter as it stands there; empty: none.
    sizes : mapping of str to Fraction
        What a lot is worth per price unit, by each field that tells.
    expiration : int or None
        When it can be traded last, ns since the epoch.
    """

    raw_symbol: str
    ts_recv: int
    tick_size: int | None
    multiplier: Fraction | None
    min_lots: int | None
    band: int | None
    match_algorithm: str
    sizes: Mapping[str, Fraction]
    expiration: int | None = None

    @property
    def contradicts_itself(self) -> bool:
        """Whether its fields differ in what a lot is worth."""
        return len(set(self.sizes.values())) > 1


def facts_of(record: Any) -> DefinedFacts:
    """Return what a record says.

    Parameters
    ----------
    record
        Of dtype ``DEFINITION``.
    """
    sizes = _sizes(record)
    quantity = sizes.get("unit_of_measure_qty")
    min_lots = int(record["min_trade_vol"])
    expiration = int(record["expiration"])
    return DefinedFacts(
        raw_symbol=_text(record["raw_symbol"]),
        ts_recv=int(record["ts_recv"]),
        tick_size=_defined(record["min_price_increment"]),
        multiplier=quantity if len(set(sizes.values())) == 1 else None,
        min_lots=min_lots if 0 < min_lots <= _QUANTITY_MAX else None,
        band=_defined(record["max_price_variation"]),
        match_algorithm=_text(record["match_algorithm"]).strip(),
        sizes=sizes,
        expiration=expiration if 0 < expiration < _UNDEF_I64 else None,
    )


def _sizes(record: Any) -> dict[str, Fraction]:
    """What a lot is worth per price unit, by each field that tells.

    ``unit_of_measure_qty`` is the size of a contract: its worth only where prices are in currency
    per unit of measure. Prices in cents, in percent of a face value, or per day of a delivery month
    show in the others: ``min_price_increment_amount`` is the worth of a tick times
    ``display_factor``; ``original_contract_size`` the "fixed contract value assigned to each
    instrument"; ``contract_multiplier`` the "number of deliverables per instrument".
    """
    sizes: dict[str, Fraction] = {}
    quantity = _defined(record["unit_of_measure_qty"])
    if quantity is None:
        return sizes
    size = sizes["unit_of_measure_qty"] = Fraction(quantity, _PRICE_UNITS)
    tick, factor, worth = (
        _defined(record[name])
        for name in ("min_price_increment", "display_factor", "min_price_increment_amount")
    )
    if tick is not None and factor is not None and worth is not None:
        sizes["min_price_increment_amount"] = Fraction(worth * _PRICE_UNITS, tick * factor)
    original, deliverables = (
        int(record[name]) for name in ("original_contract_size", "contract_multiplier")
    )
    if 0 < original < _UNDEF_I32:
        sizes["original_contract_size"] = Fraction(original)
    if 0 < deliverables < _UNDEF_I32:
        sizes["contract_multiplier"] = size * deliverables
    return sizes


def _defined(value: Any) -> int | None:
    """A positive number in 1e-9; None where a field says nothing: 0, or its sentinel."""
    number = int(value)
    return number if 0 < number < _UNDEF_I64 else None


def _text(value: bytes) -> str:
    """Text up to its first zero byte: what lies behind is padding."""
    return bytes(value).split(b"\0", 1)[0].decode("ascii", "replace")
