"""What the command line or Python changes in a configuration before it is checked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tapewire.config.finding import absolute_kind, short_name
from tapewire.config.problems import Problems
from tapewire.config.wording import describe, dotted, suggest
from tapewire.config.yaml import KeyPath


def value_at(raw: Any, path: Sequence[str | int]) -> Any:
    """Return the value at a key path, None where there is none."""
    for part in path:
        if not isinstance(raw, dict):
            return None
        raw = raw.get(part)
    return raw


def put(raw: dict[str, Any], path: KeyPath, value: Any, problems: Problems) -> None:
    """Set the value at a key path, making what is missing on the way.

    An entry of a list goes by its number, else by its name, else by its type.
    """
    label = problems.typed.pop(path, None) or f"overrides: {dotted(path)}"
    owner: Any = raw
    known: KeyPath = ()
    for part in path:
        key = _key_in(owner, part)
        if key is None:
            problems.add_typed(path, label, _no_such(owner, dotted(known), part))
            return
        known = (*known, key)
        if len(known) == len(path):
            owner[key] = value
        elif isinstance(owner, dict) and owner.get(key) is None:
            owner[key] = {}
        owner = owner[key]
    problems.typed[known] = label


def _key_in(owner: Any, part: str | int) -> Any:
    """Return what `part` is in a mapping or a list; None where it is nothing."""
    if isinstance(owner, dict):
        # YAML has 42 as a number, an override as text: both are the instrument of that number.
        return next((key for key in owner if str(key) == str(part)), str(part))
    if not isinstance(owner, list):
        return None
    if isinstance(part, int) or part.isdecimal():
        return int(part) if int(part) < len(owner) else None
    for rank in range(3):
        for i, entry in enumerate(owner):
            if isinstance(entry, dict) and _names_of(entry)[rank] == part:
                return i
    return None


def _names_of(entry: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return what an entry may be called: its name, its type, and NAME of ``file.py:NAME``."""
    kind = entry.get("type")
    return entry.get("name"), kind, short_name(kind)


def _no_such(owner: Any, where: str, part: str | int) -> str:
    if not isinstance(owner, list):
        return f"{where} is {describe(owner)}, it has no keys"
    names = [str(e.get("name", e.get("type"))) for e in owner if isinstance(e, dict)]
    return f"{where} has no {part!r}, {suggest(str(part), names)}"


def replace_files(raw: dict[str, Any], files: Sequence[str]) -> None:
    """Put in other files; filters stay where they were for files, too."""
    source = _files_source(raw)
    source.pop("catalogue", None)
    source["files"] = [str(Path(name).expanduser().absolute()) for name in files]


def replace_by_catalogue(raw: dict[str, Any], folder: str) -> None:
    """Put in a catalogue in place of files; what it is searched for stays where it was."""
    source = _files_source(raw)
    source.pop("files", None)
    source["catalogue"] = str(Path(folder).expanduser().absolute())


def _files_source(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the data source, made one of files if it is another."""
    backtest = raw.get("backtest")
    if backtest is None:
        backtest = raw["backtest"] = {}
    if not isinstance(backtest, dict):
        return {}  # its check says what it is instead of a mapping
    if value_at(backtest, ("data_source", "type")) != "databento":
        backtest["data_source"] = {"type": "databento"}
    source: dict[str, Any] = backtest["data_source"]
    return source


def select_strategies(
    raw: dict[str, Any], wanted: Sequence[str | Mapping[str, Any]], problems: Problems
) -> None:
    """Keep the named entries; what names none is the type of a new one, or a whole new one."""
    entries = raw.get("strategy")
    there = list(enumerate(entries)) if isinstance(entries, list) else []
    one = problems.renamed.pop(("strategy", 0), None)
    label = problems.typed.pop(("strategy",), "strategies")
    chosen: list[Any] = []
    taken: set[int] = set()
    for number, want in enumerate(wanted):
        named = [
            (i, entry)
            for i, entry in there
            if isinstance(entry, dict)
            and isinstance(want, str)
            and want in _names_of(entry)
            and i not in taken
        ]
        for i, entry in named:
            taken.add(i)
            problems.renamed["strategy", len(chosen)] = one or ("strategy", i)
            chosen.append(entry)
        if not named:
            text = label if label.startswith("-") else f"{label}[{number}]"
            problems.typed["strategy", len(chosen)] = text
            new = {"type": want} if isinstance(want, str) else dict(want)
            if isinstance(new.get("type"), str):
                new["type"] = absolute_kind(new["type"])
            chosen.append(new)
    raw["strategy"] = chosen
