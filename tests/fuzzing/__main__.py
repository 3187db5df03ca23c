"""Plays seeds of targets in this process, and says what came of them: a line of JSON a target.

``python -m fuzzing NAME[,NAME] --first SEED --count N`` with ``tests`` on the path; a seed that
fails is played again by itself with ``--count 1``.
"""

import argparse
import faulthandler
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from fuzzing.targets import TARGETS

#: Longest that a case may take, processor time; and until it counts as hung, on the clock.
CASE_S_MAX = 1.0
HANG_S = 60.0
#: Most that memory may grow beyond what sound input took.
GROWTH_BYTES_MAX = 256 << 20
#: So many are told.
_FAILURES_MAX = 20


def peak_bytes() -> int:
    """Most memory that this process has had so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise OSError("expected VmHWM in /proc/self/status")


def play(name: str, first: int, count: int, progress: int | None) -> dict[str, Any]:
    """Play so many seeds of a target."""
    failures: list[dict[str, Any]] = []
    taken = 0
    slowest_s = 0.0
    begin_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tw-fuzz-") as folder:
        target = TARGETS[name](Path(folder))
        target.sound()
        before = peak = peak_bytes()
        for seed in range(first, first + count):
            if progress is not None:
                os.pwrite(progress, f"{name} {seed}".ljust(64).encode(), 0)
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            case_s = time.process_time()
            try:
                taken += target.play(seed)
                case_s = time.process_time() - case_s
                assert case_s < CASE_S_MAX, f"it took {case_s:.2f} s"
                slowest_s = max(slowest_s, case_s)
                peak, last = peak_bytes(), peak
                grown = peak - max(before, last if seed > first else before)
                assert grown < GROWTH_BYTES_MAX, f"memory grew by {grown >> 20} MB"
            except Exception:
                failures.append({"seed": seed, "error": traceback.format_exc()[-4_000:]})
                if len(failures) == _FAILURES_MAX:
                    break
            finally:
                faulthandler.cancel_dump_traceback_later()
    return {
        "target": name, "first": first, "cases": count, "taken": taken,
        "refused": count - taken - len(failures), "slowest_s": round(slowest_s, 3),
        "grown_mb": (peak - before) >> 20, "elapsed_s": round(time.monotonic() - begin_s, 1),
        "failures": failures,
    }  # fmt: skip


def main() -> None:
    """Play what the command line says."""
    parser = argparse.ArgumentParser(prog="fuzzing", description=__doc__)
    parser.add_argument("names", help=f"of {', '.join(TARGETS)}; several with commas, or all")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=100, help="how many seeds of each")
    parser.add_argument("--progress", type=Path, help="a file that always names the seed at play")
    given = parser.parse_args()
    faulthandler.enable()
    progress = None if given.progress is None else os.open(given.progress, os.O_RDWR | os.O_CREAT)
    names = list(TARGETS) if given.names == "all" else given.names.split(",")
    found = [play(name, given.first, given.count, progress) for name in names]
    for one in found:
        for failure in one["failures"]:
            print(f"{one['target']} seed {failure['seed']}:\n{failure['error']}", file=sys.stderr)
        print(json.dumps(one | {"failures": [failure["seed"] for failure in one["failures"]]}))
    sys.exit(any(one["failures"] for one in found))


if __name__ == "__main__":
    main()
