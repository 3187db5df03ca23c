"""A Monte Carlo study over real passes: one result however packed, held against single runs."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tapewire as tw
from report_pages import needs_browser, probe
from tapewire.analytics.closed import closed_trades
from tapewire.errors import ConfigError, FormatError, InterruptedRunError
from tapewire.executors import ProcessExecutor, SerialExecutor
from tapewire.studies import MonteCarlo, Study, StudyHooks, StudyProgress, montecarlo
from tapewire.studies.session import StudySession

if TYPE_CHECKING:
    from conftest import TapewireHere

FEES = {"backtest.execution.fees.per_contract": 0.5}


def spread(data: Path, output: Path, **given: Any) -> MonteCarlo:
    asked: dict[str, Any] = {
        "draws": 3, "markets": 2, "market_records": 8_000, "block": 1, "resamples": 60, "seed": 3,
        "strategies": "market_maker", "executor": SerialExecutor(), "overrides": FEES, **given,
    }  # fmt: skip
    return montecarlo(data, output=output, **asked)


def _small_passes(*arguments: Any, **given: Any) -> StudySession:
    return StudySession(*arguments, **given, trials_max=1)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessExecutor]:
    with ProcessExecutor(2) as executor:
        yield executor


@pytest.fixture(scope="module")
def study(synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory) -> MonteCarlo:
    return spread(synthetic_file, tmp_path_factory.mktemp("spread") / "s")


def test_the_run_is_the_one_that_its_user_would_have(
    study: MonteCarlo, synthetic_file: Path, tmp_path: Path
) -> None:
    alone = tw.run(
        synthetic_file, strategies="market_maker", overrides=FEES, output=tmp_path / "alone"
    )
    assert study.run.digest == alone.digest
    (total,) = [m for m in alone.metrics.to_pylist() if m["scope"] == "total"]
    band = study.band("perturbed", "net_pnl")
    assert band.own == total["net_pnl"] / 1e9
    # What was drawn again is what the run closed, trade by trade.
    ts, net = closed_trades(study.run)
    assert (np.diff(ts) >= 0).all()
    assert len(net) == total["closed_trades"]
    assert (net > 0).mean() == pytest.approx(total["win_rate"])
    assert net.sum() / len(net) / 1e9 == pytest.approx(total["avg_trade_pnl"])
    assert net.min() == -total["largest_loss"]
    assert study.band("trades", "net_pnl").own == pytest.approx(net.sum() / 1e9)
    assert closed_trades(study.run, "nobody")[1].size == 0
    # Blocks of time have all that was made, also of what is still open.
    assert study.band("days", "net_pnl").own == pytest.approx(total["net_pnl"] / 1e9)


def test_bands_are_those_of_the_trials(study: MonteCarlo) -> None:
    trials = study.study
    assert trials is not None
    rows = trials.trials.to_pylist()
    assert [row["status"] for row in rows] == ["complete"] * 5
    made = [row["net_pnl"] / 1e9 for row in rows]
    band = study.band("perturbed", "net_pnl")
    assert (band.count, band.mean) == (3, pytest.approx(np.mean(made[:3])))
    assert band.q50 == sorted(made[:3])[1]
    assert study.band("markets", "net_pnl").mean == pytest.approx(np.mean(made[3:]))
    assert len({row["digest"] for row in rows}) == 5
    assert all(0.4 <= row["per_contract"] <= 0.6 for row in rows[:3])
    draws = study.draws.to_pandas()
    mine = draws[(draws.method == "order") & (draws.metric == "max_drawdown")].value
    assert len(mine) == 60
    assert study.band("order", "max_drawdown").q95 == pytest.approx(np.quantile(mine, 0.95))
    told = study.to_dict()
    assert told["bands"] == study.bands.to_pylist()
    assert told["digest"] == study.digest
    assert study.manifest["methods"]["trades"]["scheme"] == "stationary"


def test_any_trial_can_be_run_again_also_over_its_market(
    study: MonteCarlo, synthetic_file: Path, tmp_path: Path
) -> None:
    trials = study.study
    assert trials is not None
    markets = study.path / "markets"
    assert not markets.exists()
    assert not (study.path / ".work").exists()
    assert [Path(one["file"]).name for one in study.manifest["inputs"]].count("day.mbo.dbn") == 1
    assert sum(one["file"].startswith("market-000000") for one in study.manifest["inputs"]) == 4
    for number in (2, 5):
        result = tw.run(trials.config(number), output=tmp_path / f"{number}")
        trials.require_same(number, result.manifest["digests"])
    assert sorted(path.name for path in markets.iterdir()) == [
        "market-0000005.definition.dbn.zst", "market-0000005.mbo.dbn.zst"
    ]  # fmt: skip


@pytest.mark.long
def test_one_result_however_it_is_packed_stopped_and_whoever_does_it(
    study: MonteCarlo, synthetic_file: Path, tmp_path: Path, pool: ProcessExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    again = spread(synthetic_file, tmp_path / "pool", executor=pool, keep_markets=True)
    assert again.bands.equals(study.bands)
    assert again.draws.equals(study.draws)
    assert again.digest == study.digest
    assert len(list((again.path / "markets").glob("*.mbo.dbn.zst"))) == 2
    monkeypatch.setattr("tapewire.studies.spreading.StudySession", _small_passes)
    told: list[int] = []

    def stop(progress: StudyProgress) -> None:
        assert progress.best is None
        told.append(progress.trials)
        if progress.trials == 2:
            os.kill(os.getpid(), signal.SIGINT)

    place = tmp_path / "s"
    with pytest.raises(InterruptedRunError, match="2 of 5 trials are done"):
        spread(synthetic_file, place, hooks=StudyHooks(progress=stop))
    assert {path.name for path in place.iterdir()} == {"parts", "passes", "run", "study.json"}
    before = (place / "run" / "manifest.json").stat().st_mtime_ns
    with pytest.raises(ConfigError, match="montecarlo differs"):
        spread(synthetic_file, place, resume=True, seed=4)
    told.clear()
    hooks = StudyHooks(progress=lambda progress: told.append(progress.trials))
    resumed = spread(synthetic_file, place, resume=True, hooks=hooks)
    assert told[0] >= 2
    assert (place / "run" / "manifest.json").stat().st_mtime_ns == before
    assert resumed.bands.equals(study.bands)
    assert resumed.digest == study.digest


def test_nothing_perturbed_is_the_run_itself(synthetic_file: Path, tmp_path: Path) -> None:
    one = {"uniform": [1, 1]}
    found = spread(
        synthetic_file, tmp_path / "s", draws=2, markets=0,
        perturb={"latency": one, "fees": one, "max_inventory": one},
    )  # fmt: skip
    for band in tw.MonteCarlo(found.path).bands.to_pylist():
        if band["method"] == "perturbed" and band["own"] is not None:
            assert band["mean"] == pytest.approx(band["own"], rel=1e-12), band["metric"]
            assert band["percentile"] == 0.5


def test_a_finished_run_is_drawn_again(
    study: MonteCarlo, tmp_path: Path, tapewire_here: "TapewireHere"
) -> None:
    # As typed, with the same numbers: the same draws as in the study of its configuration.
    done = tapewire_here(
        "montecarlo", study.run.path, "--block", 1, "--resamples", 60, "--seed", 3, "--json",
        "-o", "again", "-q",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    wanted = [band for band in study.to_dict()["bands"] if band["method"] in
              ("trades", "order", "days")]  # fmt: skip
    assert told["bands"] == wanted
    assert tw.MonteCarlo(tmp_path / "again").study is None
    with pytest.raises(FormatError, match="expected a study with trials, found one without"):
        Study(tmp_path / "again")
    few = montecarlo(study.run.path, output=tmp_path / "few", resamples=20, block_length=3)
    assert "there is 1: more days" in few.manifest["methods"]["days"]["why_not"]
    assert few.manifest["methods"]["trades"]["block_length"] == 3
    with pytest.raises(ConfigError, match="expected nothing to perturb and no markets"):
        montecarlo(study.run.path, output=tmp_path / "not", markets=2)
    with pytest.raises(ConfigError, match="found draws: give its config"):
        montecarlo(study.run.path, output=tmp_path / "not", draws=5)
    with pytest.raises(ConfigError, match="expected no files, symbols"):
        montecarlo(study.run.path, output=tmp_path / "not", symbols="TWA1")
    with pytest.raises(ConfigError, match="expected one of market_maker"):
        montecarlo(study.run.path, output=tmp_path / "not", strategies="nobody")


BROKEN = """
import tapewire as tw


class Broken(tw.Strategy):
    at: int = tw.parameter(0, doc="trades until it breaks; 0: never")

    def on_start(self, ctx):
        self.seen = 0

    def on_trade(self, ctx, trade):
        self.seen += 1
        if self.seen == self.at:
            raise ValueError("enough")
"""


@pytest.mark.long
def test_a_trial_that_raises_fails_alone_and_the_command_says_so(
    synthetic_file: Path, tmp_path: Path, tapewire_here: "TapewireHere"
) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    done = tapewire_here(
        "montecarlo", synthetic_file, "-s", "broken.py:Broken", "--perturb", "at=0,4", "--draws", 6,
        "--seed", 2, "-o", "s", "-q", "--workers", 1,
    )  # fmt: skip
    assert done.returncode == 6, done.stderr
    found = tw.MonteCarlo(tmp_path / "s")
    assert found.study is not None
    rows = found.study.trials.to_pylist()
    broken = [row for row in rows if row["at"] == 4]
    assert 0 < len(broken) == found.manifest["failed"] < 6
    assert all(row["status"] == "failed" and "enough" in row["error"] for row in broken)
    assert found.band("perturbed", "net_pnl").count == 6 - len(broken)
    assert f"failed  {len(broken)} trials" in done.stdout
    assert "trades drawn again not done: it takes at least 8 closed trades" in done.stdout
    assert f"{len(broken)} trials failed" in (found.path / "report.html").read_text()
    refused = tapewire_here(
        "montecarlo",
        synthetic_file,
        "-s",
        "market_maker",
        "--perturb",
        "fees=uniform:1:2",
        "-o",
        "x",
    )
    assert refused.returncode == 2
    assert "expected fees per_contract or per_notional other than 0, found none" in refused.stderr
    assert not (tmp_path / "x").exists()


@needs_browser
def test_the_page_opens_and_says_what_the_tables_say(study: MonteCarlo, tmp_path: Path) -> None:
    found = probe(
        study.path / "report.html", tmp_path / "page",
        """
        found.titles = Array.from(document.querySelectorAll("h2")).map((e) => e.textContent);
        found.pictures = await Promise.all(Array.from(document.images).map(async (image) => {
          await image.decode(); return image.naturalWidth; }));
        found.bars = document.querySelectorAll(".bar").length;
        found.first = document.querySelector("tbody td").textContent;
        found.wide = document.documentElement.scrollWidth - window.innerWidth;
        """,
    )  # fmt: skip
    assert found["errors"] == 0
    assert found["requests"] == []
    assert {"Trades drawn again", "Perturbed runs", "Synthetic markets"} <= set(found["titles"])
    assert len(found["pictures"]) == 4
    assert all(width > 0 for width in found["pictures"])
    assert found["bars"] > 40
    assert found["wide"] <= 0
    own = study.band("trades", "net_pnl").own
    assert own is not None
    assert found["first"].replace("−", "-").replace(",", "") == f"{own:.2f}"


@pytest.mark.long
def test_a_study_of_a_real_capture(data_file: Callable[[str], Path], tmp_path: Path) -> None:
    path = data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst")
    found = spread(
        path, tmp_path / "s", draws=4, markets=1, like=path, market_records=20_000, block=5
    )
    assert found.manifest["failed"] == 0
    assert found.band("perturbed", "net_pnl").count == 4
    assert found.band("trades", "net_pnl").count == 60
