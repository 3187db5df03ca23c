"""``tapewire candles run`` and ``batch`` of strategies declared as JSON."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from tapewire.analytics.run_folder import RunFolder
from tapewire.atomic import output_errors
from tapewire.candles import BacktestConfig, BacktestResult, Candles, EventDrivenEngine, LevelBook
from tapewire.candles.declared import DeclaredBars, DeclaredStrategies, run_declared
from tapewire.candles.families import VariantResults
from tapewire.candles.optimizer import metric_columns, outcomes, table_of
from tapewire.candles.rules import (
    DeclaredStrategy,
    load_strategy,
    rule_lines,
    strategy_of_json,
)
from tapewire.candles.sessions import SessionClock
from tapewire.errors import ConfigError, InputError, MissingFileError
from tapewire.inputs.candle_blocks import BLOCK_ROWS, batch_blocks, content_of, described
from tapewire.inputs.candle_outputs import (
    BatchReport,
    all_cores,
    require_table_path,
    say_result,
    write_table,
)
from tapewire.inputs.candles import CandleRequest, told_apart
from tapewire.inputs.telling import Steps
from tapewire.processes.signals import interruptible
from tapewire.runs.candle_folders import write_candle_folder

ENGINES: Final = ("vectorised", "event")
#: Strategies of one batch.
STRATEGIES_MAX: Final = 1_000_000
#: Bytes of a line that declares a strategy.
_LINE_BYTES_MAX: Final = 4 << 20
_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True)
class EngineChoice:
    """Which engine trades, as it was typed; all but the name are the event-driven one's.

    Attributes
    ----------
    name : str
        ``vectorised`` or ``event``.
    latency_ms, spread_ticks, units_per_level, volume_share : float, optional
        See `EventDrivenEngine` and `LevelBook`.
    """

    name: str = "vectorised"
    latency_ms: float | None = None
    spread_ticks: float | None = None
    units_per_level: float | None = None
    volume_share: float | None = None

    def engine(self, request: CandleRequest) -> EventDrivenEngine | None:
        """Return the event-driven engine, or None for the vectorised one.

        Raises
        ------
        ConfigError
            If there is no such engine, or something is wrong or not for it.
        """
        if self.name not in ENGINES:
            raise ConfigError(f"engine: expected {' or '.join(ENGINES)}, found {self.name!r}")
        if self.name == "vectorised":
            for name in ("latency_ms", "spread_ticks", "units_per_level", "volume_share"):
                if getattr(self, name) is not None:
                    raise ConfigError(f"{name}: expected beside engine event (--engine event) only")
            return None
        book = None
        if self.spread_ticks is not None or self.units_per_level is not None:
            book = LevelBook(self.spread_ticks or 0.0, self.units_per_level or float("inf"))
        latency_ms = self.latency_ms or 0.0
        if not 0 <= latency_ms < 1e9:
            raise ConfigError(f"latency_ms: expected from 0 to 1e9, found {latency_ms}")
        return EventDrivenEngine(
            request.config(), latency_ns=round(latency_ms * _NS_PER_MS), book=book,
            volume_share=self.volume_share,
        )  # fmt: skip


def session_of(text: str | None) -> SessionClock | None:
    """Return the clock of ``17:00-16:00 America/Chicago``; see `SessionClock.of`."""
    return None if text is None else SessionClock.of(text)


# --- one ------------------------------------------------------------------------------------------


def run_declared_file(
    path: Path,
    data: Path,
    request: CandleRequest,
    choice: EngineChoice | None = None,
    *,
    session: str | None = None,
    output: Path | None = None,
    force: bool = False,
    trades: Path | None = None,
    equity: Path | None = None,
    as_json: bool = False,
    console: Console | None = None,
) -> BacktestResult:
    """Trade a strategy declared in a JSON file on the bars of a file.

    Parameters
    ----------
    path, data
        The strategy, and the bars, see `tapewire.candles.read_candles`.
    request
        Settings, symbol and what else says how bars are read.
    choice
        The engine; None: the vectorised one.
    session
        When sessions begin, see `session_of`.
    output
        A folder for tables, manifest and report.
    force
        Replace an earlier one in it.
    trades, equity
        Files for the tables alone.
    as_json, console
        What is printed where.

    Raises
    ------
    ConfigError, InputError, OutputError, InterruptedRunError
        What is wrong with what was typed, read or is to be written.
    """
    if request.parameters:
        raise ConfigError(f"{request.parameters[0]}: a declared strategy has its own parameters")
    for target in (trades, equity):
        require_table_path(target)
    began_s = time.perf_counter()
    strategy, clock = load_strategy(path), session_of(session)
    engine = (choice or EngineChoice()).engine(request)
    with interruptible(), ExitStack() as stack:
        folder = stack.enter_context(RunFolder(output, force=force)) if output else None
        candles = request.read(data)
        with _told_of(data):
            bars = DeclaredBars.of(candles, [strategy], clock)
            result = run_declared(strategy, bars, request.config(), engine=engine)
        for target, table in ((trades, "trades"), (equity, "equity_curve")):
            if target is not None:
                write_table(target, getattr(result, table))
        if folder is not None:
            with output_errors(folder.path / "strategy.json", "copy the strategy to"):
                declared = path.read_bytes()
            write_candle_folder(folder, result, declared, rule_lines(strategy), data, began_s)
    if console is not None:
        say_result(result, console, output, as_json=as_json)
    return result


@contextmanager
def _told_of(file: Path) -> Iterator[None]:
    """Name the file of bars in what is wrong with them."""
    try:
        yield
    except (ConfigError, InputError) as error:
        raise type(error)(f"{file}: {error}") from error


# --- many -----------------------------------------------------------------------------------------


def read_strategies(paths: Sequence[Path]) -> list[DeclaredStrategy]:
    """Read strategies: JSON files with one, ``.jsonl`` files with one a line, folders of JSON.

    Raises
    ------
    ConfigError
        If one is wrong, with its file and line; or there is none, or too many.
    MissingFileError
        If a file can't be read.
    """
    found: list[DeclaredStrategy] = []
    with Steps("strategies read", None) as steps:
        for one in (one for path in paths for one in _strategies_in(path)):
            found.append(one)
            if len(found) > STRATEGIES_MAX:
                raise ConfigError(f"expected at most {STRATEGIES_MAX:,} strategies, found more")
            steps(len(found))
    if not found:
        raise ConfigError(f"expected strategies in {', '.join(map(str, paths))}, found none")
    return found


def _files_in(path: Path) -> list[Path]:
    """The files of strategies that a path names."""
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


def _strategies_in(path: Path) -> Iterator[DeclaredStrategy]:
    if path.is_dir():
        for inner in _files_in(path):
            yield load_strategy(inner)
    elif path.suffix == ".jsonl":
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if len(line) > _LINE_BYTES_MAX:
                        raise ConfigError(f"{path}:{number}: expected a strategy of at most 4 MB")
                    if line.strip():
                        yield strategy_of_json(_text(line, path, number), source=f"{path}:{number}")
        except OSError as error:
            raise MissingFileError(f"{path}: can't be read: {error.strerror}") from None
    else:
        yield load_strategy(path)


def _text(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode("utf-8-sig").rstrip()
    except UnicodeDecodeError:
        raise ConfigError(f"{path}:{number}: expected UTF-8, found none") from None


def batch_declared(
    paths: Sequence[Path],
    data: Sequence[Path],
    request: CandleRequest,
    output: Path,
    *,
    session: str | None = None,
    jobs: int | None = None,
    force: bool = False,
    checkpoint: bool = False,
    resume: bool = False,
    as_json: bool = False,
    console: Console | None = None,
) -> BatchReport:
    """Trade declared strategies on the bars of files; results stream to one Parquet file.

    Each row has the file, the symbol, the strategy's place, name and version, and the metrics; they
    are in the order of files and places. Indicators are computed once for all strategies of a
    primary timeframe, in blocks of `BLOCK_ROWS` strategies.

    Raises
    ------
    ConfigError, InputError, OutputError, InterruptedRunError
        As `run_declared_file`, and see `batch_blocks`; without ``checkpoint`` nothing is left of a
        batch that did not end.
    """
    if request.parameters:
        raise ConfigError(f"{request.parameters[0]}: declared strategies have their own parameters")
    family, config = DeclaredStrategies(session_of(session)), request.config()
    files = list(zip(data, told_apart(data), strict=True))
    rows: list[dict[str, Any]] = []

    def describe() -> dict[str, Any]:
        sources = [content_of(inner) for path in paths for inner in _files_in(path)]
        return described(request, files, len(rows), session=session, strategies=sources)

    began_s, written = time.perf_counter(), 0
    with ExitStack() as stack:
        blocks = stack.enter_context(
            batch_blocks(output, describe, force=force, checkpoint=checkpoint, resume=resume)
        )
        rows += [{"strategy": one} for one in read_strategies(paths)]
        steps = stack.enter_context(Steps("strategies traded", len(rows) * len(data)))
        for file, called in files:
            candles = None
            for first in range(0, len(rows), BLOCK_ROWS):
                if (kept := blocks.rows_kept()) is not None:
                    written += kept
                    continue
                candles = candles or request.read(file)
                chosen, parts = rows[first : first + BLOCK_ROWS], []
                with _told_of(file):
                    for outcome in outcomes(family, candles, chosen, config, jobs or all_cores()):
                        part = _table(called, candles, chosen, first, outcome, config)
                        parts.append(part)
                        written += part.num_rows
                        steps(written)
                blocks.add(parts, "place")
    elapsed_s = time.perf_counter() - began_s
    report = BatchReport(str(output), len(data), written, elapsed_s, written / elapsed_s)
    report.say(console, as_json=as_json)
    return report


def _table(
    called: str, candles: Candles, rows: Sequence[dict[str, Any]], first: int,
    outcome: VariantResults, config: BacktestConfig,
) -> Any:  # fmt: skip
    """Return strategies that are done as rows: whose they are, and their metrics."""
    columns = metric_columns(outcome.summaries, outcome.daily, config.initial_balance)
    columns["place"] = first + np.asarray(outcome.places, np.int64)
    named = []
    for place in outcome.places:
        strategy = rows[place]["strategy"]
        named.append(
            {"file": called, "symbol": candles.symbol, "strategy": strategy.name,
             "version": strategy.version, "timeframe": strategy.timeframes.primary}
        )  # fmt: skip
    return table_of(named, columns)
