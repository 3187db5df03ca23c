"""DBN records as hftbacktest's events: flags, clocks, snapshot, split rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.bench.rivals._hftbacktest import (
    BUY_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    check_cancels,
    convert,
    read_dbn,
)
from tapewire.market.records import F_LAST, F_SNAPSHOT, MBO_DTYPE, UNDEF_PRICE
from tapewire.replay import read_records

BOTH = EXCH_EVENT | LOCAL_EVENT


def records(*rows: tuple[Any, ...]) -> np.ndarray[Any, Any]:
    """(action, side, order_id, price, size, ts_event, ts_recv, flags) each."""
    out = np.zeros(len(rows), MBO_DTYPE)
    for record, (action, side, order_id, price, size, ts_event, ts_recv, *flags) in zip(
        out, rows, strict=True
    ):
        record["action"], record["side"], record["order_id"] = ord(action), ord(side), order_id
        record["price"], record["size"], record["flags"] = price, size, (*flags, F_LAST)[0]
        record["ts_event"], record["ts_recv"] = ts_event, ts_recv
    return out


def test_each_action_and_side_has_its_flags() -> None:
    events = convert(
        records(
            ("R", "N", 0, UNDEF_PRICE, 0, 10, 20),
            ("A", "B", 1, 5_000_250_000_000, 3, 11, 21),
            ("A", "A", 2, 5_000_500_000_000, 4, 12, 22),
            ("M", "A", 2, 5_000_750_000_000, 2, 13, 23),
            ("T", "A", 0, 5_000_250_000_000, 3, 14, 24),
            ("F", "B", 1, 5_000_250_000_000, 3, 14, 24),
            ("C", "B", 1, 5_000_250_000_000, 3, 14, 24),
            ("T", "N", 0, 5_000_250_000_000, 1, 15, 25),
        )
    )
    assert [int(ev) for ev in events["ev"]] == [
        BOTH | 3,
        BOTH | BUY_EVENT | 10,
        BOTH | SELL_EVENT | 10,
        BOTH | SELL_EVENT | 12,
        BOTH | SELL_EVENT | 2,
        BOTH | BUY_EVENT | 13,
        BOTH | BUY_EVENT | 11,
        BOTH | 2,
    ]
    assert events["px"].tolist() == [
        0,
        5000.25,
        5000.5,
        5000.75,
        5000.25,
        5000.25,
        5000.25,
        5000.25,
    ]
    assert events["qty"].tolist() == [0, 3, 4, 2, 3, 3, 3, 1]
    assert events["order_id"].tolist() == [0, 1, 2, 2, 0, 1, 1, 0]
    assert events["exch_ts"].tolist() == [10, 11, 12, 13, 14, 14, 14, 15]
    assert events["local_ts"].tolist() == [20, 21, 22, 23, 24, 24, 24, 25]


@pytest.mark.parametrize("has_clear", [True, False])
def test_the_snapshot_comes_first_in_both_clocks(has_clear: bool) -> None:
    clear = [("R", "N", 0, UNDEF_PRICE, 0, 50, 50, F_SNAPSHOT)] if has_clear else []
    events = convert(
        records(
            *clear,
            ("A", "B", 1, 10**9, 1, 48, 50, F_SNAPSHOT),
            ("A", "B", 2, 10**9, 1, 3, 50, F_SNAPSHOT | F_LAST),
            ("C", "B", 1, 10**9, 1, 40, 60),
            ("C", "B", 2, 10**9, 1, 41, 61),
        )
    )
    assert [int(ev) & 0xFF for ev in events["ev"]] == [3, 10, 10, 11, 11]
    assert events["order_id"].tolist() == [0, 1, 2, 1, 2]
    assert events["exch_ts"].tolist() == [39, 39, 39, 40, 41]
    assert events["local_ts"].tolist() == [39, 39, 39, 60, 61]
    assert all(int(ev) & BOTH == BOTH for ev in events["ev"])


def test_a_row_behind_in_exchange_time_is_split() -> None:
    events = convert(
        records(
            ("A", "B", 1, 10**9, 1, 10, 20),
            ("A", "B", 2, 10**9, 1, 30, 31),
            ("A", "B", 3, 10**9, 1, 15, 32),
            ("A", "B", 4, 10**9, 1, 31, 33),
        )
    )
    seen = [(int(e["order_id"]), int(e["ev"]) & BOTH) for e in events]
    assert seen == [(1, BOTH), (3, EXCH_EVENT), (2, BOTH), (3, LOCAL_EVENT), (4, BOTH)]


@given(st.lists(st.tuples(st.integers(100, 160), st.integers(0, 9)), min_size=1, max_size=40))
def test_each_clock_sees_every_row_in_its_order(times: list[tuple[int, int]]) -> None:
    local = 200
    rows = []
    for k, (exch, gap) in enumerate(times):
        local += gap
        rows.append(("A", "B", k, 10**9, 1, exch, local))
    events = convert(records(*rows))
    by_exchange = sorted(range(len(times)), key=lambda k: times[k][0])  # stable
    for flag, clock, expected in (
        (EXCH_EVENT, "exch_ts", by_exchange),
        (LOCAL_EVENT, "local_ts", list(range(len(times)))),
    ):
        seen = events[(events["ev"] & np.uint64(flag)) != 0]
        assert (np.diff(seen[clock]) >= 0).all()
        assert seen["order_id"].tolist() == expected


def test_a_feed_faster_than_the_exchange_is_shifted_as_a_whole() -> None:
    events = convert(records(("A", "B", 1, 10**9, 1, 100, 90), ("A", "B", 2, 10**9, 1, 110, 130)))
    assert events["local_ts"].tolist() == [100, 140]


def test_what_has_no_event_is_refused() -> None:
    add = ("A", "B", 1, 10**9, 5, 10, 20)
    with pytest.raises(ValueError, match="actions"):
        convert(records(add, ("N", "N", 0, 0, 0, 11, 21)))
    with pytest.raises(ValueError, match="sides"):
        convert(records(("A", "X", 1, 10**9, 5, 10, 20)))
    with pytest.raises(ValueError, match="within the session"):
        convert(records(add, ("A", "B", 2, 10**9, 1, 11, 21, F_SNAPSHOT)))
    check_cancels(records(add, ("C", "B", 1, 10**9, 5, 11, 21)))
    check_cancels(records(add, ("M", "B", 1, 10**9, 3, 11, 21), ("C", "B", 1, 10**9, 3, 12, 22)))
    with pytest.raises(ValueError, match="found 1 that don't"):
        check_cancels(records(add, ("C", "B", 1, 10**9, 2, 11, 21)))


def test_the_file_is_read_as_our_own_reader_does(synthetic_file: Path) -> None:
    _, ours = read_records(synthetic_file)
    theirs = read_dbn(synthetic_file)
    assert theirs.dtype.names is not None
    for name in theirs.dtype.names:
        np.testing.assert_array_equal(theirs[name], ours[name])
    events = convert(theirs)
    assert len(events) == len(ours)
    assert (np.diff(events["exch_ts"]) >= 0).all()
    check_cancels(theirs)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "day.dbn.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(60))
    with pytest.raises(ValueError, match="uncompressed DBN"):
        read_dbn(path)
