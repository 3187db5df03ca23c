"""``tapewire data calibrate`` and what ``data synth`` makes of it: markets like a real one."""

import datetime as dt
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from tapewire.atomic import atomic_file
from tapewire.errors import ConfigError, NoDataError
from tapewire.inputs.inspection import book_limits
from tapewire.inputs.telling import Steps, iso, say, tell
from tapewire.market.records import F_TOB, MBO_DTYPE, UNDEF_PRICE
from tapewire.processes.signals import interruptible
from tapewire.replay import ReplayPlan, open_source
from tapewire.replay.markets.files import MarketSummary, write_market
from tapewire.replay.markets.fitting import fit_model
from tapewire.replay.markets.goodness import GoodnessRow, goodness
from tapewire.replay.markets.market import MarketPlan
from tapewire.replay.markets.measuring import FlowMeasure
from tapewire.replay.markets.model import MarketModel
from tapewire.replay.markets.tuning import ROUNDS, sample, tune
from tapewire.replay.markets.warming import warm_up

_CHUNK_RECORDS: Final = 65_536
#: The seed of the sessions that the table is measured on: none that the model was tuned by.
_JUDGED_SEED: Final = 1_000_003


@dataclass(frozen=True)
class CalibrationReport:
    """A model, and how near its sessions are to the file.

    Attributes
    ----------
    path, symbol : str
    publisher_id : int
    events : int
        Of the book, that were measured.
    seconds : float
        From the first of them to the last.
    model : MarketModel
    goodness : list of GoodnessRow
        By sessions as long as the file's, which the model was not tuned by.
    """

    path: str
    symbol: str
    publisher_id: int
    events: int
    seconds: float
    model: MarketModel
    goodness: list[GoodnessRow]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; the model is a file of its own."""
        rows = [
            {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(r).items()}
            for r in self.goodness
        ]
        return {
            "path": self.path, "symbol": self.symbol, "publisher_id": self.publisher_id,
            "events": self.events, "seconds": self.seconds, "goodness": rows,
        }  # fmt: skip


@dataclass
class _Seen:
    """What a first pass sees of a book: trades, the common divisor of its prices."""

    trades: int = 0
    divisor: int = 0
    price: int = 0


def calibrate_file(
    path: str | os.PathLike[str],
    output: Path | None = None,
    *,
    symbol: str | None = None,
    as_json: bool = False,
    console: Console | None = None,
) -> CalibrationReport:
    """Measure a book of a file, and fit a model of synthetic markets to it.

    Parameters
    ----------
    path
        A DBN file of schema ``mbo``.
    output
        The model's .json file; an existing one is replaced. None: it is not kept.
    symbol
        Whose book; by default the one with most trades.
    as_json
        Print one JSON object.

    Raises
    ------
    ConfigError
        If the output is no .json file.
    InputError
        If the file can't be used, or has too little of a market to measure.
    OutputError
        If the model can't be written.
    """
    if output is not None and output.suffix != ".json":
        raise ConfigError(f"output: expected a name ending in .json, found {output.name!r}")
    with interruptible(), book_limits(path):
        report = _calibrate(os.fspath(path), symbol)
    if output is not None:
        with atomic_file(output) as file:
            file.write(report.model.to_json().encode())
    if console is not None:
        if as_json:
            console.out(json.dumps(report.to_dict(), indent=2), highlight=False)
        else:
            _show_calibration(report, console)
            if output is not None:
                tell(console, f"model: {output}")
    return report


def _calibrate(path: str, symbol: str | None) -> CalibrationReport:
    warm_up(say, fits=True)
    key, seen = _most_traded(path, symbol)
    names = {}
    measure = FlowMeasure(key >> 32, key & 0xFFFFFFFF, seen.divisor)
    plan = ReplayPlan(files=(path,), symbols=(symbol,) if symbol else ())
    with open_source(plan) as source, Steps("measuring", source.info.records) as steps:
        names = {m.instrument_id: m.raw_symbol for m in source.info.mappings}
        chunk = np.empty(_CHUNK_RECORDS, MBO_DTYPE)
        while n := source.fill(chunk):
            measure.feed(chunk[:n])
            steps(source.events)
    real = measure.measured()
    name = names.get(key & 0xFFFFFFFF, str(key & 0xFFFFFFFF))
    try:
        model = fit_model(real, name, seen.price)
        with Steps("tuning rounds", ROUNDS) as steps:
            model = tune(model, real, on_round=steps)
    except (ValueError, ConfigError) as error:
        raise NoDataError(f"{path}: {name}: {error}") from None
    made = sample(model, real.seconds, _JUDGED_SEED)
    return CalibrationReport(
        path, name, key >> 32, real.steps, real.seconds, model, goodness(real, made)
    )


def _most_traded(path: str, symbol: str | None) -> tuple[int, _Seen]:
    """The book with most trades: its key, and what was seen of it."""
    books: dict[int, _Seen] = {}
    plan = ReplayPlan(files=(path,), symbols=(symbol,) if symbol else ())
    with open_source(plan) as source, Steps("reading", source.info.records) as steps:
        chunk = np.empty(_CHUNK_RECORDS, MBO_DTYPE)
        while n := source.fill(chunk):
            _see(chunk[:n], books)
            steps(source.events)
    books = {key: seen for key, seen in books.items() if seen.trades and seen.divisor}
    if not books:
        raise NoDataError(f"{path}: expected trades to measure a market by, found none")
    key = max(books, key=lambda k: (books[k].trades, -k))
    return key, books[key]


def _see(records: np.ndarray, books: dict[int, _Seen]) -> None:
    """Note what records say of each book."""
    priced = records[
        (records["price"] != UNDEF_PRICE)
        & np.isin(records["action"], list(b"AMT"))
        & (records["flags"] & F_TOB == 0)  # a quote is no order
    ]
    keys = priced["publisher_id"].astype(np.int64) << 32 | priced["instrument_id"]
    order = np.argsort(keys, kind="stable")
    found, starts = np.unique(keys[order], return_index=True)
    for key, rows in zip(found, np.split(priced[order], starts[1:]), strict=True):
        seen = books.setdefault(int(key), _Seen())
        traded = rows["action"] == ord("T")  # some trades are between ticks, no order is
        prices = np.abs(rows["price"][~traded])
        if len(prices):
            seen.divisor = math.gcd(seen.divisor, int(np.gcd.reduce(prices)))
        trades = rows[traded & np.isin(rows["side"], list(b"AB"))]
        seen.trades += len(trades)
        if len(trades) and seen.price == 0:
            seen.price = int(trades["price"][0])


def market_file(
    output: str | os.PathLike[str],
    *,
    like: str | os.PathLike[str] | None = None,
    symbol: str | None = None,
    calibration: str | os.PathLike[str] | None = None,
    events: int | None = None,
    instruments: int = 1,
    days: int | None = None,
    hours: float | None = None,
    first_day: dt.date | None = None,
    correlation: float = 0.0,
    pathologies: Sequence[str] = (),
    seed: int = 0,
    as_json: bool = False,
    console: Console | None = None,
) -> MarketSummary:
    """Write a synthetic market (`tapewire.replay.markets`) and say what is in it.

    Parameters
    ----------
    output
        A ``.dbn`` or ``.dbn.zst`` file; with ``days`` also a folder, for a file per day.
    like, symbol
        A file whose market is measured first, and which book of it.
    calibration
        A model that `calibrate_file` wrote.
    events, instruments, days, hours, first_day, correlation, pathologies, seed
        See `tapewire.replay.markets.market.MarketPlan`.

    Raises
    ------
    ConfigError
        If an argument is out of range, or two exclude each other.
    InputError
        If the file or the model can't be used.
    OutputError
        If it can't be written.
    InterruptedRunError
        If the user stopped it; nothing is left of it.
    """
    if like is not None and calibration is not None:
        raise ConfigError("--like and --calibration: expected one of them, found both")
    if symbol is not None and like is None:
        raise ConfigError("--symbol: says which book of --like, which is missing")
    given: dict[str, Any] = {} if first_day is None else {"first_day": first_day}
    report = None
    if like is not None:
        report = calibrate_file(like, symbol=symbol, console=None if as_json else console)
        given["model"] = report.model
    elif calibration is not None:
        given["model"] = MarketModel.read(calibration)
    plan = MarketPlan(
        events=events, instruments=instruments, days=days, hours=hours, seed=seed,
        correlation=correlation, pathologies=tuple(pathologies), **given,
    )  # fmt: skip
    warm_up(say)
    with interruptible(), Steps("making records", events) as steps:
        summary = write_market(Path(output), plan, on_progress=steps)
    if console is not None:
        if as_json:
            facts = _facts(summary)
            if report is not None:
                facts["like"] = report.to_dict()
            console.out(json.dumps(facts, indent=2), highlight=False)
        else:
            _show_market(summary, console)
    return summary


def _facts(summary: MarketSummary) -> dict[str, Any]:
    facts = asdict(summary)
    facts["files"] = [str(path) for path in summary.files]
    facts["definitions"] = str(summary.definitions)
    facts["status"] = None if summary.status is None else str(summary.status)
    return facts


def _show_market(summary: MarketSummary, console: Console) -> None:
    mix = "  ".join(f"{a} {n / summary.events:.1%}" for a, n in summary.actions.items())
    symbols = ", ".join(f"{name} {n:,}" for name, n in summary.records.items())
    first, n = summary.files[0], len(summary.files)
    where = str(first) if n == 1 else f"{first} and {n - 1} more"
    tell(
        console,
        f"{where}: {summary.events:,} records, {summary.file_bytes:,} bytes, seed {summary.seed}, "
        f"{iso(summary.start_ns)} to {iso(summary.end_ns)}, {mix}",
    )
    tell(console, f"records: {symbols}")
    tell(console, f"definitions: {summary.definitions}")
    if summary.status is not None:
        tell(console, f"trading states: {summary.status}")
    if summary.incidents:
        put = ", ".join(f"{name} {n:,}" for name, n in summary.incidents.items())
        tell(console, f"put in on purpose: {put}")


def _show_calibration(report: CalibrationReport, console: Console) -> None:
    tell(
        console,
        f"{report.path}: {report.symbol}, {report.events:,} events in {report.seconds:,.0f} s, "
        f"tick {report.model.tick_size / 1e9:g}, each event causes "
        f"{sum(report.model.branching):.2f} more",
    )
    table = Table("statistic", "unit", "real", "synthetic")
    for column in table.columns[2:]:
        column.justify = "right"
    for row in report.goodness:
        table.add_row(row.statistic, row.unit, _number(row.real), _number(row.synthetic))
    console.print(table)


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
