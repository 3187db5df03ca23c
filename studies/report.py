"""The page of a study: what is best, what that is worth, how results hang on what varies."""

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapewire.analytics import formats as f
from tapewire.analytics.charts import equity_chart, equity_frame
from tapewire.analytics.heatmaps import heat_maps
from tapewire.analytics.metrics import METRICS
from tapewire.analytics.rendering import render_page
from tapewire.analytics.report_tables import TABLE_ROWS_MAX, Table, cell, cut, table
from tapewire.atomic import atomic_write
from tapewire.studies.luck import Luck, returns_of, words
from tapewire.studies.parallel import parallel_coordinates
from tapewire.studies.parts import FIGURES, KEYS
from tapewire.studies.settings import StudySettings
from tapewire.studies.table import MONEY_COLUMNS, Ranking

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows whose P&L is drawn.
_DRAWN: Final = 5
#: Axes whose pairs are maps.
_MAPPED: Final = 4
_FOOTNOTE: Final = (
    "Times are UTC. Money is in the instruments' currency. The best of many trials looks better "
    "than it is: see luck. Simulated results say nothing certain about live ones."
)


def write_report(
    path: Path,
    trials: "pa.Table",
    blocks: "pa.Table",
    settings: StudySettings,
    manifest: Mapping[str, Any],
    luck: Luck,
) -> None:
    """Write the page of a sweep, whole or not at all."""
    rows = trials.to_pylist()
    ranking = Ranking(settings.objectives[0], settings.kept)
    best = ranking.order(rows)
    names: list[str] = trials.column_names
    varied = names[len(KEYS) : names.index(FIGURES[0].name)]
    lines = _lines(blocks, [row["trial"] for row in best[:_DRAWN]])
    failed = [row for row in rows if row["status"] == "failed"]
    many = "trial" if len(failed) == 1 else "trials"
    warnings = [f"{len(failed):,} {many} failed: see the table below."] if failed else []
    if luck.why_not:
        warnings.append(f"How much of the best is luck is not judged: {luck.why_not}.")
    warnings += told_once(manifest["warnings"])
    page = render_page(
        equity_chart(lines),
        brand="Tapewire study",
        title=path.absolute().parent.name,
        version=manifest["versions"].get("tapewire", ""),
        status=manifest["status"],
        digest=manifest["digest"],
        period=_period(settings, len(rows), varied, manifest.get("search")),
        tiles=_tiles(best, settings, rows, luck),
        warnings=warnings,
        parts_first=[
            {"title": "Best", "tables": [_best_table(best, varied, settings, path)]},
            {"title": "Luck", "tables": [_luck_table(luck)]},
        ],
        charts=[equity_frame() | {"title": f"Net P&L of the best {len(lines)}", "note": ""}]
        if lines
        else [],
        heat_maps=_maps(rows, varied, ranking),
        pictures=_pictures(best, varied, settings, ranking),
        parts=[*failure_parts(failed), {"title": "What was tried", "tables": [_axes(settings)]}],
        footnote=_FOOTNOTE,
    )
    atomic_write(path, page)


def told_once(warnings: Sequence[str]) -> list[str]:
    """Return warnings of passes; of those that differ in numbers alone, the first."""
    found: dict[str, list[str]] = {}
    for text in warnings:
        found.setdefault(re.sub(r"[\d.,]*\d", "#", text), []).append(text)
    return [
        first if not more else f"{first} (and {len(more):,} like it, in manifest.json)"
        for first, *more in found.values()
    ]


def _period(settings: StudySettings, trials: int, varied: Sequence[str], search: str | None) -> str:
    how = {"grid": "every combination", "random": "drawn", "list": "as listed"}[settings.method]
    if search is not None:
        how = f"asked for by {search}"
    return f"{trials:,} trials, {how}, of {', '.join(varied)}"


def _tiles(
    best: Sequence[Mapping[str, Any]],
    settings: StudySettings,
    rows: Sequence[Mapping[str, Any]],
    luck: Luck,
) -> list[dict[str, str]]:
    objective = settings.objectives[0]
    first = best[0] if best else None
    metric = next(m for m in METRICS if m.column == objective.metric)
    value = "–" if first is None else _metric(metric, first[objective.metric])
    of = "no trial" if first is None else f"trial {first['trial']}"
    pruned = sum(row["status"] == "pruned" for row in rows)
    stopped = f", {pruned:,} were given up" if pruned else ""
    tiles = [
        {"name": f"Best: {metric.label}", "value": value, "more": of, "title": metric.formula,
         "kind": ""},
        {"name": "Trials", "value": f"{len(rows):,}", "title": "", "kind": "",
         "more": f"{len(best):,} have the objective and keep all{stopped}"},
    ]  # fmt: skip
    for name, said, meaning in words(luck):
        tiles.append({"name": name, "value": said, "more": "", "title": meaning, "kind": ""})
    return tiles


def _best_table(
    best: Sequence[Mapping[str, Any]],
    varied: Sequence[str],
    settings: StudySettings,
    path: Path,
) -> Table:
    chief = [metric.column for metric in METRICS if metric.compact]
    objective = settings.objectives[0].metric
    columns = list(dict.fromkeys([objective, *chief]))
    by_column = {metric.column: metric for metric in METRICS}
    rows = [
        [
            cell(f"{row['trial']:,}"),
            *(cell(_plain(row[name])) for name in varied),
            *(cell(_metric(by_column[name], row[name])) for name in columns),
        ]
        for row in best[:TABLE_ROWS_MAX]
    ]
    head = ["Trial", *varied, *(by_column[n].compact or by_column[n].label for n in columns)]
    kept = "".join(f", {constraint}" for constraint in settings.constraints)
    note = f"By {settings.objective[0]}{kept}. " + (cut(len(best), "trials.parquet") or "")
    again = f"tapewire run --from {path.absolute().parent.name} TRIAL runs one of them by itself."
    return table(head, rows, caption="Best first", note=f"{note.strip()} {again}")


def _luck_table(luck: Luck) -> Table:
    rows = [[cell(name), cell(value), cell(meaning, "text wrap")] for name, value, meaning in
            words(luck)]  # fmt: skip
    note = f"From P&L in {luck.blocks:,} blocks of {luck.trials:,} trials."
    return table(["Question", "Answer", "Meaning"], rows, text_columns=(2,), note=note)


def _maps(
    rows: Sequence[Mapping[str, Any]], varied: Sequence[str], ranking: Ranking
) -> list[dict[str, Any]]:
    """Return a map of each pair of what varies: the best of all others in each cell.

    Figures of a trial that was given up are of other days, and are left out.
    """
    rows = [row for row in rows if row["status"] == "complete"]
    order = {row["trial"]: k for k, row in enumerate(ranking.order(rows))}
    found = []
    for pair in itertools.combinations(varied[:_MAPPED], 2):
        chosen: dict[str, Mapping[str, Any]] = {}
        for row in sorted(rows, key=lambda r: (order.get(r["trial"], len(order)), r["trial"])):
            if any(row[name] is None for name in pair):
                continue
            chosen.setdefault(repr([row[name] for name in pair]), row)
        variants = [
            {"strategy_id": str(row["trial"]), "variant_of": "best of all others",
             "parameters": {name: row[name] for name in pair}}
            for row in chosen.values()
        ]  # fmt: skip
        figures = {str(row["trial"]): row for row in chosen.values()}
        maps = heat_maps(variants, figures, METRICS)
        alone = len(varied) == len(pair)
        title = f"{pair[0]} and {pair[1]}"
        found += [one | {"title": title if alone else f"{title}, best of the others"}
                  for one in maps]  # fmt: skip
    return found


def _pictures(
    best: Sequence[Mapping[str, Any]],
    varied: Sequence[str],
    settings: StudySettings,
    ranking: Ranking,
) -> list[dict[str, Any]]:
    rows = [row for row in best if all(row[name] is not None for name in varied)]
    if len(rows) < 2 or len(varied) < 2:
        return []
    objective = settings.objectives[0]
    scores = [ranking.score_of(row) or 0.0 for row in rows]
    columns = [(name, [row[name] for row in rows]) for name in varied]
    columns.append((str(objective), [row[objective.metric] for row in rows]))
    return [
        {
            "title": "Through what varies",
            "source": parallel_coordinates(columns, scores),
            "alt": f"Parallel coordinates: a line for each trial through {', '.join(varied)} to "
            f"{objective}; the table of the best has the same figures.",
            "note": "A line for each trial, blue for the best, orange for the worst; the thick one "
            "is the best.",
        }
    ]


def _lines(
    blocks: "pa.Table", chosen: Sequence[int]
) -> dict[str, tuple["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]]:
    """Return P&L of some trials at the ends of blocks."""
    returns, starts, numbers = returns_of(blocks)
    if not starts or not chosen:
        return {}
    width = min(np.diff(starts).tolist(), default=86_400 * 10**9)
    ts = np.array([starts[0], *(start + width for start in starts)], np.int64)
    lines = {}
    for number in chosen:
        if number in numbers:
            sums = np.cumsum(returns[:, numbers.index(number)])
            money = np.rint(np.concatenate(([0.0], sums)) * 1e9).astype(np.int64)
            lines[f"trial {number}"] = (ts, money)
    return lines


def headline(error: str) -> str:
    """Return an error in one line: where it was, and what, which a traceback has last."""
    first, *more = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{first} {more[-1]}" if more and first.endswith(":") else first


def failure_parts(failed: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the part of a page that says which trials failed, and why; none without any."""
    if not failed:
        return []
    rows = [
        [cell(f"{row['trial']:,}"), cell(headline(row["error"]), "text wrap")]
        for row in failed[:TABLE_ROWS_MAX]
    ]
    note = cut(len(failed), "trials.parquet")
    return [{"title": "Failed", "tables": [
        table(["Trial", "Why"], rows, text_columns=(1,), note=note)
    ]}]  # fmt: skip


def _axes(settings: StudySettings) -> Table:
    shown = settings.model_dump(mode="json", by_alias=True, exclude_none=True)["vary"]
    rows = []
    for name, values in shown.items():
        text = (
            ", ".join(map(str, values)) if isinstance(values, list) else
            ", ".join(key if value is True else f"{key} {value}" for key, value in values.items()
                      if value is not False)
        )  # fmt: skip
        rows.append([cell(name), cell(text if len(text) < 400 else text[:400] + " …", "text wrap")])
    return table(["What varies", "Values"], rows, text_columns=(1,))


def _metric(metric: Any, value: Any) -> str:
    if value is not None and metric.column in MONEY_COLUMNS:
        return f.money(round(value * 1e9))
    return str(metric.format.text(value))


def _plain(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
