"""Small markets made by hand, and simulated orders played through them as a user would.

A ``Tape`` is a stream of records, told event by event; a ``Log`` is an order log, written as a real
file and played by the ``order_log`` strategy. Times are in µs after ``START_NS``, prices are plain
numbers. Every ``play`` also checks what holds in any run: see ``check_books_balance``.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tapewire.execution.codes import (
    DAY_END_ID,
    SHORT_DAY_END_ID,
    FillReason,
    Liquidity,
    OrderEvent,
    OrderStatus,
    Reason,
    Side,
    own_order_name,
)
from tapewire.execution.models import Model, Models, built_in
from tapewire.execution.rows import FILL_DTYPE, ORDER_DTYPE
from tapewire.market.instruments import Expiry, InstrumentTable, OrderRules
from tapewire.market.records import MBO_DTYPE, UNDEF_PRICE
from tapewire.market.status import TRANSITION
from tapewire.positions.rows import SAMPLE_DTYPE
from tapewire.router import (
    Drained,
    FlagPolicy,
    GatewayLimit,
    RiskLimits,
    Simulation,
    SimulationConfig,
    StrategySpec,
)
from tapewire.strategies import STRATEGIES

LAST, TOB, SNAPSHOT = 128, 64, 32
START_NS = 1_700_000_000_000_000_000
PUBLISHER, INSTRUMENT, SYMBOL = 1, 7, "TWX"
OTHER_INSTRUMENT, OTHER_SYMBOL = 8, "TWY"
COLUMNS = (
    "ts_ns", "action", "client_order_id", "symbol", "side", "order_type", "price", "quantity",
    "time_in_force",
)  # fmt: skip
TERM_COLUMNS = (
    "trigger_price", "expire_ns", "min_quantity", "display_quantity", "post_only", "reduce_only",
    "peg", "peg_offset_ticks", "group", "parent",
)  # fmt: skip
Number = int | float | str | Decimal


def px(price: Number | None) -> int:
    """A price as 1e-9 units."""
    if price is None:
        return UNDEF_PRICE
    value = Decimal(str(price)) * 10**9
    assert value == int(value), price
    return int(value)


def ns(us: Number) -> int:
    """A time as ns since the epoch."""
    value = Decimal(str(us)) * 1000
    assert value == int(value), us
    return START_NS + int(value)


def us(ts_ns: int) -> float:
    """A time as µs after the start; 0 stays 0."""
    return 0 if ts_ns == 0 else (ts_ns - START_NS) / 1000


class Line(NamedTuple):
    """One record to be."""

    action: str
    side: str
    order_id: int
    price: int
    size: int
    flags: int = 0


class Tape:
    """A market told event by event.

    It follows the orders itself, just enough to know the price and size that a cancel, modify or
    fill has to name.
    """

    def __init__(self, delay_us: Number = 1, publisher: int = PUBLISHER) -> None:
        self.delay_ns = int(Decimal(str(delay_us)) * 1000)
        self.publisher = publisher
        self.instrument = INSTRUMENT
        self.orders: dict[tuple[int, int], Line] = {}
        self._rows: list[tuple[Any, ...]] = []

    def event(self, t: Number, *lines: Line, last: bool = True) -> "Tape":
        """One event of several records; the last one carries F_LAST."""
        for k, line in enumerate(lines):
            flags = line.flags | (LAST if last and k == len(lines) - 1 else 0)
            self._rows.append(
                (14, 160, self.publisher, self.instrument, ns(t), line.order_id, line.price,
                 line.size, flags, 0, ord(line.action), ord(line.side), ns(t) + self.delay_ns,
                 0, len(self._rows))
            )  # fmt: skip
            key = (self.instrument, line.order_id)
            if line.action in "AM" and line.size and not line.flags & TOB:
                self.orders[key] = line
            elif line.action == "C":
                old = self.orders.pop(key, None)
                if old is not None and old.size > line.size:
                    self.orders[key] = old._replace(size=old.size - line.size)
        return self

    # Lines, to be put together to events of several records.

    def a(self, order_id: int, side: str, price: Number, size: int) -> Line:
        return Line("A", side, order_id, px(price), size)

    def c(self, order_id: int, size: int | None = None) -> Line:
        order = self.orders[self.instrument, order_id]
        return Line("C", order.side, order_id, order.price, order.size if size is None else size)

    def m(self, order_id: int, size: int | None = None, price: Number | None = None) -> Line:
        order = self.orders[self.instrument, order_id]
        return Line(
            "M", order.side, order_id, order.price if price is None else px(price),
            order.size if size is None else size,
        )  # fmt: skip

    def t(self, side: str, price: Number | None, size: int, order_id: int = 0) -> Line:
        return Line("T", side, order_id, px(price), size)

    def f(self, order_id: int, size: int) -> Line:
        order = self.orders[self.instrument, order_id]
        return Line("F", order.side, order_id, order.price, size)

    # Whole events.

    def add(self, t: Number, order_id: int, side: str, price: Number, size: int) -> "Tape":
        return self.event(t, self.a(order_id, side, price, size))

    def cancel(self, t: Number, order_id: int, size: int | None = None) -> "Tape":
        return self.event(t, self.c(order_id, size))

    def modify(
        self, t: Number, order_id: int, size: int | None = None, price: Number | None = None
    ) -> "Tape":
        return self.event(t, self.m(order_id, size, price))

    def quote(self, t: Number, side: str, price: Number | None, size: int) -> "Tape":
        """A top-of-book publisher's word on one side."""
        return self.event(t, Line("A", side, 0, px(price), size, TOB))

    def tick(self, t: Number) -> "Tape":
        """An event that changes nothing: time goes on."""
        return self.event(t, Line("N", "N", 0, UNDEF_PRICE, 0))

    def snapshot(
        self, t: Number, lines: Sequence[Line], *, clear: bool = False, event_us: Number = -5_000
    ) -> "Tape":
        """The whole book in queue order, captured at ``t`` with old event times."""
        if clear:
            lines = [Line("R", "N", 0, UNDEF_PRICE, 0), *lines]
        flagged = [line._replace(flags=SNAPSHOT) for line in lines]
        self.event(event_us, *flagged)
        recv = ns(t) + self.delay_ns
        for k in range(len(self._rows) - len(lines), len(self._rows)):
            self._rows[k] = (*self._rows[k][:12], recv, *self._rows[k][13:])
        return self

    def trade(
        self,
        t: Number,
        *fills: tuple[int, int],
        clips: dict[int, int] | None = None,
        pulled: Iterable[int] = (),
        rest: tuple[int, Number, int] | None = None,
        price: Number | None = None,
    ) -> "Tape":
        """An aggressor hits resting orders: T, an F each, then the C and M that carry it out.

        Parameters
        ----------
        fills : (order id, lots)
        clips : sizes that icebergs show afterwards
        pulled : orders that leave in the same event without a fill
        rest : (order id, price, lots) of what is left of the aggressor
        """
        orders = [self.orders[self.instrument, order_id] for order_id, _ in fills]
        passive = orders[0].side
        aggressor = "A" if passive == "B" else "B"
        last_price = orders[-1].price if price is None else px(price)
        lines = [Line("T", aggressor, 0, last_price, sum(lots for _, lots in fills))]
        lines += [self.f(order_id, lots) for order_id, lots in fills]
        lines += [self.c(order_id) for order_id in pulled]
        filled: dict[int, int] = {}
        for order_id, lots in fills:
            filled[order_id] = filled.get(order_id, 0) + lots
        for order_id, lots in filled.items():
            left = self.orders[self.instrument, order_id].size - lots
            if clips and order_id in clips:
                left = clips[order_id]
            lines.append(self.m(order_id, left) if left > 0 else self.c(order_id))
        if rest is not None:
            lines.append(self.a(rest[0], aggressor, rest[1], rest[2]))
        return self.event(t, *lines)

    def records(self) -> np.ndarray:
        """All records, dtype MBO_DTYPE, in order of capture."""
        out = np.array(self._rows, MBO_DTYPE)
        return out[np.argsort(out["ts_recv"], kind="stable")]


def merge(*tapes: Tape) -> np.ndarray:
    """The records of several tapes, dtype MBO_DTYPE, in order of capture."""
    records = np.concatenate([tape.records() for tape in tapes])
    return records[np.argsort(records["ts_recv"], kind="stable")]


@dataclass
class Log:
    """An order log, row by row."""

    rows: list[dict[str, str]] = field(default_factory=list)
    symbol: str = SYMBOL

    def _row(self, **cells: object) -> "Log":
        terms = [name for name in TERM_COLUMNS if name in cells]
        assert cells.keys() <= {*COLUMNS, *terms}, "columns of an order log"
        self.rows.append({name: str(cells.get(name, "")) for name in (*COLUMNS, *terms)})
        return self

    def buy(self, t: Number, name: str, quantity: int, price: Number | None = None,
            tif: str = "GTC", **terms: object) -> "Log":  # fmt: skip
        return self.new(t, name, "BUY", quantity, price, tif, **terms)

    def sell(self, t: Number, name: str, quantity: int, price: Number | None = None,
             tif: str = "GTC", **terms: object) -> "Log":  # fmt: skip
        return self.new(t, name, "SELL", quantity, price, tif, **terms)

    def new(self, t: Number, name: str, side: str, quantity: int, price: Number | None,
            tif: str = "GTC", **terms: object) -> "Log":  # fmt: skip
        """A limit order, or a market order without a price; ``terms`` are further columns.

        With a ``trigger_price`` they are a stop-limit and a stop order, with ``to_limit`` a
        market order is a market-to-limit one.
        """
        kind = "MARKET" if price is None else "LIMIT"
        if "peg" in terms:
            kind = "LIMIT"
        if "trigger_price" in terms:
            kind = "STOP" if price is None else "STOP_LIMIT"
        if terms.pop("to_limit", False):
            kind = "MARKET_TO_LIMIT"
        return self._row(
            ts_ns=ns(t), action="new", client_order_id=name, symbol=self.symbol, side=side,
            order_type=kind, price="" if price is None else price, quantity=quantity,
            time_in_force="" if kind == "MARKET" else tif, **terms,
        )  # fmt: skip

    def cancel(self, t: Number, name: str) -> "Log":
        return self._row(ts_ns=ns(t), action="cancel", client_order_id=name, symbol=self.symbol)

    def mass_cancel(self, t: Number, name: str) -> "Log":
        """Of all orders in the book of the one that is named."""
        return self._row(
            ts_ns=ns(t), action="mass_cancel", client_order_id=name, symbol=self.symbol
        )

    def replace(self, t: Number, name: str, quantity: int, price: Number) -> "Log":
        return self._row(
            ts_ns=ns(t), action="replace", client_order_id=name, symbol=self.symbol,
            price=price, quantity=quantity,
        )  # fmt: skip

    def write(self, path: Path) -> Path:
        with path.open("w", newline="") as file:
            extra = [name for name in TERM_COLUMNS if any(name in row for row in self.rows)]
            writer = csv.DictWriter(file, (*COLUMNS, *extra))
            writer.writeheader()
            writer.writerows(self.rows)
        return path


class Fill(NamedTuple):
    """A fill as a person reads it; times in µs after the start."""

    order: str
    side: str
    price: Decimal
    lots: int
    liquidity: str
    reason: str
    at: float
    known: float
    commission: int
    position: int


class Order(NamedTuple):
    """An order at the end of its life."""

    status: str
    reason: str
    filled: int
    quantity: int
    price: Decimal | None
    queue_ahead: int
    sent: float
    arrived: float
    closed: float
    replaces: int = 0
    replaced: float = 0


@dataclass
class Played:
    """What came of a run."""

    simulation: Simulation
    rows: Drained
    fills: list[Fill]
    orders: dict[str, Order]

    @property
    def digest(self) -> str:
        return self.simulation.digests()["log"]

    @property
    def counts(self) -> dict[str, int]:
        return self.simulation.counts

    def changes(self, order: str) -> list[tuple[Any, ...]]:
        """(event, reason, price, lots, filled, at, known) of every change of an order."""
        found = []
        for row in self.rows.events:
            labels = self.simulation.legs[int(row["leg"])].client_order_labels
            if label(labels, int(row["client_order_id"])) == order:
                price = None if row["price"] == UNDEF_PRICE else int(row["price"]) / 10**9
                found.append(
                    (OrderEvent(row["event"]).name, Reason(row["reason"]).name, price,
                     int(row["quantity"]), int(row["filled_qty"]), us(int(row["ts_event"])),
                     us(int(row["ts_known"])))
                )  # fmt: skip
        return found

    def brief(self) -> list[tuple[str, float, int, str, float]]:
        """(order, price, lots, reason, at) of every fill."""
        return [(f.order, float(f.price), f.lots, f.reason, f.at) for f in self.fills]

    def last_sample(self, leg: int = 0) -> Any:
        return self.rows.samples[self.rows.samples["leg"] == leg][-1]


def label(labels: Sequence[str] | None, number: int) -> str:
    """What an order is called: by its log, or as an order of the simulation."""
    if number < 0:
        return own_order_name(number)
    return labels[number - 1] if labels is not None else str(number)


def models_of(
    entry_us: Number = 50, response_us: Number = 50, feed_us: Number = 0, fee: int = 0,
    impact_ppm: int = 0,
) -> Models:  # fmt: skip
    """Fixed latencies in µs, a fee in 1e-9 currency, impact in 1e-6 bps per million."""
    delays = {"entry": entry_us, "response": response_us, "feed": feed_us}
    return Models(
        latency=built_in(
            "latency",
            "fixed",
            **{f"{leg}_latency_us": Decimal(str(us)) for leg, us in delays.items()},
        ),
        impact=built_in("impact", "linear", impact_bps_per_million=Decimal(impact_ppm).scaleb(-6)),
        fees=built_in("fees", "per_contract", per_contract=Decimal(fee).scaleb(-9)),
    )


def configure(
    log: Path | None,
    *,
    entry_us: Number = 50,
    response_us: Number = 50,
    feed_us: Number = 0,
    fee: int = 0,
    impact_ppm: int = 0,
    policy: str = "halt_fills",
    market_order_in_halt: str = "wait",
    unseen_trades: str = "fill_through",
    book_clear: str = "cancel",
    limits: RiskLimits | None = None,
    portfolio: RiskLimits | None = None,
    gateway: GatewayLimit | None = None,
    tick: Number = 0,
    multiplier: Fraction | int = 1,
    sample_interval_ns: int = 1_000_000_000,
    fill_notice: str = "response",
    mark_price: str = "mid",
    event_log: bool = False,
    models: Models | None = None,
    fill: Model | None = None,
    queue: Model | None = None,
    seed: int = 0,
    session_closes: tuple[int, ...] = (),
    states: Sequence[tuple[Any, ...]] = (),
    rules: OrderRules | None = None,
    others: Sequence[StrategySpec] = (),
    expires: tuple[Number, Number | None] | None = None,
    hedges: bool = False,
    rates: Mapping[str, Sequence[tuple[int, int, int]]] | None = None,
    day_end: str = "",
    flags: FlagPolicy | None = None,
    warmup_until_ns: int = 0,
    rolls: bool = False,
) -> SimulationConfig:
    """A configuration with the order log as strategy ``log``, and others beside it.

    ``states`` are trading states: (µs, TradingState), captured 1 µs later, or (µs, state, µs).
    ``expires`` is when the instrument ends, and what it is settled at, if that is known; with
    ``rolls`` it is when the run leaves it.
    """
    expiries = {}
    if expires is not None:
        at, price = expires
        expiries[SYMBOL] = Expiry(ns(at), None if price is None else px(price), rolls)
    table = InstrumentTable(
        [(SYMBOL, INSTRUMENT), (OTHER_SYMBOL, OTHER_INSTRUMENT)],
        {SYMBOL: (px(tick), Fraction(multiplier))},
        {SYMBOL: rules or OrderRules()},
        expiries=expiries,
    )
    specs = list(others)
    if log is not None:
        definition = STRATEGIES["order_log"]
        specs.insert(
            0,
            StrategySpec(
                "log", definition, {"path": log}, limits=limits or RiskLimits(), hedges=hedges
            ),
        )
    return SimulationConfig(
        table,
        tuple(specs),
        models=replace(
            models or models_of(entry_us, response_us, feed_us, fee, impact_ppm),
            **{name: model for name, model in (("fill", fill), ("queue", queue)) if model},
        ),
        portfolio=portfolio,
        seed=seed,
        gateway=gateway,
        crossed_policy=policy,  # type: ignore[arg-type]
        market_order_in_halt=market_order_in_halt,  # type: ignore[arg-type]
        unseen_trades=unseen_trades,  # type: ignore[arg-type]
        book_clear=book_clear,  # type: ignore[arg-type]
        sample_interval_ns=sample_interval_ns,
        fill_notice=fill_notice,  # type: ignore[arg-type]
        mark_price=mark_price,  # type: ignore[arg-type]
        event_log=event_log,
        publishers=(PUBLISHER,),
        session_closes=session_closes,
        rates=rates or {},
        transitions=transitions(states) if states else None,
        day_end=day_end,  # type: ignore[arg-type]
        flags=flags or FlagPolicy(),
        warmup_until_ns=warmup_until_ns,
    )


def transitions(states: Sequence[tuple[Any, ...]], instrument: int = INSTRUMENT) -> np.ndarray:
    """Changes of state of one book, dtype TRANSITION."""
    key = PUBLISHER << 32 | instrument
    return np.array(
        [(ns(at), ns(seen[0] if seen else at + 1), key, state) for at, state, *seen in states],
        TRANSITION,
    )


def extras_of(parts: Sequence[Drained]) -> np.ndarray:
    """What few orders have beside, of several drains: counted through."""
    extras = [part.order_extras.copy() for part in parts]
    before = 0
    for part, own in zip(parts, extras, strict=True):
        own["row"] += before
        before += part.order_core.size
    return np.concatenate(extras)


def run(
    config: SimulationConfig, records: np.ndarray, batch: int = 0
) -> tuple[Simulation, Drained]:
    """Feed records in batches of ``batch`` (0: all at once) and check the books of the run."""
    simulation = Simulation(config)
    parts = []
    for at in range(0, len(records), batch or max(1, len(records))):
        simulation.feed(records[at : at + (batch or len(records))])
        parts.append(simulation.drain())
    simulation.finish()
    parts.append(simulation.drain())
    rows = Drained(
        np.concatenate([part.fills for part in parts]),
        np.concatenate([part.order_core for part in parts]),
        extras_of(parts),
        np.concatenate([part.samples for part in parts]),
        np.concatenate([part.events for part in parts]),
        np.concatenate([part.series for part in parts]),
        np.concatenate([part.fees for part in parts]),
    )
    check_books_balance(simulation, rows)
    return simulation, rows


def play(
    folder: Path, tape: Tape | np.ndarray, log: Log, *, batch: int = 0, **settings: Any
) -> Played:
    """Play an order log through a tape; ``settings`` as ``configure`` takes them."""
    path = log.write(folder / "orders.csv")
    records = tape.records() if isinstance(tape, Tape) else tape
    simulation, rows = run(configure(path, **settings), records, batch)
    return read(simulation, rows)


def read(simulation: Simulation, rows: Drained) -> Played:
    """The rows of the order log, as a person reads them."""
    names = {leg.leg: leg.client_order_labels for leg in simulation.legs}
    fills = []
    for row in rows.fills:
        labels = names[int(row["leg"])]
        if labels is None:
            continue
        fills.append(
            Fill(
                label(labels, int(row["client_order_id"])),
                Side(row["side"]).name,
                Decimal(int(row["last_px"])) / 10**9,
                int(row["last_qty"]),
                Liquidity(row["liquidity"]).name,
                FillReason(row["reason"]).name,
                us(int(row["ts_event"])),
                us(int(row["ts_known"])),
                int(row["commission"]),
                int(row["position"]),
            )
        )
    orders = {}
    for row in rows.orders:
        labels = names[int(row["leg"])]
        if labels is None:
            continue
        price = None if row["price"] == UNDEF_PRICE else Decimal(int(row["price"])) / 10**9
        orders[label(labels, int(row["client_order_id"]))] = Order(
            OrderStatus(row["status"]).name,
            Reason(row["reason"]).name,
            int(row["filled_qty"]),
            int(row["quantity"]),
            price,
            int(row["queue_ahead"]),
            us(int(row["ts_sent"])),
            us(int(row["ts_arrived"])),
            us(int(row["ts_closed"])),
            int(row["replaces"]),
            us(int(row["ts_replaced"])),
        )
    return Played(simulation, rows, fills, orders)


def check_books_balance(simulation: Simulation, rows: Drained) -> None:
    """What must hold of any run, in exact integers."""
    config = simulation.config
    assert rows.fills.dtype == FILL_DTYPE
    assert rows.orders.dtype == ORDER_DTYPE
    assert rows.samples.dtype == SAMPLE_DTYPE
    by_order: dict[tuple[int, int], int] = {}
    position: dict[int, int] = {}
    cash: dict[int, int] = {}
    fees: dict[int, int] = {}
    volume: dict[int, int] = {}
    largest: dict[int, int] = {}
    arrived = {
        (int(o["leg"]), int(o["client_order_id"])): int(o["ts_arrived"]) for o in rows.orders
    }
    last: dict[int, int] = {}
    hedging = {spec.strategy_id: spec.hedges for spec in config.strategies}
    hedges = [hedging[info.strategy_id] for info in simulation.legs]
    own = {spec.strategy_id: spec.models or config.models for spec in config.strategies}
    models = [own[info.strategy_id] for info in simulation.legs]
    leg_fee = [one.fees.parameters.get("per_contract") for one in models]  # None: others
    leg_shortest = [one.latency_bounds() for one in models]
    for fill in rows.fills:
        leg, lots = int(fill["leg"]), int(fill["last_qty"])
        fee, shortest = leg_fee[leg], leg_shortest[leg]
        key = leg, int(fill["client_order_id"])
        assert lots > 0
        by_order[key] = by_order.get(key, 0) + lots
        signed = int(fill["side"]) * lots
        position[leg] = position.get(leg, 0) + signed
        cash[leg] = cash.get(leg, 0) - signed * int(fill["last_px"])
        fees[leg] = fees.get(leg, 0) + int(fill["commission"])
        volume[leg] = volume.get(leg, 0) + lots
        largest[leg] = max(largest.get(leg, 0), abs(position[leg]))
        assert fill["position"] == position[leg]
        if fill["reason"] == FillReason.SETTLEMENT:
            fee = Decimal(0)
        assert fee is None or fill["commission"] == lots * fee.scaleb(9)
        assert fill["ts_event"] >= arrived[key]
        assert fill["ts_event"] >= last.get(leg, 0), "a leg's fills happen in order"
        last[leg] = int(fill["ts_event"])
        if fill["reason"] != FillReason.DAY_END:  # of which nobody is told
            assert fill["ts_known"] >= fill["ts_event"] + shortest["response"][0]
    check_event_log(config, rows)
    seen = set()
    for order in rows.orders:
        key = int(order["leg"]), int(order["client_order_id"])
        assert key not in seen, "an order is reported once"
        seen.add(key)
        assert order["filled_qty"] == by_order.get(key, 0)
        status = OrderStatus(order["status"])
        if status is not OrderStatus.DENIED:
            assert order["filled_qty"] <= order["quantity"], "never overfilled"
        assert (status is OrderStatus.FILLED) == (
            order["filled_qty"] == order["quantity"]
            and order["reason"] not in (Reason.USER_CANCEL, Reason.INVALID_QUANTITY)
        )
        assert (order["ts_closed"] == 0) == (order["reason"] == Reason.END_OF_DATA)
        if order["reason"] in (Reason.SETTLEMENT, Reason.ROLL) or order["client_order_id"] in (
            DAY_END_ID,
            SHORT_DAY_END_ID,
        ):
            assert order["ts_arrived"] == order["ts_sent"] > 0
        elif order["ts_arrived"]:
            assert (
                order["ts_arrived"]
                >= order["ts_sent"] + leg_shortest[int(order["leg"])]["entry"][0]
            )
        elif order["reason"] != Reason.DAY_END:
            assert status in (OrderStatus.DENIED, OrderStatus.PENDING_NEW)
        if order["ts_closed"]:
            assert order["ts_closed"] >= max(order["ts_arrived"], order["ts_sent"])
    assert set(by_order) <= seen, "every order with fills is reported"
    for leg in simulation.legs:
        samples = rows.samples[rows.samples["leg"] == leg.leg]
        final = samples[-1]
        k = leg.leg
        assert final["position"] == position.get(k, 0)
        assert final["cash"] == cash.get(k, 0)
        assert final["fees"] == fees.get(k, 0)
        assert final["volume"] == volume.get(k, 0)
        assert final["max_position"] == largest.get(k, 0)
        if final["position"] == 0 and not hedges[k]:
            assert final["realized"] == final["cash"], "a flat account has realized all its cash"
        assert (np.diff(samples["ts"]) >= 0).all()


def check_event_log(config: SimulationConfig, rows: Drained) -> None:
    """The event log tells of every order what its rows tell, in an order that makes sense."""
    shortest_ns = config.models.latency_bounds()["response"][0]
    if not config.event_log:
        assert rows.events.size == 0
        return
    fills: dict[tuple[int, int], list[tuple[int, ...]]] = {}
    for fill in rows.fills:
        key = int(fill["leg"]), int(fill["client_order_id"])
        told = tuple(int(fill[n]) for n in ("last_px", "last_qty", "ts_event", "ts_known"))
        if fill["reason"] == FillReason.DAY_END:
            told = (*told[:3], told[2])
        fills.setdefault(key, []).append(told)
    events: dict[tuple[int, int], list[Any]] = {}
    for event in rows.events:
        events.setdefault((int(event["leg"]), int(event["client_order_id"])), []).append(event)
    assert len(events) == rows.orders.size
    ended = {"FILLED", "CANCELED", "EXPIRED", "DENIED", "REJECTED"}
    for order in rows.orders:
        key = int(order["leg"]), int(order["client_order_id"])
        mine = events[key]
        names = [OrderEvent(e["event"]).name for e in mine]
        status = OrderStatus(order["status"]).name
        assert names[0] == ("DENIED" if status == "DENIED" else "SENT")
        assert mine[0]["ts_known"] == order["ts_sent"]
        assert [n for n in names if n in ended] == ([status] if status in ended else [])
        assert names.count("ACCEPTED") == (order["ts_arrived"] != 0 and status != "REJECTED")
        assert names.count("REPLACED") == order["replaces"]
        assert [
            tuple(int(e[n]) for n in ("last_px", "last_qty", "ts_event", "ts_known"))
            for e in mine
            if e["last_qty"]
        ] == fills.get(key, [])
        for e, name in zip(mine, names, strict=True):
            if name in ended:
                assert e["ts_event"] == (0 if name == "DENIED" else order["ts_closed"])
                assert e["filled_qty"] == order["filled_qty"]
                assert e["reason"] in (0, order["reason"])
            if (
                e["ts_event"]
                and e["reason"] != Reason.DAY_END
                and order["client_order_id"] not in (DAY_END_ID, SHORT_DAY_END_ID)
            ):
                assert e["ts_known"] >= e["ts_event"] + shortest_ns
