"""Somebody who trades through rails, in a process of their own, at the exchange of these tests."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fix_exchange as fx
from fix_venue import PRICE, settings
from rails_desks import UNIT, settings_of
from rails_engines import WAITS
from tapewire.execution.codes import OrderType, Side, TimeInForce
from tapewire.live.orders import NewOrder
from tapewire.live.rails.line import RailsLine
from tapewire.live.rails.messages import DataState, MarketNow, RailsState
from tapewire.live.rails.settings import BrokerChoice, RailsInstrument, RailsSettings
from tapewire.market.records import UNDEF_PRICE

SYMBOL = "ESM5"
PATIENCE_S = 40.0


def account_over_fix(
    exchange: fx.Exchange, folder: Path, kept: Path, **changes: Any
) -> RailsSettings:
    """Settings of an account, and where its FIX session keeps its numbers."""
    options = {**dataclasses.asdict(settings(exchange, kept)), "folder": str(kept)}
    choice = BrokerChoice(factory="tapewire.live.brokers.fix.opening:open_fix", options=options)
    instruments = {SYMBOL: RailsInstrument(multiplier_num=50)}
    given = {"broker": choice, "waits": WAITS, "instruments": instruments}
    return settings_of(folder, **{**given, **changes})


class Trader:
    def __init__(self, asked: RailsSettings) -> None:
        self.line = RailsLine(asked)
        self.line.data(0, DataState.SOUND)
        self.heard: list[object] = []

    def until(self, holds: object) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not holds():  # type: ignore[operator]
            self.heard += self.line.poll(0.05)
            assert time.monotonic() < end_s, (self.line.why, self.heard[-5:])

    def until_active(self) -> None:
        self.until(lambda: self.line.state == RailsState.ACTIVE)

    def buy(self, lots: int) -> str:
        tick = UNIT // 4
        self.line.market(MarketNow(SYMBOL, PRICE, PRICE + tick, PRICE, 0))
        name = self.line.next_id()
        self.line.send(
            NewOrder(name, "one", SYMBOL, int(Side.BUY), int(OrderType.LIMIT),
                     int(TimeInForce.GTC), PRICE, UNDEF_PRICE, lots, False, False, time.time_ns())
        )  # fmt: skip
        return name


@contextmanager
def kept_alive(trader: Trader) -> Iterator[None]:
    """Have its rails hear of it in a thread, while others do something."""
    over = threading.Event()

    def polls() -> None:
        while not over.is_set():
            trader.heard += trader.line.poll(0.05)

    thread = threading.Thread(target=polls)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
