"""Kernels of simulated orders that meet simulated orders: where strategies share a book.

All that rest in one book of theirs stand in one queue with the real orders, by price and arrival.
An order that arrives meets the others where they stand: it trades with them, at their price, or the
prevention of self-trades acts. Which, the arriving order's strategy says, as on CME Globex (https://
cmegroupclientsite.atlassian.net/wiki/spaces/EPICSANDBOX/pages/457640025, "CME Globex Self-Match
Prevention"). ``decrement`` is "decrease and cancel" (https://docs.cdp.coinbase.com/exchange, "Self-
Trade Prevention"): both lose what would have traded, the smaller is canceled.
"""

from typing import Any, Final

import numpy as np

from tapewire.compiled.jit import jit
from tapewire.compiled.memory import accessor
from tapewire.execution.claims import STEP_ROWS, claim_before, free_before, free_in_queue
from tapewire.execution.clips import hide_taken, is_iceberg, visible_lots
from tapewire.execution.groups import CANCELS
from tapewire.execution.houses import house_of
from tapewire.execution.layout import ALWAYS, NEVER, own_at, party_at, rules_at
from tapewire.execution.orders import close_own, fill, is_live
from tapewire.execution.pricing import taking_price
from tapewire.execution.resting import unrest
from tapewire.execution.words import (
    BUY,
    BY_COMPANY,
    BY_TAKING,
    CANCEL_BOTH,
    CANCEL_NEWEST,
    CANCEL_OLDEST,
    CANCELED,
    LIMIT,
    MAKER,
    MEETS_OTHERS,
    SELF_TRADE,
    TAKER,
    TERM_GROUP,
)
from tapewire.market.layout import ASK, BID, NIL, level_at, rung_at, side_at
from tapewire.market.records import UNDEF_PRICE

#: Rows and messages that a meeting may make.
_MEETING_ROWS: Final = 4
#: What meetings have done to orders other than fill them, to be told: at most so many at a time.
MET_MAX: Final = 2 * STEP_ROWS // _MEETING_ROWS
#: ``lots`` an order was cut by; 0: it was canceled.
MET: Final = np.dtype([("order", "i4"), ("lots", "i4")])
met_at = accessor(MET)


@jit
def _next_met(execution: Any, own: Any, index: int) -> int:
    """The first that an order may meet of those from one on in a queue, or NIL.

    One that a fill has just left no lots stands there until that is carried out, and meets nobody.
    """
    only_others = rules_at(execution.rules, own.leg).self_trade == MEETS_OTHERS
    while index != NIL:
        other = own_at(execution.own_orders, index)
        if other.filled < other.quantity and not (only_others and other.leg == own.leg):
            break
        index = other.next
    return index


@jit
def first_met(execution: Any, own: Any) -> int:
    """The first simulated order that an arriving one would meet, if its price reaches; or NIL."""
    if rules_at(execution.rules, own.leg).self_trade == 0:
        return NIL
    house = house_of(execution, own.leg)
    index = _next_met(execution, own, house.sells if own.side == BUY else house.buys)
    if index != NIL and own.order_type == LIMIT:
        if (own_at(execution.own_orders, index).price - own.price) * own.side > 0:
            return NIL
    return index


@jit
def best_of_others(execution: Any, own: Any) -> int:
    """Best price at which an order would trade with a simulated one, or UNDEF_PRICE."""
    index = first_met(execution, own)
    if index == NIL or rules_at(execution.rules, own.leg).self_trade != MEETS_OTHERS:
        return UNDEF_PRICE
    return own_at(execution.own_orders, index).price


@jit
def _lots_of_others(execution: Any, own: Any, wanted: int) -> int:
    """Lots of simulated orders that an order would trade with; not looked beyond ``wanted``."""
    if rules_at(execution.rules, own.leg).self_trade != MEETS_OTHERS:
        return 0
    lots = 0
    index = first_met(execution, own)
    while index != NIL and lots < wanted:
        other = own_at(execution.own_orders, index)
        if own.order_type == LIMIT and (other.price - own.price) * own.side > 0:
            break
        lots += _lots_beyond_group(execution, index)
        index = _next_met(execution, own, other.next)
    return lots


@jit
def _lots_beyond_group(execution: Any, index: int) -> int:
    """Lots of a resting order, less what it loses as those of its group before it are filled."""
    own = own_at(execution.own_orders, index)
    lots = own.quantity - own.filled
    if own.terms & TERM_GROUP == 0:
        return lots
    most = 0
    at = own.link
    while at != index:
        other = own_at(execution.own_orders, at)
        is_partner = other.parent == own.parent and other.leg == own.leg and other.side == own.side
        if is_partner and other.stamp != 0 and is_live(other):
            better = (own.price - other.price) * own.side
            if better < 0 or (better == 0 and other.stamp < own.stamp):
                most = max(most, other.quantity - other.filled)
        at = other.link
    return 0 if most > 0 and own.hanging & CANCELS else max(0, lots - most)


@jit
def lots_in_reach(market: Any, execution: Any, own: Any, wanted: int) -> int:
    """Lots that an order could take now within its price, of real orders and of others it meets.

    Where the prevention of self-trades ends or shrinks it, what is behind that is out of reach. It
    is not looked beyond ``wanted``.
    """
    mode = rules_at(execution.rules, own.leg).self_trade
    party = party_at(execution.parties, own.leg)
    side = ASK if own.side == BUY else BID
    ladder = side_at(market.sides, 2 * party.book + side)
    free = _lots_of_others(execution, own, wanted)
    lost = 0
    met = NIL
    if mode != 0 and mode != MEETS_OTHERS and mode != CANCEL_OLDEST:
        met = first_met(execution, own)
    for k in range(ladder.n - 1, -1, -1):
        rung = rung_at(market.rungs, ladder.offset + k)
        price = -rung.key if side == ASK else rung.key
        if free >= wanted or (own.order_type == LIMIT and (price - own.price) * own.side > 0):
            break
        head = level_at(market.levels, rung.level).head
        while met != NIL:
            other = own_at(execution.own_orders, met)
            worse = (other.price - price) * own.side
            if worse > 0:
                break
            ahead = free
            if worse == 0:
                ahead += free_before(market, head, party.owner, wanted - free, other.stamp)
            if ahead >= wanted or mode == CANCEL_NEWEST or mode == CANCEL_BOTH:
                return ahead
            lost += other.quantity - other.filled
            if own.quantity - own.filled - lost < wanted:
                return ahead
            met = _next_met(execution, own, other.next)
        free += free_in_queue(market, head, party.owner, wanted - free)
    return free


@jit
def take_among(market: Any, execution: Any, index: int, touched: int, ts_event: int) -> int:
    """Walk the other side, real and simulated orders, best price first, by arrival at a price.

    ``touched`` real orders were taken from before; returns how many with this one, each simulated
    one counted as `_MEETING_ROWS`.
    """
    own = own_at(execution.own_orders, index)
    party = party_at(execution.parties, own.leg)
    side = ASK if own.side == BUY else BID
    ladder = side_at(market.sides, 2 * party.book + side)
    k = ladder.n - 1
    house = house_of(execution, own.leg)
    met = _next_met(execution, own, house.sells if own.side == BUY else house.buys)
    while own.filled < own.quantity and is_live(own) and (k >= 0 or met != NIL):
        price = 0
        level = NIL
        if k >= 0:
            rung = rung_at(market.rungs, ladder.offset + k)
            price = -rung.key if side == ASK else rung.key
            level = rung.level
        stamp = NEVER
        meets = False
        if met != NIL:
            other = own_at(execution.own_orders, met)
            worse = -1 if level == NIL else (other.price - price) * own.side
            meets = worse <= 0
            if meets:
                price = other.price
                stamp = other.stamp if worse == 0 else ALWAYS
        if own.order_type == LIMIT and (price - own.price) * own.side > 0:
            break
        if level != NIL and stamp != ALWAYS:
            head = level_at(market.levels, level).head
            wanted = own.quantity - own.filled
            taken, touched = claim_before(
                market, execution, head, party.owner, wanted, touched, stamp
            )
            if execution.claim_shortage != 0:
                break
            if taken > 0:
                fill_price = taking_price(execution, own, price, taken, ts_event)
                fill(execution, index, fill_price, taken, TAKER, BY_TAKING, ts_event)
            if own.filled == own.quantity:
                break
        if not meets:
            k -= 1
            continue
        if _next_met(execution, own, met) != met:  # what was just taken left it no lots
            met = _next_met(execution, own, met)
            continue
        touched += _MEETING_ROWS
        if touched > STEP_ROWS:
            execution.claim_shortage = 1
            break
        other = own_at(execution.own_orders, met)
        following = other.next
        _meet(market, execution, index, met, False, ts_event)
        if is_iceberg(other) and is_live(other):  # its next clip comes after the others there
            if following == NIL or own_at(execution.own_orders, following).price != other.price:
                following = met
        met = _next_met(execution, own, following)
    return touched


@jit
def match_company(market: Any, execution: Any, leg: int, ts_event: int) -> bool:
    """After a halt: let simulated orders that stand across each other meet; whether all did.

    Who came first has its price; the other's strategy says what prevents a self-trade.
    """
    house = party_at(execution.parties, leg)
    buy = house.buys
    while buy != NIL:
        bid = own_at(execution.own_orders, buy)
        next_buy = bid.next
        sell = house.sells
        while sell != NIL and is_live(bid) and bid.filled < bid.quantity:
            offer = own_at(execution.own_orders, sell)
            if bid.price < offer.price:
                break
            if execution.met_n > MET_MAX - 2:
                return False
            next_sell = offer.next
            newest, oldest = sell, buy
            if bid.stamp > offer.stamp:
                newest, oldest = buy, sell
            late = own_at(execution.own_orders, newest)
            may_meet = offer.filled < offer.quantity
            if may_meet and _next_met(execution, late, oldest) == oldest:
                _meet(market, execution, newest, oldest, True, ts_event)
            sell = next_sell
        buy = next_buy
    return True


@jit
def _meet(market: Any, execution: Any, index: int, met: int, rests: bool, ts_event: int) -> None:
    """An order and one that stood there before it: they trade, or that is prevented.

    ``rests``: the first rests, too.
    """
    own = own_at(execution.own_orders, index)
    other = own_at(execution.own_orders, met)
    leaves = own.quantity - own.filled
    others = other.quantity - other.filled
    lots = min(leaves, others)
    mode = rules_at(execution.rules, own.leg).self_trade
    if mode == MEETS_OTHERS:
        price = other.price
        if not rests:  # as a halt ends icebergs give all they have
            lots = min(lots, visible_lots(other))
        if lots == others:
            unrest(execution, met)
        if lots == leaves and rests:
            unrest(execution, index)
        fill(execution, met, price, lots, MAKER, BY_COMPANY, ts_event)
        fill(execution, index, price, lots, TAKER, BY_COMPANY, ts_event)
        if lots < others and is_iceberg(other):
            hide_taken(market, execution, met, lots)
        if lots < leaves and rests and is_iceberg(own):
            hide_taken(market, execution, index, lots)
        return
    if mode == CANCEL_OLDEST or mode == CANCEL_BOTH:
        _cut(execution, met, others, True, ts_event)
    elif mode != CANCEL_NEWEST:
        _cut(execution, met, lots, True, ts_event)
    if mode == CANCEL_NEWEST or mode == CANCEL_BOTH:
        _cut(execution, index, leaves, rests, ts_event)
    elif mode != CANCEL_OLDEST:
        _cut(execution, index, lots, rests, ts_event)


@jit
def _cut(execution: Any, index: int, lots: int, rests: bool, ts_event: int) -> None:
    """Take lots of an order away; that ends it, if they are all."""
    own = own_at(execution.own_orders, index)
    ends = lots == own.quantity - own.filled
    if ends:
        if rests:
            unrest(execution, index)
        close_own(execution, own, CANCELED, SELF_TRADE, ts_event)
    else:
        own.quantity -= lots
        own.shown = min(own.shown, own.quantity - own.filled)
        own.cut_reason = SELF_TRADE
    if rests:  # of an order that arrives all is told with its arrival
        row = met_at(execution.met, execution.met_n)
        execution.met_n += 1
        row.order = index
        row.lots = 0 if ends else lots
