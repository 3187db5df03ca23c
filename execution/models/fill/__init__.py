"""Whether a resting order gets what its place in the queue offers it.

A kernel is asked ``(state, leaves, traded, beyond, whole, incoming, past, bits)``, all in lots but
for the 63 random bits, and answers how many lots reach the order; of more than it wants or there
are, it gets so many. ``leaves`` is what the order still wants, ``traded`` volume of the event that
would have met it first, as the queue model has it, ``beyond`` the part of that at prices worse than
the order's, ``incoming`` what of an order that came in across it would then have rested, ``past``
the part of that whose limit is worse than the order's price, ``whole`` all that traded at its price
or came past it, whoever stood ahead: with ``whole_level`` alone, else ``traded`` + ``incoming``.
What our own orders before it got is in none of them. ``beyond`` and ``past`` begin as many ticks
from the order's price as the model's ``ticks`` say.
"""

from typing import Final

from tapewire.compiled.callbacks import switch
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.fill.mbo_queue import MBO_QUEUE
from tapewire.execution.models.fill.optimistic import OPTIMISTIC
from tapewire.execution.models.fill.pessimistic import PESSIMISTIC
from tapewire.execution.models.fill.probabilistic import PROBABILISTIC
from tapewire.execution.models.fill.trade_through import TRADE_THROUGH

#: Built in, by their ``type`` in a configuration.
FILL_MODELS: Final[dict[str, ModelDefinition]] = {
    definition.name: definition
    for definition in (MBO_QUEUE, PROBABILISTIC, TRADE_THROUGH, PESSIMISTIC, OPTIMISTIC)
}

ask_fill = switch([(model.kernel, model.state) for model in FILL_MODELS.values()])
