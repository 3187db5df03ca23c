"""The synthetic session: reproducible, sound, a real file, and the kind of flow ESH4 has."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import databento
import databento_dbn as dbn
import numpy as np
import pytest

from naive.book import F_LAST, F_SNAPSHOT, NaiveBook, NaiveBooks, Record, rows
from naive.dbn import read_mbo
from tapewire.compiled import draws
from tapewire.compiled.jit import jit_entry
from tapewire.errors import ConfigError, OutputError
from tapewire.replay import _synth, _synth_books, synth
from tapewire.replay.synth import SyntheticSession, synthesize

TICK = 250_000_000
#: Counters of the book that a sound session leaves at zero.
SOUND = (
    "locked_events", "crossed_events", "missing_last", "unknown_cancels", "unknown_modifies",
    "unknown_fills", "duplicate_adds", "ignored_records",
)  # fmt: skip


def session(events: int, chunk: int = 32_768, **arguments: object) -> np.ndarray:
    chunks = SyntheticSession(events, **arguments).chunks(chunk)  # type: ignore[arg-type]
    return np.concatenate([c.copy() for c in chunks])


# --- reproducible ---------------------------------------------------------------------------------


def naive_draw(seed: int, purpose: int, counter: int) -> int:
    """splitmix64 on Python's unbounded integers."""
    mask = 2**64 - 1

    def mix(z: int) -> int:
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        return z ^ z >> 31

    golden = 0x9E3779B97F4A7C15
    key = mix(seed % 2**64 + golden * purpose & mask)
    return mix(key + golden * (counter + 1) & mask) >> 1


@jit_entry
def draw(seed: int, purpose: int, counter: int) -> int:
    return int(draws.draw(seed, purpose, counter))


def test_draws_equal_their_twin() -> None:
    for seed in (0, 1, -1, 2**63 - 1, -(2**63)):
        for purpose in (1, 12, 64 + 256 * 499):
            for counter in (0, 1, 10**12):
                assert draw(seed, purpose, counter) == naive_draw(seed, purpose, counter)


def test_splitmix64_is_the_published_one() -> None:
    """The first outputs for seed 0, as in the reference implementation (Vigna)."""
    assert naive_draw(0, 0, 0) == 0xE220A8397B1DCDAF >> 1
    assert naive_draw(0, 0, 1) == 0x6E789E6AA1B965F4 >> 1


def test_same_seed_same_bytes_another_seed_others(tmp_path: Path) -> None:
    contents = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        synthesize(tmp_path / f"{name}.dbn", events=20_000, instruments=2, seed=seed)
        contents.append((tmp_path / f"{name}.dbn").read_bytes())
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


def test_records_do_not_depend_on_the_chunk_size() -> None:
    whole = session(30_000, instruments=3, seed=9)
    for chunk in (_synth.EVENT_RECORDS_MAX, 1_000, 7_777):
        assert np.array_equal(session(30_000, chunk, instruments=3, seed=9), whole)


def test_the_session_of_seed_7_never_changes() -> None:
    """A change here changes everybody's synthetic results: say so in the changelog."""
    digest = hashlib.sha256(session(50_000, instruments=2, seed=7).tobytes()).hexdigest()
    assert digest == "68ff50d04a1d6d14c8eff18c94efac5d0502e26f62b8a222233869d92baa3b19"


# --- sound ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("events", "instruments"), [(64, 1), (640, 10), (60_000, 1), (60_000, 5)])
def test_every_record_makes_sense(events: int, instruments: int) -> None:
    tape = session(events, instruments=instruments, seed=events)
    assert len(tape) == events
    assert (tape["length"] == 14).all()
    assert (tape["rtype"] == 0xA0).all()
    assert (np.diff(tape["ts_recv"].astype(np.int64)) >= 0).all()
    live = tape[(tape["flags"] & F_SNAPSHOT) == 0]
    assert (np.diff(live["ts_event"].astype(np.int64)) >= 0).all()
    assert (np.diff(live["sequence"].astype(np.int64)) >= 0).all()
    delay = (live["ts_recv"] - live["ts_event"]).astype(np.int64)
    assert delay.min() >= 80_000
    books = NaiveBooks()
    for r in rows(tape):
        check(r, books)
    assert books.counts["clears"] == books.counts["snapshots"] == instruments
    assert tape[-1]["flags"] & F_LAST
    for name in SOUND:
        assert books.counts[name] == 0, name


def check(r: Record, books: NaiveBooks) -> None:
    """What a record says fits the book it meets; then apply it."""
    book = books.books.get((r.publisher_id, r.instrument_id), NaiveBook())
    if chr(r.action) in "CMF" and not r.flags & F_SNAPSHOT:
        order = book.orders[r.order_id]
        assert order.side == chr(r.side)
        if chr(r.action) == "C":
            assert (order.price, order.size) == (r.price, r.size)
        if chr(r.action) == "F":
            assert order.price == r.price
            assert order.size - book.filled[r.order_id] >= r.size
    if books.step(r) and book.orders and not r.flags & F_SNAPSHOT:
        spread = min(book.sides["A"]) - max(book.sides["B"])
        assert TICK <= spread <= _synth_books.MAX_SPREAD_TICKS * TICK


def test_trades_are_whole_events_at_the_front_of_the_queue() -> None:
    """T, an F per order touched, in queue order; then the C or M of each; then F_LAST."""
    books, event, seen = NaiveBooks(), list[Record](), Counter[str]()
    for r in rows(session(60_000, seed=3)):
        event.append(r)
        if not r.flags & F_LAST:
            continue
        if len(event) > 1 and not r.flags & F_SNAPSHOT:
            judge_trade(event, books.books[1, r.instrument_id], seen)
        books.apply(event)
        event.clear()
    # Partial fills, icebergs, several levels, unknown aggressors and resting remainders occur.
    assert all(seen[name] > 10 for name in ("partial", "iceberg", "levels", "rests")), seen
    assert seen["no id"] > 3


def judge_trade(event: list[Record], book: NaiveBook, seen: Counter[str]) -> None:
    shape = "".join(chr(r.action) for r in event)
    trades = [r for r in event if chr(r.action) == "T"]
    fills = [r for r in event if chr(r.action) == "F"]
    effects = [r for r in event if chr(r.action) in "CM"]
    assert (
        shape.rstrip("ACM")
        + "".join(chr(r.action) for r in effects)
        + ("A" if shape.endswith("A") else "")
        == shape
    )
    assert sum(r.size for r in trades) == sum(r.size for r in fills)
    assert [r.order_id for r in fills] == [r.order_id for r in effects]
    resting = chr(fills[0].side)
    assert {chr(r.side) for r in trades} == {"A" if resting == "B" else "B"}
    ahead = [o for price in book.prices(resting) for o in book.sides[resting][price]]
    assert [o.order_id for o in ahead[: len(fills)]] == [r.order_id for r in fills]
    for order, fill, effect in zip(ahead, fills, effects, strict=False):
        left = order.size - fill.size
        if chr(effect.action) == "C":
            assert left == 0
        elif left:
            assert effect.size == left
            seen["partial"] += 1
        else:
            seen["iceberg"] += 1
    seen["levels"] += len({r.price for r in trades}) > 1
    seen["no id"] += trades[0].order_id == 0
    seen["rests"] += shape.endswith("A")


def test_books_stay_bounded() -> None:
    one = SyntheticSession(300_000, instruments=3, seed=2)
    for _ in one.chunks():
        orders = one._books["bid_orders"] + one._books["ask_orders"]
        assert orders.max() < _synth_books.ORDERS_MAX
    assert (orders > 900).all()


# --- a fair workload ------------------------------------------------------------------------------


def profile(tape: Iterable[Record], since_ns: int = 0) -> dict[str, float]:
    """Shares that make a tape cheap or dear to process."""
    book, n, seen = NaiveBooks(), 0, Counter[str]()
    for r in tape:
        side, action = chr(r.side), chr(r.action)
        one = book.books.get((r.publisher_id, r.instrument_id))
        if one is not None and not r.flags & F_SNAPSHOT and r.ts_event > since_ns:
            n += 1
            seen[action] += 1
            if action in "AC" and one.sides[side]:
                best = max(one.sides["B"]) if side == "B" else min(one.sides["A"])
                depth = (best - r.price if side == "B" else r.price - best) // TICK
                seen[f"{action} at the touch"] += depth <= 0
                seen[f"{action} within 3"] += depth <= 3
            seen["size 1"] += action == "A" and r.size == 1
        book.step(r)
    out = {a: seen[a] / n for a in "ACMTF"}
    for a in "AC":
        for where in ("at the touch", "within 3"):
            out[f"{a} {where}"] = seen[f"{a} {where}"] / seen[a]
    out["size 1"] = seen["size 1"] / seen["A"]
    return out


@pytest.mark.long
def test_the_flow_is_the_kind_esh4_has(data_file: Callable[[str], Path]) -> None:
    real = read_mbo(data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"))
    opening_ns = 1_703_545_200_106_000_000  # before it, the pre-open's crossed book
    theirs = profile(rows(real), opening_ns)
    ours = profile(rows(session(80_000, seed=1)))
    differences = {name: round(ours[name] - share, 3) for name, share in theirs.items()}
    assert max(map(abs, differences.values())) < 0.12, differences


# --- a real file ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["day.mbo.dbn", "day.mbo.dbn.zst"])
def test_databentos_client_reads_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    summary = synthesize(path, events=20_000, instruments=2, seed=4)
    store = databento.DBNStore.from_bytes(path.read_bytes())  # from_file leaks its file
    assert (store.schema, store.dataset, store.symbols) == ("mbo", "GLBX.MDP3", ["TWA1", "TWA2"])
    assert store.metadata.version == 3
    assert store.to_ndarray().tobytes() == session(20_000, instruments=2, seed=4).tobytes()
    frame = store.to_df()
    assert len(frame) == 20_000
    assert set(frame["symbol"]) == {"TWA1", "TWA2"}
    assert Counter(frame["action"]) == summary.actions
    assert summary.file_bytes == path.stat().st_size
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_mappings_cover_a_session_of_many_days(tmp_path: Path) -> None:
    one = SyntheticSession(5_000, session_s=3 * 86_400)
    metadata = dbn.Metadata.decode(one.metadata())
    last = np.concatenate([c.copy() for c in one.chunks()])[-1]
    assert metadata.start < last["ts_recv"] < metadata.end
    interval = metadata.mappings["TWA1"][0]
    assert str(interval["end_date"]) == "2024-03-08"


def test_two_million_records_span_some_hours() -> None:
    one = SyntheticSession(2_000_000)
    assert (one.end_ns - synth.SESSION_START_NS) / 3.6e12 == 6.5
    spread = SyntheticSession(100_000)
    assert (spread.end_ns - synth.SESSION_START_NS) / 1e9 == 1_250


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"events": 63}, "events: expected at least 64"),
        ({"events": 10**20}, "events: expected at most 1,000,000,000,000, found 100,000,000,000"),
        ({"events": 10_000, "instruments": 0}, "instruments: expected 1 to 500, found 0"),
        ({"events": 10**9, "instruments": 501}, "instruments: expected 1 to 500, found 501"),
        ({"events": 100, "seed": 2**64}, "seed: expected a 64-bit integer"),
        ({"events": 100, "session_s": 0.0}, "session_s: expected 1 second to 366 days"),
    ],
)
def test_arguments_out_of_range(tmp_path: Path, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        synthesize(tmp_path / "x.dbn", **arguments)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_other_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a name ending in \.dbn or \.dbn\.zst, found 'x\.csv'"):
        synthesize(tmp_path / "x.csv", events=100)


def test_a_chunk_too_small_for_an_event_is_refused() -> None:
    with pytest.raises(ConfigError, match="chunk_records"):
        next(SyntheticSession(100).chunks(10))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*x\.dbn: No such file"):
        synthesize(tmp_path / "missing" / "x.dbn", events=100)


def test_an_interrupted_run_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "day.dbn"
    path.write_bytes(b"old")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize(path, events=1_000, on_progress=stop)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["day.dbn"]
