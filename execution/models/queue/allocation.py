"""The order that bettered the market first, then by size from two lots on, what is left by time.

CME's letter A (allocation: pro rata with top).
"""

from typing import Final

from tapewire.execution.models.queue.mix import LOTS_MAX, venues_mix

ALLOCATION: Final = venues_mix(
    "allocation",
    "who bettered the market, then by size",
    used={"top_lots_max": LOTS_MAX, "pro_rata_lots_min": 2},
    fixed={"top_lots_min": 1, "lead_percent": 0, "fifo_percent": 0, "leveling": False},
)
