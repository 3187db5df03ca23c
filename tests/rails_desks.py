"""Desks of rails over a venue in the same process, in a time that only tests move."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rails_venue import Venue, VenueBroker
from tapewire.execution.codes import OrderType, Side, TimeInForce
from tapewire.live.orders import CancelOrder, NewOrder, OrderDenied, ReplaceOrder
from tapewire.live.rails.desk import RailsDesk
from tapewire.live.rails.lease import Lease
from tapewire.live.rails.messages import DataState, EngineBeat, MarketNow, RailsState, RailsTold
from tapewire.live.rails.settings import (
    BrokerChoice,
    RailsInstrument,
    RailsLimits,
    RailsSettings,
    RailsWaits,
)
from tapewire.market.records import UNDEF_PRICE

UNIT = 10**9
START_NS = 1_700_000_000 * UNIT
SYMBOL = "ESZ6"
WAITS = RailsWaits(absence=2.0, retry=0.5, answer=3.0)


def settings_of(folder: Path, **changes: Any) -> RailsSettings:
    given: dict[str, Any] = {
        "account": "test", "folder": str(folder), "broker": BrokerChoice(factory="none:none"),
        "instruments": {SYMBOL: RailsInstrument(multiplier_num=50)}, "waits": WAITS,
        "cancels_earlier": False,
    }  # fmt: skip
    return RailsSettings(**{**given, **changes})


@dataclass
class Table:
    """A venue, an account's folder, and the desk that is at it now."""

    folder: Path
    changes: dict[str, Any] = field(default_factory=dict)
    venue: Venue = field(default_factory=Venue)
    now_ns: int = START_NS
    said: list[Any] = field(default_factory=list)
    number: int = 0

    def open(self) -> "Table":
        """Begin a session."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.broker = VenueBroker(self.venue, self.before_send)
        self.broker.now_ns = self.now_ns
        settings = settings_of(self.folder, **self.changes)
        self.lease = Lease(self.folder, settings.account, self.now_ns)
        self.desk = RailsDesk(settings, self.lease, self.broker, self.said.append, self.now_ns)
        self.number = 0
        return self

    def before_send(self, order: NewOrder) -> None:
        """What has to hold as an order leaves: it is on the disk."""
        assert order.client_order_id.encode() in self.desk.journal.path.read_bytes()

    def die(self) -> None:
        """End the session's process, as a kill does: nothing is said, locks are gone."""
        self.desk.journal.close()
        with contextlib.suppress(OSError):
            import os

            os.close(self.lease._fd)
        self.lease._fd = -1

    def pass_s(self, seconds: float, *, beats: bool = True, steps: bool = True) -> None:
        """Let time pass in tenths of a second."""
        for _ in range(max(1, round(seconds * 10))):
            self.now_ns += UNIT // 10
            self.broker.now_ns = self.now_ns
            if beats:
                self.beat()
            if steps:
                self.broker.step()
            self.desk.turn(self.now_ns)

    def beat(self, *, lag_ns: int = 0, state: int = DataState.SOUND) -> None:
        self.desk.markets.hear(EngineBeat(0, lag_ns, state), self.now_ns)
        px = self.venue.price
        self.desk.markets.learn(
            MarketNow(SYMBOL, px - UNIT // 4, px + UNIT // 4, px, self.now_ns), self.now_ns
        )

    def settled(self) -> "Table":
        """Come to where orders may be sent."""
        self.pass_s(0.5)
        assert self.state == RailsState.ACTIVE, self.desk.rules.standing()
        return self

    def order(self, lots: int, price: float | None = None, **changes: Any) -> NewOrder:
        """An order of the next number; lots below 0 sell."""
        self.number += 1
        given: dict[str, Any] = {
            "client_order_id": f"{self.desk.session}-{self.number}", "strategy_id": "one",
            "symbol": SYMBOL, "side": int(Side.BUY if lots > 0 else Side.SELL),
            "order_type": int(OrderType.MARKET if price is None else OrderType.LIMIT),
            "time_in_force": int(TimeInForce.GTC),
            "price": UNDEF_PRICE if price is None else round(price * UNIT),
            "trigger_price": UNDEF_PRICE, "quantity": abs(lots), "post_only": False,
            "reduce_only": False, "ts_decided": self.now_ns,
        }  # fmt: skip
        return NewOrder(**{**given, **changes})

    def send(self, lots: int, price: float | None = None, **changes: Any) -> str:
        """Have an order sent; return its id."""
        order = self.order(lots, price, **changes)
        self.desk.command(order, self.now_ns)
        return order.client_order_id

    def cancel(self, name: str) -> None:
        self.desk.command(CancelOrder(name, self.now_ns), self.now_ns)

    def replace(self, name: str, lots: int, price: float) -> None:
        self.desk.command(ReplaceOrder(name, round(price * UNIT), lots, self.now_ns), self.now_ns)

    @property
    def state(self) -> RailsState:
        return self.desk.rules.state

    def lots(self) -> int:
        return self.desk.ledger.position(SYMBOL).lots

    def denial(self) -> str:
        """Why the last order was denied; empty if it was sent."""
        last = next((one for one in reversed(self.said) if not isinstance(one, RailsTold)), None)
        return last.reason_text if isinstance(last, OrderDenied) else ""

    def heard(self, kind: type) -> list[Any]:
        return [one for one in self.said if isinstance(one, kind)]

    def told(self) -> str:
        return "\n".join(one.text for one in self.heard(RailsTold))


def limited(**limits: Any) -> dict[str, Any]:
    return {"limits": RailsLimits(**limits)}
