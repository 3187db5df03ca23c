"""An engine over rails in a process of their own, and what must hold of an account at its end."""

import random
import time
from pathlib import Path
from typing import Any

from rails_desks import SYMBOL, UNIT, settings_of
from rails_server import VenueServer
from rails_venue import OPEN
from tapewire.execution.codes import OrderType, Side, TimeInForce
from tapewire.live.orders import CancelOrder, NewOrder, OrderCanceled, OrderDenied, OrderFilled
from tapewire.live.rails.journal import Journal
from tapewire.live.rails.line import RailsLine
from tapewire.live.rails.messages import DataState, MarketNow, RailsState, RailsTold
from tapewire.live.rails.settings import BrokerChoice, RailsSettings, RailsWaits
from tapewire.market.records import UNDEF_PRICE

#: Settled soon: a venue in the next process has answered within a second, or never will.
WAITS = RailsWaits(absence=1.0, retry=0.1, answer=1.0, report=2.0, ending=10.0, beat=2.0)
SETTLED_S = 30.0


def served_settings(folder: Path, venue: Path, **changes: Any) -> RailsSettings:
    choice = BrokerChoice(factory="rails_server:open_broker", options={"path": str(venue)})
    return settings_of(folder, **{"broker": choice, "waits": WAITS, **changes})


class Engine:
    """Sends what a seed has it send, and keeps what it was told."""

    def __init__(self, settings: RailsSettings, seed: int) -> None:
        self.draw = random.Random(seed)
        self.line = RailsLine(settings)
        self.line.data(0, DataState.SOUND)
        self.heard: list[Any] = []
        self.names: list[str] = []
        self.told_s = 0.0
        self.poll()  # they may be active by now, and know no market

    def poll(self, wait_s: float = 0.005) -> None:
        if time.monotonic() - self.told_s > 0.5:
            self.told_s = time.monotonic()
            px = 100 * UNIT
            self.line.market(MarketNow(SYMBOL, px - UNIT // 4, px + UNIT // 4, px, 0))
        self.heard += self.line.poll(wait_s)

    def wait_active(self) -> None:
        self.wait(lambda: self.line.state == RailsState.ACTIVE)

    def wait(self, holds: Any) -> None:
        until_s = time.monotonic() + SETTLED_S
        while not holds():
            self.poll(0.02)
            assert time.monotonic() < until_s, (self.line.state, self.line.why, self.told())

    def told(self) -> list[str]:
        return [one.text for one in self.heard if isinstance(one, RailsTold)][-5:]

    def order(self, lots: int, price: int | None) -> str:
        name = self.line.next_id()
        self.names.append(name)
        self.line.send(
            NewOrder(
                name, "one", SYMBOL, int(Side.BUY if lots > 0 else Side.SELL),
                int(OrderType.MARKET if price is None else OrderType.LIMIT),
                int(TimeInForce.GTC), UNDEF_PRICE if price is None else price * UNIT,
                UNDEF_PRICE, abs(lots), False, False, time.time_ns(),
            )
        )  # fmt: skip
        return name

    def act(self) -> None:
        """An order, or a cancel of one that may be open."""
        gone = {
            one.client_order_id
            for one in self.heard
            if isinstance(one, OrderCanceled | OrderDenied)
            or (isinstance(one, OrderFilled) and one.leaves_qty == 0)
        }
        left = [name for name in self.names if name not in gone]
        if left and self.draw.random() < 0.5:
            self.line.send(CancelOrder(self.draw.choice(left), time.time_ns()))
        else:
            lots = self.draw.choice((-3, -2, -1, 1, 2, 3))
            self.order(lots, self.draw.choice((None, 99, 101)))


def require_accounted(folder: Path, server: VenueServer) -> None:
    """Check that journal and venue agree, and that nothing was sent twice."""
    told: list[str] = []
    ledger = Journal(folder, told.append).ledger
    with server.lock:
        venue = server.venue
        assert {name: n for name, n in venue.received.items() if n > 1} == {}
        for name, one in venue.orders.items():
            known = ledger.order(name)
            assert known is not None, f"{name} is in no journal"
            assert known.filled == one.filled, name
            assert known.is_open == (one.status in OPEN), (name, known, one)
        assert set(ledger.open) <= set(venue.orders)
        assert not ledger.unknown
        assert ledger.position(SYMBOL).lots == venue.positions[SYMBOL]
