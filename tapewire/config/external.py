"""Strategies in processes of their own: the keys that only they have, checked and completed."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.config.problems import Problems
from tapewire.config.schema import (
    MODEL_KEYS,
    Bridge,
    BridgeCurve,
    InferenceLatencyModel,
    StrategyEntry,
)
from tapewire.config.yaml import KeyPath
from tapewire.errors import ConfigError, TapewireError

if TYPE_CHECKING:
    from tapewire.config.variants import Variant
    from tapewire.strategies import StrategyDefinition

#: How often a model has a row unless it is said.
EVERY_DEFAULT: Final = "1s"
#: Inference latency unless it is said, µs.
LATENCY_US_DEFAULT: Final = Decimal(1_000)
#: Processes of models that one entry may stand for.
PROCESSES_MAX: Final = 64
_ADVICE: Final = "give it keys (bridge.curve), or use tcp://127.0.0.1:PORT"


def place_model(strategy: Any, base: Path) -> bool:
    """Write a model's place in an entry so that it is found from anywhere.

    Returns whether the entry says ``class``.

    Parameters
    ----------
    strategy
        The entry as plain values; ``class`` becomes ``model``.
    base
        Folder that a model's file is looked for in.
    """
    if not isinstance(strategy, dict):
        return False
    says_class = "class" in strategy
    if says_class:
        strategy["model"] = strategy.pop("class")
    model = strategy.get("model")
    if isinstance(model, str) and re.search(r"\.py(:|$)", model):
        place, _, name = model.partition(".py")
        path = base / Path(f"{place}.py").expanduser()
        strategy["model"] = f"{path.absolute()}{name}"
    latency = strategy.get("inference_latency")
    if isinstance(latency, dict) and isinstance(latency.get("file"), str):
        latency["file"] = str((base / Path(latency["file"]).expanduser()).absolute())
    bridge = strategy.get("bridge")
    if isinstance(bridge, dict) and isinstance(bridge.get("curve"), dict):
        _place_keys(bridge["curve"], base)
    return says_class


def _place_keys(curve: dict[str, Any], base: Path) -> None:
    from tapewire.wire.keys import names_file, path_in

    def place(entry: str) -> str:
        return str(path_in(entry, base).absolute())

    secret, allowed = curve.get("secret_key_file"), curve.get("allowed_clients")
    if isinstance(secret, str) and secret:
        curve["secret_key_file"] = place(secret)
    if isinstance(allowed, list):
        curve["allowed_clients"] = [
            place(entry) if isinstance(entry, str) and entry and names_file(entry, base) else entry
            for entry in allowed
        ]


def check_external(
    strategy: StrategyEntry, definition: "StrategyDefinition", variants: Sequence["Variant"],
    where: KeyPath, problems: Problems,
) -> None:  # fmt: skip
    """Note what is wrong with the keys of a model's process; each variant is one."""
    given = [key for key in MODEL_KEYS if getattr(strategy, key) is not None]
    if not definition.is_external:
        for key in given:
            problems.add(
                (*where, key),
                f"expected it of type external alone, found it of type {strategy.type}",
            )
        return
    comes_along = definition.model is not None
    if comes_along and strategy.features:
        problems.add((*where, "features"), "expected none: feature_config says what is sent")
    if comes_along and (strategy.model or strategy.command):
        problems.add(
            (*where, "model" if strategy.model else "command"),
            f"expected none: {strategy.type} brings its own model",
        )
    if strategy.model and strategy.command:
        problems.add((*where, "command"), "expected either class or command, found both")
    bridge = strategy.bridge or Bridge()
    endpoint = bridge.endpoint
    if not (strategy.model or strategy.command or endpoint or comes_along):
        problems.add(
            (*where, "class"),
            "expected class (my_pkg:MyModel or file.py:MyModel) or command, or bridge.endpoint "
            "where somebody else starts the model; found none of them",
        )
    _check_names(strategy, where, problems)
    if comes_along:
        for variant in variants:
            _try(partial(_make_model, variant.parameters), (*where, "parameters"), problems)
    if len(variants) > PROCESSES_MAX:
        problems.add(
            (*where, "variants"),
            f"expected at most {PROCESSES_MAX}, each is a process, found {len(variants):,}",
        )
    if endpoint is not None and len(variants) > 1:
        problems.add(
            (*where, "bridge", "endpoint"), "expected none of several variants: each has its own"
        )
    if endpoint is not None:
        from tapewire.wire.endpoints import split_endpoint

        def split() -> None:
            split_endpoint(endpoint, has_keys=bridge.curve is not None, advice=_ADVICE)

        _try(split, (*where, "bridge", "endpoint"), problems)
    if bridge.curve is not None:
        _check_keys(strategy, bridge.curve, comes_along, (*where, "bridge", "curve"), problems)


def _check_keys(
    strategy: StrategyEntry, curve: BridgeCurve, comes_along: bool, where: KeyPath,
    problems: Problems,
) -> None:  # fmt: skip
    from tapewire.wire.keys import read_allowed, read_pair

    if strategy.bridge is None or strategy.bridge.endpoint is None:
        problems.add(where, "expected it with an endpoint tcp://HOST:PORT, found none")
    if strategy.model or comes_along:
        problems.add(
            where,
            "expected it of a model that is started with its own keys: give a command that has "
            "--curve-server and --curve-key, or neither class nor command and start it elsewhere",
        )
    _try(lambda: read_pair(Path(curve.secret_key_file)), (*where, "secret_key_file"), problems)
    _try(lambda: read_allowed(curve.allowed_clients), (*where, "allowed_clients"), problems)


def _make_model(parameters: Mapping[str, Any]) -> None:
    """Make the model that comes along, as its process will: it checks its parameters itself."""
    from tapewire.bridge.momentum import EnhancedMomentum, columns_sent

    given: dict[str, Any] = {name: in_json(value) for name, value in parameters.items()}
    EnhancedMomentum(**given)
    columns_sent(parameters.get("feature_config"))


def in_json(value: object) -> object:
    """Return a parameter as a model is told it: decimals as numbers, paths as text."""
    if isinstance(value, dict):
        return {str(key): in_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [in_json(item) for item in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


def _check_names(strategy: StrategyEntry, where: KeyPath, problems: Problems) -> None:
    from tapewire.features import FeatureSet, Sampling

    features, every = strategy.features, strategy.every
    if features is not None:
        _try(lambda: FeatureSet(features), (*where, "features"), problems)
    if every is not None:
        _try(lambda: Sampling.of(every), (*where, "every"), problems)


def _try(check: Any, where: KeyPath, problems: Problems) -> None:
    try:
        check()
    except ConfigError as error:
        problems.add(where, re.sub(r"^(every|features): ", "", str(error)))
    except TapewireError as error:
        problems.add(where, str(error))


def external_in_force(strategy: StrategyEntry) -> dict[str, Any]:
    """Return the keys of a model's process as they hold; none for a strategy in the loop."""
    from tapewire.config.finding import find_strategy

    definition = find_strategy(strategy.type)
    if not definition.is_external:
        return {}
    return {
        # Of a model that comes along its parameters say it, also where variants differ in them.
        "features": None
        if definition.model is not None
        else list(strategy.features or features_of(strategy.type, strategy.parameters)),
        "every": strategy.every or EVERY_DEFAULT,
        "mode": strategy.mode or "pipelined",
        "inference_latency": strategy.inference_latency
        or InferenceLatencyModel(us=LATENCY_US_DEFAULT),
        "on_failure": strategy.on_failure or "halt",
        "bridge": strategy.bridge or Bridge(),
    }


def features_of(kind: str, parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """The features that a model is sent where its entry does not name them."""
    from tapewire.bridge.momentum import columns_sent
    from tapewire.config.finding import find_strategy
    from tapewire.features import DEFAULT_NAMES, names_of

    config = parameters.get("feature_config")
    if find_strategy(kind).model is not None:
        return tuple(columns_sent(config))
    return tuple(names_of(config)) if isinstance(config, dict) else tuple(DEFAULT_NAMES)
