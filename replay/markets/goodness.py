"""How near a synthetic market is to the book it was fitted to, statistic by statistic."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tapewire.replay.markets.measuring import HORIZONS_S, Measured

_QUANTILES: Final = (0.25, 0.5, 0.75, 0.95, 0.99)
_ACTIONS: Final = {"A": "adds", "C": "cancels", "M": "modifies", "T": "trades", "F": "fills"}
#: Name of a row, field of the tally, unit; its rows are quantiles.
_DISTRIBUTIONS: Final = (
    ("order size", "sizes", "lots"),
    ("trade size", "trade_sizes", "lots"),
    ("queue at the best", "best_orders", "orders"),
    ("queue at the best", "best_lots", "lots"),
    ("adds, from the best", "add_depth", "ticks"),
    ("cancels, from the best", "cancel_depth", "ticks"),
)


@dataclass(frozen=True)
class GoodnessRow:
    """One statistic of both.

    Attributes
    ----------
    statistic, unit : str
    real, synthetic : float
        NaN where there was nothing to measure.
    """

    statistic: str
    unit: str
    real: float
    synthetic: float


def goodness(real: Measured, made: Measured) -> list[GoodnessRow]:
    """Put the statistics of a real book and a synthetic one side by side."""
    rows = [
        GoodnessRow(
            f"records that are {name}", "%",
            *(100 * float(m.tally["actions"][ord(a)] / m.tally["actions"].sum())
              for m in (real, made)),
        )
        for a, name in _ACTIONS.items()
    ]  # fmt: skip
    rows.append(_row("events", "per s", real, made, lambda m: m.steps / m.seconds))
    rows.append(_row("trades", "per s", real, made, lambda m: m.tally["trade"].sum() / m.seconds))
    rows.append(
        _row(
            "volume",
            "lots per s",
            real,
            made,
            lambda m: m.tally["trade_sizes"] @ np.arange(m.tally["trade_sizes"].size) / m.seconds,
        )
    )
    for ticks in (1, 2, 3):
        name = f"spread of {ticks} tick{'s' if ticks > 1 else ''}"
        rows.append(
            GoodnessRow(
                name,
                "% of events",
                *(
                    100 * float(m.tally["spread"][ticks] / m.tally["spread"].sum())
                    for m in (real, made)
                ),
            )
        )
    at = np.array(_QUANTILES)
    for name, field, unit in _DISTRIBUTIONS:
        pairs = zip(at, real.quantiles(field, at), made.quantiles(field, at), strict=True)
        rows += [GoodnessRow(f"{name}, {q:.0%}", unit, float(a), float(b)) for q, a, b in pairs]
    pairs = zip(at, real.time_quantiles("gaps", at), made.time_quantiles("gaps", at), strict=True)
    rows += [
        GoodnessRow(f"between events, {q:.0%}", "ms", float(a) / 1e6, float(b) / 1e6)
        for q, a, b in pairs
    ]
    rows += [
        GoodnessRow(
            f"mid's change over {h} s, deviation", "ticks", real.volatility[h], made.volatility[h]
        )
        for h in HORIZONS_S
    ]
    return rows


def _row(
    statistic: str, unit: str, real: Measured, made: Measured, of: Callable[[Measured], Any]
) -> GoodnessRow:
    return GoodnessRow(statistic, unit, float(of(real)), float(of(made)))
