"""The order that bettered the market within bounds, lead market makers, then by size.

CME's letters O (pro rata with top and parameters) and Q (the same with LMM).
"""

from typing import Final

from tapewire.execution.models.queue.mix import LOTS_MAX, venues_mix

THRESHOLD_PRO_RATA: Final = venues_mix(
    "threshold_pro_rata",
    "who bettered the market within bounds, then by size",
    used={"top_lots_min": 1, "top_lots_max": LOTS_MAX, "lead_percent": 0, "pro_rata_lots_min": 2},
    fixed={"fifo_percent": 0, "leveling": False},
)
