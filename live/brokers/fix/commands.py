"""Commands as messages of FIX 4.4, field by field.

Source: FIX 4.4, volume 4, "New Order - Single", "Order Cancel Request", "Order Cancel/Replace
Request".
"""

from typing import Final

from tapewire.errors import BrokerError
from tapewire.execution.codes import OrderType, Side, TimeInForce
from tapewire.live.brokers.fix import fields as fld
from tapewire.live.brokers.fix.known import FixOrder
from tapewire.live.brokers.fix.settings import FixSettings
from tapewire.live.brokers.fix.values import price_text, time_text
from tapewire.live.orders import NewOrder
from tapewire.market.records import UNDEF_PRICE

Body = list[tuple[int, str]]

SIDES: Final = {Side.BUY: "1", Side.SELL: "2"}
ORDER_TYPES: Final = {
    OrderType.MARKET: "1",
    OrderType.LIMIT: "2",
    OrderType.STOP: "3",
    OrderType.STOP_LIMIT: "4",
    OrderType.MARKET_TO_LIMIT: "K",
}
TIMES_IN_FORCE: Final = {
    TimeInForce.DAY: "0",
    TimeInForce.GTC: "1",
    TimeInForce.IOC: "3",
    TimeInForce.FOK: "4",
    TimeInForce.GTD: "6",
}
_PARTICIPATE_DONT_INITIATE: Final = "6"
_AUTOMATED_NO_INTERVENTION: Final = "1"
_CLOSE: Final = "C"


def known_order(order: NewOrder, settings: FixSettings) -> FixOrder:
    """Return an order as it is known once it is sent.

    Raises
    ------
    BrokerError
        If it is one that can't be said.
    """
    if order.reduce_only and settings.reduce_only == "refuse":
        raise BrokerError("reduce_only: FIX 4.4 has no such: see reduce_only of the settings")
    return FixOrder(
        order.client_order_id,
        order.symbol,
        order.side,
        order.quantity,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        price=order.price,
        trigger_price=order.trigger_price,
        exec_inst=_PARTICIPATE_DONT_INITIATE if order.post_only else "",
        position_effect=_CLOSE if order.reduce_only else "",
        expire_ns=order.expire_ns,
        request_id=order.client_order_id,
    )


def new_order(order: FixOrder, settings: FixSettings, ts_ns: int) -> Body:
    """Return the fields of a NewOrderSingle."""
    return [
        (fld.CL_ORD_ID, order.request_id),
        (fld.ACCOUNT, settings.account),
        *instrument(order.symbol, settings),
        (fld.SIDE, SIDES[Side(order.side)]),
        *_terms(order, order.price, order.quantity, ts_ns),
    ]


def cancel(order: FixOrder, request_id: str, settings: FixSettings, ts_ns: int) -> Body:
    """Return the fields of an OrderCancelRequest for all that is left."""
    return [
        *_of_order(order, request_id, settings),
        (fld.TRANSACT_TIME, time_text(ts_ns)),
        (fld.ORDER_QTY, str(order.quantity)),
    ]


def replace(
    order: FixOrder, request_id: str, price: int, quantity: int, settings: FixSettings, ts_ns: int
) -> Body:
    """Return the fields of an OrderCancelReplaceRequest: all terms, as they are to be.

    Raises
    ------
    BrokerError
        If not enough is known of the order to say them.
    """
    if order.order_type not in ORDER_TYPES or order.time_in_force not in TIMES_IN_FORCE:
        raise BrokerError("its terms are not known here: cancel it, and send another one")
    return [*_of_order(order, request_id, settings), *_terms(order, price, quantity, ts_ns)]


def _terms(order: FixOrder, price: int, quantity: int, ts_ns: int) -> Body:
    body: Body = [(fld.HANDL_INST, _AUTOMATED_NO_INTERVENTION)]
    if order.exec_inst:
        body.append((fld.EXEC_INST, order.exec_inst))
    body += [
        (fld.TRANSACT_TIME, time_text(ts_ns)),
        (fld.ORDER_QTY, str(quantity)),
        (fld.ORD_TYPE, ORDER_TYPES[OrderType(order.order_type)]),
    ]
    if price != UNDEF_PRICE:
        body.append((fld.PRICE, price_text(price)))
    if order.trigger_price != UNDEF_PRICE:
        body.append((fld.STOP_PX, price_text(order.trigger_price)))
    body.append((fld.TIME_IN_FORCE, TIMES_IN_FORCE[TimeInForce(order.time_in_force)]))
    if order.expire_ns:
        body.append((fld.EXPIRE_TIME, time_text(order.expire_ns)))
    if order.position_effect:
        body.append((fld.POSITION_EFFECT, order.position_effect))
    return body


def instrument(symbol: str, settings: FixSettings) -> Body:
    """Return the fields that say what is traded."""
    body: Body = [(fld.SYMBOL, settings.symbols.get(symbol, symbol))]
    if settings.security_exchange:
        body.append((fld.SECURITY_EXCHANGE, settings.security_exchange))
    return body


def _of_order(order: FixOrder, request_id: str, settings: FixSettings) -> Body:
    body: Body = [
        (fld.ORIG_CL_ORD_ID, order.request_id),
        (fld.CL_ORD_ID, request_id),
        (fld.ACCOUNT, settings.account),
    ]
    if order.venue_order_id:
        body.append((fld.ORDER_ID, order.venue_order_id))
    return [*body, *instrument(order.symbol, settings), (fld.SIDE, SIDES[Side(order.side)])]
