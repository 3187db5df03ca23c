"""The record by which kernels find the models of a strategy."""

from typing import Final

import numpy as np

from tapewire.compiled.memory import accessor
from tapewire.execution.models.definition import FAMILIES
from tapewire.execution.models.impact.decay import DECAY
from tapewire.execution.models.latency.legs import LEGS
from tapewire.execution.models.latency.quantiles import STATE as QUANTILES

#: Delay of a leg that each message has to be asked for.
VARIES: Final = -1

#: In the place of the length of a window: the model hears the feed's latency instead.
HEARS_FEED: Final = -1
#: The same from the venue's sending on.
HEARS_SENDING: Final = -2

#: Most lines that a fee model tells apart.
FEE_LINES_MAX: Final = 8

MODELS: Final = np.dtype(
    [
        ("delay_ns", "i8", (len(LEGS),)),  # or VARIES
        ("delay_max_ns", "i8", (len(LEGS),)),
        ("compute", "i8"),  # address of a quantiles.STATE; 0: the latency model says it all
        ("impact_decay", "i8"),  # address; 0: a push concerns its own fill alone
        ("fee_lines", "i8"),  # lines that the fee model tells apart
        ("fill_draws", "i8"),  # whether the fill model wants random bits
        ("queue_draws", "i8"),
        ("whole_level", "i8"),  # whether either wants to know of all at an order's price
        ("queue_estimate", "i8"),  # how places are guessed, see `queue.estimate`; 0: they are not
        ("queue_power", "f8"),  # its power
        ("beyond_ticks", "i8"),  # that volume has to be worse than an order's price
        *(
            (name, "i8")
            for family in FAMILIES
            # number among those built in, or BY_ADDRESS; then at this address; its state
            for name in (family, f"{family}_call", f"{family}_state")
        ),
    ]
)

models_at = accessor(MODELS)
decay_at = accessor(DECAY, in_block=False)
compute_at = accessor(QUANTILES, in_block=False)
