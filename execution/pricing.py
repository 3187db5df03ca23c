"""What a fill costs: impact on its price, and fees, as the models have them."""

from typing import Any, Final

from tapewire.compiled.jit import jit
from tapewire.execution.layout import party_at, tally_at
from tapewire.execution.models.fees import ask_fee
from tapewire.execution.models.impact import ask_impact
from tapewire.execution.models.record import models_at
from tapewire.execution.pushes import begin_sweep, push
from tapewire.execution.words import LIMIT
from tapewire.execution.worths import follow_worth

#: In the place of a line of the bill.
_ALL_LINES: Final = -1


@jit
def taking_price(execution: Any, own: Any, price: int, lots: int, ts_event: int) -> int:
    """What an order pays or gets for lots that it takes at ``price``: never worse than its limit.

    Impact makes it worse; what the party pushed before may make it better, too. By how much is left
    for `fill` to report, which follows.
    """
    party = party_at(execution.parties, own.leg)
    tally = tally_at(execution.tallies, own.leg)
    if tally.worths != 0:
        follow_worth(party, tally, ts_event)
    models = models_at(execution.models, party.models)
    decay = models.impact_decay
    asked = lots
    base = 0
    if decay != 0:
        asked = begin_sweep(execution, own.leg, own.side, lots, ts_event)
        base = tally.sweep_base
    shift = ask_impact(
        models.impact, models.impact_call, models.impact_state,
        price, asked, party.multiplier_num, party.multiplier_den,
    )  # fmt: skip
    shift = max(shift, 0)
    if decay != 0:
        push(execution, own.leg, decay, shift, ts_event)
    paid = price + base + shift * own.side
    if own.order_type == LIMIT and (paid - own.price) * own.side > 0:
        paid = own.price
    execution.impact = (paid - price) * own.side
    return paid


@jit
def commission(
    execution: Any, party_index: int, price: int, lots: int, liquidity: int, ts_event: int
) -> int:
    """Fee of a fill in 1e-9 currency; the party has traded that many lots more."""
    party = party_at(execution.parties, party_index)
    tally = tally_at(execution.tallies, party_index)
    if tally.worths != 0:
        follow_worth(party, tally, ts_event)
    models = models_at(execution.models, party.models)
    traded = tally.traded
    tally.traded = traded + lots
    return ask_fee(
        models.fees, models.fees_call, models.fees_state,
        price, lots, liquidity, party.multiplier_num, party.multiplier_den, traded,
        party.publisher_id, _ALL_LINES,
    )  # fmt: skip
