"""What came of a run, for a page: figures, tables and bars as they are in its report."""

import contextlib
import json
import re
from pathlib import Path
from typing import Any, Final

import numpy as np

from tapewire.analytics import Run
from tapewire.analytics.analysis import Analysis, row_groups
from tapewire.analytics.assumptions import assumptions
from tapewire.analytics.breakdowns import fill_charts, latency_charts, markout_charts
from tapewire.analytics.latency import read_latencies
from tapewire.analytics.metrics import METRICS
from tapewire.analytics.metrics.inputs import EdgeTotals
from tapewire.errors import ConfigError

#: Strategies with a column of their own.
_COLUMNS_MAX: Final = 6
_TILES: Final = (
    "net_pnl", "gross_pnl", "fees", "max_drawdown", "fills", "orders", "max_position", "win_rate",
    "sharpe_annualised",
)  # fmt: skip
_FILL_COLUMNS: Final = (
    "ts_event", "last_px", "last_qty", "order_side", "client_order_id", "reason", "liquidity_side",
    "strategy_id", "symbol",
)  # fmt: skip
#: Where a path may begin: behind an escaped character of JSON, or behind none that paths have.
_NO_PATH_BEFORE: Final = r"(?:(?<=\\[bfnrt])|(?<![\w./~}*\u0300-\u036f-]))"
#: Fills of one page.
PAGE_MAX: Final = 500


def result_of(run: Run) -> dict[str, Any]:
    """Return figures, tables and bars of a complete run, ready for JSON."""
    rows = _metric_rows(run)
    manifest = run.manifest
    return {
        "digest": manifest["digest"], "events": manifest["events"],
        "warnings": [str(one) for one in manifest["warnings"]],
        "assumptions": [
            list(one) for one in assumptions(manifest["config"], manifest.get("queues", []))
        ],
        "tiles": [
            {"name": metric.label, "value": metric.format.text(rows[0][metric.column]),
             "formula": metric.formula}
            for metric in METRICS
            if metric.column in _TILES
        ],
        "metrics": _metrics_table(rows),
        "bars": bars_of(run),
        "legs": [{"strategy": leg["strategy_id"], "symbol": leg["symbol"]}
                 for leg in manifest["legs"]],
    }  # fmt: skip


def bars_of(run: Run) -> list[dict[str, Any]]:
    """Return the bars of a run's report, each with the table that says the same."""
    analysis = Analysis(0, 0)
    for part in row_groups(run.path / "orders.parquet", ["queue_ahead", "filled_qty"]):
        analysis.queues.add(part["queue_ahead"], part["filled_qty"])
    for part in row_groups(run.path / "fills.parquet", ["reason"]):
        analysis.fill_reasons.update(part["reason"].tolist())
    markouts = run.path / "markouts.parquet"
    if markouts.is_file():
        worth = {leg["leg"]: (leg["multiplier_num"], leg["multiplier_den"])
                 for leg in run.manifest["legs"]}  # fmt: skip
        for part in row_groups(markouts, ["leg", *EdgeTotals.COLUMNS]):
            for leg in np.unique(part["leg"]).tolist():
                mine = part["leg"] == leg
                fills = {name: part[name][mine] for name in EdgeTotals.COLUMNS}
                analysis.edges.add(fills, *worth[leg])
    return [
        *markout_charts(analysis), *fill_charts(analysis),
        *latency_charts(read_latencies(run.path / "latency.hdr")),
    ]  # fmt: skip


def fills_of(run: Run, token: str, size: int) -> dict[str, Any]:
    """Return a page of a run's fills, in the order of its table.

    Parameters
    ----------
    token
        What the page before has said; empty: the first one.
    size
        Fills of the page; 0: as many as a page may have.

    Raises
    ------
    ConfigError
        If one of the two is none.
    """
    if not 0 <= size <= PAGE_MAX:
        raise ConfigError(f"page_size: expected 1 to {PAGE_MAX}, found {size:,}")
    if token and not (token.isascii() and token.isdecimal() and len(token) < 16):
        raise ConfigError(f"page_token: expected that of another page, found {token[:80]!r}")
    begin, size = int(token or 0), size or PAGE_MAX
    rows: list[dict[str, Any]] = []
    at = 0
    for part in row_groups(run.path / "fills.parquet", list(_FILL_COLUMNS)):
        count = part["ts_event"].size
        first, last = max(begin - at, 0), min(begin + size - at, count)
        rows += [
            fill_row({name: part[name][k] for name in _FILL_COLUMNS}) for k in range(first, last)
        ]
        at += count
    after = begin + len(rows)
    return {"fills": rows, "next_page_token": str(after) if after < at else "", "total": at}


def fill_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a fill as a page takes it."""
    lots = int(row["last_qty"])
    return {
        "ts_ns": int(row["ts_event"]), "price": int(row["last_px"]) / 1e9,
        "lots": lots if row["order_side"] == "BUY" else -lots,
        "order": str(row["client_order_id"]), "reason": str(row["reason"]),
        "liquidity": str(row["liquidity_side"]), "strategy": str(row.get("strategy_id", "")),
        "symbol": str(row.get("symbol", "")),
    }  # fmt: skip


def _metric_rows(run: Run) -> list[dict[str, Any]]:
    """Return the metrics of all of a run, then of each strategy; times as ns."""
    import pyarrow as pa

    table = run.metrics
    for k, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type):
            table = table.set_column(k, column.name, table[column.name].cast(pa.int64()))
    rows = [dict(row) for row in table.to_pylist() if row["scope"] != "leg"]
    absent = dict.fromkeys(metric.column for metric in METRICS)
    return [{**absent, **row} for row in rows]


def _metrics_table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    shown = rows[1:] if len(rows) == 2 else rows
    shown = shown if len(shown) <= _COLUMNS_MAX + 1 else shown[:1]
    return {
        "head": ["", *(row["strategy_id"] or "total" for row in shown)],
        "rows": [
            {"name": metric.label, "formula": metric.formula,
             "cells": [metric.format.text(row[metric.column]) for row in shown]}
            for metric in METRICS
            if any(row[metric.column] is not None for row in shown)
        ],
    }  # fmt: skip


def without_folders(text: str, folders: list[Path | None]) -> str:
    """Return a text in which files of a server's folders go by their names there.

    A folder is known by its whole name, in JSON, too: a short one may stand in a client's own text,
    also behind other folders of a path.
    """
    for folder in folders:
        for whole in set() if folder is None else {str(folder.absolute()), str(folder.resolve())}:
            for shown in {whole, json.dumps(whole)[1:-1]}:
                text = re.sub(f"{_NO_PATH_BEFORE}{re.escape(shown)}/", "", text)
    return text


def shown_without(value: Any, folders: list[Path | None]) -> Any:
    """Return plain values in whose texts files of a server's folders go by their names there."""
    if isinstance(value, dict):
        return {
            without_folders(key, folders) if isinstance(key, str) else key: shown_without(
                one, folders
            )
            for key, one in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [shown_without(one, folders) for one in value]
    return without_folders(value, folders) if isinstance(value, str) else value


def explained(run: Run, order: str, strategy: str, symbol: str) -> str:
    """Tell one order's story in words; see `tapewire.runs.explain`."""
    from tapewire.runs.result import RunResult

    result = RunResult(run.path, run.manifest)
    return str(result.explain(order, strategy=strategy or None, symbol=symbol or None))


def reconciled(run: Run, name: str, data: bytes, within: str) -> dict[str, Any]:
    """Compare a run's fills with those of a file that a client has sent."""
    import tempfile

    from tapewire.atomic import atomic_file
    from tapewire.compiled.measured import require_small_apart
    from tapewire.runs.reconciling import reconcile_run

    suffix = Path(name).suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise ConfigError(
            f"file_name: expected a name that ends in .csv or .parquet, found {name[:80]!r}"
        )
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tapewire-")))
        path = folder / f"fills{suffix}"
        with atomic_file(path) as file:
            file.write(data)
        require_small_apart(path, "fills")
        return reconcile_run(run.path, path, within=within or "1s")
