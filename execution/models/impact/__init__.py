"""Market impact: how much worse than the book a taking fill is priced.

A kernel is asked ``(state, price, lots, multiplier_num, multiplier_den)`` and answers a shift of
0 or more, all prices in units of 1e-9: ``lots`` are taken at ``price``, and a price unit and lot
are worth ``multiplier_num / multiplier_den`` money units.

What becomes of that shift is said in ``decay``: a model that has one is asked for all lots that an
order takes in one moment, and the simulation remembers what they pushed (`execution/pushes.py`).
"""

from typing import Final

from tapewire.compiled.callbacks import switch
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.impact.linear import LINEAR
from tapewire.execution.models.impact.none import NONE
from tapewire.execution.models.impact.square_root import SQUARE_ROOT

#: Built in, by their ``type`` in a configuration.
IMPACT_MODELS: Final[dict[str, ModelDefinition]] = {
    definition.name: definition for definition in (NONE, LINEAR, SQUARE_ROOT)
}

ask_impact = switch([(model.kernel, model.state) for model in IMPACT_MODELS.values()])
