"""Charts of a finished run between two times, with few points: what a page asks for as it zooms.

Rows are read from the run's own tables each time, so that a stretch of a long run is as fine as its
rows are. No value is averaged: what is drawn are rows, the extremes of every bucket among them.
"""

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.analysis import NO_MARK, row_groups
from tapewire.analytics.curves import Numbers, bucket_width, downsample_minmax
from tapewire.analytics.exact import Int64Array, groups
from tapewire.analytics.fill_marks import FillMarks
from tapewire.analytics.run import Run
from tapewire.compiled.units import MONEY_UNITS, PRICE_UNITS
from tapewire.errors import ConfigError

#: Points of all lines of one chart.
POINTS_MAX: Final = 10_000
#: The fewest that may be asked for: first, last, lowest and highest of one bucket, and one more on
#: either side.
POINTS_MIN: Final = 6
#: Fills of one chart.
FILLS_MAX: Final = 2_000
LINES_MAX: Final = 8
CHARTS: Final = ("equity", "drawdown", "position", "price")
#: Runs whose samples are kept between two zooms.
_KEPT_RUNS: Final = 4


@dataclass(frozen=True)
class ZoomedLine:
    """A stepped line: a value holds until the next one.

    Attributes
    ----------
    name : str
    ts : ndarray of int64
        ns since the epoch, ascending, shape (n,).
    values : ndarray of float64
        Shape (n,); currency, lots or price points.
    """

    name: str
    ts: Int64Array
    values: NDArray[np.float64]


@dataclass(frozen=True)
class ZoomedChart:
    """What is drawn of a stretch of a run.

    Attributes
    ----------
    first_ns, last_ns : int
        The stretch.
    whole_first_ns, whole_last_ns : int
        All of the run.
    rows : int
        Points that the stretch has, drawn or not.
    lines : list of ZoomedLine
    fills : dict of ndarray
        Columns of `FillMarks`, of a price chart.
    fills_total : int
        Fills of the stretch, drawn or not.
    choices : list of (str, str)
        Strategies and symbols that a price chart may be of.
    """

    first_ns: int
    last_ns: int
    whole_first_ns: int
    whole_last_ns: int
    rows: int
    lines: list[ZoomedLine]
    fills: dict[str, NDArray[Any]] = field(default_factory=dict)
    fills_total: int = 0
    choices: list[tuple[str, str]] = field(default_factory=list)


def reduced(
    ts: Int64Array, values: Numbers, first_ns: int, last_ns: int, points_max: int
) -> NDArray[np.intp]:
    """Choose the points that a stretch of a line is drawn from.

    Parameters
    ----------
    ts, values
        The whole line, ascending, shape (n,).
    first_ns, last_ns
        The stretch, both ends included. The last point before it is taken, too, since its value
        holds into the stretch, and the first one behind.
    points_max
        How many at most, `POINTS_MIN` or more.

    Returns
    -------
    ndarray
        Ascending indices. All points of the stretch where they are few enough, else the first,
        last, lowest and highest of equal spans of time.
    """
    begin = int(np.searchsorted(ts, first_ns, "left"))
    end = int(np.searchsorted(ts, last_ns, "right"))
    inner = np.arange(begin, end)
    if inner.size > points_max - 2:
        width = bucket_width(first_ns, last_ns, (points_max - 2) // 4)
        inner = begin + downsample_minmax(ts[begin:end], values[begin:end], first_ns, width)
    sides = [k for k in (begin - 1, end) if 0 <= k < ts.size]
    return np.unique(np.r_[inner, np.array(sides, np.intp)]).astype(np.intp)


def zoomed(
    run: Run,
    chart: str,
    *,
    first_ns: int | None = None,
    last_ns: int | None = None,
    points_max: int = POINTS_MAX,
    strategy: str = "",
    symbol: str = "",
) -> ZoomedChart:
    """Return what is drawn of a stretch of a complete run.

    Parameters
    ----------
    run
    chart
        One of `CHARTS`.
    first_ns, last_ns
        The stretch; None: from the run's first sample or fill, to its last one.
    points_max
        Of all lines together.
    strategy, symbol
        Whose price or position, and of what; empty: the price of the first that there is, all
        positions.

    Raises
    ------
    ConfigError
        If there is no such chart, strategy or symbol, or a number is out of its bounds.
    """
    if chart not in CHARTS:
        raise ConfigError(f"chart: expected one of {', '.join(CHARTS)}, found {chart!r}")
    if not POINTS_MIN <= points_max <= POINTS_MAX:
        raise ConfigError(
            f"points_max: expected {POINTS_MIN} to {POINTS_MAX:,}, found {points_max:,}"
        )
    samples = _samples(run.path / "equity.parquet", _stamp(run.path / "equity.parquet"))
    whole = _span(run.path, samples["ts"])
    first = whole[0] if first_ns is None else first_ns
    last = whole[1] if last_ns is None else last_ns
    if first > last:
        raise ConfigError(f"first_ns: expected one up to last_ns, {last}, found {first}")
    legs = [(leg["strategy_id"], leg["symbol"]) for leg in run.manifest["legs"]]
    is_one = chart == "price" or bool(strategy or symbol)
    which = _leg_of(legs, strategy, symbol) if is_one else -1
    lines = _lines(chart, samples, legs, which)
    each = max(POINTS_MIN, points_max // max(1, len(lines)))
    drawn, rows = [], 0
    for name, at, values, unit in lines:
        rows += int(np.count_nonzero((at >= first) & (at <= last)))
        keep = reduced(at, values, first, last, each)
        drawn.append(ZoomedLine(name, at[keep], values[keep] / unit))
    if chart != "price":
        return ZoomedChart(first, last, *whole, rows, drawn)
    fills, total = _fills(run.path / "fills.parquet", which, first, last)
    return ZoomedChart(first, last, *whole, rows, drawn, fills, total, list(dict.fromkeys(legs)))


_Line = tuple[str, Int64Array, Int64Array, int]


def _lines(
    chart: str, samples: dict[str, Int64Array], legs: list[tuple[str, str]], which: int
) -> list[_Line]:
    """Return name, times, whole values and how many of a unit they are, of each line."""
    if chart == "price":
        ts, mark = _of_leg(samples, which, "mark")
        known = mark != NO_MARK
        return [(" · ".join(legs[which]), ts[known], mark[known], PRICE_UNITS)] if legs else []
    if chart == "position":
        return [
            (" · ".join(legs[leg]), *_of_leg(samples, leg, "position"), 1)
            for leg in np.unique(samples["leg"])[:LINES_MAX].tolist()
            if which in (-1, leg)
        ]
    names = list(dict.fromkeys(name for name, _ in legs))
    found = [("total", *_summed(samples, None), MONEY_UNITS)]
    if 1 < len(names) < LINES_MAX:
        for name in names:
            mine = [leg for leg, (strategy, _) in enumerate(legs) if strategy == name]
            found.append((name, *_summed(samples, mine), MONEY_UNITS))
    if chart == "equity":
        return found
    return [(name, ts, pnl - _highs(pnl), unit) for name, ts, pnl, unit in found]


def _highs(pnl: Int64Array) -> Int64Array:
    """Return the highest P&L so far, which begins at 0."""
    highs: Int64Array = np.maximum.accumulate(np.maximum(pnl, 0))
    return highs


def _summed(
    samples: dict[str, Int64Array], legs: list[int] | None
) -> tuple[Int64Array, Int64Array]:
    """Return the P&L of legs together (None: all), one point for each instant."""
    ts, leg, pnl = samples["ts"], samples["leg"], samples["pnl"]
    if legs is not None:
        mine = np.isin(leg, legs)
        ts, leg, pnl = ts[mine], leg[mine], pnl[mine]
    if not ts.size:
        return ts, pnl
    order = np.argsort(ts, kind="stable")
    ts, leg, pnl = ts[order], leg[order], pnl[order]
    change = np.empty_like(pnl)
    for _, rows in groups(leg):
        change[rows] = np.diff(pnl[rows], prepend=0)
    ends = np.r_[ts[1:] != ts[:-1], True]
    return ts[ends], np.cumsum(change)[ends]


def _of_leg(samples: dict[str, Int64Array], leg: int, column: str) -> tuple[Int64Array, Int64Array]:
    mine = samples["leg"] == leg
    return samples["ts"][mine], samples[column][mine]


def _leg_of(legs: list[tuple[str, str]], strategy: str, symbol: str) -> int:
    if not legs:
        return -1
    for number, (name, where) in enumerate(legs):
        if strategy in ("", name) and symbol in ("", where):
            return number
    known = ", ".join(" on ".join(leg) for leg in legs[:LINES_MAX])
    raise ConfigError(
        f"strategy, symbol: expected one of {known}, found {strategy!r} on {symbol!r}"
    )


def _span(folder: Path, ts: Int64Array) -> tuple[int, int]:
    """Return the first and the last time of a run's samples and fills; 0 where there is none."""
    fills = row_groups(folder / "fills.parquet", ["ts_event"])
    ends = [ts, *(part["ts_event"] for part in fills)]
    known = [one for one in ends if one.size]
    if not known:
        return 0, 0
    return min(int(one.min()) for one in known), max(int(one.max()) for one in known)


def _stamp(path: Path) -> tuple[int, int]:
    """Return what tells a file from another one of its name."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@functools.lru_cache(_KEPT_RUNS)
def _samples(path: Path, stamp: tuple[int, int]) -> dict[str, Int64Array]:
    """Return the columns of a run's samples; the stamp is that of the file."""
    names = ["leg", "ts", "pnl", "position", "mark"]
    parts = list(row_groups(path, names))
    empty = np.empty(0, np.int64)
    return {name: np.concatenate([empty, *(part[name] for part in parts)]) for name in names}


def _fills(path: Path, leg: int, first: int, last: int) -> tuple[dict[str, NDArray[Any]], int]:
    """Return the fills of a leg in a stretch, all of them or their extremes, and their number."""
    marks = FillMarks(first, last, FILLS_MAX)
    for part in row_groups(path, ["leg", *FillMarks.COLUMNS]):
        ts = part["ts_event"]
        mine = (part["leg"] == leg) & (ts >= first) & (ts <= last)
        if mine.any():
            marks.add({name: part[name][mine] for name in FillMarks.COLUMNS})
    return marks.marks(), marks.fills
