"""``tapewire candles batch``: a grid of one strategy on many files, streamed to one table."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from tapewire.candles import BacktestConfig, Candles
from tapewire.candles.families import Family, find_family
from tapewire.candles.optimizer import checked_rows, metric_columns, outcomes, table_of
from tapewire.inputs.candle_blocks import BLOCK_ROWS, batch_blocks, described
from tapewire.inputs.candle_outputs import BatchReport, all_cores
from tapewire.inputs.candles import CandleRequest, told_apart
from tapewire.inputs.telling import Steps


def batch_candles(
    paths: Sequence[Path],
    request: CandleRequest,
    output: Path,
    *,
    jobs: int | None = None,
    force: bool = False,
    checkpoint: bool = False,
    resume: bool = False,
    as_json: bool = False,
    console: Console | None = None,
) -> BatchReport:
    """Trade every combination on every file; results go to one Parquet file as they are there.

    Each row has the file, the symbol, the parameters, the metrics and the place in the grid, in
    whose order they are. In memory are the candles of one file, the grid and a block of results.

    Raises
    ------
    ConfigError, InputError, OutputError, InterruptedRunError
        As `run_candles`, and see `batch_blocks`; without ``checkpoint`` nothing is left of a batch
        that did not end.
    """
    import pyarrow as pa

    family, config = find_family(request.strategy), request.config()
    grid = request.grid()
    rows = checked_rows(family, grid)
    kinds = {name: pa.array(values).type for name, values in grid.items()}
    files = list(zip(paths, told_apart(paths), strict=True))
    began_s, written = time.perf_counter(), 0
    with ExitStack() as stack:
        blocks = stack.enter_context(
            batch_blocks(
                output, lambda: described(request, files, len(rows)), force=force,
                checkpoint=checkpoint, resume=resume,
            )
        )  # fmt: skip
        steps = stack.enter_context(Steps(f"{family.name}, variants", len(rows) * len(paths)))
        for path, called in files:
            candles = None
            for first in range(0, len(rows), BLOCK_ROWS):
                if (kept := blocks.rows_kept()) is not None:
                    written += kept
                    continue
                candles = candles or request.read(path)
                chosen, parts = rows[first : first + BLOCK_ROWS], []
                for part in _parts(family, candles, chosen, first, config, kinds, jobs):
                    parts.append(_named(part, called, candles.symbol))
                    written += part.num_rows
                    steps(written)
                blocks.add(parts, "variant")
    elapsed_s = time.perf_counter() - began_s
    report = BatchReport(str(output), len(paths), written, elapsed_s, written / elapsed_s)
    report.say(console, as_json=as_json)
    return report


def _named(part: Any, called: str, symbol: str) -> Any:
    """Say of rows whose they are."""
    import pyarrow as pa

    named = {"file": [called] * part.num_rows, "symbol": [symbol] * part.num_rows}
    columns = dict(zip(part.column_names, part.columns, strict=True))
    return pa.table({**{name: pa.array(one) for name, one in named.items()}, **columns})


def _parts(
    family: Family,
    candles: Candles,
    rows: Sequence[Mapping[str, Any]],
    first: int,
    config: BacktestConfig,
    kinds: Mapping[str, Any],
    jobs: int | None,
) -> Iterator[Any]:
    """Give tables of variants that are done, the first of which has that place in the grid."""
    for outcome in outcomes(family, candles, rows, config, jobs or all_cores()):
        columns = metric_columns(outcome.summaries, outcome.daily, config.initial_balance)
        columns["variant"] = first + np.asarray(outcome.places, np.int64)
        yield table_of([rows[i] for i in outcome.places], columns, kinds)
