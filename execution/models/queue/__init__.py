"""Which volume that trades at a resting order's own price reaches it.

A kernel is asked ``(state, lots, stamp, own_stamp)`` for each real resting order that volume at our
order's price was executed against, and answers how many of the lots would have met ours first:
``stamp`` and ``own_stamp`` tell the order of arrival in the queue, less being earlier.
"""

from typing import Final

from tapewire.compiled.callbacks import switch
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.queue.fifo import FIFO

#: Built in, by their name as ``queue_position_model`` in a configuration.
QUEUE_MODELS: Final[dict[str, ModelDefinition]] = {
    definition.name: definition for definition in (FIFO,)
}

ask_queue = switch([(model.kernel, model.state) for model in QUEUE_MODELS.values()])
