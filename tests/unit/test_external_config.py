"""The keys of strategies in processes of their own."""

from pathlib import Path
from typing import Any

import pytest

import tapewire as tw
from tapewire.config.loading import make_config
from tapewire.config.schema import RunConfig
from tapewire.config.yaml import load_yaml
from tapewire.errors import ConfigError

BACKTEST: dict[str, Any] = {"data_source": {"type": "synthetic", "events": 1000}}


def config_of(**entry: Any) -> RunConfig:
    """A configuration with this strategy."""
    return make_config({"backtest": BACKTEST, "strategy": entry})


EXTERNAL = {"type": "external", "class": "my_model.py:MyModel"}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"type": "external"}, ".class: expected class (my_pkg:MyModel or file.py:MyModel)"),
        ({**EXTERNAL, "command": ["x"]}, ".command: expected either class or command"),
        ({**EXTERNAL, "features": ["middle"]}, ".features: "),
        ({**EXTERNAL, "every": "often"}, ".every: expected a time of 1ms to 24h"),
        ({**EXTERNAL, "mode": "fast"}, ".mode: "),
        ({**EXTERNAL, "on_failure": "hope"}, ".on_failure: "),
        ({**EXTERNAL, "inference_latency": {"type": "fixed"}}, "expected us with type fixed"),
        (
            {**EXTERNAL, "inference_latency": {"type": "fixed", "us": 1, "sigma": 1}},
            "expected us with type fixed",
        ),
        (
            {**EXTERNAL, "inference_latency": {"type": "uniform", "low_us": 5, "high_us": 1}},
            "expected high_us of at least 5",
        ),
        ({**EXTERNAL, "bridge": {"frame_rows": 0}}, ".bridge.frame_rows: "),
        ({**EXTERNAL, "bridge": {"endpoint": "udp://x"}}, ".bridge.endpoint: "),
        (
            {"type": "market_maker", "every": "1s"},
            ".every: expected it of type external alone, found it of type market_maker",
        ),
        (
            {"type": "ml_enhanced_momentum", "command": ["x"],
             "parameters": {"ml_model_path": "/m.onnx"}},
            "expected none: ml_enhanced_momentum brings its own model",
        ),
    ],
)  # fmt: skip
def test_the_keys_of_a_models_process(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(**entry)
    assert said in str(caught.value)


def test_a_models_keys_are_completed_and_its_file_is_found_from_anywhere(tmp_path: Path) -> None:
    document = {"backtest": BACKTEST, "strategy": {**EXTERNAL, "parameters": {"a": [1, {"b": 2}]}}}
    config = make_config(document, base=tmp_path)
    (one,) = config.strategy
    assert one.model == f"{tmp_path}/my_model.py:MyModel"
    assert (one.every, one.mode, one.on_failure) == ("1s", "pipelined", "halt")
    assert one.inference_latency is not None
    assert one.inference_latency.us == 1_000
    assert one.parameters == {"a": [1, {"b": 2}]}
    again = make_config(load_yaml(config.to_yaml(), "x")[0])
    assert again == config


def test_a_simulation_that_is_stepped_starts_no_models() -> None:
    config = {"backtest": BACKTEST, "strategy": {**EXTERNAL, "features": ["mid"]}}
    with pytest.raises(ConfigError, match=r"external: .*those belong to a run"):
        tw.Simulation(config, instrument_ids={"TWA1": 1})
