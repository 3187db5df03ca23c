"""Which of the volume that trades at a resting order's own price reaches it.

A kernel is asked ``(state, leaves, volume, behind, place, orders, standing, algorithm, bits)`` once
for each of our orders that an event brought volume to, and answers how many lots reach the order:
``leaves`` is what it still wants; ``volume`` what came to its price, or past it: what traded there
and beyond and what then rested of an order that came in across, less what our orders at better
prices got of it; ``behind`` the part of it that would have met the order first by time of arrival,
less what our orders before it got.

With ``whole_level``, ``standing`` is the address of the queue at its price as the event found it:
``orders`` records of `layout.STANDING`, ours among them, the order's own at ``place``; without it
that is -1, and ``volume`` is ``behind``. ``algorithm`` is the number of the instrument's match
algorithm (`instruments.algorithm_number`), 0 where it is unknown; ``bits`` are 63 random bits, with
``draws``.

Where places are guessed, no kernel is asked: because a model says so (``estimate``), or because the
publisher of the book gives no orders. ``behind`` as guessed reaches the order then.
"""

from typing import Final

from tapewire.compiled.callbacks import switch
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.queue.allocation import ALLOCATION
from tapewire.execution.models.queue.fifo import FIFO
from tapewire.execution.models.queue.fifo_lmm import FIFO_LMM
from tapewire.execution.models.queue.log_prob import LOG_PROB_QUEUE, LOG_PROB_QUEUE_2
from tapewire.execution.models.queue.power_prob import (
    POWER_PROB_QUEUE,
    POWER_PROB_QUEUE_2,
    POWER_PROB_QUEUE_3,
)
from tapewire.execution.models.queue.pro_rata import PRO_RATA
from tapewire.execution.models.queue.risk_adverse import RISK_ADVERSE_QUEUE
from tapewire.execution.models.queue.size_weighted import SIZE_WEIGHTED
from tapewire.execution.models.queue.split import SPLIT
from tapewire.execution.models.queue.threshold_pro_rata import THRESHOLD_PRO_RATA
from tapewire.execution.models.queue.venue import VENUE

#: Built in, by their name as ``queue_position_model`` in a configuration.
QUEUE_MODELS: Final[dict[str, ModelDefinition]] = {
    definition.name: definition
    for definition in (
        FIFO,
        PRO_RATA,
        SIZE_WEIGHTED,
        ALLOCATION,
        SPLIT,
        THRESHOLD_PRO_RATA,
        FIFO_LMM,
        VENUE,
        RISK_ADVERSE_QUEUE,
        LOG_PROB_QUEUE,
        LOG_PROB_QUEUE_2,
        POWER_PROB_QUEUE,
        POWER_PROB_QUEUE_2,
        POWER_PROB_QUEUE_3,
    )
}

ask_queue = switch([(model.kernel, model.state) for model in QUEUE_MODELS.values()])
