"""What strategies record, from the simulation's rows to the run folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tapewire as tw
from tapewire.errors import StrategyError
from tapewire.positions.rows import SERIES_DTYPE
from tapewire.router import Drained, Simulation


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulation that records how many events it has seen, whenever it is drained."""
    drain = Simulation.drain

    def with_series(self: Simulation) -> Drained:
        drained = drain(self)
        series = np.zeros(1, SERIES_DTYPE)
        series["ts"], series["value"] = self.now_ns, self.counts["events"]
        self.series_names[:] = ["seen"]
        return Drained(drained.fills, drained.orders, drained.samples, drained.events, series)

    monkeypatch.setattr(Simulation, "drain", with_series)


def run(file: Path, folder: Path) -> tw.RunResult:
    return tw.run(
        file, strategies="market_maker", output=folder, transport="inproc", batch_records=5_000
    )


@pytest.mark.usefixtures("recording")
def test_series_come_with_the_other_rows(synthetic_file: Path, tmp_path: Path) -> None:
    result = run(synthetic_file, tmp_path / "out")
    seen = result.series["value"].to_pylist()
    assert len(seen) == 8  # after each batch, and at the end
    assert seen == sorted(seen)
    assert seen[-2:] == [30_000.0, 30_000.0]
    assert set(result.series["name"].to_pylist()) == {"seen"}
    assert result.manifest["rows"]["series"] == 8
    assert "recorded by market_maker on TWA1" in result.report.read_text()


@pytest.mark.usefixtures("recording")
def test_series_of_a_run_that_failed_are_kept(
    synthetic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Simulation.feed

    def failing(self: Simulation, *arguments: Any) -> None:
        if self.counts["events"] >= 15_000:
            raise StrategyError("strategy market_maker failed", "market_maker")
        feed(self, *arguments)

    monkeypatch.setattr(Simulation, "feed", failing)
    monkeypatch.setattr("tapewire.runs.wiring.warm_up", lambda *_: None)
    with pytest.raises(StrategyError):
        run(synthetic_file, tmp_path / "out")
    kept = tw.RunResult.load(tmp_path / "out", incomplete=True)
    seen = kept.series["value"].to_pylist()
    assert seen[-1] == seen[-2] == kept.manifest["events"]  # drained after the failure, too
    assert 15_000 <= seen[-1] < 30_000
