"""Where the books of a stream last began anew: the snapshots before a moment."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from tapewire.market.records import ACTION_CLEAR, F_SNAPSHOT, MBO_KERNEL_DTYPE
from tapewire.replay.dbn import DbnHeader
from tapewire.replay.filters import RecordFilter
from tapewire.replay.reading import FileReader

_CHUNK_RECORDS: Final = 65_536


def superseded(headers: Sequence[DbnHeader], until_ns: int) -> set[int]:
    """Return which files need not be opened: all they say, a later one's snapshot says anew.

    That is a later file of the same query (dataset and symbols) that begins with a snapshot before
    ``until_ns``, and not before the earlier one's range has ended: as files by day are.
    """
    return {
        i
        for i, earlier in enumerate(headers)
        if any(_supersedes(later, earlier, until_ns) for later in headers)
    }


def _supersedes(later: DbnHeader, earlier: DbnHeader, until_ns: int) -> bool:
    return (
        later.first_ts_recv is not None
        and earlier.first_ts_recv is not None
        and later.begins_with_snapshot
        and earlier.first_ts_recv < later.first_ts_recv < until_ns
        and 0 < earlier.end_ns <= later.first_ts_recv
        and _query(later) == _query(earlier)
    )


def _query(header: DbnHeader) -> tuple[str, str, tuple[str, ...]]:
    metadata = header.metadata
    return header.dataset, str(metadata.stype_in), tuple(sorted(metadata.symbols))


def last_snapshots(
    files: Sequence[tuple[DbnHeader, RecordFilter]], until_ns: int, tick: Callable[[], None]
) -> dict[int, int]:
    """Return when each book's last snapshot before a moment began.

    Parameters
    ----------
    files
        With the filter of each; read up to that moment.
    tick
        Called after each chunk read; may raise.

    Returns
    -------
    dict
        Clock (ns) by ``publisher_id << 32 | instrument_id``, of books that have one.
    """
    begins: dict[int, int] = {}
    chunk = np.empty(_CHUNK_RECORDS, MBO_KERNEL_DTYPE)
    keys = np.empty(_CHUNK_RECORDS, np.int64)
    for header, wanted in files:
        if header.first_ts_recv is None or header.first_ts_recv >= until_ns:
            continue
        reader = FileReader(header, wanted)
        within: set[int] = set()  # books whose last record belongs to a snapshot
        try:
            while not reader.done:
                count = reader.read(chunk, keys)
                _note(chunk[:count], keys[:count], within, begins)
                tick()
        finally:
            reader.close()
    return begins


def _note(
    records: np.ndarray, clocks: np.ndarray, within: set[int], begins: dict[int, int]
) -> None:
    flagged = (records["flags"] & F_SNAPSHOT) != 0
    if not within and not flagged.any():
        return
    books = records["publisher_id"].astype(np.int64) << 32 | records["instrument_id"]
    order = np.argsort(books, kind="stable")
    books, flagged, clocks = books[order], flagged[order], clocks[order]
    clears = records["action"][order] == ACTION_CLEAR
    first = np.append(True, books[1:] != books[:-1])
    before = np.append(False, flagged[:-1])
    before[first] = [int(book) in within for book in books[first]]
    for at in np.flatnonzero(flagged & (~before | clears)):
        book, clock = int(books[at]), int(clocks[at])
        begins[book] = max(clock, begins.get(book, clock))
    last = np.append(first[1:], True)
    within.difference_update(map(int, books[last & ~flagged]))
    within.update(map(int, books[last & flagged]))
