"""Time: what is due before an event of a book, at the exchange and in a strategy's own time."""

from typing import Any, Final

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.delays import feed_delay_ns
from tapewire.execution.layout import ALWAYS, NEVER, party_at
from tapewire.market.layout import NIL, book_at
from tapewire.router._changes import act_next, carry_out
from tapewire.router._cuts import first_cut
from tapewire.router._delivery import deliver
from tapewire.router._layout import MARK_LAST, instance_at, leg_at, watch_at
from tapewire.router._messages import set_session_timer
from tapewire.router._requests import callback
from tapewire.router._room import step_room
from tapewire.router._shared import before_shared
from tapewire.router._states import next_transition_ns, pass_transitions
from tapewire.strategies.layout import (
    HOOK_SESSION,
    HOOK_START,
    ON_DEPTH,
    ON_EVENT,
    ON_FEATURES,
    ON_QUEUE,
)

#: A quiet book decides an arrival this long after it at the latest, so that a strategy active on
#: another book hears of it. No feed seen delays an event that long against another.
QUIET_BOOK_NS: Final = 10_000_000


@jit
def before_book_event(
    market: Any, execution: Any, router: Any, book: int, exchange_ns: int, local_ns: int
) -> int:
    """Everything that happens before an event of a book, for each of its legs; a status."""
    watch = watch_at(router.watches, book)
    upcoming = book_at(market.books, book).events + 1
    at = watch.legs
    while at != NIL:
        leg = leg_at(router.legs, at)
        if leg.shared != 0:  # with all of its book, at the first of them
            first = watch.legs if router.portfolio != 0 else party_at(execution.parties, at).owner
            if first == at:
                status = _before_shared_event(
                    market, execution, router, watch, at, exchange_ns, local_ns, upcoming
                )
                if status != 0:
                    return status
            at = leg.next_of_book
            continue
        instance = instance_at(router.instances, leg.instance)
        feed_ns = feed_delay_ns(execution, instance.feed_ns, at, local_ns, upcoming)
        local = local_ns + feed_ns
        status = start(market, execution, router, at, local)
        if status != 0:
            return status
        status = before_event(market, execution, router, at, exchange_ns, local)
        if status != 0:
            return status
        at = leg.next_of_book
    if watch.transition != NIL:
        pass_transitions(market, router, watch, book, exchange_ns)
    refresh_due(router, watch)
    return 0


@jit
def let_pass(market: Any, execution: Any, router: Any) -> int:
    """Let time pass in which no record came: what is due by then is; a status.

    The router keeps the book to go on with. A book within an event waits for the rest of it.
    """
    router.stream_clock = max(router.stream_clock, router.task_ns)
    while router.task_book < market.book_n:
        book = router.task_book
        watch = watch_at(router.watches, book)
        is_within = book_at(market.books, book).open != 0
        if watch.legs != NIL and book_at(market.books, book).events != 0 and not is_within:
            status = before_book_event(
                market, execution, router, book, router.stream_clock + 1, router.stream_clock
            )
            if status != 0:
                return status
        router.task_book += 1
    return 0


@jit
def _before_shared_event(
    market: Any, execution: Any, router: Any, watch: Any, owner: int, exchange_ns: int,
    local_ns: int, upcoming: int,
) -> int:  # fmt: skip
    """Everything that happens before an event to the legs that share a book of theirs; a status."""
    at = watch.legs
    while at != NIL:
        leg = leg_at(router.legs, at)
        if router.portfolio != 0 or party_at(execution.parties, at).owner == owner:
            instance = instance_at(router.instances, leg.instance)
            feed_ns = feed_delay_ns(execution, instance.feed_ns, at, local_ns, upcoming)
            status = start(market, execution, router, at, local_ns + feed_ns)
            if status == 0 and instance.leg_n > 1:
                status = _decide_on_quiet_books(market, execution, router, at, local_ns + feed_ns)
            if status != 0:
                return status
        at = leg.next_of_book
    return before_shared(market, execution, router, watch, owner, exchange_ns)


@jit
def start(market: Any, execution: Any, router: Any, leg_index: int, now_ns: int) -> int:
    """Begin an instance's life at the first event of any of its books."""
    leg = leg_at(router.legs, leg_index)
    instance = instance_at(router.instances, leg.instance)
    if instance.started != 0:
        return 0
    room = step_room(market, execution, router)
    if room != 0:
        return room
    instance.started = 1
    instance.clock = now_ns
    if instance.hooks[HOOK_SESSION] != 0:
        set_session_timer(execution, router, leg.instance, leg_index, now_ns)
    if instance.cuts != 0:
        first_cut(execution, router, leg.instance, now_ns)
    return callback(execution, router, leg.instance, leg_index, HOOK_START, now_ns)


@jit
def before_event(
    market: Any, execution: Any, router: Any, leg_index: int, exchange_ns: int, local_ns: int
) -> int:
    """Everything of this leg that happens before an event of its book at ``exchange_ns``.

    Arrivals and the strategy's own time, in order of time; an arrival first where both are equal.
    """
    leg = leg_at(router.legs, leg_index)
    instance = instance_at(router.instances, leg.instance)
    if execution.changed != NIL:
        status = carry_out(market, execution, router, 0)
        if status != 0:
            return status
    if instance.leg_n > 1:
        status = _decide_on_quiet_books(market, execution, router, leg_index, local_ns)
        if status != 0:
            return status
    while True:
        if execution.changed != NIL:  # by what arrived last
            status = carry_out(market, execution, router, 0)
            if status != 0:
                return status
        arrives = leg.arrival_due < exchange_ns
        hears = instance.local_due < exchange_ns
        if not arrives and not hears:
            return 0
        room = step_room(market, execution, router)
        if room != 0:
            return room
        if arrives and (not hears or leg.arrival_due <= instance.local_due):
            status = act_next(market, execution, router, leg_index)
        else:
            status = deliver(execution, router, leg.instance)
        if status != 0:
            return status


@jit
def _decide_on_quiet_books(
    market: Any, execution: Any, router: Any, leg_index: int, local_ns: int
) -> int:
    """Let arrivals on the instance's other books act whose books have been quiet for long."""
    leg = leg_at(router.legs, leg_index)
    at = instance_at(router.instances, leg.instance).legs
    while at != NIL:
        other = leg_at(router.legs, at)
        open_event = book_at(market.books, other.book).open != 0
        while (
            at != leg_index
            and not open_event
            and other.arrival_due < NEVER
            and other.arrival_due + QUIET_BOOK_NS <= local_ns
        ):
            room = step_room(market, execution, router)
            if room != 0:
                return room
            if other.shared != 0:  # what comes before it of the others, too
                owner = party_at(execution.parties, at).owner
                watch = watch_at(router.watches, other.book)
                until = other.arrival_due + 1
                status = before_shared(market, execution, router, watch, owner, until)
            else:
                status = act_next(market, execution, router, at)
            router.forced_arrivals += status == 0
            if status == 0 and execution.changed != NIL:
                status = carry_out(market, execution, router, 0)
            if status != 0:
                return status
        at = other.next_of_instance
    return 0


@jit
def until_local(
    market: Any, execution: Any, router: Any, instance_index: int, local_ns: int
) -> int:
    """Hand the instance what reaches it up to and including a local time."""
    instance = instance_at(router.instances, instance_index)
    while instance.local_due <= local_ns:
        room = step_room(market, execution, router)
        if room != 0:
            return room
        status = deliver(execution, router, instance_index)
        if status != 0:
            return status
    return 0


@jit
def hear_in_order(market: Any, execution: Any, router: Any, watch: Any) -> int:
    """Hand all instances of a book what reaches them by its event, in one order of time; a status.

    At one time the one that the run names first comes first.
    """
    while True:
        chosen = NIL
        chosen_due = NEVER
        chosen_place = 0
        at = watch.legs
        while at != NIL:
            leg = leg_at(router.legs, at)
            instance = instance_at(router.instances, leg.instance)
            feed_ns = feed_delay_ns(
                execution, instance.feed_ns, at, router.event_local, router.event_number
            )
            due = instance.local_due
            if due <= router.event_local + feed_ns and (
                due < chosen_due or (due == chosen_due and leg.shared < chosen_place)
            ):
                chosen = at
                chosen_due = due
                chosen_place = leg.shared
            at = leg.next_of_book
        if chosen == NIL:
            return 0
        room = step_room(market, execution, router)
        if room != 0:
            return room
        status = deliver(execution, router, leg_at(router.legs, chosen).instance)
        if status != 0:
            return status


@jit
def refresh_due(router: Any, watch: Any) -> None:
    """Find anew when something of the book's legs is due."""
    due = NEVER
    local_due = NEVER
    at = watch.legs
    while at != NIL:
        leg = leg_at(router.legs, at)
        instance = instance_at(router.instances, leg.instance)
        due = min(due, leg.arrival_due)
        local_due = min(local_due, instance.local_due)
        at = leg.next_of_book
    watch.due = min(due, local_due, next_transition_ns(router, watch))
    watch.local_due = local_due
    if watch.traces == NIL:
        set_wake(router, watch)


@jit_inline
def set_wake(router: Any, watch: Any) -> None:
    """From when on events need a closer look even if they leave the touch where it is."""
    watch.wake = min(watch.sample_due, watch.local_due - router.feed_max_ns, watch.window_due)
    if watch.subscriptions & (ON_EVENT | ON_DEPTH | ON_QUEUE | ON_FEATURES):
        watch.wake = ALWAYS
    if watch.unclosed != 0 or watch.shut != 0 or router.mark_price == MARK_LAST:
        watch.wake = ALWAYS
    if watch.estimates != 0 and watch.resting > 0:
        watch.wake = ALWAYS
