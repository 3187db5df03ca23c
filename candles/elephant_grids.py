"""Many variants of the elephant bar: conditions as bits, each found once, and shared by all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.candles._bits import pack_within
from tapewire.candles._elephants import tally_elephants
from tapewire.candles.clock import time_of_day
from tapewire.candles.config import BacktestConfig
from tapewire.candles.data import Candles
from tapewire.candles.elephants import (
    PARAMETERS,
    ElephantDetector,
    ElephantParams,
    exit_terms,
    require_names,
)
from tapewire.candles.engine import Played
from tapewire.candles.layout import BARS_PER_BITS, ENTER_LONG, ENTER_SHORT
from tapewire.candles.tallies import Outline, Tallied, empty_planes
from tapewire.compiled.units import NS_PER_S

#: Places, sums and days of some variants.
Found = tuple[Sequence[int], npt.NDArray[Any], npt.NDArray[np.float64]]
Bits = npt.NDArray[np.int64]

_MINUTE_NS: Final = 60 * NS_PER_S
_DAY_MINUTES: Final = 1440
#: Conditions that are kept take at most so much memory; then they are found anew.
_KEPT_BYTES_MAX: Final = 256 * 2**20
_DEFAULTS: Final = {name: getattr(ElephantParams(), name) for name in PARAMETERS}


def checked_values(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return each parameter's values, by variant; a value is checked once, however often it is.

    Raises
    ------
    ConfigError
        If a parameter is unknown or wrong.
    """
    for names in {tuple(row) for row in rows}:
        require_names(dict.fromkeys(names))
    values = {name: [row.get(name, _DEFAULTS[name]) for row in rows] for name in PARAMETERS}
    for name, column in values.items():
        try:
            several = {(type(value), value): value for value in column}.values()
        except TypeError:  # a list, say: no value of any parameter
            several = column  # type: ignore[assignment]
        for value in several:
            ElephantParams.of({name: value})
    return values


class ElephantConditions:
    """Bits of the bars of which a condition holds; threads may ask for the same one at once."""

    def __init__(self, detector: ElephantDetector) -> None:
        self._detector = detector
        self._words = -(-len(detector.candles) // BARS_PER_BITS)
        self._kept: dict[tuple[Any, ...], Bits] = {}
        sides = detector.sides.astype(np.float64)
        self.rose, self.fell = (
            self._within(sides, code, code) for code in (ENTER_LONG, ENTER_SHORT)
        )

    def _within(self, values: Any, least: float, most: float) -> Bits:
        bits = np.empty(self._words, np.int64)
        pack_within(values, float(least), float(most), bits)
        return bits

    def find(self, key: tuple[Any, ...]) -> Bits:
        """Return the bits of a condition, one of `keys_of`, shape (words,)."""
        bits = self._kept.get(key)
        if bits is None:
            bits = self._found(*key)
            if (len(self._kept) + 1) * bits.nbytes > _KEPT_BYTES_MAX:
                self._kept.clear()
            self._kept[key] = bits
        return bits

    def _found(self, kind: str, *values: Any) -> Bits:
        if kind == "shadow":
            return self._within(self._detector.shadows, -np.inf, values[0])
        if kind == "hours":
            return self._hours(*values)
        which = ("amplitude", "volume").index(kind)
        lookback, least = values
        return self._within(self._detector.means(lookback)[which], least, np.inf)

    def _hours(self, start: str, end: str, time_zone: str) -> Bits:
        first, last = (
            time_of_day(name, text) // _MINUTE_NS for name, text in (("start", start), ("end", end))
        )
        minutes = self._detector.minutes(time_zone).astype(np.float64)
        if first < last:
            return self._within(minutes, first, last - 1)
        if first == last:
            return self._within(minutes, 0, _DAY_MINUTES)
        both: Bits = self._within(minutes, first, _DAY_MINUTES) | self._within(minutes, 0, last - 1)
        return both


def keys_of(values: Mapping[str, list[Any]], i: int) -> tuple[tuple[Any, ...], ...]:
    """Return the conditions that the i-th variant's signals hang on."""
    lookback = values["lookback"][i]
    return (
        ("amplitude", lookback, values["min_amplitude"][i]),
        ("volume", lookback, values["min_volume"][i]),
        ("shadow", values["max_shadow"][i]),
        ("hours", values["start"][i], values["end"][i], values["time_zone"][i]),
    )


@dataclass(frozen=True)
class _Shared:
    """What variants with one clock and one average true range share."""

    conditions: ElephantConditions
    tallied: Tallied
    values: Mapping[str, list[Any]]


def elephant_tasks(
    candles: Candles, rows: Sequence[Mapping[str, Any]], config: BacktestConfig, chunk: int
) -> Iterator[Callable[[], Iterator[Found]]]:
    """Give chunks of variants as work for threads; those of one signal stand side by side.

    Raises
    ------
    ConfigError
        If a parameter is unknown or wrong.
    """
    values = checked_values(rows)
    detector = ElephantDetector(candles)
    conditions, outline = ElephantConditions(detector), Outline.of(candles)
    groups: dict[tuple[Any, ...], list[int]] = {}
    columns = (values["time_zone"], values["close_at"], values["atr_period"])
    for place, key in enumerate(zip(*columns, strict=True)):
        groups.setdefault(key, []).append(place)
    for time_zone, _, _ in groups:  # made here: threads only read them
        detector.minutes(time_zone)
    like: dict[tuple[Any, ...], Played] = {}
    for (time_zone, close_at, period), places in groups.items():
        one = ElephantParams(time_zone=time_zone, close_at=close_at, atr_period=period)
        variant = one.config(config)
        clock = (variant.close_at, variant.open_at, variant.time_zone)
        ranges = detector.ranges(variant.atr_periods)
        played = Played.of(candles, variant, ranges, like=like.get(clock))
        like.setdefault(clock, played)
        shared = _Shared(conditions, Tallied(played, outline), values)
        keys = [keys_of(values, place) for place in places]
        order: dict[tuple[Any, ...], int] = {}
        ranks = [order.setdefault(key, len(order)) for key in keys]
        sorted_places = [places[k] for k in np.argsort(ranks, kind="stable").tolist()]
        for at in range(0, len(places), chunk):
            yield _work(shared, sorted_places[at : at + chunk])


def _work(shared: _Shared, places: list[int]) -> Callable[[], Iterator[Found]]:
    def work() -> Iterator[Found]:
        values, tallied = shared.values, shared.tallied
        known: dict[tuple[Any, ...], int] = {}
        picked = np.array(
            [[known.setdefault(k, len(known)) for k in keys_of(values, i)] for i in places]
        )
        conditions = np.stack([shared.conditions.find(key) for key in known])
        stops, targets = ([values[name][i] for i in places] for name in ("stop_atr", "target_atr"))
        summaries, states, daily = tallied.room(len(places))
        played = tallied.played
        tally_elephants(
            exit_terms(stops, targets, played.terms), played.bars, tallied.outline.tables,
            tallied.leaves, played.ends, conditions, picked, shared.conditions.rose,
            shared.conditions.fell, empty_planes(len(played.bars[0])), summaries, states, daily,
        )  # fmt: skip
        yield places, summaries, daily

    return work
