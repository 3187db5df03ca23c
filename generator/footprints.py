"""When strategies are in the market, as few bits, and how far two of them are so together.

A footprint is the direction that a strategy holds as some bars end, the same ones for all: 1 long,
-1 short, 0 nothing.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.errors import ConfigError
from tapewire.generator._kernels import fill_overlaps

Directions = npt.NDArray[np.int8]
Planes = npt.NDArray[np.uint64]

_WORD_BYTES: Final = 8


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What came of a strategy, as a search needs it.

    Attributes
    ----------
    fitness : float, optional
        The more the better; None, or a number that is not finite: there is none, which is worst.
    trades : int
    footprint : int8 (k,)
        The direction held as each of k bars ends, the same bars for all strategies of a search.
    """

    fitness: float | None
    trades: int
    footprint: Directions


def planes_of(footprints: Sequence[Directions]) -> Planes:
    """Return footprints (m,) of k bars each as bits (m, words): long ones, then short ones.

    Raises
    ------
    ConfigError
        If they differ in length.
    """
    lengths = {len(one) for one in footprints}
    if len(lengths) > 1:
        raise ConfigError(
            f"footprint: expected one length for all, found {', '.join(map(str, sorted(lengths)))}"
        )
    held = np.stack(footprints) if footprints else np.zeros((0, 0), np.int8)
    sides = [np.packbits(held == side, axis=1, bitorder="little") for side in (1, -1)]
    packed = np.concatenate(sides, axis=1)
    more = -packed.shape[1] % _WORD_BYTES
    return np.ascontiguousarray(np.pad(packed, ((0, 0), (0, more)))).view(np.uint64)


def overlaps(footprints: Sequence[Directions]) -> npt.NDArray[np.float64]:
    """Return how far each two strategies overlap, from 0 to 1, shape (m, m).

    With A the set of (bar, direction) that one holds, and B that of the other, it is
    |A ∩ B| / |A ∪ B|, Jaccard's index: 1 if both are in the market at the same times in the same
    direction, 0 if never; of two that hold nothing it is 0.

    Parameters
    ----------
    footprints : sequence of int8 (k,)

    Examples
    --------
    Long at three bars and short at one; long at five, two of which they share: 2 / (4 + 5 - 2).

    >>> one, other = [1, 1, 1, 0, 0, -1], [0, 1, 1, 1, 1, 1]
    >>> both = [np.array(held, np.int8) for held in (one, other)]
    >>> round(float(overlaps(both)[0, 1]), 4)
    0.2857
    """
    planes = planes_of(footprints)
    out = np.zeros((len(planes), len(planes)))
    fill_overlaps(planes, out)
    return out


def mean_overlap(table: npt.NDArray[Any], holds: npt.NDArray[np.bool_]) -> float:
    """Return the mean overlap of each two strategies that hold something; 0: there are no two."""
    count = int(holds.sum())
    if count < 2:
        return 0.0
    among = table[np.ix_(holds, holds)]
    return float((among.sum() - np.trace(among)) / (count * (count - 1)))


def staying(order: Sequence[int], table: npt.NDArray[Any], overlap_max: float) -> list[int]:
    """Return who stays: in their order, each that overlaps none of those before beyond a bound.

    Parameters
    ----------
    order
        Places in the table, the fittest first.
    table : float64 (m, m)
        See `overlaps`.
    overlap_max
        The bound; as much as that is not beyond it.
    """
    found: list[int] = []
    for place in order:
        if not found or not (table[place, found] > overlap_max).any():
            found.append(place)
    return found


def footprint_text(footprint: Directions) -> str:
    """Return a footprint as text, two bits a bar."""
    sides = [np.packbits(footprint == side, bitorder="little") for side in (1, -1)]
    return base64.b64encode(np.concatenate(sides).tobytes()).decode()


def footprint_of_text(text: str, count: int) -> Directions:
    """Return the footprint of so many bars that a text is of.

    Raises
    ------
    ValueError
        If it is no such text.
    """
    packed = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    size = -(-count // 8)
    if len(packed) != 2 * size:
        raise ValueError(f"expected a footprint of {count} bars, found {len(packed)} bytes")
    long, short = (
        np.unpackbits(one, count=count, bitorder="little") for one in (packed[:size], packed[size:])
    )
    return long.astype(np.int8) - short.astype(np.int8)
