"""Reading one file's wanted records, and merging several files by their clocks.

A file's clock is the largest ``ts_recv`` seen in it so far: records never change places within
their file, whatever their ``ts_recv`` says. At equal clocks files of one dataset give their records
by channel and sequence.

Files are opened when their first record is due, and closed at their end, so that memory follows
how many overlap. The beginning of the next one is decoded ahead by a thread.
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import numpy as np

from tapewire.compiled.kernel_cache import compile_once
from tapewire.errors import FormatError, InputError
from tapewire.market.records import MBO_DTYPE, MBO_KERNEL_DTYPE
from tapewire.replay import _kernels as kernels
from tapewire.replay import _merging as merging
from tapewire.replay.dbn import DbnFile, DbnHeader
from tapewire.replay.duplicates import DuplicateFilter
from tapewire.replay.filters import RecordFilter
from tapewire.replay.levels import warm_up_levels
from tapewire.wire import FileTotals

#: Records buffered per open file; less when very many are open at once.
CHUNK_RECORDS: Final = 16_384
_BUFFERED_RECORDS_MAX: Final = 1 << 22
_CHUNK_RECORDS_MIN: Final = 256
#: Records of the next file that are decoded ahead: a few milliseconds of work, 1.75 MiB.
AHEAD_RECORDS: Final = 32_768
_NO_KEYS: Final = np.empty(0, np.int64)
_LIMIT_NONE: Final = 2**63 - 1
_WORDS: Final = 7
#: What the kernels of the replay are called in the kernel cache.
KERNELS: Final = "replay"


class FileReader:
    """The wanted records of one file, checked; the file is opened at the first read.

    Parameters
    ----------
    record_filter
        None: every record is wanted.
    threads
        How many may decompress it.
    """

    def __init__(
        self, header: DbnHeader, record_filter: RecordFilter | None, threads: int = 1
    ) -> None:
        self.header = header
        self._threads = threads
        self._filter = record_filter
        self._file: DbnFile | None = None
        self._ahead: Future[_Ahead | None] | None = None
        self._waiting = np.empty(0, MBO_KERNEL_DTYPE)
        self._state = np.zeros(kernels.STATE_SIZE, np.int64)
        self._state[kernels.STATE_CLOCK] = kernels.CLOCK_MIN
        self._done = False
        self._content_hash: str | None = None
        self._truncated = self._left_out = ""
        self._disk_bytes = 0
        self.records_read = 0
        self.records_kept = 0

    def read(self, out: np.ndarray, keys: np.ndarray = _NO_KEYS) -> int:
        """Read the next wanted records.

        Parameters
        ----------
        out
            ``MBO_KERNEL_DTYPE``, contiguous.
        keys
            int64, as long, for the clocks (ns); or empty.

        Returns
        -------
        int
            Records read; 0 may mean that none of a chunk was wanted: see :attr:`done`.
        """
        if self._done:
            return 0
        if self._file is None:
            self._file = self._opened()
        count = min(len(out), len(self._waiting))
        if count:
            out[:count] = self._waiting[:count]
            self._waiting = self._waiting[count:]
        else:
            count = self._file.read_into(out)
        base = self.records_read
        self.records_read += count
        if count:
            kept = self._check(out[:count], keys[:count], base)
            self.records_kept += kept
        else:
            kept = 0
        at_end = self._file.at_end and not len(self._waiting)
        if at_end or self._state[kernels.STATE_PAST_END]:
            self.close()
        return kept

    def decode_ahead(self, pool: ThreadPoolExecutor) -> None:
        """Open the file and read its beginning in a thread, if nothing was read yet."""
        if self._file is None and self._ahead is None and not self._done:
            self._ahead = pool.submit(self._begin_ahead)

    def _begin_ahead(self) -> "_Ahead | None":
        try:
            file = self._open()
        except InputError:
            return None  # whoever reads it gets there again, and is told then
        records = np.empty(AHEAD_RECORDS, MBO_KERNEL_DTYPE)
        try:
            return _Ahead(file, records[: file.read_into(records)])
        except InputError:
            file.close()
            return None

    def _opened(self) -> DbnFile:
        """Return the file, with its beginning where that was read ahead."""
        ahead = self._ahead.result() if self._ahead is not None else None
        self._ahead = None
        if ahead is None:
            return self._open()
        self._waiting = ahead.records
        return ahead.file

    def _open(self) -> DbnFile:
        file = DbnFile(
            self.header.path, allow_truncated=self.header.allow_truncated, threads=self._threads
        )
        if file.size_bytes != self.header.size_bytes:
            file.close()
            raise FormatError(
                f"{self.header.path}: had {self.header.size_bytes} bytes when it was checked, "
                f"now {file.size_bytes}: it was written to during the replay"
            )
        return file

    def begin_books(self, warmup_until_ns: int, begins: np.ndarray) -> None:
        """Leave out what a later snapshot says anew (`filter_records`); before the first read."""
        assert self._filter is not None
        self._filter = dataclasses.replace(
            self._filter, warmup_until_ns=warmup_until_ns, begins=begins
        )

    def _check(self, records: np.ndarray, keys: np.ndarray, base: int) -> int:
        assert self._file is not None
        wanted = self._filter
        if wanted is None:
            bad = kernels.check_records(records, keys, self._state)
            kept = len(records)
        else:
            bad, kept = kernels.filter_records(
                records,
                as_words(records),
                keys,
                self._state,
                wanted.start_ns,
                wanted.end_ns,
                wanted.publishers,
                wanted.table,
                wanted.spans,
                wanted.warmup_until_ns,
                wanted.begins,
            )
        if bad >= 0:
            raise self._file.bad_record(base + int(bad), records[int(bad)])
        return int(kept)

    @property
    def done(self) -> bool:
        """Whether there is nothing more to read."""
        return self._done

    @property
    def chunk_clocks(self) -> tuple[int, int]:
        """Clocks (ns) of the first and last record of the last read that gave any."""
        return int(self._state[kernels.STATE_FIRST]), int(self._state[kernels.STATE_LAST])

    @property
    def totals(self) -> FileTotals:
        """What the file has given so far."""
        return FileTotals(
            name=self.header.path,
            records_read=self.records_read,
            records_kept=self.records_kept,
            clamped_ts_recv=int(self._state[kernels.STATE_CLAMPED]),
            content_hash=self._content_hash,
            truncated=self._truncated,
            left_out=self._left_out,
        )

    @property
    def disk_bytes(self) -> int:
        """Bytes read from disk so far, compressed as they lie there."""
        return self._disk_bytes if self._file is None else self._file.disk_bytes

    @property
    def dropped(self) -> int:
        """Records read and left out by the filter."""
        return int(self._state[kernels.STATE_DROPPED])

    def close(self) -> None:
        """Close the file; nothing more is read."""
        self._done = True
        if self._ahead is not None:  # nothing of it was given
            ahead, self._ahead = self._ahead.result(), None
            if ahead is not None:
                ahead.file.close()
        if self._file is not None:
            self._content_hash = self._file.content_hash
            self._truncated, self._left_out = self._file.truncated, self._file.left_out
            self._disk_bytes = self._file.disk_bytes
            self._file.close()
            self._file = None


@dataclasses.dataclass(frozen=True)
class _Ahead:
    """A file and its first records."""

    file: DbnFile
    records: np.ndarray


def as_words(records: np.ndarray) -> np.ndarray:
    """Return contiguous records as int64, shape (n, 7), not copied."""
    return records.view(np.int64).reshape(*records.shape, _WORDS)


class Merger:
    """Merges files by clock, opening each only when its first record is due.

    Parameters
    ----------
    readers
        In the order that decides last between equal clocks.
    tick
        Called after each chunk read; may raise.
    duplicates
        What looks for records that two files have; None: no two can have the same.
    """

    def __init__(
        self,
        readers: Sequence[FileReader],
        tick: Callable[[], None],
        duplicates: DuplicateFilter | None = None,
    ) -> None:
        self._readers = readers
        self._tick = tick
        self._duplicates = duplicates
        self._pool: ThreadPoolExecutor | None = None
        datasets = [r.header.dataset for r in readers]
        self._dataset_ranks = [datasets.index(dataset) for dataset in datasets]
        holds = [i for i, r in enumerate(readers) if r.header.first_ts_recv is not None]
        # Sorted to pop from the end: the earliest first record, at equal clocks file order.
        self._pending = sorted(
            ((readers[i].header.first_ts_recv or 0, i) for i in holds), reverse=True
        )
        self._chunk = max(
            _CHUNK_RECORDS_MIN, min(CHUNK_RECORDS, _BUFFERED_RECORDS_MAX // max(1, len(readers)))
        )
        self._buffer = np.empty((0, self._chunk), MBO_KERNEL_DTYPE)
        self._keys = np.empty((0, self._chunk), np.int64)
        self._pos = np.empty(0, np.int64)
        self._end = np.empty(0, np.int64)
        self._order = np.empty(0, np.int64)
        self._ranks = np.empty(0, np.int64)
        self._heads = np.empty(0, np.int64)
        self._places = np.empty(0, np.int16)
        self._active: list[int] = []
        self._free: list[int] = []

    def fill(self, out: np.ndarray, out_keys: np.ndarray) -> int:
        """Write the next records; return how many, fewer than ``len(out)`` only at the end.

        Parameters
        ----------
        out
            ``MBO_KERNEL_DTYPE``, contiguous.
        out_keys
            int64, as long, for the clocks (ns).
        """
        words = as_words(out)
        if len(self._places) < len(out):
            self._places = np.empty(len(out), np.int16)
        places = self._places[: len(out)]
        written = 0
        while written < len(out):
            end = self._merge(words, out_keys, places, written)
            if end == written:
                break
            if self._duplicates is not None:
                end = self._duplicates.keep(words[:end], out_keys[:end], places[:end], written)
            written = end
        return written

    def _merge(self, words: np.ndarray, keys: np.ndarray, places: np.ndarray, written: int) -> int:
        """Fill the rest of the output; return where it ends."""
        while written < len(words):
            if not self._active and not self._open_next():
                break
            limit_key = self._pending[-1][0] if self._pending else _LIMIT_NONE
            heap = np.array(self._active, np.int64)
            written, status, row = merging.merge_rows(
                as_words(self._buffer),
                self._keys,
                self._pos,
                self._end,
                self._order,
                self._ranks,
                self._heads,
                heap,
                len(heap),
                limit_key,
                merging.TIE_MIN if self._pending else merging.TIE_MAX,
                words,
                keys,
                places,
                written,
            )
            if status == merging.MERGE_NEEDS_ROW:
                self._refill(int(row))
            elif status == merging.MERGE_AT_LIMIT:
                self._open_next()
        return int(written)

    def close(self) -> None:
        """End the thread that decodes ahead."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _open_next(self) -> bool:
        """Open the file whose first record is due next; False if there is none."""
        while self._pending:
            _, index = self._pending.pop()
            row = self._new_row()
            self._order[row] = index
            self._ranks[row] = self._dataset_ranks[index]
            self._active.append(row)
            found = self._refill(row)
            self._decode_next_ahead()
            if found:
                return True
        return False

    def _decode_next_ahead(self) -> None:
        if not self._pending:
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "tapewire-ahead")
        self._readers[self._pending[-1][1]].decode_ahead(self._pool)

    def _refill(self, row: int) -> bool:
        """Read the next chunk of a row's file; drop the row at the file's end."""
        reader = self._readers[int(self._order[row])]
        kept = 0
        while not kept and not reader.done:
            kept = reader.read(self._buffer[row], self._keys[row])
            self._tick()
        self._pos[row] = 0
        self._end[row] = kept
        if not kept:
            self._active.remove(row)
            self._free.append(row)
        return kept > 0

    def _new_row(self) -> int:
        if not self._free:
            rows = len(self._pos)
            more = max(1, rows)
            for name in ("_pos", "_end", "_order", "_ranks", "_heads"):
                setattr(self, name, np.concatenate([getattr(self, name), np.zeros(more, np.int64)]))
            for name in ("_buffer", "_keys"):
                old = getattr(self, name)
                new = np.empty((rows + more, self._chunk), old.dtype)
                new[:rows] = old
                setattr(self, name, new)
            self._free = list(range(rows + more - 1, rows - 1, -1))
        return self._free.pop()


def warm_up() -> None:
    """Compile (or load) the kernels, so that no deadline has to wait for it."""
    compile_once(_call_kernels, (KERNELS,), _say)


def _say(text: str) -> None:
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)


def _call_kernels() -> None:
    one = np.zeros(1, MBO_KERNEL_DTYPE)
    state = np.zeros(kernels.STATE_SIZE, np.int64)
    kernels.check_records(one, _NO_KEYS, state)
    none3, none2 = np.zeros((0, 3), np.int64), np.zeros((0, 2), np.int64)
    kernels.filter_records(
        one, as_words(one), _NO_KEYS, state, 0, 0, np.zeros(0, np.uint8), none3, none2, 0,
        none2,
    )  # fmt: skip
    rows = np.zeros((1, 1), MBO_KERNEL_DTYPE)
    keys = np.zeros((1, 1), np.int64)
    row, out, out_keys = np.zeros(1, np.int64), as_words(one), np.zeros(1, np.int64)
    heap = np.zeros(1, np.int64)
    data, counts = np.zeros(0, np.uint8), np.zeros(256, np.int64)
    kernels.pick_mbo(data, 0, 0, 0, np.zeros((1, 56), np.uint8), counts)
    kernels.find_records(data, 0, 0, counts)
    places, words = np.zeros(1, np.int16), as_words(rows)
    merging.merge_rows(
        words, keys, row, row, row, row, row, heap, 1, 0, 0, out, out_keys, places, 0
    )  # fmt: skip
    DuplicateFilter(["", ""], refuse=False).keep(out, out_keys, places, 0)
    warm_up_levels()


assert MBO_DTYPE.itemsize == 8 * _WORDS
