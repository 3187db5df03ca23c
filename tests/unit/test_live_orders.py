"""Words about real orders: the same behind a journal or a socket, bounded, and sound or refused."""

import msgspec
import pytest

from tapewire.errors import BrokerError, ProtocolError
from tapewire.execution.codes import OrderStatus, OrderType, Side, TimeInForce
from tapewire.live import orders as of
from tapewire.live.soundness import SESSION_CHARS_MAX, client_order_id, require_sound
from tapewire.market.records import UNDEF_PRICE

ORDER = of.NewOrder(
    "s1-1", "maker", "ESM5", Side.BUY, OrderType.LIMIT, TimeInForce.DAY, 5_000_250_000_000,
    UNDEF_PRICE, 3, True, False, 1_700_000_000_000_000_000,
)  # fmt: skip
REPORT = of.AccountReport(
    (of.OrderReport("", "v9", "ESM5", Side.SELL, -1, 2, 1, OrderStatus.PARTIALLY_FILLED),),
    (of.FillReport("e1", "s1-1", "ESM5", Side.BUY, 5, 1, 7),),
    (of.PositionReport("ESM5", -4, None),),
    True, True, True, "", 0, 8,
)  # fmt: skip
SAID = [
    ORDER,
    of.CancelOrder("s1-1", 1),
    of.ReplaceOrder("s1-1", -250_000_000, 2, 1),
    of.OrderAccepted("s1-1", "v1", 0, 2),
    of.OrderDenied("s1-1", "too large", 0, 2),
    of.OrderRejected("s1-1", "closed", 1, 2),
    of.OrderFilled("s1-1", "e1", 5, 1, 2, of.LIQUIDITY_UNKNOWN, None, 1, 2),
    of.FillUndone("s1-1", "e1", "busted", 1, 2),
    of.OrderCanceled("s1-1", "", 1, 2),
    of.OrderExpired("s1-1", 1, 2),
    of.OrderReplaced("s1-1", 5, 4, 1, 2),
    of.CancelRejected("s1-1", "too late", 1, 2),
    of.ReplaceRejected("s1-1", "too late", 1, 2),
    of.OrderUnclear("s1-1", "cut", 0, 2),
    of.BrokerUp("s1", 0, 2),
    of.BrokerDown("hung up", False, 0, 2),
    of.BrokerNotice("news", 0, 2),
    REPORT,
]


@pytest.mark.parametrize("said", SAID, ids=lambda one: type(one).__name__)
def test_it_is_the_same_behind_bytes(said: of.Command | of.BrokerEvent) -> None:
    frame = of.ORDERS.encode(said)
    assert of.ORDERS.decode(frame, bytes_max=of.MESSAGE_BYTES_MAX) == said


def test_every_word_is_tried_above() -> None:
    of_union = set((of.Command | of.BrokerEvent).__args__)
    assert of_union == {type(one) for one in SAID}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"client_order_id": "a b"}, "client_order_id"),
        ({"client_order_id": ""}, "client_order_id"),
        ({"client_order_id": "x" * 37}, "client_order_id"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": 2**31}, "quantity"),
        ({"price": 2**63}, "price"),
        ({"side": 0}, "side: expected one of BUY, SELL, found 0"),
        ({"order_type": 9}, "order_type: expected one of MARKET, LIMIT"),
        ({"time_in_force": 0}, "time_in_force: expected one of GTC"),
        ({"price": UNDEF_PRICE}, "price: expected one, found"),
        ({"order_type": OrderType.MARKET}, "price: expected none with this order_type"),
        ({"trigger_price": 5}, "trigger_price: expected none with this order_type"),
        ({"order_type": OrderType.STOP_LIMIT}, "trigger_price: expected one, found"),
        ({"time_in_force": TimeInForce.GTD}, "expire_ns: expected one with GTD only, found 0"),
        ({"expire_ns": 5}, "expire_ns: expected one with GTD only, found 5"),
    ],
)
def test_what_can_not_be_an_order_is_told(change: dict[str, object], said: str) -> None:
    require_sound(ORDER)
    with pytest.raises(BrokerError, match=said):
        require_sound(msgspec.structs.replace(ORDER, **change))


def test_bytes_out_of_bounds_are_no_message() -> None:
    frame = of.ORDERS.encode(of.CancelOrder("x" * 37, 1))
    with pytest.raises(ProtocolError, match="malformed message about orders"):
        of.ORDERS.decode(frame, bytes_max=1_000)


def test_names_of_orders_fit_and_are_of_their_session() -> None:
    longest = "S" * SESSION_CHARS_MAX
    assert client_order_id("20261128-a", 7) == "20261128-a-7"
    assert len(client_order_id(longest, 10**11 - 1)) == of.CLIENT_ID_CHARS_MAX
    for session, number in ((longest + "S", 1), ("", 1), ("-a", 1), ("a", -1), ("a", 10**11)):
        with pytest.raises(BrokerError, match="expected"):
            client_order_id(session, number)
