"""Strategies of a genetic search and what came of them: who stays, who is chosen, what is kept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tapewire.generator.drawing import Draws
from tapewire.generator.footprints import (
    Evaluated,
    footprint_of_text,
    footprint_text,
    mean_overlap,
    overlaps,
    staying,
)
from tapewire.generator.making import MadeStrategy, made_of

#: Of a strategy without fitness: below all others.
_WORST: Final = -math.inf


@dataclass(frozen=True, eq=False)
class Member:
    """A strategy and what came of it."""

    made: MadeStrategy
    evaluated: Evaluated

    @property
    def fitness(self) -> float | None:
        """Its fitness; None: it has none."""
        found = self.evaluated.fitness
        return found if found is not None and math.isfinite(found) else None

    @property
    def order(self) -> tuple[float, str]:
        """What members are sorted by: the fittest first, alike ones by their hash."""
        found = self.fitness
        return -(_WORST if found is None else found), self.made.hash


def settled(members: Sequence[Member], overlap_max: float) -> tuple[list[Member], float]:
    """Return the members that stay, the fittest first, and the mean overlap of all before.

    Who is no fitter than another and overlaps it beyond the bound does not stay. See
    `tapewire.generator.footprints.overlaps`.
    """
    ordered = sorted(members, key=lambda one: one.order)
    table = overlaps([one.evaluated.footprint for one in ordered])
    holds = np.array([bool(one.evaluated.footprint.any()) for one in ordered], np.bool_)
    places = staying(range(len(ordered)), table, overlap_max)
    return [ordered[place] for place in places], mean_overlap(table, holds)


def tournament(members: Sequence[Member], size: int, draws: Draws) -> Member:
    """Return the fittest of so many drawn ones; the same may be drawn more than once.

    Of n members, fittest first, the i-th (from 0) is chosen with probability
    ((n - i)^k - (n - i - 1)^k) / n^k, k the size.

    Parameters
    ----------
    members
        The fittest first.
    size
        How many are drawn.
    draws
        Of this choice alone.
    """
    return members[min(draws.whole(0, len(members) - 1) for _ in range(size))]


def median_fitness(members: Sequence[Member]) -> float | None:
    """Return the median of those that have a fitness; None: none has."""
    found = [one.fitness for one in members if one.fitness is not None]
    return float(np.median(found)) if found else None


def record_of(member: Member) -> dict[str, Any]:
    """Return a member, JSON-ready."""
    return {
        "name": member.made.name,
        "rules": member.made.rules,
        "fitness": member.fitness,
        "trades": member.evaluated.trades,
        "bars": len(member.evaluated.footprint),
        "footprint": footprint_text(member.evaluated.footprint),
    }


def member_of(record: dict[str, Any]) -> Member:
    """Return the member that a record is of.

    Raises
    ------
    ConfigError
        If its rules are none.
    KeyError, TypeError, ValueError
        If it is no record.
    """
    footprint = footprint_of_text(record["footprint"], record["bars"])
    fitness = None if record["fitness"] is None else float(record["fitness"])
    made = made_of(record["name"], record["rules"])
    return Member(made, Evaluated(fitness, int(record["trades"]), footprint))
