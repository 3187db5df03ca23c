"""The schemas that can be derived, by Databento's names."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import numpy as np

from tapewire.compiled.units import NS_PER_S
from tapewire.derive.layout import (
    BBO_DTYPE,
    KIND_BARS,
    KIND_BBO,
    KIND_BOOK,
    KIND_TRADES,
    MBP_1_DTYPE,
    MBP_10_DTYPE,
    OHLCV_DTYPE,
    TRADE_DTYPE,
)

_MINUTE_NS: Final = 60 * NS_PER_S
_HOUR_NS: Final = 60 * _MINUTE_NS


@dataclass(frozen=True)
class DerivedSchema:
    """One schema.

    Attributes
    ----------
    name : str
        As Databento writes it.
    dtype : numpy.dtype
        Of its records, as they lie in a DBN file of version 3.
    kind, depth, rtype : int
        Which kernel makes it, with how many levels a side, and its number in DBN.
    interval_ns : int
        Of bars and samples; else 0.
    needs_book : bool
        Whether it can only be made of MBO records; the others need trades alone.
    """

    name: str
    dtype: np.dtype[Any]
    kind: int
    depth: int
    rtype: int
    interval_ns: int = 0

    @property
    def needs_book(self) -> bool:
        """Whether it can only be made of MBO records; the others need trades alone."""
        return self.depth > 0


SCHEMAS: Final = {
    schema.name: schema
    for schema in (
        DerivedSchema("mbp-10", MBP_10_DTYPE, KIND_BOOK, 10, 0x0A),
        DerivedSchema("mbp-1", MBP_1_DTYPE, KIND_BOOK, 1, 0x01),
        DerivedSchema("tbbo", MBP_1_DTYPE, KIND_TRADES, 1, 0x01),
        DerivedSchema("trades", TRADE_DTYPE, KIND_TRADES, 0, 0x00),
        DerivedSchema("bbo-1s", BBO_DTYPE, KIND_BBO, 1, 0xC3, NS_PER_S),
        DerivedSchema("bbo-1m", BBO_DTYPE, KIND_BBO, 1, 0xC4, _MINUTE_NS),
        DerivedSchema("ohlcv-1s", OHLCV_DTYPE, KIND_BARS, 0, 0x20, NS_PER_S),
        DerivedSchema("ohlcv-1m", OHLCV_DTYPE, KIND_BARS, 0, 0x21, _MINUTE_NS),
        DerivedSchema("ohlcv-1h", OHLCV_DTYPE, KIND_BARS, 0, 0x22, _HOUR_NS),
        DerivedSchema("ohlcv-1d", OHLCV_DTYPE, KIND_BARS, 0, 0x23, 24 * _HOUR_NS),
    )
}


def find_schema(name: str) -> DerivedSchema:
    """Return a schema by its name.

    Raises
    ------
    KeyError
        If there is none, with what was expected in words.
    """
    if name in SCHEMAS:
        return SCHEMAS[name]
    near = get_close_matches(name, SCHEMAS, 1)
    hint = f": did you mean {near[0]}?" if near else ""
    raise KeyError(f"expected one of {', '.join(SCHEMAS)}, found {name!r}{hint}")
