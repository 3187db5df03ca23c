"""The careful guess: who leaves a level stood behind our order, so that trades alone advance it."""

from typing import Final

from tapewire.execution.models.queue.estimate import RISK_ADVERSE, estimating_model

RISK_ADVERSE_QUEUE: Final = estimating_model(
    RISK_ADVERSE,
    "risk_adverse_queue_model",
    "from its level's size: who leaves stood behind",
)
