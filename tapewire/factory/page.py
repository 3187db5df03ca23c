"""The page of a generation: fitness batch by batch, how alike all are, what is left of the best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tapewire.analytics import formats as f
from tapewire.analytics.number_plots import PlotSeries, number_plot
from tapewire.analytics.rendering import render_page
from tapewire.analytics.report_tables import TABLE_ROWS_MAX, Table, cell, table

#: Strategies whose rules and checks are written out.
WRITTEN_MAX: Final = 20
_FOOTNOTE: Final = (
    "Times are UTC. The best of many trials looks better than it is: what counts is the verdict, "
    "and of it the bars that no search has seen. Simulated results say nothing certain about "
    "live ones."
)


@dataclass(frozen=True)
class GuardLine:
    """One check of a verdict: its name, whether it was passed (None: not made), and why."""

    name: str
    passed: bool | None
    sentence: str


@dataclass(frozen=True)
class RankedStrategy:
    """One of the best of a generation.

    Attributes
    ----------
    id : int
    name : str
    fitness : float, optional
    search, holdout : mapping
        Metrics on the bars of the search, and on those that it had not seen; empty: not traded.
    complexity : float
    rules : sequence of str
        In words, a line each.
    checks : sequence of GuardLine
        None: it was not judged.
    passed : bool, optional
        The verdict; None: there is none yet.
    """

    id: int
    name: str
    fitness: float | None
    search: Mapping[str, Any]
    holdout: Mapping[str, Any]
    complexity: float
    rules: Sequence[str] = ()
    checks: Sequence[GuardLine] = ()
    passed: bool | None = None

    @property
    def failed(self) -> list[str]:
        """Names of the checks that it failed."""
        return [one.name for one in self.checks if one.passed is False]

    @property
    def verdict(self) -> str:
        """In a word or two."""
        if self.passed is None:
            return "failed" if self.failed else "open" if self.checks else "not judged"
        return "passed" if self.passed else "failed"


@dataclass(frozen=True)
class GenerationPage:
    """What the page of a generation shows.

    Attributes
    ----------
    title, status, digest, period : str
        Of the head; the digest is that of all results.
    facts, data : sequence of (str, str)
        What was asked for, and the bars.
    history : sequence of mapping
        By batch: ``number``, ``best``, ``median``, ``distinct``, ``overlap``, ``evaluated``; what
        a method has not is None.
    best : sequence of RankedStrategy
        The best first.
    dots : sequence of (float, float)
        Sharpe ratios of strategies that were traded on both: in the search, and on the holdout.
    trials : int
        Strategies that were ever tried on these bars.
    openings : int
        How often the holdout was opened.
    fitness : str
        What fitness is.
    warnings : sequence of str
    version : str
    """

    title: str
    status: str
    digest: str
    period: str
    facts: Sequence[tuple[str, str]]
    data: Sequence[tuple[str, str]]
    history: Sequence[Mapping[str, Any]]
    best: Sequence[RankedStrategy]
    dots: Sequence[tuple[float, float]]
    trials: int
    openings: int
    fitness: str
    warnings: Sequence[str] = field(default_factory=tuple)
    version: str = ""


def render_generation(page: GenerationPage) -> str:
    """Return the page, one HTML file that opens offline; names are shown as text."""
    return render_page(
        {"origin_ms": 0, "range": [0, 0], "charts": {}},
        brand="Tapewire factory",
        title=page.title,
        version=page.version,
        status=page.status,
        digest=page.digest,
        period=page.period,
        tiles=_tiles(page),
        warnings=page.warnings,
        facts_beside=[
            {"title": "Search", "facts": page.facts},
            {"title": "Data", "facts": page.data},
        ],
        parts_first=[{"title": "Best", "tables": [_best_table(page)]}],
        pictures=_pictures(page),
        charts=[],
        parts=[
            {"title": "Verdicts", "tables": [_checks_table(page)]},
            {"title": "Rules", "tables": [_rules_table(page)]},
            {"title": "By batch", "tables": [_history_table(page)]},
        ],
        footnote=_FOOTNOTE,
    )


def _tiles(page: GenerationPage) -> list[dict[str, str]]:
    best = page.best[0] if page.best else None
    judged = [one for one in page.best if one.checks]
    passed = sum(one.passed is True for one in judged)
    beyond = None if best is None else best.holdout.get("sharpe_annualised")
    return [
        _tile("Best fitness", f.number(None if best is None else best.fitness),
              "" if best is None else best.name, page.fitness),
        _tile("The same on the holdout", f.number(beyond), "Sharpe ratio, annualised",
              "Of bars that the search had not seen"),
        _tile("Passed", f"{passed} of {len(judged)}", "of the best, judged",
              "Every check of the verdict"),
        _tile("Trials", f.count(page.trials), "on these bars, all searches",
              "The more there are, the better the best is by luck"),
        _tile("Holdout", "closed" if not page.openings else "opened",
              "" if not page.openings else f"{page.openings} times" if page.openings > 1
              else "once", "Bars that no search sees"),
    ]  # fmt: skip


def _tile(name: str, value: str, more: str, title: str) -> dict[str, str]:
    return {"name": name, "value": value, "more": more, "title": title, "kind": ""}


def _best_table(page: GenerationPage) -> Table:
    head = ["Strategy", "Id", "Fitness", "Sharpe", "Holdout Sharpe", "Trades", "Return",
            "Drawdown", "Complexity", "Verdict", "Failed"]  # fmt: skip
    rows = [
        [
            cell(one.name), cell(str(one.id)), cell(f.number(one.fitness, 4)),
            cell(f.number(one.search.get("sharpe_annualised"), 4)),
            cell(f.number(one.holdout.get("sharpe_annualised"), 4)),
            cell(f.count(one.search.get("closed_trades"))),
            cell(f.percent(one.search.get("total_return"))),
            cell(f.percent(one.search.get("max_drawdown_of_capital"))),
            cell(f.number(one.complexity, 0)),
            cell(one.verdict, "text"), cell(", ".join(one.failed) or f.NOTHING, "text wrap"),
        ]
        for one in page.best[:TABLE_ROWS_MAX]
    ]  # fmt: skip
    note = "Metrics are those of the search's bars, but for the holdout's Sharpe ratio."
    if not rows:
        note = "No strategy has a value yet."
    return table(head, rows, text_columns=(9, 10), note=note)


def _checks_table(page: GenerationPage) -> Table:
    words = {True: "passed", False: "failed", None: "not made"}
    rows = [
        [cell(one.name), cell(check.name, "text"), cell(words[check.passed], "text"),
         cell(check.sentence, "text wrap")]
        for one in page.best[:WRITTEN_MAX] for check in one.checks
    ]  # fmt: skip
    note = f"Of the best {WRITTEN_MAX} at most." if rows else "No strategy was judged."
    head = ["Strategy", "Check", "Result", "Why"]
    return table(head, rows, text_columns=(1, 2, 3), note=note)


def _rules_table(page: GenerationPage) -> Table:
    rows = [
        [cell(one.name), cell("; ".join(one.rules), "text wrap")]
        for one in page.best[:WRITTEN_MAX]
    ]  # fmt: skip
    return table(["Strategy", "Rules"], rows, text_columns=(1,), note="" if rows else "None.")


def _history_table(page: GenerationPage) -> Table:
    rows = [
        [
            cell(f.count(one["number"])), cell(f.count(one["evaluated"])),
            cell(f.number(one["best"], 4)), cell(f.number(one["median"], 4)),
            cell(f.percent(one.get("distinct"))), cell(f.number(one.get("overlap"), 4)),
        ]
        for one in page.history
    ]  # fmt: skip
    head = ["Batch", "Evaluated", "Best fitness", "Median", "Distinct", "Overlap"]
    note = (
        "Distinct: different strategies among all of the population. Overlap: how alike the best "
        "trade, from 0 (never together) to 1."
    )
    return table(head, rows, note=note if rows else "No batch was finished.")


def _pictures(page: GenerationPage) -> list[dict[str, Any]]:
    numbers = [one["number"] for one in page.history]
    plots = [
        (
            "Fitness by generation",
            number_plot(
                [PlotSeries(name, numbers, [one[name] for one in page.history])
                 for name in ("best", "median")],
                "batch", page.fitness,
            ),
            "Best and median fitness of each batch; the table of batches has the same figures.",
            "What is not a number (a strategy that never traded) is left out.",
        ),
        (
            "Diversity",
            number_plot(
                [PlotSeries(name, numbers, [one.get(name) for one in page.history])
                 for name in ("distinct", "overlap")],
                "batch", "share",
            ),
            "Share of distinct strategies and mean overlap of trades by batch, as in the table.",
            "A population whose overlap nears 1 has become one strategy in many spellings.",
        ),
        (
            "Holdout against search",
            number_plot(
                [PlotSeries("strategies", [x for x, _ in page.dots], [y for _, y in page.dots],
                            dots=True)],
                "Sharpe ratio in the search", "Sharpe ratio on the holdout", alike=True,
            ),
            f"Sharpe ratios of {len(page.dots):,} strategies, on the holdout over in the search.",
            "On the dashed line both are alike. What is below it was luck, or was found and lost.",
        ),
    ]  # fmt: skip
    return [
        {"title": title, "source": source, "alt": alt, "note": note}
        for title, source, alt, note in plots
        if source is not None
    ]
