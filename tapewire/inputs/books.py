"""``tapewire data book``: the book after every record, as a table."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from tapewire.atomic import atomic_file
from tapewire.errors import ConfigError, NoDataError
from tapewire.inputs.columns import TIME_TYPE, letter_column, time_column
from tapewire.inputs.inspection import book_limits
from tapewire.inputs.telling import Steps, tell
from tapewire.market import BookSet
from tapewire.market.records import MBO_DTYPE
from tapewire.processes.signals import interruptible
from tapewire.replay import ReplayPlan, open_source

DEPTH_MAX: Final = 100
_CHUNK_RECORDS: Final = 65_536


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
    columns = [
        ("publisher_id", pa.uint16()), ("instrument_id", pa.uint32()), ("sequence", pa.uint32()),
        ("ts_event", TIME_TYPE), ("ts_recv", TIME_TYPE),
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
    columns += [time_column(ends[name]) for name in ("ts_event", "ts_recv")]
    for k in range(depth):
        columns += [pa.array(what[:, side, k]) for side in (0, 1) for what in levels]
    columns += [letter_column(ends["action"]), pa.array(ends["flags"])]
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
        steps = stack.enter_context(Steps("writing books", source.info.records))
        file = stack.enter_context(atomic_file(output))
        writer = stack.enter_context(pq.ParquetWriter(file, schema, compression="zstd"))
        while n := source.fill(chunk):
            batch = _book_rows(chunk[:n], books, depth, schema, every_record=every == "record")
            if batch.num_rows:
                writer.write_batch(batch)
            rows += batch.num_rows
            steps(source.events)
        if not rows:
            raise NoDataError(
                f"{path}: none of its {source.events:,} records closes an event (flag F_LAST); "
                "expected at least one"
            )
        records = source.events
    summary = BookSummary(output, rows, records, depth, books.counts["missing_last"])
    tell(console, f"{output}: {rows:,} rows of {records:,} records, {depth} levels a side")
    if summary.missing_last:
        lost = " and have no row" if every == "event" else ""
        tell(console, f"warning: {summary.missing_last:,} events ended without F_LAST{lost}")
    return summary
