"""How long word takes: market data to the strategy, requests to the exchange, responses back.

A kernel is asked ``(state, leg, sent_ns, bits)`` and answers a delay in ns: ``leg`` is one of the
constants below, ``sent_ns`` when the word set out, in ns since the epoch, ``bits`` are 63 random
bits for this message alone. A delay below 0 counts as 0, one above the model's bound as the bound.
Messages of one strategy about one book never overtake each other, as on one TCP connection.
"""

from typing import Final

from tapewire.compiled.callbacks import switch
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.latency.fixed import FIXED
from tapewire.execution.models.latency.uniform import UNIFORM

#: Built in, by their ``type`` in a configuration.
LATENCY_MODELS: Final[dict[str, ModelDefinition]] = {
    definition.name: definition for definition in (FIXED, UNIFORM)
}

ask_latency = switch([(model.kernel, model.state) for model in LATENCY_MODELS.values()])
