"""Checks the models that a configuration chooses against those that there are."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.config.edits import value_at
from tapewire.config.parameters import check_values
from tapewire.config.problems import Problems
from tapewire.config.schema import Backtest, Execution, ModelSection, RunConfig, StrategyEntry
from tapewire.config.wording import close_name, describe
from tapewire.config.yaml import KeyPath

if TYPE_CHECKING:
    from tapewire.execution.models import Model, ModelDefinition, Models

_EXECUTION: Final = ("backtest", "execution")
#: Section of each family in ``backtest.execution``, and the key that names its model.
SECTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "latency": ("latency_model", "type"),
    "fill": ("fill_model", "type"),
    "queue": ("fill_model", "queue_position_model"),
    "impact": ("market_impact", "type"),
    "fees": ("fees", "type"),
}
#: Key of a latency model that stands for a set of parameters.
_PROFILE: Final = "profile"


def _registry(family: str) -> "Mapping[str, ModelDefinition]":
    from tapewire.execution.models import REGISTRIES

    return REGISTRIES[family]


def chosen_models(execution: Execution) -> "Models":
    """Return the models that a checked configuration has chosen."""
    from tapewire.execution.models import Models

    return Models(**{family: _chosen(family, execution) for family in SECTIONS})


def _chosen(family: str, execution: Execution) -> "Model":
    from tapewire.execution.models import Model

    section, key = SECTIONS[family]
    choice: ModelSection = getattr(execution, section)
    definition = _registry(family)[getattr(choice, key)]
    given = {name: value for name, value in choice.given.items() if name in definition.parameters}
    return Model(definition, given)


def execution_of(strategy: StrategyEntry, backtest: Backtest) -> Execution:
    """Return what holds for a strategy: what is its own, else the backtest's."""
    own = strategy.execution
    sections = {} if own is None else {name: getattr(own, name) for name in own.model_fields_set}
    given = {
        name: section
        for name, section in sections.items()
        if section is not None and name in Execution.model_fields
    }
    return backtest.execution.model_copy(update=given)


def fixed_delays_us(execution: Execution) -> dict[str, float]:
    """Return the delay of each leg of a fixed latency model, in µs, without what computing adds."""
    from tapewire.execution.models.latency.fixed import delays_ns
    from tapewire.execution.models.latency.legs import LEGS

    parameters = {**chosen_models(execution).latency.parameters, "compute_us": None}
    return {leg: ns / 1000 for leg, ns in zip(LEGS, delays_ns(parameters), strict=True)}


def models_in_force(config: RunConfig) -> RunConfig:
    """Write every parameter of the chosen models into the configuration, declared order."""
    backtest = config.backtest
    entries = []
    for entry in config.strategy:
        own = entry.execution
        if own is not None:
            written = _in_force(execution_of(entry, backtest))
            changed = {name: written[name] for name in own.model_fields_set if name in written}
            entry = entry.model_copy(update={"execution": own.model_copy(update=changed)})
        entries.append(entry)
    execution = backtest.execution.model_copy(update=_in_force(backtest.execution))
    backtest = backtest.model_copy(update={"execution": execution})
    return config.model_copy(update={"backtest": backtest, "strategy": entries})


def _in_force(execution: Execution) -> dict[str, ModelSection]:
    models = chosen_models(execution)
    changed: dict[str, ModelSection] = {}
    for family, (section, key) in SECTIONS.items():
        choice = changed.get(section, getattr(execution, section))
        parameters = getattr(models, family).parameters
        if key == "type" or parameters:
            changed[section] = choice.with_given(parameters)
    return changed


def check_models(raw: Mapping[str, Any], base: Path, problems: Problems) -> None:
    """Note every problem of the models' names and parameters, and make numbers exact.

    Files are taken from the folder ``base``, a profile becomes what it stands for.

    A section of a strategy's own is completed by the backtest's where both have one type.
    """
    execution = value_at(raw, _EXECUTION)
    for section in dict.fromkeys(section for section, _ in SECTIONS.values()):
        before = len(problems)
        given = value_at(execution, (section,))
        if isinstance(given, dict):
            _check_section(section, given, (*_EXECUTION, section), base, problems)
        if len(problems) > before:
            continue  # a strategy's own hangs on it
        for i, strategy in enumerate(raw.get("strategy") or ()):
            own = value_at(strategy, ("execution", section))
            if isinstance(own, dict):
                strategy["execution"][section] = merged = _completed(section, own, given)
                where = ("strategy", i, "execution", section)
                _check_section(section, merged, where, base, problems)


def _completed(section: str, own: dict[str, Any], backtests: Any) -> dict[str, Any]:
    """Return a section with what the backtest's says of the same models; a profile says it all."""
    if _PROFILE in own:
        return own
    base = backtests if isinstance(backtests, dict) else {}
    for home, key in SECTIONS.values():
        default = Execution.default_of(section, key) if home == section else None
        there = base.get(key, default)
        if home == section and own.get(key, there) != there:
            return own
    return {**base, **own}


def _expand_profile(given: dict[str, Any], where: KeyPath, problems: Problems) -> None:
    """Put what a profile stands for in its place; what is given beside it changes it."""
    from tapewire.execution.models.latency.profiles import PROFILES

    name = given.pop(_PROFILE)
    if not isinstance(name, str) or name not in PROFILES:
        close = close_name(name, PROFILES) if isinstance(name, str) else None
        hint = f", did you mean {close!r}?" if close else ""
        found = f"expected {_either(PROFILES)}, found {describe(name)}{hint}"
        problems.add((*where, _PROFILE), found)
        return
    profile = PROFILES[name]
    if given.setdefault("type", profile.type) != profile.type:
        problems.add(
            (*where, "type"),
            f"expected {profile.type!r} with profile {name}, found {describe(given['type'])}",
        )
        return
    for parameter, value in profile.parameters.items():
        given.setdefault(parameter, value)


def _check_section(
    section: str, given: dict[str, Any], where: KeyPath, base: Path, problems: Problems
) -> None:
    if section == SECTIONS["latency"][0] and _PROFILE in given:
        before = len(problems)
        _expand_profile(given, where, problems)
        if len(problems) > before:
            return
    families = [family for family, (home, _) in SECTIONS.items() if home == section]
    keys = [SECTIONS[family][1] for family in families]
    specs: dict[str, Any] = {}
    definitions = []
    for family, key in zip(families, keys, strict=True):
        name = given.get(key, Execution.default_of(section, key))
        definition = _find(family, name, (*where, key), problems)
        if definition is None:
            for other in _registry(family).values():
                specs |= {
                    name: replace(spec, optional=True) for name, spec in other.parameters.items()
                }
            continue
        definitions.append(definition)
        specs |= definition.parameters
    known = [*keys, *specs]

    def unknown(name: str) -> str:
        others = _others_with(name, families)
        if others and definitions:
            return f"expected none with type {definitions[0].name}; use type {others[0]}"
        return problems.unknown_key((*where, name), known)

    parameters = {name: value for name, value in given.items() if name not in keys}
    found = len(problems)
    values = check_values(
        specs, parameters, where, problems,
        unknown=unknown, missing=lambda spec: f"expected this key ({spec.doc}), found nothing",
    )  # fmt: skip
    for name, value in values.items():
        if isinstance(value, Path):
            values[name] = str(base / value.expanduser())
    given |= {name: value for name, value in values.items() if name in parameters}
    if len(problems) == found and len(definitions) == len(families):
        for definition in definitions:
            _check_together(definition, values, where, problems)


def _check_together(
    definition: "ModelDefinition", values: Mapping[str, Any], where: KeyPath, problems: Problems
) -> None:
    """Note what only several parameters together tell."""
    chosen = {name: values[name] for name in definition.parameters}
    if definition.check is not None:
        from tapewire.compiled.parameters import ParameterFault

        try:
            definition.check(chosen)
        except ParameterFault as fault:
            problems.add((*where, *fault.path), fault.text)
        except ValueError as error:
            problems.add(where, str(error))
    if definition.bounds is not None:
        from tapewire.execution.models.latency.legs import check_bounds

        try:
            check_bounds(definition.bounds(chosen))
        except ValueError as error:
            problems.add(where, str(error))


def _find(family: str, name: object, path: KeyPath, problems: Problems) -> "ModelDefinition | None":
    registry = _registry(family)
    if isinstance(name, str) and name in registry:
        return registry[name]
    names = _either(registry)
    close = close_name(name, registry) if isinstance(name, str) else None
    hint = f", did you mean {close!r}?" if close else ""
    problems.add(path, f"expected {names}, found {describe(name)}{hint}")
    return None


def _either(names: Iterable[str]) -> str:
    *first, last = map(repr, names)
    return f"{', '.join(first)} or {last}" if first else last


def _others_with(parameter: str, families: Iterable[str]) -> list[str]:
    """Names of models that take a parameter."""
    return [
        definition.name
        for family in families
        for definition in _registry(family).values()
        if parameter in definition.parameters
    ]


def model_keys() -> Iterator[str]:
    """Every key of a parameter of a model, as a dotted path."""
    yield ".".join((*_EXECUTION, SECTIONS["latency"][0], _PROFILE))
    for family, (section, _) in SECTIONS.items():
        for definition in _registry(family).values():
            for name in definition.parameters:
                yield ".".join((*_EXECUTION, section, name))
