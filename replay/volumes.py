"""Lots traded by instrument and UTC day: a file is decoded, and no more."""

from collections.abc import Callable, Mapping

import numpy as np

from tapewire.compiled.units import NS_PER_DAY
from tapewire.market.records import ACTION_TRADE, MBO_KERNEL_DTYPE
from tapewire.replay.dbn import DbnHeader
from tapewire.replay.merge import CHUNK_RECORDS, FileReader, warm_up
from tapewire.replay.zstd_parallel import cores

#: Lots by instrument id, by UTC day (days since the epoch).
DayVolumes = Mapping[int, Mapping[int, int]]
#: Room for the day within a key of both.
_DAYS_MAX = 1 << 20


def day_volumes(header: DbnHeader, tick: Callable[[int], None] = lambda count: None) -> DayVolumes:
    """Read a file whole and add up the sizes of its trades.

    The day of a trade is that of the file's clock (the largest ``ts_recv`` so far), by which
    records are chosen, too.

    Parameters
    ----------
    header
        Of the file, as `tapewire.replay.dbn.inspect` gives it.
    tick
        Called after each chunk with the bytes read from disk so far; may raise.

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
