"""What is drawn of a run, method by method: its trades and days again, other runs beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapewire.analytics.closed import closed_trades
from tapewire.analytics.resampling import (
    BLOCK_FIGURES,
    ORDER_FIGURES,
    TRADE_FIGURES,
    VALUES_MIN,
    Figure,
    Floats,
    Scheme,
    block_length,
    path_places,
    resampled,
)
from tapewire.analytics.run import Run
from tapewire.studies.bands import FigureBand, band_of
from tapewire.studies.blocks import block_rows
from tapewire.studies.factors import MonteCarloSettings
from tapewire.studies.luck import returns_of
from tapewire.studies.parts import FIGURES
from tapewire.studies.table import figures_of

if TYPE_CHECKING:
    import pyarrow as pa

TRADES: Final = "trades"
ORDER: Final = "order"
DAYS: Final = "days"
PERTURBED: Final = "perturbed"
MARKETS: Final = "markets"
#: Purposes of draws, by method.
_PURPOSES: Final = {TRADES: 11, ORDER: 12, DAYS: 13}
_MONEY_UNITS: Final = 1e9
_NUMBERS: Final = tuple(c.name for c in FIGURES if c.type in ("int64", "float64"))

Announce = Callable[[str], None]
#: Values drawn beyond which somebody is told that it takes a moment.
_TOLD: Final = 100_000_000


@dataclass(frozen=True)
class MethodDraws:
    """What one method drew.

    Attributes
    ----------
    method
        `TRADES`, `ORDER`, `DAYS`, `PERTURBED` or `MARKETS`.
    facts
        How it was done, in plain values.
    figures
        Of each draw, by name, shape (draws,); money in currency, NaN where a draw has none.
    own
        The same of the run itself.
    paths
        Running P&L of each draw, currency, shape (draws, points); None where there is none.
    own_path
        The run's own at the same points.
    ends
        What the first and the last point of a path are.
    why_not
        Why nothing was drawn.
    """

    method: str
    facts: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Floats] = field(default_factory=dict)
    own: dict[str, float | None] = field(default_factory=dict)
    paths: Floats | None = None
    own_path: Floats | None = None
    ends: tuple[str, str] = ("", "")
    why_not: str = ""

    @property
    def bands(self) -> list[FigureBand]:
        """The band of each figure."""
        return [
            band_of(self.method, name, values, self.own.get(name))
            for name, values in self.figures.items()
        ]


def trade_draws(
    run: Run, strategy: str | None, settings: MonteCarloSettings, announce: Announce
) -> list[MethodDraws]:
    """Draw the closed trades of a run again: blocks of them, and all of them in another order."""
    _, net = closed_trades(run, strategy)
    values = net / _MONEY_UNITS
    if len(values) < VALUES_MIN:
        why = f"it takes at least {VALUES_MIN} closed trades, there are {len(values)}"
        return [MethodDraws(TRADES, why_not=why), MethodDraws(ORDER, why_not=why)]
    ends = "first trade", f"trade {len(values):,}"
    return [
        _again(TRADES, values, TRADE_FIGURES, settings.bootstrap, settings, ends, announce),
        _again(ORDER, values, ORDER_FIGURES, "shuffle", settings, ends, announce),
    ]


def block_draws(
    run: Run, strategies: Sequence[str], settings: MonteCarloSettings, announce: Announce
) -> MethodDraws:
    """Draw the days of a run again, or shorter blocks of its P&L."""
    starts, values = own_blocks(run, strategies, settings.block_ns)
    if len(values) < VALUES_MIN:
        there = "there is 1" if len(values) == 1 else f"there are {len(values)}"
        why = (
            f"it takes at least {VALUES_MIN} blocks of P&L, {there}: more days, or shorter blocks "
            "(--block: minutes)"
        )
        return MethodDraws(DAYS, {"block": settings.block}, why_not=why)
    ends = time_of(int(starts[0])), time_of(int(starts[-1]) + settings.block_ns)
    return _again(DAYS, values, BLOCK_FIGURES, settings.bootstrap, settings, ends, announce)


def _again(
    method: str,
    values: Floats,
    figures: dict[str, Figure],
    scheme: Scheme,
    settings: MonteCarloSettings,
    ends: tuple[str, str],
    announce: Announce,
) -> MethodDraws:
    length = settings.block_length or block_length(values, scheme)
    length = min(length, float(len(values)))
    count = settings.resamples
    if count * len(values) > _TOLD:
        announce(f"drawing {len(values):,} {method} again, {count:,} times …")
    told, paths = resampled(
        values, figures, scheme, length, count, settings.seed, _PURPOSES[method]
    )
    facts: dict[str, Any] = {"draws": count, "values": len(values), "scheme": scheme}
    if method == DAYS:
        facts["block"] = settings.block
    if scheme != "shuffle":
        facts["block_length"] = length if scheme == "stationary" else max(1, round(length))
    own = {name: figure(values) for name, figure in figures.items()}
    own_path = np.concatenate(([0.0], np.cumsum(values)))[path_places(len(values))]
    return MethodDraws(method, facts, told, dict(own), paths, own_path, ends)


def trial_draws(
    method: str,
    trials: "pa.Table",
    blocks: "pa.Table",
    own: Mapping[str, Any],
    own_blocks: tuple["np.ndarray[Any, Any]", Floats] | None,
    facts: dict[str, Any],
    block_ns: int,
) -> MethodDraws:
    """Take other runs as draws.

    Parameters
    ----------
    trials, blocks
        Of those runs alone.
    own
        A row of ``metrics.parquet``.
    own_blocks
        Of the run itself, see `own_blocks`; None where its times are others.
    """
    rows = [figures_of(row) for row in trials.to_pylist()]
    mine = figures_of(own)
    known = [row for row in rows if row["status"] == "complete"]
    facts = {"draws": len(known), "failed": len(rows) - len(known), **facts}
    if not known:
        return MethodDraws(method, facts, why_not="every trial failed")
    figures = {
        name: np.array([np.nan if row[name] is None else float(row[name]) for row in known])
        for name in _NUMBERS
    }
    figures = {name: values for name, values in figures.items() if np.isfinite(values).any()}
    told = {name: None if mine.get(name) is None else float(mine[name]) for name in figures}
    returns, starts, numbers = returns_of(blocks)
    paths = own_path = None
    ends = "", ""
    if starts:
        whole = np.zeros((len(starts), len(known)))
        at = {number: k for k, number in enumerate(numbers)}
        for k, row in enumerate(known):
            if row["trial"] in at:
                whole[:, k] = returns[:, at[row["trial"]]]
        points = path_places(len(starts))
        paths = np.concatenate((np.zeros((1, len(known))), np.cumsum(whole, axis=0)))[points].T
        ends = time_of(starts[0]), time_of(starts[-1] + block_ns)
        if own_blocks is not None:
            made = dict(zip(own_blocks[0].tolist(), own_blocks[1].tolist(), strict=True))
            sums = np.cumsum([made.get(start, 0.0) for start in starts])
            own_path = np.concatenate(([0.0], sums))[points]
    return MethodDraws(method, facts, figures, told, paths, own_path, ends)


def own_blocks(
    run: Run, strategies: Sequence[str], block_ns: int
) -> tuple["np.ndarray[Any, Any]", Floats]:
    """Return begins of blocks (ns) and net P&L in each, in currency, over some strategies."""
    rows = block_rows(run, {name: k for k, name in enumerate(strategies, 1)}, block_ns)
    starts, which = np.unique(rows["block"], return_inverse=True)
    made = np.zeros(len(starts), np.int64)
    np.add.at(made, which, rows["net_pnl"])
    return starts, made / _MONEY_UNITS


def own_figures(run: Run, strategy: str | None) -> dict[str, Any]:
    """Return the metrics of a run: of a strategy, or of all together."""
    for row in run.metrics.to_pylist():
        if strategy is None and row["scope"] == "total":
            return dict(row)
        if row["scope"] == "strategy" and row["strategy_id"] == strategy:
            return dict(row)
    return {}


def write_draws(path: Path, methods: Sequence[MethodDraws]) -> None:
    """Write ``draws.parquet``: figures of what was drawn again; those of trials have a table."""
    import pyarrow as pa

    from tapewire.studies.table import write_table

    found = [one for one in methods if one.method in _PURPOSES and one.figures]
    columns: dict[str, list[Any]] = {"method": [], "draw": [], "metric": [], "value": []}
    for one in found:
        for name, values in one.figures.items():
            columns["method"] += [one.method] * len(values)
            columns["draw"] += range(1, len(values) + 1)
            columns["metric"] += [name] * len(values)
            columns["value"] += values.tolist()
    kinds = (pa.string(), pa.int64(), pa.string(), pa.float64())
    write_table(
        path,
        pa.table(
            [pa.array(columns[name], kind) for name, kind in zip(columns, kinds, strict=True)],
            names=list(columns),
        ),
    )


def time_of(ns: int) -> str:
    """Return a time as pages write it."""
    from tapewire.analytics.formats import time_short

    return time_short(ns)
