"""A synthetic market as DBN files: its records, definitions beside them, trading states."""

import contextlib
import datetime as dt
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, Final

import databento_dbn as dbn
import numpy as np

from tapewire.atomic import atomic_file, output_errors
from tapewire.compiled.units import NS_PER_DAY, NS_PER_S, PRICE_UNITS
from tapewire.errors import ConfigError, OutputError
from tapewire.market.status import RTYPE_STATUS, STATUS_DTYPE, STATUS_LENGTH_WORDS
from tapewire.replay.markets.market import MULTIPLIER, MarketDay, MarketPlan, SyntheticMarket
from tapewire.replay.markets.pathologies import (
    STATUS_CLOSE,
    STATUS_PRE_OPEN,
    STATUS_TRADING,
    StatusChange,
)
from tapewire.replay.schemas import beside
from tapewire.replay.synth import DATASET, DBN_VERSION, DbnSink

#: Untyped: the vendor's stubs call enum members strings.
_DBN: Final[Any] = dbn
_PREFIX: Final = "glbx-mdp3"
#: Before a session, orders may be entered only.
_PRE_OPEN_NS: Final = 30 * 60 * NS_PER_S


@dataclass
class MarketSummary:
    """What was written.

    Attributes
    ----------
    files : list of Path
        Of records, in the order of their days.
    definitions : Path
    status : Path or None
        None where there is one session and nobody halted it.
    events : int
        Records in all.
    records : dict of str to int
        By symbol.
    actions : dict of str to int
        By action letter.
    incidents : dict of str to int
        What was put in on purpose.
    file_bytes : int
    start_ns, end_ns : int
        First and last ``ts_recv``.
    elapsed_s, kernel_s : float
        Wall time, and of that in making the records.
    """

    files: list[Path]
    definitions: Path
    status: Path | None
    seed: int
    events: int = 0
    records: dict[str, int] = field(default_factory=dict)
    actions: dict[str, int] = field(default_factory=dict)
    incidents: dict[str, int] = field(default_factory=dict)
    file_bytes: int = 0
    start_ns: int = 0
    end_ns: int = 0
    elapsed_s: float = 0.0
    kernel_s: float = 0.0


def write_market(
    output: Path, plan: MarketPlan, *, on_progress: Callable[[int], None] = lambda n: None
) -> MarketSummary:
    """Write a synthetic market.

    Parameters
    ----------
    output
        A ``.dbn`` or ``.dbn.zst`` file for all sessions; or, with ``plan.days``, a folder that is
        not there yet, for a file per day. Definitions and trading states lie beside (`beside`). A
        file that has such a name is replaced.
    on_progress
        Called now and then with the records written so far.

    Raises
    ------
    ConfigError
        If the name is neither.
    OutputError
        If it can't be written, or the folder is there.
    """
    started = time.perf_counter()
    market = SyntheticMarket(plan)
    if output.name.endswith((".dbn", ".dbn.zst")):
        summary = _write_one(output, market, on_progress)
    elif plan.days is None:
        raise ConfigError(
            f"output: expected a name ending in .dbn or .dbn.zst, found {output.name!r}"
        )
    else:
        summary = _write_folder(output, market, on_progress)
    summary.incidents = dict(market.disturbance.counts)
    summary.elapsed_s = time.perf_counter() - started
    return summary


def _write_one(
    output: Path, market: SyntheticMarket, on_progress: Callable[[int], None]
) -> MarketSummary:
    has_status = market.plan.days is not None or bool(
        {"halted", "auctions"} & set(market.plan.pathologies)
    )
    summary = MarketSummary(
        [output], beside(output, "definition"), beside(output, "status") if has_status else None,
        market.plan.seed,
    )  # fmt: skip
    days = _days_ahead(market.plan)
    with atomic_file(output) as file, _encoder(output, file) as encoder:
        encoder.write(_header(days, _DBN.Schema.MBO))
        for day, session in market.sessions():
            _write_session(encoder, market, day, session, summary, on_progress)
    _write_beside(summary, market)
    summary.file_bytes = output.stat().st_size
    return summary


def _write_folder(
    output: Path, market: SyntheticMarket, on_progress: Callable[[int], None]
) -> MarketSummary:
    with output_errors(output):
        if output.exists():
            raise OutputError(f"{output}: is there already: choose another folder with -o")
        making = output.with_name(f".{output.name}.{os.getpid()}.tmp")
        making.mkdir()
    try:
        first, last = market.dates[0], market.dates[-1]
        span = f"{_PREFIX}-{first:%Y%m%d}-{last:%Y%m%d}"
        summary = MarketSummary(
            [], making / f"{span}.definition.dbn.zst", making / f"{span}.status.dbn.zst",
            market.plan.seed,
        )  # fmt: skip
        for day, session in market.sessions():
            path = making / f"{_PREFIX}-{day.date:%Y%m%d}.mbo.dbn.zst"
            with atomic_file(path) as file, _encoder(path, file) as encoder:
                encoder.write(_header([day], _DBN.Schema.MBO))
                _write_session(encoder, market, day, session, summary, on_progress)
            summary.files.append(path)
            summary.file_bytes += path.stat().st_size
        _write_beside(summary, market)
        with output_errors(output):
            making.rename(output)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    summary.files = [output / path.name for path in summary.files]
    summary.definitions = output / summary.definitions.name
    summary.status = output / summary.status.name if summary.status is not None else None
    return summary


def _days_ahead(plan: MarketPlan) -> list[MarketDay]:
    """The days of a market as far as a header needs them: all but prices."""
    ahead = SyntheticMarket(plan)
    return [ahead.day_of(date) for date in ahead.dates]


@contextlib.contextmanager
def _encoder(path: Path, file: BinaryIO) -> Iterator[Any]:
    """Databento's encoder into a file, compressed by the file's name."""
    packed = path.name.endswith(".zst")
    sink = DbnSink(file)
    encoder = _DBN.Transcoder(
        sink, _DBN.Encoding.DBN, _DBN.Compression.ZSTD if packed else _DBN.Compression.NONE
    )
    try:
        yield encoder
        encoder.finish()
    except dbn.DBNError as error:
        raise sink.error or error from None


def _write_session(
    encoder: Any, market: SyntheticMarket, day: MarketDay, session: Any,
    summary: MarketSummary, on_progress: Callable[[int], None],
) -> None:  # fmt: skip
    names = {one.instrument_id: one.symbol for one in day.contracts}
    for records in market.disturbance.chunks(session):
        encoder.write(records.tobytes())
        for action, n in enumerate(np.bincount(records["action"], minlength=256)):
            if n:
                letter = chr(action)
                summary.actions[letter] = summary.actions.get(letter, 0) + int(n)
        for number, n in zip(*np.unique(records["instrument_id"], return_counts=True), strict=True):
            symbol = names[int(number)]
            summary.records[symbol] = summary.records.get(symbol, 0) + int(n)
        summary.start_ns = summary.start_ns or int(records["ts_recv"][0])
        summary.end_ns = int(records["ts_recv"][-1])
        summary.events += len(records)
        on_progress(summary.events)
    summary.kernel_s += session.kernel_s


def _header(days: Sequence[MarketDay], schema: Any) -> bytes:
    """The DBN header: which symbol was which instrument on which days."""
    spans: dict[str, list[Any]] = {}
    for day in days:
        end = day.date + dt.timedelta(days=max(1, -(-(day.end_ns - day.start_ns) // NS_PER_DAY)))
        for one in day.contracts:
            span = spans.setdefault(one.symbol, [one.instrument_id, day.date, end])
            span[2] = end
    mappings = [
        SimpleNamespace(
            raw_symbol=symbol,
            intervals=[SimpleNamespace(start_date=first, end_date=last, symbol=str(number))],
        )
        for symbol, (number, first, last) in spans.items()
    ]
    start = days[0].start_ns // NS_PER_DAY * NS_PER_DAY
    last_date = max(span[2] for span in spans.values())
    ends = dt.datetime.combine(last_date, dt.time(), dt.UTC)
    return bytes(
        _DBN.Metadata(
            DATASET, start, _DBN.SType.RAW_SYMBOL, _DBN.SType.INSTRUMENT_ID, schema,
            symbols=list(spans), mappings=mappings, end=int(ends.timestamp()) * NS_PER_S,
            version=DBN_VERSION,
        )
    )  # fmt: skip


def _write_beside(summary: MarketSummary, market: SyntheticMarket) -> None:
    """Write definitions and, where there are any, trading states."""
    _write_records(
        summary.definitions, market.days, _DBN.Schema.DEFINITION, _definitions(market.days)
    )
    if summary.status is not None:
        changes = list(market.disturbance.changes)
        if market.plan.days is not None:
            changes += _sessions_states(market.days)
        changes.sort(key=lambda change: (change.ts_recv, change.instrument_id))
        _write_records(
            summary.status, market.days, _DBN.Schema.STATUS, [_status(one) for one in changes]
        )


def _write_records(
    path: Path, days: Sequence[MarketDay], schema: Any, records: Sequence[bytes]
) -> None:
    with atomic_file(path) as file, _encoder(path, file) as encoder:
        encoder.write(_header(days, schema))
        for record in records:
            encoder.write(record)


def _definitions(days: Sequence[MarketDay]) -> list[bytes]:
    """A definition per contract and day, as GLBX sends them before each session."""
    records = []
    for day in days:
        ts = day.start_ns // NS_PER_DAY * NS_PER_DAY
        for one, listed in zip(day.contracts, day.listed, strict=True):
            dates: dict[str, Any] = {}
            if listed is not None:
                expiry = dt.datetime.combine(listed.expiry, dt.time(), dt.UTC)
                close = day.end_ns - ts
                dates = {
                    "expiration": int(expiry.timestamp()) * NS_PER_S + close,
                    "maturity_year": listed.expiry.year,
                    "maturity_month": listed.expiry.month,
                    "maturity_day": listed.expiry.day,
                }
            record = _DBN.InstrumentDefMsg(
                1, one.instrument_id, ts, ts, one.tick_size, PRICE_UNITS, one.symbol,
                one.product, "FUT", _DBN.InstrumentClass.FUTURE, _DBN.SecurityUpdateAction.ADD,
                unit_of_measure_qty=MULTIPLIER * PRICE_UNITS,
                min_price_increment_amount=one.tick_size * MULTIPLIER,
                min_trade_vol=1, currency="USD", settl_currency="USD", exchange="XCME",
                group=one.product, cfi="FFIXSX", unit_of_measure="IPNT",
                match_algorithm=_DBN.MatchAlgorithm.FIFO, raw_instrument_id=one.instrument_id,
                **dates,
            )  # fmt: skip
            records.append(bytes(record))
    return records


def _sessions_states(days: Sequence[MarketDay]) -> list[StatusChange]:
    """Pre-open, trading and close of every contract, every day."""
    return [
        StatusChange(one.instrument_id, action, ts, ts)
        for day in days
        for one in day.contracts
        for action, ts in (
            (STATUS_PRE_OPEN, day.start_ns - _PRE_OPEN_NS),
            (STATUS_TRADING, day.start_ns),
            (STATUS_CLOSE, day.end_ns),
        )
    ]


def _status(change: StatusChange) -> bytes:
    row = np.zeros(1, STATUS_DTYPE)
    row["length"], row["rtype"], row["publisher_id"] = STATUS_LENGTH_WORDS, RTYPE_STATUS, 1
    row["instrument_id"], row["action"] = change.instrument_id, change.action
    row["ts_event"], row["ts_recv"] = change.ts_event, change.ts_recv
    trading = b"Y" if change.action == STATUS_TRADING else b"N"
    for name, value in (
        ("is_trading", trading), ("is_quoting", trading), ("is_short_sell_restricted", b"~"),
    ):  # fmt: skip
        row[name] = ord(value)
    return row.tobytes()
