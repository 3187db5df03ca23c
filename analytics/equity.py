"""The P&L of a whole run over time, with few points, from its ``equity.parquet``."""

from pathlib import Path
from typing import Final

import numpy as np

from tapewire.analytics.analysis import row_groups
from tapewire.analytics.curves import Curve, Line
from tapewire.analytics.exact import Int64Array, groups

#: Time buckets of a small picture.
PICTURE_BUCKETS: Final = 160


def equity_line(path: Path, buckets: int = PICTURE_BUCKETS) -> tuple[Int64Array, Int64Array]:
    """Return times (ns) and net P&L over all legs (1e-9 currency); every spike is kept.

    Memory follows the number of legs and buckets, not the number of samples.

    Parameters
    ----------
    path
        ``equity.parquet`` of a complete run.
    buckets
        Equal spans of time, with at most four points each.
    """
    spans = [(int(p["ts"].min()), int(p["ts"].max())) for p in row_groups(path, ["ts"])]
    if not spans:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    line = Line(min(first for first, _ in spans), max(last for _, last in spans), buckets)
    curve, clock_ns = Curve(line), 0
    before: dict[int, int] = {}
    for part in row_groups(path, ["leg", "ts", "pnl"]):
        # Legs report at their own pace; the sum over legs goes by one clock.
        order = np.argsort(part["ts"], kind="stable")
        legs, pnl = part["leg"][order], part["pnl"][order]
        clock = np.maximum(part["ts"][order], clock_ns)
        clock_ns = int(clock[-1])
        change = np.empty_like(pnl)
        for leg, rows in groups(legs):
            change[rows] = np.diff(pnl[rows], prepend=before.get(leg, 0))
            before[leg] = int(pnl[rows][-1])
        curve.add(clock, change)
    curve.finish()
    return line.points()
