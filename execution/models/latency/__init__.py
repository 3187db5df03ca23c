"""How long word takes: market data to the strategy, requests to the exchange, responses back.

A kernel is asked ``(state, leg, sent_ns, bits, load)`` and answers a delay in ns: ``leg`` is one of
the constants in ``legs``, ``sent_ns`` when the word set out, in ns since the epoch, ``bits`` are 63
random bits for this message alone, ``load`` how many events the book had lately, in the window that
the model states, 0 if it states none; of a model that ``hears_feed``, how late that book's last
event was captured, in ns. A delay below 0 counts as 0, one above the model's bound as
the bound. Messages of one strategy about one book never overtake each other, as on one TCP
connection.
"""

from typing import Final

from tapewire.compiled.callbacks import switch
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.latency.burst import BURST
from tapewire.execution.models.latency.compute import with_compute
from tapewire.execution.models.latency.fixed import FIXED
from tapewire.execution.models.latency.from_data import FROM_DATA
from tapewire.execution.models.latency.gamma import GAMMA
from tapewire.execution.models.latency.lognormal import LOGNORMAL
from tapewire.execution.models.latency.normal import NORMAL
from tapewire.execution.models.latency.pareto import PARETO
from tapewire.execution.models.latency.recorded import RECORDED
from tapewire.execution.models.latency.uniform import UNIFORM

#: Built in, by their ``type`` in a configuration.
LATENCY_MODELS: Final[dict[str, ModelDefinition]] = {
    definition.name: with_compute(definition)
    for definition in (FIXED, UNIFORM, NORMAL, LOGNORMAL, GAMMA, PARETO, RECORDED, BURST, FROM_DATA)
}

ask_latency = switch([(model.kernel, model.state) for model in LATENCY_MODELS.values()])
