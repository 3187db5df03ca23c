"""Finds the strategies of a configuration, and what they declare."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapewire.config.external import place_model
from tapewire.config.finding import (
    find_strategy,
    give_strategy,
    is_strategy,
    known_strategy,
    load_strategy,
)
from tapewire.config.problems import Problems
from tapewire.config.schema import NAME_MAX, Backtest, ConfiguredLimits, StrategyEntry
from tapewire.config.yaml import KeyPath
from tapewire.errors import ConfigError

if TYPE_CHECKING:
    from tapewire.strategies import StrategyDefinition


def known_strategies() -> list[str]:
    """Return the type names a configuration may use."""
    from tapewire.strategies import STRATEGIES

    return sorted(STRATEGIES)


def place_strategies(raw: dict[str, Any], base: Path, problems: Problems) -> None:
    """Load the strategies of a configuration; their types are then found from anywhere.

    Parameters
    ----------
    raw
        The configuration as plain values; a type may be an object. Types are written anew.
    base
        Folder that their files and modules are looked for in.
    problems
        Where what can't be found or loaded goes.
    """
    for i, strategy in enumerate(raw.get("strategy") or ()):
        kind = strategy.get("type") if isinstance(strategy, dict) else None
        if place_model(strategy, base):
            problems.renamed["strategy", i, "model"] = ("strategy", i, "class")
        try:
            if is_strategy(kind):
                strategy["type"] = kind = give_strategy(kind)
            if isinstance(kind, str):
                strategy["type"] = load_strategy(kind, base).kind
        except ConfigError as error:
            problems.add(("strategy", i, "type"), str(error))


def default_name(kind: str) -> str:
    """Return what a strategy of a type is called where its entry does not say."""
    found = known_strategy(kind)
    name = kind if found is None else getattr(found.definition, "name", kind)
    return re.sub(r"[^\w.:-]", "_", name)[:NAME_MAX]


def path_parameters(kind: object) -> list[str]:
    """Return which parameters of a strategy type are paths; none for an unknown type."""
    found = known_strategy(kind)
    specs: Mapping[str, Any] = {} if found is None else found.definition.parameters
    return [name for name, spec in specs.items() if spec.type is Path]


def parameters_in_force(strategy: StrategyEntry) -> dict[str, Any]:
    """Return every declared parameter as a configuration writes it; the declared order.

    What was given stays as it was given, what was not is the default. The strategy's parameters
    must have been found right.
    """
    definition = find_strategy(strategy.type)
    if definition.free_parameters:
        return dict(strategy.parameters)
    in_force = {
        name: strategy.parameters.get(name, _plain(spec.default))
        for name, spec in definition.parameters.items()
    }
    return {name: value for name, value in in_force.items() if value is not None}


def limits_in_force(strategy: StrategyEntry, backtest: Backtest) -> ConfiguredLimits | None:
    """Return a strategy's own limits, completed by the backtest's; None where it has none."""
    own = strategy.risk_limits
    if own is None:
        return None
    given = {name: getattr(own, name) for name in own.model_fields_set}
    return backtest.risk_limits.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )


def check_limits(raw: Mapping[str, Any], problems: Problems) -> None:
    """Check that there are sessions where a loss is limited by session."""
    backtest = raw.get("backtest")
    if not isinstance(backtest, Mapping) or backtest.get("session") is not None:
        return
    strategies = raw.get("strategy") or ()
    for where, owner, key in (
        (("backtest",), backtest, "risk_limits"),
        (("backtest",), backtest, "portfolio_limits"),
        *((("strategy", i), entry, "risk_limits") for i, entry in enumerate(strategies)),
    ):
        limits = owner.get(key) if isinstance(owner, Mapping) else None
        if isinstance(limits, Mapping) and limits.get("max_daily_loss") is not None:
            problems.add(
                (*where, key, "max_daily_loss"),
                "expected backtest.session, which says when days end, beside it, found none",
            )


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def definition_of(
    strategy: StrategyEntry, where: KeyPath, problems: Problems
) -> "StrategyDefinition | None":
    """Return what a strategy's type stands for; where it is nothing, None, and note why."""
    found = known_strategy(strategy.type)
    try:
        return find_strategy(strategy.type) if found is None else found.definition
    except ConfigError as error:
        problems.add((*where, "type"), str(error))
        return None


def label_of(kind: str) -> str:
    """Return how messages call a strategy: its type, or the name of one from a file."""
    found = known_strategy(kind)
    return default_name(kind) if found is not None and found.sources else kind
