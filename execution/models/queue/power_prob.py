"""Guesses by a power of what is ahead and behind: the higher, the more leave where more is."""

from typing import Final

from tapewire.execution.models.queue.estimate import POWER, POWER_2, POWER_3, estimating_model

POWER_PROB_QUEUE: Final = estimating_model(
    POWER,
    "power_prob_queue_model",
    "from its level's size: back^n of back^n and front^n leave behind",
    power=True,
)
POWER_PROB_QUEUE_2: Final = estimating_model(
    POWER_2,
    "power_prob_queue_model2",
    "from its level's size: (back / all)^n leave behind",
    power=True,
)
POWER_PROB_QUEUE_3: Final = estimating_model(
    POWER_3,
    "power_prob_queue_model3",
    "from its level's size: 1 - (front / all)^n leave behind",
    power=True,
)
