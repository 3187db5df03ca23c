"""From a YAML file, plain values and command-line overrides to a checked `RunConfig`.

What is wrong is said as one `ConfigError`, all of it at once: file and line and key, or the option
that was typed; what was expected, what was found, and a suggestion where a name is close to a known
one.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from tapewire.config.accounts import check_accounts
from tapewire.config.catalogue import place_catalogue
from tapewire.config.data_files import place_files, source_of
from tapewire.config.days import check_days
from tapewire.config.edits import (
    put,
    replace_by_catalogue,
    replace_files,
    select_strategies,
    value_at,
)
from tapewire.config.external import check_external, external_in_force
from tapewire.config.finding import known_strategy
from tapewire.config.input_files import open_plain, same_file
from tapewire.config.live import LIVE
from tapewire.config.models import check_models, models_in_force
from tapewire.config.problems import Places, Problems
from tapewire.config.schema import (
    DATA_SOURCES,
    DatabentoSource,
    FillModel,
    RunConfig,
    StrategyEntry,
)
from tapewire.config.strategies import (
    check_limits,
    default_name,
    known_strategies,
    limits_in_force,
    parameters_in_force,
    path_parameters,
    place_strategies,
)
from tapewire.config.variants import check_variants
from tapewire.config.wording import describe, suggest
from tapewire.config.yaml import MAX_BYTES, KeyPath, load_yaml
from tapewire.errors import ConfigError
from tapewire.market.continuous import root_of
from tapewire.market.symbols import is_named
from tapewire.market.times import time_text

#: Named in the specification, not built yet: said by name instead of "unknown".
STRATEGIES_NOT_BUILT: Final = ("momentum", "mean_reversion", "ml")
#: What a study varies, beside what is run: `tapewire.studies` reads it, a run leaves it alone.
STUDY: Final = "study"
#: The same of how far results spread.
MONTECARLO: Final = "montecarlo"
_FILES: Final = ("backtest", "data_source", "files")
_STATUS_FILES: Final = ("backtest", "data_source", "status_files")
_DEFINITION_FILES: Final = ("backtest", "data_source", "definition_files")
_STATISTICS_FILES: Final = ("backtest", "data_source", "statistics_files")
_VOLUME_FILES: Final = ("backtest", "data_source", "volume_files")
_Model = TypeVar("_Model", bound=BaseModel)


def read_config_text(path: Path) -> str:
    """Return the text of a configuration file.

    Raises
    ------
    ConfigError
        If there is no such plain file, or it is too long or no text.
    """
    try:
        with open_plain(path, "a configuration file") as file:
            content = file.read(MAX_BYTES + 1)
            size = os.fstat(file.fileno()).st_size
        if len(content) > MAX_BYTES:
            raise ConfigError(
                f"{path}: expected a configuration of at most {MAX_BYTES:,} bytes, found {size:,}"
            )
        return content.decode()
    except FileNotFoundError:
        raise ConfigError(f"{path}: expected a configuration file, found nothing there") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: expected YAML in UTF-8, found byte {error.object[error.start]:#04x} "
            f"at offset {error.start}"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None


def load_config(
    path: str | Path,
    overrides: Mapping[KeyPath, Any] | None = None,
    *,
    files: Sequence[str] = (),
    catalogue: str | None = None,
    strategies: Sequence[str | Mapping[str, Any]] = (),
    base: Path | None = None,
    source: str | None = None,
    typed: Mapping[KeyPath, str] | None = None,
) -> RunConfig:
    """Read, complete and check a configuration file.

    Parameters
    ----------
    path
        The YAML file.
    overrides
        Values that replace those of the file, by key path, as ``("backtest", "seed"): 7``; a
        strategy goes by its number, name or type.
    files
        Market data files that replace those of the file.
    catalogue
        A folder that is indexed, in place of files; what the file says of symbols and times, or
        `overrides` do, says which of its files are taken.
    strategies
        Run only these: names in the file, else types, which then have their default parameters;
        or whole entries.
    base
        Folder that relative paths in the file start from; the file's own by default.
    source
        What the file is called in messages; its path by default.
    typed
        How overrides, files and strategies are called in messages, by key path.

    Raises
    ------
    ConfigError
        With file, line, key, what was expected and what was found; all problems at once.
    """
    path = Path(path)
    text = read_config_text(path)
    document, lines = load_yaml(text, str(path))
    return make_config(
        document,
        places=Places(source or str(path), lines, typed or {}),
        base=base or path.parent,
        overrides=overrides,
        files=files,
        catalogue=catalogue,
        strategies=strategies,
    )


def make_config(
    document: object,
    *,
    places: Places | None = None,
    base: Path | None = None,
    overrides: Mapping[KeyPath, Any] | None = None,
    files: Sequence[str] = (),
    catalogue: str | None = None,
    strategies: Sequence[str | Mapping[str, Any]] = (),
) -> RunConfig:
    """Complete and check a configuration given as plain values; see `load_config`."""
    problems = Problems(places or Places())
    if not isinstance(document, Mapping):
        raise ConfigError(
            f"{problems.source}: expected a mapping with the keys backtest and strategy, "
            f"found {describe(document)}"
        )
    raw = _copy(document)
    for name in (STUDY, MONTECARLO, LIVE):
        raw.pop(name, None)
    _list_strategies(raw, problems)
    if files:
        replace_files(raw, files)
    if catalogue is not None:
        replace_by_catalogue(raw, catalogue)
    if strategies:
        select_strategies(raw, strategies, problems)
    for path, value in (overrides or {}).items():
        put(raw, path, value, problems)
    _list_strategies(raw, problems)
    _refuse_unbuilt(raw, problems)
    base = (base or Path.cwd()).absolute()
    place_catalogue(raw, base, problems)
    check_models(raw, base, problems)
    place_strategies(raw, base, problems)
    _name_strategies(raw)
    notes = _absolute_paths(raw, base, problems)
    config: RunConfig | None = None
    try:
        config = RunConfig.model_validate(raw)
    except ValidationError as error:
        problems.add_validation(error, RunConfig, DATA_SOURCES)
    _check_consistency(raw, problems)
    problems.raise_if_any()
    assert config is not None, "nothing is wrong with it"
    in_force = [
        strategy.model_copy(
            update={
                "parameters": parameters_in_force(strategy),
                "risk_limits": limits_in_force(strategy, config.backtest),
                **external_in_force(strategy),
            }
        )
        for strategy in config.strategy
    ]
    checked = models_in_force(config.model_copy(update={"strategy": in_force}))
    checked.add_notes(notes)
    return checked


def _copy(value: Any) -> Any:
    """Copy nested plain containers (a shared YAML anchor becomes separate values)."""
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copy(item) for item in value]
    return value


def _list_strategies(raw: dict[str, Any], problems: Problems) -> None:
    """Put one strategy that is given alone into a list."""
    if not isinstance(raw.get("strategy"), (list, type(None))):
        raw["strategy"] = [raw["strategy"]]
        problems.renamed["strategy", 0] = ("strategy",)


def _refuse_unbuilt(raw: dict[str, Any], problems: Problems) -> None:
    for i, strategy in enumerate(raw.get("strategy") or ()):
        name = value_at(strategy, ("type",))
        if name in STRATEGIES_NOT_BUILT:
            there = ", ".join(known_strategies())
            problems.add(("strategy", i, "type"), f"{name} is not built yet, there is {there}")
    if "backtest" not in raw:  # such an entry alone, as the specification shows one
        problems.raise_if_any()


def _name_strategies(raw: dict[str, Any]) -> None:
    """Name the unnamed by their kind, then kind-2, …; names that were given are never taken."""
    strategies = [s for s in raw.get("strategy") or () if isinstance(s, dict)]
    taken = {s["name"] for s in strategies if isinstance(s.get("name"), str)}
    for strategy in strategies:
        kind = strategy.get("type")
        if "name" in strategy or not isinstance(kind, str):
            continue
        first, count = default_name(kind), 1
        name = first
        while name in taken:
            count += 1
            name = f"{first}-{count}"
        strategy["name"] = name
        taken.add(name)


def _absolute_paths(raw: dict[str, Any], base: Path, problems: Problems) -> list[str]:
    """Put files in place of names, in place; return notes on what was left out."""
    source = source_of(raw)
    notes = place_files(source, base, problems) if source is not None else []
    output = value_at(raw, ("backtest", "output"))
    for owner, key in (
        (output, "metrics_file"),
        (output, "trades_file"),
        (output, "directory"),
        (value_at(raw, ("backtest", "account")), "rate_file"),
        *(
            (parameters, name)
            for strategy in raw.get("strategy") or ()
            for name in path_parameters(value_at(strategy, ("type",)))
            for parameters in _parameters_of(strategy)
        ),
    ):
        if isinstance(owner, dict) and key in owner:
            owner[key] = _absolute(owner[key], base)
    return notes


def _parameters_of(strategy: Any) -> list[Any]:
    variants = value_at(strategy, ("variants",))
    return [value_at(strategy, ("parameters",)), *(variants if isinstance(variants, list) else ())]


def _absolute(value: Any, base: Path) -> Any:
    if isinstance(value, list):
        return [_absolute(item, base) for item in value]
    return str(base / Path(value).expanduser()) if isinstance(value, str) and value else value


def _check_consistency(raw: dict[str, Any], problems: Problems) -> None:
    """Check what no single key tells, wherever the keys themselves are right."""
    source = value_at(raw, ("backtest", "data_source"))
    data = _valid(DatabentoSource, source) if value_at(source, ("type",)) == "databento" else None
    if data is not None:
        _check_data(data, problems)
    symbols = data.symbols if data is not None else []
    _check_shared_books(raw, problems)
    check_limits(raw, problems)
    check_days(raw, problems)
    check_accounts(raw, problems)
    entries = raw.get("strategy") or ()
    named = (value_at(entry, ("name",)) for entry in entries)
    names = Counter(name for name in named if isinstance(name, str))
    for i, entry in enumerate(entries):
        strategy = _valid(StrategyEntry, entry)
        if strategy is None:
            continue
        variants = check_variants(strategy, ("strategy", i), problems)
        definition = known_strategy(strategy.type)
        if definition is not None:
            where = ("strategy", i)
            check_external(strategy, definition.definition, variants, where, problems)
        names.update(variant.name for variant in variants if variant.variant_of is not None)
        taken = [variant.name for variant in variants if names[variant.name] > 1]
        if names[strategy.name] > 1 or taken:
            name = taken[0] if taken else strategy.name
            problems.add(("strategy", i, "name"), f"{name!r} is the name of another one")
        unknown = {
            name
            for name in strategy.symbols
            if symbols and not any(is_named(symbol, (name,)) for symbol in symbols)
            if not any(root_of(symbol) for symbol in symbols)  # its contracts are not known yet
        }
        if unknown:
            name = min(unknown)
            hint = suggest(name, symbols)
            problems.add(
                ("strategy", i, "symbols"),
                f"{name} is not among the symbols of data_source, {hint}",
            )


def _check_shared_books(raw: dict[str, Any], problems: Problems) -> None:
    """Check that strategies that share a book share its fill model: lots are handed out once."""
    common = _valid(FillModel, value_at(raw, ("backtest", "execution", "fill_model")) or {})
    models: dict[str, tuple[str, FillModel]] = {}  # of the first strategy of each book
    for i, entry in enumerate(raw.get("strategy") or ()):
        strategy = _valid(StrategyEntry, entry)
        if strategy is None or strategy.execution is None or common is None:
            continue
        book = strategy.execution.shared_book
        model = strategy.execution.fill_model or common
        if book is None:
            continue
        name, first = models.setdefault(book, (strategy.name, model))
        if model != first:
            problems.add(
                ("strategy", i, "execution", "shared_book"),
                f"expected the fill_model of {name}, with which it shares {book!r}, found another",
            )


def _valid(model: type[_Model], value: object) -> _Model | None:
    """Return the part as its model; None where it is not there or has problems of its own."""
    try:
        return model.model_validate(value)
    except ValidationError:
        return None


def _check_data(data: DatabentoSource, problems: Problems) -> None:
    if data.start is not None and data.end is not None and data.start >= data.end:
        start, end = time_text(data.start), time_text(data.end)
        problems.add(
            ("backtest", "data_source", "end"),
            f"expected a time after start ({start}), found {end}",
        )
    if data.roll is not None and not any(root_of(symbol) for symbol in data.symbols):
        problems.add(
            ("backtest", "data_source", "roll"),
            "expected continuous symbols such as ES.v.0, which roll, found none",
        )
    for where, files in (
        (_FILES, data.files),
        (_STATUS_FILES, data.status_files),
        (_DEFINITION_FILES, data.definition_files),
        (_STATISTICS_FILES, data.statistics_files),
        (_VOLUME_FILES, data.volume_files),
    ):
        twice = same_file(files)
        if twice is not None:
            problems.add(where, twice)
