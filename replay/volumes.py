"""Lots traded by instrument and UTC day: of daily bars, or of records, which are decoded for it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tapewire.compiled.units import NS_PER_DAY
from tapewire.errors import FormatError
from tapewire.market.records import ACTION_TRADE, MBO_KERNEL_DTYPE
from tapewire.replay.dbn import DbnFile, DbnHeader
from tapewire.replay.duplicates import DuplicateFilter
from tapewire.replay.merge import CHUNK_RECORDS, Merger, warm_up
from tapewire.replay.reading import FileReader
from tapewire.replay.zstd_parallel import cores

#: Lots by instrument id, by UTC day (days since the epoch).
DayVolumes = Mapping[int, Mapping[int, int]]
#: Room for the day within a key of both.
_DAYS_MAX: Final = 1 << 20
_RTYPE_BAR: Final = 0x23
#: Of Databento's ``OhlcvMsg`` (https://docs.rs/dbn) what is read: the same in all versions.
_BAR: Final[np.dtype[Any]] = np.dtype(
    {
        "names": ["length", "rtype", "publisher_id", "instrument_id", "ts_event", "volume"],
        "formats": ["u1", "u1", "<u2", "<u4", "<u8", "<u8"],
        "offsets": [0, 1, 2, 4, 8, 48],
        "itemsize": 56,
    }
)


@dataclass(frozen=True)
class BarFile:
    """A file of daily bars, read to its end.

    Attributes
    ----------
    content_hash
        xxh3_128 of its bytes on disk.
    lots
        By day (since the epoch), publisher and instrument id.
    """

    path: str
    size_bytes: int
    version: int
    dataset: str
    content_hash: str
    records_read: int
    lots: Mapping[tuple[int, int, int], int]


def day_volumes(
    header: DbnHeader, tick: Callable[[int], None] = lambda count: None
) -> tuple[DayVolumes, str | None]:
    """Read a file whole and add up the sizes of its trades.

    The day of a trade is that of the file's clock (the largest ``ts_recv`` so far), by which
    records are chosen, too.

    Parameters
    ----------
    header
        Of the file, as `tapewire.replay.dbn.inspect` gives it.
    tick
        Called after each chunk with the bytes read from disk so far; may raise.

    Returns
    -------
    volumes
    content_hash
        xxh3_128 of the file's bytes on disk; None: it ended too soon.

    Raises
    ------
    FormatError
        If the file turns out to be corrupt.
    """
    warm_up()
    reader = FileReader(header, None, cores())
    records = np.empty(2 * CHUNK_RECORDS, MBO_KERNEL_DTYPE)
    clocks = np.empty(len(records), np.int64)
    volumes: dict[int, dict[int, int]] = {}
    try:
        while not reader.done:
            count = reader.read(records, clocks)
            _add(records[:count], clocks[:count], volumes)
            tick(reader.disk_bytes)
    finally:
        reader.close()
    return volumes, reader.totals.content_hash


def merged_volumes(
    headers: Sequence[DbnHeader], tick: Callable[[int], None] = lambda count: None
) -> DayVolumes:
    """Read files of a dataset whole, merged, and add up trades: what several have counts once.

    Parameters
    ----------
    headers
        Of the files.
    tick
        Called after each chunk with the bytes read from disk so far; may raise.

    Raises
    ------
    FormatError
        If a file turns out to be corrupt.
    """
    warm_up()
    readers = [FileReader(header, None, cores()) for header in headers]
    same = DuplicateFilter([header.path for header in headers], refuse=False)
    merger = Merger(readers, lambda: tick(sum(r.disk_bytes for r in readers)), same)
    records = np.empty(2 * CHUNK_RECORDS, MBO_KERNEL_DTYPE)
    clocks = np.empty(len(records), np.int64)
    volumes: dict[int, dict[int, int]] = {}
    try:
        while count := merger.fill(records, clocks):
            _add(records[:count], clocks[:count], volumes)
    finally:
        merger.close()
        for reader in readers:
            reader.close()
    return volumes


def read_bars(path: str) -> BarFile:
    """Read a file of daily bars.

    Parameters
    ----------
    path
        A DBN file of schema ``ohlcv-1d``, plain or compressed; a bar's ``ts_event`` is its day
        (https://databento.com/docs/schemas-and-data-formats/ohlcv).

    Raises
    ------
    MissingFileError
        If it is missing, a folder or unreadable.
    FormatError
        If it is no DBN file of daily bars, or truncated.
    """
    bars: dict[tuple[int, int, int], int] = {}
    chunk = np.empty(4_096, _BAR)
    with DbnFile(path, schema="ohlcv-1d", record_bytes=_BAR.itemsize) as file:
        while not file.at_end:
            found = chunk[: file.read_into(chunk)]
            wrong = (found["rtype"] != _RTYPE_BAR) | (found["length"] != _BAR.itemsize // 4)
            if wrong.any():
                number = file.records_read - len(found) + int(wrong.argmax())
                raise FormatError(
                    f"{path}: record {number} at byte offset {file.offset_of(number)}: "
                    f"expected a daily bar (rtype {_RTYPE_BAR:#04x}, {_BAR.itemsize} bytes): "
                    "the file is corrupt or mixes schemas"
                )
            days = (found["ts_event"] // np.uint64(NS_PER_DAY)).tolist()
            keys = zip(
                days, found["publisher_id"].tolist(), found["instrument_id"].tolist(),
                strict=True,
            )  # fmt: skip
            bars.update(zip(keys, found["volume"].tolist(), strict=True))
        return BarFile(
            path, file.size_bytes, file.version, str(file.metadata.dataset),
            str(file.content_hash), file.records_read, bars,
        )  # fmt: skip


def bar_volumes(files: Iterable[BarFile]) -> DayVolumes:
    """Return the volumes of files of daily bars; a bar that two files have counts once."""
    bars: dict[tuple[int, int, int], int] = {}
    for file in files:
        bars.update(file.lots)
    volumes: dict[int, dict[int, int]] = {}
    for (day, _, number), lots in bars.items():
        by_id = volumes.setdefault(day, {})
        by_id[number] = by_id.get(number, 0) + lots
    return volumes


def _add(records: np.ndarray, clocks: np.ndarray, volumes: dict[int, dict[int, int]]) -> None:
    trades = np.flatnonzero(records["action"] == ACTION_TRADE)
    if not trades.size:
        return
    traded = records[trades]
    keys = traded["instrument_id"].astype(np.int64) * _DAYS_MAX + clocks[trades] // NS_PER_DAY
    found, places = np.unique(keys, return_inverse=True)
    lots = np.zeros(len(found), np.int64)
    np.add.at(lots, places, traded["size"].astype(np.int64))
    for key, count in zip(found.tolist(), lots.tolist(), strict=True):
        by_id = volumes.setdefault(key % _DAYS_MAX, {})
        by_id[key // _DAYS_MAX] = by_id.get(key // _DAYS_MAX, 0) + count
