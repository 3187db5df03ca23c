"""Strategies with latencies, fees, limits and a seed of their own: each gets what it gets alone."""

import itertools
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from markets import market, spec
from stories import Log, Tape, configure, models_of, ns, play, run
from tapewire.analytics.assumptions import assumptions
from tapewire.config.external import features_of
from tapewire.config.loading import load_config, make_config
from tapewire.config.models import chosen_models, execution_of
from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError
from tapewire.execution.codes import OrderStatus
from tapewire.execution.models import Models, built_in
from tapewire.market.instruments import InstrumentTable
from tapewire.router import RiskLimits, StrategySpec
from tapewire.runs.contracts import Contracts
from tapewire.runs.wiring import _strategies
from tapewire.strategies import STRATEGIES

# --- stories --------------------------------------------------------------------------------------


def test_two_strategies_side_by_side_have_their_own_latencies_and_fees(tmp_path: Path) -> None:
    # The ask is 101 until 60 µs, and 103 from then on.
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 10)
    tape.cancel(60, 9).add(61, 10, "A", 103, 10).tick(500)
    log = Log().buy(10, "a", 2)
    slow = StrategySpec(
        "slow",
        STRATEGIES["order_log"],
        {"path": log.write(tmp_path / "slow.csv")},
        models=models_of(entry_us=100, response_us=30, fee=250_000_000),
    )
    played = play(tmp_path, tape, log, others=[slow], entry_us=10, response_us=10, fee=10**9)
    told = [
        (float(row["last_px"]) / 1e9, int(row["ts_event"]), int(row["ts_known"]), row["commission"])
        for row in played.rows.fills
    ]
    assert told == [
        (101.0, ns(20), ns(30), 2 * 10**9),
        (103.0, ns(110), ns(140), 2 * 250_000_000),
    ]


def test_a_limit_of_its_own_stops_one_and_not_the_other(tmp_path: Path) -> None:
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 10).tick(500)
    log = Log().buy(10, "a", 4)
    other = StrategySpec(
        "other",
        STRATEGIES["order_log"],
        {"path": log.write(tmp_path / "other.csv")},
        limits=RiskLimits(max_order_size=3),
    )
    played = play(tmp_path, tape, log, others=[other], limits=RiskLimits(max_order_size=4))
    assert [int(leg) for leg in played.rows.fills["leg"]] == [0]
    by_leg = {int(row["leg"]): OrderStatus(row["status"]) for row in played.rows.orders}
    assert by_leg == {0: OrderStatus.FILLED, 1: OrderStatus.DENIED}


# --- each is what it is alone ---------------------------------------------------------------------


def uniform(most_us: int, feed_us: int) -> Models:
    return Models(
        latency=built_in(
            "latency",
            "uniform",
            order_latency_min_us=Decimal(5),
            order_latency_max_us=Decimal(most_us),
            feed_latency_max_us=Decimal(feed_us),
        ),
        fees=built_in("fees", "per_contract", per_contract=Decimal("0.5")),
    )


MAKER = spec("maker", "market_maker", quantity=3, max_inventory=9)
OWN = [
    replace(MAKER, strategy_id="plain"),
    replace(MAKER, strategy_id="slow", models=models_of(900, 900, 700)),
    replace(MAKER, strategy_id="drawn", models=uniform(300, 50), seed=7),
    replace(MAKER, strategy_id="also drawn", models=uniform(300, 50)),
    replace(MAKER, strategy_id="limited", limits=RiskLimits(max_position=4)),
]


def digests(specs: list[StrategySpec], models: Models, seed: int) -> dict[str, str]:
    config = replace(configure(None, models=models, seed=seed), strategies=tuple(specs))
    simulation, rows = run(config, market(6_000), 1_000)
    assert np.unique(rows.fills["leg"]).size == len(specs)
    return simulation.digests()


def test_each_is_what_it_is_in_a_simulation_with_its_models_and_seed() -> None:
    models, seed = models_of(20, 20), 3
    alone: dict[str, str] = {}
    for one in OWN:
        plain = replace(one, models=None, seed=None)
        own_seed = seed if one.seed is None else one.seed
        alone |= digests([plain], one.models or models, own_seed)
    assert len(set(alone.values())) == len(OWN)
    for order in itertools.islice(itertools.permutations(OWN), 0, 120, 29):
        assert digests(list(order), models, seed) == alone


def test_a_seed_of_its_own_is_its_own_draws() -> None:
    drawn = replace(MAKER, models=uniform(300, 50))
    found = {digests([replace(drawn, seed=seed)], Models(), 5)["maker"] for seed in (None, 5, 6, 7)}
    assert len(found) == 3  # its own 5 is the simulation's


# --- the configuration ----------------------------------------------------------------------------

BACKTEST: dict[str, Any] = {
    "data_source": {"type": "databento", "files": ["a.dbn"]},
    "execution": {
        "latency_model": {"type": "fixed", "network_latency_us": 70},
        "fees": {"per_contract": 0.85},
    },
    "risk_limits": {"max_position": 100, "max_order_size": 50},
    "seed": 9,
}


def config_of(**entry: Any) -> RunConfig:
    entries = [{"type": "market_maker", "name": "plain"}, {"type": "market_maker", **entry}]
    return make_config({"backtest": BACKTEST, "strategy": entries})


def test_what_is_not_given_is_the_backtests(tmp_path: Path) -> None:
    config = config_of(
        execution={"latency_model": {"processing_latency_us": 500}},
        risk_limits={"max_position": 3},
        seed=4,
    )
    plain, own = _strategies(config, Contracts(InstrumentTable([])))
    assert (plain.models, plain.seed, plain.limits.max_position) == (None, None, 100)
    assert own.models is not None
    assert own.models.latency_bounds()["entry"] == (570_000, 570_000)
    assert own.models.fees.parameters["per_contract"] == Decimal("0.85")
    assert (own.limits.max_position, own.limits.max_order_size, own.seed) == (3, 50, 4)
    path = tmp_path / "config.yaml"
    path.write_text(config.to_yaml())
    assert load_config(path) == config


def test_a_model_of_another_type_has_its_own_defaults() -> None:
    config = config_of(execution={"latency_model": {"type": "uniform"}, "fees": {}})
    models = chosen_models(execution_of(config.strategy[1], config.backtest))
    assert models.latency.definition.name == "uniform"
    assert models.latency_bounds()["entry"] == (40_000, 80_000)
    assert models.fees.parameters["per_contract"] == Decimal("0.85")


def test_the_report_says_what_is_a_strategys_own() -> None:
    config = config_of(
        name="slow",
        execution={"latency_model": {"network_latency_us": 500}},
        risk_limits={"max_position": 3},
        seed=4,
    )
    words = dict(assumptions(config.to_dict()))["Of slow alone"]
    for part in ("latency model fixed: network latency us 500", "max position 3", "seed 4"):
        assert part in words
    assert "Of plain alone" not in dict(assumptions(config.to_dict()))
    guessed = [{"publisher_id": 40, "instrument_id": k, "model": "m"} for k in (7, 8, 8)]
    assert dict(assumptions(config.to_dict(), guessed))["Queue position"].endswith(
        "; estimated from level sizes in 2 books by m"
    )


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            {"execution": {"latency_model": {"network_latency": 5}}},
            "strategy[1].execution.latency_model.network_latency: unknown key, did you mean",
        ),
        (
            {"execution": {"latency_model": {"type": "unform"}}},
            "strategy[1].execution.latency_model.type: expected 'fixed', 'uniform', 'no",
        ),
        (
            {"execution": {"fees": {"per_contract": "x"}}},
            "strategy[1].execution.fees.per_contract: expected a number, found 'x' (a string)",
        ),
        (
            {"execution": {"unseen_trades": "ignore"}},
            "strategy[1].execution.unseen_trades: unknown key, known: fees, fill_model",
        ),
        ({"risk_limits": {"max_positon": 1}}, "risk_limits.max_positon: unknown key, did you mean"),
        ({"seed": -1}, "strategy[1].seed: expected at least 0, found -1"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(**entry)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_model_of_the_backtest_is_told_once() -> None:
    backtest = {**BACKTEST, "execution": {"fees": {"per_contract": "x"}}}
    entry = {"type": "market_maker", "execution": {"fees": {"per_contract": 1}}}
    with pytest.raises(ConfigError, match=r"^configuration: backtest\.execution\.fees\.per_con"):
        make_config({"backtest": backtest, "strategy": entry})


SPECIFICATION = """\
strategy:
  type: "ml_enhanced_momentum"
  parameters:
    lookback_period: 100
    entry_threshold: 2.0
    exit_threshold: 0.5
    ml_model_path: "models/momentum_v1.pkl"
    feature_config:
      price_features: ["returns_1m", "returns_5m", "volatility"]
      microstructure_features: ["book_imbalance", "trade_flow"]
      use_time_features: true
"""


def test_the_specifications_pickle_is_refused_and_the_two_ways_out_are_named(
    tmp_path: Path,
) -> None:
    path = tmp_path / "strategy.yaml"
    path.write_text(SPECIFICATION)
    (tmp_path / "a.dbn").touch()
    with pytest.raises(ConfigError) as caught:
        load_config(path, files=[str(tmp_path / "a.dbn")])
    said = str(caught.value)
    assert said.startswith(f"{path}:3: strategy.parameters: ml_model_path: ")
    assert f"{tmp_path}/models/momentum_v1.pkl" in said
    assert "ONNX" in said
    assert "trust_pickle: true" in said
    assert "\n" not in said


def test_with_an_onnx_file_it_loads_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "strategy.yaml"
    path.write_text(SPECIFICATION.replace(".pkl", ".onnx"))
    (tmp_path / "a.dbn").touch()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "momentum_v1.onnx").touch()
    config = load_config(path, files=[str(tmp_path / "a.dbn")])
    (one,) = config.strategy
    features = features_of(one.type, one.parameters)
    assert list(features[:4]) == ["mid", "returns_1m", "returns_5m", "volatility"]
    assert one.parameters["position_size"] == 1
    assert one.parameters["ml_model_path"] == str(tmp_path / "models" / "momentum_v1.onnx")
    again = tmp_path / "config.yaml"
    again.write_text(config.to_yaml())
    assert load_config(again) == config
