"""When word arrives: each leg's delay, as the latency model has it."""

from typing import Any, Final

from tapewire.compiled.draws import draw_for
from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.layout import own_at, party_at, tally_at
from tapewire.execution.load import load_of
from tapewire.execution.models.latency import ask_latency
from tapewire.execution.models.latency.legs import ENTRY, FEED, REPLACE, RESPONSE
from tapewire.execution.models.latency.quantiles import kernel
from tapewire.execution.models.record import VARIES, compute_at, models_at
from tapewire.market.layout import book_at, market_at

#: In the place of an order: a draw about none.
_NO_ORDER: Final = 0
#: Of draws, beside the legs and what fills draw.
_COMPUTE_PURPOSE: Final = 17
_drawn = jit_inline(kernel)


@jit_inline
def request_delay_ns(execution: Any, order: int, leg: int, sent_ns: int) -> int:
    """Delay of a request about an order, of the leg ENTRY, CANCEL or REPLACE; it is sent now."""
    own = own_at(execution.own_orders, order)
    own.sends += 1
    party = party_at(execution.parties, own.leg)
    delay_ns = models_at(execution.models, party.models).delay_ns[leg]
    if delay_ns != VARIES:
        return delay_ns
    return _ask(execution, own.leg, leg, sent_ns, own.client_order_id, own.sends)


@jit_inline
def response_delay_ns(execution: Any, order: int, leg: int, ts_event: int) -> int:
    """Delay of word about an order, of the leg RESPONSE or FILL; it sets out now."""
    own = own_at(execution.own_orders, order)
    own.tells += 1
    party = party_at(execution.parties, own.leg)
    delay_ns = models_at(execution.models, party.models).delay_ns[leg]
    if delay_ns != VARIES:
        return delay_ns
    return _ask(execution, own.leg, leg, ts_event, own.client_order_id, own.tells)


@jit_inline
def feed_delay_ns(execution: Any, known_ns: int, party: int, captured_ns: int, event: int) -> int:
    """Delay of the ``event``-th event of the party's book, ``known_ns`` if that does not vary."""
    if known_ns != VARIES:
        return known_ns
    return _ask(execution, party, FEED, captured_ns, _NO_ORDER, event)


@jit
def _ask(execution: Any, party_index: int, leg: int, sent_ns: int, order: int, counter: int) -> int:
    """Ask the model about one message: its draw depends on nothing but what is said here."""
    party = party_at(execution.parties, party_index)
    models = models_at(execution.models, party.models)
    tally = tally_at(execution.tallies, party_index)
    load = 0
    if tally.window_ns < 0:  # HEARS_FEED, HEARS_SENDING
        load = tally.feed_lag_ns
    elif tally.window_ns != 0:
        events = book_at(market_at(execution.market, 0).books, party.book).events
        load = load_of(tally, events, sent_ns)
    bits = draw_for(party.key, order, min(leg, RESPONSE), counter)  # fills count as responses
    delay_ns = ask_latency(
        models.latency, models.latency_call, models.latency_state, leg, sent_ns, bits, load
    )
    delay_ns = min(max(delay_ns, 0), models.delay_max_ns[leg])
    if models.compute != 0 and ENTRY <= leg <= REPLACE:
        bits = draw_for(party.key, order, _COMPUTE_PURPOSE, counter)
        delay_ns += _drawn(compute_at(models.compute, 0), leg, sent_ns, bits, 0)
    return delay_ns
