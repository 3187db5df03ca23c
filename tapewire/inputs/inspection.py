"""``tapewire data inspect``: what is in a market data file."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Final

import numpy as np
from rich.console import Console

from tapewire.capture import warm_up
from tapewire.errors import InputError
from tapewire.inputs.file_report import FileReport, FileTally
from tapewire.inputs.file_tables import print_other, print_report
from tapewire.inputs.other_schemas import SchemaReport, inspect_other
from tapewire.inputs.telling import Steps, say
from tapewire.market import BookLimitError
from tapewire.market.records import MBO_DTYPE
from tapewire.processes.signals import interruptible
from tapewire.replay.any_schema import schema_of
from tapewire.replay.dbn import DbnFile, inspect

_CHUNK_RECORDS: Final = 65_536


@contextmanager
def book_limits(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let a file that passes a limit of the books be its own fault, not ours."""
    try:
        yield
    except BookLimitError as error:
        raise InputError(f"{path}: has {error}: the file is corrupt or not of a market") from None


def inspect_file(
    path: str | os.PathLike[str], *, as_json: bool = False, console: Console | None = None
) -> FileReport:
    """Read a whole DBN MBO file and report what it holds.

    Parameters
    ----------
    path
        A ``.dbn`` or ``.dbn.zst`` file of schema ``mbo``, DBN version 1, 2 or 3.
    as_json
        Print one JSON object with `FileReport`'s keys in place of tables.
    console
        Where to print; without one, nothing is printed.

    Raises
    ------
    InputError
        If the file can't be read, is no such file, is truncated or corrupt, or passes a limit of
        the books.
    InterruptedRunError
        If the user stopped it.
    """
    header = inspect(os.fspath(path))
    warm_up(say)
    tally = FileTally()
    chunk = np.empty(_CHUNK_RECORDS, MBO_DTYPE)
    with (
        interruptible(),
        book_limits(path),
        DbnFile(header.path) as file,
        Steps("reading", header.records) as steps,
    ):
        while n := file.read_into(chunk):
            records = chunk[:n]
            file.require_mbo(records)
            tally.add(records)
            steps(file.records_read)
    report = tally.report(header)
    if console is not None:
        if as_json:
            console.out(json.dumps(asdict(report), indent=2), highlight=False)
        else:
            print_report(report, console)
    return report


def inspect_any(
    path: str | os.PathLike[str], *, as_json: bool = False, console: Console | None = None
) -> FileReport | SchemaReport:
    """Read a whole DBN file of any one schema and report what it holds.

    Parameters
    ----------
    as_json, console
        As in `inspect_file`; of a schema other than ``mbo`` the keys are `SchemaReport`'s.

    Raises
    ------
    InputError, InterruptedRunError
        As `inspect_file`.
    """
    if schema_of(os.fspath(path)) == "mbo":
        return inspect_file(path, as_json=as_json, console=console)
    with interruptible():
        report = inspect_other(path)
    if console is not None:
        if as_json:
            console.out(json.dumps(asdict(report), indent=2), highlight=False)
        else:
            print_other(report, console)
    return report
