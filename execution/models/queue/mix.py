"""The steps that venues share volume out by, one after another; which of them, a model says.

Of the volume at a price, less than all that rests there (else everybody fills, and by time):

1. top: the first of the queue gets up to ``top_lots_max``, if it has at least ``top_lots_min``;
2. lead: of what is left, ``lead_percent`` goes to lead market makers, and ours is none;
3. split: of what is left, (100 - ``fifo_percent``) % rounded down is for step 5, else for 4;
4. by time: each order what it has, from the first on;
5. by size: each lots x its own / all that are left there, rounded down, and nothing where that is
   less than ``pro_rata_lots_min``;
6. leveling: where it is on, a lot for each that got nothing in 5, from the first on;
7. by time: what is left.

Source: CME Group, CME Globex Matching Algorithm Steps and Supported Matching Algorithms
(<https://cmegroupclientsite.atlassian.net/wiki/spaces/EPICSANDBOX/pages/457218521>), whose letters
the models name. Data don't tell who bettered the market: the first of a queue counts as who did.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from tapewire.compiled.exact import multiply_divide
from tapewire.compiled.jit import jit
from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.standing_layout import standing_at
from tapewire.market.instruments import MATCH_ALGORITHMS

_HALF_WORD: Final = 1 << 31
LOTS_MAX: Final = 2**31 - 1

#: How each step is set, for each number of a match algorithm.
STATE = np.dtype(
    [
        (name, "i8", (len(MATCH_ALGORITHMS) + 1,))
        for name in (
            "top_lots_min",
            "top_lots_max",
            "lead_percent",
            "fifo_percent",
            "pro_rata_lots_min",
            "leveling",
        )
    ]
)

SPECS: Final = {
    "top_lots_min": ParameterSpec(
        int, "lots that the order which bettered the market needs to come first", 1, 1, LOTS_MAX
    ),
    "top_lots_max": ParameterSpec(
        int, "lots that it gets first; 0: none do", LOTS_MAX, 0, LOTS_MAX
    ),
    "lead_percent": ParameterSpec(int, "% of the volume that lead market makers get", 0, 0, 100),
    "fifo_percent": ParameterSpec(int, "% of the volume that is shared out by time", 0, 0, 100),
    "pro_rata_lots_min": ParameterSpec(
        int, "lots that a share by size has to have, else it is 0", 1, 1, LOTS_MAX
    ),
    "leveling": ParameterSpec(bool, "a lot for each that has no share by size", False),
}


def kernel(
    state: Any, leaves: int, volume: int, behind: int, place: int, orders: int, standing: int,
    algorithm: int, bits: int,
) -> Any:  # fmt: skip
    """What all steps give the order at its place."""
    if place < 0:
        return behind
    everybody = 0
    for k in range(orders):
        order = standing_at(standing, k)
        order.left = order.lots
        everybody += order.lots
    if volume >= everybody:
        # What it stood there with, also if one of its group has shrunk it since.
        return max(leaves, standing_at(standing, place).lots)
    first = standing_at(standing, 0)
    if first.lots >= state.top_lots_min[algorithm]:
        lots = min(first.lots, volume, state.top_lots_max[algorithm])
        first.left -= lots
        volume -= lots
    volume -= volume * state.lead_percent[algorithm] // 100
    by_size = volume * (100 - state.fifo_percent[algorithm]) // 100
    by_time(standing, orders, volume - by_size)
    volume = by_size - _by_size(standing, orders, by_size, state.pro_rata_lots_min[algorithm])
    if state.leveling[algorithm] != 0:
        volume -= _level(standing, orders, volume)
    by_time(standing, orders, volume)
    own = standing_at(standing, place)
    return own.lots - own.left


@jit
def by_time(standing: int, orders: int, volume: int) -> None:
    """Give each order what it has left, from the first on."""
    for k in range(orders):
        order = standing_at(standing, k)
        lots = min(order.left, volume)
        order.left -= lots
        volume -= lots


@jit
def _by_size(standing: int, orders: int, volume: int, least: int) -> int:
    """Give each order its share of a volume by size; returns how many lots that are."""
    everybody = 0
    for k in range(orders):
        everybody += standing_at(standing, k).left
    given = 0
    for k in range(orders):
        order = standing_at(standing, k)
        order.share = 0
        if everybody > 0:
            share = share_of(volume, order.left, everybody)
            order.share = share if share >= least else 0
        order.left -= order.share
        given += order.share
    return given


@jit
def _level(standing: int, orders: int, volume: int) -> int:
    """Give a lot to each order whose share was none, from the first on; returns how many."""
    given = 0
    for k in range(orders):
        order = standing_at(standing, k)
        if order.share == 0 and order.left > 0 and given < volume:
            order.left -= 1
            given += 1
    return given


@jit
def share_of(volume: int, lots: int, everybody: int) -> int:
    """``volume * lots // everybody``, exact."""
    if volume < _HALF_WORD and lots < _HALF_WORD:
        return volume * lots // everybody
    return multiply_divide(volume, lots, everybody)


def set_steps(state: Any, steps: Mapping[str, Any], number: int | None = None) -> None:
    """Write how the steps are set: for one number of an algorithm, or for all of them."""
    for name in SPECS:
        state[name][slice(None) if number is None else number] = steps[name]


def venues_mix(
    name: str, doc: str, used: Mapping[str, Any], fixed: Mapping[str, Any]
) -> ModelDefinition:
    """A queue model of these steps.

    ``used`` are its parameters with their defaults, ``fixed`` how the other steps are set.
    """

    def prepare(parameters: Mapping[str, Any], state: Any) -> None:
        set_steps(state, {**fixed, **parameters})

    return ModelDefinition(
        family="queue",
        name=name,
        doc=doc,
        kernel=kernel,
        parameters={
            key: ParameterSpec(spec.type, spec.doc, default, spec.minimum, spec.maximum)
            for key, spec in SPECS.items()
            if (default := used.get(key)) is not None
        },
        state=STATE,
        prepare=prepare,
        whole_level=True,
    )
