"""What a day that is played apart came to, and how it lies beside its rows until it is joined.

It is numbers and names in msgpack, read back into the types below; nothing of it is code.
"""

import contextlib
import dataclasses
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from tapewire.atomic import atomic_write, output_errors
from tapewire.errors import FormatError, OutputError
from tapewire.router import GuessedQueue, LegInfo, LimitTrip, LossHalt
from tapewire.router.doubts import FlaggedBook
from tapewire.runs.days import DayApart
from tapewire.runs.same_inputs import xxh3_of
from tapewire.wire import Totals

#: How long workers of a run that was killed may take to notice it.
_ORPHANS_S: Final = 10.0
_LOOK_S: Final = 0.05


@dataclasses.dataclass(frozen=True)
class DayEnd:
    """What a day came to, beside its rows.

    Attributes
    ----------
    legs
        Who traded where; rows count them.
    fee_names, series_names
        What rows of fees and series count.
    counts, now_ns, fee_lines, loss_halts, limit_trips, guessed, flagged
        As a simulation has them.
    books
        (publisher_id, instrument_id) of each.
    gross
        What each leg made before fees, 1e-9 currency.
    digest
        Of the day alone.
    totals
        Of its stream.
    latencies
        Wall-clock latencies: tag, ns, how often.
    stages_s
        What receiving, simulating and collecting took.
    """

    legs: list[LegInfo]
    fee_names: list[str]
    series_names: list[str]
    counts: dict[str, int]
    now_ns: int
    fee_lines: dict[str, dict[str, int]]
    loss_halts: list[LossHalt]
    limit_trips: list[LimitTrip]
    guessed: list[GuessedQueue]
    flagged: list[FlaggedBook]
    books: list[tuple[int, int]]
    gross: list[int]
    digest: str
    totals: Totals
    latencies: list[tuple[str, int, int]]
    stages_s: tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class KeptDay:
    """A day that is done, as it lies beside its rows.

    Attributes
    ----------
    day
        As `DayApart.to_dict` has it.
    end
        What came of it; None: the filters leave none of its records.
    rows_bytes, rows_xxh3_128
        Size and hash of its rows; no hash where they are read back by the run that wrote them.
    """

    day: dict[str, Any]
    end: DayEnd | None
    rows_bytes: int
    rows_xxh3_128: str | None


def rows_of(folder: Path, day: DayApart) -> Path:
    """Where a day's rows are."""
    return folder / f"{day.number}.rows"


def end_name(day: DayApart) -> str:
    """Return the name of what came of a day."""
    return f"{day.number}.end"


def leave_end(folder: Path, day: DayApart, end: DayEnd | None, *, keep: bool) -> None:
    """Leave what came of a day beside its rows.

    Parameters
    ----------
    keep
        For a run that goes on after this one: the rows are on the disk before this has its name.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    rows = rows_of(folder, day)
    if not keep:
        with output_errors(folder):
            (folder / end_name(day)).write_bytes(_encoded(KeptDay(day.to_dict(), end, 0, None)))
        return
    with output_errors(rows, "read back"), rows.open("rb") as file:
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    atomic_write(folder / end_name(day), _encoded(KeptDay(day.to_dict(), end, size, xxh3_of(rows))))


def _encoded(kept: KeptDay) -> bytes:
    return msgspec.msgpack.encode(kept)


def kept_day(folder: Path, day: DayApart) -> KeptDay:
    """Read what was left of a day beside its rows.

    Raises
    ------
    FormatError
        If it is none, or of another day.
    OutputError
        If it can't be read.
    """
    path = folder / end_name(day)
    with output_errors(path, "read back"):
        content = path.read_bytes()
    try:
        kept = msgspec.msgpack.decode(content, type=KeptDay)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise FormatError(f"{path}: expected what came of {day.date}, found {error}") from None
    if kept.day != day.to_dict():
        raise FormatError(f"{path}: expected what came of {day.date}, found another day")
    return kept


@contextlib.contextmanager
def writing_days(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold the folder of days as one of those that write into it, or as the only one.

    The hold ends with its process. ``alone`` waits for workers that a killed run has left, which
    end as soon as they notice.

    Raises
    ------
    OutputError
        If somebody else is still there.
    """
    with output_errors(folder, "lock"):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        end_s = time.monotonic() + _ORPHANS_S
        while not _is_held(fd, fcntl.LOCK_EX if alone else fcntl.LOCK_SH):
            if time.monotonic() >= end_s:
                raise OutputError(f"{folder}: another run's workers are writing into it")
            time.sleep(_LOOK_S)
        yield
    finally:
        os.close(fd)


def _is_held(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
