"""P&L of each trial by blocks of time, from a run's rows."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.analysis import row_groups
from tapewire.analytics.exact import groups, sum_from
from tapewire.analytics.schemas import MONEY_UNIT, Column

if TYPE_CHECKING:
    from tapewire.analytics import Run

#: Columns of ``blocks.parquet``.
BLOCKS: Final = (
    Column("trial", "int64", "", "number of the trial"),
    Column("block", "time", "ns UTC", "begin of the block; what happens at its end is in it"),
    Column("net_pnl", "int64", MONEY_UNIT, "net P&L within the block"),
    Column("fills", "int64", "count", "fills within the block"),
    Column("volume", "int64", "lots", "lots filled within the block"),
)


class Blocks:
    """What each trial made in each block of time, gathered from columns of fills and samples.

    P&L is that of the samples: a block's is the last sample within it less the last one before
    it, over all books of the strategy.

    Parameters
    ----------
    trials
        Number of the trial by name of the strategy.
    block_ns
        Length of a block; they begin at multiples of it since the epoch.
    """

    def __init__(self, trials: Mapping[str, int], block_ns: int) -> None:
        self._trials = dict(trials)
        self._block_ns = block_ns
        self._last: dict[tuple[int, int, int], int] = {}  # trial, block, leg: P&L at its end
        self._counts: dict[tuple[int, int], list[int]] = {}  # trial, block: fills, lots

    def take(
        self, table: str, part: Mapping[str, NDArray[Any]], strategies: Mapping[int, str]
    ) -> None:
        """Take columns of ``fills`` or ``equity``, in order; strategies are those of legs."""
        fills = table == "fills"
        block = (part["ts_event" if fills else "ts"] - 1) // self._block_ns
        for leg, rows in groups(part["leg"]):
            number = self._trials.get(strategies[leg])
            if number is None:
                continue
            mine = block[rows]
            ends = np.flatnonzero(np.r_[mine[1:] != mine[:-1], True])
            starts = np.r_[0, ends[:-1] + 1]
            if not fills:
                for end in ends:
                    self._last[number, int(mine[end]), leg] = int(part["pnl"][rows[end]])
                continue
            lots = sum_from(part["last_qty"][rows], starts)
            for at, n, q in zip(mine[ends].tolist(), ends - starts + 1, lots, strict=True):
                total = self._counts.setdefault((number, at), [0, 0])
                total[0] += int(n)
                total[1] += int(q)

    def columns(self) -> "dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]":
        """Return columns of `BLOCKS`."""
        return _columns(sorted(self._trials.values()), self._last, self._counts, self._block_ns)


def block_rows(
    run: "Run", trials: Mapping[str, int], block_ns: int
) -> "dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]":
    """Return columns of `BLOCKS` of a run folder; see `Blocks`."""
    blocks = Blocks(trials, block_ns)
    strategies = {leg["leg"]: leg["strategy_id"] for leg in run.manifest["legs"]}
    for table, wanted in (("equity", ["leg", "ts", "pnl"]),
                          ("fills", ["leg", "ts_event", "last_qty"])):  # fmt: skip
        for part in row_groups(run.path / f"{table}.parquet", wanted):
            blocks.take(table, part, strategies)
    return blocks.columns()


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
