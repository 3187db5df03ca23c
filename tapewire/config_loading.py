"""From a YAML file, plain values and command-line overrides to a checked `RunConfig`.

What is wrong is said as one `ConfigError`: file and line, key, what was expected, what was found,
and a suggestion where a name is close to a known one.
"""

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from tapewire._config_errors import config_error, describe, from_validation, suggest
from tapewire._strategies import checked_parameters, known_strategies, path_parameters
from tapewire._yaml import MAX_BYTES, KeyPath, load_yaml
from tapewire.config import DATA_SOURCES, DatabentoSource, RunConfig
from tapewire.errors import ConfigError

#: Named in the specification or the design, not built yet: said by name instead of "unknown".
NOT_BUILT: Final[dict[KeyPath, tuple[tuple[str, ...], str]]] = {
    ("backtest", "execution", "latency_model", "type"): (
        ("uniform", "normal", "lognormal", "exponential", "recorded"),
        "fixed",
    ),
    ("backtest", "execution", "fill_model", "type"): (
        ("probabilistic", "trade_through"),
        "mbo_queue (the exact queue of the data)",
    ),
    ("backtest", "execution", "fill_model", "queue_position_model"): (
        ("pro_rata", "size_weighted"),
        "fifo",
    ),
    ("backtest", "execution", "market_impact", "type"): (
        ("square_root", "decaying"),
        "none and linear",
    ),
}
STRATEGIES_NOT_BUILT: Final = ("ml_enhanced_momentum", "momentum", "mean_reversion", "ml")


def load_config(
    path: str | Path,
    overrides: Mapping[KeyPath, Any] | None = None,
    *,
    files: Sequence[str] = (),
    strategies: Sequence[str] = (),
    base: Path | None = None,
) -> RunConfig:
    """Read, complete and check a configuration file.

    Parameters
    ----------
    path
        The YAML file.
    overrides
        Values that replace those of the file, by key path, as ``("backtest", "seed"): 7``.
    files
        Market data files that replace those of the file.
    strategies
        Run only these: names in the file, else types, which then have their default parameters.
    base
        Folder that relative paths in the file start from; the file's own by default.

    Raises
    ------
    ConfigError
        With file, line, key, what was expected and what was found.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ConfigError(
                f"{path}: expected a configuration of at most {MAX_BYTES:,} bytes, found {size:,}"
            )
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: expected a configuration file, found nothing there") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: expected YAML in UTF-8, found byte {error.object[error.start]:#04x} "
            f"at offset {error.start}"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    document, lines = load_yaml(text, str(path))
    return make_config(
        document,
        source=str(path),
        lines=lines,
        base=base or path.parent,
        overrides=overrides,
        files=files,
        strategies=strategies,
    )


def make_config(
    document: object,
    *,
    source: str = "configuration",
    lines: dict[KeyPath, int] | None = None,
    base: Path | None = None,
    overrides: Mapping[KeyPath, Any] | None = None,
    files: Sequence[str] = (),
    strategies: Sequence[str] = (),
) -> RunConfig:
    """Complete and check a configuration given as plain values; see `load_config`."""
    lines = lines or {}
    if not isinstance(document, dict):
        raise ConfigError(
            f"{source}: expected a mapping with the keys backtest and strategy, "
            f"found {describe(document)}"
        )
    raw = _copy(document)
    one = not isinstance(raw.get("strategy"), (list, type(None)))
    if one:
        raw["strategy"] = [raw["strategy"]]
    rename: dict[KeyPath, KeyPath] = {("strategy", 0): ("strategy",)} if one else {}
    if files:
        _replace_files(raw, files)
    for path, value in (overrides or {}).items():
        _put(raw, path, value)
    if strategies:
        one = False
        rename = {}
        _select_strategies(raw, strategies)
    _refuse_unbuilt(raw, source, lines, one)
    _name_strategies(raw)
    _absolute_paths(raw, (base or Path.cwd()).absolute(), source, lines)
    try:
        config = RunConfig.model_validate(raw)
    except ValidationError as error:
        raise from_validation(error, RunConfig, DATA_SOURCES, source, lines, rename) from None
    _check_consistency(config, source, lines, one)
    return config


def _copy(value: Any) -> Any:
    """Copy nested plain containers (a shared YAML anchor becomes separate values)."""
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copy(item) for item in value]
    return value


def _put(raw: dict[str, Any], path: KeyPath, value: Any) -> None:
    for part in path[:-1]:
        inner = raw.get(str(part))
        raw[str(part)] = raw = inner if isinstance(inner, dict) else {}
    raw[str(path[-1])] = value


def _replace_files(raw: dict[str, Any], files: Sequence[str]) -> None:
    """Put in other files; filters stay where they were for files, too."""
    data_source = _get(raw, ("backtest", "data_source"))
    if _get(data_source, ("type",)) != "databento":
        _put(raw, ("backtest", "data_source"), {"type": "databento"})
    absolute = [str(Path(name).expanduser().absolute()) for name in files]
    _put(raw, ("backtest", "data_source", "files"), absolute)


def _select_strategies(raw: dict[str, Any], wanted: Sequence[str]) -> None:
    """Keep the named entries; what names none is the type of a new one."""
    entries = raw.get("strategy")
    there = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
    chosen: list[dict[str, Any]] = []
    for name in wanted:
        named = [e for e in there if name in (e.get("name"), e.get("type")) and e not in chosen]
        chosen += named or [{"type": name}]
    raw["strategy"] = chosen


def _get(raw: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        if not isinstance(raw, dict):
            return None
        raw = raw.get(part)
    return raw


def _refuse_unbuilt(raw: dict[str, Any], source: str, lines: dict[KeyPath, int], one: bool) -> None:
    for path, (names, instead) in NOT_BUILT.items():
        name = _get(raw, path)
        if name in names:
            raise config_error(path, f"{name} is not built yet, there is {instead}", source, lines)
    output = ("backtest", "output", "detailed_log")
    if _get(raw, output) is True:
        there = "orders.parquet and fills.parquet, which have every order and fill"
        raise config_error(output, f"true is not built yet, there are {there}", source, lines)
    for i, strategy in enumerate(raw.get("strategy") or ()):
        name = _get(strategy, ("type",))
        if name in STRATEGIES_NOT_BUILT:
            there = ", ".join(known_strategies())
            where = (*_strategy_path(i, one), "type")
            raise config_error(where, f"{name} is not built yet, there is {there}", source, lines)


def _strategy_path(index: int, one: bool) -> KeyPath:
    """Where the file has a strategy: it may be given alone, not in a list."""
    return ("strategy",) if one else ("strategy", index)


def _name_strategies(raw: dict[str, Any]) -> None:
    """Name the unnamed: the type, then type-2, …; names that were given are never taken."""
    strategies = [s for s in raw.get("strategy") or () if isinstance(s, dict)]
    taken = {s["name"] for s in strategies if isinstance(s.get("name"), str)}
    for strategy in strategies:
        kind = strategy.get("type")
        if "name" in strategy or not isinstance(kind, str):
            continue
        name, count = kind, 1
        while name in taken:
            count += 1
            name = f"{kind}-{count}"
        strategy["name"] = name
        taken.add(name)


def _absolute_paths(
    raw: dict[str, Any], base: Path, source: str, lines: dict[KeyPath, int]
) -> None:
    data_source = _get(raw, ("backtest", "data_source"))
    files = _get(data_source, ("files",))
    if isinstance(files, list):
        found: list[Any] = []
        for i, name in enumerate(files):
            matches = _expand(name, base)
            if not matches:
                where: KeyPath = ("backtest", "data_source", "files", i)
                raise config_error(where, f"no file matches {name!r} in {base}", source, lines)
            found += matches
        data_source["files"] = found
    output = _get(raw, ("backtest", "output"))
    for owner, key in (
        (output, "metrics_file"),
        (output, "trades_file"),
        (output, "directory"),
        *(
            (_get(strategy, ("parameters",)), name)
            for strategy in raw.get("strategy") or ()
            for name in path_parameters(_get(strategy, ("type",)))
        ),
    ):
        if isinstance(owner, dict) and isinstance(owner.get(key), str) and owner[key]:
            owner[key] = str(base / Path(owner[key]).expanduser())


def _expand(name: object, base: Path) -> list[object]:
    """Return the files a name stands for: itself, or the sorted matches of its wildcards."""
    if not isinstance(name, str) or not name:
        return [name]
    path = base / Path(name).expanduser()
    if not glob.has_magic(name) or path.exists():
        return [str(path)]
    return [*sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 (absolute patterns)


def _check_consistency(
    config: RunConfig, source: str, lines: dict[KeyPath, int], one: bool
) -> None:
    """Check what no single key tells."""
    backtest = config.backtest
    data, impact = backtest.data_source, backtest.execution.market_impact
    if isinstance(data, DatabentoSource):
        if data.start is not None and data.end is not None and data.start >= data.end:
            raise config_error(
                ("backtest", "data_source", "end"),
                f"expected a time after start ({data.start}), found {data.end}",
                source,
                lines,
            )
        if len(set(data.files)) < len(data.files):
            twice = next(f for f in data.files if data.files.count(f) > 1)
            raise config_error(
                ("backtest", "data_source", "files"), f"{twice} is given twice", source, lines
            )
    if impact.type == "none" and impact.impact_bps_per_million:
        raise config_error(
            ("backtest", "execution", "market_impact", "impact_bps_per_million"),
            "expected none with type none; use type linear",
            source,
            lines,
        )
    names = [s.name for s in config.strategy]
    for i, strategy in enumerate(config.strategy):
        where = _strategy_path(i, one)
        if names.count(strategy.name) > 1:
            raise config_error(
                (*where, "name"), f"{strategy.name!r} is the name of another one", source, lines
            )
        checked_parameters(strategy, where, source, lines)
        unknown = set(strategy.symbols) - set(getattr(data, "symbols", ()) or strategy.symbols)
        if unknown:
            name = min(unknown)
            hint = suggest(name, getattr(data, "symbols", ()))
            raise config_error(
                (*where, "symbols"),
                f"{name} is not among the symbols of data_source, {hint}",
                source,
                lines,
            )
