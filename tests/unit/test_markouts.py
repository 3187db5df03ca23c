"""Where the market was around fills: told by hand, against a slow twin, and in any batches."""

import dataclasses
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytics_rows import E9, NOON_NS, rows
from generated import Market
from naive.book import NaiveBook
from naive.book import rows as naive_rows
from stories import Log, configure
from tapewire.analytics import markouts
from tapewire.analytics.markouts import HORIZONS, MARKOUT_DTYPE, NO_PRICE, Markouts
from tapewire.analytics.metrics.inputs import Edge, EdgeTotals
from tapewire.execution.codes import Liquidity, Side
from tapewire.execution.rows import FILL_DTYPE, TOUCH_DTYPE
from tapewire.market.records import MBO_DTYPE, UNDEF_PRICE
from tapewire.router import Simulation

MS = 10**6
BOOK = 1 << 32 | 17077
AFTER = list(HORIZONS.values())


def touch(ms: float, bid: float | None, ask: float | None, book: int = BOOK) -> dict[str, Any]:
    price = [UNDEF_PRICE if p is None else round(p * E9) for p in (bid, ask)]
    return {"book": book, "ts_event": NOON_NS + round(ms * MS), "bid": price[0], "ask": price[1]}


def a_fill(
    ms: float, side: Side, price: float, lots: int, liquidity: Liquidity, book: int = BOOK
) -> dict[str, Any]:
    return {
        "leg": 0, "client_order_id": 7, "publisher_id": book >> 32,
        "instrument_id": book & 0xFFFF_FFFF, "side": side, "last_px": round(price * E9),
        "last_qty": lots, "liquidity": liquidity, "ts_event": NOON_NS + round(ms * MS),
    }  # fmt: skip


def prices(row: Any) -> list[float | None]:
    names = ("bid", "ask", "mid", *(f"mid_{name}" for name in HORIZONS))
    return [None if row[name] == NO_PRICE else row[name] / E9 for name in names]


def test_a_story_by_hand() -> None:
    touches = [
        touch(0, 99, 101),  # mid 100
        touch(5, 99, 100),  # 99.5
        touch(6, None, 100),  # still 99.5
        touch(12, 98, 99),  # 98.5
        touch(150, 97, 98),  # 97.5
        touch(2_000, 97, 99),  # 98
        touch(30_000, 97, 99),  # the end of the data
    ]
    fills = [
        a_fill(5, Side.BUY, 99, 2, Liquidity.MAKER),  # met by the event that moved the ask
        a_fill(5, Side.BUY, 100, 1, Liquidity.TAKER),  # which this one found done
        a_fill(6.5, Side.SELL, 99, 1, Liquidity.MAKER),
    ]
    work = Markouts()
    assert work.add(rows(FILL_DTYPE, fills), rows(TOUCH_DTYPE, touches)).size == 0
    made = work.finish()
    assert made["fill"].tolist() == [0, 1, 2]
    #                            bid  ask   mid    1 ms  10 ms 100 ms   1 s   10 s   60 s
    assert prices(made[0]) == [99, 101, 100.0, 99.5, 98.5, 98.5, 97.5, 98.0, None]
    assert prices(made[1]) == [99, 100, 99.5, 99.5, 98.5, 98.5, 97.5, 98.0, None]
    assert prices(made[2]) == [None, 100, 99.5, 99.5, 98.5, 98.5, 97.5, 98.0, None]


def test_a_mid_is_rounded_down_and_may_be_below_zero() -> None:
    work = Markouts()
    moves = rows(TOUCH_DTYPE, [touch(0, 0, 0), touch(1, 0, 0)])
    moves["bid"], moves["ask"] = -4, -1
    work.add(rows(FILL_DTYPE, [a_fill(0.5, Side.BUY, 0, 1, Liquidity.TAKER)]), moves)
    assert work.finish()["mid"].tolist() == [-3]


def test_edges_are_lots_and_money_by_liquidity_side() -> None:
    totals = EdgeTotals()
    table = {
        "order_side": np.array(["BUY", "SELL", "BUY"], object),
        "liquidity_side": np.array(["MAKER", "MAKER", "TAKER"], object),
        "last_px": np.array([99, 101, 101], np.int64) * E9,
        "last_qty": np.array([2, 3, 1], np.int64),
        "mid": np.array([100, 100, 100], np.int64) * E9,
        **{f"mid_{name}": np.array([99 * E9, 103 * E9, NO_PRICE]) for name in HORIZONS},
    }
    totals.add(table, 50, 1)
    assert totals.makers["mid"] == Edge(5, (2 * 1 + 3 * 1) * 50 * E9)
    assert totals.takers["mid"] == Edge(1, -50 * E9)
    assert totals.of_all("mid").per_lot == pytest.approx((5 - 1) * 50 / 6)
    # Bought at 99 and it is 99; sold at 101 and it is 103; the third is too close to the end.
    assert totals.of_all("mid_1s") == Edge(5, -3 * 2 * 50 * E9)
    both = totals + totals
    assert both.makers["mid"] == Edge(10, 2 * 5 * 50 * E9)


# --- against a slow twin --------------------------------------------------------------------------


def naively(fills: np.ndarray, touches: np.ndarray) -> dict[int, list[int]]:
    """Prices around each fill, looked for one by one."""
    found = {}
    for number, fill in enumerate(fills):
        book = int(fill["publisher_id"]) << 32 | int(fill["instrument_id"])
        moves = [t for t in touches if t["book"] == book]
        at = int(fill["ts_event"])
        takes = fill["liquidity"] == Liquidity.TAKER
        before = [t for t in moves if t["ts_event"] < at or (takes and t["ts_event"] == at)]
        row = [NO_PRICE, NO_PRICE] if not before else [
            NO_PRICE if before[-1][side] == UNDEF_PRICE else int(before[-1][side])
            for side in ("bid", "ask")
        ]  # fmt: skip
        row.append(_mid(before))
        for after in AFTER:
            known = [t for t in moves if t["ts_event"] <= at + after]
            ended = not moves or moves[-1]["ts_event"] < at + after
            row.append(NO_PRICE if ended else _mid(known))
        found[number] = row
    return found


def _mid(moves: list[Any]) -> int:
    whole = [t for t in moves if t["bid"] != UNDEF_PRICE and t["ask"] != UNDEF_PRICE]
    return (int(whole[-1]["bid"]) + int(whole[-1]["ask"])) // 2 if whole else NO_PRICE


def a_stream(draw: random.Random) -> list[tuple[str, dict[str, Any]]]:
    """Moves of two books and fills on them, in the order of a stream."""
    clocks = {BOOK: 0.0, BOOK + 1: 0.0}
    stream: list[tuple[str, dict[str, Any]]] = []
    for _ in range(draw.randint(0, 60)):
        book = draw.choice(list(clocks))
        clocks[book] += draw.choice((0, 0.5, 1, 9, 90, 900, 9_000, 61_000))
        if draw.random() < 0.4:
            side, liquidity = draw.choice(list(Side)), draw.choice(list(Liquidity))
            row = a_fill(clocks[book], side, draw.randint(90, 110), 1, liquidity, book)
            stream.append(("fill", row))
        else:
            bid = draw.choice((None, draw.randint(-3, 3)))
            ask = draw.choice((None, draw.randint(-3, 6)))
            stream.append(("touch", touch(clocks[book], bid, ask, book)))
    return stream


def in_batches(stream: list[tuple[str, dict[str, Any]]], draw: random.Random) -> np.ndarray:
    work, parts, at = Markouts(), [], 0
    while at < len(stream):
        stop = at + draw.randint(1, 25)
        batch = stream[at:stop]
        fills = rows(FILL_DTYPE, [row for kind, row in batch if kind == "fill"])
        touches = rows(TOUCH_DTYPE, [row for kind, row in batch if kind == "touch"])
        parts.append(work.add(fills, touches))
        at = stop
    return np.concatenate([np.zeros(0, MARKOUT_DTYPE), *parts, work.finish()])


@pytest.mark.parametrize("seed", range(150))
def test_generated_streams_agree_with_the_twin_in_any_batches(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(seed)
    monkeypatch.setattr(markouts, "_CHUNK", draw.choice((1, 2, 5, 100)))
    stream = a_stream(draw)
    fills = rows(FILL_DTYPE, [row for kind, row in stream if kind == "fill"])
    touches = rows(TOUCH_DTYPE, [row for kind, row in stream if kind == "touch"])
    made = in_batches(stream, draw)
    assert sorted(made["fill"].tolist()) == list(range(len(fills)))
    expected = naively(fills, touches)
    names = ["bid", "ask", "mid", *(f"mid_{name}" for name in HORIZONS)]
    for row in made:
        assert [int(row[name]) for name in names] == expected[int(row["fill"])]
    assert in_batches(stream, draw).tobytes() == made.tobytes()


# --- what the simulation reports ------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_touches_of_a_run_are_the_moves_of_its_book(seed: int, tmp_path: Path) -> None:
    market = Market(random.Random(seed))
    for _ in range(300):
        market.step(crossing=True)
    records = np.array(market.rows, MBO_DTYPE)
    log = Log()
    log.buy(1, "b1", 1, 0)
    config = configure(log.write(tmp_path / "log.csv"))
    simulation = Simulation(dataclasses.replace(config, touches=True))
    got = []
    for at in range(0, records.size, 37):
        simulation.feed(records[at : at + 37])
        got += [row.tolist()[1:] for row in simulation.drain().touches]
    simulation.finish()
    got += [row.tolist()[1:] for row in simulation.drain().touches]
    expected, book, clock, last, volume = [], NaiveBook(), 0, (None, None), 0
    for record in naive_rows(records):
        if book.ends_before(record) and (now := best(book)) != last:
            expected.append((clock, *now, volume))
            last = now
        clock = max(clock, record.ts_event)
        volume += record.size if record.action == ord("T") else 0
        if book.apply(record) and (now := best(book)) != last:
            expected.append((clock, *now, volume))
            last = now
    expected.append((clock, *best(book), volume))
    assert got == expected


def best(book: NaiveBook) -> tuple[int, int]:
    bids, asks = book.prices("B"), book.prices("A")
    return (bids[0] if bids else UNDEF_PRICE), (asks[0] if asks else UNDEF_PRICE)
