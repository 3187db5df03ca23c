"""Sessions of a synthetic market: the same everywhere, sound, and as likely as their model says."""

import dataclasses
import hashlib
import math

import numpy as np
import pytest

from naive.book import F_LAST, F_SNAPSHOT, NaiveBook, NaiveBooks, rows
from tapewire.compiled.jit import jit_entry
from tapewire.replay.markets import _clock, _weights
from tapewire.replay.markets._books import BOOK_DTYPE, LEVELS, NEAR, ROOM_TICKS
from tapewire.replay.markets._tables import QUEUES, TOUCH
from tapewire.replay.markets.default import default_model
from tapewire.replay.markets.hawkes import fit_hawkes
from tapewire.replay.markets.model import MarketModel
from tapewire.replay.markets.session import Contract, MarketSession, clock_rates

START_NS = 1_709_562_600_000_000_000
HOUR_NS = 3_600_000_000_000
TICK = 250_000_000
SOUND = (
    "locked_events", "crossed_events", "missing_last", "unknown_cancels", "unknown_modifies",
    "unknown_fills", "duplicate_adds", "ignored_records",
)  # fmt: skip
MODEL = dataclasses.replace(default_model(), profile=(8.0,) * NEAR + (150.0,))


def contracts(n: int = 1) -> list[Contract]:
    price = MODEL.price
    return [Contract(f"X{k}", k + 1, f"X{k}", TICK, price + k * 100 * TICK) for k in range(n)]


def make(
    model: MarketModel = MODEL, n: int = 1, *, hours: float = 1.0, chunk: int = 32_768,
    seed: int = 3, **more: int,
) -> tuple[MarketSession, np.ndarray]:  # fmt: skip
    session = MarketSession(
        model, contracts(n), start_ns=START_NS, end_ns=START_NS + int(hours * HOUR_NS),
        seed=seed, **more,
    )  # fmt: skip
    return session, np.concatenate([records.copy() for records in session.chunks(chunk)])


# --- the clock ------------------------------------------------------------------------------------


@jit_entry
def exponential(x: float) -> float:
    return float(_clock.exp_of(x))


@jit_entry
def logarithm(x: float) -> float:
    return float(_clock.log_of(x))


@jit_entry
def waits(out: np.ndarray) -> None:
    for k in range(out.shape[0]):
        out[k] = _clock.waiting(_clock.draw(1, 1, k))


@jit_entry
def gaps(books: np.ndarray, rates: np.ndarray, out: np.ndarray) -> None:
    now = 0
    for k in range(out.shape[0]):
        books[0].events += 1
        now += _clock.gap_ns(books[0], rates)
        out[k] = now


def test_exponential_and_logarithm_are_those_of_the_library() -> None:
    for x in (1e-9, 0.001, 0.3, 0.5, 0.75, 0.999, 1.0):
        assert logarithm(x) == pytest.approx(math.log(x), abs=2e-6)
    for x in (0.0, 1e-6, 0.3, 1.0, 5.0, 39.0):
        assert exponential(-x) == pytest.approx(math.exp(-x), rel=1e-7)
    assert exponential(-1e12) == 0.0


def test_waits_are_exponential() -> None:
    out = np.zeros(400_000)
    waits(out)
    assert out.mean() == pytest.approx(1.0, abs=0.01)
    assert out.var() == pytest.approx(1.0, abs=0.03)
    for x in (0.1, 0.7, 2.0, 5.0):
        assert (out > x).mean() == pytest.approx(math.exp(-x), abs=0.003)


def test_the_fit_finds_what_times_were_made_by() -> None:
    """Rate 2/s and branching 0.3 at 1 ms, 0.2 at 0.4 s: the mean rate is 2 / (1 − 0.5) = 4/s."""
    made = dataclasses.replace(MODEL, rate_per_s=2.0, branching=(0, 0, 0.3, 0, 0.2, 0))
    books = np.zeros(1, BOOK_DTYPE)
    books["seed"], books["rate"] = 77, 2.0 / 1e9
    times = np.zeros(60_000, np.int64)
    gaps(books, clock_rates(made), times)
    assert times.size / (times[-1] / 1e9) == pytest.approx(4.0, rel=0.04)
    found = fit_hawkes(times)
    assert found.rate_per_s == pytest.approx(2.0, rel=0.2)  # it and slow decays look alike
    assert found.branching[2] == pytest.approx(0.3, abs=0.03)
    assert found.branching[4] == pytest.approx(0.2, abs=0.05)
    assert found.branching[[0, 1, 3]].sum() < 0.05
    assert found.rate_per_s / (1 - found.branching.sum()) == pytest.approx(4.0, rel=0.04)


def test_a_fit_needs_events() -> None:
    with pytest.raises(ValueError, match="at least 200 events"):
        fit_hawkes(np.arange(10))


# --- reproducible ---------------------------------------------------------------------------------


def test_records_do_not_depend_on_the_chunk_size() -> None:
    _, whole = make(n=3, hours=0.3)
    for chunk in (1, 700):
        assert np.array_equal(make(n=3, hours=0.3, chunk=chunk)[1], whole)
    assert not np.array_equal(make(n=3, hours=0.3, seed=4)[1][-500:], whole[-500:])


def test_a_book_does_not_depend_on_the_others() -> None:
    """But for order ids, sequence and capture, which they share."""
    alone, beside = make(hours=0.3)[1], make(n=2, hours=0.3)[1]
    beside = beside[beside["instrument_id"] == 1]
    live = [tape[(tape["flags"] & F_SNAPSHOT) == 0] for tape in (alone, beside)]
    for name in ("ts_event", "action", "side", "price", "size"):
        assert np.array_equal(live[0][name], live[1][name]), name


def test_the_session_of_seed_3_never_changes() -> None:
    """A change here changes everybody's synthetic markets: say so in the changelog."""
    digest = hashlib.sha256(make(n=2, hours=0.5)[1].tobytes()).hexdigest()
    assert digest == "8235b4be0c74c51a16a9dcb3f4f4415bc979b026e5d440ab2b8986f328d2cfa5"


def test_so_many_records_as_were_asked_for() -> None:
    for records in (2_000, 2_001, 2_130):
        _, tape = make(hours=8_000, records=records)
        assert len(tape) == records
        assert tape[-1]["flags"] & F_LAST


# --- sound ----------------------------------------------------------------------------------------


def test_every_record_makes_sense_and_the_books_are_what_they_say() -> None:
    session, tape = make(n=2, hours=1.0)
    assert (np.diff(tape["ts_recv"].astype(np.int64)) >= 0).all()
    live = tape[(tape["flags"] & F_SNAPSHOT) == 0]
    assert (np.diff(live["ts_event"].astype(np.int64)) >= 0).all()
    assert live["ts_event"].max() < START_NS + HOUR_NS
    books = NaiveBooks()
    for r in rows(tape):
        book = books.books.get((1, r.instrument_id), NaiveBook())
        if chr(r.action) in "CMF" and not r.flags & F_SNAPSHOT:
            assert book.orders[r.order_id].side == chr(r.side)
            if chr(r.action) == "C":
                order = book.orders[r.order_id]
                assert (order.price, order.size) == (r.price, r.size)
        books.step(r)
    for name in SOUND:
        assert books.counts[name] == 0, name
    for k in range(2):
        same_book(session, k, books.books[1, k + 1])


def same_book(session: MarketSession, k: int, naive: NaiveBook) -> None:
    """The generator's book has the levels, lots and queues of one built from its records."""
    book, orders = session.books[k], session.orders[k]
    for side, letter in enumerate("BA"):
        assert book["orders"][side] == sum(map(len, naive.sides[letter].values()))
        best = (max if letter == "B" else min)(naive.sides[letter])
        assert best == book["base_price"] + book["best"][side] * TICK
    for number in range(LEVELS):
        price = int(book["base_price"]) + number * TICK
        queue = naive.sides["B"].get(price) or naive.sides["A"].get(price) or []
        level, found = session.levels[k, number], []
        slot = int(level["head"])
        while slot >= 0:
            found.append((int(orders[slot]["order_id"]), int(orders[slot]["size"])))
            slot = int(orders[slot]["next"])
        assert found == [(o.order_id, o.size) for o in queue]
        assert level["count"] == len(queue)


def test_trades_are_a_t_then_its_fills_then_what_becomes_of_them() -> None:
    _, tape = make(hours=2.0)
    event, shapes = "", set[str]()
    for action, flags in zip(tape["action"], tape["flags"], strict=True):
        event += chr(action)
        if flags & F_LAST:
            if "T" in event:
                shapes.add(event)
            event = ""
    for shape in shapes:
        body = shape.rstrip("ACM")
        assert set(body) == {"T", "F"}
        assert body.startswith("T")
        assert body.count("F") <= len(shape) - len(body) <= body.count("F") + 1
    assert any(shape.count("T") > 1 for shape in shapes)
    assert any(shape.endswith("A") for shape in shapes)


# --- as likely as the model says ------------------------------------------------------------------


@jit_entry
def weigh(tables: np.ndarray, books: np.ndarray, levels: np.ndarray, out: np.ndarray) -> int:
    return _weights.weigh(tables[0], books[0], levels[0], 0, out)


def naive_weights(session: MarketSession) -> list[float]:
    """The weights of both sides by the words of the model, without a lean, in 2^-30."""
    m, book, levels = session.model, session.books[0], session.levels[0]["count"]
    bid, ask = map(int, book["best"])
    s, out = min(ask - bid, 3) - 1, []
    classes = [min(math.ceil(math.log2(max(int(levels[b]), 1))), QUEUES - 1) for b in (bid, ask)]
    for side, best, step in ((0, bid, -1), (1, ask, 1)):
        q, first = classes[side], int(levels[best])
        counts = [int(levels[best + step * d]) for d in range(NEAR)]
        far = int(book["orders"][side]) - sum(counts)
        inside = ask - bid - 1  # prices that a new order would improve
        improves = sum(m.add[s][:TOUCH]) * max(inside, 2) / 2 if s == 2 else m.add[s][1]
        follow = 1 - m.follow if side == book["gone"] else m.follow
        leaves = [c + e for c, e in zip(m.cancel, m.modify, strict=True)]
        out += [
            improves * 2 * follow if s > 0 else 0.0,
            m.add[s][TOUCH] * m.touch_add[q],
            sum(m.add[s][TOUCH + 1 :]),
            m.cancel[0] * first * m.touch_cancel[q],
            m.modify[0] * first * m.touch_modify[q],
            sum(r * n for r, n in zip(leaves[1:NEAR], counts[1:], strict=True)),
            leaves[NEAR] * far,
            m.trade[classes[1 - side]],
        ]
    return out


def test_weights_equal_their_twin() -> None:
    session = MarketSession(
        MODEL, contracts(), start_ns=START_NS, end_ns=START_NS + 4 * HOUR_NS, seed=11
    )
    tables, spreads = MODEL.tables(), set()
    for _ in session.chunks(200):
        out = np.zeros(_weights.WEIGHTS_N, np.int64)
        total = weigh(tables, session.books, session.levels, out)
        assert total == out.sum()
        assert out / 2**30 == pytest.approx(naive_weights(session), rel=0.01, abs=3e-5)
        spreads.add(int(np.diff(session.books[0]["best"])[0]))
    assert {1, 2, 3, 4} <= spreads


def test_the_price_follows_the_efficient_one() -> None:
    """Over hours the middle is where the efficient price went, but for a few ticks."""
    off, went = [], []
    for seed in range(6):
        session, _ = make(hours=6.0, seed=seed)
        book = session.books[0]
        middle = (int(book["best"].sum()) - LEVELS) / 2
        off.append(abs(middle - int(book["path"]) / 65_536))
        went.append(abs(middle))
    assert np.mean(off) < 6
    assert np.mean(went) > 15  # by 0.36 ticks per root of a second, 53 in six hours


@pytest.mark.long
def test_without_a_pull_the_price_stays_in_its_window() -> None:
    """And every order, too: what lies outside is no memory of the book."""
    wild = dataclasses.replace(MODEL, pull=0.0, rate_per_s=60.0, follow=1.0)
    end_ns = START_NS + 3 * HOUR_NS
    session = MarketSession(wild, contracts(), start_ns=START_NS, end_ns=end_ns, seed=3)
    farthest = 0
    for tape in session.chunks():
        prices = tape["price"][tape["action"] != ord("R")]
        level = (prices - session.books[0]["base_price"]) // TICK
        assert NEAR < level.min() < level.max() < LEVELS - NEAR
        farthest = max(farthest, *np.abs(session.books[0]["best"] - LEVELS // 2))
    assert 2_000 < farthest < ROOM_TICKS + 100
