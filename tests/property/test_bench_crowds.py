"""The crowd: whatever its size, no record of it names an order that is not there."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.bench.crowds import TICK_SIZE, Crowd
from tapewire.errors import ConfigError
from tapewire.market import BookSet
from tapewire.market.records import F_LAST, MBO_DTYPE
from tapewire.replay import read_records

ZERO = (
    "unknown_cancels", "unknown_modifies", "unknown_fills", "duplicate_adds", "ignored_records",
    "missing_last", "locked_events", "crossed_events",
)  # fmt: skip


def records_of(crowd: Crowd, records: int, chunk_records: int = 4_096) -> np.ndarray:
    chunks = [chunk.copy() for chunk in crowd.opening(chunk_records)]
    chunks += [chunk.copy() for chunk in crowd.steady(records, chunk_records)]
    return np.concatenate(chunks)


def follow(records: np.ndarray) -> dict[int, list[Any]]:
    """Live orders after the records, checked one by one: id → [book, side, price, lots]."""
    live: dict[int, list[Any]] = {}
    for r in records:
        order, action = int(r["order_id"]), chr(r["action"])
        at = [int(r["instrument_id"]), chr(r["side"]), int(r["price"])]
        lots = int(r["size"])
        assert lots > 0
        if action == "A":
            assert order not in live
            live[order] = [*at, lots]
        elif action == "M":
            assert live[order][:2] == at[:2]
            live[order] = [*at, lots]
        elif action in "CF":
            assert live[order][:3] == at
            assert lots <= live[order][3]
            if action == "C":
                live[order][3] -= lots
                if not live[order][3]:
                    del live[order]
        else:
            assert action == "T"
            assert order not in live
    return live


@settings(max_examples=25)
@given(
    books=st.integers(1, 40),
    spare=st.integers(0, 400),
    seed=st.integers(0, 2**64 - 1),
    activity=st.sampled_from(["even", "zipf"]),
    steady=st.integers(0, 3_000),
)
def test_every_record_fits_what_is_live(
    books: int, spare: int, seed: int, activity: Any, steady: int
) -> None:
    crowd = Crowd(books, 8 * books + spare, seed=seed, activity=activity)
    records = records_of(crowd, steady)
    assert crowd.opening_records == 8 * books + spare
    assert 0 <= crowd.opening_records + steady - len(records) <= 2
    live = follow(records)
    assert crowd.live_orders == len(live)
    assert (records["price"] % TICK_SIZE == 0).all()
    assert set(records["instrument_id"].tolist()) <= set(crowd.instrument_ids)
    # Events end in F_LAST; both clocks move on between them and stand still within.
    ends = (records["flags"] & F_LAST) != 0
    assert ends[-1]
    for clock in ("ts_event", "ts_recv"):
        moved = np.diff(records[clock].astype(np.int64)) > 0
        np.testing.assert_array_equal(moved, ends[:-1])
    assert (records["ts_recv"] > records["ts_event"]).all()
    book = BookSet()
    book.apply(records)
    opened = book.keys()
    assert {name: book.counts[name] for name in ZERO} == dict.fromkeys(ZERO, 0)
    resting = {
        int(row[1]): [instrument, side, int(row[0]), int(row[2])]
        for publisher, instrument in opened
        for side in "BA"
        for row in book.orders(publisher, instrument, side)
    }
    assert resting == live
    # Every book has both sides from its second order on.
    assert all(book.level_totals(*key, side).size for key in opened for side in "BA")


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32), chunk=st.integers(3, 700))
def test_a_seed_is_a_stream_whatever_the_chunks(seed: int, chunk: int) -> None:
    first = records_of(Crowd(7, 100, seed=seed, activity="zipf"), 2_000)
    again = records_of(Crowd(7, 100, seed=seed, activity="zipf"), 2_000, chunk)
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != records_of(Crowd(7, 100, seed=seed + 1), 2_000).tobytes()


def test_the_mix_is_that_of_a_market_in_balance() -> None:
    crowd = Crowd(50, 5_000, seed=2, activity="zipf")
    records = records_of(crowd, 200_000)[crowd.opening_records :]
    share = {chr(a): n / len(records) for a, n in enumerate(np.bincount(records["action"])) if n}
    assert set(share) == set("ACMTF")
    assert 0.35 < share["A"] < 0.48
    assert abs(share["A"] - share["C"]) < 0.03
    assert 0.01 < share["T"] == share["F"] < 0.05
    assert abs(crowd.live_orders - 5_000) < 250
    # By Zipf's law the first of 50 has a good fifth of all events, the last half a percent.
    busy = np.bincount(records["instrument_id"])[list(crowd.instrument_ids)] / len(records)
    assert busy[0] == pytest.approx(0.22, abs=0.02)
    assert busy[-1] == pytest.approx(0.0044, abs=0.002)
    even = np.bincount(records_of(Crowd(50, 5_000, seed=2), 200_000)["instrument_id"])
    assert even[even > 0].max() < 1.2 * even[even > 0].min()


def test_a_written_crowd_reads_back(tmp_path: Any) -> None:
    path = tmp_path / "crowd.dbn"
    written = Crowd(3, 60, seed=4).write(path, 500)
    metadata, records = read_records(path)
    assert written == len(records)
    assert records.dtype == MBO_DTYPE
    assert records.tobytes() == records_of(Crowd(3, 60, seed=4), 500).tobytes()
    assert sorted(metadata.mappings) == ["C00001", "C00002", "C00003"]


def test_sizes_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="books: expected 1 to 100,000, found 0"):
        Crowd(0, 10)
    with pytest.raises(ConfigError, match="orders: expected 80 to 16,777,216, found 79"):
        Crowd(10, 79)
