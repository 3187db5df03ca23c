"""What a Monte Carlo study draws around a configuration, and what it refuses."""

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tapewire.cli.program import app
from tapewire.config.loading import make_config
from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError, MissingFileError
from tapewire.executors import SerialExecutor
from tapewire.studies.base import Base
from tapewire.studies.conducting import Means
from tapewire.studies.factors import Factor, perturbation_of
from tapewire.studies.monte_carlo import refuse_study, settings_in
from tapewire.studies.perturbing import default_perturbations, market_seeds, perturbed_trials
from tapewire.studies.spread_asked import of_config
from tapewire.studies.spreading import spread

LATENCY = "backtest.execution.latency_model"


def config(**execution: Any) -> RunConfig:
    return make_config(
        {
            "backtest": {
                "data_source": {"type": "synthetic", "events": 64},
                "instruments": {"TWA1": {"tick_size": 0.25, "multiplier": 50}},
                "execution": execution,
            },
            "strategy": [{"type": "market_maker", "name": "mm"}],
        }
    )


def drawn(around: RunConfig, count: int = 200, **perturb: Any) -> list[dict[str, Any]]:
    given = settings_in(None, {"perturb": perturb}).perturb
    assert given is not None
    return [dict(trial.values) for trial in perturbed_trials(around, given, count, 5)]


def test_factors_have_their_distributions() -> None:
    random = np.random.Generator(np.random.PCG64(1))
    wide = [Factor(lognormal=0.5).draw(random) for _ in range(4_000)]
    assert np.log(wide).std() == pytest.approx(0.5, rel=0.05)
    assert np.median(wide) == pytest.approx(1.0, rel=0.05)
    near = [Factor(normal=0.1).draw(random) for _ in range(4_000)]
    assert (np.mean(near), np.std(near)) == (
        pytest.approx(1, rel=0.01),
        pytest.approx(0.1, rel=0.1),
    )
    assert min(Factor(normal=3).draw(random) for _ in range(50)) == 0.0
    even = [Factor(uniform=(0.5, 2.0)).draw(random) for _ in range(4_000)]
    assert 0.5 <= min(even) < 0.51
    assert 1.99 < max(even) <= 2.0


def test_delays_of_one_trial_have_one_factor() -> None:
    given = {"type": "fixed", "network_latency_us": 100, "feed_latency_us": 7.5,
             "processing_latency_us": 0, "compute_us": 3}  # fmt: skip
    trials = drawn(config(latency_model=given), latency={"lognormal": 0.3})
    assert {tuple(one) for one in trials} == {
        (f"{LATENCY}.network_latency_us", f"{LATENCY}.feed_latency_us")
    }
    for network, feed in (one.values() for one in trials):
        assert feed / 7.5 == pytest.approx(network / 100, rel=1e-3)
    logs = [math.log(one[f"{LATENCY}.network_latency_us"] / 100) for one in trials]
    assert np.std(logs) == pytest.approx(0.3, rel=0.15)


def test_a_drawn_model_keeps_its_shape() -> None:
    given = {"type": "lognormal", "order_latency_median_us": 80, "order_latency_sigma": 0.4,
             "order_latency_max_us": 50_000_000}  # fmt: skip
    around = config(latency_model=given)
    trials = drawn(around, 20, latency={"uniform": [1, 4]})
    assert all("sigma" not in name for one in trials for name in one)
    most = [one[f"{LATENCY}.order_latency_max_us"] for one in trials]
    assert max(most) == 60_000_000  # no delay may be longer
    base = Base(around.to_dict(), [])
    for trial in perturbed_trials(around, {"latency": Factor(uniform=(1, 4))}, 3, 5):
        model = base.planned(trial).config.backtest.execution.latency_model
        assert model.given["order_latency_sigma"] == Decimal("0.4")


def test_jitter_draws_each_message_around_what_was_fixed() -> None:
    around = config(latency_model={"type": "fixed", "network_latency_us": 90, "compute_us": 4})
    (one,) = drawn(around, 1, jitter=[0.2])
    assert one == {
        LATENCY: {
            "type": "lognormal", "compute_us": 4.0,
            **{f"{leg}_latency_median_us": 100.0
               for leg in ("order", "cancel", "replace", "response", "fill")},
            **{f"{leg}_latency_sigma": 0.2
               for leg in ("order", "cancel", "replace", "response", "fill")},
        }
    }  # fmt: skip
    (both,) = drawn(around, 1, latency={"uniform": [2, 2]}, jitter={"from": 0, "to": 0.5})
    assert both[LATENCY]["order_latency_median_us"] == 200.0
    assert 0 < both[LATENCY]["order_latency_sigma"] < 0.5
    given = settings_in(None, {"perturb": {"jitter": [0.2]}}).perturb or {}
    trial = perturbed_trials(around, given, 1, 5)[0]
    planned = Base(around.to_dict(), []).planned(trial)
    assert planned.config.backtest.execution.latency_model.type == "lognormal"
    assert trial.values[LATENCY]["order_latency_sigma"] == 0.2  # checking has changed nothing of it


def test_fills_fees_and_seeds() -> None:
    around = config(fees={"per_contract": 2}, fill_model={"type": "mbo_queue"})
    one, two = drawn(around, 2, fill={"uniform": [0.5, 0.5]}, fees={"uniform": [1.5, 1.5]},
                     seed=True)  # fmt: skip
    assert one["backtest.execution.fill_model.type"] == "probabilistic"
    assert one["backtest.execution.fill_model.fill_probability_at_touch"] == 0.5
    assert one["backtest.execution.fees.per_contract"] == 3.0
    assert one["backtest.seed"] != two["backtest.seed"]
    half = config(fill_model={"type": "probabilistic", "fill_probability_at_touch": 0.4})
    (three,) = drawn(half, 1, fill={"uniform": [3, 3]})
    assert three["backtest.execution.fill_model.fill_probability_at_touch"] == 1.0


def test_what_is_the_strategys_own_is_drawn_there() -> None:
    document = config().to_dict()
    document["strategy"][0] |= {"execution": {"fees": {"per_contract": 1}}, "seed": 4}
    around = make_config(document)
    (one,) = drawn(around, 1, fees={"uniform": [2, 2]}, seed=True)
    assert list(one) == ["strategy.0.execution.fees.per_contract", "strategy.0.seed"]
    trial = perturbed_trials(around, {"fees": Factor(uniform=(2, 2))}, 1, 5)[0]
    own = Base(around.to_dict(), []).planned(trial).entry.execution
    assert own is not None
    assert own.fees is not None
    assert own.fees.given == {"per_contract": Decimal(2)}


def test_anything_that_varies_may_be_drawn() -> None:
    around = config()
    trials = drawn(around, 60, max_inventory={"normal": 0.3}, quantity=[1, 2],
                   network_latency_us={"from": 20, "to": 40})  # fmt: skip
    assert {one["quantity"] for one in trials} == {1, 2}
    assert all(20 <= one["network_latency_us"] <= 40 for one in trials)
    assert len({one["max_inventory"] for one in trials}) > 3
    assert all(isinstance(one["max_inventory"], int) for one in trials)
    (none,) = drawn(around, 1, max_inventory={"uniform": [0, 0.01]})
    assert none == {"max_inventory": 1}  # never 0, which is another thing


def test_draws_know_of_the_seed_their_name_and_number_alone() -> None:
    around = config()
    few = drawn(around, 5, latency={"lognormal": 0.3})
    many = drawn(around, 9, seed=True, latency={"lognormal": 0.3})
    key = f"{LATENCY}.network_latency_us"
    assert [one[key] for one in many[:5]] == [one[key] for one in few]
    assert market_seeds(3, 1) == market_seeds(9, 1)[:3]
    assert market_seeds(3, 1) != market_seeds(3, 2)


def test_defaults_are_what_there_is_a_use_for() -> None:
    used, unused = default_perturbations(config(fill_model={"type": "pessimistic"}))
    assert list(used) == ["seed", "latency"]
    assert list(unused) == ["fill", "fees"]
    assert "found pessimistic" in unused["fill"]


@pytest.mark.parametrize(
    ("perturb", "said"),
    [
        ({"fees": {"uniform": [1, 2]}}, "expected fees per_contract"),
        ({"latency": [1, 2]}, "perturb.latency: expected a factor"),
        ({"seed": [1]}, r"perturb.seed: expected no distribution"),
        ({"jitter": {"normal": 1}}, "perturb.jitter: expected sigmas"),
        ({"max_inventry": [1]}, "perturb: .* found 'max_inventry', did you mean 'max_inventory'"),
        ({"symbols": {"normal": 0.1}}, "expected a number in the configuration to multiply"),
    ],
)
def test_what_has_no_use_is_refused(perturb: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        drawn(config(), 1, **perturb)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"perturb": {"latency": {"lognormal": 0.1, "normal": 1}}}, "expected one of lognormal"),
        ({"perturb": {"latency": {"uniform": [2, 1]}}}, "the least first"),
        ({"perturb": {}}, "something to perturb, or draws: 0"),
        ({"like": "a", "calibration": "b", "markets": 1}, "one of like and calibration"),
        ({"symbol": "A"}, "expected like, the file"),
        ({"like": "a"}, "expected markets, how many"),
        ({"bootstrap": "moving"}, "bootstrap"),
        ({"drawz": 3}, "drawz"),
    ],
)
def test_settings_that_are_none(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        settings_in(None, given)
    assert said in " ".join([str(raised.value), *raised.value.problems])


def test_distributions_as_they_are_typed() -> None:
    assert perturbation_of("lognormal:0.25") == {"lognormal": 0.25}
    assert perturbation_of("uniform:0.5:2") == {"uniform": [0.5, 2.0]}
    assert perturbation_of("1,2") == [1, 2]
    assert perturbation_of("0:0.5") == {"from": 0, "to": 0.5, "integer": False}
    for text in ("lognormal", "uniform:1", "normal:x"):
        with pytest.raises(ValueError, match="expected lognormal:SIGMA"):
            perturbation_of(text)


@pytest.mark.parametrize("name", ["nosuch", "runs/nosuch", "nosuch.dbn"])
def test_a_name_of_nothing_is_said_before_what_is_wrong_beside(name: str) -> None:
    with pytest.raises(MissingFileError, match=f"{name}: expected a finished run, a configura"):
        CliRunner().invoke(app, ["montecarlo", name], catch_exceptions=False)


def test_markets_are_not_made_on_a_cluster(tmp_path: Path) -> None:
    """A worker elsewhere would run over the study's data, and its row pass for a market's."""

    class Elsewhere(SerialExecutor):
        here = False

    asked = of_config(
        config(), settings_in(None, {"draws": 0, "markets": 2}), tmp_path / "s", resume=False
    )
    with pytest.raises(ConfigError, match="--markets: expected workers of this machine with it"):
        spread(asked, Means(tmp_path / "s", Elsewhere()))
    assert not (tmp_path / "s").exists()


def test_the_folder_of_a_study_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(ConfigError, match="found the folder of a study: `tapewire run --from`"):
        refuse_study(tmp_path)


def test_a_perturbation_that_is_misspelt_is_told() -> None:
    with pytest.raises(ConfigError, match="found 'latncy', did you mean 'latency'"):
        drawn(config(), latncy={"uniform": [1, 2]})
