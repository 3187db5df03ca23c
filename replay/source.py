"""What a plan asks for, opened, checked up front, and read batch by batch."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from databento_dbn import Metadata

from tapewire.errors import ConfigError, NoDataError
from tapewire.market.records import MBO_DTYPE, MBO_KERNEL_DTYPE
from tapewire.market.times import time_text
from tapewire.replay.dbn import DbnHeader, inspect
from tapewire.replay.duplicates import DuplicateFilter
from tapewire.replay.filters import RecordFilter, book_begins, require_known_symbols
from tapewire.replay.levels import CONSOLIDATED
from tapewire.replay.merge import Merger, warm_up
from tapewire.replay.plan import ReplayPlan
from tapewire.replay.reading import FileReader
from tapewire.replay.snapshots import last_snapshots, superseded
from tapewire.replay.zstd_parallel import cores
from tapewire.wire import FileInfo, FileTotals, StreamInfo
from tapewire.wire.messages import MAPPINGS_MAX

#: Smaller batches are cut from larger reads.
_DIRECT_RECORDS_MIN: Final = 1_024


def _no_tick() -> None:
    """Nothing to do between chunks."""


class Source:
    """The records of a plan, in order. Made by :func:`open_source`.

    Attributes
    ----------
    plan, headers
        What was asked for, and what each file says about itself, in the order of the plan.
    info
        What the stream will carry.
    events
        Records given so far.
    first_ts_recv, last_ts_recv
        Clocks (ns) of the first and last record of the last :meth:`fill`.
    """

    def __init__(
        self,
        plan: ReplayPlan,
        headers: list[DbnHeader],
        tick: Callable[[], None] = _no_tick,
        threads: int = 1,
    ) -> None:
        self.plan = plan
        self.headers = tuple(headers)
        self._tick = tick
        self.info = _stream_info(plan, headers)
        filtered = plan.filtered
        self._readers = [
            FileReader(h, RecordFilter.for_file(plan, h.mappings) if filtered else None, threads)
            for h in headers
        ]
        self._seek_snapshots = plan.warmup == "snapshot" and plan.start_ns is not None
        direct = len(headers) == 1 and not filtered
        self._direct = self._readers[0] if direct else None
        datasets = [h.dataset for h in headers]
        self._duplicates = None
        if len(set(datasets)) < len(datasets):
            self._duplicates = DuplicateFilter(
                [h.path for h in headers], refuse=plan.duplicates == "refuse"
            )
        self._merger = Merger(self._readers, tick, self._duplicates)
        self._keys = np.empty(plan.batch_records, np.int64)
        self.events = 0
        self.first_ts_recv = 0
        self.last_ts_recv = 0

    def fill(self, out: np.ndarray) -> int:
        """Read the next records straight into ``out``.

        Parameters
        ----------
        out
            ``MBO_DTYPE``, shape (n,), contiguous.

        Returns
        -------
        int
            Records written, at most ``n``; 0: there are no more.

        Raises
        ------
        FormatError
            If a file turns out to be corrupt, with record number and byte offset.
        NoDataError
            If the files hold nothing that was asked for.
        """
        records = out.view(MBO_KERNEL_DTYPE)
        if self._seek_snapshots:
            self._begin_at_snapshots()
        if self._direct is not None and len(out) >= _DIRECT_RECORDS_MIN:
            count = self._direct.read(records)
            self.first_ts_recv, self.last_ts_recv = self._direct.chunk_clocks
        else:
            if len(self._keys) < len(out):
                self._keys = np.empty(len(out), np.int64)
            self._direct = None  # from here on, records may lie in the merger's buffer
            count = self._merger.fill(records, self._keys[: len(out)])
            if count:
                self.first_ts_recv = int(self._keys[0])
                self.last_ts_recv = int(self._keys[count - 1])
        if not count and (not self.events or self._ends_in_warmup):
            raise self._nothing()
        self.events += count
        return count

    @property
    def _ends_in_warmup(self) -> bool:
        """Whether all records so far lie before the start."""
        until_ns = self.plan.warmup_until_ns
        return until_ns is not None and self.last_ts_recv < until_ns

    def _begin_at_snapshots(self) -> None:
        """Let every reader skip what a book's last snapshot before the start says anew."""
        self._seek_snapshots = False
        until_ns = self.plan.start_ns
        assert until_ns is not None
        skipped = superseded(self.headers, until_ns)
        past = dataclasses.replace(
            self.plan, start_ns=None, end_ns=min(until_ns, self.plan.end_ns or until_ns)
        )
        files = [
            (header, RecordFilter.for_file(past, header.mappings))
            for i, header in enumerate(self.headers)
            if i not in skipped
        ]
        begins = book_begins(last_snapshots(files, until_ns, self._tick))
        for i, reader in enumerate(self._readers):
            if i in skipped:
                reader.close()
            else:
                reader.begin_books(until_ns, begins)

    @property
    def clamped_ts_recv(self) -> int:
        """Records whose own ``ts_recv`` lay before one earlier in their file."""
        return sum(r.totals.clamped_ts_recv for r in self._readers)

    @property
    def filtered(self) -> int:
        """Records read and left out by the filter."""
        return sum(r.dropped for r in self._readers)

    @property
    def duplicates(self) -> int:
        """Records left out because another file had given them."""
        return self._duplicates.dropped if self._duplicates is not None else 0

    @property
    def disk_bytes(self) -> int:
        """Bytes read from disk so far, compressed as they lie there."""
        return sum(r.disk_bytes for r in self._readers)

    @property
    def file_totals(self) -> tuple[FileTotals, ...]:
        """What each file gave so far, in the order of the plan."""
        return tuple(r.totals for r in self._readers)

    def _nothing(self) -> NoDataError:
        plan = self.plan
        names = ", ".join(h.path for h in self.headers[:5])
        if not plan.narrowed:
            return NoDataError(f"{names}: no records; expected at least one")
        read = sum(r.records_read for r in self._readers)
        asked = [
            f"{key} {value}"
            for key, value in (
                ("symbols", [*plan.symbols, *dict.fromkeys(w[0] for w in plan.windows)] or None),
                ("publishers", list(plan.publishers) or None),
                ("start", None if plan.start_ns is None else time_text(plan.start_ns)),
                ("end", None if plan.end_ns is None else time_text(plan.end_ns)),
            )
            if value is not None
        ]
        starts = [h.first_ts_recv for h in self.headers if h.first_ts_recv is not None]
        return NoDataError(
            f"{names}: none of the {read} records read match {', '.join(asked)}; the files cover "
            f"{time_text(min(starts, default=0))} to "
            f"{time_text(max(h.end_ns for h in self.headers))} (ts_recv): widen the filter"
        )

    def close(self) -> None:
        """Close the files."""
        for reader in self._readers:
            reader.close()
        self._merger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_source(
    plan: ReplayPlan, *, tick: Callable[[], None] = _no_tick, threads: int | None = None
) -> Source:
    """Open what a plan asks for, after checking everything that can be checked up front.

    Parameters
    ----------
    tick
        Called after each chunk read; may raise to end a long search.
    threads
        How many may decompress a file of several zstd frames; None: as there are cores.

    Raises
    ------
    MissingFileError, FormatError
        If a file can't be used.
    NoDataError
        If no file knows one of the symbols.
    ConfigError
        If a file is listed twice.
    """
    seen: dict[str, str] = {}
    for path in plan.files:
        real = os.path.realpath(path)
        if real in seen:
            raise ConfigError(
                f"files: {path} is listed twice (also as {seen[real]}): its events would count "
                "double; leave one out"
            )
        seen[real] = path
    headers = []
    for path in plan.files:
        headers.append(inspect(path, allow_truncated=plan.allow_truncated))
        tick()
    if plan.symbols:
        require_known_symbols(plan.symbols, [h.mappings for h in headers])
    _require_publishers(plan, headers)
    _require_books_apart(plan, headers)
    warm_up()
    return Source(plan, headers, tick, cores() if threads is None else threads)


def _require_publishers(plan: ReplayPlan, headers: list[DbnHeader]) -> None:
    """Refuse publishers of files that do not tell them apart."""
    others = [number for number in plan.publishers if number != 0]
    if len(others) == len(plan.publishers) > 0 and all(h.made_of in CONSOLIDATED for h in headers):
        raise ConfigError(
            f"publishers: expected none, found {others[0]}: {headers[0].path} has the schema "
            f"{headers[0].made_of}, whose books are of all publishers together (0): leave "
            "publishers out"
        )


def _require_books_apart(plan: ReplayPlan, headers: list[DbnHeader]) -> None:
    """Refuse consolidated files of several datasets whose books would be one.

    Books are told apart by publisher and instrument: these have none, and numbers of instruments
    are a dataset's own.
    """
    together = [h for h in headers if h.consolidated]
    if len({h.dataset for h in together}) < 2:
        return
    wanted = {*plan.symbols, *(window[0] for window in plan.windows)}
    seen: dict[int, DbnHeader] = {}
    for header in together:
        ids = {m.instrument_id for m in header.mappings if not wanted or m.raw_symbol in wanted}
        shared = [number for number in ids if seen.get(number, header).dataset != header.dataset]
        if shared or not header.mappings:
            other = next(h for h in together if h.dataset != header.dataset)
            raise ConfigError(
                f"files: {other.path} and {header.path} are consolidated, and books of "
                f"{other.dataset} and {header.dataset} would be one where their instruments have "
                "one number: give the files of one of these datasets"
            )
        seen |= dict.fromkeys(ids, header)


def _stream_info(plan: ReplayPlan, headers: list[DbnHeader]) -> StreamInfo:
    mappings = {m for h in headers for m in h.mappings}
    if plan.symbols or plan.windows:
        named = {*plan.symbols, *(window[0] for window in plan.windows)}
        mappings = {m for m in mappings if m.raw_symbol in named}
    if len(mappings) > MAPPINGS_MAX:
        raise ConfigError(
            f"the files have {len(mappings)} symbol mappings together; at most {MAPPINGS_MAX}: "
            "choose symbols, or fewer files"
        )
    starts = [h.start_ns for h in headers if h.start_ns]
    start_ns = max(min(starts, default=0), plan.start_ns or 0)
    ends = [h.end_ns for h in headers]
    end_ns = max(ends) if all(ends) else 0
    if plan.end_ns is not None:
        end_ns = min(end_ns, plan.end_ns) if end_ns else plan.end_ns
    counts = [h.records for h in headers]
    datasets = {h.dataset for h in headers}
    maybe_twice = plan.duplicates == "drop" and len(datasets) < len(headers)
    known = (
        None
        if plan.filtered or maybe_twice or None in counts
        else sum(c for c in counts if c is not None)
    )
    return StreamInfo(
        dataset="+".join(dict.fromkeys(h.dataset for h in headers)),
        schema="mbo",
        files=tuple(_file_info(h) for h in headers),
        mappings=tuple(sorted(mappings)),
        start_ns=start_ns,
        end_ns=end_ns,
        batch_records=plan.batch_records,
        speed=plan.speed,
        records=known,
        warmup=plan.warmup,
        warmup_until_ns=plan.warmup_until_ns or 0,
    )


def _file_info(header: DbnHeader) -> FileInfo:
    return FileInfo(
        name=header.path,
        size_bytes=header.size_bytes,
        dbn_version=header.version,
        compressed=header.compressed,
        dataset=header.dataset,
        start_ns=header.start_ns,
        end_ns=header.end_ns,
        records=header.records,
        consolidated=header.consolidated,
    )


def read_records(path: str | Path, **filters: Any) -> tuple[Metadata, np.ndarray]:
    """Read a whole file into memory: for tools and tests.

    Parameters
    ----------
    filters
        ``symbols``, ``publishers``, ``start_ns``, ``end_ns`` as in :class:`ReplayPlan`.

    Returns
    -------
    metadata : databento_dbn.Metadata
    records : ndarray
        ``MBO_DTYPE``, shape (n,); n may be 0 only if the file has no records.

    Raises
    ------
    TapewireError
        As :func:`open_source` and :meth:`Source.fill`.
    """
    plan = ReplayPlan(files=(str(path),), **filters)
    with open_source(plan) as source:
        header = source.headers[0]
        chunks: list[np.ndarray] = []
        if header.first_ts_recv is None and not plan.filtered:
            return header.metadata, np.empty(0, MBO_DTYPE)
        while True:
            chunk = np.empty(65_536, MBO_DTYPE)
            count = source.fill(chunk)
            if not count:
                break
            chunks.append(chunk[:count])
        return header.metadata, np.concatenate(chunks)
