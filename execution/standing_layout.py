"""Records of a queue that models are told of; apart from `layout`, which asks models for theirs."""

from typing import Final

import numpy as np

from tapewire.compiled.memory import accessor

#: One order of a queue as an event found it, real or simulated.
STANDING: Final = np.dtype(
    [
        ("stamp", "i8"),
        ("lots", "i8"),
        ("left", "i8"),  # for a model's kernel to write
        ("share", "i8"),
        ("order_id", "i8"),  # 0 of a simulated one
        ("own", "i8"),  # index of the simulated order, or NIL
    ]
)
#: Orders of a queue that are told apart; what stands behind them counts as one.
STANDING_MAX: Final = 4096

standing_at = accessor(STANDING)
