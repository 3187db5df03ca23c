"""Files of text that hold rows of whole numbers: CSV without a header, as LOBSTER's."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np

from tapewire.errors import FormatError, MissingFileError
from tapewire.replay._number_rows import DIGITS_MAX, SECOND_DIGITS_MAX, read_numbers
from tapewire.replay.byte_sources import open_file, unreadable

#: Text that is read at once: what comes of it stays near the processor until it is used. No line
#: is longer.
_BLOCK_BYTES: Final = 1 << 18
_SHOWN: Final = 80
_LINE_FEED: Final = ord("\n")


class NumberRows:
    """Rows of such a file in order, read ahead by a thread.

    Parameters
    ----------
    path
        The file.
    columns
        Numbers a row.
    timed
        The first of them are seconds with up to nine decimals, given as ns.
    hint
        What to say where the file is missing.

    Raises
    ------
    MissingFileError
        If it can't be read.
    """

    def __init__(self, path: str, columns: int, *, timed: bool, hint: str = "") -> None:
        self.path = path
        self.rows = 0  # taken so far
        self._columns, self._timed = columns, timed
        if not Path(path).exists():
            raise MissingFileError(f"{path}: no such file{hint}")
        fd, self.size_bytes = open_file(path)
        self._file: Any = os.fdopen(fd, "rb", buffering=0)
        self._text = np.empty(_BLOCK_BYTES + 1, np.uint8)  # a line feed may be missing at the end
        self._filled = 0
        self._ended = False
        #: One is looked at while the other is filled.
        rows = _BLOCK_BYTES // (2 * columns) + 1
        self._both = [np.empty((rows, columns), np.int64) for _ in range(2)]
        self._left = self._both[1][:0]
        self._read = 0  # rows read by the thread
        self._thread = ThreadPoolExecutor(1, "tapewire-numbers")
        self._ahead: Future[np.ndarray] | None = None

    @property
    def disk_bytes(self) -> int:
        """Bytes read so far."""
        return 0 if self._file.closed else int(self._file.tell())

    def more(self) -> int:
        """Wait for the next block if nothing is left; return how many rows there are.

        What `take` gave of the block before is valid no longer then.

        Raises
        ------
        FormatError
            If a line is no row of so many numbers.
        """
        if not len(self._left):
            ahead = self._ahead or self._thread.submit(self._next)
            self._left = ahead.result()
            self._ahead = self._thread.submit(self._next) if len(self._left) else ahead
        return len(self._left)

    def take(self, count: int) -> np.ndarray:
        """Return so many of the rows, int64, shape (count, columns)."""
        rows, self._left = self._left[:count], self._left[count:]
        self.rows += count
        return rows

    def _next(self) -> np.ndarray:
        """Read the next block: no rows at the end. By the thread alone."""
        self._both.reverse()
        out = self._both[0]
        while True:
            self._fill()
            if not self._filled:
                return out[:0]
            count, passed, bad = read_numbers(self._text, self._filled, int(self._timed), out)
            if bad or (not count and not passed):
                if count:  # those before it come first
                    bad = 0
                else:
                    raise self._bad_line(passed)
            self._text[: self._filled - passed] = self._text[passed : self._filled].copy()
            self._filled -= passed
            if count:
                self._read += count
                return out[:count]

    def _fill(self) -> None:
        """Read on behind what is left of the block before."""
        while not self._ended and self._filled < _BLOCK_BYTES:
            try:
                count = self._file.readinto(self._text[self._filled : _BLOCK_BYTES].data)
            except OSError as error:
                raise unreadable(self.path, error) from None
            self._filled += count
            if not count:
                self._ended = True
                if self._filled and self._text[self._filled - 1] != _LINE_FEED:
                    self._text[self._filled] = _LINE_FEED
                    self._filled += 1

    def _bad_line(self, at: int) -> FormatError:
        line = self._text[at : self._filled].tobytes().split(b"\n", 1)[0]
        shown = ascii(line[:_SHOWN].decode("latin-1")) + ("…" if len(line) > _SHOWN else "")
        return FormatError(
            f"{self.path}: after {self._read} good rows: expected {self._columns} numbers a row, "
            f"of at most {DIGITS_MAX} digits"
            + (f", of which the first is a time of at most {SECOND_DIGITS_MAX} digits and as many "
               "decimals" if self._timed else "")
            + f", found {shown}"
        )  # fmt: skip

    def close(self) -> None:
        """Close the file."""
        self._thread.shutdown(cancel_futures=True)
        self._file.close()
