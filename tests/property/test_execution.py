"""The compiled execution equals its naive twin, on generated markets and on a real one.

The markets keep to a few small prices, so that orders cross, queue, race and refill all the time.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import partial
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drawn import draw_for
from generated import UNIT, Market, generated_log, hanging_log, readable, with_terms, write
from naive.dbn import read_mbo
from naive.estimates import ESTIMATES
from naive.exchange import NaiveExchange
from naive.hanging import NaiveHanging
from naive.impact import Pushes, square_root_shift
from naive.queues import NEVER, Row
from naive.sharing import FILLS, QUEUES
from seeds import play_seeds
from stories import (
    INSTRUMENT,
    OTHER_INSTRUMENT,
    OTHER_SYMBOL,
    PUBLISHER,
    START_NS,
    SYMBOL,
    TOB,
    Line,
    configure,
    models_of,
    run,
)
from tapewire.compiled.draws import key_of
from tapewire.execution.codes import FillReason, Reason
from tapewire.execution.models import built_in
from tapewire.execution.models.latency.legs import LEGS
from tapewire.market.instruments import OrderRules
from tapewire.market.records import UNDEF_PRICE
from tapewire.market.status import TradingState
from tapewire.router import GatewayLimit

# --- comparing ------------------------------------------------------------------------------------


def compare(
    records: np.ndarray, log: list[Row], folder: Path, *, batch: int = 0, may_be_late: bool = False,
    entry_us: float = 5, response_us: float = 5, halts: bool = True,
    policies: tuple[bool, str, bool] = (True, "fill_through", True), pushes: Pushes | None = None,
    fill: str = "mbo_queue", ticks: int = 1, queue: str = "fifo", seed: int = 0,
    states: Sequence[tuple[int, TradingState]] = (), gateway: GatewayLimit | None = None,
    rules: OrderRules | None = None, closes: tuple[int, ...] = (),
    twin_of: type[NaiveExchange] = NaiveExchange, **model: Any,
) -> NaiveExchange:  # fmt: skip
    """Play both and compare every column that means something."""
    waits, unseen, clears = policies
    rules = rules or OrderRules()
    key = key_of(seed, "log", PUBLISHER, INSTRUMENT)
    purposes = {"fill": len(LEGS), "queue": len(LEGS) + 1}
    twin = twin_of(
        log, round(entry_us * 1000), round(response_us * 1000), halts=halts,
        market_waits=waits, unseen_trades=unseen, clear_cancels=clears,
        fill_rule=replace(FILLS[fill], ticks=ticks), share=QUEUES.get(queue),
        estimate=ESTIMATES.get(queue),
        bits=lambda order, why, event: draw_for(key, order, purposes[why], event),
        fee=model.get("fee", 0), impact_ppm=model.get("impact_ppm", 0), pushes=pushes,
        multiplier=Fraction(model.get("multiplier", 1)), tick=model.get("tick_units", 0),
        lot=rules.lot, min_lots=rules.min_lots, band=rules.band, protection=rules.protection,
        closes=closes,
        states=[(ts, state.name) for ts, state in states], cuts=cuts_of(gateway),
    ).run(records)  # fmt: skip
    tick = model.pop("tick_units", 0)
    given = {"ticks": ticks} if fill == "trade_through" else {}
    config = configure(
        write(log, folder), entry_us=entry_us, response_us=response_us,
        policy="halt_fills" if halts else "warn", tick=Decimal(tick) / UNIT,
        market_order_in_halt="wait" if waits else "expire",
        unseen_trades=unseen, book_clear="cancel" if clears else "keep", seed=seed,
        fill=built_in("fill", fill, **given), queue=built_in("queue", queue), rules=rules,
        session_closes=closes, gateway=gateway,
        states=[(Decimal(ts - START_NS) / 1000, state) for ts, state in states], **model,
    )  # fmt: skip
    simulation, tables = run(config, records, batch)
    fills = readable(tables.fills, list(twin.fills[0]) if twin.fills else ["last_px"], FillReason)
    orders = readable(tables.orders, list(twin.orders[0]) if twin.orders else ["status"], Reason)
    if simulation.counts["late_responses"]:
        # The feed was further behind than the response took: it is known later, never earlier.
        assert may_be_late
        assert all(a["ts_known"] >= b["ts_known"] for a, b in zip(fills, twin.fills, strict=False))
        fills = [{**a, "ts_known": 0} for a in fills]
        twin.fills = [{**a, "ts_known": 0} for a in twin.fills]
    if pushes is not None:  # parts that fade apart, each cut to whole units
        most = 50 + pushes.inexact * sum(abs(push) for _, push in pushes.pushes)
        for a, b in zip(fills, twin.fills, strict=True):
            assert abs(a["last_px"] - b["last_px"]) <= most
        fills = [{**a, "last_px": b["last_px"]} for a, b in zip(fills, twin.fills, strict=True)]
    assert fills == twin.fills
    refused = {state: n for state, n in twin.refused.items() if n}
    assert refused == {
        name.removeprefix("refused_").upper(): n
        for name, n in simulation.counts.items()
        if name.startswith("refused_")
    }
    assert [o for o in orders if o["status"] != "DENIED"] == [
        o for o in twin.orders if o["status"] != "DENIED"
    ]
    assert [o for o in orders if o["status"] == "DENIED"] == [
        o for o in twin.orders if o["status"] == "DENIED"
    ]
    return twin


def cuts_of(gateway: GatewayLimit | None) -> list[tuple[int, int, int, tuple[str, ...]]]:
    """The times in which a session is cut, as the twin has them."""
    if gateway is None:
        return []
    spared = ("GTC", "GTD") if gateway.on_disconnect == "cancel_day" else ()
    found = []
    for at, until in gateway.disconnects:
        noticed = at + gateway.detection_ns
        ignored = gateway.on_disconnect == "keep" or noticed >= until
        found.append((at, until, NEVER if ignored else noticed, spared))
    return found


def generated_cuts(draw: random.Random, end_ns: int) -> dict[str, Any]:
    """Mostly none; else a few, with or without a delay, noticed or not.

    Latencies are odd then, so that word of an order never comes as something is asked for.
    """
    if draw.random() < 0.6:
        return {}
    span = (end_ns - START_NS) // 100
    times = sorted({START_NS + 100 * draw.randint(0, span + 1) for _ in range(6)})
    gateway = GatewayLimit(
        disconnects=tuple(zip(times[::2], times[1::2], strict=False)),
        on_disconnect=draw.choice(("cancel_all", "cancel_day", "keep")),  # type: ignore[arg-type]
        detection_ns=draw.choice((0, 0, 2_000, 20_000)),
    )
    return {"gateway": gateway, "entry_us": 5.011, "response_us": 5.013}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


seeds = st.integers(0, 2**32 - 1)


def compare_market(
    folder: Path, number: int, events: int, crossing: bool, batch: int, halts: bool, **models: Any
) -> NaiveExchange:
    draw = random.Random(number)
    market = Market(draw)
    market.add()
    for _ in range(events):
        market.step(crossing)
    log = generated_log(
        draw, draw.randint(1, 60), market.clock - START_NS, lambda: draw.randint(-2, 3) * UNIT
    )
    records = without_prices(market.records(), random.Random(~number))
    if draw.random() < 0.3:  # a capture that starts in mid-session
        records = records[draw.randrange(1 + len(records) // 2) :]
    waits, unseen, clears = (draw.random() < 0.7 for _ in range(3))
    policy = models.pop("unseen", "fill_through" if unseen else "ignore")
    return compare(
        records, log, folder, batch=batch, halts=halts, policies=(waits, policy, clears), **models,
        fee=draw.choice((0, 700_000_000)), impact_ppm=draw.choice((0, 3_000_000_000)),
        multiplier=draw.choice((1, 50, Fraction(1, 8))),
        # An order that only a snapshot shows is met at the time before the gap.
        may_be_late=True, states=generated_states(draw, market.clock),
        **generated_cuts(draw, market.clock),
    )  # fmt: skip


def without_prices(records: np.ndarray, draw: random.Random) -> np.ndarray:
    """The records, in which a few trades and fills say no price: they are nowhere."""
    for k in np.flatnonzero(np.isin(records["action"], (ord("T"), ord("F")))).tolist():
        if draw.random() < 0.03:
            records["price"][k] = UNDEF_PRICE
    return records


def generated_states(draw: random.Random, end_ns: int) -> list[tuple[int, TradingState]]:
    """Mostly none; else a few, at times at which other things happen, too."""
    if draw.random() < 0.5:
        return []
    span = (end_ns - START_NS) // 100
    times = sorted(START_NS + 100 * draw.randint(0, span) for _ in range(draw.randint(1, 6)))
    kinds = [*TradingState][1:]
    return [(ts, draw.choice([TradingState.OPEN, TradingState.PRE_OPEN, *kinds])) for ts in times]


def left_by(section: dict[str, Any]) -> Callable[[int], float]:
    """What a section ``decay`` leaves of a push after some ns."""
    permanent, temporary = (float(section.get(k, 0)) for k in ("permanent", "temporary"))
    fading = 1 - permanent - temporary

    def left(elapsed: int) -> float:
        ms = elapsed / 1e6
        if section["type"] == "exponential":
            return permanent + fading * 2 ** (-ms / section["half_life_ms"])
        if section["type"] == "power_law":
            return permanent + fading * (1 + ms / section["after_ms"]) ** -section["exponent"]
        return permanent

    return left


DECAYS: list[dict[str, Any]] = [
    {"type": "exponential", "half_life_ms": 0.05, "permanent": 0.3},
    {"type": "power_law", "exponent": 0.4, "after_ms": 0.02, "temporary": 0.25},
    {"type": "none", "permanent": 0.5},
]


@given(seeds, st.integers(5, 120), st.booleans(), st.booleans(), st.sampled_from(DECAYS))
@settings(max_examples=60)
def test_pushes_that_last(
    folder: Path, seed: int, events: int, crossing: bool, linear: bool, decay: dict[str, Any]
) -> None:
    """Remembered impact is that of a twin which keeps every push for ever."""
    draw = random.Random(seed)
    market = Market(draw)
    market.add()
    for _ in range(events):
        market.step(crossing)
    log = generated_log(
        draw, draw.randint(1, 60), market.clock - START_NS, lambda: draw.randint(-2, 3) * UNIT
    )
    if linear:
        chosen = built_in("impact", "linear", impact_bps_per_million=Decimal(900), decay=decay)
        shift = lambda price, lots: ceil(  # noqa: E731
            Fraction(abs(price) * 900 * floor(Fraction(abs(price) * lots * 50, UNIT)), 10**10)
        )
    else:
        chosen = built_in(
            "impact", "square_root", daily_volatility_bps=Decimal(150), daily_volume=5_000,
            decay=decay,
        )  # fmt: skip
        shift = partial(square_root_shift, 150_000_000, 5_000)
    inexact = 3e-3 if decay["type"] == "power_law" else 3e-5
    pushes = Pushes(left_by(decay), shift, inexact)
    compare(
        market.records(), log, folder, may_be_late=True, pushes=pushes, multiplier=50,
        models=replace(models_of(5, 5), impact=chosen),
    )  # fmt: skip


@given(seeds, st.integers(5, 250), st.booleans(), st.sampled_from([0, 1, 7]), st.booleans())
@settings(max_examples=250)
def test_generated_markets(
    folder: Path, seed: int, events: int, crossing: bool, batch: int, halts: bool
) -> None:
    compare_market(folder, seed, events, crossing, batch, halts)


@given(seeds, st.integers(20, 120), st.sampled_from([0, 1, 7]))
@settings(max_examples=100)
def test_generated_openings(folder: Path, seed: int, events: int, batch: int) -> None:
    """Pre-opens and openings in turn, many of them between two events of the book."""
    draw = random.Random(seed)
    market = Market(draw)
    market.add()
    for _ in range(events):
        market.step(draw.random() < 0.3)
    span = (market.clock - START_NS) // 100
    log = generated_log(draw, draw.randint(10, 60), 100 * span, lambda: draw.randint(-2, 3) * UNIT)
    times = sorted({START_NS + 100 * draw.randint(0, span) for _ in range(40)})
    turns = [TradingState.PRE_OPEN, TradingState.OPEN]
    states = [(ts, turns[k % 2]) for k, ts in enumerate(times)]
    waits = draw.random() < 0.8
    policies = (waits, "fill_through", draw.random() < 0.7)
    compare(
        market.records(), log, folder, batch=batch, policies=policies, may_be_late=True,
        states=states,
    )  # fmt: skip


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(8))
def test_two_thousand_markets(folder: Path, part: int) -> None:
    def play(seed: int) -> None:
        draw = random.Random(f"settings of {seed}")
        events, batch = draw.randint(5, 400), draw.choice((0, 1, 7))
        compare_market(folder, seed, events, draw.random() < 0.5, batch, draw.random() < 0.5)

    play_seeds("two_thousand_markets", 250, play)


@given(
    seeds, st.integers(20, 250), st.booleans(), st.sampled_from(list(FILLS)),
    st.sampled_from(["fifo", *QUEUES, *ESTIMATES]),
    st.sampled_from(["fill_through", "pro_rata", "fill"]),
)  # fmt: skip
@settings(max_examples=250)
def test_generated_markets_with_every_fill_and_queue_model(
    folder: Path, seed: int, events: int, crossing: bool, fill: str, queue: str, unseen: str
) -> None:
    ticks = 1 + seed % 2 if fill == "trade_through" else 1
    compare_market(
        folder, seed, events, crossing, 0, True, fill=fill, queue=queue, unseen=unseen,
        ticks=ticks, seed=seed, tick_units=UNIT,
    )  # fmt: skip


def compare_terms(folder: Path, seed: int, events: int, batch: int) -> NaiveExchange:
    """Orders of every kind on a generated market whose venue has rules."""
    draw = random.Random(seed)
    market = Market(draw)
    market.add()
    for _ in range(events):
        market.step(draw.random() < 0.3)
    span = market.clock - START_NS

    def price() -> int:
        return draw.randint(-2, 3) * UNIT

    rules = OrderRules(
        lot=draw.choice((1, 1, 2)), min_lots=draw.choice((1, 1, 2)),
        band=draw.choice((None, UNIT, 2 * UNIT)), protection=draw.choice((None, 0, UNIT)),
    )  # fmt: skip
    log = generated_log(draw, draw.randint(1, 60), span, price)
    log = with_terms(draw, log, price, protected=rules.protection is not None)
    closes = tuple(sorted(START_NS + draw.randint(1, max(span, 1)) for _ in range(2)))
    return compare(
        market.records(), log, folder, batch=batch, halts=draw.random() < 0.7,
        policies=(
            draw.random() < 0.7, draw.choice(("fill_through", "ignore")), draw.random() < 0.7
        ),
        rules=rules, closes=draw.choice(((), closes)), tick_units=draw.choice((0, UNIT)),
        impact_ppm=draw.choice((0, 3_000_000_000)), may_be_late=True,
        **generated_cuts(draw, market.clock),
    )  # fmt: skip


@given(seeds, st.integers(5, 250), st.sampled_from([0, 1, 7]))
@settings(max_examples=150)
def test_generated_orders_with_terms(folder: Path, seed: int, events: int, batch: int) -> None:
    compare_terms(folder, seed, events, batch)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(4))
def test_a_thousand_markets_of_orders_with_terms(folder: Path, part: int) -> None:
    found: set[str] = set()

    def play(seed: int) -> None:
        draw = random.Random(f"settings of {seed}")
        twin = compare_terms(folder, seed, draw.randint(5, 400), draw.choice((0, 1, 7)))
        found.update(str(order["reason"]) for order in twin.orders)

    play_seeds("a_thousand_markets_of_orders_with_terms", 250, play)
    assert found >= {
        "POST_ONLY", "MIN_QUANTITY", "TRIGGER_PASSED", "PRICE_BAND", "SESSION_CLOSE",
        "GOOD_TILL_DATE", "INVALID_TERMS", "INVALID_QUANTITY", "MARKET_HALTED", "DISCONNECTED",
        "NO_SESSION",
    }  # fmt: skip


def compare_hanging(folder: Path, seed: int, events: int, batch: int) -> NaiveExchange:
    """Orders that hang on one another, on the position and on the market."""
    draw = random.Random(seed)
    market = Market(draw)
    market.add()
    for _ in range(events):
        market.step(draw.random() < 0.2)

    def price() -> int:
        return draw.randint(-2, 3) * UNIT

    log = generated_log(draw, draw.randint(1, 40), market.clock - START_NS, price)
    return compare(
        market.records(), hanging_log(draw, log, price), folder, batch=batch,
        halts=draw.random() < 0.7, twin_of=NaiveHanging, tick_units=draw.choice((UNIT, UNIT // 2)),
        policies=(
            draw.random() < 0.7, draw.choice(("fill_through", "ignore", "fill", "pro_rata")),
            draw.random() < 0.7,
        ),
        fill=draw.choice(("mbo_queue", "mbo_queue", "trade_through", "pessimistic", "optimistic")),
        queue=draw.choice(("fifo", "fifo", "pro_rata", "size_weighted")),
        impact_ppm=draw.choice((0, 3_000_000_000)), may_be_late=True,
    )  # fmt: skip


@given(seeds, st.integers(5, 250), st.sampled_from([0, 1, 7]))
@example(624_871_017, 187, 1)  # by size, of two in a group at one price the first fills
@settings(max_examples=150)
def test_generated_orders_that_hang_together(
    folder: Path, seed: int, events: int, batch: int
) -> None:
    compare_hanging(folder, seed, events, batch)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(4))
def test_a_thousand_markets_of_orders_that_hang_together(folder: Path, part: int) -> None:
    found: set[str] = set()

    def play(seed: int) -> None:
        draw = random.Random(f"settings of {seed}")
        twin = compare_hanging(folder, seed, draw.randint(5, 400), draw.choice((0, 1, 7)))
        found.update(str(order["reason"]) for order in twin.orders)

    play_seeds("a_thousand_markets_of_orders_that_hang_together", 250, play)
    assert found >= {"OTHER_FILLED", "ENTRY_ENDED", "REDUCE_ONLY", "NO_REFERENCE", "MASS_CANCEL"}


@given(seeds, st.integers(5, 120))
@settings(max_examples=60)
def test_generated_quotes_of_a_top_of_book_publisher(folder: Path, seed: int, events: int) -> None:
    draw = random.Random(seed)
    market = Market(draw)
    bid = 0
    market.emit(Line("A", "B", 0, bid, 3, TOB))
    market.emit(Line("A", "A", 0, bid + UNIT, 3, TOB))
    for _ in range(events):
        market.clock += draw.choice((0, 700, 2_500, 9_000))
        fate = draw.random()
        if fate < 0.3:
            price = bid + draw.choice((0, 0, 0, 1, 1, -1, 2)) * UNIT
            market.emit(Line("T", draw.choice("BANN"), 0, price, draw.randint(1, 5)))
        elif fate < 0.34:
            market.emit(Line("A", draw.choice("BA"), 0, UNDEF_PRICE, 0, TOB))
        elif fate < 0.5:  # both sides move
            bid += draw.choice((-1, 1)) * UNIT
            market.emit(
                Line("A", "B", 0, bid, draw.randint(1, 6), TOB),
                Line("A", "A", 0, bid + UNIT, draw.randint(1, 6), TOB),
            )
        else:
            side = draw.choice("BA")
            market.emit(
                Line("A", side, 0, bid + (UNIT if side == "A" else 0), draw.randint(1, 6), TOB)
            )
    log = generated_log(
        draw, draw.randint(1, 40), market.clock - START_NS, lambda: draw.randint(-2, 3) * UNIT
    )
    compare(
        market.records(), log, folder, halts=draw.random() < 0.5, batch=draw.choice((0, 1, 7)),
        policies=(True, draw.choice(("fill_through", "ignore", "fill", "pro_rata")), True),
        fill=draw.choice(list(FILLS)), queue=draw.choice(("fifo", "pro_rata", *ESTIMATES)),
        seed=seed, tick_units=UNIT,
    )  # fmt: skip


@given(seeds)
@settings(max_examples=25)
def test_orders_that_are_denied_touch_nothing(folder: Path, seed: int) -> None:
    """A tick of half a unit, prices on and off it, quantities beyond any."""
    draw = random.Random(seed)
    market = Market(draw)
    for _ in range(60):
        market.step(False)
    log = generated_log(draw, 50, market.clock - START_NS, lambda: draw.randint(-8, 12) * UNIT // 4)
    log = [
        row if draw.random() < 0.8 or row.action == "cancel"
        else Row(row.ts, row.action, row.name, row.side, row.price,
                 draw.choice((2**31, 2**40)), row.tif)
        for row in log
    ]  # fmt: skip
    market.rows or market.add()
    twin = compare(market.records(), log, folder, tick_units=UNIT // 2, may_be_late=True)
    assert twin.orders


def test_another_instrument_beside_a_log_changes_nothing(folder: Path) -> None:
    draw = random.Random(11)
    market, other = Market(draw), Market(draw)
    for _ in range(150):
        market.step(False)
        other.step(False)
    beside = other.records()
    beside["instrument_id"] = OTHER_INSTRUMENT
    both = np.concatenate([market.records(), beside])
    both = both[np.argsort(both["ts_recv"], kind="stable")]
    records = market.records()
    both = both[both["ts_recv"] <= records["ts_recv"][-1]]
    log = generated_log(draw, 60, market.clock - START_NS, lambda: draw.randint(-2, 3) * UNIT)
    config = configure(write(log, folder))
    (alone, rows_alone), (company, _) = (run(config, r) for r in (records, both))
    assert rows_alone.fills.size
    assert alone.digests() == company.digests()
    assert tuple(config.instruments.symbols) == (SYMBOL, OTHER_SYMBOL)


# --- a real market --------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("protection", [None, 500_000_000])
def test_orders_with_terms_in_a_real_market(
    folder: Path, data_file: Callable[[str], Path], protection: int | None
) -> None:
    records = read_mbo(data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"))[:40_000].copy()
    records["instrument_id"] = INSTRUMENT
    draw = random.Random(5)
    trades = records[records["action"] == ord("T")]
    log: list[Row] = []
    for k in range(300):
        at = trades[draw.randrange(len(trades) - 20)]
        when = int(at["ts_event"]) + draw.randint(-2_000_000, 2_000_000)

        def near(at: Any = at) -> int:
            return int(at["price"]) + draw.randint(-4, 4) * 250_000_000

        news = [Row(when, "new", f"o{k}", draw.choice("BA"), draw.choice((near(), None)),
                    draw.choice((1, 2, 5, 30)), draw.choice(("GTC", "IOC")))]  # fmt: skip
        if draw.random() < 0.4:
            later = when + draw.choice((100_000, 5_000_000, 60 * UNIT))
            news.append(Row(later, "replace", f"o{k}", "", near(), draw.randint(1, 6)))
        log += with_terms(draw, news, near, protected=protection is not None)
    closes = [int(trades["ts_event"][len(trades) * k // 3]) for k in (1, 2)]
    twin = compare(
        records, log, folder, entry_us=100, response_us=20_000, tick_units=250_000_000,
        rules=OrderRules(band=2 * UNIT, protection=protection),
        closes=tuple(closes),
    )  # fmt: skip
    found = {str(o["reason"]) for o in twin.orders}
    assert found >= {"POST_ONLY", "MIN_QUANTITY", "TRIGGER_PASSED", "SESSION_CLOSE"}
    assert any(o["ts_triggered"] for o in twin.orders)


def test_a_log_of_hundreds_of_orders_in_a_real_market(
    folder: Path, data_file: Callable[[str], Path]
) -> None:
    """ESH4 on 25 December 2023, pre-open and the first half hour, orders near the touch."""
    records = read_mbo(data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"))[:48_000].copy()
    records["instrument_id"] = INSTRUMENT
    draw = random.Random(4)
    trades = records[records["action"] == ord("T")]
    log: list[Row] = []
    for k in range(400):
        at = trades[draw.randrange(len(trades) - 20)]
        when = int(at["ts_event"]) + draw.randint(-2_000_000, 2_000_000)
        name, side = f"o{k}", draw.choice("BA")
        price = int(at["price"]) + draw.randint(-4, 4) * 250_000_000
        log.append(
            Row(when, "new", name, side, draw.choice((price, price, price, None)),
                draw.choice((1, 2, 5, 30)), draw.choice(("GTC", "GTC", "IOC")))
        )  # fmt: skip
        fate = draw.random()
        later = when + draw.choice((100_000, 5_000_000, 60 * UNIT))
        if fate < 0.3:
            log.append(Row(later, "cancel", name))
        elif fate < 0.6:
            moved = price + draw.randint(-2, 2) * 250_000_000
            log.append(Row(later, "replace", name, "", moved, draw.randint(1, 6)))
    for halts in (True, False):
        twin = compare(
            records, log, folder, entry_us=100, response_us=20_000, halts=halts,
            tick_units=250_000_000, multiplier=50, fee=850_000_000, impact_ppm=100_000,
        )  # fmt: skip
        found = {f["reason"] for f in twin.fills}
        assert found == {"QUEUE", "TRADE_THROUGH", "CROSSED", "TAKEN"}
        assert {"FILLED", "CANCELED", "EXPIRED", "NEW"} <= {o["status"] for o in twin.orders}


@pytest.mark.long
def test_a_real_market_of_quotes(folder: Path, data_file: Callable[[str], Path]) -> None:
    """GOOGL on 3 April 2024, of a publisher that gives the best of each side alone."""
    records = read_mbo(data_file("dbeq/dbeq-basic-20240403.mbo.dbn.zst"))
    of_book = (records["publisher_id"] == 41) & (records["instrument_id"] == 7152)
    records = records[of_book][:40_000].copy()
    records["publisher_id"], records["instrument_id"] = PUBLISHER, INSTRUMENT
    draw = random.Random(6)
    trades = records[records["action"] == ord("T")]
    log = []
    for k in range(300):
        at = trades[draw.randrange(len(trades))]
        when = int(at["ts_event"]) - draw.choice((200_000, 50_000_000, UNIT))
        price = int(at["price"]) + draw.choice((0, 0, 0, 1, -1)) * UNIT // 100
        log.append(Row(when, "new", f"o{k}", draw.choice("BA"), price, draw.choice((1, 50, 400))))
        if draw.random() < 0.5:
            log.append(Row(when + 60 * UNIT, "cancel", f"o{k}"))
    found = set()
    for queue in ("fifo", "log_prob_queue_model"):
        twin = compare(records, log, folder, entry_us=0, queue=queue, may_be_late=True)
        found |= {fill["reason"] for fill in twin.fills}
    assert found >= {"TAKEN", "QUEUE", "TRADE_THROUGH"}
