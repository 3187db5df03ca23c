"""A part of the volume by time, the rest by size; with all steps that a venue may add.

CME's letter K (configurable: split FIFO and pro rata with LMM).
"""

from typing import Final

from tapewire.execution.models.queue.mix import venues_mix

SPLIT: Final = venues_mix(
    "split",
    "a part by time, the rest by size",
    used={"top_lots_min": 1, "top_lots_max": 0, "lead_percent": 0, "fifo_percent": 40,
          "pro_rata_lots_min": 2, "leveling": False},
    fixed={},
)  # fmt: skip
