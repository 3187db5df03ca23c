"""What a fill costs: impact on its price, and fees, as the models have them."""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.layout import party_at, tally_at
from tapewire.execution.models.fees import ask_fee
from tapewire.execution.models.impact import ask_impact
from tapewire.execution.models.record import models_at


@jit
def impact_price_units(execution: Any, party: Any, price: int, lots: int) -> int:
    """How much worse than ``price`` taking ``lots`` is, in price units, 0 or more."""
    models = models_at(execution.models, party.models)
    shift = ask_impact(
        models.impact, models.impact_call, models.impact_state,
        price, lots, party.multiplier_num, party.multiplier_den,
    )  # fmt: skip
    return max(shift, 0)


@jit
def commission(execution: Any, party_index: int, price: int, lots: int, liquidity: int) -> int:
    """Fee of a fill in 1e-9 currency; the party has traded that many lots more."""
    party = party_at(execution.parties, party_index)
    tally = tally_at(execution.tallies, party_index)
    traded = tally.traded
    tally.traded += lots
    models = models_at(execution.models, party.models)
    return ask_fee(
        models.fees, models.fees_call, models.fees_state,
        price, lots, liquidity, party.multiplier_num, party.multiplier_den, traded,
        party.publisher_id,
    )  # fmt: skip
