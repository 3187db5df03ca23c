"""Reading one file's wanted records: opened when the first is asked for, closed at the end."""

import dataclasses
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import numpy as np

from tapewire.errors import FormatError, InputError
from tapewire.market.records import MBO_DTYPE, MBO_KERNEL_DTYPE
from tapewire.replay import _kernels as kernels
from tapewire.replay.dbn import DbnFile, DbnHeader
from tapewire.replay.filters import RecordFilter
from tapewire.wire import FileTotals

#: Records of the next file that are decoded ahead: a few milliseconds of work, 1.75 MiB.
AHEAD_RECORDS: Final = 32_768
NO_KEYS: Final = np.empty(0, np.int64)
_WORDS: Final = 7


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

    def read(self, out: np.ndarray, keys: np.ndarray = NO_KEYS) -> int:
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


assert MBO_DTYPE.itemsize == 8 * _WORDS
