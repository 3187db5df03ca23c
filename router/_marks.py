"""What positions are valued at: a book's middle, its last trade, or where they would close."""

from typing import Any

from tapewire.compiled.jit import jit_inline
from tapewire.execution.pushes import own_mark
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.layout import account_at
from tapewire.router._layout import MARK_LAST, MARK_SIDE, instance_at, leg_at


@jit_inline
def move_mark(router: Any, watch: Any, state: Any, prices_moved: bool, local_ns: int) -> None:
    """Take over the mark of a book after an event; until a first trade or middle, the other."""
    watch.mark_moved = 0
    mark = watch.mark
    if router.mark_price == MARK_LAST:
        if state.last_trade_px != UNDEF_PRICE:
            mark = state.last_trade_px
        elif prices_moved and watch.bid != UNDEF_PRICE and watch.ask != UNDEF_PRICE:
            mark = (watch.bid + watch.ask) >> 1
        if mark != watch.mark:
            _move(watch, mark, local_ns)
        return
    if prices_moved and watch.bid != UNDEF_PRICE and watch.ask != UNDEF_PRICE:
        _move(watch, (watch.bid + watch.ask) >> 1, local_ns)
        watch.mark_bid = watch.bid
        watch.mark_ask = watch.ask
    if watch.mark == UNDEF_PRICE and state.last_trade_px != UNDEF_PRICE:
        _move(watch, state.last_trade_px, local_ns)
        watch.mark_bid = watch.mark
        watch.mark_ask = watch.mark


@jit_inline
def _move(watch: Any, mark: int, local_ns: int) -> None:
    """The mark is another one, or the same anew."""
    watch.mark = mark
    watch.mark_seen = local_ns
    watch.mark_moved = 1


@jit_inline
def mark_of(
    execution: Any, router: Any, watch: Any, leg_index: int, position: int, now_ns: int
) -> int:
    """What a leg's position is valued at, with what is left of its own push."""
    mark = watch.mark
    if router.mark_price == MARK_SIDE and position != 0:
        mark = watch.mark_bid if position > 0 else watch.mark_ask
    moves = instance_at(router.instances, leg_at(router.legs, leg_index).instance).moves_marks
    return own_mark(execution, leg_index, moves, mark, now_ns)


@jit_inline
def mark_account(execution: Any, router: Any, watch: Any, leg_index: int, now_ns: int) -> None:
    """Mark the account that a leg has at the exchange, if there is a mark."""
    if watch.mark != UNDEF_PRICE:
        account = account_at(router.accounts, leg_index)
        account.mark = mark_of(execution, router, watch, leg_index, account.position, now_ns)
