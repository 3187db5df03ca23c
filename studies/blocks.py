"""P&L of each trial by blocks of time, from a run's tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from tapewire.analytics.analysis import row_groups
from tapewire.analytics.exact import groups
from tapewire.analytics.schemas import MONEY_UNIT, Column

#: Columns of ``blocks.parquet``.
BLOCKS: Final = (
    Column("trial", "int64", "", "number of the trial"),
    Column("block", "time", "ns UTC", "begin of the block; what happens at its end is in it"),
    Column("net_pnl", "int64", MONEY_UNIT, "net P&L within the block"),
    Column("fills", "int64", "count", "fills within the block"),
    Column("volume", "int64", "lots", "lots filled within the block"),
)


def block_rows(
    folder: Path, trials: Mapping[str, int], block_ns: int
) -> dict[str, "np.ndarray[tuple[int], np.dtype[np.int64]]"]:
    """Return what each trial made in each block of time, as columns of `BLOCKS`.

    P&L is that of the samples (``equity.parquet``): a block's is the last sample within it less
    the last one before it, over all books of the strategy.

    Parameters
    ----------
    folder
        A complete run.
    trials
        Number of the trial by name of the strategy.
    block_ns
        Length of a block; they begin at multiples of it since the epoch.
    """
    numbers = dict(trials)
    last: dict[tuple[int, int, int], int] = {}  # trial, block, leg: P&L at its end
    for part in row_groups(folder / "equity.parquet", ["strategy_id", "leg", "ts", "pnl"]):
        block = (part["ts"] - 1) // block_ns
        for leg, rows in groups(part["leg"]):
            number = numbers.get(part["strategy_id"][rows[0]])
            if number is None:
                continue
            mine = block[rows]
            ends = np.flatnonzero(np.r_[mine[1:] != mine[:-1], True])
            for end in ends:
                last[number, int(mine[end]), leg] = int(part["pnl"][rows[end]])
    counts: dict[tuple[int, int], list[int]] = {}
    for part in row_groups(folder / "fills.parquet", ["strategy_id", "ts_event", "last_qty"]):
        trial = np.array([numbers.get(name, 0) for name in part["strategy_id"]], np.int64)
        key = np.stack([trial, (part["ts_event"] - 1) // block_ns], axis=1)
        found, which = np.unique(key, axis=0, return_inverse=True)
        lots = np.zeros(len(found), np.int64)
        np.add.at(lots, which.ravel(), part["last_qty"])
        fills = np.bincount(which.ravel(), minlength=len(found))
        for (number, at), n, q in zip(found.tolist(), fills.tolist(), lots.tolist(), strict=True):
            total = counts.setdefault((number, at), [0, 0])
            total[0] += n
            total[1] += q
    return _columns(sorted(numbers.values()), last, counts, block_ns)


def _columns(
    trials: list[int],
    last: dict[tuple[int, int, int], int],
    counts: dict[tuple[int, int], list[int]],
    block_ns: int,
) -> dict[str, "np.ndarray[tuple[int], np.dtype[np.int64]]"]:
    blocks: dict[int, set[int]] = {}
    legs: dict[int, set[int]] = {}
    for number, at, leg in last:
        blocks.setdefault(number, set()).add(at)
        legs.setdefault(number, set()).add(leg)
    for number, at in counts:
        blocks.setdefault(number, set()).add(at)
    rows: list[tuple[int, int, int, int, int]] = []
    for number in trials:
        standing = dict.fromkeys(legs.get(number, ()), 0)
        before = 0
        for at in sorted(blocks.get(number, ())):
            for leg in standing:
                standing[leg] = last.get((number, at, leg), standing[leg])
            pnl = sum(standing.values())
            fills, volume = counts.get((number, at), (0, 0))
            rows.append((number, at * block_ns, pnl - before, fills, volume))
            before = pnl
    columns = np.array(rows, np.int64).reshape(-1, len(BLOCKS)).T
    return {column.name: columns[k] for k, column in enumerate(BLOCKS)}
