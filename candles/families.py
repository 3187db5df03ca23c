"""Strategies that come along as families: one by its parameters, many of one kind together."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final, NamedTuple, Protocol, overload

import numpy as np
import numpy.typing as npt

from tapewire.candles._elephants import trade_exits
from tapewire.candles.config import BacktestConfig
from tapewire.candles.crossovers import crossover_codes, sweep_crossovers
from tapewire.candles.data import Candles
from tapewire.candles.elephant_grids import Found, elephant_tasks
from tapewire.candles.elephants import (
    PARAMETERS,
    ElephantDetector,
    ElephantParams,
    exit_terms,
    run_backtest,
)
from tapewire.candles.engine import Played, VectorEngine
from tapewire.candles.layout import SUMMARY, TRADE
from tapewire.candles.ranges import average_true_ranges
from tapewire.candles.result import BacktestResult
from tapewire.candles.signals import room_for_codes, words_of
from tapewire.candles.tallies import Outline, can_tally
from tapewire.errors import ConfigError

#: Variants that are traded in one call: between two, a user may stop it.
CHUNK: Final = 64
_NOTHING: Final = np.empty(0, np.float64)

Row = Mapping[str, Any]


class VariantResults(NamedTuple):
    """What some variants came to: their places among all, sums, and equity at sessions' ends.

    Where it is asked for, also the direction that each holds as some bars end, int8 (m, k).
    """

    places: Sequence[int]
    summaries: npt.NDArray[Any]
    daily: npt.NDArray[np.float64]
    held: npt.NDArray[np.int8] | None = None


class Family(Protocol):
    """A kind of strategy with declared parameters."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of its parameters."""

    def run(self, candles: Candles, row: Row, config: BacktestConfig) -> BacktestResult:
        """Trade one, and keep everything of it."""

    def tasks(
        self, candles: Candles, rows: Sequence[Row], config: BacktestConfig
    ) -> Iterator[Callable[[], Iterator[VariantResults]]]:
        """Give the work of many, in parts that threads may do; refuse wrong parameters at once."""


class SmaCross:
    """Two simple moving averages of closes: ``fast``, ``slow``, ``short``."""

    name = "sma_cross"
    parameters = ("fast", "slow", "short")

    def run(self, candles: Candles, row: Row, config: BacktestConfig) -> BacktestResult:
        """Trade one pair."""
        fast, slow, short = self._values(row)
        codes = crossover_codes(candles, fast, slow, short=short)
        played = Played.of(candles, config, average_true_ranges(candles, config.atr_periods))
        told = {"parameters": {"fast": fast, "slow": slow, "short": short}}
        return VectorEngine(config).run_codes(candles, played, codes, self.name, told)

    def tasks(
        self, candles: Candles, rows: Sequence[Row], config: BacktestConfig
    ) -> Iterator[Callable[[], Iterator[VariantResults]]]:
        """Give chunks of pairs."""
        values = [self._values(row) for row in rows]
        ranges = average_true_ranges(candles, config.atr_periods)
        played, outline = Played.of(candles, config, ranges), Outline.of(candles)
        for short in (False, True):
            places = [i for i, one in enumerate(values) if one[2] is short]
            for at in range(0, len(places), CHUNK):
                part = places[at : at + CHUNK]
                pairs = np.array([values[i][:2] for i in part], np.int64)
                yield _crossing(candles, played, ranges, outline, part, pairs, config, short)

    @staticmethod
    def _values(row: Row) -> tuple[int, int, bool]:
        fast, slow, short = row.get("fast", 10), row.get("slow", 30), row.get("short", False)
        for name, value in (("fast", fast), ("slow", slow)):
            if type(value) is not int:
                raise ConfigError(f"{name}: expected a whole number, found {value!r}")
        if type(short) is not bool:
            raise ConfigError(f"short: expected true or false, found {short!r}")
        if not 0 < fast < slow:
            raise ConfigError(f"fast, slow: expected 0 < fast < slow, found {fast} and {slow}")
        return fast, slow, short


def _crossing(
    candles: Candles,
    played: Played,
    ranges: Mapping[int, Any],
    outline: Outline,
    places: list[int],
    pairs: Any,
    config: BacktestConfig,
    short: bool,
) -> Callable[[], Iterator[VariantResults]]:
    def work() -> Iterator[VariantResults]:
        yield VariantResults(
            places,
            *sweep_crossovers(
                candles, pairs, config, short=short, atr=ranges, like=played, outline=outline
            ),
        )

    return work


class Elephant:
    """The elephant bar: see `tapewire.candles.elephants`."""

    name = "barra_elefante"
    parameters = PARAMETERS

    def run(self, candles: Candles, row: Row, config: BacktestConfig) -> BacktestResult:
        """Trade one set of parameters."""
        return run_backtest(candles, row, config)

    def tasks(
        self, candles: Candles, rows: Sequence[Row], config: BacktestConfig
    ) -> Iterator[Callable[[], Iterator[VariantResults]]]:
        """Give chunks of variants; what several of them need is found once."""
        if can_tally(config.terms(candles.tick)):
            for work in elephant_tasks(candles, rows, config, CHUNK):
                yield _named(work)
        else:
            yield from self._full_tasks(candles, rows, config)

    @staticmethod
    def _full_tasks(
        candles: Candles, rows: Sequence[Row], config: BacktestConfig
    ) -> Iterator[Callable[[], Iterator[VariantResults]]]:
        """Give a part for each detection, traded bar by bar."""
        detector = ElephantDetector(candles)
        groups: dict[tuple[Any, ...], list[tuple[int, ElephantParams]]] = {}
        for place, row in enumerate(rows):
            given = ElephantParams.of(row)
            key = (*given.detection, given.close_at, given.atr_period)
            groups.setdefault(key, []).append((place, given))
        for given in (group[0][1] for group in groups.values()):
            detector.minutes(given.time_zone)  # made here: threads only read them
            detector.means(given.lookback)
        shared: dict[tuple[Any, ...], Played] = {}
        for group in groups.values():
            # Each variant has a stop and a target of its own, of one period.
            variant = replace(group[0][1], stop_atr=1.0, target_atr=1.0).config(config)
            clock = (variant.close_at, variant.open_at, variant.time_zone)
            ranges = detector.ranges(variant.atr_periods)
            played = Played.of(candles, variant, ranges, like=shared.get(clock))
            shared.setdefault(clock, played)
            yield _exits(candles, detector, played, variant, group)


def _exits(
    candles: Candles, detector: ElephantDetector, played: Played, config: BacktestConfig,
    group: Sequence[tuple[int, ElephantParams]],
) -> Callable[[], Iterator[VariantResults]]:  # fmt: skip
    def work() -> Iterator[VariantResults]:
        codes = detector.codes(group[0][1], room_for_codes(len(candles)))
        words = words_of(codes)
        slots = np.zeros(config.max_positions, TRADE)
        for at in range(0, len(group), CHUNK):
            part = group[at : at + CHUNK]
            terms = exit_terms(
                [given.stop_atr for _, given in part], [given.target_atr for _, given in part],
                played.terms,
            )  # fmt: skip
            summaries = np.zeros(len(part), SUMMARY)
            daily = np.empty((len(part), len(played.ends)), np.float64)
            trade_exits(
                terms, played.bars, words, codes, played.ends, slots, summaries, slots[:0],
                _NOTHING, daily,
            )  # fmt: skip
            yield VariantResults([place for place, _ in part], summaries, daily)

    return work


def _named(work: Callable[[], Iterator[Found]]) -> Callable[[], Iterator[VariantResults]]:
    return lambda: (VariantResults(*found) for found in work())


_KNOWN: Final[tuple[Family, ...]] = (SmaCross(), Elephant())
FAMILIES: Final = {one.name: one for one in _KNOWN}


def find_family(name: str) -> Family:
    """Return a family by its name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if name not in FAMILIES:
        near = get_close_matches(name, FAMILIES, 1)
        hint = f": did you mean {near[0]}?" if near else ""
        raise ConfigError(f"strategy: expected one of {', '.join(FAMILIES)}, found {name!r}{hint}")
    return FAMILIES[name]


def require_parameters(family: Family, names: Any) -> None:
    """Refuse a name that is no parameter of a family, with ConfigError."""
    for name in names:
        if name not in family.parameters:
            near = get_close_matches(name, family.parameters, 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(family.parameters)}"
            raise ConfigError(f"{name}: no parameter of {family.name}, {hint}")


class GridRows(Sequence[Row]):
    """Every combination of a grid's values, the last name changing fastest; made when asked for.

    Parameters
    ----------
    grid
        Values by parameter.
    """

    def __init__(self, grid: Mapping[str, Sequence[Any]]) -> None:
        self._values = {name: list(values) for name, values in grid.items()}
        self._count = math.prod(len(values) for values in self._values.values())

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, place: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        """Return a combination, or some of them as a list."""
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(self._count))]
        left, found = range(self._count)[place], {}
        for name, values in reversed(self._values.items()):
            left, at = divmod(left, len(values))
            found[name] = values[at]
        return {name: found[name] for name in self._values}
