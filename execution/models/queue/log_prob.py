"""Guesses by the logarithm of what is ahead and behind: the more orders, the more of them leave."""

from typing import Final

from tapewire.execution.models.queue.estimate import LOG, LOG_2, estimating_model

LOG_PROB_QUEUE: Final = estimating_model(
    LOG,
    "log_prob_queue_model",
    "from its level's size: log(1 + back) of that and log(1 + front) leave behind",
)
LOG_PROB_QUEUE_2: Final = estimating_model(
    LOG_2,
    "log_prob_queue_model2",
    "from its level's size: log(1 + back) of log(1 + all) leave behind",
)
