"""Delays by tables of quantiles: one draw is one delay, whatever the distribution.

A draw of `DRAW_BITS` bits is a probability. The table of a leg has the delays at probabilities
that get closer together, octave by octave, towards 0 and towards 1, `STEPS` of them to an octave;
between two of them a delay is interpolated in whole ns. So kernels compute in integers, no draw is
ever rejected, and the tails are as exact as the middle. A second table, chosen with a probability
of its own by the other bits of the draw, makes a mixture.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.memory import accessor
from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.latency.legs import (
    LATENCY_MAX_NS,
    LEGS,
    Bounds,
    compute_ns,
    per_leg,
    us_to_ns,
    values_of,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
#: Delays in ns at tail probabilities, lower and upper, of `tails`; the first and last are bounds.
Table = tuple[IntArray, IntArray]

#: Of the 63 bits of a draw, those that are a probability; the others choose between two tables.
DRAW_BITS: Final = 36
CHOICE_BITS: Final = 63 - DRAW_BITS
STEP_BITS: Final = 6
STEPS: Final = 1 << STEP_BITS
#: Octaves above the first `STEPS` draws, which have an entry each.
OCTAVES: Final = DRAW_BITS - 1 - STEP_BITS
ENTRIES: Final = STEPS * (OCTAVES + 1) + 1
_FRACTION_BITS: Final = 20  # of a step: more would leave 63 bits
_HALF: Final = 1 << (DRAW_BITS - 1)
_CHOICE_MASK: Final = (1 << CHOICE_BITS) - 1

STATE: Final = np.dtype(
    [
        ("tables", "i8", (len(LEGS),)),  # addresses: lower half's entries, then the upper's
        ("others", "i8", (len(LEGS),)),  # of the tables that are chosen now and then
        ("choice", "i8", (len(LEGS),)),  # out of 2^CHOICE_BITS draws, how many choose them
    ]
)
_entry_at: Final = accessor(np.dtype([("ns", "i8")]), in_block=False)


def kernel(state: Any, leg: int, sent_ns: int, bits: int, load: int) -> Any:
    """The quantile of the draw, of the leg's table."""
    table = state.tables[leg]
    if bits & _CHOICE_MASK < state.choice[leg]:
        table = state.others[leg]
    rank = bits >> CHOICE_BITS
    if rank >= _HALF:
        rank = 2 * _HALF - 1 - rank
        table += 8 * ENTRIES
    if rank < STEPS:
        return _entry_at(table, rank).ns
    octave = OCTAVES - 1
    while rank >> (octave + STEP_BITS) == 0:
        octave -= 1
    step = (rank >> octave) - STEPS
    fraction = rank & ((1 << octave) - 1)
    fraction_bits = octave
    if octave > _FRACTION_BITS:
        fraction >>= octave - _FRACTION_BITS
        fraction_bits = _FRACTION_BITS
    entry = (octave + 1) * STEPS + step
    low = _entry_at(table, entry).ns
    high = _entry_at(table, entry + 1).ns
    return low + (((high - low) * fraction) >> fraction_bits)


@lru_cache(maxsize=1)
def tails() -> FloatArray:
    """Tail probabilities of a table's entries, shape (ENTRIES,): a draw stands for its middle."""
    small = np.arange(STEPS)
    octaves = [np.arange(STEPS, 2 * STEPS) << octave for octave in range(OCTAVES)]
    ranks = np.concatenate([small, *octaves, [_HALF]])
    return (ranks + 0.5) / (1 << DRAW_BITS)


@lru_cache(maxsize=1)
def normal_tails() -> FloatArray:
    """How far above the mean a standard normal variate's upper tails begin, by `tails`."""
    inverse = NormalDist().inv_cdf  # Wichura (1988), AS 241
    return -np.array([inverse(tail) for tail in tails()])


def table_of(lower: FloatArray, upper: FloatArray, low_ns: int, high_ns: int) -> Table:
    """A table of quantiles in ns, (ENTRIES,) each, cut at two bounds."""
    cut = [np.clip(values, low_ns, high_ns) for values in (lower, upper)]
    lower_ns, upper_ns = (np.rint(values).astype(np.int64) for values in cut)
    return lower_ns, upper_ns


def constant(ns: int) -> Table:
    """The table of a leg whose delay is always the same."""
    entries = np.full(ENTRIES, ns, np.int64)
    return entries, entries


#: Of a leg: its table, another one or None, and how often that is taken, out of 2^CHOICE_BITS.
Mixture = tuple[Table, Table | None, int]
LegTables = Callable[[Mapping[str, Any], int], Mixture]
#: What a `drawn_model` was made of, by its name: parameters of one leg, and its tables by them.
DRAWN: Final[dict[str, tuple[Mapping[str, ParameterSpec], Callable[..., Mixture]]]] = {}


def bounds_of(parameters: Mapping[str, Any], legs: LegTables) -> Bounds:
    """Smallest and largest delay of each leg, in ns: the ends of its tables."""
    found = []
    for leg in range(len(LEGS)):
        ends = ends_of(legs(parameters, leg))
        compute = compute_ns(parameters, leg)
        found.append((min(ends) + compute, max(ends) + compute))
    return tuple(found)


def ends_of(mixture: Mixture) -> list[int]:
    """The outermost delays of all tables that a draw can meet, in ns."""
    table, other, choice = mixture
    taken = [table] if choice <= _CHOICE_MASK else []
    if other is not None and choice > 0:
        taken.append(other)
    return [int(half[0]) for one in taken for half in one]


def write_tables(parameters: Mapping[str, Any], state: Any, legs: LegTables) -> list[IntArray]:
    """Write the tables of all legs into a `STATE` record; returns what must be kept with it."""
    kept: dict[bytes, IntArray] = {}  # legs that are alike share one

    def address(table: Table, compute: int) -> int:
        values = np.concatenate(table) + compute
        return int(kept.setdefault(values.tobytes(), values).ctypes.data)

    for leg in range(len(LEGS)):
        table, other, choice = legs(parameters, leg)
        compute = compute_ns(parameters, leg)
        state["tables"][leg] = address(table, compute)
        state["others"][leg] = address(table if other is None else other, compute)
        state["choice"][leg] = choice
    return list(kept.values())


def cut_of(low_us: Decimal, high_us: Decimal | None) -> tuple[int, int]:
    """The bounds in ns of a delay that is at least some µs, and at most some or `LATENCY_MAX_NS`.

    Raises
    ------
    ValueError
        If the lower one is above the upper one.
    """
    low_ns = us_to_ns(low_us)
    high_ns = LATENCY_MAX_NS if high_us is None else us_to_ns(high_us)
    if low_ns > high_ns:
        raise ValueError(
            f"expected a largest delay (max_us) of at least {low_us} µs, found {high_us}"
        )
    return low_ns, high_ns


def drawn_model(
    name: str, doc: str, specs: Mapping[str, ParameterSpec], mixture: Callable[..., Mixture]
) -> ModelDefinition:
    """A latency of which each message has a draw of its own.

    Parameters
    ----------
    specs
        Parameters of one leg; each leg may have its own.
    mixture
        The tables of a leg, by its parameters.
    """
    DRAWN[name] = specs, mixture

    def of_leg(parameters: Mapping[str, Any], leg: int) -> Mixture:
        values = values_of(parameters, leg, specs)
        return (constant(0), None, 0) if values is None else mixture(**values)

    def bounds(parameters: Mapping[str, Any]) -> Bounds:
        return bounds_of(parameters, of_leg)

    def prepare(parameters: Mapping[str, Any], state: Any) -> list[IntArray]:
        return write_tables(parameters, state, of_leg)

    return ModelDefinition(
        family="latency", name=name, doc=doc, kernel=kernel, parameters=per_leg(specs),
        state=STATE, prepare=prepare, bounds=bounds,
    )  # fmt: skip
