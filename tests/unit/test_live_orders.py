"""What stands between a simulation's requests and rails, without either of them."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tapewire.errors import LiveError
from tapewire.execution.codes import Reason, Term
from tapewire.live.orders import (
    LIQUIDITY_UNKNOWN,
    BrokerDown,
    BrokerUp,
    CancelRejected,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
)
from tapewire.live.rails.messages import DataState
from tapewire.market.records import UNDEF_PRICE
from tapewire.runs import live_orders
from tapewire.runs.live_orders import LiveOrders


class _Abroad:
    """Takes what is said of orders; gives requests once."""

    def __init__(self, *requests: Any) -> None:
        self.requests, self.said = list(requests), list[tuple[str, int, Reason]]()

    def let_pass(self, now_ns: int) -> None: ...

    def take(self) -> list[Any]:
        taken, self.requests = self.requests, []
        return taken

    def leaves(self, order: int) -> int:
        return 0

    def close(self, order: int, status: Any, reason: Reason, said: Any) -> None:
        self.said.append(("close", order, reason))

    def refuse(self, order: int, reason: Reason, said: Any, **more: int) -> None:
        self.said.append(("refuse", order, reason))


def request(kind: str, order: int, terms: int = 0) -> Any:
    return SimpleNamespace(
        kind=kind, order=order, leg=0, terms=terms, of_trigger=False, price=5, quantity=1, lots=0,
        side=1, order_type=1, time_in_force=1, trigger_price=UNDEF_PRICE, ts_ns=1, expire_ns=0,
    )  # fmt: skip


class _Line:
    """Takes commands; what it says is put into it."""

    def __init__(self) -> None:
        self.session, self.number, self.says = "s", 0, list[Any]()

    def data(self, lag_ns: int, state: DataState) -> None: ...

    def poll(self, timeout_s: float) -> list[Any]:
        said, self.says = self.says, []
        return said

    def next_id(self) -> str:
        self.number += 1
        return f"s-{self.number}"

    def send(self, command: Any) -> None: ...


def made(abroad: _Abroad) -> tuple[LiveOrders, list[str], _Line]:
    leg = SimpleNamespace(strategy_id="mm", symbol="ES")
    simulation = SimpleNamespace(abroad=abroad, now_ns=1, legs=[leg], fee_line_names=[])
    line, told = _Line(), list[str]()
    orders = LiveOrders(cast(Any, line), cast(Any, simulation), told.append, told.append)
    orders._tell_markets = lambda **_: None  # type: ignore[method-assign]
    return orders, told, line


def test_a_cancel_of_what_was_denied_or_is_the_accounts_own_is_refused() -> None:
    """An iceberg and its cancel leave together; an order of the account is canceled, too."""
    iceberg = request("new", 7, int(Term.DISPLAY))
    abroad = _Abroad(iceberg, request("cancel", 7), request("replace", 9))
    orders, told, _ = made(abroad)
    orders.turn(0, DataState.SOUND)
    assert abroad.said == [
        ("close", 7, Reason.RAILS), ("refuse", 7, Reason.RAILS), ("refuse", 9, Reason.RAILS),
    ]  # fmt: skip
    assert "DISPLAY" in told[0]


class _Open(_Abroad):
    """Its orders stay open until they are said to have ended."""

    def __init__(self, *requests: Any) -> None:
        super().__init__(*requests)
        self.ended = set[int]()

    def leaves(self, order: int) -> int:
        return 0 if order in self.ended else 3

    def close(self, order: int, status: Any, reason: Reason, said: Any, **more: Any) -> None:
        super().close(order, status, reason, said)
        self.ended.add(order)


def test_requests_that_a_cut_took_end() -> None:
    """Of an open order the rails tell; one that had ended is asked nothing any more."""
    abroad = _Open(request("new", 7), request("new", 8))
    orders, _, line = made(abroad)
    orders.turn(0, DataState.SOUND)
    abroad.requests += [request("cancel", 7), request("cancel", 8), request("replace", 8)]
    orders.turn(0, DataState.SOUND)
    line.says += [
        OrderCanceled("s-2", "", 0, 1), BrokerDown("cut", False, 0, 1), BrokerUp("v", 0, 1),
        CancelRejected("s-1", "LOST: ", 0, 1),
    ]  # fmt: skip
    orders.turn(0, DataState.SOUND)
    assert abroad.said == [
        ("close", 8, Reason.USER_CANCEL), ("refuse", 8, Reason.BROKER),
        ("refuse", 7, Reason.BROKER),
    ]  # fmt: skip
    assert not any(one.waiting for one in orders._sent.values())


def test_orders_that_have_ended_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A late word is heard of the newest two; a late fill of an older one ends the session."""
    monkeypatch.setattr(live_orders, "_ENDED_MAX", 2)
    abroad = _Abroad()
    orders, told, line = made(abroad)
    for number in range(1, 5):
        abroad.requests.append(request("new", number))
        orders.turn(0, DataState.SOUND)
        line.says.append(OrderRejected(f"s-{number}", "no", 0, 1))
        orders.turn(0, DataState.SOUND)
    assert (list(orders._sent), list(orders._names)) == (["s-3", "s-4"], [3, 4])
    line.says.append(OrderCanceled("s-1", "", 0, 1))
    line.says.append(OrderFilled("earlier-9", "x", 5, 1, 0, LIQUIDITY_UNKNOWN, None, 0, 1))
    orders.turn(0, DataState.SOUND)
    assert told[-2:] == [
        "of an order of nobody here: OrderCanceled", "of an order of nobody here: OrderFilled",
    ]  # fmt: skip
    line.says.append(OrderFilled("s-2", "y", 5, 1, 0, LIQUIDITY_UNKNOWN, None, 0, 1))
    with pytest.raises(LiveError, match="1 lots of s-2 have filled, which ended more than 2"):
        orders.turn(0, DataState.SOUND)
