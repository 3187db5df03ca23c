"""Files of other formats as DBN files of schema mbo: NASDAQ ITCH 5.0, LOBSTER."""

import datetime as dt
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import databento_dbn as dbn
import numpy as np

from tapewire.atomic import atomic_file
from tapewire.compiled.units import NS_PER_DAY
from tapewire.errors import ConfigError
from tapewire.replay.convert import DBN_VERSION, ZSTD_LEVEL, HashedSink, require_free
from tapewire.replay.itch import ItchFile, dataset_in
from tapewire.replay.lobster import DATASET as LOBSTER_DATASET
from tapewire.replay.lobster import INSTRUMENT_ID, LobsterFile
from tapewire.replay.packing import BlockWriter, Sink, packed
from tapewire.replay.schemas import beside
from tapewire.replay.trading_days import date_in, midnight_ns

#: Untyped: the vendor's stubs call enum members strings.
_DBN: Final[Any] = dbn
#: A session of New York ends after midnight UTC: an id keeps its symbol for two days of UTC.
_MAPPED_DAYS: Final = 2
_Progress = Callable[[int], None]


@dataclass(frozen=True)
class ConversionReport:
    """What a conversion wrote. Times are ns since the epoch, UTC.

    Attributes
    ----------
    file_bytes, xxh3_128
        Size and hash of the file as it lies on disk.
    messages
        Those of the input by type.
    volume
        Shares of the trades written.
    unknown_orders
        Messages about orders that the input never added.
    notes
        What deserves a look, in words.
    records_per_s
        Records written per second of ``elapsed_s``.
    status_path, states
        The file of trading states beside it, empty where the input has none, and its records.
    """

    path: str
    records: int
    file_bytes: int
    xxh3_128: str
    compressed: bool
    dataset: str
    symbols: tuple[str, ...]
    date: str
    first_ts_recv: int
    last_ts_recv: int
    messages: dict[str, int]
    volume: int
    unknown_orders: int
    notes: tuple[str, ...]
    elapsed_s: float
    records_per_s: float
    status_path: str = ""
    states: int = 0


def convert_itch(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    symbols: Sequence[str] = (),
    date: dt.date | None = None,
    dataset: str | None = None,
    force: bool = False,
    on_progress: _Progress | None = None,
) -> ConversionReport:
    """Write a NASDAQ TotalView-ITCH 5.0 file as a DBN file (`tapewire.replay.itch`).

    Its trading states, where it has any, become a file of schema ``status`` beside it.

    Parameters
    ----------
    path
        The file: plain, gzip or zstd.
    output
        ``….dbn`` or ``….dbn.zst``; it appears under its name when it is complete.
    symbols
        Those wanted; none: all.
    date
        The day of its times, in New York; by default the one in its name.
    dataset
        ``XNAS.ITCH``, ``XBOS.ITCH`` or ``XPSX.ITCH``; by default as its name says.
    force
        Replace a file that is there.
    on_progress
        Called after each chunk with the bytes of the input read so far, as they lie on disk.

    Raises
    ------
    ConfigError
        If the day is not known, or an argument is wrong.
    InputError
        If the file can't be used, is truncated or corrupt, or lacks a symbol.
    OutputError
        If the output is there already, or can't be written.
    """
    began_s = time.perf_counter()
    path, output = os.fspath(path), Path(output)
    date = date or date_in(path)
    if date is None:
        raise ConfigError(f"{path}: its name has no date: say the day of its times with --date")
    dataset = dataset or dataset_in(path)
    compressed = require_free(output, [path], force=force)
    status_path = beside(output, "status")
    require_free(status_path, [path], force=force)
    with ItchFile(path, date=date, symbols=symbols, dataset=dataset) as file:
        mappings = file.open_directory()
        header = _header(dataset, date, mappings)

        def write_states() -> None:
            if len(file.status):
                states = _header(dataset, date, mappings, _DBN.Schema.STATUS)
                _write(status_path, states, [file.status])

        written = _write(
            output, header, file.chunks(), lambda: file.disk_bytes, on_progress, write_states
        )
        counts, states = file.counts, len(file.status)
    notes = []
    if counts.unknown_orders:
        notes.append(
            f"{counts.unknown_orders:,} messages are about orders that the file never added: it "
            "begins after they came, and they are left out"
        )
    if counts.late_symbols:
        notes.append(
            f"left out are {len(counts.late_symbols):,} stocks that are announced after the first "
            f"order: {', '.join(counts.late_symbols[:10])}"
        )
    if not counts.ended:
        notes.append("it lacks the event that ends a day's messages: it may be cut")
    report = _report(
        output, written, compressed, dataset, tuple(mappings), date, counts, notes, began_s
    )
    return replace(report, status_path=str(status_path) if states else "", states=states)


def convert_lobster(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    force: bool = False,
    on_progress: _Progress | None = None,
) -> ConversionReport:
    """Write LOBSTER's message file and the orderbook file beside it as one DBN file.

    Parameters
    ----------
    path
        The message file, with LOBSTER's name.
    output, force, on_progress
        As in `convert_itch`.

    Raises
    ------
    ConfigError, InputError, OutputError
        As `convert_itch`.
    """
    began_s = time.perf_counter()
    path, output = os.fspath(path), Path(output)
    with LobsterFile(path) as file:
        compressed = require_free(output, [path, file.book_path], force=force)
        header = _header(LOBSTER_DATASET, file.date, {file.symbol: INSTRUMENT_ID})
        written = _write(output, header, file.chunks(), lambda: file.disk_bytes, on_progress)
        counts = file.counts
    notes = []
    if counts.unknown_orders:
        notes.append(
            f"{counts.unknown_orders:,} messages are about shares that neither an order nor a "
            "level has: of them only trades are kept"
        )
    if counts.rested_shares:
        notes.append(
            f"{counts.rested_shares:,} shares came into the range of the orderbook file without a "
            "message"
        )
    return _report(
        output, written, compressed, LOBSTER_DATASET, (file.symbol,), file.date, counts, notes,
        began_s,
    )  # fmt: skip


@dataclass(frozen=True)
class _Written:
    records: int
    file_bytes: int
    xxh3_128: str
    first_ts: int
    last_ts: int


def _header(
    dataset: str, date: dt.date, mappings: Mapping[str, int], schema: Any = _DBN.Schema.MBO
) -> bytes:
    end = date + dt.timedelta(days=_MAPPED_DAYS)
    start_ns = midnight_ns(date)
    return bytes(
        _DBN.Metadata(
            dataset,
            start_ns,
            _DBN.SType.RAW_SYMBOL,
            _DBN.SType.INSTRUMENT_ID,
            schema,
            symbols=list(mappings),
            mappings=[
                SimpleNamespace(
                    raw_symbol=name,
                    intervals=[SimpleNamespace(start_date=date, end_date=end, symbol=str(number))],
                )
                for name, number in mappings.items()
            ],
            end=start_ns + NS_PER_DAY,
            ts_out=False,
            version=DBN_VERSION,
        )
    )


def _write(
    output: Path,
    header: bytes,
    chunks: Iterable[np.ndarray],
    disk_bytes: Callable[[], int] = int,
    on_progress: _Progress | None = None,
    then: Callable[[], None] = lambda: None,
) -> _Written:
    """Write a header and records, then something else; the file appears when all is there."""
    records = first = last = 0

    def write_all(sink: Sink) -> None:
        nonlocal records, first, last
        sink.write(memoryview(header))
        for chunk in chunks:
            if not len(chunk):
                continue
            first = first or int(chunk["ts_recv"][0])
            last = max(last, int(chunk["ts_recv"].max()))
            records += len(chunk)
            sink.write(chunk.view(np.uint8).data)
            if on_progress is not None:
                on_progress(disk_bytes())

    compressed = output.name.endswith(".zst")
    with atomic_file(output) as file:
        with BlockWriter(file, past_cache=False) as blocks:
            hashed = HashedSink(blocks)
            with packed(hashed, ZSTD_LEVEL) if compressed else nullcontext(hashed) as sink:
                write_all(sink)
        then()
    return _Written(records, hashed.size, hashed.hexdigest, first, last)


def _report(
    output: Path,
    written: _Written,
    compressed: bool,
    dataset: str,
    symbols: tuple[str, ...],
    date: dt.date,
    counts: Any,
    notes: Sequence[str],
    began_s: float,
) -> ConversionReport:
    elapsed_s = time.perf_counter() - began_s
    return ConversionReport(
        path=str(output),
        records=written.records,
        file_bytes=written.file_bytes,
        xxh3_128=written.xxh3_128,
        compressed=compressed,
        dataset=dataset,
        symbols=symbols,
        date=date.isoformat(),
        first_ts_recv=written.first_ts,
        last_ts_recv=written.last_ts,
        messages=counts.messages,
        volume=counts.volume,
        unknown_orders=counts.unknown_orders,
        notes=tuple(notes),
        elapsed_s=elapsed_s,
        records_per_s=written.records / elapsed_s,
    )
