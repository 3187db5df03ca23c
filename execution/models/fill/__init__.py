"""Whether a resting order gets what its place in the queue offers it.

A kernel is asked ``(state, leaves, traded, beyond, incoming, bits)``, all in lots but for the 63
random bits, and answers how many lots fill: ``leaves`` is what the order still wants, ``traded``
volume of the event that would have met it first, ``beyond`` the part of that at prices worse than
the order's, ``incoming`` what of an order that came in across it would then have rested.
"""

from typing import Final

from tapewire.compiled.callbacks import switch
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.fill.mbo_queue import MBO_QUEUE

#: Built in, by their ``type`` in a configuration.
FILL_MODELS: Final[dict[str, ModelDefinition]] = {
    definition.name: definition for definition in (MBO_QUEUE,)
}

ask_fill = switch([(model.kernel, model.state) for model in FILL_MODELS.values()])
