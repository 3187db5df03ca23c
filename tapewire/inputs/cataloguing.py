"""``tapewire data index`` and ``data list``: what is in a folder of DBN files."""

import json
import os
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tapewire.config.schema import parse_time_ns
from tapewire.errors import ConfigError
from tapewire.inputs.telling import Steps, iso, say, tell
from tapewire.processes.signals import interruptible
from tapewire.replay.catalogue import CatalogueFile, index_folder, names_meant, read_catalogue

_BYTES_PER_MB: Final = 10**6
_SYMBOLS_TOLD: Final = 4
_LINE_MAX: Final = 10_000


def index_catalogue(
    folder: str | os.PathLike[str], *, as_json: bool = False, console: Console | None = None
) -> list[CatalogueFile]:
    """Bring a folder's index up to date (`tapewire.replay.catalogue`), and say what it has.

    Raises
    ------
    MissingFileError, OutputError
        As `index_folder`.
    InterruptedRunError
        If the user stopped it; the index that was there before is untouched.
    """
    with interruptible(), Steps("indexing, MB looked at", None) as steps:
        files, read = index_folder(folder, lambda done: steps(done // _BYTES_PER_MB))
    good = [file for file in files if not file.problem]
    symbols = set().union(*(file.names() for file in good)) if good else set()
    facts = {
        "folder": str(folder),
        "files": len(files),
        "read": read,
        "records": sum(file.records for file in good),
        "symbols": len(symbols),
        "problems": {file.path: file.problem for file in files if file.problem},
    }
    if console is not None and as_json:
        console.out(json.dumps(facts, indent=2), highlight=False)
    elif console is not None:
        tell(
            console,
            f"{folder}: {len(files):,} files, {read:,} of them read now, {facts['records']:,} "
            f"records, {len(symbols):,} symbols",
        )
        for file in files:
            if file.problem:
                tell(console, f"not usable: {file.problem}")
    return files


def list_catalogue(
    folder: str | os.PathLike[str],
    *,
    symbols: Sequence[str] = (),
    start: str | int | None = None,
    end: str | int | None = None,
    schema: str | None = None,
    as_json: bool = False,
    console: Console | None = None,
) -> list[CatalogueFile]:
    """List the files of a catalogue that have records of symbols in [start, end).

    Raises
    ------
    ConfigError
        If a time can't be read.
    MissingFileError, FormatError
        As `read_catalogue`.
    """
    window = time_ns("--start", start), time_ns("--end", end)
    known = read_catalogue(folder)
    names = [name for some in names_meant(known, symbols).values() for name in some]
    files = [
        file
        for file in (known if names or not symbols else ())
        if file.has(names, *window) and schema in (None, file.schema)
    ]
    files.sort(key=lambda file: (file.first_ns, file.path))
    for file in files if console is not None else ():
        if file.problem:
            say(f"note: {file.problem}")
    if console is not None and not files:
        say(f"note: of the {len(known):,} files of {folder} none has what is asked for")
    if console is not None and as_json:
        console.out(json.dumps([_facts(file) for file in files], indent=2), highlight=False)
    elif console is not None:
        table = Table(box=None, pad_edge=False)
        for name in ("file", "dataset", "schema", "symbols", "first", "last"):
            table.add_column(name, overflow="fold")
        table.add_column("records", justify="right")
        for file in files:
            names = sorted(file.names())
            more = f" and {len(names) - _SYMBOLS_TOLD:,} more" if len(names) > _SYMBOLS_TOLD else ""
            row = (
                file.path, file.dataset, file.schema, ", ".join(names[:_SYMBOLS_TOLD]) + more,
                iso(file.first_ns), iso(file.last_ns), f"{file.records:,}",
            )  # fmt: skip
            table.add_row(*map(Text, row))
        if console.is_terminal:
            console.print(table)
        else:  # a line a file, for other programs
            Console(file=console.file, width=_LINE_MAX).print(table)
    return files


def _facts(file: CatalogueFile) -> dict[str, Any]:
    return {
        **{name: getattr(file, name) for name in file.__dataclass_fields__ if name != "symbols"},
        "symbols": [mapping._asdict() for mapping in file.symbols],
    }


def time_ns(option: str, given: str | int | None) -> int | None:
    """Return a moment in ns since the epoch.

    Raises
    ------
    ConfigError
        If it is none, by the option's name.
    """
    if given is None:
        return None
    try:
        return int(parse_time_ns(given))
    except ValueError as error:
        raise ConfigError(f"{option}: {error}, found {given!r}") from None
