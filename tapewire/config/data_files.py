"""Which market data files a name stands for: itself, those of a folder, of a pattern, of dates."""

import datetime as dt
import glob
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tapewire.config.edits import value_at
from tapewire.config.problems import Problems
from tapewire.config.yaml import KeyPath
from tapewire.errors import ConfigError, InputError

#: What the keys of `data_source` that name files hold.
SCHEMA_KEYS: Final = {
    "files": "mbo",
    "status_files": "status",
    "definition_files": "definition",
    "statistics_files": "statistics",
    "volume_files": "ohlcv-1d",
}
#: Options of commands that name files which say something about contracts.
CONTRACT_OPTIONS: Final = {
    "definition_files": "--definitions",
    "statistics_files": "--statistics",
    "volume_files": "--volumes",
}
#: Of a folder these are taken.
DATA_ENDINGS: Final = (".dbn", ".dbn.zst", ".dbz")
#: These hold market data, too, but are to be converted first.
EXPORT_ENDINGS: Final = (".csv", ".csv.zst", ".csv.gz", ".parquet")
#: A file a day: ``day-{20240101..20240131}.mbo.dbn.zst``.
_DATES: Final = re.compile(r"\{(\d{8}|\d{4}-\d\d-\d\d)\.\.(\d{8}|\d{4}-\d\d-\d\d)\}")
_DAYS_MAX: Final = 10_000
_TOLD_MAX: Final = 5
_SATURDAY: Final = 5


@dataclass
class _Named:
    """What one name stands for.

    Attributes
    ----------
    paths
        Files in order; none: nothing was found.
    chosen
        Whether the name says "those that fit" (a folder, a pattern) rather than just these.
    notes
        What deserves a look, in words.
    """

    paths: list[str]
    chosen: bool = False
    notes: list[str] = field(default_factory=list)


def place_files(source: dict[str, Any], base: Path, problems: Problems) -> list[str]:
    """Put files in place of the names in a data source, in place.

    Of a folder or a pattern each file goes where its schema belongs, whichever key named it:
    ``mbo`` (or without it the one schema of levels) to `files`, ``status`` to `status_files`, …

    Parameters
    ----------
    source
        ``backtest.data_source`` as plain values.
    base
        Where relative names start.
    problems
        Told of names that nothing fits.

    Returns
    -------
    list of str
        What was left out, and why.
    """
    placed: dict[str, list[Any]] = {}
    for key in SCHEMA_KEYS:
        names = source.get(key)
        if isinstance(names, list):
            placed[key] = []
    notes: list[str] = []
    more: dict[str, list[str]] = {}
    for key, into in placed.items():
        for i, name in enumerate(source[key]):
            where: KeyPath = ("backtest", "data_source", key, i)
            if not isinstance(name, str) or not name:
                into.append(name)
                continue
            try:
                named = _named(name, base)
            except ConfigError as error:
                problems.add(where, str(error))
                into.append(name)
                continue
            notes += named.notes
            if not named.paths:
                problems.add(where, f"no file matches {name!r} in {base}")
                into.append(name)
            elif named.chosen:
                sorted_out = _by_schema(named.paths)
                into += _fitting(name, key, sorted_out, where, problems)
                if key == "files":
                    _place_others(name, sorted_out, more, notes)
            else:
                into += named.paths
    for key, paths in more.items():
        there = placed.setdefault(key, [])
        there += [path for path in paths if path not in there]
    source.update(placed)
    return notes


def expand_files(names: Sequence[str], label: str = "FILES") -> tuple[list[str], list[str]]:
    """Return the files of schema mbo that names on a command line stand for, and notes.

    Raises
    ------
    ConfigError
        If a name fits no file.
    """
    source, notes = expand_source({"files": names}, label)
    return source["files"], notes


def expand_source(
    named: Mapping[str, Sequence[str]], label: str = "FILES"
) -> tuple[dict[str, list[str]], list[str]]:
    """Return the files that names on a command line stand for by key of `data_source`, and notes.

    Of folders and patterns, files that say something about contracts go to their own keys; trading
    states say nothing about them, and are left out.

    Parameters
    ----------
    named
        Names by key: ``files``, and those of `CONTRACT_OPTIONS`.
    label
        What the command line calls ``files``.

    Raises
    ------
    ConfigError
        If a name fits no file.
    """
    from tapewire.config.problems import Places

    labels = {"files": label, **CONTRACT_OPTIONS}
    typed: dict[KeyPath, str] = {
        ("backtest", "data_source", key, i): labels[key]
        for key, names in named.items()
        for i in range(len(names))
    }
    problems = Problems(Places("command line", typed=typed))
    source: dict[str, Any] = {key: list(names) for key, names in named.items()}
    notes = place_files(source, Path(), problems)  # names stay as they were typed
    problems.raise_if_any()
    return {key: files for key, files in source.items() if key in labels}, notes


def _named(name: str, base: Path) -> _Named:
    path = base / Path(name).expanduser()
    if path.is_dir():
        return _of_folder(path, name)
    if path.exists():
        return _Named([str(path)])
    if _DATES.search(name):
        return _of_dates(name, path)
    if not glob.has_magic(name):
        return _Named([str(path)])
    matches = _matches(path)
    paths = [p for p in matches if not Path(p).is_dir()]
    for folder in (Path(p) for p in matches if Path(p).is_dir()):
        if "**" not in name:  # which has the files themselves, too
            paths += _files_of(folder)
    return _Named(paths, chosen=True)


def _matches(path: Path) -> list[str]:
    return sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 (absolute patterns)


def _files_of(folder: Path) -> list[str]:
    try:
        names = sorted(p.name for p in folder.iterdir() if p.name.endswith(DATA_ENDINGS))
    except OSError as error:
        raise ConfigError(f"{folder}: can't be read: {error.strerror}") from None
    return [str(folder / name) for name in names]


def _of_folder(folder: Path, name: str) -> _Named:
    paths = _files_of(folder)
    if paths:
        return _Named(paths, chosen=True)
    exports = sorted(p.name for p in folder.iterdir() if p.name.endswith(EXPORT_ENDINGS))
    hint = f": convert {exports[0]} with `tapewire data convert` first" if exports else ""
    raise ConfigError(
        f"expected {', '.join(DATA_ENDINGS)} files in the folder {name!r}, found none{hint}"
    )


def _of_dates(name: str, path: Path) -> _Named:
    """Expand ``{20240101..20240131}``: the days that have a file."""
    match = _DATES.search(str(path))
    assert match is not None
    first, last = (_date(text, name) for text in match.groups())
    if first > last or (last - first).days >= _DAYS_MAX:
        raise ConfigError(
            f"expected dates in order, at most {_DAYS_MAX:,} of them, found {match.group()!r}"
        )
    style = "%Y-%m-%d" if "-" in match.group(1) else "%Y%m%d"
    paths: list[str] = []
    missing: list[str] = []
    for n in range((last - first).days + 1):
        day = first + dt.timedelta(n)
        # What is around the date may be a pattern itself.
        one = Path(str(path)[: match.start()] + day.strftime(style) + str(path)[match.end() :])
        found = [str(one)] if one.exists() else _matches(one) if glob.has_magic(str(one)) else []
        paths += found
        if not found and day.weekday() < _SATURDAY:
            missing.append(day.isoformat())
    notes = []
    if paths and missing:
        notes = [f"{name}: no file for {_listed(missing, 'weekdays')}"]
    return _Named(paths, chosen=True, notes=notes)


def _date(text: str, name: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"expected dates as in {{20240101..20240131}}, found {name!r}") from None


def _listed(days: Sequence[str], what: str) -> str:
    """Name the first few days."""
    more = len(days) - _TOLD_MAX
    said = ", ".join(days[:_TOLD_MAX])
    return said if more <= 0 else f"{said} and {more:,} more {what}"


def _by_schema(paths: Sequence[str]) -> dict[str, list[str]]:
    """Sort files by the schema of their header; what can't be told is for the replay to refuse."""
    from tapewire.replay.schemas import MIXED, schema_of

    found: dict[str, list[str]] = {}
    for path in paths:
        try:
            schema = schema_of(path)
        except InputError:
            schema = "mbo"
        found.setdefault("mbo" if schema == MIXED else schema, []).append(path)
    return found


def _fitting(
    name: str, key: str, by_schema: dict[str, list[str]], where: KeyPath, problems: Problems
) -> list[str]:
    """Return the files that the key is for."""
    wanted = SCHEMA_KEYS[key]
    fitting = by_schema.get(wanted, [])
    if wanted == "mbo":
        fitting = fitting or by_schema.get(_levels_in(by_schema), [])
    if not fitting:
        others = ", ".join(f"{len(p):,} of {s}" for s, p in by_schema.items())
        problems.add(where, f"expected files of schema {wanted} in {name!r}, found {others}")
        return [name]
    return fitting


def _levels_in(by_schema: dict[str, list[str]]) -> str:
    """Return the schema of levels that stands for `mbo` where that is not there, if it is one."""
    from tapewire.replay.levels import SCHEMAS

    there = [schema for schema in by_schema if schema in SCHEMAS]
    return there[0] if len(there) == 1 and "mbo" not in by_schema else ""


def _place_others(
    name: str, by_schema: dict[str, list[str]], more: dict[str, list[str]], notes: list[str]
) -> None:
    """Give files of other schemas to their keys, or say that they are not used."""
    skipped: Counter[str] = Counter()
    keys = {schema: key for key, schema in SCHEMA_KEYS.items()}
    for schema, paths in by_schema.items():
        if schema in ("mbo", _levels_in(by_schema)):
            continue
        if schema in keys:
            more.setdefault(keys[schema], []).extend(paths)
        else:
            skipped[schema] += len(paths)
    if skipped:
        counted = ", ".join(f"{n:,} of {schema}" for schema, n in sorted(skipped.items()))
        notes.append(f"{name}: files of schemas that a run does not use were skipped: {counted}")


def source_of(raw: dict[str, Any]) -> dict[str, Any] | None:
    """Return the data source of a configuration as plain values, None where it is no mapping."""
    source = value_at(raw, ("backtest", "data_source"))
    return source if isinstance(source, dict) else None
