"""The page of a Monte Carlo study: bands, fans and histograms, method by method."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from tapewire.analytics import formats as f
from tapewire.analytics.bars import BarSeries, columns
from tapewire.analytics.metrics import METRICS
from tapewire.analytics.rendering import render_page
from tapewire.analytics.report_tables import Table, cell, table
from tapewire.atomic import atomic_write
from tapewire.studies.bands import FigureBand, finite
from tapewire.studies.factors import MonteCarloSettings
from tapewire.studies.fan import fan
from tapewire.studies.parts import FIGURES
from tapewire.studies.report import failure_parts
from tapewire.studies.spreads import MethodDraws
from tapewire.studies.table import MONEY_COLUMNS

#: What methods are called.
TITLES: Final[Mapping[str, str]] = {
    "trades": "Trades drawn again",
    "order": "Trades in another order",
    "days": "Days drawn again",
    "perturbed": "Perturbed runs",
    "markets": "Synthetic markets",
}
_ASKED: Final[Mapping[str, str]] = {
    "trades": "What if other trades of the same kind had come?",
    "order": "What if the same trades had come in another order?",
    "days": "What if other days, or blocks, of the same kind had come?",
    "perturbed": "What if delays, fills, fees and seeds are a little others than assumed?",
    "markets": "What does the strategy earn where nothing but chance moves the market?",
}
#: Names of figures that are no metrics.
_LABELS: Final[Mapping[str, str]] = {
    "sharpe_by_block": "Sharpe ratio by block",
    "winning_blocks": "Blocks that won",
    "worst_block": "Worst block",
}
_MONEY: Final = frozenset({*MONEY_COLUMNS, "worst_block"})
#: Drawn as a histogram each.
_HISTOGRAMS: Final = ("net_pnl", "max_drawdown")
_BINS: Final = 21
_FOOTNOTE: Final = (
    "Times are UTC. Money is in the instruments' currency. A percentile is the share of draws "
    "below the run's own value. Draws know only what the run met: they say nothing of markets of "
    "another kind, and nothing certain about live results."
)


def write_page(
    path: Path,
    methods: Sequence[MethodDraws],
    manifest: Mapping[str, Any],
    settings: MonteCarloSettings,
    failed: Sequence[Mapping[str, Any]],
) -> None:
    """Write the page, whole or not at all."""
    done = [one for one in methods if one.figures]
    warnings = [f"{_title(one)}: not done, {one.why_not}." for one in methods if one.why_not]
    warnings += [f"Not perturbed: {why}." for why in manifest["unused"].values()]
    if failed:
        warnings.append(f"{len(failed):,} trials failed: see the table below.")
    own = manifest["run"]
    atomic_write(path, render_page(
        {"origin_ms": 0, "range": [0, 0], "charts": {}},
        brand="Tapewire Monte Carlo",
        title=path.absolute().parent.name,
        version=manifest["versions"].get("tapewire", ""),
        status=manifest["status"],
        digest=manifest["digest"],
        period=_period(done, settings),
        tiles=[tile for one in done for tile in _tiles(one)],
        warnings=warnings,
        parts_first=[{"title": _title(one), "tables": [_bands(one)]} for one in done],
        pictures=[picture for one in done for picture in _fans(one)],
        charts=[],
        bars=[bars for one in done for bars in _histograms(one)],
        parts=[
            *failure_parts(failed),
            {"title": "How it was done", "tables": [_facts(done, own, settings)]},
        ],
        footnote=_FOOTNOTE,
    ))  # fmt: skip


def title_of(method: str, facts: Mapping[str, Any]) -> str:
    """Return what a method is called."""
    minutes = facts.get("block", "day")
    return TITLES[method] if minutes == "day" else f"Blocks of {minutes} min drawn again"


def _title(one: MethodDraws) -> str:
    return title_of(one.method, one.facts)


def label_of(metric: str) -> str:
    """Return what a figure is called."""
    known = {one.column: one.label for one in METRICS}
    return known.get(metric) or _LABELS[metric]


#: Metrics of which one run has a whole number; means of several runs have not.
_COUNTS: Final = {c.name for c in FIGURES if c.type == "int64"} | {"max_consecutive_losses"}


def figure_text(metric: str, value: float | None) -> str:
    """Return a figure as pages write it."""
    if value is None or not np.isfinite(value):
        return "–"
    if metric in _MONEY:
        return f.money(round(value * 1e9))
    formats = {one.column: one.format for one in METRICS}
    if metric == "winning_blocks" or (metric in formats and formats[metric].text is f.percent):
        return f.percent(value)
    if metric in formats and formats[metric].text is f.duration and value >= 0:
        return f.duration(value)
    if metric in _COUNTS and value == round(value):
        return f"{value:,.0f}"
    return f.number(value)


def chief_bands(one: MethodDraws) -> list[FigureBand]:
    """Return the bands of a method that are shown first: of other runs those of chief metrics."""
    chief = {metric.column for metric in METRICS if metric.compact}
    bands = one.bands
    if one.method in ("perturbed", "markets"):
        bands = [band for band in bands if band.metric in chief]
    return bands


def _period(done: Sequence[MethodDraws], settings: MonteCarloSettings) -> str:
    told = [
        f"{_title(one).lower()} {one.facts['draws']:,} times" if "scheme" in one.facts else
        f"{one.facts['draws']:,} {_title(one).lower()}"
        for one in done
    ]  # fmt: skip
    return f"{', '.join(told) or 'nothing could be drawn'}; seed {settings.seed}"


def _tiles(one: MethodDraws) -> list[dict[str, str]]:
    bands = {band.metric: band for band in one.bands}
    if one.method == "order":
        band = bands["max_drawdown"]
        return [_tile("Drawdown, 95 % in any order", figure_text("max_drawdown", band.q95),
                      f"own {figure_text('max_drawdown', band.own)}")]  # fmt: skip
    band = bands["net_pnl"]
    low, high = (figure_text("net_pnl", v) for v in (band.q05, band.q95))
    return [
        _tile(f"Chance of loss: {_title(one).lower()}", f.percent(band.below_zero),
              f"net P&L {low} to {high} in 90 %"),
    ]  # fmt: skip


def _tile(name: str, value: str, more: str) -> dict[str, str]:
    return {"name": name, "value": value, "more": more, "title": "", "kind": ""}


def _bands(one: MethodDraws) -> Table:
    shown = chief_bands(one)
    rows = [
        [
            cell(label_of(band.metric), "text"),
            cell(figure_text(band.metric, band.own)),
            cell(f.percent(band.percentile)),
            *(cell(figure_text(band.metric, value)) for value in
              (band.mean, band.sd, band.q05, band.q25, band.q50, band.q75, band.q95)),
            cell(f.percent(band.below_zero)),
        ]
        for band in shown
    ]  # fmt: skip
    more = len(one.bands) - len(shown)
    note = f"{more:,} more metrics are in bands.parquet." if more else ""
    return table(
        ["Figure", "Own", "Percentile", "Mean", "Deviation", "5 %", "25 %", "Median", "75 %",
         "95 %", "Below 0"],
        rows, caption=_ASKED[one.method], text_columns=(0,), note=note,
    )  # fmt: skip


def _fans(one: MethodDraws) -> list[dict[str, Any]]:
    if one.paths is None or one.method == "order":
        return []
    own = "" if one.own_path is None else "; orange is the run's own"
    return [
        {
            "title": f"Net P&L: {_title(one).lower()}",
            "source": fan(one.paths, one.own_path, one.ends),
            "alt": f"Running net P&L over {one.facts['draws']:,} draws; its figures at the end are "
            "in the table above.",
            "note": "Half of the draws are in the darker band, 90 % in both; the line is their "
            f"median{own}.",
        }
    ]


def _histograms(one: MethodDraws) -> list[dict[str, Any]]:
    found = []
    for metric in _HISTOGRAMS:
        known = finite(one.figures.get(metric, np.empty(0)).tolist())
        if one.method == "order" and metric == "net_pnl":
            continue
        if known.size < 2 or known.min() == known.max():
            continue
        counts, edges = np.histogram(known, _BINS)
        middles = (edges[:-1] + edges[1:]) / 2
        own = one.own.get(metric)
        found.append(columns(
            f"{label_of(metric)}: {_title(one).lower()}",
            "draws",
            "Around, currency",
            [f.number(float(value), 0 if known.max() - known.min() > _BINS else 2)
             for value in middles],
            [BarSeries("draws", "--s1", counts.tolist(), [f"{n:,}" for n in counts])],
            note="" if own is None else f"The run's own is {figure_text(metric, own)}.",
        ))  # fmt: skip
    return found


def _facts(
    done: Sequence[MethodDraws], own: Mapping[str, Any], settings: MonteCarloSettings
) -> Table:
    rows = [[cell("The run"), cell(f"{own['path']}, digest {own['digest']}", "text wrap")]]
    for one in done:
        facts = one.facts
        if "scheme" in facts:
            length = facts.get("block_length")
            blocks = "" if length is None else f", blocks of {length:,.3g} on average"
            if facts["scheme"] == "circular":
                blocks = f", blocks of {length}"
            said = f"{facts['draws']:,} draws of {facts['values']:,}, {facts['scheme']}{blocks}"
        elif "perturb" in facts:
            said = "; ".join(f"{name} {text}" for name, text in facts["perturb"].items())
            said = f"{facts['draws']:,} runs: {said}"
        else:
            length = (
                f"{settings.market_hours:g} hours" if settings.market_hours else "so many records"
            )
            said = f"{facts['draws']:,} sessions of {length}, like {facts['like']}"
        rows.append([cell(_title(one)), cell(said, "text wrap")])
    rows.append([cell("Seed"), cell(f"{settings.seed}", "text")])
    return table(["What", "How"], rows, text_columns=(1,))
