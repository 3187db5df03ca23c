"""What ``tapewire data …`` does: look into a file, make one, prepare some, write out books.

Plain functions: they return their result, raise errors of `tapewire.errors`, and print only on
the console they are given (progress goes to standard error).
"""

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError
from rich.console import Console

from tapewire.atomic import atomic_file
from tapewire.config.problems import Places, Problems
from tapewire.config.schema import DatabentoSource
from tapewire.config.yaml import KeyPath
from tapewire.errors import ConfigError, NoDataError
from tapewire.inputs.report import FileReport, Progress, book_limits, inspect_file, iso
from tapewire.inputs.same_data import require_different
from tapewire.market import BookSet
from tapewire.market.records import MBO_DTYPE
from tapewire.processes.signals import interruptible
from tapewire.replay import ReplayPlan, open_source
from tapewire.replay.convert import ConvertReport, convert
from tapewire.replay.synth import SynthSummary, synthesize

__all__ = [
    "BookSummary",
    "ConvertReport",
    "FileReport",
    "SynthSummary",
    "convert_files",
    "inspect_file",
    "synth_file",
    "write_book",
]

DEPTH_MAX: Final = 100
_CHUNK_RECORDS: Final = 65_536
_BYTES_PER_MB: Final = 10**6


# --- data synth -----------------------------------------------------------------------------------


def synth_file(
    output: str | os.PathLike[str],
    *,
    events: int,
    instruments: int = 1,
    seed: int = 0,
    console: Console | None = None,
) -> SynthSummary:
    """Write a synthetic session (`tapewire.replay.synth.synthesize`) and say what is in it.

    Raises
    ------
    ConfigError
        If an argument is out of range or the name ends in neither ``.dbn`` nor ``.dbn.zst``.
    OutputError
        If the file can't be written.
    InterruptedRunError
        If the user stopped it; what was there before is untouched.
    """
    with interruptible(), Progress("making records", events) as progress:
        summary = synthesize(
            output, events=events, instruments=instruments, seed=seed, on_progress=progress
        )
    if console is not None:
        mix = "  ".join(f"{a} {n / events:.1%}" for a, n in summary.actions.items())
        first, last = summary.symbols[0], summary.symbols[-1]
        console.print(
            f"{summary.path}: {events:,} records, {summary.file_bytes:,} bytes, "
            f"{first if first == last else f'{first} to {last}'}, seed {seed}, "
            f"{iso(summary.start_ns)} to {iso(summary.end_ns)}, {mix}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    return summary


# --- data convert ---------------------------------------------------------------------------------


def convert_files(
    files: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    symbols: Sequence[str] = (),
    start: str | int | None = None,
    end: str | int | None = None,
    warmup: str | None = None,
    force: bool = False,
    as_json: bool = False,
    console: Console | None = None,
) -> ConvertReport:
    """Write files as one that replays fastest (`tapewire.replay.convert.convert`), and say so.

    Parameters
    ----------
    start, end
        ``ts_recv`` from which on and before which records are wanted: ISO 8601 (UTC where no zone
        is given) or ns since the epoch.
    warmup
        As in `convert`.
    as_json
        Print one JSON object with `ConvertReport`'s keys in place of a sentence.

    Raises
    ------
    ConfigError, InputError, OutputError
        As `convert`.
    InterruptedRunError
        If the user stopped it; nothing is left of the output then.
    """
    given = {
        "type": "databento",
        "files": [os.fspath(file) for file in files],
        "symbols": list(symbols),
        **{
            key: value
            for key, value in (("start", start), ("end", end), ("warmup", warmup))
            if value is not None
        },
    }
    try:
        wanted = DatabentoSource.model_validate(given)
    except ValidationError as error:
        options: dict[KeyPath, str] = {
            (key,): f"--{key}" for key in ("symbols", "start", "end", "warmup")
        }
        problems = Problems(Places("command line", typed=options))
        problems.add_validation(error, DatabentoSource, {})
        problems.raise_if_any()
        raise  # unreachable: there was an error
    inputs = [Path(name) for name in wanted.files]
    total_mb = sum(path.stat().st_size for path in inputs if path.is_file()) // _BYTES_PER_MB
    with interruptible(), Progress("converting, MB read", total_mb) as progress:
        require_different(wanted.files)
        report = convert(
            wanted.files,
            output,
            symbols=wanted.symbols,
            start_ns=wanted.start,
            end_ns=wanted.end,
            warmup=wanted.warmup,
            force=force,
            on_progress=lambda done: progress(done // _BYTES_PER_MB),
        )
    if console is not None and as_json:
        text = json.dumps(asdict(report), indent=2, default=msgspec.structs.asdict)
        console.out(text, highlight=False)
    elif console is not None:
        said = (
            f"{report.path}: {report.records:,} records, {report.file_bytes:,} bytes, "
            f"{iso(report.first_ts_recv)} to {iso(report.last_ts_recv)}, "
            f"{report.records_per_s / 1e6:.2f} M records/s"
        )
        if report.snapshot_records:
            said += f"; the first {report.snapshot_records:,} are a snapshot of the books"
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    return report


# --- data book ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BookSummary:
    """What `write_book` wrote.

    Attributes
    ----------
    rows : int
        Rows written.
    missing_last : int
        Events that ended without F_LAST.
    """

    path: Path
    rows: int
    records: int
    depth: int
    missing_last: int


def _book_schema(depth: int) -> pa.Schema:
    time_type = pa.timestamp("ns", tz="UTC")
    columns = [
        ("publisher_id", pa.uint16()), ("instrument_id", pa.uint32()), ("sequence", pa.uint32()),
        ("ts_event", time_type), ("ts_recv", time_type),
    ]  # fmt: skip
    for k in range(depth):
        columns += [
            (f"{side}_{what}_{k:02d}", pa.int64())
            for side in ("bid", "ask")
            for what in ("px", "sz", "ct")
        ]
    return pa.schema([*columns, ("action", pa.string()), ("flags", pa.uint8())])


def _book_rows(
    records: np.ndarray, books: BookSet, depth: int, schema: pa.Schema, *, every_record: bool
) -> pa.RecordBatch:
    source, *levels = books.depth_rows(records, depth, every_record=every_record)
    ends = records[source]
    columns = [pa.array(ends[n]) for n in ("publisher_id", "instrument_id", "sequence")]
    for name in ("ts_event", "ts_recv"):
        clock = ends[name].astype(np.int64)  # UNDEF_TIMESTAMP becomes -1, and null
        columns.append(pa.array(clock, mask=clock == -1).cast(schema.field(name).type))
    for k in range(depth):
        columns += [pa.array(what[:, side, k]) for side in (0, 1) for what in levels]
    columns += [pa.array(ends["action"].view("S1").astype("U1")), pa.array(ends["flags"])]
    return pa.record_batch(columns, schema=schema)


def write_book(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    symbol: str | None = None,
    depth: int = 10,
    every: Literal["record", "event"] = "record",
    console: Console | None = None,
) -> BookSummary:
    """Write the book as it stood after every record of a file, in mbp-10 column names.

    The Parquet file has ``publisher_id, instrument_id, sequence, ts_event, ts_recv`` of the
    record, then ``bid_px_00, bid_sz_00, bid_ct_00, ask_px_00, …``: prices int64 in 1e-9 with
    ``UNDEF_PRICE`` (and 0 lots, 0 orders) for levels that are not there; a top-of-book publisher's
    count is 0, as in Databento's files. Last come the record's ``action`` and ``flags``: a row
    whose flags lack F_LAST (128) stands in mid-event. Memory does not depend on the file's length.

    Parameters
    ----------
    path
        A DBN file of schema ``mbo``.
    output
        The Parquet file; it appears when it is complete. An existing file is replaced.
    symbol
        Write this symbol's books only. By default all books, interleaved as the events are.
    depth
        Levels per side, 1 to 100.
    every
        ``event``: only the rows that close an event (F_LAST).

    Raises
    ------
    ConfigError
        If ``depth`` is out of range, or the output is the input.
    InputError
        If the file can't be used, has no such symbol or, for ``event``, no whole event.
    OutputError
        If the file can't be written.
    InterruptedRunError
        If the user stopped it; what was there before is untouched.
    """
    if not 1 <= depth <= DEPTH_MAX:
        raise ConfigError(f"depth: expected 1 to {DEPTH_MAX} levels, found {depth}")
    output = Path(output)
    if output.exists() and Path(path).exists() and output.samefile(path):
        raise ConfigError(f"output: {output} is the input {path}; choose another name with -o")
    plan = ReplayPlan(files=(os.fspath(path),), symbols=(symbol,) if symbol else ())
    schema = _book_schema(depth)
    chunk = np.empty(max(1_024, _CHUNK_RECORDS * 10 // max(10, depth)), MBO_DTYPE)
    books = BookSet()
    rows = 0
    with ExitStack() as stack:
        stack.enter_context(interruptible())
        stack.enter_context(book_limits(path))
        source = stack.enter_context(open_source(plan))
        progress = stack.enter_context(Progress("writing books", source.info.records))
        file = stack.enter_context(atomic_file(output))
        writer = stack.enter_context(pq.ParquetWriter(file, schema, compression="zstd"))
        while n := source.fill(chunk):
            batch = _book_rows(chunk[:n], books, depth, schema, every_record=every == "record")
            if batch.num_rows:
                writer.write_batch(batch)
            rows += batch.num_rows
            progress(source.events)
        if not rows:
            raise NoDataError(
                f"{path}: none of its {source.events:,} records closes an event (flag F_LAST); "
                "expected at least one"
            )
        records = source.events
    summary = BookSummary(output, rows, records, depth, books.counts["missing_last"])
    if console is not None:
        console.print(
            f"{output}: {rows:,} rows of {records:,} records, {depth} levels a side",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        if summary.missing_last:
            console.print(
                f"warning: {summary.missing_last:,} events ended without F_LAST"
                + (" and have no row" if every == "event" else ""),
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    return summary
