"""Fees: what a fill costs beside its price.

A kernel is asked ``(state, price, lots, liquidity, multiplier_num, multiplier_den, traded,
publisher_id, line)`` and answers a commission in 1e-9 currency, negative for a rebate: ``price`` in
units of 1e-9, ``liquidity`` 0 for a maker and 1 for a taker, a price unit and lot are worth
``multiplier_num / multiplier_den`` money units, ``traded`` are the lots that the strategy has
filled in this book before, ``line`` is -1 for all of it, else the number of one of the model's
lines.
"""

from typing import Final

from tapewire.compiled.callbacks import switch
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.fees.per_contract import PER_CONTRACT
from tapewire.execution.models.fees.per_notional import PER_NOTIONAL
from tapewire.execution.models.fees.schedule import SCHEDULE

#: Built in, by their ``type`` in a configuration.
FEE_MODELS: Final[dict[str, ModelDefinition]] = {
    definition.name: definition for definition in (PER_CONTRACT, PER_NOTIONAL, SCHEDULE)
}

ask_fee = switch([(model.kernel, model.state) for model in FEE_MODELS.values()])
