"""Strategies that fail in the middle of a run: told whole, and what was done until then is kept."""

import json
import os
import pickle
import signal
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest

import tapewire as tw
from tapewire.errors import InterruptedRunError, StrategyError
from tapewire.router import Simulation
from tapewire.strategies import STRATEGIES, StrategyDefinition
from tapewire.strategies.context import BUY, SELL, submit_market

STATE = np.dtype([("n", "i8"), ("failing", "i8")])
FAILS_AT = 2_000
TABLES = ("fills", "orders", "equity")


def on_book(ctx: Any, state: Any) -> None:
    state.n += 1
    if state.n == state.failing:
        raise ValueError("no such colour")
    if state.n % 20 == 0:
        submit_market(ctx, BUY if ctx.position <= 0 else SELL, 1)


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy that fails, and the same one that does not."""
    for name, failing in (("careless", FAILS_AT), ("careful", 0)):

        def prepare(parameters: Any, state: Any, failing: int = failing) -> None:
            state["failing"] = failing

        kind = StrategyDefinition(
            name, "Trades a lot.", {}, STATE, prepare, on_book=on_book, compiled=False
        )
        monkeypatch.setitem(STRATEGIES, name, kind)


def run(file: Path, folder: Path, *strategies: str, **options: Any) -> tw.RunResult:
    return tw.run(file, strategies=strategies, output=folder, transport="inproc", **options)


def test_rows_up_to_the_failure_are_those_of_a_run_without_it(
    synthetic_file: Path, tmp_path: Path
) -> None:
    # Others beside it keep theirs, too.
    with pytest.raises(StrategyError, match="strategy careless failed in on_book at ") as caught:
        run(synthetic_file, tmp_path / "out", "careless", "market_maker", batch_records=512)
    assert caught.value.strategy_id == "careless"
    assert isinstance(caught.value.__cause__, ValueError)
    assert str(caught.value).splitlines()[-1] == (
        f"its run is incomplete: see {tmp_path / 'out' / 'manifest.json'}"
    )
    kept = tw.RunResult.load(tmp_path / "out", incomplete=True)
    kept.verify()
    assert kept.status == "failed"
    assert kept.manifest["reason"].startswith("strategy careless failed in on_book at ")
    assert kept.manifest["failure"]["strategy_id"] == "careless"
    assert 0 < kept.manifest["events"] < 30_000
    assert not {"report.html", "metrics.parquet"} & set(kept.manifest["files"])
    whole = run(synthetic_file, tmp_path / "whole", "careful", "market_maker")
    for name, other in (("careless", "careful"), ("market_maker", "market_maker")):
        for table in TABLES:
            mine, all_of_it = rows_of(kept, table, name), rows_of(whole, table, other)
            assert mine, (name, table)
            assert len(mine) < len(all_of_it)
            if table != "orders":
                assert mine == all_of_it[: len(mine)], (name, table)
            else:  # open at the failure: closed, and so told of, in the other only
                closed = [row for row in all_of_it if row in mine]
                assert mine == closed
    # Nothing that had happened was lost.
    filled = sum(row["last_qty"] for row in kept.fills.to_pylist())
    assert filled == sum(row["filled_qty"] for row in kept.orders.to_pylist()) + open_fills(kept)
    for table in TABLES:
        metadata = pq.read_metadata(kept.path / f"{table}.parquet").metadata
        assert metadata[b"tapewire.status"] == b"failed"


def rows_of(result: tw.RunResult, table: str, strategy: str) -> list[dict[str, Any]]:
    """Rows of one strategy, without its name and number."""
    frame = getattr(result, table).to_pandas()
    mine = frame[frame["strategy_id"] == strategy].drop(columns=["strategy_id", "leg"])
    return mine.astype(object).where(mine.notna(), None).to_dict("records")


def open_fills(kept: tw.RunResult) -> int:
    """Lots of fills whose order was open at the failure."""
    known = {(row["strategy_id"], row["client_order_id"]) for row in kept.orders.to_pylist()}
    return sum(
        row["last_qty"]
        for row in kept.fills.to_pylist()
        if (row["strategy_id"], row["client_order_id"]) not in known
    )


class Talker(tw.Strategy):
    """Trades, and at some time does too much at once."""

    fault: str = "none"

    def on_start(self, context: tw.Context) -> None:
        self.n = 0

    def on_trade(self, trade: Any, context: tw.Context) -> None:
        self.n += 1
        if self.n % 5 == 0:
            (context.buy if context.position <= 0 else context.sell)(1)
        if self.n > 200 and self.fault == "requests":
            for _ in range(1_000):
                context.buy(1)
        if self.n > 200 and self.fault == "steps":
            context.buy(10**9)

    def on_order_update(self, order: Any, context: tw.Context) -> None:
        if order.quantity > 1:
            context.buy(10**9)  # is denied again


@pytest.mark.parametrize(
    ("fault", "message"),
    [("requests", "more than 64 requests"), ("steps", "answers its own messages without end")],
)
def test_too_much_at_once_is_a_strategys_failure_too(
    synthetic_file: Path, tmp_path: Path, fault: str, message: str
) -> None:
    asked: dict[str, Any] = {"overrides": {"backtest.risk_limits.max_order_size": 5}}
    with pytest.raises(StrategyError, match=f"strategy Talker .*{message}") as caught:
        tw.run(
            synthetic_file, strategies=Talker(fault=fault), transport="inproc",
            output=tmp_path / "out", **asked,
        )  # fmt: skip
    assert (caught.value.strategy_id, caught.value.symbol) == ("Talker", "TWA1")
    kept = tw.RunResult.load(tmp_path / "out", incomplete=True)
    whole = tw.run(
        synthetic_file, strategies=Talker, transport="inproc", output=tmp_path / "whole", **asked
    )
    fills = kept.fills.num_rows
    assert fills >= 39
    assert kept.fills.equals(whole.fills.slice(0, fills))


def test_the_command_line_shows_every_line_and_its_exit_code_says_so(
    tapewire_here: Any, synthetic_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def feed(self: Simulation, *_: Any) -> None:
        lines = (
            "strategy s failed\n  File mine.py, line 3, in on_trade\n    1 / 0\nZeroDivisionError"
        )
        raise StrategyError(lines, "s", 5, "ESH4")

    monkeypatch.setattr("tapewire.runs.wiring.warm_up", lambda *_, **__: None)
    monkeypatch.setattr(Simulation, "feed", feed)
    done = tapewire_here("run", synthetic_file, "-s", "careful", "-q", "-o", "out")
    assert done.returncode == 6
    assert done.stderr.splitlines() == [
        "error: strategy s failed",
        "  File mine.py, line 3, in on_trade",
        "    1 / 0",
        "ZeroDivisionError",
        "its run is incomplete: see out/manifest.json",
    ]
    assert done.stdout == ""
    manifest = json.loads((tapewire_here.cwd / "out" / "manifest.json").read_text())
    assert manifest["reason"].count("\n") == 3
    assert manifest["failure"] == {"strategy_id": "s", "ts_ns": 5, "symbol": "ESH4"}


def test_an_earlier_run_stays_and_the_next_one_takes_the_place_of_the_failed(
    synthetic_file: Path, tmp_path: Path
) -> None:
    whole = run(synthetic_file, tmp_path / "out", "careful")
    with pytest.raises(StrategyError, match=r"as it was$"):
        run(synthetic_file, tmp_path / "out", "careless", force=True)
    tw.RunResult.load(tmp_path / "out").verify()
    kept = tw.RunResult.load(tmp_path / "out.failed", incomplete=True)
    assert 0 < kept.fills.num_rows < whole.fills.num_rows
    again = run(synthetic_file, tmp_path / "out.failed", "careful")  # without force
    assert again.digest == whole.digest
    assert again.path == tmp_path / "out.failed"
    assert again.metrics.num_rows > 0


def test_it_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(StrategyError("a\nb", "maker", 7, "ESH4")))
    assert (str(error), error.strategy_id, error.ts_ns, error.symbol) == (
        "a\nb",
        "maker",
        7,
        "ESH4",
    )
    assert error.exit_code == 6


class Stuck(tw.Strategy):
    """Never comes back from its first callback; somebody loses patience."""

    def on_trade(self, trade: Any, context: Any) -> None:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            pass
        raise AssertionError("nobody interrupted it")


def test_ctrl_c_interrupts_a_strategy_that_never_comes_back(
    synthetic_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(InterruptedRunError, match="stopped by Ctrl-C"):
        tw.run(synthetic_file, strategies=[Stuck], output=tmp_path / "out", transport="inproc")
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["status"] == "incomplete"


class Counting(tw.Strategy):
    """Counts how often it is called."""

    calls: ClassVar[list[int]] = []

    def on_market_event(self, market: Any, context: Any) -> None:
        self.calls.append(context.now)


def test_a_strategy_is_called_for_real_events_alone(synthetic_file: Path, tmp_path: Path) -> None:
    """Not while kernels are compiled or loaded, with made-up ones."""
    Counting.calls.clear()
    result = tw.run(
        synthetic_file, strategies=[Counting], output=tmp_path / "out", transport="inproc"
    )
    assert len(Counting.calls) == result.manifest["counts"]["event_ends"]
    assert min(Counting.calls) > 10**18
