"""``tapewire data derive``: the records of Databento's other schemas, made of MBO records."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy.typing as npt
from rich.console import Console

from tapewire.atomic import atomic_file, require_replaceable
from tapewire.derive import DerivedSchema, Deriver, find_schema, warm_up
from tapewire.errors import ConfigError, NoDataError, OutputError
from tapewire.inputs.cataloguing import time_ns
from tapewire.inputs.derive_inputs import open_input, planned
from tapewire.inputs.derived_files import ENDINGS, RowWriter, open_writer
from tapewire.inputs.inspection import book_limits
from tapewire.inputs.telling import Steps, say, tell
from tapewire.inputs.typed_sources import Names, contract_files, typed_source
from tapewire.market.times import time_text
from tapewire.processes.signals import interruptible

#: Records of a row group of a table.
_TABLE_ROWS: Final = 65_536
_BYTES_PER_MB: Final = 10**6


@dataclass(frozen=True)
class DeriveReport:
    """What `derive_file` wrote.

    Attributes
    ----------
    records, trades : int
        Records read, and trades among them.
    rows : int
        Records written.
    missing_last : int
        Events that ended without F_LAST: both clocks moved on.
    unfinished_events : int
        Events still open as the file ended; they have no row.
    """

    path: str
    schema: str
    dataset: str
    records: int
    trades: int
    rows: int
    missing_last: int
    unfinished_events: int
    elapsed_s: float
    records_per_s: float


def derive_file(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    schema: str,
    symbols: tuple[str, ...] = (),
    start: str | int | None = None,
    end: str | int | None = None,
    definitions: Names = (),
    statistics: Names = (),
    volumes: Names = (),
    force: bool = False,
    as_json: bool = False,
    console: Console | None = None,
) -> DeriveReport:
    """Write the records of another schema, as Databento makes them (see `Deriver`).

    Memory does not depend on the file's length.

    Parameters
    ----------
    path
        A DBN file of schema ``mbo``. For ``trades`` and bars one of ``mbp-10``, ``mbp-1``, ``tbbo``
        or ``trades`` does, too.
    output
        ``….dbn``, ``….dbn.zst`` or ``….parquet``; it appears when it is complete.
    schema
        One of `tapewire.derive.SCHEMAS`.
    symbols
        Only these; by default all. Continuous symbols and parents: the contracts that they mean,
        each on its days.
    definitions, statistics, volumes
        Files that say which contracts those are.
    start, end
        Only rows in [start, end), as the whole file gives them: by their ``ts_recv``, bars by
        their beginning. What lies before builds the books.
    force
        Replace a file that is there.
    as_json
        Print one JSON object with `DeriveReport`'s keys in place of a sentence.

    Raises
    ------
    ConfigError
        If the schema is unknown or can't be made of the file's, or the output's name ends
        otherwise or is the input.
    InputError
        If the file can't be used, has no such symbol, or gives not one record.
    OutputError
        If the file is there already, or can't be written.
    InterruptedRunError
        If the user stopped it; what was there before is untouched.
    """
    began_s = time.perf_counter()
    try:
        wanted = find_schema(schema)
    except KeyError as error:
        raise ConfigError(f"schema: {error.args[0]}") from None
    output = Path(output)
    window = _Window.of(wanted, start, end)
    _require_free(output, Path(path), force=force)
    source, _ = typed_source(
        [path],
        {"symbols": list(symbols), "start": window.start_ns, "end": window.end_ns},
        contract_files(definitions, statistics, volumes),
    )
    rows = read = 0
    with ExitStack() as stack:
        stack.enter_context(interruptible())
        stack.enter_context(book_limits(path))
        plan, rolls = planned(source)
        for note in rolls.warnings() if rolls is not None else ():
            say(f"note: {note}")
        opened = open_input(plan, wanted, window.start_ns, window.cut_ns, stack)
        warm_up(say)
        total = sum(Path(file).stat().st_size for file in plan.files) // _BYTES_PER_MB
        steps = stack.enter_context(Steps(f"deriving {schema}, MB read", total))
        file = stack.enter_context(atomic_file(output))
        write = stack.enter_context(
            open_writer(output, file, wanted, opened.header(), opened.mappings)
        )
        rows_max = _TABLE_ROWS if output.name.endswith(".parquet") else 0
        deriver = Deriver(wanted, opened.dataset, rows=rows_max)
        for records, n, done in opened.chunks:
            rows += _write(write, window.rows(deriver.feed(records)))
            read += n
            steps(done // _BYTES_PER_MB)
        rows += _write(write, window.rows(deriver.finish()))
        counts = deriver.counts | {"records": read}
        if not rows:
            raise NoDataError(
                f"{path}: its {counts['records']:,} records give not one of {schema}{window}: they "
                f"have {counts['trades']:,} trades"
            )
    elapsed_s = time.perf_counter() - began_s
    report = DeriveReport(
        path=str(output), schema=schema, dataset=opened.dataset, rows=rows,
        elapsed_s=elapsed_s, records_per_s=counts["records"] / elapsed_s, **counts,
    )  # fmt: skip
    _say(report, console, as_json=as_json, is_cut=window.end_ns is not None)
    return report


def _require_free(output: Path, path: Path, *, force: bool) -> None:
    if not output.name.endswith(ENDINGS):
        raise ConfigError(
            f"output: expected a name ending in {', '.join(ENDINGS)}, found {output.name!r}"
        )
    if not output.exists():
        return
    if path.exists() and output.samefile(path):
        raise ConfigError(f"output: {output} is the input {path}; choose another name with -o")
    require_replaceable(output)
    if not force:
        raise OutputError(
            f"{output}: is there already; choose another name with -o, or replace it with --force"
        )


def _write(write: RowWriter, blocks: Iterator[npt.NDArray[Any]]) -> int:
    rows = 0
    for block in blocks:
        write(block)
        rows += len(block)
    return rows


@dataclass(frozen=True)
class _Window:
    """Which rows are wanted, and how far records have to be read for them; times in ns."""

    start_ns: int | None
    end_ns: int | None
    cut_ns: int | None
    field: str

    @classmethod
    def of(cls, wanted: DerivedSchema, start: str | int | None, end: str | int | None) -> Self:
        """Check the ends of a window over rows of a schema."""
        start_ns, end_ns = time_ns("--start", start), time_ns("--end", end)
        if start_ns is not None and end_ns is not None and start_ns >= end_ns:
            raise ConfigError(
                f"--end: expected a time after start ({time_text(start_ns)}), found "
                f"{time_text(end_ns)}"
            )
        has_capture = "ts_recv" in (wanted.dtype.names or ())
        cut_ns = end_ns
        if end_ns is not None and not has_capture:  # the last bar is whole
            cut_ns = -(-end_ns // wanted.interval_ns) * wanted.interval_ns
        return cls(start_ns, end_ns, cut_ns, "ts_recv" if has_capture else "ts_event")

    def rows(self, blocks: Iterator[npt.NDArray[Any]]) -> Iterator[npt.NDArray[Any]]:
        """Give the wanted rows of blocks."""
        for block in blocks:
            kept = block
            if self.start_ns is not None:
                kept = kept[kept[self.field] >= self.start_ns]
            if self.end_ns is not None:
                kept = kept[kept[self.field] < self.end_ns]
            if len(kept):
                yield kept

    def __str__(self) -> str:
        """The window in words; empty: there is none."""
        said = [
            f" {word} {time_text(ts)}"
            for word, ts in (("from", self.start_ns), ("before", self.end_ns))
            if ts is not None
        ]
        return "".join(said)


def _say(report: DeriveReport, console: Console | None, *, as_json: bool, is_cut: bool) -> None:
    if console is not None and as_json:
        console.out(json.dumps(asdict(report), indent=2), highlight=False)
        return
    tell(
        console,
        f"{report.path}: {report.rows:,} records of {report.schema}, made of "
        f"{report.records:,} with {report.trades:,} trades",
    )
    if report.missing_last:
        tell(console, f"warning: {report.missing_last:,} events ended without F_LAST")
    if report.unfinished_events and not is_cut:
        tell(
            console,
            f"warning: {report.unfinished_events:,} events have no end in the file, and no row",
        )
