"""Folders of backtests on candles: tables, the strategy, a manifest and the report."""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from tapewire.analytics.formats import plain
from tapewire.analytics.manifest import manifest_text
from tapewire.analytics.run_folder import RunFolder, sha256_of
from tapewire.analytics.schemas import SCHEMA_VERSION
from tapewire.atomic import output_errors
from tapewire.candles import BacktestResult
from tapewire.candles.report import render_candle_report
from tapewire.candles.result import CANDLE_METRICS
from tapewire.inputs.candle_outputs import say_result
from tapewire.inputs.candles import CandleRequest, run_candles
from tapewire.processes.signals import interruptible
from tapewire.runs.versions import versions


def run_named_file(
    data: Path,
    request: CandleRequest,
    output: Path,
    *,
    force: bool = False,
    trades: Path | None = None,
    equity: Path | None = None,
    as_json: bool = False,
    console: Console | None = None,
) -> BacktestResult:
    """Trade a strategy that comes along on the bars of a file, and write its folder.

    Parameters
    ----------
    data, request, trades, equity
        See `tapewire.inputs.candles.run_candles`.
    output
        A folder for tables, manifest and report.
    force
        Replace an earlier one in it.
    as_json, console
        What is printed where.

    Raises
    ------
    ConfigError, InputError, OutputError, InterruptedRunError
        What is wrong with what was typed, read or is to be written.
    """
    began_s = time.perf_counter()
    with interruptible(), ExitStack() as stack:
        folder = stack.enter_context(RunFolder(output, force=force))
        result = run_candles(data, request, trades=trades, equity=equity)
        parameters = result.metadata["parameters"]
        declared = {"strategy": result.strategy_name, "parameters": parameters}
        rules = [f"{name}: {plain(value)}" for name, value in parameters.items()]
        text = json.dumps(declared, indent=2) + "\n"
        write_candle_folder(folder, result, text.encode(), rules, data, began_s)
    if console is not None:
        say_result(result, console, output, as_json=as_json)
    return result


def write_candle_folder(
    folder: RunFolder,
    result: BacktestResult,
    declared: bytes,
    rules: Sequence[str],
    data: Path,
    began_s: float,
) -> None:
    """Write a backtest's folder; the manifest comes last.

    Parameters
    ----------
    declared, rules
        The strategy as it was asked for (``strategy.json``), and in words, a line each.
    data
        The file of bars.
    began_s
        Of `time.perf_counter`, when the backtest began.
    """
    import pyarrow.parquet as pq

    made, digest = versions(), sha256_of(data)
    folder.write("strategy.json", declared)
    for name, table in (
        ("trades.parquet", result.trades),
        ("equity.parquet", result.equity_curve),
    ):
        target = folder.open(name)
        with output_errors(target.path):
            pq.write_table(table, target.file)
    page = render_candle_report(
        result,
        rules=rules,
        versions=made,
        inputs=[("File", data.name), ("SHA-256", digest[:16])],
    )
    folder.write("report.html", page)
    elapsed_s = time.perf_counter() - began_s
    headline = CANDLE_METRICS.headline(result.metrics)
    symbol = result.candles.symbol
    manifest = {
        "status": "complete",
        "schema_version": SCHEMA_VERSION,
        "kind": "candles",
        "strategy_name": result.strategy_name,
        "digest": _digest(result),
        "events": len(result.candles),
        "elapsed_s": elapsed_s,
        "events_per_s": len(result.candles) / elapsed_s,
        "warnings": [],
        "results": {"total": headline, "strategies": {result.strategy_name: headline}},
        "metadata": result.metadata,
        "legs": [{"strategy_id": result.strategy_name, "symbol": symbol or "candles"}],
        "inputs": [{"path": str(data), "bytes": data.stat().st_size, "sha256": digest}],
        "versions": made,
        "rows": {"trades": len(result.trade_records), "equity": len(result.equity)},
        "files": folder.describe(),
    }
    folder.publish(manifest_text(manifest))


def _digest(result: BacktestResult) -> str:
    """Return a SHA-256 of trades and equity: equal results have equal ones."""
    digest = hashlib.sha256(result.trade_records.tobytes())
    digest.update(result.equity.tobytes())
    return digest.hexdigest()
