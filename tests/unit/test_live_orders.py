"""What stands between a simulation's requests and rails, without either of them."""

from types import SimpleNamespace
from typing import Any, cast

from tapewire.execution.codes import Reason, Term
from tapewire.live.rails.messages import DataState
from tapewire.runs.live_orders import LiveOrders


class _Abroad:
    """Takes what is said of orders; gives requests once."""

    def __init__(self, *requests: Any) -> None:
        self.requests, self.said = list(requests), list[tuple[str, int, Reason]]()

    def let_pass(self, now_ns: int) -> None: ...

    def take(self) -> list[Any]:
        taken, self.requests = self.requests, []
        return taken

    def close(self, order: int, status: Any, reason: Reason, said: Any) -> None:
        self.said.append(("close", order, reason))

    def refuse(self, order: int, reason: Reason, said: Any, **more: int) -> None:
        self.said.append(("refuse", order, reason))


def request(kind: str, order: int, terms: int = 0) -> Any:
    return SimpleNamespace(
        kind=kind, order=order, terms=terms, of_trigger=False, price=5, quantity=1, lots=0
    )


def test_a_cancel_of_what_was_denied_or_is_the_accounts_own_is_refused() -> None:
    """An iceberg and its cancel leave together; an order of the account is canceled, too."""
    iceberg = request("new", 7, int(Term.DISPLAY))
    abroad = _Abroad(iceberg, request("cancel", 7), request("replace", 9))
    simulation = SimpleNamespace(abroad=abroad, now_ns=1, legs=[], fee_line_names=[])
    line = SimpleNamespace(data=lambda *_: None, poll=lambda _: [])
    told: list[str] = []
    orders = LiveOrders(cast(Any, line), cast(Any, simulation), told.append, told.append)
    orders.turn(0, DataState.SOUND)
    assert abroad.said == [
        ("close", 7, Reason.RAILS), ("refuse", 7, Reason.RAILS), ("refuse", 9, Reason.RAILS),
    ]  # fmt: skip
    assert "DISPLAY" in told[0]
