"""Reading one file's wanted records, and merging several files by their clocks.

A file's clock is the largest ``ts_recv`` seen in it so far: records never change places within
their file, whatever their ``ts_recv`` says.
"""

import dataclasses
import sys
from collections.abc import Callable
from typing import Final

import numpy as np

from tapewire.compiled.kernel_cache import compile_once
from tapewire.errors import FormatError
from tapewire.market.records import MBO_DTYPE, MBO_KERNEL_DTYPE
from tapewire.replay import _kernels as kernels
from tapewire.replay.dbn import DbnFile, DbnHeader
from tapewire.replay.filters import RecordFilter
from tapewire.wire import FileTotals

#: Records buffered per open file; less when very many are open at once.
CHUNK_RECORDS: Final = 16_384
_BUFFERED_RECORDS_MAX: Final = 1 << 22
_CHUNK_RECORDS_MIN: Final = 256
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
    """

    def __init__(self, header: DbnHeader, record_filter: RecordFilter | None) -> None:
        self.header = header
        self._filter = record_filter
        self._file: DbnFile | None = None
        self._state = np.zeros(kernels.STATE_SIZE, np.int64)
        self._state[kernels.STATE_CLOCK] = kernels.CLOCK_MIN
        self._done = False
        self._content_hash: str | None = None
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
            self._file = DbnFile(self.header.path)
            if self._file.size_bytes != self.header.size_bytes:
                raise FormatError(
                    f"{self.header.path}: had {self.header.size_bytes} bytes when it was checked, "
                    f"now {self._file.size_bytes}: it was written to during the replay"
                )
        count = self._file.read_into(out)
        base = self.records_read
        self.records_read += count
        if count:
            kept = self._check(out[:count], keys[:count], base)
            self.records_kept += kept
        else:
            kept = 0
        if self._file.at_end or self._state[kernels.STATE_PAST_END]:
            self.close()
        return kept

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
        if self._file is not None:
            self._content_hash = self._file.content_hash
            self._disk_bytes = self._file.disk_bytes
            self._file.close()
            self._file = None


def as_words(records: np.ndarray) -> np.ndarray:
    """Return contiguous records as int64, shape (n, 7), not copied."""
    return records.view(np.int64).reshape(*records.shape, _WORDS)


class Merger:
    """Merges files by clock, opening each only when its first record is due.

    Parameters
    ----------
    readers
        In the order that decides between equal clocks.
    tick
        Called after each chunk read; may raise.
    """

    def __init__(self, readers: list[FileReader], tick: Callable[[], None]) -> None:
        self._readers = readers
        self._tick = tick
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
        written = 0
        while written < len(out):
            if not self._active and not self._open_next():
                break
            limit_key, limit_order = self._pending[-1] if self._pending else (_LIMIT_NONE, -1)
            if not self._pending:
                limit_order = len(self._readers)  # a clock of LIMIT_NONE itself is inside
            heap = np.array(self._active, np.int64)
            written, status, row = kernels.merge_rows(
                as_words(self._buffer),
                self._keys,
                self._pos,
                self._end,
                self._order,
                heap,
                len(heap),
                limit_key,
                limit_order,
                words,
                out_keys,
                written,
            )
            if status == kernels.MERGE_NEEDS_ROW:
                self._refill(int(row))
            elif status == kernels.MERGE_AT_LIMIT:
                self._open_next()
        return int(written)

    def _open_next(self) -> bool:
        """Open the file whose first record is due next; False if there is none."""
        while self._pending:
            _, index = self._pending.pop()
            row = self._new_row()
            self._order[row] = index
            self._active.append(row)
            if self._refill(row):
                return True
        return False

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
            for name in ("_pos", "_end", "_order"):
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
    kernels.merge_rows(as_words(rows), keys, row, row, row, heap, 1, 0, 0, out, out_keys, 0)


assert MBO_DTYPE.itemsize == 8 * _WORDS
