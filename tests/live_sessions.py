"""Live sessions whose orders go to an exchange over FIX: data, settings, somebody who trades."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import fix_exchange as fx
from fix_venue import VARIABLE
from live_gateway import Script

SYMBOL = "TWA1"


def script_of(records: np.ndarray, seconds: float, symbol: str = SYMBOL) -> Script:
    """The records, at a pace at which they last so long."""
    spans = records["ts_recv"].astype(np.int64)
    speed = float(spans[-1] - spans[np.count_nonzero(spans == spans[0])]) / 1e9 / seconds
    return Script(records, {symbol: int(records["instrument_id"][0])}, speed=speed)


def orders_of(exchange: fx.Exchange, folder: Path, **more: Any) -> dict[str, Any]:
    options = {
        "host": "127.0.0.1", "port": exchange.port, "sender_comp_id": fx.FIRM,
        "target_comp_id": fx.VENUE, "account": fx.ACCOUNT, "folder": str(folder / "fix"),
        "username": "me", "password_variable": VARIABLE, "tls": False, "heartbeat_s": 5,
    }  # fmt: skip
    return {
        "account": "ACC1", "folder": str(folder / "account"),
        "broker": {"type": "fix", "options": options},
        "limits": {"max_order_size": 10, "max_position": 50},
    } | more  # fmt: skip


@contextmanager
def filling(exchange: fx.Exchange, every_s: float) -> Iterator[None]:
    """Somebody trades with an open order of the firm's, now and then."""
    over, draw = threading.Event(), random.Random(3)

    def trade() -> None:
        while not over.wait(every_s):
            with exchange.lock:
                names = [one.first for one in exchange.orders.values() if one.leaves]
            if names:
                exchange.trade(draw.choice(names), 1)

    thread = threading.Thread(target=trade)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
