"""What a venue says of orders over FIX 4.4, as events.

Source: FIX 4.4, volume 4, "Execution Report", "Order Cancel Reject" and, in appendix D, "Order
State Change Matrices".
"""

from collections.abc import Callable
from typing import Final

from tapewire.execution.codes import Liquidity, TimeInForce
from tapewire.live import orders as said
from tapewire.live.brokers.fix import fields as fld
from tapewire.live.brokers.fix.commands import ORDER_TYPES, SIDES, TIMES_IN_FORCE
from tapewire.live.brokers.fix.frames import FixReceived
from tapewire.live.brokers.fix.known import FixOrder, FixOrders
from tapewire.live.brokers.fix.settings import FixSettings
from tapewire.live.brokers.fix.values import lots_of, number_of, price_of, time_of
from tapewire.market.records import UNDEF_PRICE

_NAME_CHARS_MAX: Final = 200
_ABSOLUTE: Final = "3"
_PER_LOT: Final = "1"
_UNKNOWN_ORDER: Final = "5"
_LIQUIDITY: Final = {"1": Liquidity.MAKER, "2": Liquidity.TAKER}
_SIDE_OF: Final = {code: side for side, code in SIDES.items()}
_TYPE_OF: Final = {code: kind for kind, code in ORDER_TYPES.items()}
_TIME_OF: Final = {code: time for time, code in TIMES_IN_FORCE.items()}
#: ExecTypes after which a person may want to look, and what they mean.
TOLD: Final = {
    "7": "is stopped: its fill is guaranteed and still to come",
    "9": "is suspended: it is in no book until the venue says so",
    "B": "has ended for today; what it costs is still being calculated",
}
#: ExecTypes that promise an answer: there is none yet.
PROMISES: Final = frozenset({"6", "A", "E"})
STATUS: Final = "I"
_DAY: Final = "0"

REJECT_REASONS: Final = {
    "0": "broker or exchange option", "1": "unknown symbol", "2": "exchange closed",
    "3": "order exceeds limit", "4": "too late to enter", "5": "unknown order",
    "6": "duplicate order", "8": "stale order", "11": "unsupported order characteristic",
    "13": "incorrect quantity", "15": "unknown account",
}  # fmt: skip
CANCEL_REASONS: Final = {
    "0": "too late to cancel", "1": "unknown order", "2": "broker or exchange option",
    "3": "another request is pending", "6": "duplicate ClOrdID", "99": "other",
}  # fmt: skip


class SenselessError(Exception):
    """What the venue says can't be so, or can't be read."""


class Executions:
    """Makes events of messages.

    Parameters
    ----------
    orders : FixOrders
        Kept as the messages say.
    settings : FixSettings
    emit
        Takes each event.
    """

    def __init__(
        self, orders: FixOrders, settings: FixSettings, emit: Callable[[said.BrokerEvent], None]
    ) -> None:
        self._orders, self._settings, self._emit = orders, settings, emit
        self._ours = {theirs: ours for ours, theirs in settings.symbols.items()}

    def symbol_of(self, message_symbol: str) -> str:
        """Return what we call what the venue calls so."""
        return self._ours.get(message_symbol, message_symbol)

    # --- execution reports ------------------------------------------------------------------------

    def report(self, message: FixReceived, ts_recv: int) -> None:
        """Take an ExecutionReport that no question of ours was answered by."""
        if message.get(fld.EXEC_TYPE) == STATUS:
            return  # the answer to a question that nobody waits for any more
        client_id = self.client_id(message)
        if not client_id:
            text = (
                f"the venue speaks of an order that is none of ours: {message.get(fld.ORDER_ID)} "
                f"of {message.get(fld.SYMBOL)}, ExecType {message.get(fld.EXEC_TYPE)}"
            )
            self._emit(said.BrokerNotice(text[: said.REASON_CHARS_MAX], 0, ts_recv))
            return
        at = (ts_event(message), ts_recv)
        try:
            order = self._known(client_id, message)
            self._take(order, message, at)
        except (SenselessError, ValueError) as error:
            why = f"ExecType {message.get(fld.EXEC_TYPE) or 'missing'}: {error}"
            self._emit(said.OrderUnclear(client_id, why[: said.REASON_CHARS_MAX], *at))

    def client_id(self, message: FixReceived) -> str:
        """Return whose message this is; empty: none of ours."""
        request_id = message.get(fld.CL_ORD_ID)
        return self._orders.of_request(request_id, message.get(fld.ORDER_ID))

    def _known(self, client_id: str, message: FixReceived) -> FixOrder:
        """The order that is meant, learned from the message if it is not known."""
        order = self._orders.get(client_id)
        if order is None:
            order = self.learn(client_id, message)
        if not order.venue_order_id:
            self._orders.name_at_venue(order, message.get(fld.ORDER_ID)[:_NAME_CHARS_MAX])
        return order

    def learn(self, client_id: str, message: FixReceived) -> FixOrder:
        """Know an order of an earlier process by what the venue says of it.

        Raises
        ------
        SenselessError
            If that is not enough.
        ValueError
            If a number is none.
        """
        side = _SIDE_OF.get(message.get(fld.SIDE))
        if side is None or not message.get(fld.SYMBOL):
            raise SenselessError("expected a Symbol and a Side of BUY or SELL")
        quantity = lots_of(message.get(fld.ORDER_QTY) or "0") or (
            lots_of(message.get(fld.CUM_QTY) or "0") + lots_of(message.get(fld.LEAVES_QTY) or "0")
        )
        order = FixOrder(
            client_id,
            self.symbol_of(message.get(fld.SYMBOL)),
            int(side),
            quantity,
            order_type=int(_TYPE_OF.get(message.get(fld.ORD_TYPE), 0)),
            time_in_force=int(_TIME_OF.get(message.get(fld.TIME_IN_FORCE) or _DAY, 0)),
            price=_price_or_none(message, fld.PRICE),
            trigger_price=_price_or_none(message, fld.STOP_PX),
            exec_inst=message.get(fld.EXEC_INST),
            position_effect=message.get(fld.POSITION_EFFECT),
            request_id=message.get(fld.CL_ORD_ID) or client_id,
        )
        if time := message.get(fld.EXPIRE_TIME):
            order.expire_ns = time_of(time)
        self._orders.add(order)
        self._orders.name_at_venue(order, message.get(fld.ORDER_ID)[:_NAME_CHARS_MAX])
        return order

    def _take(self, order: FixOrder, message: FixReceived, at: tuple[int, int]) -> None:
        name, kind = order.client_order_id, message.get(fld.EXEC_TYPE)
        if kind == "F":
            self._filled(order, message, at)
        elif kind in ("G", "H"):
            self._undone(order, message, at)
        elif self._has_been(order, message):
            return
        elif kind == "0":
            order.pending.pop(name, None)
            self._orders.reopen(order)
            self._emit(said.OrderAccepted(name, order.venue_order_id, *at))
        elif kind == "8":
            self._orders.end(order)
            self._emit(said.OrderRejected(name, _why(message, REJECT_REASONS), *at))
        elif kind == "4":
            self._orders.end(order)
            self._emit(said.OrderCanceled(name, _why(message, {}), *at))
        elif kind in ("5", "D"):
            self._replaced(order, message, at)
        elif kind == "C" or (kind == "3" and order.time_in_force == TimeInForce.DAY):
            self._orders.end(order)
            self._emit(said.OrderExpired(name, *at))
        elif kind in TOLD or kind == "3":
            what = TOLD.get(kind, "is done for today")
            self._emit(said.BrokerNotice(f"{name} {what}", *at))
        elif kind not in PROMISES:
            raise SenselessError(f"expected one of FIX 4.4's, found {kind!r}")

    def _has_been(self, order: FixOrder, message: FixReceived) -> bool:
        """Whether the venue says again, under a new number, what it has said before."""
        exec_id = message.get(fld.EXEC_ID)
        if not exec_id or message.get(fld.EXEC_TYPE) == STATUS:
            return False
        name = f"{message.get(fld.EXEC_TYPE)[:1]}:{order.client_order_id}/{exec_id}"
        return not self._orders.is_new_execution(name)

    def _filled(self, order: FixOrder, message: FixReceived, at: tuple[int, int]) -> None:
        leaves = lots_of(message.get(fld.LEAVES_QTY) or "?")
        lots, price = _traded(message)
        execution_id = execution_name(order.client_order_id, message.get(fld.EXEC_ID))
        order.pending.pop(order.client_order_id, None)
        if not self._orders.is_new_execution(execution_id):
            return
        order.filled += lots
        self._emit(
            said.OrderFilled(
                order.client_order_id, execution_id, price, lots, leaves,
                int(_LIQUIDITY.get(message.get(fld.LAST_LIQUIDITY_IND), said.LIQUIDITY_UNKNOWN)),
                _commission(message, lots), *at,
            )
        )  # fmt: skip
        if leaves == 0:
            self._orders.end(order)

    def _undone(self, order: FixOrder, message: FixReceived, at: tuple[int, int]) -> None:
        """A fill is taken back (H), or is another one than was told (G)."""
        name = order.client_order_id
        of_which = execution_name(name, message.get(fld.EXEC_REF_ID))
        execution_id = execution_name(name, message.get(fld.EXEC_ID))
        is_correction = message.get(fld.EXEC_TYPE) == "G"
        lots, price = _traded(message) if is_correction else (0, 0)
        leaves = lots_of(message.get(fld.LEAVES_QTY) or "0")
        if not self._orders.is_new_execution(execution_id):
            return
        why = message.get(fld.TEXT) or ("corrected" if is_correction else "canceled by the venue")
        self._emit(said.FillUndone(name, of_which, why[: said.REASON_CHARS_MAX], *at))
        if is_correction:
            liquidity = _LIQUIDITY.get(message.get(fld.LAST_LIQUIDITY_IND), said.LIQUIDITY_UNKNOWN)
            self._emit(
                said.OrderFilled(
                    name, execution_id, price, lots, leaves, int(liquidity),
                    _commission(message, lots), *at,
                )
            )  # fmt: skip

    def _replaced(self, order: FixOrder, message: FixReceived, at: tuple[int, int]) -> None:
        """The order has other terms, as asked (5) or by the venue's own will (D)."""
        quantity = lots_of(message.get(fld.ORDER_QTY) or str(order.quantity))
        price = order.price
        if message.get(fld.PRICE):
            price = price_of(message.get(fld.PRICE))
        request_id = message.get(fld.CL_ORD_ID)
        order.pending.pop(request_id, None)
        is_same = (price, quantity) == (order.price, order.quantity)
        if request_id:
            order.request_id = request_id
        order.price, order.quantity = price, quantity
        if not (is_same and message.get(fld.EXEC_TYPE) == "D"):
            self._emit(said.OrderReplaced(order.client_order_id, price, quantity, *at))

    # --- refusals ---------------------------------------------------------------------------------

    def cancel_reject(self, message: FixReceived, ts_recv: int) -> None:
        """Take an OrderCancelReject."""
        request_id = message.get(fld.CL_ORD_ID)
        client_id = self._orders.of_request(request_id, message.get(fld.ORDER_ID))
        if client_id:
            is_replace = message.get(fld.CXL_REJ_RESPONSE_TO) == "2"
            why = _why(message, CANCEL_REASONS, fld.CXL_REJ_REASON)
            self._refused(client_id, request_id, why, (ts_event(message), ts_recv), is_replace)

    def not_taken(self, message: FixReceived, ts_recv: int) -> None:
        """Take a Reject or BusinessMessageReject: the venue could not read what was sent."""
        text = message.get(fld.REF_SEQ_NUM)
        request_id = self._orders.sent_as(number_of(text) or 0)  # no message has number 0
        why = f"the venue can't read it: {message.get(fld.TEXT) or 'no reason given'}"
        client_id = self._orders.of_request(request_id, "") if request_id else ""
        at = (0, ts_recv)
        if not client_id:
            notice = f"the venue can't read our message {text}: {message.get(fld.TEXT)}"
            self._emit(said.BrokerNotice(notice[: said.REASON_CHARS_MAX], *at))
            return
        order = self._orders.get(client_id)
        if request_id == client_id:
            if order is not None:
                self._orders.end(order)
            self._emit(said.OrderRejected(client_id, why[: said.REASON_CHARS_MAX], *at))
        else:
            is_replace = order is not None and order.pending.get(request_id) == "replace"
            self._refused(client_id, request_id, why, at, is_replace)

    def _refused(
        self, client_id: str, request_id: str, why: str, at: tuple[int, int], is_replace: bool
    ) -> None:
        order = self._orders.get(client_id)
        if order is not None:
            order.pending.pop(request_id, None)
        why = why[: said.REASON_CHARS_MAX]
        if is_replace:
            self._emit(said.ReplaceRejected(client_id, why, *at))
        else:
            self._emit(said.CancelRejected(client_id, why, *at))


def is_unknown_order(message: FixReceived) -> bool:
    """Whether an ExecutionReport says that the venue has no such order."""
    return (
        message.get(fld.EXEC_TYPE) == STATUS
        and message.get(fld.ORD_STATUS) == "8"
        and message.get(fld.ORD_REJ_REASON) in ("", _UNKNOWN_ORDER)
    )


def execution_name(client_id: str, exec_id: str) -> str:
    """Return a fill's name: an ExecID is the only one of its order, not of all days.

    Raises
    ------
    SenselessError
        If there is none.
    """
    if not exec_id or len(exec_id) > _NAME_CHARS_MAX:
        raise SenselessError(f"expected the ID of an execution, found {exec_id[:40]!r}")
    return f"{client_id}/{exec_id}"


def _traded(message: FixReceived) -> tuple[int, int]:
    lots = lots_of(message.get(fld.LAST_QTY) or "?")
    if lots == 0:
        raise SenselessError("expected a fill of one lot or more, found 0")
    return lots, price_of(message.get(fld.LAST_PX))


def _commission(message: FixReceived, lots: int) -> int | None:
    """Money that a fill costs; None where it is not said, or not as money."""
    text, kind = message.get(fld.COMMISSION), message.get(fld.COMM_TYPE)
    if not text or kind not in (_ABSOLUTE, _PER_LOT):
        return None
    return price_of(text) * (lots if kind == _PER_LOT else 1)


def _price_or_none(message: FixReceived, field: int) -> int:
    text = message.get(field)
    return price_of(text) if text else UNDEF_PRICE


def ts_event(message: FixReceived) -> int:
    """The venue's time of it; 0 where it does not say."""
    try:
        return time_of(message.get(fld.TRANSACT_TIME))
    except ValueError:
        return 0


def _why(message: FixReceived, words: dict[str, str], field: int = fld.ORD_REJ_REASON) -> str:
    """Why something is so, in the venue's words, or in those of its code."""
    code = message.get(field)
    text = message.get(fld.TEXT) or words.get(code, f"reason {code}" if code else "")
    return text[: said.REASON_CHARS_MAX]
