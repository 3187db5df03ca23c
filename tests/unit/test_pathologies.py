"""What is put into a synthetic market on purpose is found there, and nothing else is wrong."""

from pathlib import Path
from typing import Any

import databento
import numpy as np
import pytest

from tapewire.errors import ConfigError
from tapewire.inputs.inspection import inspect_file
from tapewire.market.status import TradingState
from tapewire.replay.markets.files import MarketSummary, write_market
from tapewire.replay.markets.market import MarketPlan
from tapewire.replay.markets.pathologies import PATHOLOGIES
from tapewire.replay.status import read_status, transitions_in

EVENTS = 40_000
#: Counters of a book that a sound market leaves at zero.
COUNTERS = (
    "missing_last", "unknown_cancels", "unknown_modifies", "unknown_fills", "duplicate_adds",
    "locked_events", "crossed_events",
)  # fmt: skip


def made(folder: Path, *kinds: str) -> tuple[MarketSummary, Any, np.ndarray]:
    path = folder / "odd.mbo.dbn"
    summary = write_market(path, MarketPlan(events=EVENTS, seed=5, pathologies=kinds))
    tape = databento.DBNStore.from_bytes(path.read_bytes()).to_ndarray()
    assert len(tape) == summary.events
    return summary, inspect_file(path), tape


def counted(report: Any) -> dict[str, int]:
    return {name: report.book[name] for name in COUNTERS if report.book[name]}


def test_without_any_nothing_is_wrong(tmp_path: Path) -> None:
    summary, report, _ = made(tmp_path)
    assert (report.records, counted(report), report.start) == (EVENTS, {}, "snapshot")
    assert summary.status is None


@pytest.mark.parametrize("kind", ["crossed", "locked"])
def test_crossed_and_locked(tmp_path: Path, kind: str) -> None:
    summary, report, _ = made(tmp_path, kind)
    n = summary.incidents[kind]
    assert n > 10
    assert counted(report) == {f"{kind}_events": n}
    assert report.records == EVENTS + 2 * n


def test_unknown_ids(tmp_path: Path) -> None:
    summary, report, _ = made(tmp_path, "unknown")
    n = summary.incidents["unknown"]
    assert counted(report) == {
        "unknown_cancels": n, "unknown_modifies": n, "unknown_fills": n,
    }  # fmt: skip


def test_restarts(tmp_path: Path) -> None:
    summary, report, tape = made(tmp_path, "restarts")
    steps = np.diff(tape["sequence"].astype(np.int64))
    n = summary.incidents["restarts"]
    assert n > 10
    assert np.count_nonzero(steps < 0) in (n - 1, n)  # the last one may be the end
    assert counted(report) == {}


def test_clears(tmp_path: Path) -> None:
    """An R without F_SNAPSHOT; what comes after it is all there is, and it is sound."""
    summary, report, tape = made(tmp_path, "clears")
    clears = np.flatnonzero(tape["action"] == b"R")
    assert len(clears) == 1 + summary.incidents["clears"] > 10
    assert not (tape["flags"][clears[1:]] & 32).any()
    assert counted(report) == {}


def test_implied_trades_have_no_resting_order(tmp_path: Path) -> None:
    summary, report, tape = made(tmp_path, "implied")
    alone = (tape["action"] == b"T") & (tape["flags"] & 128 != 0)
    assert np.count_nonzero(alone) == 2 * summary.incidents["implied"] > 20
    assert (tape["order_id"][alone] == 0).all()
    assert counted(report) == {}


def test_halts_are_in_the_status_file_and_nothing_happens_in_them(tmp_path: Path) -> None:
    summary, report, tape = made(tmp_path, "halted")
    assert summary.status is not None
    states = transitions_in([read_status(str(summary.status))])
    halts = states[states["state"] == TradingState.HALTED]
    ends = states[states["state"] == TradingState.OPEN]
    assert len(halts) == len(ends) == summary.incidents["halted"] > 10
    for halt, end in zip(halts["ts"], ends["ts"], strict=True):
        assert end - halt == 60_000_000_000
        assert not ((tape["ts_event"] > halt) & (tape["ts_event"] < end)).any()
    assert counted(report) == {}


def test_auctions_clear_what_is_crossed(tmp_path: Path) -> None:
    summary, report, tape = made(tmp_path, "auctions")
    n = summary.incidents["auctions"]
    assert report.book["crossed_events"] > n > 10
    assert set(counted(report)) == {"crossed_events"}
    crosses = np.flatnonzero((tape["action"] == b"T") & (tape["side"] == b"N"))
    assert len(crosses) == n
    for at in crosses:
        assert tape["action"][at : at + 5].tobytes() == b"TFFCC"
    assert summary.status is not None
    states = transitions_in([read_status(str(summary.status))])["state"].tolist()
    assert states == [TradingState.PRE_OPEN, TradingState.OPEN] * n


def test_ticks_of_a_256th_and_negative_prices(tmp_path: Path) -> None:
    summary, report, tape = made(tmp_path, "ticks256", "negative")
    prices = tape["price"][tape["action"] != b"R"]
    assert (prices < 0).any()
    assert np.gcd.reduce(np.abs(np.diff(prices))) == 3_906_250
    assert counted(report) == {}
    definition = databento.DBNStore.from_bytes(summary.definitions.read_bytes())
    assert [r.min_price_increment for r in definition] == [3_906_250]


def test_icebergs_show_again_behind_everybody(tmp_path: Path) -> None:
    """Of orders that trade in full, 60 % come back by an M; sound all the same."""
    _, report, tape = made(tmp_path, "icebergs")
    assert counted(report) == {}
    again, gone = 0, 0
    filled: dict[int, int] = {}
    for action, order_id, size, flags in zip(
        tape["action"], tape["order_id"], tape["size"], tape["flags"], strict=True
    ):
        if action == b"F":
            filled[order_id] = size
        elif order_id in filled:
            again += action == b"M" and size >= filled[order_id]
            gone += action == b"C"
        if flags & 128:
            filled.clear()
    assert gone > 200
    assert 0.4 < again / (again + gone) < 0.8


def test_all_at_once_and_many_books(tmp_path: Path) -> None:
    path = tmp_path / "odd.mbo.dbn.zst"
    plan = MarketPlan(events=60_000, instruments=3, seed=1, pathologies=tuple(PATHOLOGIES))
    summary = write_market(path, plan)
    report = inspect_file(path)
    assert report.records == summary.events
    assert set(summary.incidents) == set(PATHOLOGIES) - {"ticks256", "negative", "icebergs"}
    assert report.book["unknown_cancels"] == summary.incidents["unknown"]
    assert report.ts_recv_backward == 0


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pathology: croosed: expected one of crossed, locked"):
        write_market(tmp_path / "x.dbn", MarketPlan(events=1_000, pathologies=("croosed",)))
    assert list(tmp_path.iterdir()) == []
