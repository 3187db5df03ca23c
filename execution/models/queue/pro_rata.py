"""By size: each order its part of the volume, rounded down; what is left, by time.

CME's letter C (pro rata without top).
"""

from typing import Final

from tapewire.execution.models.queue.mix import venues_mix

PRO_RATA: Final = venues_mix(
    "pro_rata",
    "by size, what is left by time",
    used={"pro_rata_lots_min": 1},
    fixed={"top_lots_min": 1, "top_lots_max": 0, "lead_percent": 0, "fifo_percent": 0,
           "leveling": False},
)  # fmt: skip
