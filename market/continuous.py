"""Continuous symbols and parents: names for whichever contract of a product is meant on a day.

``ES.c.0`` is the first contract of ES to expire, ``ES.v.0`` the one with the highest volume,
``ES.n.0`` the one with the highest open interest; the number is the rank, 0 the first. ``ES.FUT``
is every outright. As Databento has them: https://databento.com/docs/examples/symbology/continuous.
Which contract it is is decided for a UTC day as a whole, by what was known before that day began.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tapewire.compiled.units import NS_PER_DAY

Rule = Literal["c", "v", "n"]
#: What the rules go by, in words.
RULES: Final[Mapping[str, str]] = {"c": "expiry", "v": "volume", "n": "open interest"}
_CONTINUOUS: Final = re.compile(r"([^.\s]+)\.([cvn])\.(0|[1-9][0-9]?)")
_PARENT: Final = re.compile(r"([^.\s]+)\.FUT")
_MONTHS: Final = "FGHJKMNQUVXZ"
_EPOCH: Final = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class ContinuousName:
    """A continuous symbol, taken apart."""

    root: str
    rule: Rule
    rank: int

    def __str__(self) -> str:
        return f"{self.root}.{self.rule}.{self.rank}"


@dataclass(frozen=True)
class ListedFuture:
    """A contract that may be meant.

    Attributes
    ----------
    symbol, instrument_id
        As the files have it.
    ends_ns
        When it expires, ns since the epoch; without a definition the end of its delivery month.
    listed
        ``[start_ns, end_ns)`` of the times that files map its symbol for.
    is_defined
        Whether a definition says when it expires.
    """

    symbol: str
    instrument_id: int
    ends_ns: int
    listed: tuple[tuple[int, int], ...]
    is_defined: bool = False

    def is_listed(self, start_ns: int, end_ns: int) -> bool:
        """Whether it is there in a part of that time, and has not expired before it begins."""
        return self.ends_ns > start_ns and any(
            since < end_ns and start_ns < until for since, until in self.listed
        )


def continuous_name(symbol: str) -> ContinuousName | None:
    """Take a continuous symbol apart; None: it is none."""
    found = _CONTINUOUS.fullmatch(symbol)
    if found is None:
        return None
    rule: Rule = "c" if found[2] == "c" else "v" if found[2] == "v" else "n"
    return ContinuousName(found[1], rule, int(found[3]))


def parent_root(symbol: str) -> str | None:
    """Return the product of a parent symbol, ``ES`` of ``ES.FUT``; None: it is none."""
    found = _PARENT.fullmatch(symbol)
    return None if found is None else found[1]


def root_of(symbol: str) -> str | None:
    """Return the product of a continuous or parent symbol; None: it is neither."""
    name = continuous_name(symbol)
    return parent_root(symbol) if name is None else name.root


def delivery_end_ns(symbol: str, root: str, day: int) -> int | None:
    """Return the end of an outright's delivery month, ns since the epoch; None: it is no outright.

    Parameters
    ----------
    symbol
        Its product, the letter of a month, one or two digits of a year: ``ESH4``.
    root
        The product.
    day
        One on which it was listed, in days since the epoch: the year is the first one from then on
        that ends in those digits.
    """
    found = re.fullmatch(rf"([{_MONTHS}])([0-9]{{1,2}})", symbol.removeprefix(root))
    if found is None or not symbol.startswith(root):
        return None
    year = (_EPOCH + dt.timedelta(day)).year
    year += (int(found[2]) - year) % 10 ** len(found[2])
    month = _MONTHS.index(found[1]) + 1
    following = dt.date(year + month // 12, month % 12 + 1, 1)
    return (following - _EPOCH).days * NS_PER_DAY


def ranked(
    futures: Iterable[ListedFuture], start_ns: int, figures: Mapping[str, int] | None
) -> Sequence[ListedFuture]:
    """Return the contracts that are listed on the UTC day that begins at a time, the first first.

    Parameters
    ----------
    futures
        All contracts of the product.
    start_ns
        When the day begins, ns since the epoch.
    figures
        Lots by symbol: the most come first, and those of equal lots by expiry; None: by expiry.
    """
    there = [one for one in futures if one.is_listed(start_ns, start_ns + NS_PER_DAY)]
    lots = figures or {}
    return sorted(there, key=lambda one: (-lots.get(one.symbol, 0), one.ends_ns, one.symbol))
