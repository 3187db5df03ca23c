"""Records before the start build the books; everything else begins at the start."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streams
from stories import SNAPSHOT, Log, Played, Tape, configure, ns, px, read, run, us
from tapewire.errors import ConfigError, NoDataError
from tapewire.market import BookSet
from tapewire.market.instruments import OrderRules
from tapewire.market.records import ACTION_CLEAR, MBO_DTYPE
from tapewire.replay import ReplayPlan, open_source
from tapewire.router import StrategySpec
from tapewire.strategies.definition import StrategyDefinition

START_US = 1_000


def morning() -> Tape:
    """A queue of three at 100, an iceberg's clip, a trade, and a spread of one at the start."""
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 2, "B", 100, 4).add(2, 9, "A", 101, 10)
    tape.add(3, 3, "B", 100, 2).add(4, 4, "B", 99, 7).add(5, 8, "A", 102, 3)
    return tape.trade(10, (1, 5), clips={1: 5}).cancel(20, 2, 1).modify(30, 4, 6)


def day() -> Tape:
    """The morning, and an afternoon that reaches orders sent after the start."""
    tape = morning().tick(START_US).add(1_100, 5, "B", 100, 3)
    tape.trade(1_200, (2, 3), (3, 2), (1, 4)).cancel(1_300, 1).trade(1_400, (5, 3))
    return tape.add(1_500, 6, "A", 100, 4).trade(1_600, (9, 10)).tick(2_000)


def afternoon_orders() -> Log:
    log = Log().buy(1_010, "joins", 2, 100).buy(1_150, "later", 2, 100)
    log.buy(1_160, "takes", 4, 101).sell(1_450, "sells", 1, 101).cancel(1_700, "later")
    return log.replace(1_020, "joins", 1, 100)


def play(folder: Path, tape: Tape | np.ndarray, log: Log, warmup_us: int = 0, batch: int = 0,
         **settings: Any) -> Played:  # fmt: skip
    path = log.write(folder / "orders.csv")
    records = tape.records() if isinstance(tape, Tape) else tape
    config = configure(path, **settings)
    if warmup_us:
        config = replace(config, warmup_until_ns=ns(warmup_us))
    return read(*run(config, records, batch))


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_orders_sent_after_the_start_fare_as_in_a_full_run(tmp_path: Path, batch: int) -> None:
    full = play(tmp_path, day(), afternoon_orders())
    warm = play(tmp_path, day(), afternoon_orders(), START_US, batch)
    assert warm.fills == full.fills
    assert warm.orders == full.orders
    assert warm.digest == full.digest
    assert {fill.order for fill in full.fills} == {"joins", "later", "takes"}
    assert full.orders["joins"].queue_ahead == 10  # those of the morning stand ahead of it
    cold = play(tmp_path, day().records()[first_after(day()) :], afternoon_orders())
    assert cold.fills != full.fills  # as without a warm-up


def test_the_last_trade_before_the_start_is_the_last_trade(tmp_path: Path) -> None:
    """101 has traded: a stop there is too late, and 104 is further than 2 from it."""
    tape = Tape().add(0, 1, "B", 100, 50).add(1, 9, "A", 101, 50).add(3, 10, "A", 103, 50)
    tape.trade(20, (9, 3)).tick(START_US).cancel(1_200, 9).tick(1_500)
    log = Log().buy(1_010, "in", 1).buy(1_110, "stop", 2, trigger_price=101)
    log.buy(1_111, "far", 1, 104)
    settings = {"rules": OrderRules(band=px(2)), "mark_price": "last"}
    full = play(tmp_path, tape, log, **settings)
    warm = play(tmp_path, tape, log, START_US, **settings)
    assert (warm.fills, warm.orders, warm.digest) == (full.fills, full.orders, full.digest)
    reasons = {name: order.reason for name, order in warm.orders.items()}
    assert reasons == {"in": "NONE", "stop": "TRIGGER_PASSED", "far": "PRICE_BAND"}
    assert warm.last_sample()["mark"] == full.last_sample()["mark"] == px(101)


def first_after(tape: Tape) -> int:
    return int(np.searchsorted(tape.records()["ts_recv"], ns(START_US)))


def test_what_is_counted_begins_at_the_start(tmp_path: Path) -> None:
    tape = day()
    first = first_after(tape)
    total = len(tape.records())
    full = play(tmp_path, tape, afternoon_orders())
    warm = play(tmp_path, tape, afternoon_orders(), START_US)
    counts = warm.counts
    assert counts["events"] == total - first
    assert counts["warmup_records"] == first > 10
    assert counts["trades"] == 3
    assert counts["adds"] == full.counts["adds"] - 6
    assert (counts["log_rows_before_data"], counts["log_rows_unsent"]) == (0, 0)
    assert warm.rows.samples["ts"].min() >= ns(START_US)
    assert warm.simulation.now_ns == full.simulation.now_ns


# --- strategies -----------------------------------------------------------------------------------

STATE = np.dtype([(name, "i8") for name in ("started", "bid", "ask", "events", "volume", "trades")])


def on_start(ctx: Any, state: Any) -> None:
    state.started = ctx.now_ns
    state.bid = ctx.best_bid
    state.ask = ctx.best_ask
    state.volume = ctx.session_volume


def on_market_event(ctx: Any, state: Any) -> None:
    if state.started != 0:
        state.events += 1
    else:
        state.events -= 1_000_000


def on_trade(ctx: Any, state: Any) -> None:
    state.trades += 1
    state.volume = ctx.session_volume


WATCHER = StrategyDefinition(
    name="watcher", doc="Notes what it is shown.", parameters={}, state=STATE,
    on_start=on_start, on_market_event=on_market_event, on_trade=on_trade,
)  # fmt: skip


def watch(records: np.ndarray, warmup_us: int) -> dict[str, int]:
    config = configure(None, others=[StrategySpec("watcher", WATCHER)])
    simulation, _ = run(replace(config, warmup_until_ns=ns(warmup_us)), records)
    state = simulation._roster.state_of(0)
    return {name: int(state[name]) for name in STATE.names or ()}


def test_strategies_start_at_the_first_event_and_see_the_book() -> None:
    seen = watch(day().records(), START_US)
    assert us(seen["started"]) == 1_001  # the capture is a microsecond later
    assert (seen["bid"], seen["ask"]) == (100 * 10**9, 101 * 10**9)
    assert (seen["events"], seen["trades"]) == (8, 3)
    assert seen["volume"] == 9 + 3 + 10


def test_a_start_in_mid_event_starts_strategies_before_its_end() -> None:
    tape = morning()
    lines = [tape.t("A", 100, 4), tape.f(2, 3), tape.f(3, 1), tape.c(2), tape.m(3, 1)]
    records = tape.event(1_000, *lines).tick(1_500).records()
    records["ts_recv"][-4:-1] += 5_000  # its second F and what carries it out come later
    seen = watch(records, 1_003)
    assert us(seen["started"]) == 1_006
    assert seen["events"] == 2  # the rest of that one, and the tick


# --- what a source gives --------------------------------------------------------------------------


def write(path: Path, records: np.ndarray) -> str:
    return streams.write(path, streams.dbn_bytes(records))


def given(files: list[str], start_us: float, warmup: Any) -> np.ndarray:
    plan = ReplayPlan(files=tuple(files), start_ns=ns(start_us), warmup=warmup)
    with open_source(plan) as source:
        assert (source.info.warmup, source.info.warmup_until_ns) == (
            warmup,
            0 if warmup == "none" else ns(start_us),
        )
        out = np.zeros(1_000, MBO_DTYPE)
        count = source.fill(out)
        assert source.fill(out[count:]) == 0
        assert source.filtered + count == sum(t.records_read for t in source.file_totals)
    return out[:count]


def two_books(*, clear: bool) -> np.ndarray:
    """Book 7 with snapshots at 50 and 500, book 8 without one."""
    seven = morning()
    for t in (50, 500):
        lines = [seven.orders[key] for key in sorted(seven.orders)]
        seven.snapshot(t, lines, clear=clear)
        seven.add(t + 100, 1_000 + t, "B", 98, 1)
    seven.tick(2_000)
    eight = Tape()
    eight.instrument = 8
    eight.add(5, 1, "B", 50, 1).add(600, 2, "B", 50, 2).tick(2_100)
    records = np.concatenate([seven.records(), eight.records()])
    return records[np.argsort(records["ts_recv"], kind="stable")]


@pytest.mark.parametrize("clear", [False, True])
def test_snapshot_warm_up_begins_with_each_books_last_one(tmp_path: Path, clear: bool) -> None:
    records = two_books(clear=clear)
    path = write(tmp_path / "a.dbn", records)
    assert given([path], START_US, "full").tobytes() == records.tobytes()
    late = records["ts_recv"] >= ns(500)
    expected = records[late | (records["instrument_id"] == 8)]
    assert given([path], START_US, "snapshot").tobytes() == expected.tobytes()
    assert expected[0]["instrument_id"] == 8
    assert expected[1]["flags"] & SNAPSHOT
    assert (expected[1]["action"] == ACTION_CLEAR) == clear
    early = given([path], 400, "snapshot")
    kept = (records["ts_recv"] >= ns(50)) | (records["instrument_id"] == 8)
    assert early.tobytes() == records[kept].tobytes()
    assert (
        given([path], START_US, "none").tobytes()
        == records[records["ts_recv"] >= ns(START_US)].tobytes()
    )


@pytest.mark.parametrize("start_us", [300, START_US])
def test_full_and_snapshot_warm_up_come_to_the_same_books(tmp_path: Path, start_us: int) -> None:
    path = write(tmp_path / "a.dbn", two_books(clear=True))
    books = []
    for warmup in ("full", "snapshot"):
        book = BookSet()
        book.apply(given([path], start_us, warmup))
        books.append([book.orders(1, i, side).tolist() for i in (7, 8) for side in "BA"])
    assert books[0] == books[1]


def test_a_day_that_a_later_one_begins_anew_is_not_opened(tmp_path: Path) -> None:
    first = morning().records()
    second = morning()
    lines = [second.orders[key] for key in sorted(second.orders)]
    records = Tape().snapshot(0, lines, clear=True).tick(10).tick(2_000).records()
    for name in ("ts_recv", "ts_event"):
        records[name] += streams.DAY_NS
    files = []
    for day_n, rows in enumerate((first, records)):
        header = streams.dbn_header({"TEST": [(7, 0, 2)]})
        header = moved(header, day_n)
        files.append(streams.write(tmp_path / f"{day_n}.dbn", header + rows.tobytes()))
    start_ns = streams.DAY_NS + ns(1_000)
    plan = ReplayPlan(files=tuple(files), start_ns=start_ns, warmup="snapshot")
    with open_source(plan) as source:
        out = np.zeros(100, records.dtype)
        assert out[: source.fill(out)].tobytes() == records.tobytes()
        assert [t.records_read for t in source.file_totals] == [0, len(records)]
    with open_source(replace(plan, warmup="full")) as source:
        assert source.fill(out) == len(first) + len(records)


def moved(header: bytes, days: int) -> bytes:
    """A header whose range is that of the records of a day after the first one."""
    import databento_dbn

    metadata: Any = databento_dbn.Metadata.decode(header)
    begin = ns(0) // streams.DAY_NS * streams.DAY_NS + days * streams.DAY_NS
    return bytes(
        databento_dbn.Metadata(
            metadata.dataset, begin, metadata.stype_in, metadata.stype_out, metadata.schema,
            symbols=metadata.symbols, mappings=[], end=begin + streams.DAY_NS, version=3,
        )
    )  # fmt: skip


def test_nothing_at_or_after_the_start_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dbn", morning().records())
    for warmup in ("full", "snapshot", "none"):
        with pytest.raises(NoDataError, match=r"none of the .* records read match start"):
            given([path], 5_000, warmup)


def test_an_unknown_warm_up_is_refused() -> None:
    with pytest.raises(ConfigError, match="warmup: expected one of full, snapshot, none"):
        ReplayPlan(files=("a",), warmup="some")  # type: ignore[arg-type]
