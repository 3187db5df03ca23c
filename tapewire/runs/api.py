"""``tapewire.run``: a backtest from Python, as a notebook asks for it."""

import datetime
import operator
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, SupportsIndex

import numpy as np

from tapewire.config.finding import is_strategy
from tapewire.config.models import model_keys
from tapewire.config.problems import Places, Problems
from tapewire.config.schema import RunConfig, parse_time_ns
from tapewire.config.wording import describe, dotted, dotted_keys, suggest
from tapewire.config.yaml import KeyPath
from tapewire.errors import ConfigError
from tapewire.runs.assembly import run_checked
from tapewire.runs.hooks import Hooks
from tapewire.runs.requests import (
    FILES_KEY,
    OPTION_KEYS,
    Request,
    speed_value,
    split_inputs,
    split_names,
)
from tapewire.runs.result import RunResult

#: A path, as text or an object of `pathlib`.
AnyPath = str | os.PathLike[str]
#: A moment: ISO 8601 (UTC where no zone is given), ns since the epoch, or a datetime of Python,
#: NumPy or pandas.
Time = str | int | datetime.date | np.datetime64
#: A strategy: the name of one in the configuration, a type, an entry as in the configuration, or
#: an object: a class of strategies, an instance of one with its parameters, or a definition.
AnyStrategy = Any

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_US: Final = datetime.timedelta(microseconds=1)


def run(
    config: RunConfig | AnyPath | Iterable[AnyPath] | Mapping[str, Any] | None = None,
    *,
    files: AnyPath | Iterable[AnyPath] | None = None,
    strategies: AnyStrategy | Iterable[AnyStrategy] | None = None,
    symbols: str | Iterable[str | SupportsIndex] | None = None,
    publishers: Iterable[SupportsIndex] | None = None,
    start: Time | None = None,
    end: Time | None = None,
    warmup: str | None = None,
    instruments: Mapping[str, Mapping[str, Any]] | None = None,
    seed: SupportsIndex | None = None,
    speed: str | float | None = None,
    transport: str | None = None,
    payload: str | None = None,
    batch_records: SupportsIndex | None = None,
    cache: bool | None = None,
    overrides: Mapping[str | KeyPath, Any] | None = None,
    output: AnyPath | None = None,
    name: str | None = None,
    force: bool = False,
    connect: str | None = None,
    checkpoint: bool = False,
    resume: bool = False,
    hooks: Hooks | None = None,
) -> RunResult:
    """Run a backtest.

    Parameters
    ----------
    config
        A configuration: checked, as the path of a YAML file, or as plain values; or market data,
        a file or a list of files, which may have a YAML file among them. Without anything, both
        example strategies run on a synthetic session.
    files
        Market data files in place of the configuration's; folders, wildcards and dates are fine.
    strategies
        Only these: names in the configuration, else types, which then have their default
        parameters; entries like ``{"type": "market_maker", "parameters": {…}}``; or the strategies
        themselves: a class, an instance of it with its parameters, a `StrategyDefinition`.
    symbols, publishers, start, end
        Only these instruments (symbols, or ids where there are none) and publishers; strategies
        begin at ``start`` and the data stop before ``end`` (``ts_recv``).
    warmup
        What builds the books before ``start``: ``full`` (the default), ``snapshot`` or ``none``.
    instruments
        Tick size and multiplier by symbol: ``{"ESH4": {"tick_size": 0.25, "multiplier": 50}}``.
    seed, speed, transport, payload, batch_records, cache
        As on the command line (``tapewire run --help``); a number as ``speed`` is a multiple of
        real time.
    overrides
        Any other value of the configuration, by its key:
        ``{"backtest.risk_limits.max_loss": 500, "strategy.market_maker.parameters.quantity": 2}``.
        A key may also be a tuple of its parts, where a part has a dot in it.
    output
        The run folder; by default ``backtest.output.directory``, else a new folder in ``runs/``.
    name
        What the new folder in ``runs/`` is called after its time.
    force
        Replace an earlier run in that folder, once this one is complete.
    connect
        Endpoint of a replay that was started by hand (``tapewire replay … --bind``); the
        configuration's own files are not read then.
    checkpoint, resume
        With days apart: keep each day as it is done; go on with a run that did, was stopped, and
        is the same in everything but its workers.
    hooks
        What is told while the run goes on.

    Returns
    -------
    RunResult
        Digest, manifest and tables of the finished run.

    Raises
    ------
    TapewireError
        See `tapewire.errors`; the run folder's manifest then says the run is incomplete or
        failed, where the run had come so far as to have one.

    Notes
    -----
    A process may do this any number of times, in several threads at once and from a hook of another
    run; Ctrl-C and SIGTERM end a run in the main thread only.
    """
    problems = Problems(Places("tapewire.run"))
    _require(problems, "output", output, (str, os.PathLike), "a path")
    _require(problems, "name", name, (str,), "a string")
    _require(problems, "force", force, (bool,), "true or false")
    _require(problems, "checkpoint", checkpoint, (bool,), "true or false")
    _require(problems, "resume", resume, (bool,), "true or false")
    _require(problems, "connect", connect, (str,), "an address like tcp://127.0.0.1:5555")
    _require(problems, "hooks", hooks, (Hooks,), "tapewire.runs.hooks.Hooks")
    request = request_of(
        config,
        problems,
        files=files,
        strategies=strategies,
        overrides=overrides,
        connect=connect,
        options={
            "symbols": symbols,
            "publishers": publishers,
            "start": start,
            "end": end,
            "warmup": warmup,
            "instruments": instruments,
            "seed": seed,
            "speed": speed,
            "transport": transport,
            "payload": payload,
            "batch_records": batch_records,
            "cache": cache,
        },
    )
    return run_checked(
        request.checked(label=str),
        name=name or request.name,
        output=output,
        force=force,
        connect=connect,
        hooks=hooks,
        checkpoint=checkpoint,
        resume=resume,
    )


def request_of(
    config: Any,
    problems: Problems,
    *,
    files: Any,
    strategies: Any,
    overrides: Any,
    options: Mapping[str, Any],
    connect: str | None = None,
    fed: bool = False,
) -> Request:
    """Return what was asked for, as `run` takes it, or raise what is wrong with it.

    Parameters
    ----------
    problems
        What is wrong so far.
    options
        Values as they were given, by the names of `OPTION_KEYS`.
    """
    chosen, inputs = _inputs(config, files, problems)
    paths = _overrides(overrides, problems)
    wanted = _strategies(strategies, problems)
    given = {name: _plain(value) for name, value in options.items()}
    if isinstance(given.get("symbols"), str):
        given["symbols"] = split_names(given["symbols"])
    given["speed"] = speed_value(given.get("speed"))
    _refuse_twice(given, inputs, paths, problems)
    problems.raise_if_any()
    return Request(
        config=chosen,
        files=inputs,
        strategies=wanted,
        options=given,
        overrides=paths,
        connect=connect,
        fed=fed,
    )


def time_ns(name: str, moment: Time) -> int:
    """Return a moment as ns since the epoch.

    Raises
    ------
    ConfigError
        If it is none, calling it `name`.
    """
    try:
        return parse_time_ns(_plain(moment), any_ns=True)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}, found {describe(moment)}") from None


def _require(
    problems: Problems, name: str, value: object, kinds: tuple[type, ...], what: str
) -> None:
    if value is not None and not isinstance(value, kinds):
        problems.add_typed((name,), name, f"expected {what}, found {describe(value)}")


def _paths(value: object, name: str, problems: Problems) -> list[Path]:
    """Return one path or several; note what is none."""
    if value is None:
        return []
    if isinstance(value, (str, os.PathLike)):
        value = [value]
    if not isinstance(value, Iterable) or isinstance(value, (bytes, Mapping)):
        what = "a path or a list of paths"
        if name == "config":
            what = "a configuration, or data: a path or a list of paths"
        problems.add_typed((name,), name, f"expected {what}, found {describe(value)}")
        return []
    paths = []
    given = list(value)
    if not given:
        problems.add_typed((name,), name, "expected at least one file, found none")
    for i, path in enumerate(given):
        if isinstance(path, (str, os.PathLike)):
            paths.append(Path(path))
        else:
            label = f"{name}[{i}]"
            problems.add_typed((name, i), label, f"expected a path, found {describe(path)}")
    return paths


def _inputs(
    config: Any, files: Any, problems: Problems
) -> tuple[RunConfig | Path | Mapping[str, Any] | None, list[str]]:
    """Tell the configuration from the data."""
    data = _paths(files, "files", problems)
    chosen = config
    if not isinstance(config, (RunConfig, Mapping, type(None))):
        chosen, first = split_inputs(_paths(config, "config", problems))
        if first and data:
            message = f"expected none besides {first[0]}; give all of them in one place"
            problems.add_typed(("files",), "files", message)
        data = first + data
    return chosen, [str(path) for path in data]


def _strategies(value: Any, problems: Problems) -> list[AnyStrategy]:
    if value is None:
        return []
    name, what = "strategies", "the name, type or entry of a strategy"
    if isinstance(value, (str, Mapping)) or _as_entry(value) is not None:
        value = [value]
    if not isinstance(value, Iterable) or isinstance(value, bytes):
        problems.add_typed((name,), name, f"expected {what}, or a list, found {describe(value)}")
        return []
    wanted: list[AnyStrategy] = []
    for i, entry in enumerate(value):
        given = _as_entry(entry)
        if isinstance(entry, (str, Mapping)):
            wanted.append(_plain(entry))
        elif given is not None:
            wanted.append(given)
        else:
            problems.add_typed(
                (name, i), f"{name}[{i}]", f"expected {what}, found {describe(entry)}"
            )
    if not wanted and not problems:
        problems.add_typed((name,), name, "expected at least one, found none")
    return wanted


def _as_entry(value: Any) -> dict[str, Any] | None:
    """Return the entry of a strategy given as an object, None for anything else."""
    if isinstance(value, (str, Mapping)):
        return None
    if is_strategy(value):
        return {"type": value}
    if is_strategy(type(value)):
        return {"type": type(value), "parameters": _plain(value.parameters)}
    return None


def _overrides(value: Any, problems: Problems) -> dict[KeyPath, Any]:
    """Turn dotted keys into key paths."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        what = "a mapping like {'backtest.seed': 7}"
        problems.add_typed(("overrides",), "overrides", f"expected {what}, found {describe(value)}")
        return {}
    paths: dict[KeyPath, Any] = {}
    for key, item in value.items():
        path = _key_path(key)
        if not path:
            message = f"expected a key like 'backtest.seed', found {key!r}"
            problems.add_typed(("overrides", str(key)), "overrides", message)
        elif path[0] not in RunConfig.model_fields:
            problems.add_typed(
                ("overrides", str(key)), "overrides", f"unknown key {key!r}, {_meant(str(key))}"
            )
        else:
            paths[path] = _plain(item)
    return paths


def _refuse_twice(
    options: Mapping[str, Any], files: list[str], overrides: Iterable[KeyPath], problems: Problems
) -> None:
    """Refuse an override that would undo an argument, whose word it is nobody can tell."""
    given = {name: OPTION_KEYS[name] for name, value in options.items() if value is not None}
    if files:
        given["files"] = FILES_KEY
    for name, key in given.items():
        for path in overrides:
            if path == key[: len(path)]:
                message = f"expected in one place, found in overrides, too ({dotted(path)!r})"
                problems.add_typed((name,), name, message)


def _key_path(key: object) -> KeyPath:
    if isinstance(key, str):
        parts = re.sub(r"\[(\d+)\]", r".\1", key).split(".")
        return tuple(parts) if all(parts) else ()
    if isinstance(key, tuple) and all(isinstance(part, (str, int)) for part in key):
        return key
    return ()


def _meant(key: str) -> str:
    known = [*dotted_keys(RunConfig), *model_keys()]
    ends = [name for name in known if name.endswith(f".{key}")]
    return suggest(ends[0], ends) if ends else suggest(key, known)


def _plain(value: Any) -> Any:
    """Return values of NumPy, pandas and the standard library as those of a configuration."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.datetime64):
        return str(value) if np.isnat(value) else int(value.astype("datetime64[ns]").astype(int))
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, datetime.datetime):
        return _ns(value)
    if isinstance(value, (datetime.date, os.PathLike)):
        return str(value)
    if isinstance(value, (str, bytes, bool, int, float)):
        return value
    if isinstance(value, SupportsIndex):
        return operator.index(value)
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    return value


def _ns(moment: datetime.datetime) -> int | str:
    """Return ns since the epoch; without a zone it is UTC, as in a configuration."""
    if moment != moment:
        return str(moment)
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)
    micros = (aware - _EPOCH) // _US
    return int(micros) * 1_000 + int(getattr(moment, "nanosecond", 0))
