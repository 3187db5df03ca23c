"""Fees: what a fill costs beside its price.

A kernel is asked ``(state, price, lots, liquidity, multiplier_num, multiplier_den)`` and answers a
commission in 1e-9 currency, negative for a rebate: ``price`` in units of 1e-9, ``liquidity`` 0 for
a maker and 1 for a taker, and a price unit and lot are worth ``multiplier_num / multiplier_den``
money units.
"""

from typing import Final

from tapewire.compiled.callbacks import switch
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.fees.per_contract import PER_CONTRACT

#: Built in, by their ``type`` in a configuration.
FEE_MODELS: Final[dict[str, ModelDefinition]] = {
    definition.name: definition for definition in (PER_CONTRACT,)
}

ask_fee = switch([(model.kernel, model.state) for model in FEE_MODELS.values()])
