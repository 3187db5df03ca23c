"""Combinations of values: all of them, some drawn, or those that somebody lists."""

import contextlib
import datetime
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import numpy as np
import yaml

from tapewire.errors import ConfigError
from tapewire.studies.settings import POWER_MAX, TRIALS_MAX, Range, StudySettings, plain_number

#: Names in ``vary`` that are no parameter and no key.
STRATEGY: Final = "strategy"
SYMBOLS: Final = "symbols"
DAY: Final = "day"
#: Of a trial over a synthetic market: its seed.
MARKET: Final = "market"


@dataclass(frozen=True)
class Trial:
    """One combination.

    Attributes
    ----------
    number
        Its row in the table, from 1.
    values
        By name as in ``vary``, in its order.
    """

    number: int
    values: Mapping[str, Any]


def combinations(settings: StudySettings) -> Iterator[Mapping[str, Any]]:
    """Yield the combinations that a study tries, in the order of their numbers.

    Raises
    ------
    ConfigError
        If there are too many, or an axis that can't be counted out is to be.
    """
    if settings.method == "list":
        assert settings.trials is not None
        yield from settings.trials
    elif settings.method == "random":
        yield from _drawn(settings)
    else:
        yield from _counted(settings.vary)


def count(settings: StudySettings) -> int:
    """Return how many combinations there are; see `combinations`."""
    if settings.method == "list":
        return len(settings.trials or ())
    if settings.method == "random":
        return settings.draws
    found = math.prod(len(values) for values in _axes(settings.vary).values())
    if found > TRIALS_MAX:
        raise ConfigError(f"study.vary: expected at most {TRIALS_MAX:,} trials, found {found:,}")
    return found


def _axes(vary: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    axes = {}
    for name, given in vary.items():
        values = given.values() if isinstance(given, Range) else given
        if values is None:
            raise ConfigError(
                f"study.vary.{name}: expected a list, or a range with a step, for a grid, found "
                "a range without one (a step is typed 1:9:2; method random draws from any)"
            )
        axes[name] = values
    return axes


def _counted(vary: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    axes = _axes(vary)
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _drawn(settings: StudySettings) -> Iterator[Mapping[str, Any]]:
    """Draw combinations: each value of a trial depends on the seed and its number alone."""
    for number in range(settings.draws):
        shares = np.random.Generator(np.random.PCG64([settings.seed, number])).random(
            len(settings.vary)
        )
        yield {
            name: value_at(given, float(share))
            for (name, given), share in zip(settings.vary.items(), shares, strict=True)
        }


def value_at(given: Range | Sequence[Any], share: float) -> Any:
    """Return the value of an axis that a share, from 0 to below 1, stands for."""
    if isinstance(given, Range):
        return given.at(share)
    return given[min(int(share * len(given)), len(given) - 1)]


def value_of(text: str) -> list[Any] | dict[str, Any]:
    """Read an axis as it is typed: ``1,2,5``, ``1:9:2`` (from, to, step), ``0.5:2`` (any between).

    Raises
    ------
    ValueError
        If it is none.
    """
    numbers = [_number(part) for part in text.split(":")]
    if len(numbers) in (2, 3) and None not in numbers:
        start, to, *step = numbers
        given: dict[str, Any] = {"from": start, "to": to}
        if step:
            return given | {"step": step[0]}
        return given | {"integer": isinstance(start, int) and isinstance(to, int)}
    values = [yaml.safe_load(part) for part in text.split(",")]
    if any(value is None for value in values):
        raise ValueError(f"expected values like 1,2,5 or 1:9:2, found {text!r}")
    return [str(v) if isinstance(v, datetime.date) else v for v in values]


def _number(text: str) -> int | float | None:
    with contextlib.suppress(InvalidOperation):
        number = Decimal(text)
        # One of a billion digits is not written out.
        is_plain = number.is_finite() and number.adjusted() <= POWER_MAX
        return plain_number(number) if is_plain else None
    return None
