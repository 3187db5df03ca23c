"""What a study starts from, and how values of a trial get into it."""

import copy
import datetime
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tapewire.config.loading import make_config
from tapewire.config.models import execution_of, model_keys
from tapewire.config.parameters import check_values
from tapewire.config.problems import Places, Problems
from tapewire.config.schema import (
    NAME_MAX,
    OwnExecution,
    RunConfig,
    StrategyEntry,
)
from tapewire.config.strategies import definition_of, label_of, parameters_in_force
from tapewire.config.wording import describe, dotted_keys, suggest
from tapewire.config.yaml import KeyPath
from tapewire.errors import ConfigError
from tapewire.runs.requests import OPTION_KEYS
from tapewire.studies.axes import DAY, MARKET, STRATEGY, SYMBOLS, Trial

#: Parts of the execution that a strategy may have of its own.
OWN_EXECUTION: Final = (
    "latency_model",
    "fill_model",
    "market_impact",
    "fees",
    "gateway",
    "self_trade_prevention",
)


@dataclass(frozen=True)
class PlannedTrial:
    """A trial and what it comes to.

    Attributes
    ----------
    trial
        Its number and values.
    config
        The whole configuration, with its one strategy as others of the same models have it.
    entry
        That strategy, under the trial's name and with its parameters.
    group
        What trials have to share to be run over one pass of the data.
    """

    trial: Trial
    config: RunConfig
    entry: StrategyEntry
    group: str

    @property
    def alone(self) -> RunConfig:
        """The configuration of this trial by itself."""
        return self.config.model_copy(update={"strategy": [self.entry]})


class Base:
    """The configuration that trials differ from.

    Parameters
    ----------
    document
        A checked configuration as plain values, or one that the first trial makes whole.
    names
        What varies.

    Raises
    ------
    ConfigError
        If a name is none of a parameter, an axis or a key.
    """

    def __init__(self, document: Mapping[str, Any], names: Sequence[str]) -> None:
        self._document = document
        self._outer: dict[str, tuple[RunConfig, str]] = {}
        self._kinds = {name: self._path_of(name) for name in names}

    def planned(self, trial: Trial) -> PlannedTrial:
        """Return what a trial comes to.

        Raises
        ------
        ConfigError
            If a value is wrong, naming the trial and its values.
        """
        try:
            return self._planned(trial)
        except ConfigError as error:
            told = ", ".join(f"{name} {value}" for name, value in trial.values.items())
            raise ConfigError(f"trial {trial.number} ({told}): {error}") from None

    def configured(self, name: str) -> Any:
        """Return what the configuration has of a name that may vary; None where it says nothing.

        Raises
        ------
        ConfigError
            If it is the name of nothing.
        """
        path = self._path_of(name)
        found: Any = self._document
        if path is None:
            path = "strategy", "0", "parameters", name.rpartition(".")[2]
        for part in path:
            if isinstance(found, list):
                number = int(part) if str(part).isdecimal() else len(found)
                found = found[number] if number < len(found) else None
            else:
                found = found.get(part) if isinstance(found, Mapping) else None
        return found

    def _planned(self, trial: Trial) -> PlannedTrial:
        values = {name: value for name, value in trial.values.items() if name != MARKET}
        unknown = [name for name in values if name not in self._kinds]
        if unknown:
            self._kinds |= {name: self._path_of(name) for name in unknown}
        inner = {name: v for name, v in values.items() if self._kinds[name] is None}
        outer = {name: v for name, v in values.items() if self._kinds[name] is not None}
        key = json.dumps(outer, default=str)
        if key not in self._outer:
            config = self._checked(outer, inner)
            self._outer[key] = config, group_of(config)
        config, group = self._outer[key]
        (entry,) = config.strategy
        name = f"{entry.name}.{trial.number}"
        if len(name) > NAME_MAX:
            raise ConfigError(
                f"strategy.name: expected at most {NAME_MAX} letters with the trial's number, "
                f"found {name!r}"
            )
        entry = entry.model_copy(update={"name": name, "parameters": _with(entry, inner)})
        if _runs_alone(config) or MARKET in trial.values:
            group = f"{group}#{trial.number}"
        return PlannedTrial(trial, config, entry, group)

    def _checked(self, outer: Mapping[str, Any], inner: Mapping[str, Any]) -> RunConfig:
        """Return the configuration with these values, and one of `inner` for what it lacks."""
        overrides: dict[KeyPath, Any] = {}
        strategies: list[str] = []
        typed: dict[KeyPath, str] = {}
        for name, value in outer.items():
            path = self._kinds[name]
            assert path is not None
            if name == STRATEGY:
                strategies = [str(value)]
            elif name == SYMBOLS:
                overrides[path] = value if isinstance(value, list) else [str(value)]
            elif name == DAY:
                start, end = _day(value)
                overrides[OPTION_KEYS["start"]], overrides[OPTION_KEYS["end"]] = start, end
            else:
                overrides[path] = copy.deepcopy(value)  # checking writes into mappings
            is_short = "." not in name and name not in (STRATEGY, SYMBOLS, DAY)
            typed[path] = f"{name} ({'.'.join(map(str, path))})" if is_short else name
        document = self._document
        known = _entries(document, strategies)
        if len(known) > 1:
            raise ConfigError(
                "expected one strategy to vary, found "
                f"{', '.join(known)}: choose one (-s), or vary strategy"
            )
        for name, value in inner.items():
            path = "strategy", "0", "parameters", name.rpartition(".")[2]
            overrides[path] = value
            typed[path] = name
        config = make_config(
            document, places=Places("the configuration", typed=typed), overrides=overrides,
            strategies=strategies,
        )  # fmt: skip
        (entry,) = config.strategy
        lists = [k for k, v in entry.parameters.items() if isinstance(v, list)]
        specs = _specs(entry)
        grids = [k for k in lists if k in specs and specs[k].type is not list]
        if entry.variants is not None or grids:
            raise ConfigError(
                f"strategy.{entry.name}: expected one value for each parameter, found a grid "
                f"({', '.join(grids) or 'variants'}): a study varies it under study.vary"
            )
        return config

    def _path_of(self, name: str) -> KeyPath | None:
        """Return the key that a name stands for; None for a parameter of the strategy."""
        if name == STRATEGY:
            return ("strategy",)
        if name in (SYMBOLS, DAY):
            return OPTION_KEYS["symbols" if name == SYMBOLS else "start"]
        if "." in name:
            path = tuple(name.split("."))
            if path[0] not in RunConfig.model_fields or not all(path):
                known = [*dotted_keys(RunConfig), *model_keys()]
                raise ConfigError(f"study.vary: unknown key {name!r}, {suggest(name, known)}")
            if path[0] == "strategy" and len(path) == 4 and path[2] == "parameters":
                return None if path[3] in self._parameters and path[1] in self._names else path
            return path
        if name in self._parameters:
            return None
        ends = [key for key in self._keys if key.rpartition(".")[2] == name]
        if len(ends) == 1:
            return tuple(ends[0].split("."))
        if ends:
            raise ConfigError(
                f"study.vary: expected one key, found {name!r}, which may be {' or '.join(ends)}"
            )
        known = sorted({*self._parameters, STRATEGY, SYMBOLS, DAY})
        raise ConfigError(
            f"study.vary: expected a parameter of the strategy, {STRATEGY}, {SYMBOLS}, {DAY} or a "
            f"key like backtest.seed, found {name!r}, {suggest(name, known)}"
        )

    @functools.cached_property
    def _keys(self) -> list[str]:
        found = dict.fromkeys([*dotted_keys(RunConfig), *model_keys()])
        return [key for key in found if key.startswith("backtest.")]

    @functools.cached_property
    def _names(self) -> list[str]:
        return _entries(self._document, [])

    @functools.cached_property
    def _parameters(self) -> set[str]:
        """Names of parameters of the strategies that there are."""
        found: set[str] = set()
        for entry in self._document["strategy"]:
            kind = StrategyEntry(type=entry["type"], name="x")
            found |= set(_specs(kind))
            found |= set(entry.get("parameters") or ())
        return found


def group_of(config: RunConfig) -> str:
    """Return what of a configuration trials share that are run over one pass of the data."""
    backtest = config.backtest.model_dump(mode="json", exclude_none=True)
    for name in OWN_EXECUTION:
        backtest["execution"].pop(name, None)
    for name in ("risk_limits", "seed"):
        backtest.pop(name, None)
    return json.dumps(backtest, sort_keys=True)


def standing_alone(planned: PlannedTrial) -> StrategyEntry:
    """Return a trial's strategy with all of its own that the backtest of others may not have."""
    backtest, entry = planned.config.backtest, planned.entry
    execution = execution_of(entry, backtest)
    own = {name: getattr(execution, name) for name in OWN_EXECUTION}
    if entry.execution is not None:
        own["gateway"] = entry.execution.gateway
        own["shared_book"] = entry.execution.shared_book
    return entry.model_copy(
        update={
            "execution": OwnExecution(**{k: v for k, v in own.items() if v is not None}),
            "risk_limits": entry.risk_limits or backtest.risk_limits,
            "seed": backtest.seed if entry.seed is None else entry.seed,
        }
    )


def _runs_alone(config: RunConfig) -> bool:
    """Whether a trial can't share its pass: what it does depends on who else is there."""
    (entry,) = config.strategy
    shares = entry.execution is not None and entry.execution.shared_book is not None
    external = entry.model is not None or entry.command is not None or entry.bridge is not None
    return config.backtest.portfolio_limits is not None or shares or external


def _specs(entry: StrategyEntry) -> Mapping[str, Any]:
    problems = Problems()
    definition = definition_of(entry, ("strategy",), problems)
    problems.raise_if_any()
    assert definition is not None
    return definition.parameters


def _with(entry: StrategyEntry, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a strategy's parameters with some values in place of its own, checked."""
    label, problems = label_of(entry.type), Problems(Places("study.vary"))
    values = {name.rpartition(".")[2]: value for name, value in values.items()}
    specs = _specs(entry)
    check_values(
        {name: spec for name, spec in specs.items() if name in values},
        values,
        (),
        problems,
        unknown=lambda name: f"{label} has no such parameter, {suggest(name, specs)}",
        missing=lambda spec: f"{label} needs this parameter ({spec.doc})",
    )
    problems.raise_if_any()
    given = entry.model_copy(update={"parameters": {**entry.parameters, **values}})
    return parameters_in_force(given)


def _entries(document: Mapping[str, Any], chosen: Sequence[str]) -> list[str]:
    entries = document["strategy"]
    names = [str(entry.get("name", entry.get("type"))) for entry in entries]
    return [name for name in names if not chosen or name in chosen]


def _day(value: object) -> tuple[str, str]:
    """Return the beginning and the end of a UTC day."""
    try:
        day = value if isinstance(value, datetime.date) else datetime.date.fromisoformat(str(value))
    except ValueError:
        raise ConfigError(
            f"day: expected a date like 2024-03-04, found {describe(value)}"
        ) from None
    return f"{day.isoformat()}T00:00Z", f"{(day + datetime.timedelta(days=1)).isoformat()}T00:00Z"
