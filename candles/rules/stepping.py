"""Declared strategies bar by bar: what a live stream of bars would have said, and when."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tapewire.candles.columns import BarRow
from tapewire.candles.indicators.definition import IndicatorStream
from tapewire.candles.indicators.registry import find_indicator
from tapewire.candles.rules.comparing import holds
from tapewire.candles.rules.model import DeclaredStrategy
from tapewire.candles.rules.plan import (
    ComparisonKey,
    Expression,
    SeriesKey,
    SourceKey,
    plan_of,
    values_of,
)
from tapewire.candles.sessions import SessionClock
from tapewire.candles.timeframes import Timeframe, check_multiple, misplaced
from tapewire.errors import InputError


class BarSignals(NamedTuple):
    """What a strategy says at the end of a bar of its primary timeframe."""

    ts_event: int  # where the bar begins, ns
    entry_long: bool
    exit_long: bool
    entry_short: bool
    exit_short: bool


@dataclass
class _OpenBar:
    """A longer bar that is not complete."""

    bar: BarRow
    end_ns: int

    def add(self, bar: BarRow) -> None:
        old = self.bar
        self.bar = BarRow(
            old.ts_event, old.open, max(old.high, bar.high), min(old.low, bar.low), bar.close,
            old.volume + bar.volume, old.session,
        )  # fmt: skip


class RuleStepper:
    """A declared strategy, fed with bars of the shortest timeframe.

    Its signals are those of `evaluate`. Memory is bounded by the parameters of its indicators.

    Parameters
    ----------
    strategy
        As `strategy_of` gives it.
    base
        The timeframe of the bars it will be given, as ``1m``.
    clock
        When sessions begin; None: at midnight, UTC.
    price_unit
        Currency per unit of the bars' prices.

    Raises
    ------
    ConfigError
        If a timeframe of the strategy is not made of whole bars of `base`.
    """

    def __init__(
        self,
        strategy: DeclaredStrategy,
        base: str,
        clock: SessionClock | None = None,
        price_unit: float = 1.0,
    ) -> None:
        self._plan = plan_of(strategy, price_unit)
        self._clock = clock or SessionClock()
        self._base = Timeframe.of(base)
        self._row = 0
        self._until_ns = -math.inf
        comparisons = self._plan.comparisons()
        series = [key.left for key in comparisons]
        series += [key.right for key in comparisons if isinstance(key.right, SeriesKey)]
        names = dict.fromkeys((*(key.source.timeframe for key in series), self._plan.primary))
        # Of bars that end together, the primary one is last: it sees the others.
        ordered = sorted(names, key=lambda name: name == self._plan.primary)
        self._timeframes = {name: Timeframe.of(name) for name in ordered}
        for timeframe in self._timeframes.values():
            check_multiple(self._base, timeframe)
        self._open: dict[str, _OpenBar] = {}
        self._streams: dict[str, dict[SourceKey, IndicatorStream]] = {n: {} for n in ordered}
        for key in series:
            source = key.source
            definition = find_indicator(source.indicator)
            self._streams[source.timeframe][source] = definition.stream(values_of(source))
        self._values: dict[SourceKey, Sequence[float]] = {}
        self._now: dict[SeriesKey, float] = dict.fromkeys(series, math.nan)

    def push(self, bar: BarRow) -> list[BarSignals]:
        """Take the next bar of the shortest timeframe; return what primary bars it completed.

        After a gap there may be two: one that had ended in it, and the one that ends with this bar.

        Raises
        ------
        InputError
            If it is not after the one before, does not begin where bars do, lies between two
            sessions, or has a number that is not finite.
        """
        start_ns, end_ns = self._base.bounds_at(self._clock, bar.ts_event)
        if start_ns != bar.ts_event:
            raise misplaced(self._base, self._clock, self._row, bar.ts_event)
        if start_ns < self._until_ns:
            raise InputError(
                f"bars: expected times that ascend, found {bar.ts_event} in row {self._row}"
            )
        if not all(map(math.isfinite, bar[1:6])):
            raise InputError(f"bars: expected numbers in row {self._row}, found {tuple(bar[1:6])}")
        self._row += 1
        self._until_ns = end_ns
        found = list(self._complete(start_ns))
        session = self._clock.span_at(start_ns).number
        for name, timeframe in self._timeframes.items():
            is_open = self._open.get(name)
            if is_open is None:
                begins_ns, ends_ns = timeframe.bounds_at(self._clock, start_ns)
                first = bar._replace(ts_event=begins_ns, session=session)
                self._open[name] = _OpenBar(first, ends_ns)
            else:
                is_open.add(bar)
        found.extend(self._complete(end_ns))
        return found

    def _complete(self, now_ns: int) -> Iterator[BarSignals]:
        """Close the bars that end until now, in the order in which they end."""
        ended = [name for name in self._timeframes if self._ends_ns(name) <= now_ns]
        for name in sorted(ended, key=self._ends_ns):  # stable: the primary one stays last
            bar = self._open.pop(name).bar
            for source, stream in self._streams[name].items():
                self._values[source] = stream.push(bar)
            if name == self._plan.primary:
                yield self._signals(bar.ts_event)

    def _ends_ns(self, name: str) -> float:
        found = self._open.get(name)
        return math.inf if found is None else found.end_ns

    def _signals(self, ts_event: int) -> BarSignals:
        before = self._now
        self._now = {
            key: self._values[key.source][key.output] if key.source in self._values else math.nan
            for key in before
        }
        held: dict[ComparisonKey, bool] = {}
        for key in self._plan.comparisons():
            if isinstance(key.right, SeriesKey):
                right, right_before = self._now[key.right], before[key.right]
            else:
                right = right_before = key.right
            held[key] = holds(key.code, self._now[key.left], right, before[key.left], right_before)
        return BarSignals(ts_event, *(_true(rule, held) for rule in self._plan.rules))


def _true(rule: Expression, held: dict[ComparisonKey, bool]) -> bool:
    if rule is None:
        return False
    if isinstance(rule, ComparisonKey):
        return held[rule]
    parts = (_true(part, held) for part in rule.parts)
    return all(parts) if rule.all_of else any(parts)
