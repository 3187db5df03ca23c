"""Rows as the simulation would hand them over, for tests of what is made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tapewire.execution.codes import FillReason, Liquidity, OrderStatus, OrderType, Reason, Side
from tapewire.execution.codes import TimeInForce as Tif
from tapewire.execution.rows import FILL_DTYPE, ORDER_DTYPE
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.rows import SAMPLE_DTYPE

E9 = 10**9
DAY_NS = 86_400 * E9
NOON_NS = 1_703_505_600 * E9  # 2023-12-25 12:00 UTC


@dataclass
class FakeLeg:
    leg: int = 0
    strategy_id: str = "maker"
    publisher_id: int = 1
    instrument_id: int = 17077
    symbol: str = "ESH4"
    multiplier_num: int = 50
    multiplier_den: int = 1
    tick_size: int = 250_000_000
    client_order_labels: Sequence[str] | None = None
    position_limit: int | None = None


def rows(dtype: np.dtype, values: Sequence[dict[str, Any]]) -> np.ndarray:
    out = np.zeros(len(values), dtype)
    for i, value in enumerate(values):
        for name, v in value.items():
            out[i][name] = v
    return out


def no_fills() -> np.ndarray:
    return np.zeros(0, FILL_DTYPE)


def no_orders() -> np.ndarray:
    return np.zeros(0, ORDER_DTYPE)


def no_samples() -> np.ndarray:
    return np.zeros(0, SAMPLE_DTYPE)


class Book:
    """One leg's story, told fill by fill with an average-cost account kept by hand."""

    def __init__(self, leg: FakeLeg, ts: int = NOON_NS) -> None:
        self.leg, self.ts = leg, ts
        self.position = self.cash = self.realized = self.fees = self.volume = self.max = 0
        self.cost = 0  # signed: what the open lots cost
        self.fills: list[dict[str, Any]] = []
        self.orders: list[dict[str, Any]] = []
        self.samples: list[dict[str, Any]] = []

    def fill(
        self, signed: int, price: int, fee: int = 0, *, after_ns: int = E9, maker: bool = True
    ) -> "Book":
        """Trade ``signed`` lots at ``price`` (1e-9), by an order of just that size."""
        self.ts += after_ns
        closing = 0
        if self.position * signed < 0:
            closing = min(abs(signed), abs(self.position)) * (1 if signed > 0 else -1)
            cost = self.cost * -closing // self.position
            self.realized += -closing * price - cost
            self.cost -= cost
        self.cost += (signed - closing) * price
        self.position += signed
        self.cash -= signed * price
        self.fees += fee
        self.volume += abs(signed)
        self.max = max(self.max, abs(self.position))
        side = Side.BUY if signed > 0 else Side.SELL
        number = len(self.orders) + 1
        base = {
            "leg": self.leg.leg,
            "client_order_id": number,
            "side": side,
            "publisher_id": self.leg.publisher_id,
            "instrument_id": self.leg.instrument_id,
        }
        self.fills.append(
            base
            | {
                "last_px": price,
                "last_qty": abs(signed),
                "commission": fee,
                "liquidity": Liquidity.MAKER if maker else Liquidity.TAKER,
                "reason": FillReason.QUEUE if maker else FillReason.TAKEN,
                "position": self.position,
                "ts_event": self.ts,
                "ts_known": self.ts + 60_000,
            }
        )
        self.orders.append(
            base
            | {
                "order_type": OrderType.LIMIT if maker else OrderType.MARKET,
                "time_in_force": Tif.GTC if maker else Tif.IOC,
                "status": OrderStatus.FILLED,
                "reason": Reason.NONE,
                "price": price if maker else UNDEF_PRICE,
                "quantity": abs(signed),
                "filled_qty": abs(signed),
                "queue_ahead": 7 if maker else -1,
                "ts_sent": self.ts - 100_000,
                "ts_arrived": self.ts - 40_000,
                "ts_closed": self.ts,
            }
        )
        return self

    def order(self, status: OrderStatus, reason: Reason = Reason.NONE, quantity: int = 1) -> "Book":
        """An order that never filled."""
        reached = status not in (OrderStatus.DENIED, OrderStatus.PENDING_NEW)
        open_ = status in (OrderStatus.NEW, OrderStatus.PENDING_NEW)
        self.orders.append(
            {
                "leg": self.leg.leg,
                "client_order_id": len(self.orders) + 1,
                "side": Side.BUY,
                "publisher_id": self.leg.publisher_id,
                "instrument_id": self.leg.instrument_id,
                "order_type": OrderType.LIMIT,
                "time_in_force": Tif.GTC,
                "status": status,
                "reason": reason,
                "price": 4800 * E9,
                "quantity": quantity,
                "filled_qty": 0,
                "queue_ahead": 12 if reached else -1,
                "ts_sent": self.ts,
                "ts_arrived": self.ts + 60_000 if reached else 0,
                "ts_closed": 0 if open_ else self.ts + 200_000,
            }
        )
        return self

    def sample(self, mark: int, *, after_ns: int = 0) -> "Book":
        self.ts += after_ns
        self.samples.append(
            {
                "leg": self.leg.leg,
                "ts": self.ts,
                "position": self.position,
                "cash": self.cash,
                "realized": self.realized,
                "fees": self.fees,
                "mark": mark,
                "volume": self.volume,
                "max_position": self.max,
            }
        )
        return self


def drained(*books: Book) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Everything the books tell, as one drain in order of time."""
    fills = sorted((f for b in books for f in b.fills), key=lambda f: f["ts_event"])
    samples = sorted((s for b in books for s in b.samples), key=lambda s: s["ts"])
    orders = [o for b in books for o in b.orders]
    return rows(FILL_DTYPE, fills), rows(ORDER_DTYPE, orders), rows(SAMPLE_DTYPE, samples)


def manifest(**changes: Any) -> dict[str, Any]:
    """What the caller of `finish` knows, with the figures of a real run's shape."""
    latency = {
        "type": "fixed",
        "network_latency_us": 50,
        "processing_latency_us": 10,
        "feed_latency_us": 0,
    }
    config = {
        "backtest": {
            "data_source": {"type": "databento", "files": ["esh4.mbo.dbn.zst"]},
            "execution": {
                "latency_model": latency,
                "fill_model": {"type": "mbo_queue", "queue_position_model": "fifo"},
                "market_impact": {"type": "linear", "impact_bps_per_million": 0.5},
                "fees": {"type": "per_contract", "per_contract": 2.25},
                "crossed_book": "warn",
            },
            "risk_limits": {
                "max_position": 100,
                "max_order_size": 50,
                "max_loss": 10000.0,
                "max_orders_per_second": None,
            },
            "seed": 0,
        }
    }
    return {
        "digest": "9d3c0f6d1f0b9a7c52b8d1f1f35de0a4",
        "digests": {"maker": "1f" * 16, "sma_crossover": "2e" * 16},
        "events": 1_204_511,
        "elapsed_s": 0.2841,
        "events_per_s": 4_239_743.0,
        "config": config,
        "versions": {"tapewire": "0.1.0", "python": "3.11.2", "numba": "0.68.1"},
        "inputs": [{"path": "glbx-mdp3-20231225.mbo.dbn.zst", "bytes": 14_210_331,
                    "sha256": "ab" * 32}],
        "counts": {"trades": 9_421, "unknown_cancels": 3, "crossed": 0},
        "stages": {"decode": {"seconds": 0.11, "records_per_s": 10_950_100.0},
                   "simulate": {"seconds": 0.2, "records_per_s": 6_022_555.0}},
        "warnings": [],
        **changes,
    }  # fmt: skip


def busy_day(
    fills_each: int, sample_every_ns: int = E9, seed: int = 7
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], list[FakeLeg]]:
    """A day of two strategies on a random walk in ticks: one quotes, one takes."""
    draw = np.random.default_rng(seed)
    legs = [FakeLeg(0, "market_maker"), FakeLeg(1, "sma_crossover")]
    start = NOON_NS - DAY_NS // 2
    steps = DAY_NS // sample_every_ns
    wobble = np.cumsum(draw.normal(0, 1, steps)) * (60 / steps**0.5)
    price = (np.round(wobble * 4) * E9 // 4 + 4820 * E9).astype(np.int64)
    books = []
    for leg in legs:
        book, maker = Book(leg, start), leg.leg == 0
        fills_at = np.sort(draw.integers(0, steps, fills_each))
        count = np.bincount(fills_at, minlength=steps)
        for step in range(steps):
            book.ts = start + (step + 1) * sample_every_ns - sample_every_ns // 2
            for _ in range(count[step]):
                if maker:
                    lean = 0.5 - book.position * 0.03
                    signed = 1 if draw.random() < lean else -1
                    px = int(price[step]) - signed * E9 // 4
                else:
                    trend = price[step] - price[max(0, step - steps // 40)]
                    signed = 1 if trend > 0 else -1
                    signed *= 3
                    if abs(book.position + signed) > 9:
                        signed = -signed
                    px = int(price[step]) + (E9 // 4 if signed > 0 else -E9 // 4)
                book.fill(signed, px, abs(signed) * 2_250_000_000, after_ns=1000, maker=maker)
                if maker and draw.random() < 0.6:
                    book.order(OrderStatus.CANCELED, Reason.USER_CANCEL)
            book.ts = start + (step + 1) * sample_every_ns
            book.sample(int(price[step]))
        books.append(book)
    return drained(*books), legs


#: What each order cost, which a run with markouts alone knows.
COSTS = ("mid_sent", "mid_arrived", "mid_closed", "slippage", "shortfall")


def uncosted(table: pa.Table) -> pa.Table:
    """A table without what orders cost."""
    return table.drop_columns([name for name in COSTS if name in table.column_names])
