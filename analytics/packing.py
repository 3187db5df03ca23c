"""Numbers of charts as short JSON that is exact: a first value, and moves in units of one step."""

import itertools
from typing import Any, Final

import numpy as np

from tapewire.analytics.curves import Numbers
from tapewire.analytics.exact import Int64Array

#: Significant digits of a recorded value that is no whole number.
DIGITS: Final = 9


def packed(values: Numbers, unit: int = 1) -> dict[str, Any]:
    """Return numbers for the page's script, value k is (first + step * sum(moves[:k])) / unit.

    Whole numbers are exact. Floats are written out with nine significant digits.

    Parameters
    ----------
    values
        int64 or float64, shape (n,); floats are finite.
    unit
        What a whole number counts in: 1e9 where it is a price in 1e-9.
    """
    if values.dtype == np.float64:
        return {"values": [float(f"{v / unit:.{DIGITS}g}") for v in values.tolist()]}
    whole = [int(v) for v in values]
    moves = [b - a for a, b in itertools.pairwise(whole)]
    step = int(np.gcd.reduce(np.array(moves, object))) if moves else 0
    return {
        "first": whole[0] if whole else 0,
        "count": len(whole),
        "step": step or 1,
        "moves": [move // (step or 1) for move in moves],
        "unit": unit,
    }


def unpacked(numbers: dict[str, Any]) -> list[float]:
    """Return what `packed` was given, in units; the page's script does the same."""
    if "values" in numbers:
        return list(numbers["values"])
    if not numbers["count"]:
        return []
    value, found = numbers["first"], [numbers["first"] / numbers["unit"]]
    for move in numbers["moves"]:
        value += numbers["step"] * move
        found.append(value / numbers["unit"])
    return found


def changes_only(ts: Int64Array, values: Numbers) -> tuple[Int64Array, Numbers]:
    """Leave out points of a stepped line that do not move it; the first and the last stay."""
    if values.size < 3:
        return ts, values
    moved = np.r_[True, values[1:] != values[:-1]]
    moved[-1] = True
    return ts[moved], values[moved]
