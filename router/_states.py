"""Trading states in the loop: which one a book is in at a time, and what an event finds of it.

A book that has states has a run of transitions, the first at ALWAYS and the last at NEVER;
``watch.transition`` is the one in force as far as its events have come.
"""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.layout import NEVER, SHUT_NOW, SHUT_SINCE
from tapewire.execution.words import GTC, GTD, MARKET_CLOSED, MARKET_HALTED, NO_CANCEL, NO_REASON
from tapewire.market.layout import NIL, book_at
from tapewire.market.status import (
    ACCEPTS_CANCEL,
    ACCEPTS_NEW,
    ACCEPTS_REPLACE,
    MATCHES,
    TradingState,
    allows,
    transition_at,
)
from tapewire.router._layout import ARRIVE_CANCEL, ARRIVE_NEW, state_count_at

_UNKNOWN: Final = int(TradingState.UNKNOWN)
_HALTED: Final = int(TradingState.HALTED)
_NO_CANCEL: Final = int(TradingState.NO_CANCEL)
_CLOSED: Final = int(TradingState.CLOSED)
_POST_CLOSE: Final = int(TradingState.POST_CLOSE)


@jit_inline
def state_at(router: Any, watch: Any, ts: int) -> int:
    """State of a book at an exchange time, not before its last event."""
    if watch.transition == NIL:
        return _UNKNOWN
    k = watch.transition
    while transition_at(router.transitions, k + 1).ts <= ts:
        k += 1
    return transition_at(router.transitions, k).state


@jit
def seen_state(router: Any, watch: Any, captured_ns: int) -> int:
    """State of a book as who has seen what was captured until then knows it."""
    k = watch.transition
    while transition_at(router.transitions, k + 1).seen_ns <= captured_ns:
        k += 1
    while transition_at(router.transitions, k).seen_ns > captured_ns:
        k -= 1
    return transition_at(router.transitions, k).state


@jit_inline
def next_transition_ns(router: Any, watch: Any) -> int:
    """When the state of a book changes next; NEVER, if it has none."""
    if watch.transition == NIL:
        return NEVER
    return transition_at(router.transitions, watch.transition + 1).ts


@jit
def next_close_ns(router: Any, watch: Any, ts: int) -> int:
    """When the venue closes a book next after a time; NEVER, if nothing says so."""
    if watch.transition == NIL:
        return NEVER
    k = watch.transition + 1
    while transition_at(router.transitions, k).ts < NEVER:
        transition = transition_at(router.transitions, k)
        if transition.ts > ts and (transition.state == _CLOSED or transition.state == _POST_CLOSE):
            return transition.ts
        k += 1
    return NEVER


@jit
def pass_transitions(market: Any, router: Any, watch: Any, book: int, exchange_ns: int) -> None:
    """Let the changes of state before an event act on its book, which has states."""
    clock = book_at(market.books, book).clock
    while transition_at(router.transitions, watch.transition + 1).ts < exchange_ns:
        watch.transition += 1
        transition = transition_at(router.transitions, watch.transition)
        if clock > 0 and transition.ts >= clock:
            state_count_at(router.state_counts, transition.state).entered += 1
        if allows(transition.state, MATCHES):
            watch.shut &= ~SHUT_NOW
        else:
            watch.shut |= SHUT_NOW | SHUT_SINCE


@jit_inline
def is_for_later(time_in_force: int) -> bool:
    """Whether an order outlives the day."""
    return time_in_force == GTC or time_in_force == GTD


@jit
def refusal(router: Any, state: int, kind: int, time_in_force: int) -> int:
    """Why a book's state does not let a message act, and counted; NO_REASON: it does."""
    needed = ACCEPTS_REPLACE
    if kind == ARRIVE_NEW:
        needed = ACCEPTS_NEW
    elif kind == ARRIVE_CANCEL:
        needed = ACCEPTS_CANCEL
    for_today = state == _POST_CLOSE and kind == ARRIVE_NEW and not is_for_later(time_in_force)
    if allows(state, needed) and not for_today:
        return NO_REASON
    state_count_at(router.state_counts, state).refused += 1
    if state == _HALTED:
        return MARKET_HALTED
    return NO_CANCEL if state == _NO_CANCEL else MARKET_CLOSED
