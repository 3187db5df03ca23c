"""Files that tell the levels of books, and no orders, read as if each level were one order.

So books, strategies and fills are what they are for market by order, as far as levels go. What is
told is marked (``F_MBP``), and places in such queues are guessed from the sizes of levels
(`tapewire.execution.estimates`). A level that leaves the ones a file tells is gone from the book.

Source: the DBN specification; https://databento.com/docs/schemas-and-data-formats.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.errors import FormatError
from tapewire.market.records import RECORD_BYTES
from tapewire.replay import _levels as kernels
from tapewire.replay.byte_sources import ByteSource, TruncatedFrame

#: Schema → how many levels, what its records tell beside them, and their rtypes.
SCHEMAS: Final = {
    "mbp-10": (10, kernels.CHANGES, (0x0A,)),
    "mbp-1": (1, kernels.CHANGES, (0x01,)),
    "cmbp-1": (1, kernels.CHANGES, (0xB1,)),
    "tbbo": (1, kernels.TRADES, (0x01,)),
    "tcbbo": (1, kernels.TRADES, (0xC2, 0xB1)),
    "bbo-1s": (1, kernels.QUOTES, (0xC3,)),
    "bbo-1m": (1, kernels.QUOTES, (0xC4,)),
    "cbbo-1s": (1, kernels.QUOTES, (0xC0,)),
    "cbbo-1m": (1, kernels.QUOTES, (0xC1,)),
}
#: Their quotes are the best of all publishers, whose each record is: they tell of one book.
CONSOLIDATED: Final = ("cmbp-1", "tcbbo", "cbbo-1s", "cbbo-1m")
#: These tell no levels: nothing can be quoted against, or filled from.
WITHOUT_LEVELS: Final = ("trades", "ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "ohlcv-1d", "ohlcv-eod")
_RECORDS: Final = 8_192
_HEAD_BYTES: Final = 48
_LEVEL_BYTES: Final = 32
_BOOKS_AT_START: Final = 64
_NOT_PUBLISHER: Final = ~0xFFFF0000  # within the first word
_TS_EVENT, _TS_RECV = 1, 4  # words


class LevelBytes:
    """The records of a file of levels as MBO records.

    Parameters
    ----------
    path
        For messages.
    source
        The bytes behind the header.
    schema
        One of `SCHEMAS`.
    """

    def __init__(self, path: str, source: ByteSource, schema: str) -> None:
        self._path = path
        self._source = source
        self._depth, self._kind, self._rtypes = SCHEMAS[schema]
        self._schema = schema
        self._record_bytes = _HEAD_BYTES + _LEVEL_BYTES * self._depth
        self._given = np.empty((_RECORDS, self._record_bytes // 8), np.int64)
        self._given_n = self._next = self._read = 0
        self._out = np.empty((_RECORDS, kernels.MBO_WORDS), np.int64)
        self._out_at = self._out_n = 0
        self._places: dict[int, int] = {}
        self._books: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._ladders = np.zeros(_BOOKS_AT_START, kernels.LADDER)
        self._ids = np.zeros(1, np.int64)
        self._cut: TruncatedFrame | None = None
        self._ended = False

    def readinto(self, out: memoryview) -> int:
        """Fill ``out``, whose size is of whole records, as far as the file goes."""
        records = np.frombuffer(out, np.int64).reshape(-1, kernels.MBO_WORDS)
        written = 0
        while written < len(records):
            if self._out_at == self._out_n and not self._tell_more():
                if self._cut is not None:
                    cut = self._cut
                    raise TruncatedFrame(written * RECORD_BYTES, cut.offset, cut.frame_offset)
                break
            count = min(len(records) - written, self._out_n - self._out_at)
            records[written : written + count] = self._out[self._out_at : self._out_at + count]
            self._out_at += count
            written += count
        return written * RECORD_BYTES

    def _tell_more(self) -> bool:
        """Tell the next records; whether there were any."""
        while self._next < self._given_n or self._refill():
            self._next, self._out_n = kernels.tell_levels(
                self._given[: self._given_n], self._books, self._ladders, self._depth, self._kind,
                self._ids, self._out, self._next,
            )  # fmt: skip
            self._out_at = 0
            if self._out_n:
                return True
        return False

    def _refill(self) -> bool:
        if self._ended:
            return False
        view = self._given.view(np.uint8).reshape(-1)
        try:
            filled = self._source.readinto(view.data)
        except TruncatedFrame as cut:
            self._cut, filled = cut, cut.filled
        count, rest = divmod(filled, self._record_bytes)
        self._ended = filled < view.size
        if rest and self._cut is None:
            self._cut = TruncatedFrame(0, self._read * self._record_bytes + filled, None)
        self._require_known(self._given[:count])
        self._settle(self._given[:count])
        self._books = self._places_of(self._given[:count, 0])
        self._read += count
        self._given_n, self._next = count, 0
        return count > 0

    def _require_known(self, given: npt.NDArray[np.int64]) -> None:
        """Check the records' lengths and types."""
        heads = given[:, 0] & 0xFFFF
        known = np.zeros(len(heads), bool)
        for rtype in self._rtypes:
            known |= heads == (self._record_bytes // 4 | rtype << 8)
        if not known.all():
            bad = int((~known).argmax())
            length, rtype = int(heads[bad]) & 0xFF, int(heads[bad]) >> 8
            raise FormatError(
                f"{self._path}: record {self._read + bad}: expected one of {self._schema} "
                f"({self._record_bytes} bytes), found rtype {rtype:#04x} of {4 * length} bytes: "
                "the file is corrupt"
            )

    def _settle(self, given: npt.NDArray[np.int64]) -> None:
        """Make publishers and times of records those of the books that they tell of, in place.

        A consolidated book is of no publisher (0): trades name the venue of each, quotes another
        one, and the book of the next file has to be the same. An interval's quotes are those at its
        end, ``ts_recv``; its ``ts_event`` is that of the last trade, if there was one, which may be
        long past.
        """
        if self._schema in CONSOLIDATED:
            given[:, 0] &= _NOT_PUBLISHER
        if self._kind == kernels.QUOTES:
            given[:, _TS_EVENT] = given[:, _TS_RECV]

    def _places_of(self, heads: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Number the books of some records by publisher and instrument, as they come up."""
        given = heads >> 16
        if len(given) and (given == given[0]).all():  # of one book: no need to sort
            keys, inverse = given[:1], np.zeros(len(given), np.int64)
        else:
            keys, inverse = np.unique(given, return_inverse=True)
        places = [self._places.setdefault(int(key), len(self._places)) for key in keys]
        if len(self._places) > self._ladders.size:
            grown = np.zeros(2 * len(self._places), kernels.LADDER)
            grown[: self._ladders.size] = self._ladders
            self._ladders = grown
        return np.array(places, np.int64)[inverse]

    def content_hash(self) -> str:
        """Return the xxh3_128 of the bytes read from disk so far."""
        return self._source.content_hash()

    @property
    def disk_bytes(self) -> int:
        """Bytes read from disk so far."""
        return self._source.disk_bytes

    def close(self) -> None:
        """Close the file."""
        self._source.close()


def warm_up_levels() -> None:
    """Compile (or load) the kernel."""
    ladders = np.zeros(1, kernels.LADDER)
    none: Any = np.zeros((0, 10), np.int64)
    kernels.tell_levels(
        none, np.zeros(0, np.int64), ladders, 1, kernels.QUOTES, np.zeros(1, np.int64),
        np.zeros((kernels.OUT_MAX, kernels.MBO_WORDS), np.int64), 0,
    )  # fmt: skip
