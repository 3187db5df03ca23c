"""An account as the venue has it, asked for over FIX 4.4: orders, fills, positions.

Source: FIX 4.4, volume 4, "Order Status Request", "Order Mass Status Request"; volume 5, "Trade
Capture Report Request", "Trade Capture Report", "Request For Positions", "Position Report".
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from tapewire.compiled.units import NS_PER_S
from tapewire.execution.codes import OrderStatus, Side
from tapewire.live import orders as said
from tapewire.live.brokers.fix import fields as fld
from tapewire.live.brokers.fix.commands import SIDES, Body, instrument
from tapewire.live.brokers.fix.executions import (
    Executions,
    SenselessError,
    execution_name,
    is_unknown_order,
    ts_event,
)
from tapewire.live.brokers.fix.frames import FixReceived
from tapewire.live.brokers.fix.known import FixOrder, FixOrders, Request
from tapewire.live.brokers.fix.settings import FixSettings
from tapewire.live.brokers.fix.values import lots_of, number_of, price_of, time_text
from tapewire.market.records import UNDEF_PRICE

#: What orders a venue is asked for by name, at once.
NAMED_MAX: Final = 1_000
_ALL_ORDERS: Final = "7"
_ALL_TRADES: Final = "0"
_POSITIONS: Final = "0"
_CUSTOMER: Final = "1"
_NO_POSITIONS: Final = "2"
_DONE: Final = "1"
_CANCELED_TRADE: Final = "1"
_TRADE_TRANS_TYPE: Final = 487
_SIDE_OF: Final = {code: side for side, code in SIDES.items()}
_ENDED: Final = {
    "2": OrderStatus.FILLED, "4": OrderStatus.CANCELED, "8": OrderStatus.REJECTED,
    "C": OrderStatus.EXPIRED,
}  # fmt: skip
#: OrdStatus of orders that are open: which of our words, their fills tell.
_OPEN: Final = frozenset("013679BE")
#: Those of which something is under way, and what.
_PENDING: Final[dict[str, Request]] = {"6": "cancel", "E": "replace"}


class Inquiry:
    """The questions of one report, and what has come of them.

    Parameters
    ----------
    number
        That no other one has.
    since_ns
        Fills before are left out, ns since the epoch.
    named
        Orders that are asked for by name, besides all that are open.
    begun_s
        When it began.
    """

    def __init__(
        self, settings: FixSettings, orders: FixOrders, executions: Executions, *, number: int,
        since_ns: int, named: Sequence[FixOrder], begun_s: float,
    ) -> None:  # fmt: skip
        self._settings, self._orders, self._executions = settings, orders, executions
        self._id = f"report-{number:x}"
        self._since_ns = since_ns
        self._named = {f"{self._id}.{at}": order for at, order in enumerate(named[:NAMED_MAX])}
        #: Requests that were sent before the questions: what a report shows is what came of them.
        self._sent_before = {one.client_order_id: {**one.pending} for one in orders.unanswered()}
        self.begun_s = begun_s
        self._wanted: set[str] = {*self._named, "orders"}
        self._wanted |= {"fills"} if settings.has_fills else set()
        self._wanted |= {"positions"} if settings.has_positions else set()
        self._found_orders: dict[str, said.OrderReport] = {}
        self._fills: dict[str, said.FillReport] = {}
        self._positions: dict[str, said.PositionReport] = {}
        self._came: dict[str, int] = {}
        self._total: dict[str, int] = {}
        self._problem = "" if len(named) <= NAMED_MAX else f"more than {NAMED_MAX:,} orders named"

    @property
    def is_done(self) -> bool:
        """Whether nothing more is waited for."""
        return not self._wanted or bool(self._problem)

    def questions(self, ts_ns: int) -> list[tuple[str, Body, str]]:
        """Return the messages to be sent: MsgType, fields, and the part that each asks for."""
        today = dt.datetime.fromtimestamp(ts_ns // NS_PER_S, dt.UTC).strftime("%Y%m%d")
        asked: list[tuple[str, Body, str]] = [
            (
                fld.ORDER_MASS_STATUS_REQUEST,
                [(fld.MASS_STATUS_REQ_ID, self._id), (fld.MASS_STATUS_REQ_TYPE, _ALL_ORDERS)],
                "orders",
            )
        ]
        for status_id, order in self._named.items():
            body: Body = [(fld.ORDER_ID, order.venue_order_id)] if order.venue_order_id else []
            body += [
                (fld.CL_ORD_ID, order.request_id or order.client_order_id),
                (fld.ORD_STATUS_REQ_ID, status_id),
                *instrument(order.symbol, self._settings),
                (fld.SIDE, SIDES[Side(order.side)]),
            ]
            asked.append((fld.ORDER_STATUS_REQUEST, body, status_id))
        if self._settings.has_fills:
            body = [(fld.TRADE_REQUEST_ID, self._id), (fld.TRADE_REQUEST_TYPE, _ALL_TRADES)]
            asked.append((fld.TRADE_CAPTURE_REPORT_REQUEST, body, "fills"))
        if self._settings.has_positions:
            body = [
                (fld.POS_REQ_ID, self._id),
                (fld.POS_REQ_TYPE, _POSITIONS),
                (fld.ACCOUNT, self._settings.account),
                (fld.ACCOUNT_TYPE, _CUSTOMER),
                (fld.CLEARING_BUSINESS_DATE, today),
                (fld.TRANSACT_TIME, time_text(ts_ns)),
            ]
            asked.append((fld.REQUEST_FOR_POSITIONS, body, "positions"))
        return asked

    def take(self, message: FixReceived) -> bool:
        """Take a message, if it answers one of the questions; return whether it does."""
        part = self._part_of(message)
        if not part:
            return False
        try:
            self._take(part, message)
        except (SenselessError, ValueError) as error:
            self.fail(f"{part}: {error}")
        if len(self._found_orders) + len(self._fills) + len(self._positions) > said.REPORTED_MAX:
            self.fail(f"more than {said.REPORTED_MAX:,} entries")
        return True

    def fail(self, text: str) -> None:
        """Give up: what is there is not all."""
        self._problem = self._problem or text[: said.REASON_CHARS_MAX]

    def report(self, ts_recv: int) -> said.AccountReport:
        """Return what has come."""
        return said.AccountReport(
            tuple(self._found_orders.values())[: said.REPORTED_MAX],
            tuple(self._fills.values())[: said.REPORTED_MAX],
            tuple(self._positions.values())[: said.REPORTED_MAX],
            self._settings.has_fills, self._settings.has_positions,
            not self._wanted and not self._problem, self._problem, 0, ts_recv,
        )  # fmt: skip

    # --- what comes -------------------------------------------------------------------------------

    def _part_of(self, message: FixReceived) -> str:
        if message.kind == fld.EXECUTION_REPORT:
            status_id = message.get(fld.ORD_STATUS_REQ_ID)
            if status_id in self._named:
                return status_id
            return "orders" if message.get(fld.MASS_STATUS_REQ_ID) == self._id else ""
        for field, kinds, part in _ANSWERS:
            if message.kind in kinds and message.get(field) == self._id:
                return part
        return ""

    def _take(self, part: str, message: FixReceived) -> None:
        if part in self._named:
            self._take_named(part, message)
        elif part == "orders":
            if not is_unknown_order(message):
                self._take_order(message)
            self._count(part, message, fld.TOT_NUM_REPORTS, is_one=not is_unknown_order(message))
        elif message.kind == fld.TRADE_CAPTURE_REPORT:
            self._take_trade(message)
            self._count(part, message, fld.TOT_NUM_TRADE_REPORTS)
        elif message.kind == fld.TRADE_CAPTURE_REPORT_REQUEST_ACK:
            if message.get(fld.TRADE_REQUEST_RESULT) != "0":
                raise SenselessError(f"refused: {message.get(fld.TEXT) or 'no reason given'}")
            is_over = message.get(fld.TRADE_REQUEST_STATUS) == _DONE
            self._count(part, message, fld.TOT_NUM_TRADE_REPORTS, is_one=False, is_over=is_over)
        elif message.kind == fld.POSITION_REPORT:
            self._take_position(message)
            self._count(part, message, fld.TOTAL_NUM_POS_REPORTS)
        else:
            self._take_positions_ack(message)

    def _take_positions_ack(self, message: FixReceived) -> None:
        result = message.get(fld.POS_REQ_RESULT)
        if result not in ("0", _NO_POSITIONS):
            raise SenselessError(f"refused: {message.get(fld.TEXT) or f'result {result}'}")
        is_over = result == _NO_POSITIONS
        self._count("positions", message, fld.TOTAL_NUM_POS_REPORTS, is_one=False, is_over=is_over)

    def _count(
        self, part: str, message: FixReceived, total: int, *, is_one: bool = True,
        is_over: bool = False,
    ) -> None:  # fmt: skip
        """Count an answer: the venue says how many there are, or which is the last."""
        self._came[part] = self._came.get(part, 0) + is_one
        if (count := number_of(message.get(total))) is not None:
            self._total[part] = count
        is_last = is_over or message.get(fld.LAST_RPT_REQUESTED) == fld.YES
        if self._came[part] == self._total.get(part, -1):
            is_last = True
        elif is_last and self._came[part] < self._total.get(part, 0):
            raise SenselessError(f"expected {self._total[part]} reports, found {self._came[part]}")
        if is_last:
            self._wanted.discard(part)

    def _take_named(self, part: str, message: FixReceived) -> None:
        order = self._named[part]
        if is_unknown_order(message):
            self._found_orders[order.client_order_id] = said.OrderReport(
                order.client_order_id, "", order.symbol, order.side, order.price,
                order.quantity, 0, OrderStatus.REJECTED,
            )  # fmt: skip
            if (known := self._orders.get(order.client_order_id)) is not None:
                self._orders.end(known)
        else:
            self._take_order(message)
        self._wanted.discard(part)

    def _take_order(self, message: FixReceived) -> None:
        """Take an order's state; what is not known of it here is learned."""
        client_id = self._executions.client_id(message)
        side = _SIDE_OF.get(message.get(fld.SIDE))
        if side is None:
            raise SenselessError(f"expected a Side of BUY or SELL, found {message.get(fld.SIDE)!r}")
        filled = lots_of(message.get(fld.CUM_QTY) or "?")
        leaves = lots_of(message.get(fld.LEAVES_QTY) or "?")
        quantity = lots_of(message.get(fld.ORDER_QTY) or "0") or filled + leaves
        price = message.get(fld.PRICE)
        name = message.get(fld.ORDER_ID)[:200]
        status = self._status(message, filled)
        known = self._orders.get(client_id) if client_id else None
        if client_id and known is None:
            known = self._executions.learn(client_id, message)
        if known is not None:
            quantity = quantity or known.quantity
            self._settle(known, status, name, message)
        self._found_orders[client_id or f"venue:{name}"] = said.OrderReport(
            client_id, name, self._executions.symbol_of(message.get(fld.SYMBOL)), int(side),
            price_of(price) if price else UNDEF_PRICE, max(1, quantity), filled, int(status),
            message.get(fld.ORD_STATUS) in _PENDING,
        )  # fmt: skip

    def _settle(self, order: FixOrder, status: int, name: str, message: FixReceived) -> None:
        """An order's own state here follows the report."""
        sent = self._sent_before.get(order.client_order_id, {})
        asked, named = _PENDING.get(message.get(fld.ORD_STATUS)), message.get(fld.CL_ORD_ID)
        is_of_request = asked is not None and sent.get(named) == asked
        for request in (order.client_order_id, *sent):
            if not (is_of_request and request == named):
                order.pending.pop(request, None)
        self._orders.name_at_venue(order, name)
        if status in _ENDED.values():
            self._orders.end(order)
            return
        self._orders.reopen(order)
        if is_of_request:
            return  # the request's name, and perhaps its terms: they are not the order's yet
        if named:
            order.request_id = named
        if message.get(fld.PRICE):
            order.price = price_of(message.get(fld.PRICE))

    def _status(self, message: FixReceived, filled: int) -> OrderStatus:
        code = message.get(fld.ORD_STATUS)
        if code in _ENDED:
            return _ENDED[code]
        if code == "A":
            return OrderStatus.PENDING_NEW
        is_day = message.get(fld.TIME_IN_FORCE) in ("", "0")
        if code in ("3", "B") and is_day:
            return OrderStatus.EXPIRED
        if code not in _OPEN:
            raise SenselessError(f"expected an OrdStatus of FIX 4.4's, found {code!r}")
        return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.NEW

    def _take_trade(self, message: FixReceived) -> None:
        """Take a fill: that side of a trade which is ours."""
        ts = ts_event(message)
        lots, price = lots_of(message.get(fld.LAST_QTY)), price_of(message.get(fld.LAST_PX))
        for entry in message.groups(fld.NO_SIDES, fld.SIDE):
            if entry.get(fld.ACCOUNT, self._settings.account) != self._settings.account:
                continue
            side = _SIDE_OF.get(entry[fld.SIDE])
            client_id = self._orders.of_request(
                entry.get(fld.CL_ORD_ID, ""), entry.get(fld.ORDER_ID, "")
            )
            execution_id = execution_name(client_id, message.get(fld.EXEC_ID))
            if side is None or lots == 0:
                raise SenselessError(f"execution {execution_id}: expected a side and lots")
            if message.get(_TRADE_TRANS_TYPE) == _CANCELED_TRADE:
                self._fills.pop(execution_id, None)
            elif ts == 0 or ts >= self._since_ns:
                self._fills[execution_id] = said.FillReport(
                    execution_id, client_id,
                    self._executions.symbol_of(message.get(fld.SYMBOL)), int(side), price, lots, ts,
                )  # fmt: skip

    def _take_position(self, message: FixReceived) -> None:
        """Take a position: of the kind that the settings name, or of the only one there is."""
        if message.get(fld.POS_REQ_RESULT) not in ("", "0"):
            raise SenselessError(f"a position has result {message.get(fld.POS_REQ_RESULT)}")
        entries = message.groups(fld.NO_POSITIONS, fld.POS_TYPE)
        wanted = self._settings.position_type
        if len(entries) > 1:
            entries = [one for one in entries if one[fld.POS_TYPE] == wanted]
        if len(entries) != 1:
            raise SenselessError(
                f"{message.get(fld.SYMBOL)}: expected one position of type {wanted}, found "
                f"{len(entries)}"
            )
        lots = lots_of(entries[0].get(fld.LONG_QTY, "0"))
        lots -= lots_of(entries[0].get(fld.SHORT_QTY, "0"))
        symbol = self._executions.symbol_of(message.get(fld.SYMBOL))
        if symbol in self._positions:
            lots += self._positions[symbol].lots  # of another party of the account's
        self._positions[symbol] = said.PositionReport(symbol, lots, None)


_ANSWERS: Final = (
    (
        fld.TRADE_REQUEST_ID,
        (fld.TRADE_CAPTURE_REPORT, fld.TRADE_CAPTURE_REPORT_REQUEST_ACK),
        "fills",
    ),
    (fld.POS_REQ_ID, (fld.POSITION_REPORT, fld.REQUEST_FOR_POSITIONS_ACK), "positions"),
)
