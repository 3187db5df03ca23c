"""A day of a market as long as a day, and what processes have grown by meanwhile."""

import io
from pathlib import Path

import numpy as np
import zstandard

from tapewire.market.records import MBO_DTYPE

#: A day of two hours that were captured, twelve times over.
DAY_FILE, COPIES, COPY_NS = "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst", 12, 7_200 * 10**9
#: Part of the whole after which what is kept once is there.
WARM = 0.3
_MADE = ("RssAnon", "RssShmem", "VmSwap")


def resident_mb(pid: int) -> float:
    """What a process has made for itself, MB, in memory or swapped out.

    Pages of files come and go as the system has room for them, and say nothing of a leak.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return sum(int(found[name].split()[0]) for name in _MADE) * 1_024 / 1e6


def slope(x: list[float], y: list[float]) -> tuple[float, float]:
    """Of a straight line behind the warm-up: per one, and over all of it."""
    begin = int(len(x) * WARM)
    per_one = float(np.polyfit(x[begin:], y[begin:], 1)[0])
    return per_one, per_one * (x[-1] - x[begin])


def day_of(capture: Path, path: Path) -> int:
    """Write a day of copies of a capture, each behind a clear of the book; return its records."""
    with zstandard.open(capture) as file:
        data = io.BytesIO(file.read())
    header = data.read(8)
    header += data.read(int.from_bytes(header[4:], "little"))
    records = np.frombuffer(data.read(), MBO_DTYPE)
    clear = records[:1].copy()
    clear["action"], clear["side"], clear["order_id"], clear["size"] = ord("R"), ord("N"), 0, 0
    clear["price"], clear["flags"] = np.iinfo(np.int64).max, 8  # of a snapshot, no price
    one = np.concatenate([clear, records])
    with path.open("wb") as out:
        out.write(header)
        for copy in range(COPIES):
            moved = one.copy()
            moved["order_id"][1:] += np.uint64(copy << 50)
            for name in ("ts_recv", "ts_event"):
                moved[name] -= np.uint64((COPIES - 1 - copy) * COPY_NS)
            out.write(moved.tobytes())
    return COPIES * len(one)
