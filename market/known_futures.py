"""Ticks and multipliers of well-known futures, for captures without their definitions.

From the contract specifications that CME Group publishes (https://www.cmegroup.com/markets.html),
as of 2025; prices as Databento has them: in points, grains and livestock in cents, treasuries as
decimals. Where a tick was changed over the years it is the finest one.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from tapewire.compiled.units import PRICE_UNITS
from tapewire.market.continuous import root_of

#: The dataset whose symbols these are.
DATASET: Final = "GLBX.MDP3"
#: A root, the letter of a month, one or two digits of a year: no spread, no option.
_OUTRIGHT: Final = re.compile(r"([A-Z0-9]{2,3})[FGHJKMNQUVXZ][0-9]{1,2}")

#: Tick and what a point is worth by lot, by root.
_TABLE: Final[dict[str, tuple[str, str]]] = {
    # equity indices
    "ES": ("0.25", "50"), "MES": ("0.25", "5"), "NQ": ("0.25", "20"), "MNQ": ("0.25", "2"),
    "YM": ("1", "5"), "MYM": ("1", "0.5"), "RTY": ("0.1", "50"), "M2K": ("0.1", "5"),
    "EMD": ("0.1", "100"), "NKD": ("5", "5"),
    # treasuries and short rates
    "ZB": ("0.03125", "1000"), "UB": ("0.03125", "1000"), "ZN": ("0.015625", "1000"),
    "TN": ("0.015625", "1000"), "ZF": ("0.0078125", "1000"), "ZT": ("0.00390625", "2000"),
    "SR3": ("0.0025", "2500"), "ZQ": ("0.0025", "4167"),
    # currencies, in dollars
    "6A": ("0.00005", "100000"), "6B": ("0.0001", "62500"), "6C": ("0.00005", "100000"),
    "6E": ("0.00005", "125000"), "6J": ("0.0000005", "12500000"), "6M": ("0.00001", "500000"),
    "6N": ("0.00005", "100000"), "6S": ("0.00005", "125000"), "M6E": ("0.0001", "12500"),
    # energy
    "CL": ("0.01", "1000"), "MCL": ("0.01", "100"), "QM": ("0.025", "500"),
    "BZ": ("0.01", "1000"), "NG": ("0.001", "10000"), "HO": ("0.0001", "42000"),
    "RB": ("0.0001", "42000"),
    # metals
    "GC": ("0.1", "100"), "MGC": ("0.1", "10"), "SI": ("0.005", "5000"),
    "SIL": ("0.005", "1000"), "HG": ("0.0005", "25000"), "PL": ("0.1", "50"),
    # grains and livestock, in cents; meal in dollars
    "ZC": ("0.25", "50"), "ZS": ("0.25", "50"), "ZW": ("0.25", "50"), "KE": ("0.25", "50"),
    "ZL": ("0.01", "600"), "ZM": ("0.1", "100"), "LE": ("0.025", "400"),
    "HE": ("0.025", "400"), "GF": ("0.025", "500"),
    # coins
    "BTC": ("5", "5"), "MBT": ("5", "0.1"), "ETH": ("0.5", "50"), "MET": ("0.5", "0.1"),
}  # fmt: skip


@dataclass(frozen=True)
class KnownFuture:
    """What is known of a future without its definition.

    Attributes
    ----------
    root : str
    tick_size : int
        In 1e-9.
    multiplier : Fraction
        Currency per price point and lot.
    currency : str
        That of the multiplier.
    """

    root: str
    tick_size: int
    multiplier: Fraction
    currency: str = "USD"


def known_future(dataset: str, symbol: str) -> KnownFuture | None:
    """Return what is known of a symbol of a dataset; None of all that is no well-known outright.

    A continuous symbol is one of those. Several datasets are joined by ``+``.
    """
    found = _OUTRIGHT.fullmatch(symbol)
    root = root_of(symbol) if found is None else found[1]
    if root is None or DATASET not in dataset.split("+") or root not in _TABLE:
        return None
    tick, multiplier = _TABLE[root]
    return KnownFuture(root, int(Fraction(tick) * PRICE_UNITS), Fraction(multiplier))
