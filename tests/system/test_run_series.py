"""What strategies record, from a callback to the run folder."""

from pathlib import Path
from typing import Any

import pytest

import tapewire as tw
from tapewire.errors import StrategyError


class Recorder(tw.Strategy):
    """Records the size of each trade, and fails at one of them."""

    failing: int = 0

    def on_start(self, context: tw.Context) -> None:
        self.n = 0

    def on_trade(self, trade: Any, context: tw.Context) -> None:
        self.n += 1
        context.record("size", trade.size)
        if self.n % 10 == 0:
            context.record("tens", self.n)
        if self.n == self.failing:
            raise ValueError("no such colour")


def run(file: Path, folder: Path, *strategies: Any) -> tw.RunResult:
    return tw.run(
        file, strategies=strategies, output=folder, transport="inproc", batch_records=5_000
    )


@pytest.fixture(scope="module")
def whole(synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tw.RunResult:
    folder = tmp_path_factory.mktemp("series") / "out"
    return run(synthetic_file, folder, "market_maker", Recorder)


def test_series_come_with_the_other_rows(whole: tw.RunResult) -> None:
    frame = whole.to_pandas("series")
    sizes, tens = (frame[frame["name"] == name]["value"].tolist() for name in ("size", "tens"))
    assert len(sizes) == whole.manifest["counts"]["trades"]
    assert tens == [10.0 * k for k in range(1, len(sizes) // 10 + 1)]
    assert whole.manifest["rows"]["series"] == len(frame)
    assert str(frame["ts"].dtype) == "datetime64[ns, UTC]"
    assert frame["ts"].is_monotonic_increasing
    page = whole.report.read_text()
    assert "recorded by Recorder on TWA1" in page
    assert "<h2>tens</h2>" in page


def test_a_stepped_simulation_has_the_same_series(
    synthetic_file: Path, whole: tw.RunResult
) -> None:
    with tw.Simulation(synthetic_file, strategies=["market_maker", Recorder]) as sim:
        while sim.step(1_000):
            pass
        assert sim.finish() == whole.digest
        assert sim.table("series").equals(whole.series)


def test_series_of_a_run_that_failed_are_kept(synthetic_file: Path, tmp_path: Path) -> None:
    with pytest.raises(StrategyError, match="no such colour") as caught:
        run(synthetic_file, tmp_path / "out", Recorder(failing=123))
    assert caught.value.symbol == "TWA1"
    kept = tw.RunResult.load(tmp_path / "out", incomplete=True)
    assert kept.series.num_rows == 123 + 12  # the last of them just before the failure
    assert kept.manifest["failure"]["ts_ns"] == caught.value.ts_ns
    assert kept.series["ts"].cast("int64")[-1].as_py() <= caught.value.ts_ns
