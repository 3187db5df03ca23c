"""Options that several verbs have, and what is typed there as values."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tapewire.errors import ConfigError
from tapewire.runs.requests import split_names


def names_in(values: list[str] | None) -> list[str]:
    """``--symbols ESH4,ESM4 --symbols NQH4`` → three names."""
    return [name for value in values or () for name in split_names(value)]


def time_in(text: str | None) -> str | int | None:
    """Return ns since the epoch as a number; other text, ISO 8601 or not, as it is."""
    return int(text) if text is not None and re.fullmatch(r"\d{5,40}", text) else text


def refuse_idle(what: str, given: Mapping[str, object]) -> None:
    """Refuse options that would do nothing.

    Parameters
    ----------
    what
        Completes "expected …": beside what they do nothing, or without what.
    given
        Values by the options' names; None and False were not given.

    Raises
    ------
    ConfigError
        Naming all that were.
    """
    named = [name for name, value in given.items() if value is not None and value is not False]
    if named:
        raise ConfigError(f"{', '.join(named)}: expected {what}")


def whole_number(text: str) -> int | str:
    """Return the number; other text as it is, for the configuration to refuse with all else."""
    return int(text) if re.fullmatch(r"[-+]?\d{1,40}", text) else text


Symbols = Annotated[
    list[str] | None, typer.Option("--symbols", help="Only these, comma-separated.")
]
Definitions = Annotated[
    list[Path] | None,
    typer.Option("--definitions", help="Of schema definition: when contracts (of ES.c.0) expire."),
]
Statistics = Annotated[
    list[Path] | None,
    typer.Option("--statistics", help="Of schema statistics: open interest, for ES.n.0."),
]
Volumes = Annotated[
    list[Path] | None,
    typer.Option("--volumes", help="Of schema ohlcv-1d: volumes for ES.v.0, so that none is read."),
]
Start = Annotated[
    str | None, typer.Option("--start", help="Begin at this ts_recv: ISO 8601 (UTC) or ns.")
]
Warmup = Annotated[
    str | None,
    typer.Option(
        "--warmup",
        help="What builds the books before --start: full (default), snapshot (from each book's "
        "last one on) or none.",
        show_default=False,
    ),
]
Duplicates = Annotated[
    str | None,
    typer.Option(
        "--duplicates",
        help="Records that two files have: refuse (default) or drop (each is given once).",
        show_default=False,
    ),
]
AllowTruncated = Annotated[
    bool,
    typer.Option(
        "--allow-truncated",
        help="Play what is whole of files that end too soon; the result is marked incomplete.",
    ),
]
Flags = Annotated[
    str | None,
    typer.Option(
        "--flags",
        help="Where records are flagged MAYBE_BAD_BOOK or BAD_TS_RECV, lack F_LAST or clear a "
        "book: continue (default), mark (fills and strategies wait) or stop; or by kind, "
        "maybe_bad_book=mark,clear=stop.",
        show_default=False,
    ),
]
End = Annotated[str | None, typer.Option("--end", help="Before this ts_recv.")]
Speed = Annotated[
    str | None, typer.Option("--speed", help="max, realtime, or a multiple of real time like 10.")
]
Payload = Annotated[str | None, typer.Option("--payload", help="auto, shared (memory) or inline.")]
BatchRecords = Annotated[
    Any,
    typer.Option(
        "--batch-records",
        parser=whole_number,
        metavar="INTEGER",
        help="Records per batch, 1 to 65536.",
    ),
]
