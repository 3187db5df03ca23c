"""An account's report held against the journal: each difference named, unknown outcomes settled.

Nothing is sent and nothing changed here: what follows is a list of records, to be journaled and
told to the engine as if the venue had said it at the time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tapewire.execution.codes import OrderStatus
from tapewire.live.orders import (
    LIQUIDITY_UNKNOWN,
    AccountReport,
    CancelRejected,
    FillReport,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderReport,
    PositionReport,
    ReplaceRejected,
)
from tapewire.live.rails.ledger import AccountLedger, RailsOrder
from tapewire.live.rails.records import OutcomeKnown, PositionAdopted
from tapewire.market.records import UNDEF_PRICE
from tapewire.wire.codec import Message

_ENDED: Final = {
    OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED,
    OrderStatus.DENIED,
}  # fmt: skip
_LOST: Final = "LOST: the account's report shows nothing of it"


@dataclass(frozen=True)
class Difference:
    """Something that report and journal do not agree on.

    Attributes
    ----------
    kind
        ``unknown_settled``, ``missed_fill``, ``strange_fill``, ``strange_order``, ``changed``,
        ``ended_meanwhile``, ``alive``, ``filled_more``, ``filled_less``, ``position``,
        ``incomplete``, ``too_early``, ``under_way``, ``no_fills``.
    where
        The order, execution or instrument.
    is_settled
        Whether nothing is left open by it; trading does not begin while something is.
    """

    kind: str
    where: str
    expected: str
    found: str
    is_settled: bool

    def __str__(self) -> str:
        how = "settled" if self.is_settled else "open"
        return f"{self.kind} {self.where}: expected {self.expected}, found {self.found} ({how})"


@dataclass
class Settlement:
    """What follows of a report.

    Attributes
    ----------
    records
        To be journaled, in order.
    differences
        All of them.
    strangers
        Open orders at the venue that the journal does not know.
    """

    records: list[Message] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    strangers: list[OrderReport] = field(default_factory=list)

    @property
    def open(self) -> list[Difference]:
        """Differences that are not settled."""
        return [one for one in self.differences if not one.is_settled]

    def note(
        self, kind: str, where: str, expected: object, found: object, *, is_settled: bool
    ) -> None:
        """Name a difference."""
        self.differences.append(Difference(kind, where, str(expected), str(found), is_settled))


@dataclass(frozen=True)
class SettlingTerms:
    """What a report is worth.

    Attributes
    ----------
    asked_ns
        When it was asked for.
    absence_ns
        An order or a replace sent less than that before may still have been on its way.
    adopts_positions, cancels_strangers
        As the settings say.
    closing_px
        By symbol, what lots that are held would close at now, as far as that is known.
    """

    asked_ns: int
    absence_ns: int
    adopts_positions: bool = False
    cancels_strangers: bool = False
    closing_px: Mapping[str, int] = field(default_factory=dict)


def settle(ledger: AccountLedger, report: AccountReport, terms: SettlingTerms) -> Settlement:
    """Hold a report against what the journal comes to.

    Parameters
    ----------
    ledger
        Not changed.
    """
    found = Settlement()
    if not report.is_complete:
        why = report.reason_text or "a report in part"
        found.note("incomplete", "report", "all of the account", why, is_settled=False)
        return found
    replaced = _replaced(ledger, report, found)
    missed = _fills(ledger, report, found)
    reported = {one.client_order_id: one for one in report.orders if one.client_order_id}
    for one in report.orders:
        order = ledger.order(one.client_order_id) if one.client_order_id else None
        if order is not None and _is_denied_to_exist(order, one):
            _absent(order, missed.get(one.client_order_id, 0), report, terms, found)
        elif order is not None:
            told = replaced.get(one.client_order_id)
            _order(order, one, told, missed.get(one.client_order_id, 0), report, terms, found)
        elif OrderStatus(one.status) not in _ENDED:
            _stranger(one, terms, found)
    for order in ledger.open.values():
        if order.order.client_order_id not in reported:
            _absent(order, missed.get(order.order.client_order_id, 0), report, terms, found)
    if report.has_positions:
        _positions(ledger, report, terms, found)
    return found


def _replaced(
    ledger: AccountLedger, report: AccountReport, found: Settlement
) -> dict[str, OrderReplaced]:
    """Take replaces whose answer was missed; return them by order.

    Before all fills: by the old quantity an order may have ended with one that it goes on after.
    """
    replaced: dict[str, OrderReplaced] = {}
    for one in report.orders:
        order = ledger.order(one.client_order_id) if one.client_order_id else None
        if order is None or not order.requested or not _tells_of_replace(order, one):
            continue
        if order.status == OrderStatus.PENDING_NEW:
            name, at = one.client_order_id, (0, report.ts_recv)
            found.records.append(OrderAccepted(name, one.venue_order_id, *at))
        replaced[one.client_order_id] = _change(order, one, report.ts_recv, found)
    return replaced


def _tells_of_replace(order: RailsOrder, one: OrderReport) -> bool:
    """Whether an order has other terms than before, as far as a report of it has any."""
    if (one.price, one.quantity) == (order.price, order.quantity):
        return False
    if one.status in (OrderStatus.REJECTED, OrderStatus.DENIED) or one.filled_qty < order.filled:
        return False
    if one.price == UNDEF_PRICE != order.price:
        return False
    # Of one that was canceled a venue may say what has filled, and no more.
    is_ended = one.status in _ENDED and one.status != OrderStatus.FILLED
    return not (is_ended and one.quantity <= one.filled_qty)


def _change(order: RailsOrder, one: OrderReport, ts_recv: int, found: Settlement) -> OrderReplaced:
    """Take the terms of a report."""
    was, now = f"{order.quantity} at {order.price}", f"{one.quantity} at {one.price}"
    found.note("changed", one.client_order_id, was, now, is_settled=True)
    record = OrderReplaced(one.client_order_id, one.price, max(1, one.quantity), 0, ts_recv)
    found.records.append(record)
    return record


def _fills(ledger: AccountLedger, report: AccountReport, found: Settlement) -> dict[str, int]:
    """Take fills that were missed; return their lots by order."""
    missed: dict[str, int] = {}
    seen: set[tuple[str, str]] = set()
    for one in sorted(report.fills, key=lambda fill: fill.ts_event):
        order = ledger.order(one.client_order_id) if one.client_order_id else None
        key = (one.client_order_id, one.execution_id)
        if order is None:
            if one.ts_event > ledger.horizon_ns:
                lots = f"{one.side * one.last_qty:+d} lots of {one.symbol} by nobody known"
                where = one.execution_id
                # Whether it matters shows in the positions, where the venue tells of them.
                found.note("strange_fill", where, "none", lots, is_settled=report.has_positions)
        elif one.execution_id not in order.executions and key not in seen:
            seen.add(key)
            lots_before = order.filled + missed.get(one.client_order_id, 0)
            missed[one.client_order_id] = missed.get(one.client_order_id, 0) + one.last_qty
            found.records.append(_fill(order, one, lots_before, report.ts_recv))
            found.note(
                "missed_fill", one.execution_id, "none",
                f"{one.last_qty} lots of {one.client_order_id} at {one.last_px}", is_settled=True,
            )  # fmt: skip
    return missed


def _fill(order: RailsOrder, one: FillReport, filled: int, ts_recv: int) -> OrderFilled:
    return OrderFilled(
        one.client_order_id, one.execution_id, one.last_px, one.last_qty,
        max(0, order.quantity - filled - one.last_qty), LIQUIDITY_UNKNOWN, None, one.ts_event,
        ts_recv,
    )  # fmt: skip


def _is_denied_to_exist(order: RailsOrder, one: OrderReport) -> bool:
    """Whether the venue, asked for an order by name, says that it has none."""
    is_new = order.status == OrderStatus.PENDING_NEW and order.is_unknown
    return is_new and one.status == OrderStatus.REJECTED and one.filled_qty == 0


def _order(
    order: RailsOrder, one: OrderReport, replaced: OrderReplaced | None, missed: int,
    report: AccountReport, terms: SettlingTerms, found: Settlement,
) -> None:  # fmt: skip
    """An order that both know."""
    name, at = one.client_order_id, (0, report.ts_recv)
    before = len(found.records)
    status = OrderStatus(one.status)
    filled = order.filled + missed
    if one.filled_qty > filled:
        found.note("filled_more", name, filled, one.filled_qty, is_settled=False)
        return  # it stays as it is: the fills may be told yet
    if one.filled_qty < filled:
        found.note("filled_less", name, filled, one.filled_qty, is_settled=False)
        return
    if status not in _ENDED:
        if not order.is_open and not order.is_absent:
            found.note("alive", name, order.status.name, status.name, is_settled=False)
            return
        if (order.status == OrderStatus.PENDING_NEW and not replaced) or order.is_absent:
            found.records.append(OrderAccepted(name, one.venue_order_id, *at))
        if order.is_absent:
            found.note("alive", name, "gone", status.name, is_settled=True)
        if (one.price, one.quantity) != (order.price, order.quantity) and not replaced:
            replaced = _change(order, one, report.ts_recv, found)
    elif order.is_open and (one.quantity - filled if replaced else order.open_lots - missed) > 0:
        how = f"{status.name} with {one.filled_qty} lots filled"
        found.note("ended_meanwhile", name, order.status.name, how, is_settled=True)
        found.records.append(_end(name, status, at))
    if order.is_unknown:
        if one.is_pending:
            found.note("under_way", name, "an answer", "none of the venue yet", is_settled=False)
            return
        is_early = (
            order.requested > 0
            and not (replaced or status in _ENDED)
            and terms.asked_ns < order.requested_ns + terms.absence_ns
        )
        told = found.records[before:]
        found.records += _lost(order, told, terms, at, is_replaced=bool(replaced or is_early))
        if is_early:  # the replace may be on its way: what it asks for counts until that is over
            found.note("too_early", name, "an answer", "none to a replace yet", is_settled=False)
            return
        found.records.append(OutcomeKnown(name, is_absent=False))
        found.note("unknown_settled", name, "an answer", status.name, is_settled=True)


def _lost(
    order: RailsOrder, told: list[Message], terms: SettlingTerms, at: tuple[int, int], *,
    is_replaced: bool = False,
) -> Iterator[Message]:  # fmt: skip
    """Answer requests of unknown outcome that a report shows nothing of: who asked waits for it.

    Parameters
    ----------
    told
        What the report says of the order, which answers one cancel.
    terms
        A cancel sent since the report was asked for is still answered by the venue.
    is_replaced
        Whether a replace was answered, or still may be.
    """
    name = order.order.client_order_id
    cancels = sum(sent_ns < terms.asked_ns for sent_ns in order.cancels_ns)
    cancels -= any(isinstance(one, OrderCanceled | OrderExpired) for one in told)
    for _ in range(cancels):
        yield CancelRejected(name, _LOST, *at)
    if order.requested and not is_replaced:
        yield ReplaceRejected(name, _LOST, *at)


def _end(name: str, status: OrderStatus, at: tuple[int, int]) -> Message:
    if status == OrderStatus.EXPIRED:
        return OrderExpired(name, *at)
    if status in (OrderStatus.REJECTED, OrderStatus.DENIED):
        return OrderRejected(name, "so says the account's report", *at)
    return OrderCanceled(name, "so says the account's report", *at)


def _stranger(one: OrderReport, terms: SettlingTerms, found: Settlement) -> None:
    """An open order at the venue that is in no journal."""
    found.strangers.append(one)
    name = one.client_order_id or one.venue_order_id
    lots = f"{one.side * (one.quantity - one.filled_qty):+d} lots of {one.symbol} at {one.price}"
    can = terms.cancels_strangers and bool(one.client_order_id)
    # Canceled, it has to be gone by the next report.
    found.note("strange_order", name, "none", lots, is_settled=not can)


def _absent(
    order: RailsOrder, missed: int, report: AccountReport, terms: SettlingTerms, found: Settlement
) -> None:
    """An order of ours that the report does not have."""
    name, at = order.order.client_order_id, (0, report.ts_recv)
    if order.open_lots - missed <= 0:  # its fills have ended it
        found.records += _lost(order, [], terms, at) if order.is_unknown else ()
        return
    is_new = order.status == OrderStatus.PENDING_NEW
    if is_new and terms.asked_ns < order.sent_ns + terms.absence_ns:
        age_s = (terms.asked_ns - order.sent_ns) / 1e9
        found.note(
            "too_early", name, "to be there", f"nothing, {age_s:.3f} s after it was sent",
            is_settled=False,
        )  # fmt: skip
        return
    if not (is_new or report.has_fills or report.has_positions):
        found.note("no_fills", name, "to be told of its fills", "nothing", is_settled=False)
        return
    if is_new and order.filled + missed == 0:
        found.records.append(OutcomeKnown(name, is_absent=True))
    end = OrderCanceled(name, "the account's report does not have it", *at)
    found.records.append(end)
    found.records += _lost(order, [end], terms, at) if order.is_unknown else ()
    kind = "unknown_settled" if order.is_unknown else "ended_meanwhile"
    found.note(kind, name, order.status.name, "none of it at the venue", is_settled=True)


def _positions(
    ledger: AccountLedger, report: AccountReport, terms: SettlingTerms, found: Settlement
) -> None:
    """Positions, with the fills that were missed counted.

    Nothing is adopted of an instrument while an order of it is in doubt: a fill that is still to be
    told would count twice.
    """
    doubtful = {
        order.order.symbol for one in found.open if (order := ledger.order(one.where)) is not None
    }
    held = {symbol: one.lots for symbol, one in ledger.positions.items()}
    for record in found.records:
        if isinstance(record, OrderFilled):
            order = ledger.order(record.client_order_id)
            assert order is not None
            symbol = order.order.symbol
            held[symbol] = held.get(symbol, 0) + order.order.side * record.last_qty
    venue = {one.symbol: one for one in report.positions}
    for symbol in sorted({*held, *venue}):
        expected = held.get(symbol, 0)
        lots = venue[symbol].lots if symbol in venue else 0
        if lots == expected:
            continue
        adopted = list(_adopted(symbol, expected, lots, venue.get(symbol), terms))
        adopts = terms.adopts_positions and symbol not in doubtful
        adopts = adopts and sum(one.lots for one in adopted) == lots - expected
        found.note("position", symbol, f"{expected:+d}", f"{lots:+d}", is_settled=adopts)
        if adopts:
            found.records += adopted


def _adopted(
    symbol: str, held: int, lots: int, told: PositionReport | None, terms: SettlingTerms
) -> Iterator[PositionAdopted]:
    """What leads from lots that are held to the venue's, as far as there are prices of it.

    No venue says what somebody else closed lots at: it is what they would close at now.
    """
    left = min(held, lots, key=abs) if held * lots > 0 else 0
    closing_px = terms.closing_px.get(symbol)
    if left != held and closing_px is not None:
        yield PositionAdopted(symbol, left - held, closing_px)
    if lots != left and told is not None and told.average_px is not None:
        yield PositionAdopted(symbol, lots - left, told.average_px)


def words_of(differences: list[Difference], count_max: int = 3) -> Iterator[str]:
    """Yield the first of them in words, and how many there are beside."""
    yield from (str(one) for one in differences[:count_max])
    if len(differences) > count_max:
        yield f"and {len(differences) - count_max} more"
