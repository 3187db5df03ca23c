"""``data_source.catalogue``: a folder in place of files, which are found by symbol and time."""

from pathlib import Path
from typing import Any, Final

from tapewire.config.edits import value_at
from tapewire.config.problems import Problems
from tapewire.config.schema import parse_time_ns
from tapewire.config.yaml import KeyPath
from tapewire.errors import InputError

_SOURCE: Final[KeyPath] = ("backtest", "data_source")
#: Stands for files where none were found: what is wrong is said before anything is opened.
_NONE: Final = "-"


def place_catalogue(raw: dict[str, Any], base: Path, problems: Problems) -> None:
    """Put the files that a run needs in place of the catalogue that has them, in place.

    Parameters
    ----------
    raw
        The configuration as plain values.
    base
        Where a relative folder starts.
    problems
        Told if there are files, too, or the catalogue has not what is asked for.
    """
    source = value_at(raw, _SOURCE)
    if not isinstance(source, dict) or source.get("type") != "databento":
        return
    folder = source.get("catalogue")
    if not isinstance(folder, str) or not folder:
        return
    where: KeyPath = (*_SOURCE, "catalogue")
    if "files" in source:
        problems.add(where, "expected files or a catalogue of them, found both")
        return
    from tapewire.replay.catalogue import find_files

    symbols = source.get("symbols")
    names = [name for name in symbols if isinstance(name, str)] if isinstance(symbols, list) else []
    try:
        source["files"] = find_files(
            base / Path(folder).expanduser(),
            symbols=names,
            start_ns=_time_ns(source.get("start")),
            end_ns=_time_ns(source.get("end")),
        )
    except InputError as error:
        problems.add(where, str(error))
        source["files"] = [_NONE]
    del source["catalogue"]


def _time_ns(given: Any) -> int | None:
    """Return a moment, or None for what is none: the check of its own key says so."""
    try:
        return None if given is None else parse_time_ns(given)
    except ValueError:
        return None
