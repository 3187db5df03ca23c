"""Live fills beside simulated ones: what agrees, is missing, is too much, and how far off.

Lots are matched within a symbol and a side, and within an order where both name it; first those at
the same price, then the rest at any price, each time in order of time and within a window. Within
such a group taking the earliest possible partner first matches as many lots as can be matched at
all (an interval graph, in which the greedy choice is a largest matching).
"""

import datetime
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tapewire.analytics.live_fills import LiveFill
from tapewire.compiled.units import MONEY_UNITS, NS_PER_DAY

#: Default for how far apart in time two fills may be and still be one.
WINDOW_NS: Final = 1_000_000_000
_EXAMPLES_MAX: Final = 20
_EPOCH: Final = datetime.date(1970, 1, 1)


@dataclass(frozen=True)
class Match:
    """Lots of a live fill and of a simulated one that are the same."""

    live: LiveFill
    simulated: LiveFill
    lots: int

    @property
    def worse(self) -> int:
        """How much worse the simulated price is for us, 1e-9 price; negative: better."""
        return (self.simulated.price - self.live.price) * self.live.side

    @property
    def late_ns(self) -> int:
        """How much later the simulated fill is."""
        return self.simulated.ts_ns - self.live.ts_ns


@dataclass
class _Left:
    """A fill, and the lots of it that are not matched yet."""

    fill: LiveFill
    lots: int


@dataclass
class Symbols:
    """Lots of one symbol, and what prices differ by in money (1e-9 currency)."""

    live: int = 0
    simulated: int = 0
    matched: int = 0
    same_price: int = 0
    slippage: int = 0


@dataclass
class Reconciliation:
    """What came of it.

    Attributes
    ----------
    matches
        Pairs, in order of live time.
    missed
        Live fills, and of each the lots that the simulation did not have.
    extra
        Simulated fills, and of each the lots that there were not live.
    by_symbol
        Totals; ``slippage`` is simulated less live cost of the matched lots, in 1e-9 currency.
    by_day
        The same by UTC day, as days since the epoch: a match is of its live fill's.
    """

    matches: list[Match] = field(default_factory=list)
    missed: list[tuple[LiveFill, int]] = field(default_factory=list)
    extra: list[tuple[LiveFill, int]] = field(default_factory=list)
    by_symbol: dict[str, Symbols] = field(default_factory=dict)
    by_day: dict[int, Symbols] = field(default_factory=dict)

    @property
    def total(self) -> Symbols:
        """Sums over the symbols."""
        return Symbols(
            *(
                sum(getattr(of, name) for of in self.by_symbol.values())
                for name in ("live", "simulated", "matched", "same_price", "slippage")
            )
        )

    @property
    def agreement(self) -> float:
        """Part of the lots that agree in price and time, of whichever side has more."""
        return agreement_of(self.total)

    def of(self, fill: LiveFill) -> tuple[Symbols, Symbols]:
        """Totals that a fill belongs to: of its symbol and of its day."""
        return (
            self.by_symbol.setdefault(fill.symbol, Symbols()),
            self.by_day.setdefault(fill.ts_ns // NS_PER_DAY, Symbols()),
        )

    def delays_ns(self) -> list[int]:
        """How much later simulated fills are, a value for each match, ascending."""
        return sorted(match.late_ns for match in self.matches)


def agreement_of(total: Symbols) -> float:
    """Return the part of the lots that agree in price and time, of whichever side has more."""
    return total.same_price / max(total.live, total.simulated, 1)


def reconcile(
    live: Iterable[LiveFill],
    simulated: Iterable[LiveFill],
    *,
    window_ns: int = WINDOW_NS,
    any_order: bool = False,
    value: Callable[[str, int, int], int] = lambda symbol, units, ts_ns: units,
) -> Reconciliation:
    """Match live fills with simulated ones.

    Parameters
    ----------
    live, simulated
        In any order.
    window_ns
        How far apart in time two fills may be and still be one.
    any_order
        Match fills whatever orders they are of, also where both sides name them.
    value
        Money (1e-9 currency) of so many price units times lots of a symbol, at a time: that of the
        live fill.
    """
    result = Reconciliation()
    ours = [_Left(fill, fill.lots) for fill in sorted(live, key=_time)]
    theirs = [_Left(fill, fill.lots) for fill in sorted(simulated, key=_time)]
    named = not any_order and all(left.fill.order for left in (*ours, *theirs))
    for left in ours:
        for of in result.of(left.fill):
            of.live += left.lots
    for left in theirs:
        for of in result.of(left.fill):
            of.simulated += left.lots
    by_order = [_order_and_price, _order] if named else [_price, _side]
    for key in by_order:
        for mine, other in _groups(ours, theirs, key):
            result.matches += _match(mine, other, window_ns)
    result.matches.sort(key=lambda match: (match.live.ts_ns, match.simulated.ts_ns))
    for match in result.matches:
        slippage = value(match.live.symbol, match.worse * match.lots, match.live.ts_ns)
        for of in result.of(match.live):
            of.matched += match.lots
            of.same_price += match.lots if match.worse == 0 else 0
            of.slippage += slippage
    result.missed = [(left.fill, left.lots) for left in ours if left.lots]
    result.extra = [(left.fill, left.lots) for left in theirs if left.lots]
    return result


def _time(fill: LiveFill) -> int:
    return fill.ts_ns


def _side(fill: LiveFill) -> Hashable:
    return fill.symbol, fill.side


def _price(fill: LiveFill) -> Hashable:
    return fill.symbol, fill.side, fill.price


def _order(fill: LiveFill) -> Hashable:
    return fill.symbol, fill.side, fill.strategy, fill.order


def _order_and_price(fill: LiveFill) -> Hashable:
    return fill.symbol, fill.side, fill.strategy, fill.order, fill.price


def _groups(
    ours: list[_Left], theirs: list[_Left], key: Callable[[LiveFill], Hashable]
) -> list[tuple[list[_Left], list[_Left]]]:
    groups: dict[Hashable, tuple[list[_Left], list[_Left]]] = {}
    for at, fills in enumerate((ours, theirs)):
        for left in fills:
            if left.lots:
                groups.setdefault(key(left.fill), ([], []))[at].append(left)
    return list(groups.values())


def _match(ours: list[_Left], theirs: list[_Left], window_ns: int) -> list[Match]:
    """Match what can be matched of one group, both in order of time."""
    matches = []
    at = 0
    for mine in ours:
        earliest_ns, latest_ns = mine.fill.ts_ns - window_ns, mine.fill.ts_ns + window_ns
        while mine.lots and at < len(theirs) and theirs[at].fill.ts_ns <= latest_ns:
            other = theirs[at]
            if other.fill.ts_ns >= earliest_ns:
                lots = min(mine.lots, other.lots)
                matches.append(Match(mine.fill, other.fill, lots))
                mine.lots -= lots
                other.lots -= lots
            if other.lots == 0 or other.fill.ts_ns < earliest_ns:
                at += 1  # later ones of ours are too late for it
    return matches


# --- in words ------------------------------------------------------------------------------------


def as_json(result: Reconciliation) -> dict[str, Any]:
    """Return the figures, ready for JSON; fills that did not match are examples, the first few."""

    def unmatched(fills: Sequence[tuple[LiveFill, int]]) -> dict[str, Any]:
        return {
            "lots": sum(lots for _, lots in fills),
            "first": [
                {"ts_event": fill.ts_ns, "symbol": fill.symbol, "side": fill.side,
                 "price": fill.price / MONEY_UNITS, "lots": lots, "client_order_id": fill.order}
                for fill, lots in fills[:_EXAMPLES_MAX]
            ],
        }  # fmt: skip

    total = result.total
    delays = result.delays_ns()
    return {
        "agreement_percent": round(100 * result.agreement, 4),
        **vars(total) | {"slippage": total.slippage / MONEY_UNITS},
        "symbols": {
            symbol: vars(of) | {"slippage": of.slippage / MONEY_UNITS}
            for symbol, of in sorted(result.by_symbol.items())
        },
        "days": {
            str(_EPOCH + datetime.timedelta(days=day)): vars(of)
            | {
                "slippage": of.slippage / MONEY_UNITS,
                "agreement_percent": round(100 * agreement_of(of), 4),
            }
            for day, of in sorted(result.by_day.items())
        },
        "later_ns": {
            name: delays[min(len(delays) - 1, int(len(delays) * part))] if delays else None
            for name, part in (("min", 0), ("p50", 0.5), ("p90", 0.9), ("max", 1))
        },
        "missed": unmatched(result.missed),
        "extra": unmatched(result.extra),
    }
