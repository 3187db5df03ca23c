"""Child: hftbacktest on one DBN file. Run by its own interpreter, it imports nothing of ours.

The market maker is the one of ``strategies/market_maker.py``: one lot at each side of the
touch, moved by `modify` when the touch moves, at most ``max_inventory`` lots either way. It is
woken by every feed and every response; between moves of the touch it goes back to sleep at once,
or, with ``every_feed``, looks at its orders each time, as a plain port would (the same orders and
fills, and what they cost there without that shortcut). The exchange matches by
hftbacktest's own L3 FIFO queue model, both ways of an order take a constant latency, depth is its
fastest (``ROIVector``).
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Records = npt.NDArray[Any]
Events = npt.NDArray[Any]

#: Databento's ``MboMsg``.
DBN_DTYPE: Final = np.dtype(
    {
        "names": ["ts_event", "order_id", "price", "size", "flags", "action", "side", "ts_recv"],
        "formats": ["<i8", "<u8", "<i8", "<u4", "u1", "u1", "u1", "<i8"],
        "offsets": [8, 16, 24, 32, 36, 38, 39, 40],
        "itemsize": 56,
    }
)
#: hftbacktest's event row, checked against its own when it runs.
EVENT_DTYPE: Final = np.dtype(
    [
        ("ev", "u8"),
        ("exch_ts", "i8"),
        ("local_ts", "i8"),
        ("px", "f8"),
        ("qty", "f8"),
        ("order_id", "u8"),
        ("ival", "i8"),
        ("fval", "f8"),
    ],
    align=True,
)
EXCH_EVENT: Final = 1 << 31
LOCAL_EVENT: Final = 1 << 30
BUY_EVENT: Final = 1 << 29
SELL_EVENT: Final = 1 << 28
KINDS: Final = {"R": 3, "T": 2, "A": 10, "C": 11, "M": 12, "F": 13}
SIDES: Final = {"B": BUY_EVENT, "A": SELL_EVENT, "N": 0}

_F_SNAPSHOT: Final = 32
_PRICE_SCALE: Final = 1e9
_UNDEF_PRICE: Final = 2**63 - 1
#: What `wait_next_feed` returns: anything else is an error of the book or of an order.
_TIMEOUT, _END, _FEED, _RESPONSE = 0, 1, 2, 3
_DAY_NS: Final = 86_400 * 1_000_000_000
#: Its own converter is timed on so many records: it takes tens of microseconds for each.
_OWN_CONVERTER_RECORDS: Final = 20_000


def read_dbn(path: Path) -> Records:
    """Return the records of an uncompressed DBN file of schema ``mbo``, version 1 to 3."""
    with path.open("rb") as file:
        prefix = file.read(8)
        if prefix[:3] != b"DBN":
            raise ValueError(f"{path}: expected an uncompressed DBN file, found {prefix[:4]!r}")
        file.seek(int.from_bytes(prefix[4:8], "little"), os.SEEK_CUR)
        return np.fromfile(file, DBN_DTYPE)


def convert(records: Records) -> Events:
    """Turn MBO records into hftbacktest's events, vectorised.

    The start snapshot comes first in both clocks, one nanosecond before anything live, behind a
    clear of both sides. Rows whose exchange time is behind that of an earlier row are split into
    one row for each clock, as hftbacktest wants them.

    Parameters
    ----------
    records : (n,) ndarray with the fields of DBN_DTYPE

    Returns
    -------
    (n or more,) ndarray of EVENT_DTYPE

    Raises
    ------
    ValueError
        On an action or side of another schema, and on what can't be told to hftbacktest: a
        snapshot within the session, or a cancel of less than the whole order.
    """
    kinds, sides = np.zeros(256, np.uint64), np.full(256, 1, np.uint64)
    for letter, kind in KINDS.items():
        kinds[ord(letter)] = kind
    for letter, flag in SIDES.items():
        sides[ord(letter)] = flag
    events = np.zeros(records.size, EVENT_DTYPE)
    kind, side = kinds[records["action"]], sides[records["side"]]
    if not kind.all() or (side == 1).any():
        raise ValueError("expected actions A, C, M, F, T and R and sides A, B and N only")
    events["ev"] = kind | side
    exch = records["ts_event"].astype(np.int64)
    local = np.maximum.accumulate(records["ts_recv"].astype(np.int64))
    live = np.flatnonzero(records["flags"] & _F_SNAPSHOT == 0)
    start = int(live[0]) if live.size else records.size
    if live.size != records.size - start:
        raise ValueError("expected a snapshot at the start only, found one within the session")
    if live.size:
        local[start:] += max(0, int((exch[start:] - local[start:]).max()))
        exch[:start] = local[:start] = exch[start:].min() - 1
    else:
        exch[:] = local
    events["exch_ts"], events["local_ts"] = exch, local
    price = records["price"]
    events["px"] = np.where(price == _UNDEF_PRICE, 0, price) / _PRICE_SCALE
    events["qty"] = records["size"]
    events["order_id"] = records["order_id"]
    if start and records["action"][0] != ord("R"):
        clear = np.zeros(1, EVENT_DTYPE)
        clear["ev"], clear["exch_ts"], clear["local_ts"] = KINDS["R"], exch[0], local[0]
        events = np.concatenate([clear, events])
    return _in_both_orders(events)


def _in_both_orders(events: Events) -> Events:
    exch = events["exch_ts"]
    reached = np.maximum.accumulate(exch)
    late = np.flatnonzero(exch < reached)
    events["ev"] |= np.uint64(EXCH_EVENT | LOCAL_EVENT)
    if not late.size:
        return events
    split = events[late[np.argsort(exch[late], kind="stable")]]
    events["ev"][late] ^= np.uint64(EXCH_EVENT)
    split["ev"] ^= np.uint64(LOCAL_EVENT)
    return np.insert(events, np.searchsorted(reached, split["exch_ts"], side="right"), split)


def check_cancels(records: Records) -> None:
    """Raise ValueError where a cancel leaves some of its order: hftbacktest removes all of it."""
    rows = records[np.isin(records["action"], [ord(letter) for letter in "ACM"])]
    rows = rows[np.argsort(rows["order_id"], kind="stable")]
    again = rows["order_id"][1:] == rows["order_id"][:-1]
    partial = again & (rows["action"][1:] == ord("C")) & (rows["size"][1:] < rows["size"][:-1])
    if partial.any():
        raise ValueError(
            f"expected every cancel to remove its whole order, found {int(partial.sum())} that "
            "don't; hftbacktest has no event for them"
        )


def make_strategy() -> Any:
    """Return the compiled market maker.

    A function of a backtest, the lots per quote, the largest position and ``every_feed``. It
    returns the code `wait_next_feed` ended with, feeds, responses and orders seen, and the code
    of a request that was refused.
    """
    from hftbacktest import BUY, GTC, LIMIT, NONE, SELL  # type: ignore[import-not-found]
    from numba import njit

    new, partially_filled = 1, 5

    @njit  # type: ignore[untyped-decorator]
    def quote(hbt: Any, side: int, order_id: int, next_id: int, tick: int, lots: float) -> Any:
        """Keep one order at the touch: its id, the next free one, the code of the request."""
        order = hbt.orders(0).get(order_id)
        price = tick * hbt.depth(0).tick_size
        if order is not None:
            if order.req != NONE:
                return order_id, next_id, 0
            if order.status == new or order.status == partially_filled:
                if lots <= 0:
                    return order_id, next_id, hbt.cancel(0, order_id, False)
                if order.price_tick != tick:
                    return order_id, next_id, hbt.modify(0, order_id, price, lots, False)
                return order_id, next_id, 0
        if lots <= 0:
            return 0, next_id, 0
        if side == BUY:
            code = hbt.submit_buy_order(0, next_id, price, lots, GTC, LIMIT, False)
        else:
            code = hbt.submit_sell_order(0, next_id, price, lots, GTC, LIMIT, False)
        return next_id, next_id + 1, code

    @njit  # type: ignore[untyped-decorator]
    def market_maker(hbt: Any, quantity: float, max_inventory: float, every_feed: bool) -> Any:
        feeds = responses = failed = 0
        bid_id = ask_id = 0
        next_id = 1
        last_bid = last_ask = 0
        while True:
            code = hbt.wait_next_feed(True, _DAY_NS)
            if code == _FEED:
                feeds += 1
            elif code == _RESPONSE:
                responses += 1
                hbt.clear_inactive_orders(0)
            elif code != _TIMEOUT:
                return code, feeds, responses, next_id - 1, failed
            depth = hbt.depth(0)
            bid, ask = depth.best_bid_tick, depth.best_ask_tick
            moved = bid != last_bid or ask != last_ask
            if not (moved or every_feed or code == _RESPONSE):
                continue
            last_bid, last_ask = bid, ask
            if depth.best_bid_qty <= 0 or depth.best_ask_qty <= 0 or bid >= ask:
                continue
            position = hbt.position(0)
            buy = min(quantity, max_inventory - position)
            sell = min(quantity, max_inventory + position)
            bid_id, next_id, failed = quote(hbt, BUY, bid_id, next_id, bid, buy)
            if failed == 0:
                ask_id, next_id, failed = quote(hbt, SELL, ask_id, next_id, ask, sell)
            if failed != 0:
                return -1, feeds, responses, next_id - 1, failed

    return market_maker


def measure(plan: dict[str, Any]) -> dict[str, Any]:
    """Run the plan and return the line for the parent."""
    import hftbacktest
    from hftbacktest.types import event_dtype  # type: ignore[import-not-found]

    if event_dtype != EVENT_DTYPE:
        raise TypeError(f"expected hftbacktest's event to be {EVENT_DTYPE}, found {event_dtype}")
    path = Path(plan["path"])
    convert_s = float("inf")
    for _ in range(2):  # the first one warms the page cache and the allocator
        began = time.perf_counter()
        records = read_dbn(path)
        events = convert(records)
        convert_s = min(convert_s, time.perf_counter() - began)
    check_cancels(records)
    market_maker = make_strategy()
    quoted = np.isin(events["ev"] & 0xFF, [KINDS["A"], KINDS["M"]])
    bounds = float(events["px"][quoted].min()), float(events["px"][quoted].max())
    seconds: list[float] = []
    check: dict[str, int] = {}
    sizes = plan.get("variants") or [[plan["quantity"], plan["max_inventory"]]]
    for _ in range(plan["runs"] + 1):  # the first one compiles and is not counted
        took, found = 0.0, dict[str, int]()
        for quantity, max_inventory in sizes:  # one after another, each over all events
            took += _once(plan, events, bounds, market_maker, quantity, max_inventory, found)
        seconds.append(took)
        if check and found != check:
            raise RuntimeError(f"two runs differ: {check} and {found}")
        check = found
    own_us = _own_converter_us(path, records.size)
    return {
        "name": "hftbacktest",
        "version": hftbacktest.__version__,
        "events": records.size,
        "runs": seconds[1:],
        "convert_s": convert_s,
        "what": f"L3 FIFO queue, ROIVector, numba; its own converter {own_us:.1f} us/record",
        "check": check,
    }


def _once(
    plan: dict[str, Any],
    events: Events,
    bounds: tuple[float, float],
    market_maker: Any,
    quantity: int,
    max_inventory: int,
    found: dict[str, int],
) -> float:
    """Run one market maker, add what it saw to ``found``, return its seconds."""
    hbt = _backtest(plan, events, bounds)
    began = time.perf_counter()
    code, feeds, responses, orders, failed = market_maker(
        hbt, float(quantity), float(max_inventory), plan["every_feed"]
    )
    took = time.perf_counter() - began
    if code != _END or failed:
        raise RuntimeError(
            f"expected the end of the data (1), found code {code} after {feeds:,} feeds and "
            f"request code {failed}; 12 is a cancel of an order never added"
        )
    depth, state = hbt.depth(0), hbt.state_values(0)
    found |= {
        "code": code,
        "request_code": failed,
        "best_bid": round(depth.best_bid * _PRICE_SCALE),
        "best_ask": round(depth.best_ask * _PRICE_SCALE),
    }
    counts = {"feeds": feeds, "responses": responses, "orders": orders, "fills": state.num_trades}
    for name, count in counts.items():
        found[name] = found.get(name, 0) + count
    hbt.close()
    return took


def _backtest(plan: dict[str, Any], events: Events, bounds: tuple[float, float]) -> Any:
    from hftbacktest import BacktestAsset, ROIVectorMarketDepthBacktest

    asset = (
        BacktestAsset()
        .data(events)
        .linear_asset(float(plan["multiplier"]))
        .constant_order_latency(plan["latency_ns"], plan["latency_ns"])
        .l3_fifo_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(plan["tick_size"] / _PRICE_SCALE)
        .lot_size(1.0)
        .roi_lb(bounds[0])
        .roi_ub(bounds[1])
        .last_trades_capacity(0)
    )
    return ROIVectorMarketDepthBacktest([asset])


def _own_converter_us(path: Path, events: int) -> float:
    """Microseconds per record of hftbacktest's own converter, on the head of the file."""
    from hftbacktest.data.utils.databento import convert as own  # type: ignore[import-not-found]

    n = min(events, _OWN_CONVERTER_RECORDS)
    raw = path.read_bytes()
    head = 8 + int.from_bytes(raw[4:8], "little")
    took = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for count in (1_000, n):  # the first one compiles
            sample = Path(folder) / f"{count}.dbn"
            sample.write_bytes(raw[: head + count * DBN_DTYPE.itemsize])
            began = time.perf_counter()
            own(str(sample), None)
            took = time.perf_counter() - began
    return took / n * 1e6


def main() -> None:
    """Read the plan from the command line, print one line of JSON; libraries print to stderr."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        print(json.dumps(measure(json.loads(sys.argv[1])), default=int), file=out)


if __name__ == "__main__":
    main()
