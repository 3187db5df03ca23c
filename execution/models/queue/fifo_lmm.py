"""By time, after lead market makers and, where that is set, the order that bettered the market.

CME's letters T (LMM without top) and S (LMM with top).
"""

from typing import Final

from tapewire.execution.models.queue.mix import venues_mix

FIFO_LMM: Final = venues_mix(
    "fifo_lmm",
    "by time after lead market makers",
    used={"top_lots_min": 1, "top_lots_max": 0, "lead_percent": 20},
    fixed={"fifo_percent": 100, "pro_rata_lots_min": 1, "leveling": False},
)
