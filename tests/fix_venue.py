"""The exchange as cases of conformance command it, and settings to reach it by."""

import dataclasses
from pathlib import Path
from typing import Any

import fix_exchange as fx
from tapewire.live.brokers.fix import FixBroker, FixSettings

VARIABLE = "TAPEWIRE_TEST_FIX_PASSWORD"
PRICE = 5_000_250_000_000


def settings(exchange: fx.Exchange, folder: Path, **changes: Any) -> FixSettings:
    plain = FixSettings(
        host="127.0.0.1", port=exchange.port, sender_comp_id=fx.FIRM, target_comp_id=fx.VENUE,
        account=fx.ACCOUNT, folder=folder, username="me", password_variable=VARIABLE, tls=False,
        heartbeat_s=5,
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)


class FixVenue:
    """Does as it is told, over the exchange."""

    symbol, price, tick = "ESM5", PRICE, 250_000_000

    def __init__(self, exchange: fx.Exchange, folder: Path, **changes: Any) -> None:
        self.exchange = exchange
        self.settings = settings(exchange, folder, **changes)

    def make(self) -> FixBroker:
        return FixBroker(self.settings, pauses_s=(0.05, 1.0))

    def times_sent(self, client_order_id: str) -> int:
        return self.exchange.new_orders[client_order_id]

    def reject_next(self) -> None:
        self.exchange.faults.orders.append("reject")

    def cut_at_next(self, *, is_taken: bool) -> None:
        self.exchange.faults.orders.append("cut_after" if is_taken else "cut_before")

    def cut(self) -> None:
        self.exchange.cut()

    def fill(self, client_order_id: str, lots: int) -> None:
        self.exchange.trade(client_order_id, lots)

    def repeat_fill(self, client_order_id: str) -> None:
        self.exchange.trade(client_order_id, 1, how="duplicate")

    def undo_fill(self, client_order_id: str) -> None:
        self.exchange.undo(client_order_id)

    def expire(self, client_order_id: str) -> None:
        self.exchange.say(client_order_id, "C", state="C")
