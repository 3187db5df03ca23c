"""The adapter speaks with an engine of other people's, which knows the standard's dictionary."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fixcore.application import Application
from fixcore.message.message import Message
from fixcore.session.session_settings import SessionSettings
from fixcore.transport.acceptor import SocketAcceptor

from fix_venue import PRICE
from tapewire.execution.codes import OrderStatus, OrderType, Side, TimeInForce
from tapewire.live import orders as said
from tapewire.live.brokers.conformance import ConformanceBench
from tapewire.live.brokers.fix import FixBroker, FixSettings

CONFIG = """
[DEFAULT]
ConnectionType=acceptor
UseDataDictionary=Y
DataDictionary=FIX44.xml
ValidateFieldsOutOfRange=Y
FileStorePath={folder}
[SESSION]
BeginString=FIX.4.4
SenderCompID=OTHER
TargetCompID=FIRM
SocketAcceptHost=127.0.0.1
SocketAcceptPort={port}
HeartBtInt=5
"""


class Venue(Application):
    """Takes every order, fills half of it, and cancels the rest when asked."""

    def __init__(self) -> None:
        self.acceptor: Any = None
        self.orders: dict[str, tuple[Message, int]] = {}
        self.received: list[str] = []
        self.rejects: list[str] = []
        self.executions = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def to_admin(self, message: Message, session_id: Any) -> None:
        if message.msg_type == "3":
            self.rejects.append(repr(message.encode()))

    def from_app(self, message: Message, session_id: Any) -> None:
        self.received.append(message.msg_type)
        session = self.acceptor.sessions[session_id]
        for reply in self._replies(message):
            task = asyncio.get_running_loop().create_task(session.send_app(reply))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _replies(self, got: Message) -> list[Message]:
        if got.msg_type == "D":
            lots = int(got[38])
            self.orders[got[11]] = (got, lots // 2)
            fill = {32: str(lots // 2), 31: got[44], 851: "2"}
            return [self._report(got, "0", 0), self._report(got, "F", lots // 2, fill)]
        if got.msg_type == "F":
            order, filled = self.orders[got[41]]
            return [self._report(order, "4", filled, {11: got[11], 41: got[41]})]
        if got.msg_type == "AF":
            total = {584: got[584], 911: str(len(self.orders))}
            return [
                self._report(order, "I", filled, {**total, 17: "0"})
                for order, filled in self.orders.values()
            ]
        return []

    def _report(
        self, order: Message, kind: str, filled: int, more: dict[int, str] | None = None
    ) -> Message:
        self.executions += 1
        left = 0 if kind == "4" else int(order[38]) - filled
        status = {"4": "4", "0": "0"}.get(kind, "1")
        reply = Message()
        reply.header.set(35, "8")
        fields = {
            37: f"O{order[11]}", 11: order[11], 17: f"X{self.executions}", 150: kind, 39: status,
            55: order[55], 54: order[54], 38: order[38], 40: order[40], 44: order[44],
            151: str(left), 14: str(filled), 6: "0", **(more or {}),
        }  # fmt: skip
        for field, value in fields.items():
            reply[field] = value
        return reply


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[tuple[Venue, int]]:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    app = Venue()
    text = CONFIG.format(folder=tmp_path / "theirs", port=port)
    app.acceptor = SocketAcceptor(SessionSettings.from_string(text), app)
    ready, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with app.acceptor:
            ready.set()
            await over.wait()
        for session in app.acceptor.sessions.values():
            session.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield app, port
    loop.call_soon_threadsafe(over.set)
    thread.join(10)
    loop.close()


class OtherEngine:
    symbol, price, tick = "ESM5", PRICE, 250_000_000

    def __init__(self, port: int, folder: Path) -> None:
        self._settings = FixSettings(
            host="127.0.0.1", port=port, sender_comp_id="FIRM", target_comp_id="OTHER",
            account="ACC1", folder=folder, tls=False, has_fills=False, has_positions=False,
            heartbeat_s=5,
        )  # fmt: skip

    def make(self) -> FixBroker:
        return FixBroker(self._settings, pauses_s=(0.1, 1.0))

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody commands another engine: {name}")


def test_orders_go_to_another_engine_and_a_kill_loses_nothing(
    venue: tuple[Venue, int], tmp_path: Path
) -> None:
    app, port = venue
    bench = ConformanceBench(OtherEngine(port, tmp_path / "ours"))
    bench.connect()
    first = bench.order(4)
    bench.broker.submit(first)
    bench.until(said.OrderAccepted, of=first.client_order_id)
    fill = bench.until(said.OrderFilled, of=first.client_order_id)
    assert (fill.last_qty, fill.leaves_qty, fill.last_px) == (2, 2, PRICE)
    # Killed behind an order: nobody takes what the venue says, and no number is kept as it was.
    second = bench.order(6)
    bench.broker.submit(second)
    bench.broker._line.close()  # type: ignore[attr-defined]
    bench.broker = bench.venue.make()
    bench.connect()
    bench.settle()
    # It tells again what nobody took; what we are asked for again is told to be nothing.
    assert bench.filled(first.client_order_id) == 2
    assert app.received.count("D") <= 2
    report = bench.report()
    assert report.is_complete
    assert {one.client_order_id for one in report.orders} == set(app.orders)
    assert report.orders[0].status == OrderStatus.PARTIALLY_FILLED
    bench.broker.cancel(said.CancelOrder(first.client_order_id, 1))
    bench.until(said.OrderCanceled, of=first.client_order_id)
    third = said.NewOrder(
        "third-1", "s", "ESM5", Side.SELL, OrderType.LIMIT, TimeInForce.IOC, PRICE, 2**63 - 1, 2,
        True, False, 1,
    )  # fmt: skip
    bench.broker.submit(third)
    bench.until(said.OrderFilled, of="third-1")
    bench.close()
    assert app.rejects == []
    assert not [one for one in bench.heard if isinstance(one, said.OrderUnclear | said.OrderDenied)]
