"""Whether an adapter does what `Broker` says: cases that anybody can run on one of their own.

Who runs them brings a `CommandedVenue`: a broker of theirs, or a stand-in, that does as it is told,
and makes adapters for it. A case is a function; it returns where the adapter does right, and raises
`NonConformity` where not. With pytest::

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
    def test_my_broker(case):
        with my_venue() as venue:
            run_case(case, venue)

Nothing here is of any one protocol. What is looked at is what the venue was sent, and what the
adapter said of it.
"""

import time
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from tapewire.errors import BrokerDownError, BrokerError
from tapewire.execution.codes import OrderStatus, OrderType, Side, TimeInForce
from tapewire.live import orders as said
from tapewire.live.brokers.protocol import Broker
from tapewire.market.records import UNDEF_PRICE
from tapewire.wire.codec import Message

#: How long anything may take that a case waits for (s).
PATIENCE_S: Final = 15.0
#: How long is waited for what must not come (s).
QUIET_S: Final = 0.3
_LOTS: Final = 5
_LATE_S: Final = 2.0

_E = TypeVar("_E", bound=Message)
Case = Callable[["ConformanceBench"], None]


class NonConformity(BrokerError):
    """An adapter does not do what it promises."""


class CommandedVenue(Protocol):
    """A venue that does as it is told, and tells what it was sent.

    Orders rest there until it is told otherwise. Each test has a new one.

    Attributes
    ----------
    symbol
        That it trades.
    price
        At which orders may rest, int64, 1 unit = 1e-9; `tick` apart are prices that may, too.
    """

    symbol: str
    price: int
    tick: int

    def make(self) -> Broker:
        """Return a new adapter with what an earlier one has kept on the disk."""

    def times_sent(self, client_order_id: str) -> int:
        """Return how often the order came."""

    def reject_next(self) -> None:
        """The next order is not taken."""

    def cut_at_next(self, *, is_taken: bool) -> None:
        """At the next order the line is cut: before the venue has it, or before it says so."""

    def cut(self) -> None:
        """The line is cut now."""

    def fill(self, client_order_id: str, lots: int) -> None:
        """So much of the order trades, at its price; also while there is no line."""

    def repeat_fill(self, client_order_id: str) -> None:
        """One lot trades, and is told twice."""

    def undo_fill(self, client_order_id: str) -> None:
        """The order's last fill is taken back."""

    def expire(self, client_order_id: str) -> None:
        """The order's time is over."""


class ConformanceBench:
    """An adapter, its venue, and all that it has said.

    Attributes
    ----------
    broker : Broker
        Connected.
    heard : list of BrokerEvent
        All of it, in order.
    """

    def __init__(self, venue: CommandedVenue) -> None:
        self.venue = venue
        self.broker = venue.make()
        self.heard: list[said.BrokerEvent] = []
        self._looked_at = 0
        self._numbers = iter(range(1, 1_000_000))

    def close(self) -> None:
        """Let go of the adapter."""
        self.broker.close()

    def connect(self) -> None:
        """Have a session; one that is refused for good is none."""
        end_s = time.monotonic() + PATIENCE_S
        while True:
            self.broker.connect()
            told = self.until(said.BrokerUp, said.BrokerDown)
            if not isinstance(told, said.BrokerDown):
                return
            if told.is_final or time.monotonic() > end_s:
                raise NonConformity(f"expected a session, found none: {told.reason_text}")

    def restart(self) -> None:
        """Have another adapter, as a new process would."""
        self.broker.close()
        self.broker = self.venue.make()
        self.connect()

    def until(self, *kinds: type[_E], of: str = "") -> _E:
        """Wait for the next event of one of these kinds, of an order if that is said."""
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            while self._looked_at < len(self.heard):
                event = self.heard[self._looked_at]
                self._looked_at += 1
                is_of = not of or getattr(event, "client_order_id", "") == of
                if isinstance(event, kinds) and is_of:
                    return event
            self.heard += self.broker.poll(0.05)
        names = " or ".join(kind.__name__ for kind in kinds)
        raise NonConformity(f"expected {names} within {PATIENCE_S:g} s, found {self.heard[-5:]}")

    def settle(self) -> None:
        """Hear what else comes."""
        end_s = time.monotonic() + QUIET_S
        while time.monotonic() < end_s:
            self.heard += self.broker.poll(0.05)

    def order(self, lots: int = _LOTS, *, name: str = "") -> said.NewOrder:
        """Return an order that rests."""
        name = name or f"conform-{next(self._numbers)}"
        return said.NewOrder(
            name, "conformance", self.venue.symbol, Side.BUY, OrderType.LIMIT, TimeInForce.GTC,
            self.venue.price, UNDEF_PRICE, lots, False, False, time.time_ns(),
        )  # fmt: skip

    def rest(self, lots: int = _LOTS) -> str:
        """Send an order and wait until it rests; return its name."""
        order = self.order(lots)
        self.broker.submit(order)
        self.until(said.OrderAccepted, of=order.client_order_id)
        return order.client_order_id

    def filled(self, name: str) -> int:
        """Return the lots of an order that all events come to."""
        fills = {
            event.execution_id: event.last_qty
            for event in self.heard
            if isinstance(event, said.OrderFilled) and event.client_order_id == name
        }
        undone = {one.execution_id for one in self.heard if isinstance(one, said.FillUndone)}
        return sum(lots for fill, lots in fills.items() if fill not in undone)

    def report(self, *unsettled: said.NewOrder) -> said.AccountReport:
        """Ask for the account; return what comes."""
        self.broker.request_report(0, unsettled)
        return self.until(said.AccountReport)

    def sent_once(self, name: str) -> None:
        """The venue was sent the order once."""
        expect("times that the venue was sent the order", 1, self.venue.times_sent(name))


def expect(what: str, expected: object, found: object) -> None:
    """Raise `NonConformity` where something is not as it should be."""
    if expected != found:
        raise NonConformity(f"{what}: expected {expected!r}, found {found!r}")


def run_case(case: Case, venue: CommandedVenue) -> None:
    """Run a case on a new adapter.

    Raises
    ------
    NonConformity
        If it does not do right.
    """
    bench = ConformanceBench(venue)
    try:
        case(bench)
    finally:
        bench.close()


# --- cases ----------------------------------------------------------------------------------------


def case_nothing_is_sent_without_a_session(bench: ConformanceBench) -> None:
    """A submit while down raises before anything is sent."""
    order = bench.order()
    try:
        bench.broker.submit(order)
    except BrokerDownError:
        bench.connect()
        bench.settle()
        expect("times that it was sent", 0, bench.venue.times_sent(order.client_order_id))
        return
    raise NonConformity("expected BrokerDownError of a submit without a session, found none")


def case_an_order_fills_in_parts(bench: ConformanceBench) -> None:
    """Each fill is told once with what is left; the last one ends the order."""
    bench.connect()
    name = bench.rest()
    bench.venue.fill(name, 2)
    first = bench.until(said.OrderFilled, of=name)
    expect("lots, left, price", (2, 3, bench.venue.price),
           (first.last_qty, first.leaves_qty, first.last_px))  # fmt: skip
    bench.venue.fill(name, 3)
    expect("left", 0, bench.until(said.OrderFilled, of=name).leaves_qty)
    bench.settle()
    expect("lots filled", _LOTS, bench.filled(name))
    bench.sent_once(name)


def case_a_rejected_order_is_told(bench: ConformanceBench) -> None:
    """The venue's no is `OrderRejected`, never an exception."""
    bench.connect()
    bench.venue.reject_next()
    order = bench.order()
    bench.broker.submit(order)
    bench.until(said.OrderRejected, of=order.client_order_id)


def case_an_order_is_canceled(bench: ConformanceBench) -> None:
    """A cancel ends an order; another one is refused."""
    bench.connect()
    name = bench.rest()
    bench.broker.cancel(said.CancelOrder(name, time.time_ns()))
    bench.until(said.OrderCanceled, of=name)
    bench.broker.cancel(said.CancelOrder(name, time.time_ns()))
    bench.until(said.CancelRejected, of=name)


def case_an_unknown_order_is_not_canceled(bench: ConformanceBench) -> None:
    """A cancel or replace of what is not known is refused, not raised."""
    bench.connect()
    bench.broker.cancel(said.CancelOrder("nobody-1", time.time_ns()))
    bench.until(said.CancelRejected, of="nobody-1")
    bench.broker.replace(said.ReplaceOrder("nobody-1", bench.venue.price, 1, time.time_ns()))
    bench.until(said.ReplaceRejected, of="nobody-1")


def case_an_order_is_replaced(bench: ConformanceBench) -> None:
    """Price and quantity change, the name stays, and the order can be changed and canceled on."""
    bench.connect()
    name, price = bench.rest(), bench.venue.price - bench.venue.tick
    for lots in (_LOTS + 1, _LOTS - 1):
        bench.broker.replace(said.ReplaceOrder(name, price, lots, time.time_ns()))
        told = bench.until(said.OrderReplaced, of=name)
        expect("price and quantity", (price, lots), (told.price, told.quantity))
    bench.broker.cancel(said.CancelOrder(name, time.time_ns()))
    bench.until(said.OrderCanceled, of=name)
    bench.sent_once(name)


def case_an_order_expires(bench: ConformanceBench) -> None:
    """The end of an order's time is `OrderExpired`."""
    bench.connect()
    name = bench.rest()
    bench.venue.expire(name)
    bench.until(said.OrderExpired, of=name)


def case_a_fill_told_twice_counts_once(bench: ConformanceBench) -> None:
    """The same execution under another number is the same fill."""
    bench.connect()
    name = bench.rest()
    bench.venue.repeat_fill(name)
    bench.until(said.OrderFilled, of=name)
    bench.settle()
    expect("lots filled", 1, bench.filled(name))


def case_a_fill_is_taken_back(bench: ConformanceBench) -> None:
    """A fill that the venue undoes is named as it was told."""
    bench.connect()
    name = bench.rest()
    bench.venue.fill(name, 2)
    fill = bench.until(said.OrderFilled, of=name)
    bench.venue.undo_fill(name)
    undone = bench.until(said.FillUndone, of=name)
    expect("execution", fill.execution_id, undone.execution_id)
    expect("lots filled", 0, bench.filled(name))


def case_an_order_lost_in_a_cut_is_never_sent_again(bench: ConformanceBench) -> None:
    """Of an order that the venue never had, the report says so; nobody sends it again."""
    bench.connect()
    bench.venue.cut_at_next(is_taken=False)
    order = bench.order()
    bench.broker.submit(order)
    bench.until(said.OrderUnclear, of=order.client_order_id)
    bench.until(said.BrokerDown)
    bench.connect()
    report = bench.report(order)
    expect("report is complete", True, report.is_complete)
    found = [one for one in report.orders if one.client_order_id == order.client_order_id]
    expect("its status", [(OrderStatus.REJECTED, 0)], [(o.status, o.filled_qty) for o in found])
    bench.settle()
    expect("times that the venue has it", 0, bench.venue.times_sent(order.client_order_id))


def case_an_order_taken_in_a_cut_is_found(bench: ConformanceBench) -> None:
    """Of an order that was taken as the line was cut, the next session tells."""
    bench.connect()
    bench.venue.cut_at_next(is_taken=True)
    order = bench.order()
    bench.broker.submit(order)
    bench.until(said.OrderUnclear, of=order.client_order_id)
    bench.connect()
    report = bench.report(order)
    found = [one for one in report.orders if one.client_order_id == order.client_order_id]
    expect("its status", [(OrderStatus.NEW, 0)], [(o.status, o.filled_qty) for o in found])
    bench.broker.cancel(said.CancelOrder(order.client_order_id, time.time_ns()))
    bench.until(said.OrderCanceled, of=order.client_order_id)
    bench.sent_once(order.client_order_id)


def case_fills_of_a_cut_are_not_lost(bench: ConformanceBench) -> None:
    """What fills while there is no line is told in the next session, or in a report, once."""
    bench.connect()
    name = bench.rest()
    bench.venue.cut()
    bench.until(said.BrokerDown)
    bench.venue.fill(name, 3)
    bench.connect()
    report = bench.report()
    bench.settle()
    told = {one.execution_id: one.last_qty for one in bench.heard
            if isinstance(one, said.OrderFilled)}  # fmt: skip
    told |= {one.execution_id: one.last_qty for one in report.fills}
    expect("lots filled, by events and the report", 3, sum(told.values()))


def case_the_same_name_twice_is_one_order(bench: ConformanceBench) -> None:
    """A name that was sent is not sent again."""
    bench.connect()
    name = bench.rest()
    bench.broker.submit(bench.order(name=name))
    bench.settle()
    bench.sent_once(name)


def case_another_process_finds_everything(bench: ConformanceBench) -> None:
    """A new adapter learns by a report what is open and held, and can cancel it."""
    bench.connect()
    name = bench.rest()
    bench.venue.fill(name, 2)
    bench.until(said.OrderFilled, of=name)
    bench.restart()
    report = bench.report()
    expect("report is complete", True, report.is_complete)
    found = [(o.client_order_id, o.status, o.quantity, o.filled_qty) for o in report.orders]
    expect("open orders", [(name, OrderStatus.PARTIALLY_FILLED, _LOTS, 2)], found)
    if report.has_positions:
        held = [(one.symbol, one.lots) for one in report.positions if one.lots]
        expect("positions", [(bench.venue.symbol, 2)], held)
    bench.broker.cancel(said.CancelOrder(name, time.time_ns()))
    bench.until(said.OrderCanceled, of=name)


def case_a_poll_returns_in_time(bench: ConformanceBench) -> None:
    """A poll for nothing is back when it said, and one for no time at once."""
    bench.connect()
    bench.settle()
    for wait_s in (0.0, 0.1):
        begun_s = time.monotonic()
        bench.heard += bench.broker.poll(wait_s)
        took_s = time.monotonic() - begun_s
        expect(f"a poll of {wait_s} s is back", True, took_s < wait_s + _LATE_S)


def case_what_is_no_order_is_refused(bench: ConformanceBench) -> None:
    """An order that makes no sense is an error of who sends it, and is not sent."""
    bench.connect()
    try:
        bench.broker.submit(bench.order(0, name="senseless-1"))
    except BrokerError:
        bench.settle()
        expect("times that it was sent", 0, bench.venue.times_sent("senseless-1"))
        return
    raise NonConformity("expected BrokerError of an order of no lots, found none")


CASES: Final[tuple[Case, ...]] = tuple(
    value for name, value in sorted(globals().items()) if name.startswith("case_")
)
