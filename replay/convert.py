"""What a plan asks for as one DBN file: merged, filtered, and plain, so that it replays fastest.

The file is DBN version 3, Databento's own open format: the header comes from Databento's encoder,
the records lie behind it as they lay in the inputs, 8-byte aligned. It replays to the same digest
as its inputs do, and Databento's client reads it.
"""

import datetime as dt
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import databento_dbn as dbn
import numpy as np
import xxhash
from databento_dbn import Metadata

from tapewire.atomic import atomic_file, require_replaceable
from tapewire.compiled.units import NS_PER_DAY
from tapewire.errors import ConfigError, OutputError
from tapewire.market.records import MBO_DTYPE
from tapewire.replay.cut import StartCut
from tapewire.replay.dbn import DbnHeader
from tapewire.replay.filters import wanted_mappings
from tapewire.replay.packing import BlockWriter, Sink, packed
from tapewire.replay.plan import Duplicates, ReplayPlan
from tapewire.replay.source import Source, open_source
from tapewire.wire import FileTotals, SymbolMapping, Warmup

#: Untyped: the vendor's stubs call enum members strings.
_DBN: Final[Any] = dbn

DBN_VERSION: Final = 3
#: To be raised with every change of what is written for the same input: caches go by it.
PREPARED_VERSION: Final = 3
_CHUNK_RECORDS: Final = 32_768
#: What Databento's own files are compressed with.
ZSTD_LEVEL: Final = 3
_EPOCH: Final = dt.date(1970, 1, 1)

#: The mappings of a header: name → [(first day, day after the last, what it stands for)].
_Mappings = dict[str, list[tuple[dt.date, dt.date, str]]]


@dataclass(frozen=True)
class ConvertReport:
    """What `convert` wrote. Times are ns since the epoch, UTC.

    Attributes
    ----------
    file_bytes, xxh3_128
        Size and hash of the file as it lies on disk.
    start_ns, end_ns
        The range the header states; 0 where the inputs do not say.
    first_ts_recv, last_ts_recv
        Clocks of the first and last record: the largest ``ts_recv`` so far.
    left_out
        Records read that the filter left out.
    clamped_ts_recv
        Records whose own ``ts_recv`` lies before one earlier in their file.
    snapshot_records
        Records of ``records`` that say how the books stood at the start.
    inputs
        What each input gave, with the hash of its bytes where it was read to its end.
    records_per_s
        Records written per second of ``elapsed_s``, opening and flushing included.
    """

    path: str
    records: int
    file_bytes: int
    xxh3_128: str
    compressed: bool
    dbn_version: int
    dataset: str
    symbols: tuple[str, ...]
    start_ns: int
    end_ns: int
    first_ts_recv: int
    last_ts_recv: int
    left_out: int
    clamped_ts_recv: int
    snapshot_records: int
    inputs: tuple[FileTotals, ...]
    elapsed_s: float
    records_per_s: float


def convert(
    files: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    symbols: Sequence[str] = (),
    publishers: Sequence[int] = (),
    start_ns: int | None = None,
    end_ns: int | None = None,
    warmup: Warmup = "full",
    duplicates: Duplicates = "refuse",
    allow_truncated: bool = False,
    windows: Sequence[tuple[str, int, int, int]] = (),
    force: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> ConvertReport:
    """Write files, merged by ``ts_recv`` and filtered, as one DBN version 3 file of schema mbo.

    The file appears under its name only when it is complete. Memory depends on how many inputs
    are open at once, not on their length.

    Parameters
    ----------
    files
        DBN files of schema mbo, version 1, 2 or 3, compressed or not, all of one dataset: a DBN
        header names one, and instrument ids mean something within one only.
    output
        ``….dbn``, or ``….dbn.zst`` for a zstd frame (level 3, with a checksum).
    symbols, publishers, start_ns, end_ns
        As in `ReplayPlan`. The header then names those symbols and that range.
    warmup
        With ``start_ns``: the file begins with a snapshot of every book, built as `ReplayPlan` says
        from the records before (see `StartCut`); ``"none"``: it does not.
    duplicates, allow_truncated, windows
        As in `ReplayPlan`. Of windows the header maps the days.
    force
        Replace a file that is there.
    on_progress
        Called after each chunk with the bytes of the inputs read so far, as they lie on disk.

    Raises
    ------
    ConfigError
        If the inputs are of several datasets, one is listed twice or is the output, an argument
        is out of range, or the name ends in neither ``.dbn`` nor ``.dbn.zst``.
    InputError
        If an input can't be used, is truncated or corrupt, or nothing matches.
    OutputError
        If the file is there already, or can't be written.
    """
    began_s = time.perf_counter()
    output = Path(output)
    plan = ReplayPlan(
        files=tuple(os.fspath(file) for file in files),
        symbols=tuple(symbols),
        publishers=tuple(publishers),
        start_ns=start_ns,
        end_ns=end_ns,
        warmup=warmup,
        duplicates=duplicates,
        allow_truncated=allow_truncated,
        windows=tuple(windows),
    )
    compressed = require_free(output, plan.files, force=force)
    with ExitStack() as stack:
        source = stack.enter_context(open_source(plan))
        header = header_of(source)  # before the output is touched: the datasets may differ
        until_ns = plan.warmup_until_ns
        cut = StartCut(until_ns) if until_ns is not None else None
        with atomic_file(output) as file, BlockWriter(file, past_cache=False) as blocks:
            hashed = HashedSink(blocks)
            with packed(hashed, ZSTD_LEVEL) if compressed else nullcontext(hashed) as sink:
                first_ns, last_ns = write_records(source, sink, header, on_progress, cut)
    elapsed_s = time.perf_counter() - began_s
    snapshot_records = cut.snapshot_records if cut is not None else 0
    held = cut.held if cut is not None else 0
    records = source.events - held + snapshot_records
    return ConvertReport(
        path=str(output),
        records=records,
        file_bytes=hashed.size,
        xxh3_128=hashed.hexdigest,
        compressed=compressed,
        dbn_version=DBN_VERSION,
        dataset=source.info.dataset,
        symbols=tuple(
            dict.fromkeys([*(m.raw_symbol for m in source.info.mappings), *sorted(plan.symbols)])
        ),
        start_ns=source.info.start_ns,
        end_ns=source.info.end_ns,
        first_ts_recv=first_ns,
        last_ts_recv=last_ns,
        left_out=source.filtered + held,
        clamped_ts_recv=source.clamped_ts_recv,
        snapshot_records=snapshot_records,
        inputs=source.file_totals,
        elapsed_s=elapsed_s,
        records_per_s=records / elapsed_s,
    )


def require_free(output: Path, files: Sequence[str], *, force: bool) -> bool:
    """Check the name of an output made from some files; return whether it is to be compressed.

    Raises
    ------
    ConfigError
        If it ends in neither ``.dbn`` nor ``.dbn.zst``, or is one of the files.
    OutputError
        If something stands there that is no plain file, or a file, unless ``force``.
    """
    compressed = output.name.endswith(".dbn.zst")
    if not compressed and not output.name.endswith(".dbn"):
        raise ConfigError(
            f"output: expected a name ending in .dbn or .dbn.zst, found {output.name!r}"
        )
    if not output.exists():
        return compressed
    for file in files:
        if Path(file).exists() and output.samefile(file):
            raise ConfigError(f"output: {output} is the input {file}; choose another name with -o")
    require_replaceable(output)
    if not force:
        raise OutputError(
            f"{output}: is there already; choose another name with -o, or replace it with --force"
        )
    return compressed


class HashedSink:
    """Passes bytes on, counts and hashes them (xxh3_128)."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._hash = xxhash.xxh3_128()
        self.size = 0

    @property
    def hexdigest(self) -> str:
        """The hash of everything written so far."""
        return self._hash.hexdigest()

    def write(self, data: memoryview, /) -> int:
        """Write all of ``data``."""
        self._sink.write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)


def write_records(
    source: Source,
    sink: Sink,
    header: bytes,
    on_progress: Callable[[int], None] | None = None,
    cut: StartCut | None = None,
) -> tuple[int, int]:
    """Write a header, and every record of a source behind it, or what a cut makes of them.

    Parameters
    ----------
    on_progress
        Called after each chunk with the bytes of the inputs read so far.

    Returns
    -------
    first_ns, last_ns : int
        Clocks of the first and last record, ns since the epoch.

    Raises
    ------
    InputError
        As `Source.fill`; NoDataError if there is not one record.
    OSError
        Of the sink.
    """
    sink.write(memoryview(header))
    chunk = np.empty(_CHUNK_RECORDS, MBO_DTYPE)
    first_ns = last_ns = 0
    while count := source.fill(chunk):
        if not first_ns:
            first_ns = source.first_ts_recv
        last_ns = source.last_ts_recv
        records = chunk[:count]
        if cut is not None:
            first_ns = cut.until_ns
            records = cut.pass_on(records)
        sink.write(records.view(np.uint8).data)
        if on_progress is not None:
            on_progress(source.disk_bytes)
    if cut is not None:
        sink.write(cut.rest(last_ns).view(np.uint8).data)
    return first_ns, last_ns


# --- the header -----------------------------------------------------------------------------------


def header_of(source: Source, schema: str = "mbo") -> bytes:
    """Return the DBN version 3 header of what a source gives: its length is a multiple of 8.

    Or of what is made of it, in another schema.

    That of one whole file says what the file's own header says. Otherwise the symbols, their
    mappings and the unresolved ones are those of all inputs (narrowed by the plan's symbols), the
    range is what they cover (narrowed by the plan's), and there is no query limit. Inputs that
    were asked for in different symbologies become one header of none (``stype_in`` is None).

    Raises
    ------
    ConfigError
        If the inputs are of several datasets.
    """
    headers, plan, info = source.headers, source.plan, source.info
    datasets = sorted({h.dataset for h in headers})
    if len(datasets) > 1:
        raise ConfigError(
            f"files: expected one dataset, found {', '.join(datasets)}: a DBN file has one; "
            "convert each by itself, and give all of them to one run, which merges them"
        )
    if len(headers) == 1 and not plan.narrowed:
        return header_with(headers[0].metadata, schema)
    stypes = {(h.metadata.stype_in, h.metadata.stype_out) for h in headers}
    stype_in, stype_out = stypes.pop()
    if plan.windows:
        stype_in, stype_out = _DBN.SType.RAW_SYMBOL, _DBN.SType.INSTRUMENT_ID
        mappings = _mappings_by_name(
            m for h in headers for m in wanted_mappings(plan.symbols, plan.windows, h.mappings)
        )
    elif stypes:
        names_in = {pair[0] for pair in [*stypes, (stype_in, stype_out)]}
        stype_in = None if len(names_in) > 1 else stype_in
        stype_out = _DBN.SType.INSTRUMENT_ID
        mappings = _mappings_by_name(m for h in headers for m in h.mappings)
    else:
        mappings = _mappings_as_they_are(headers)
    queried = [s for h in headers for s in h.metadata.symbols]
    unresolved = [s for h in headers for s in h.metadata.not_found]
    partial = [s for h in headers for s in h.metadata.partial]
    if plan.symbols or plan.windows:
        if not plan.windows:
            mappings = _only(mappings, plan.symbols, to_id=str(stype_out) == "instrument_id")
        queried = list(mappings)
        unresolved = []
        partial = [s for s in partial if s in mappings]
    # What one input could not resolve, another one may have.
    partial += [s for s in unresolved if s in mappings]
    return _encoded(
        mappings,
        dataset=datasets[0],
        start=info.start_ns,
        stype_in=stype_in,
        stype_out=stype_out,
        schema=_DBN.Schema(schema),
        symbols=list(dict.fromkeys(queried)),
        partial=list(dict.fromkeys(partial)),
        not_found=[s for s in dict.fromkeys(unresolved) if s not in mappings],
        end=info.end_ns or None,
    )


def header_with(
    metadata: Metadata, schema: str, contracts: Iterable[SymbolMapping] | None = None
) -> bytes:
    """Return a DBN version 3 header that says what another one says, of another schema.

    With contracts it names these alone, as of their days.
    """
    if str(metadata.schema) == schema and contracts is None:
        return bytes(metadata)
    mappings = {
        name: [(i["start_date"], i["end_date"], i["symbol"]) for i in intervals]
        for name, intervals in metadata.mappings.items()
    }
    if contracts is not None:
        mappings = _mappings_by_name(contracts)
    named = contracts is not None
    return _encoded(
        mappings,
        dataset=metadata.dataset,
        start=metadata.start,
        stype_in=_DBN.SType.RAW_SYMBOL if named else metadata.stype_in,
        stype_out=_DBN.SType.INSTRUMENT_ID if named else metadata.stype_out,
        schema=_DBN.Schema(schema),
        symbols=list(mappings) if named else metadata.symbols,
        partial=metadata.partial,
        not_found=metadata.not_found,
        end=metadata.end,
    )


def _encoded(mappings: _Mappings, **fields: Any) -> bytes:
    return bytes(
        _DBN.Metadata(
            **fields,
            mappings=[
                SimpleNamespace(
                    raw_symbol=name,
                    intervals=[
                        SimpleNamespace(start_date=start, end_date=end, symbol=other)
                        for start, end, other in intervals
                    ],
                )
                for name, intervals in mappings.items()
            ],
            ts_out=False,
            version=DBN_VERSION,
        )
    )


def _mappings_as_they_are(headers: Iterable[DbnHeader]) -> _Mappings:
    """Return the mappings of all headers, in whichever direction they go."""
    return _collected(
        (name, (i["start_date"], i["end_date"], i["symbol"]))
        for h in headers
        for name, intervals in h.metadata.mappings.items()
        for i in intervals
    )


def _mappings_by_name(mappings: Iterable[SymbolMapping]) -> _Mappings:
    """Return mappings from names to instrument ids, as a header has them.

    Numbers that stand for themselves have no days, and no place in a header.
    """
    return _collected(
        (m.raw_symbol, (_date(m.start_ns), _date(m.end_ns), str(m.instrument_id)))
        for m in mappings
        if m.start_ns >= 0
    )


def _collected(rows: Iterable[tuple[str, tuple[dt.date, dt.date, str]]]) -> _Mappings:
    found: dict[str, set[tuple[dt.date, dt.date, str]]] = {}
    for name, interval in rows:
        found.setdefault(name, set()).add(interval)
    return {name: sorted(found[name]) for name in sorted(found)}


def _only(mappings: _Mappings, symbols: Sequence[str], *, to_id: bool) -> _Mappings:
    """Keep these symbols: they are the names, or what ids are mapped to."""
    wanted = set(symbols)
    if to_id:
        return {name: rows for name, rows in mappings.items() if name in wanted}
    kept = {name: [r for r in rows if r[2] in wanted] for name, rows in mappings.items()}
    return {name: rows for name, rows in kept.items() if rows}


def _date(ns: int) -> dt.date:
    return _EPOCH + dt.timedelta(days=ns // NS_PER_DAY)
