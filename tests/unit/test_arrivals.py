"""What orders cost: told by hand, against a slow twin, and in any batches."""

import random
from typing import Any

import numpy as np
import pytest

from analytics_rows import E9, NOON_NS, rows
from tapewire.analytics import arrivals
from tapewire.analytics.arrivals import COST_COLUMNS, COST_DTYPE, Arrivals, OrderCosts
from tapewire.analytics.markouts import NO_PRICE
from tapewire.execution.codes import (
    ACCOUNT_ID,
    DAY_END_ID,
    ROLL_ID,
    SETTLEMENT_ID,
    SHORT_DAY_END_ID,
    SHORT_ROLL_ID,
    SHORT_SETTLEMENT_ID,
    Side,
)
from tapewire.execution.rows import FILL_DTYPE, ORDER_DTYPE, TOUCH_DTYPE
from tapewire.market.records import UNDEF_PRICE

MS = 10**6
BOOK = 1 << 32 | 17077


def at_ms(ms: float) -> int:
    return NOON_NS + round(ms * MS)


def touch(ms: float, bid: float | None, ask: float | None, book: int = BOOK) -> dict[str, Any]:
    price = [UNDEF_PRICE if p is None else round(p * E9) for p in (bid, ask)]
    return {"book": book, "ts_event": at_ms(ms), "bid": price[0], "ask": price[1]}


def an_order(
    number: int, side: Side, lots: int, sent: float, arrived: float | None, closed: float | None,
    filled: int = 0, book: int = BOOK,
) -> dict[str, Any]:  # fmt: skip
    return {
        "leg": book - BOOK, "client_order_id": number, "publisher_id": book >> 32,
        "instrument_id": book & 0xFFFF_FFFF, "side": side, "quantity": lots, "filled_qty": filled,
        "ts_sent": at_ms(sent), "ts_arrived": 0 if arrived is None else at_ms(arrived),
        "ts_closed": 0 if closed is None else at_ms(closed),
    }  # fmt: skip


def a_fill(
    number: int, side: Side, price: float, lots: int, ms: float, book: int = BOOK
) -> dict[str, Any]:
    return {
        "leg": book - BOOK, "client_order_id": number, "publisher_id": book >> 32,
        "instrument_id": book & 0xFFFF_FFFF, "side": side, "last_px": round(price * E9),
        "last_qty": lots, "commission": lots * E9, "ts_event": at_ms(ms),
    }  # fmt: skip


def costs(row: Any) -> list[float | None]:
    values = [int(row[name]) for name in COST_COLUMNS]
    return [None if value == NO_PRICE else value / E9 for value in values]


def test_a_story_by_hand() -> None:
    touches = [
        touch(0, 99, 101),  # mid 100
        touch(2, 100, 102),  # 101
        touch(3, None, 102),  # still 101
        touch(5, 102, 104),  # 103
        touch(9, 105, 107),  # 106
    ]
    orders = [
        an_order(1, Side.BUY, 5, 1, 2, 5, filled=3),  # the move at its arrival is done, at its end
        an_order(2, Side.SELL, 2, 4, 6, 6, filled=2),  # is not
        an_order(3, Side.BUY, 1, 4, None, 4),  # never left
        an_order(4, Side.SELL, 4, 4, 6, None, filled=1),  # open at the end
        an_order(5, Side.BUY, 1, -1, 1, 2),  # sent before there was a mid
    ]
    fills = [
        a_fill(1, Side.BUY, 102, 2, 2), a_fill(4, Side.SELL, 104, 1, 6),
        a_fill(1, Side.BUY, 101, 1, 4), a_fill(2, Side.SELL, 102, 2, 6),
    ]  # fmt: skip
    made = Arrivals().add(
        rows(FILL_DTYPE, fills), rows(ORDER_DTYPE, orders), rows(TOUCH_DTYPE, touches)
    )
    #                        sent arrived end  slippage                 shortfall
    assert costs(made[0]) == [100, 101, 101, 2 * (102 - 101), 2 * 2 + 1 * 1 + 2 * (101 - 100)]
    assert costs(made[1]) == [101, 103, 103, 2 * (103 - 102), -2 * (102 - 101)]
    assert costs(made[2]) == [None] * 5
    assert costs(made[3]) == [101, 103, 106, -1 * (104 - 103), -(104 - 101) - 3 * (106 - 101)]
    assert costs(made[4]) == [None, 100, 100, None, None]
    assert made["commission"].tolist() == [3 * E9, 2 * E9, 0, E9, 0]
    assert made["client_order_id"].tolist() == [1, 2, 3, 4, 5]


def costs_alone(number: int) -> list[float | None]:
    """What an order of that number comes to that sells 3 at 90, where the mid is 100."""
    order = an_order(number, Side.SELL, 3, 2, 2, 2, filled=3)
    fill = a_fill(number, Side.SELL, 90, 3, 2)
    made = Arrivals().add(
        rows(FILL_DTYPE, [fill]), rows(ORDER_DTYPE, [order]), rows(TOUCH_DTYPE, [touch(0, 99, 101)])
    )
    return costs(made[0])


@pytest.mark.parametrize("number", [SETTLEMENT_ID, SHORT_SETTLEMENT_ID, ACCOUNT_ID, ACCOUNT_ID - 1])
def test_what_no_order_of_the_strategy_traded_costs_nothing(number: int) -> None:
    assert costs_alone(number) == [None] * 5


@pytest.mark.parametrize("number", [-1, DAY_END_ID, SHORT_DAY_END_ID - 1, ROLL_ID, SHORT_ROLL_ID])
def test_orders_that_close_cost_what_others_do(number: int) -> None:
    assert costs_alone(number) == [100, 100, 100, 30, 30]


def test_numbers_of_legs_are_apart() -> None:
    numbers = [1, (1 << 40) - 1, -1, DAY_END_ID, SHORT_DAY_END_ID, SETTLEMENT_ID, SHORT_ROLL_ID]
    numbers += [ACCOUNT_ID, ACCOUNT_ID - 1, ACCOUNT_ID - (1 << 40) + 1]
    legs = [0, 1, 2, 3, (1 << 21) - 1]
    keys = arrivals._key(np.repeat(legs, len(numbers)), np.tile(numbers, len(legs)))
    assert len(set(keys.tolist())) == len(numbers) * len(legs)


def test_an_order_that_stands_too_long_has_no_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "MOVES_MAX", 3)
    moves = rows(TOUCH_DTYPE, [touch(ms, 99 + ms, 101 + ms) for ms in range(40)])
    orders = [an_order(1, Side.BUY, 1, 30, 30, 33), an_order(2, Side.BUY, 1, 29, 30, 33)]
    made = Arrivals().add(rows(FILL_DTYPE, []), rows(ORDER_DTYPE, orders), moves)
    assert costs(made[0]) == [130, 130, 132, None, 2]
    assert costs(made[1]) == [None, 130, 132, None, None]


def test_costs_of_orders_together_by_hand() -> None:
    together = OrderCosts()
    together.add(
        {
            "order_side": np.array(["BUY", "SELL", "BUY"], object),
            "quantity": np.array([5, 2, 9]), "filled_qty": np.array([3, 2, 9]),
            "mid_sent": np.array([100 * E9, 101 * E9, NO_PRICE]),
            "mid_closed": np.array([101 * E9, 103 * E9, 103 * E9]),
            "slippage": np.array([100 * E9, 200 * E9, NO_PRICE]),
            "shortfall": np.array([353 * E9, -98 * E9, NO_PRICE]),
        },
        50, 1,
    )  # fmt: skip
    paper = (5 * 100 + 2 * 101) * 50 * E9
    expected = OrderCosts(5, 300 * E9, 2, 255 * E9, 2 * 1 * 50 * E9, paper)
    assert together == expected
    assert (together + together).paper == 2 * paper


# --- against a slow twin --------------------------------------------------------------------------


def naively(order: Any, fills: list[Any], touches: list[Any], moves_max: int) -> list[int]:
    """An order's costs, looked for one by one."""
    moves = [(-1, NO_PRICE)]
    for t in touches:
        if t["book"] == order["publisher_id"] << 32 | order["instrument_id"]:
            if UNDEF_PRICE not in (t["bid"], t["ask"]):
                mid = (int(t["bid"]) + int(t["ask"])) // 2
                if mid != moves[-1][1]:
                    moves.append((int(t["ts_event"]), mid))
    arrived, closed = order["ts_arrived"], order["ts_closed"]
    if arrived == 0 and closed != 0:
        return [NO_PRICE] * 5
    last = max(k for k, (ts, _) in enumerate(moves) if closed == 0 or ts < closed)
    mids = []
    for ts in (order["ts_sent"], arrived):
        at = max(k for k, move in enumerate(moves) if move[0] <= ts)
        mids.append(moves[at][1] if ts and last - at < moves_max else NO_PRICE)
    mids.append(moves[last][1])
    mine = [f for f in fills if all(f[k] == order[k] for k in ("leg", "client_order_id"))]
    sent, arrival, end = mids
    paid = [
        sum(int(f["side"]) * (int(f["last_px"]) - mid) * int(f["last_qty"]) for f in mine)
        for mid in (arrival, sent)
    ]
    unfilled = int(order["quantity"] - order["filled_qty"])
    slippage = paid[0] if mine and arrival != NO_PRICE else NO_PRICE
    missed = int(order["side"]) * (end - sent) * unfilled
    return [*mids, slippage, NO_PRICE if NO_PRICE in (sent, end) else paid[1] + missed]


def a_stream(draw: random.Random) -> list[tuple[str, dict[str, Any]]]:
    """Moves of two books, orders and their fills, in the order of a stream."""
    clocks = {BOOK: 0, BOOK + 1: 0}
    stream: list[tuple[str, dict[str, Any]]] = []
    open_: dict[int, dict[str, Any]] = {}
    for number in range(1, draw.randint(1, 120)):
        book = draw.choice(list(clocks))
        clock = clocks[book] = clocks[book] + draw.choice((0, 1, 1, 5))
        kind = draw.choice(("touch", "touch", "send", "fill", "end", "lose"))
        mine = [k for k, order in open_.items() if order["leg"] == book - BOOK]
        if kind == "touch":
            bid = draw.choice((None, *[draw.randint(90, 94)] * 3))
            ask = draw.choice((None, *[draw.randint(93, 99)] * 3))
            # Orders have arrived before later moves, and what ends by an event does so before it.
            stream.append(("touch", touch(clock, bid, ask, book)))
        elif kind in ("send", "lose"):
            side, sent = draw.choice(list(Side)), clock - draw.randint(0, 3)
            arrived = None if kind == "lose" else clock
            order = an_order(number, side, draw.randint(1, 9), sent, arrived, None, 0, book)
            if kind == "send":
                clocks[book] += 1
                open_[number] = order
            else:
                order["ts_closed"] = order["ts_sent"]
                stream.append(("order", order))
        elif mine:
            number = draw.choice(mine)
            order = open_[number]
            left = order["quantity"] - order["filled_qty"]
            if kind == "fill":
                lots = draw.randint(1, left)
                order["filled_qty"] += lots
                price = draw.randint(90, 99)
                row = a_fill(number, Side(order["side"]), price, lots, clock, book)
                stream.append(("fill", row))
            if kind == "end" or order["filled_qty"] == order["quantity"]:
                order["ts_closed"] = at_ms(clock)
                stream.append(("order", open_.pop(number)))
    return stream + [("order", order) for order in open_.values()]


def in_batches(stream: list[tuple[str, dict[str, Any]]], draw: random.Random) -> np.ndarray:
    work, parts, at = Arrivals(), [np.zeros(0, COST_DTYPE)], 0
    while at < len(stream):
        stop = at + draw.randint(1, 25)
        batch = stream[at:stop]
        tables = [
            rows(dtype, [row for kind, row in batch if kind == name])
            for name, dtype in (
                ("fill", FILL_DTYPE),
                ("order", ORDER_DTYPE),
                ("touch", TOUCH_DTYPE),
            )
        ]
        parts.append(work.add(*tables))
        at = stop
    return np.concatenate(parts)


@pytest.mark.parametrize("seed", range(150))
def test_generated_streams_agree_with_the_twin_in_any_batches(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(seed)
    moves_max = draw.choice((2, 5, 100))
    monkeypatch.setattr(arrivals, "MOVES_MAX", moves_max)
    stream = a_stream(draw)
    fills, orders, touches = (
        list(rows(dtype, [row for kind, row in stream if kind == name]))
        for name, dtype in (("fill", FILL_DTYPE), ("order", ORDER_DTYPE), ("touch", TOUCH_DTYPE))
    )
    made = in_batches(stream, draw)
    assert len(made) == len(orders)
    for row, order in zip(made, orders, strict=True):
        expected = naively(order, fills, touches, moves_max)
        assert [int(row[name]) for name in COST_COLUMNS] == expected
    assert in_batches(stream, draw).tobytes() == made.tobytes()
