"""A session that is looked at and told what to do: over records, without a process beside it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from stories import Log, Tape, configure, read
from tapewire.config.loading import make_config
from tapewire.errors import ConfigError, StoreError
from tapewire.router import Simulation
from tapewire.runs.hooks import Hooks
from tapewire.runs.played import run_played
from tapewire.runs.session_desk import SEEN_S, SessionDesk, Wish
from tapewire.runs.session_state import STATE_BYTES_MAX, state_text


class Other:
    """The other side: what it was told, and what it wishes next."""

    def __init__(self, *wishes: Wish, every: int = 2) -> None:
        self.seen: list[dict[str, Any]] = []
        self._wishes, self._every = list(wishes), every
        self._wish: Wish = ""

    def exchange(self, state: str | None) -> tuple[Wish, bool]:
        if state is not None:
            assert len(state.encode()) <= STATE_BYTES_MAX
            self.seen.append(json.loads(state))
            if self._wishes and len(self.seen) % self._every == 0:
                self._wish = self._wishes.pop(0)
        return self._wish, True


def played(folder: Path, file: Path, other: Other, speed: float = 10.0) -> Any:
    config = make_config(
        {
            "backtest": {
                "data_source": {"type": "databento", "files": [str(file)]},
                "replay": {"speed": {"accelerated": speed}, "transport": "inproc"},
                "output": {"collector": "inline"},
            },
            "strategy": {"type": "market_maker"},
        }
    )
    with SessionDesk(other.exchange) as desk:
        return run_played(config, name="x", output=folder, desk=desk, hooks=Hooks())


def test_a_session_over_files_is_seen_paused_and_stopped(
    synthetic_file: Path, tmp_path: Path
) -> None:
    other = Other("pause", "go", "stop", every=3)
    began_s = time.monotonic()
    result = played(tmp_path / "run", synthetic_file, other)
    assert result.manifest["status"] == "complete"
    assert "ended before its data" in " ".join(result.manifest["warnings"])
    assert len(other.seen) <= (time.monotonic() - began_s) / SEEN_S + 1
    held = ["paused" in one["holds"] for one in other.seen]
    assert [held[0], True in held, held[-1]] == [False, True, False]
    last = other.seen[-1]
    [book] = last["books"]
    assert 0 < len(book["bids"]) <= 10
    assert [float(price) for price, _, _ in book["bids"]] == sorted(
        (float(price) for price, _, _ in book["bids"]), reverse=True
    )
    orders = [order for one in other.seen for order in one["orders"]]
    assert {one["side"] for one in orders} == {"BUY", "SELL"}
    assert all(one["lots_ahead"] >= one["orders_ahead"] >= 0 for one in orders)
    counts = [one["counts"]["orders_sent"] for one in other.seen]
    paused = [n for n, is_held in zip(counts, held, strict=True) if is_held]
    assert len(set(paused[1:])) <= 1  # none leaves while it is paused
    assert counts[-1] > paused[-1]
    assert "HELD" in result.orders.column("reason").to_pylist()


def test_a_killed_session_has_no_order_at_its_end(synthetic_file: Path, tmp_path: Path) -> None:
    other = Other("kill", every=4)
    result = played(tmp_path / "run", synthetic_file, other)
    assert result.manifest["status"] == "complete"
    orders = result.orders.to_pylist()
    assert any(one["reason"] == "WITHDRAWN" for one in orders)
    assert not [one for one in orders if one["reason"] == "END_OF_DATA"]
    assert other.seen[-1]["phase"] == "killed"


def test_orders_are_withdrawn_as_a_cancel_takes(tmp_path: Path) -> None:
    """They are asked for at 251, as 250 is seen; 50 µs later the exchange has the cancels."""
    tape = Tape().add(0, 1, "B", 100, 10).add(1, 9, "A", 101, 10).tick(200).tick(250).tick(500)
    log = Log().buy(10, "rest", 1, 95).buy(20, "other", 1, 94)
    records = tape.records()
    simulation = Simulation(configure(log.write(tmp_path / "orders.csv")))
    simulation.withdraw_orders()  # nothing is there yet
    simulation.feed(records[:-1])
    assert [one.orders_ahead for one in simulation.look().orders()] == [0, 0]
    simulation.withdraw_orders()
    simulation.withdraw_orders()  # once is enough
    simulation.feed(records[-1:])
    simulation.finish()
    found = read(simulation, simulation.drain())
    for name in ("rest", "other"):
        order = found.orders[name]
        assert (order.status, order.reason, order.closed) == ("CANCELED", "WITHDRAWN", 301)


def test_a_state_that_is_too_long_goes_by_half() -> None:
    rows = [{"order": "x" * 300, "k": k} for k in range(400)]
    state = {"orders": rows, "fills": [], "lines": [], "warnings": [], "books": [], "pnl": 0.0}
    text = state_text(state)
    assert len(text.encode()) <= STATE_BYTES_MAX
    assert json.loads(text)["orders"] == rows[:200]


def test_a_session_over_files_has_a_pace(synthetic_file: Path, tmp_path: Path) -> None:
    source = {"type": "databento", "files": [str(synthetic_file)]}
    config = make_config(
        {"backtest": {"data_source": source}, "strategy": {"type": "market_maker"}}
    )
    desk = SessionDesk(lambda state: ("", True))
    with pytest.raises(ConfigError, match="expected realtime or accelerated"):
        run_played(config, name="x", output=tmp_path / "run", desk=desk)
    assert not (tmp_path / "run").exists()


def test_the_other_side_may_be_away(synthetic_file: Path, tmp_path: Path) -> None:
    def away(state: str | None) -> tuple[Wish, bool]:
        raise StoreError("away")

    other = Other()
    other.exchange = away  # type: ignore[method-assign]
    result = played(tmp_path / "run", synthetic_file, other, speed=100_000.0)
    assert result.manifest["status"] == "complete"
