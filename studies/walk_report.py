"""The page of a walk-forward: what each window chose, and what that made, joined."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tapewire.analytics import formats as f
from tapewire.analytics.charts import equity_chart, equity_frame
from tapewire.analytics.rendering import render_page
from tapewire.analytics.report_tables import TABLE_ROWS_MAX, cell, cut, table
from tapewire.atomic import atomic_write
from tapewire.studies.study import Study
from tapewire.studies.walking import Walk, Windows

_FOOTNOTE = (
    "Times are UTC. Each window chose by the blocks before its test alone. Simulated results say "
    "nothing certain about live ones."
)


def write_walk(path: Path, study: Study, walk: Walk, windows: Windows, by: str) -> None:
    """Write the page, whole or not at all."""
    ends = np.array([*walk.blocks, walk.blocks[-1] + study.settings.block_ns], np.int64)
    lines = {"out of sample": (ends, _money(np.cumsum([0.0, *walk.returns])))}
    best = study.manifest["best"]
    if best is not None:
        lines[f"trial {best['trial']}, best of all, seen beforehand"] = (
            ends, _money(np.cumsum([0.0, *_made(study, walk, best["trial"])])),
        )  # fmt: skip
    total = sum(walk.returns)
    atomic_write(path, render_page(
        equity_chart(lines),
        brand="Tapewire walk-forward",
        title=study.path.absolute().name,
        version=study.manifest["versions"].get("tapewire", ""),
        status="complete",
        digest=study.digest,
        period=_period(windows, by, walk),
        tiles=[
            _tile("Net P&L out of sample", f.money(round(total * 1e9)),
                  f"{len(walk.returns):,} blocks"),
            _tile("Efficiency", f.percent(walk.efficiency),
                  "P&L by block out of sample / in sample"),
            _tile("Windows that gained", f"{sum(s.out_of_sample > 0 for s in walk.steps):,}",
                  f"of {len(walk.steps):,}"),
            _tile("Another choice", f"{walk.changes:,}", f"of {max(0, len(walk.steps) - 1):,} "
                  "times"),
        ],
        parts_first=[{"title": "Windows", "tables": [_steps(study, walk)]}],
        charts=[equity_frame() | {"note": ""}],
        parts=[{"title": "Stability", "tables": [_chosen(study, walk)]}],
        footnote=_FOOTNOTE,
    ))  # fmt: skip


def _made(study: Study, walk: Walk, trial: int) -> list[float]:
    """Return what one trial made in the blocks that were tested, in currency."""
    from tapewire.studies.luck import returns_of

    returns, starts, numbers = returns_of(study.blocks)
    at = {start: k for k, start in enumerate(starts)}
    found: list[float] = returns[[at[b] for b in walk.blocks], numbers.index(trial)].tolist()
    return found


def _period(windows: Windows, by: str, walk: Walk) -> str:
    how = "all blocks before" if windows.anchored else f"the last {windows.train:,} blocks"
    return (
        f"{len(walk.steps):,} windows choose by {by} of {how}, of {walk.trials:,} trials, for "
        f"{windows.test:,} blocks each"
    )


def _tile(name: str, value: str, more: str) -> dict[str, str]:
    return {"name": name, "value": value, "more": more, "title": "", "kind": ""}


def _steps(study: Study, walk: Walk) -> dict[str, Any]:
    rows = [
        [
            cell(f.time_short(step.test_from)),
            cell(f.time_short(step.train_from)),
            cell(f"{step.trial:,}"),
            cell(_told(study, step.trial), "text"),
            cell(f.money(round(step.in_sample * 1e9))),
            cell(f.money(round(step.out_of_sample * 1e9))),
            cell(f"{step.rank:,} of {walk.trials:,}"),
        ]
        for step in walk.steps[:TABLE_ROWS_MAX]
    ]
    head = [
        "Test from",
        "Train from",
        "Trial",
        "Values",
        "In sample",
        "Out of sample",
        "Rank after",
    ]
    return table(head, rows, text_columns=(3,), note=cut(len(walk.steps), "walkforward.json"))


def _chosen(study: Study, walk: Walk) -> dict[str, Any]:
    counts = Counter(step.trial for step in walk.steps)
    made: Counter[int] = Counter()
    for step in walk.steps:
        made[step.trial] += round(step.out_of_sample * 1e9)
    rows = [
        [cell(f"{trial:,}"), cell(_told(study, trial), "text"), cell(f"{count:,}"),
         cell(f.money(made[trial]))]
        for trial, count in counts.most_common(TABLE_ROWS_MAX)
    ]  # fmt: skip
    head = ["Trial", "Values", "Windows", "Out of sample"]
    return table(head, rows, caption="What was chosen, most often first", text_columns=(1,),
                 note=cut(len(counts), "walkforward.json"))  # fmt: skip


def _told(study: Study, trial: int) -> str:
    return ", ".join(f"{name} {value}" for name, value in study.values(trial).items())


def _money(values: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    return np.rint(values * 1e9).astype(np.int64)
