"""``tapewire data record``: a live feed of Databento kept as DBN files, over cuts and restarts."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from tapewire.errors import ConfigError, InputError, NoDataError
from tapewire.inputs.databento_http import key_from_environment
from tapewire.inputs.telling import Steps, iso, say, tell
from tapewire.live import (
    FeedCounts,
    FeedRequest,
    GatewayAddress,
    LiveFeed,
    Recorder,
    recover_recordings,
)
from tapewire.live.overlap import Recent
from tapewire.live.recorder import recent_of
from tapewire.processes.signals import Signals

_NS_PER_HOUR: Final = 3600 * 10**9
#: Of market time in a file.
HOURS: Final = (0.01, 168.0)


@dataclass(frozen=True)
class RecordingReport:
    """What was recorded.

    Attributes
    ----------
    files
        Those of this time.
    recovered
        Those that an earlier process had not ended.
    """

    files: tuple[str, ...]
    recovered: tuple[str, ...]
    counts: FeedCounts

    def json(self) -> dict[str, Any]:
        """Return it as one object."""
        counts = self.counts
        return {
            "files": list(self.files), "recovered": list(self.recovered),
            "records": counts.records, "bytes": counts.bytes, "sessions": counts.sessions,
            "cuts": counts.cuts, "repeated": counts.repeated,
            "slow_warnings": counts.slow_warnings,
            "gaps": [{"from": iso(a), "to": iso(b)} for a, b in counts.gaps_ns],
        }  # fmt: skip


def record_feed(
    request: FeedRequest,
    folder: Path,
    *,
    address: GatewayAddress | None = None,
    seconds: float | None = None,
    rotate_hours: float = 24.0,
    patience_s: float | None = None,
    as_json: bool = False,
    console: Console | None = None,
    enough: Callable[[FeedCounts], bool] = lambda counts: False,
    more: dict[str, Any] | None = None,
) -> RecordingReport:
    """Record a feed until the time is over or the user ends it; a folder's last recording goes on.

    Parameters
    ----------
    seconds
        How long; None: until Ctrl-C.
    rotate_hours
        Of market time in a file.
    patience_s
        How long the gateway may be away.
    enough
        Asked five times a second whether it may end.
    more
        For `LiveFeed`.

    Raises
    ------
    ConfigError
        If there is no key, or a number can't be.
    FeedError
        As `LiveFeed.run` has it; what has come is kept.
    NoDataError
        If nothing came.
    InputError
        If something is missing for good: the files are there, and their gap is told.
    OutputError
        If the folder can't be written.
    InterruptedRunError
        If the user ended it; what has come is kept.
    """
    if not HOURS[0] <= rotate_hours <= HOURS[1]:
        raise ConfigError(
            f"--rotate: expected {HOURS[0]:g} to {HOURS[1]:g} hours, found {rotate_hours:g}"
        )
    for option, value in (("--for", seconds), ("--patience", patience_s)):
        if value is not None and not value > 0:
            raise ConfigError(f"{option}: expected more than 0 seconds, found {value:g}")
    key = key_from_environment()
    if request.start_ns is not None and (folder.is_dir() and any(folder.glob("*.dbn"))):
        raise ConfigError(
            f"--start: {folder} has recordings, and goes on where the last one ended; expected no "
            "--start, or another folder"
        )
    recovered = recover_recordings(folder)
    for path in recovered:
        say(f"{path}: kept of a recording that was not ended")
    recorder = Recorder(folder, request, round(rotate_hours * _NS_PER_HOUR), say)
    given = {**({} if patience_s is None else {"patience_s": patience_s}), **(more or {})}
    feed = LiveFeed(request, key, recorder, address=address, recent=_last_of(folder), **given)
    with Signals() as signals, Steps("recording, records", None) as steps:
        ends_s = None if seconds is None else time.monotonic() + seconds

        def should_stop() -> bool:
            steps(feed.counts.records)
            over = ends_s is not None and time.monotonic() >= ends_s
            return over or signals.asked or enough(feed.counts)

        try:
            asyncio.run(feed.run(should_stop))
        finally:
            recorder.close()
        report = RecordingReport(
            tuple(map(str, recorder.paths)), tuple(map(str, recovered)), feed.counts
        )
        _tell(report, folder, as_json=as_json, console=console)
        signals.check()
    if not report.counts.records:
        raise NoDataError(
            f"{folder}: nothing was recorded: the gateway had nothing for "
            f"{', '.join(request.symbols)} in that time"
        )
    if report.counts.gaps_ns:
        raise InputError(
            f"{folder}: {_counted(len(report.counts.gaps_ns), 'gap')} could not be filled, the "
            f"first from {iso(report.counts.gaps_ns[0][0])} to {iso(report.counts.gaps_ns[0][1])}"
        )
    return report


def _last_of(folder: Path) -> Recent | None:
    """What the end of the folder's last recording holds."""
    names = sorted(path for path in folder.glob("*.dbn") if path.is_file())
    return recent_of(max(names, key=lambda path: path.stat().st_mtime_ns)) if names else None


def _tell(report: RecordingReport, folder: Path, *, as_json: bool, console: Console | None) -> None:
    if console is None:
        return
    if as_json:
        console.out(json.dumps(report.json(), indent=2), highlight=False)
        return
    counts = report.counts
    cuts = f", {_counted(counts.cuts, 'cut')}" if counts.cuts else ""
    files = _counted(len(report.files), "file")
    tell(console, f"{folder}: {counts.records:,} records in {files}{cuts}")


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
