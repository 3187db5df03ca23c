"""A genetic search: the better of a generation have children, which mix them and change a little.

Trials are points of a cube: a share from 0 to below 1 for each axis.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.studies.searching import Scores, Values, values_of

#: So many are drawn, and the best of them is a parent.
TOURNAMENT: Final = 3
#: The best of a generation that are in the next as they are.
ELITE: Final = 2
#: How often a child mixes two parents; else it is like one of them.
CROSSOVER: Final = 0.9
#: Deviation of a share that changes.
MUTATION_SIZE: Final = 0.15
#: How often something new is looked for, before a generation has fewer trials than it may.
_TRIES: Final = 50

Shares = NDArray[np.float64]


class GeneticTrials:
    """Generations of trials.

    The first is drawn. Of each later one the best `ELITE` ones stay; parents of the others are the
    best of `TOURNAMENT` drawn ones; a child has each share from one of both parents, and each share
    changes with probability 1 / axes (at least 10 %) by a normal number. What was tried is not
    asked for again.

    Parameters
    ----------
    vary
        The axes.
    seed
        Of all draws.
    population
        Trials of a generation.
    """

    def __init__(self, vary: Mapping[str, Any], seed: int, population: int) -> None:
        self._vary = vary
        self._random = np.random.Generator(np.random.PCG64(seed))
        self._population = max(2, population)
        self._asked: dict[str, Shares] = {}
        #: Shares and score of all that were told, the best first; what failed is not there.
        self._told: list[tuple[float, int, Shares]] = []
        self._generation: list[tuple[float, int, Shares]] = []
        self._fresh: list[tuple[float, int, Shares]] = []
        self._count = 0

    def ask(self, count: int) -> list[Values]:
        """See `Search`: a generation at a time."""
        self._turn()
        found = []
        for _ in range(min(count, self._population)):
            one = self._new()
            if one is None:
                break
            found.append(one)
        return found

    def tell(self, values: Values, scores: Scores) -> None:
        """See `Search`."""
        shares = self._asked[_key(values)]
        self._count += 1
        if scores is not None:
            self._fresh.append((scores[0], self._count, shares))

    def _turn(self) -> None:
        """Make what was told since the last turn the generation, with the best of those before."""
        if not self._fresh:
            return
        elite = sorted(self._generation, key=_order)[:ELITE]
        self._generation = sorted([*elite, *self._fresh], key=_order)[: self._population]
        self._fresh = []

    def _new(self) -> Values | None:
        """Return values that were not asked for yet; None where none is found."""
        for _ in range(_TRIES):
            shares = self._child()
            values = values_of(self._vary, shares.tolist())
            key = _key(values)
            if key not in self._asked:
                self._asked[key] = shares
                return values
        return None

    def _child(self) -> Shares:
        axes = len(self._vary)
        if len(self._generation) < 2:
            return self._random.random(axes)
        mother, father = self._parent(), self._parent()
        child: Shares = mother.copy()
        if self._random.random() < CROSSOVER:
            from_father = self._random.random(axes) < 0.5
            child[from_father] = father[from_father]
        changes = self._random.random(axes) < max(0.1, 1.0 / axes)
        child[changes] += self._random.normal(0.0, MUTATION_SIZE, int(changes.sum()))
        # What leaves the cube comes back from its wall.
        child = np.abs(child)
        child = np.where(child >= 1.0, 2.0 - child, child)
        inside: Shares = np.clip(child, 0.0, np.nextafter(1.0, 0.0))
        return inside

    def _parent(self) -> Shares:
        drawn = self._random.integers(0, len(self._generation), TOURNAMENT)
        best: Shares = min((self._generation[k] for k in drawn.tolist()), key=_order)[2]
        return best


def _order(one: tuple[float, int, Shares]) -> tuple[float, int]:
    return -one[0], one[1]


def _key(values: Values) -> str:
    return json.dumps(values, default=str)
