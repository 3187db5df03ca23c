"""``tapewire data convert`` of files that are not DBN: NASDAQ ITCH 5.0, LOBSTER."""

import datetime as dt
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal

from rich.console import Console

from tapewire.errors import ConfigError
from tapewire.inputs.telling import Steps, iso, tell
from tapewire.processes.signals import interruptible
from tapewire.replay.conversions import ConversionReport, convert_itch, convert_lobster
from tapewire.replay.itch import is_itch
from tapewire.replay.lobster import is_lobster

Format = Literal["itch", "lobster"]

_KNOWN: Final[dict[str, Format]] = {"itch": "itch", "lobster": "lobster"}
_BYTES_PER_MB: Final = 10**6


def foreign_format(
    files: Sequence[str | os.PathLike[str]], said: str | None = None
) -> Format | None:
    """Return the format that is said, or that the names of files say; None: DBN, or another.

    Raises
    ------
    ConfigError
        If one of several files is of such a format: a file of them is a day by itself.
    """
    found = [_format_of(file) if said is None else _KNOWN.get(said) for file in files]
    if len(found) > 1 and any(found):
        raise ConfigError(
            f"files: expected one ITCH or LOBSTER file at a time, found {len(found)} files: "
            "convert each, and give what comes of it to one run"
        )
    return found[0] if found else None


def _format_of(file: str | os.PathLike[str]) -> Format | None:
    if is_itch(file):
        return "itch"
    return "lobster" if is_lobster(file) else None


def convert_foreign(
    file: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    kind: Format,
    symbols: Sequence[str] = (),
    date: str | None = None,
    dataset: str | None = None,
    refused: Sequence[str] = (),
    force: bool = False,
    as_json: bool = False,
    console: Console | None = None,
) -> ConversionReport:
    """Write a file of another format as a DBN file of schema mbo, and say what is in it.

    Parameters
    ----------
    symbols, date, dataset
        As `tapewire.replay.conversions.convert_itch`; ``date`` is ``YYYY-MM-DD``. LOBSTER's files
        say all three themselves.
    refused
        Options that were typed and mean nothing here.
    as_json
        Print one JSON object with `ConversionReport`'s keys in place of a sentence.

    Raises
    ------
    ConfigError, InputError, OutputError
        As the conversion.
    InterruptedRunError
        If the user stopped it; nothing is left of the output then.
    """
    if kind == "lobster":
        given = {"--symbols": symbols, "--date": date, "--dataset": dataset}
        refused = [*refused, *(name for name, value in given.items() if value)]
    if refused:
        advice = "convert the whole file, then cut the DBN file" if kind == "itch" else ""
        raise ConfigError(
            f"{', '.join(refused)}: not for {'an ITCH' if kind == 'itch' else 'a LOBSTER'} file: "
            f"{advice or 'its name says what it holds, and all of it is converted'}"
        )
    day = _day(date) if date is not None else None
    path = Path(file)
    total_mb = path.stat().st_size // _BYTES_PER_MB if path.is_file() else 0
    with interruptible(), Steps("converting, MB read", total_mb) as steps:
        common: dict[str, Any] = {
            "force": force, "on_progress": lambda done: steps(done // _BYTES_PER_MB),
        }  # fmt: skip
        if kind == "itch":
            report = convert_itch(
                file, output, symbols=symbols, date=day, dataset=dataset, **common
            )
        else:
            report = convert_lobster(file, output, **common)
    if console is not None and as_json:
        console.out(json.dumps(asdict(report), indent=2), highlight=False)
    elif console is not None:
        messages = sum(report.messages.values())
        tell(
            console,
            f"{report.path}: {report.records:,} records from {messages:,} messages, "
            f"{report.file_bytes:,} bytes, {len(report.symbols):,} symbols, {report.volume:,} "
            f"shares traded, {iso(report.first_ts_recv)} to {iso(report.last_ts_recv)}, "
            f"{messages / report.elapsed_s / 1e6:.2f} M messages/s",
        )
        if report.status_path:
            tell(console, f"{report.status_path}: {report.states:,} trading states")
        for note in report.notes:
            tell(console, f"note: {note}")
    return report


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--date: expected a day like 2019-05-30, found {text!r}") from None
