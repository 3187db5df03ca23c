"""What the candles commands print and write: results, tables that stream."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from tapewire.atomic import atomic_file, output_errors, require_replaceable
from tapewire.candles import BacktestResult
from tapewire.candles.result import CANDLE_METRICS
from tapewire.errors import ConfigError, OutputError
from tapewire.inputs.telling import tell
from tapewire.processes.signals import interruptible

#: Rows of a table that streams, in one row group.
_GROUP_ROWS: Final = 16_384


def result_json(result: BacktestResult) -> dict[str, Any]:
    """Return a result ready for JSON, but for its tables."""
    return {
        "strategy_name": result.strategy_name,
        "metrics": CANDLE_METRICS.headline(result.metrics),
        "metadata": result.metadata,
    }


def say_result(
    result: BacktestResult, console: Console, output: Path | None = None, *, as_json: bool = False
) -> None:
    """Print what a backtest came to, and the folder that it went to."""
    if as_json:
        found = result_json(result) | ({"output": str(output)} if output else {})
        console.out(json.dumps(found, indent=2), highlight=False)
        return
    told = result.metadata
    tell(console, f"{result.strategy_name}, {told['symbol'] or 'candles'}: {told['bars']:,} bars")
    for name, count in told["data"].items():
        if count and name != "zero_volume":
            tell(console, f"  data: {name} {count:,}")
    for metric in CANDLE_METRICS:
        text = CANDLE_METRICS.text(result.metrics, metric.column)
        tell(console, f"  {metric.label:<42} {text}")
    if output is not None:
        tell(console, f"  report: {output / 'report.html'}")


def require_table_path(path: Path | None) -> None:
    """Refuse a name that no table can be written to, before anything is worked out for it.

    Raises
    ------
    ConfigError, OutputError
        If the name does not end in .parquet, or there is no folder to write to.
    """
    if path is None:
        return
    if not path.name.endswith(".parquet"):
        raise ConfigError(f"{path}: expected a name ending in .parquet")
    require_replaceable(path)
    if not path.parent.is_dir():
        raise OutputError(f"{path}: expected a folder {path.parent}, found none")


def write_table(path: Path, table: Any) -> None:
    """Write a table to a Parquet file, whole or not at all; see `require_table_path`."""
    import pyarrow.parquet as pq

    with atomic_file(path) as file, output_errors(path):
        pq.write_table(table, file)


@dataclass(frozen=True)
class BatchReport:
    """What `batch_candles` wrote: files read, rows, and variants a second."""

    path: str
    files: int
    rows: int
    elapsed_s: float
    variants_per_s: float

    def say(self, console: Console | None, *, as_json: bool) -> None:
        """Print it."""
        if console is not None and as_json:
            console.out(json.dumps(self.__dict__, indent=2), highlight=False)
        else:
            tell(
                console,
                f"{self.path}: {self.rows:,} results of {self.files:,} files, "
                f"{self.variants_per_s:,.0f} a second",
            )


@contextmanager
def streamed_tables(output: Path, *, force: bool) -> Iterator[Callable[[Any], None]]:
    """Give what writes tables of one kind after each other to a Parquet file, whole or not there.

    Raises
    ------
    ConfigError, OutputError
        If the name does not end in .parquet, or the file is there and not to be replaced.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    require_table_path(output)
    if output.exists() and not force:
        raise OutputError(
            f"{output}: is there already; choose another name with -o, or replace it with --force"
        )
    with ExitStack() as stack:
        file = stack.enter_context(atomic_file(output))
        stack.enter_context(output_errors(output))
        writers: list[pq.ParquetWriter] = []
        waiting: list[pa.Table] = []

        def flush() -> None:
            if waiting:
                writers[0].write_table(pa.concat_tables(waiting).combine_chunks())
                waiting.clear()

        def write(table: Any) -> None:
            if not writers:
                writers.append(stack.enter_context(pq.ParquetWriter(file, table.schema)))
            waiting.append(table.cast(writers[0].schema))
            # What a writer knows of its row groups stays in memory: few of them, however many rows.
            if sum(one.num_rows for one in waiting) >= _GROUP_ROWS:
                flush()

        yield write
        flush()


@contextmanager
def stoppable() -> Iterator[None]:
    """End with KeyboardInterrupt where a search was canceled."""
    with interruptible():
        try:
            yield
        except CancelledError as error:
            raise KeyboardInterrupt from error


def all_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))
