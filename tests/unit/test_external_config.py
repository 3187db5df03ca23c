"""The keys of strategies in processes of their own."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tapewire as tw
from tapewire.config.loading import load_config, make_config
from tapewire.config.parts import read_part
from tapewire.config.schema import RunConfig
from tapewire.config.variants import checked_variants
from tapewire.config.yaml import load_yaml
from tapewire.errors import ConfigError
from tapewire.runs.stream import not_applied
from tapewire.wire.keys import make_pair, read_pair, write_pair

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
        (
            {**EXTERNAL, "parameters": {"x": [1, Decimal("Infinity")]}},
            ".parameters.x[1]: expected a finite number, found Infinity",
        ),
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


ABROAD = {"type": "external", "bridge": {"endpoint": "tcp://192.0.2.7:5601"}}


def with_keys(folder: Path, **changed: Any) -> dict[str, Any]:
    """An entry of a model on another host; its run's keys are made."""
    write_pair(folder / "keys", "run")
    write_pair(folder / "keys", "model")
    curve = {"secret_key_file": "keys/run.key_secret", "allowed_clients": ["keys/model.key"]}
    bridge = {**ABROAD["bridge"], "curve": curve | changed.pop("curve", {})}  # type: ignore[dict-item]
    return {**ABROAD, "bridge": bridge | changed.pop("bridge", {}), **changed}


def test_a_model_on_another_host_needs_keys() -> None:
    with pytest.raises(ConfigError, match=r"bridge\.endpoint: .* leaves this host.*bridge\.curve"):
        config_of(**ABROAD)


def test_files_of_keys_are_found_from_anywhere_and_keys_stay(tmp_path: Path) -> None:
    key = make_pair().public
    entry = with_keys(tmp_path, curve={"allowed_clients": ["keys", key]})
    config = make_config({"backtest": BACKTEST, "strategy": entry}, base=tmp_path)
    bridge = config.strategy[0].bridge
    assert bridge is not None
    assert bridge.curve is not None
    assert bridge.curve.secret_key_file == f"{tmp_path}/keys/run.key_secret"
    assert bridge.curve.allowed_clients == [f"{tmp_path}/keys", key]
    assert make_config(load_yaml(config.to_yaml(), "x")[0]) == config
    secret = read_pair(tmp_path / "keys" / "run.key_secret").secret
    assert secret not in config.to_yaml()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"curve": {"allowed_clients": []}}, ".curve.allowed_clients: "),
        ({"curve": {"allowed_clients": ["x.key"]}}, "x.key: expected a public key of 40"),
        ({"curve": {"secret_key_file": "no"}}, ".curve.secret_key_file: "),
        ({"curve": {"secret_key_file": "keys/run.key"}}, "only you may read (mode 0600)"),
        ({"curve": {"open": True}}, ".curve.open: "),
        ({"bridge": {"endpoint": None}}, ".curve: expected it with an endpoint tcp://HOST:PORT"),
        ({"bridge": {"endpoint": "ipc:///x/y"}}, "expected tcp://HOST:PORT with keys"),
        ({"class": "my_model.py:MyModel"}, ".curve: expected it of a model that is started with"),
    ],
)
def test_what_is_wrong_with_keys(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    entry = with_keys(tmp_path, **changed)
    with pytest.raises(ConfigError) as caught:
        make_config({"backtest": BACKTEST, "strategy": entry}, base=tmp_path)
    assert said in str(caught.value)


def test_a_wrong_key_is_told_by_file_and_line(tmp_path: Path) -> None:
    write_pair(tmp_path / "keys", "run")[1].chmod(0o644)
    path = tmp_path / "run.yaml"
    path.write_text(
        "backtest:\n  data_source: {type: synthetic, events: 1000}\n"
        "strategy:\n  type: external\n  bridge:\n    endpoint: tcp://192.0.2.7:5601\n"
        "    curve:\n      secret_key_file: keys/run.key_secret\n"
        "      allowed_clients: [keys/run.key]\n"
    )
    with pytest.raises(ConfigError, match=r"run\.yaml:8: .*secret_key_file: .*found mode 0644"):
        load_config(path)


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


def test_variants_of_a_model_are_processes_of_their_own() -> None:
    entry = {**EXTERNAL, "name": "m", "parameters": {"a": [1, 2], "b": 1}}
    config = config_of(**entry, variants=[{"b": 2}, {"b": 3, "c": 4}])
    found = checked_variants(config.strategy[0], ("strategy", 0))
    assert [(one.name, one.parameters) for one in found] == [
        ("m.1", {"a": [1, 2], "b": 2}), ("m.2", {"a": [1, 2], "b": 3, "c": 4}),
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"expected at most 64, each is a process, found 65"):
        config_of(**entry, variants=[{"b": k} for k in range(65)])
    with pytest.raises(ConfigError, match=r"expected none of several variants"):
        config_of(
            **entry, variants=[{"b": 1}, {"b": 2}], bridge={"endpoint": "tcp://127.0.0.1:5601"}
        )


def test_each_variant_of_the_model_that_comes_along_is_checked(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.pkl"):
        (tmp_path / name).touch()
    parameters = {"ml_model_path": [str(tmp_path / "a.onnx"), str(tmp_path / "b.pkl")]}
    with pytest.raises(ConfigError, match=r"b\.pkl.*trust_pickle: true"):
        config_of(type="ml_enhanced_momentum", parameters=parameters)


def test_a_pipe_is_no_configuration_of_a_study(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    os.mkfifo(path)
    with pytest.raises(ConfigError, match=r"study\.yaml: can't be read|study\.yaml: expected a"):
        read_part(path, "study")


def test_what_a_replay_of_ones_own_can_not_apply_is_named() -> None:
    source = {"type": "databento", "files": ["a.dbn"], "symbols": ["X"], "end": "2024-01-01"}
    config = make_config({
        "backtest": {"data_source": source, "replay": {"speed": "realtime"}},
        "strategy": EXTERNAL,
    })  # fmt: skip
    assert not_applied(config) == ["data_source.symbols", "data_source.end", "replay.speed"]
    assert not_applied(config_of(**EXTERNAL)) == []
