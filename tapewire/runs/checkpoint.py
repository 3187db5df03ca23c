"""Days of a run that was stopped, kept in its run folder for the run that goes on.

A day is kept as two files: its rows (`tapewire.runs.day_rows`), and what came of it
(`tapewire.runs.day_ends`), which gets its name only when the rows are on the disk, and has their
size and hash. Beside them is what the run is. Nothing of it is code: who reads it back believes
numbers, of a run that is the same in every key.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.analytics.run_folder import CHECKPOINT, KEPT_RUN, keeps_days
from tapewire.atomic import atomic_write, output_errors
from tapewire.errors import ConfigError, FormatError, MissingFileError
from tapewire.inputs.kept_work import first_difference, require_ours, require_plain
from tapewire.runs.day_ends import DayEnd, KeptDay, end_name, kept_day, rows_of, writing_days
from tapewire.runs.manifest import RunFacts, manifest_of
from tapewire.runs.same_inputs import difference

if TYPE_CHECKING:
    from tapewire.runs.days import DayApart

_VERSION: Final = 1
#: Of a configuration, what changes nothing about what a run comes to.
_FREE: Final = (("backtest", "replay", "workers"), ("backtest", "output", "directory"))


def require_checkpoint(output: str | os.PathLike[str] | None) -> None:
    """Refuse to go on where nothing is kept.

    Raises
    ------
    ConfigError
        If no run folder was named, or it has no days of a run that was stopped.
    """
    if not output:
        raise ConfigError("--resume: expected the run folder (-o), found none")
    if not keeps_days(Path(output)):
        raise ConfigError(
            f"--resume: expected days of a run that was stopped in {output}, found none: begin one "
            "with --checkpoint"
        )


class Checkpoint:
    """The folder of a run's kept days; the caller has claimed the run folder.

    Parameters
    ----------
    folder
        The run folder.
    facts
        What is known of the run before its first day.
    days
        Its days.
    resume
        Go on with what is there; else there is nothing, and it is made.

    Attributes
    ----------
    path
        Where days are.
    ends : dict of int to DayEnd
        Of the days that are there, by number. A day that has read a part of a file only, or no
        record, has no hash of what it read: it is played again.

    Raises
    ------
    ConfigError
        If what is there is of another run, naming the first key that differs.
    FormatError, MissingFileError
        If a file that a kept day has read is another by now, or the kept day itself is damaged.
    OutputError
        If others may write to the folder, workers of a run that was killed still do, or it can't be
        read or written.
    """

    def __init__(
        self, folder: Path, facts: RunFacts, days: "Sequence[DayApart]", *, resume: bool
    ) -> None:
        self.path = folder / CHECKPOINT
        self._days = days
        self.ends: dict[int, DayEnd] = {}
        run = _described(facts, days)
        if not resume:
            with output_errors(self.path, "make"):
                self.path.mkdir(mode=0o700)
            atomic_write(self.path / KEPT_RUN, json.dumps(run, indent=1))
            return
        require_ours(self.path)
        with writing_days(self.path, alone=True):
            self._require_same(run)
            for day in days:
                if (kept := self._there(day)) is not None and kept.end is not None:
                    self._require_sound(day, kept, kept.end)
                    self.ends[day.number] = kept.end
            self._clear()

    def _require_same(self, run: Mapping[str, Any]) -> None:
        path = self.path / KEPT_RUN
        require_plain(path)
        try:
            there = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise FormatError(
                f"{path}: expected what the run is, as JSON, found {error}: begin anew with --force"
            ) from None
        told = first_difference(there, run)
        if told:
            raise ConfigError(
                f"--resume: {self.path.parent} holds days of another run, {told}: give what it was "
                "begun with, choose another folder (-o), or begin anew with --force"
            )

    def _there(self, day: "DayApart") -> KeptDay | None:
        """A day that is there, and says what it has read."""
        path = self.path / end_name(day)
        if not os.path.lexists(path):
            return None
        require_plain(path)
        kept = kept_day(self.path, day)
        if kept.end is None or kept.rows_xxh3_128 is None:
            return None
        hashes = [file.content_hash for file in kept.end.totals.files]
        return None if None in hashes else kept

    def _require_sound(self, day: "DayApart", kept: KeptDay, end: DayEnd) -> None:
        """Refuse a kept day whose rows, or files that it has read, are not what they were."""
        rows = rows_of(self.path, day)
        require_plain(rows)
        fault = difference({"bytes": kept.rows_bytes, "xxh3_128": kept.rows_xxh3_128}, rows)
        if fault is not None:
            raise FormatError(f"the kept day {day.date} is damaged: {fault}: begin with --force")
        for file in end.totals.files:
            path = Path(file.name)
            fault = difference({"bytes": _size_of(path), "xxh3_128": file.content_hash}, path)
            if fault is not None:
                raise fault

    def _clear(self) -> None:
        """Remove what no kept day has, of whatever kind: what is written next is made anew."""
        wanted = {KEPT_RUN}
        for day in self._days:
            if day.number in self.ends:
                wanted |= {end_name(day), rows_of(self.path, day).name}
        with output_errors(self.path, "clear"):
            for path in self.path.iterdir():
                if path.name not in wanted:
                    path.unlink()

    def done(self) -> int:
        """How many days are there by now."""
        return sum(self._there(day) is not None for day in self._days)

    def remove(self) -> None:
        """Remove it all: the run is complete. Never raises."""
        shutil.rmtree(self.path, ignore_errors=True)


def _described(facts: RunFacts, days: "Sequence[DayApart]") -> dict[str, Any]:
    """What has to be the same for days of one run to be days of another, as JSON has it."""
    from tapewire.compiled.kernel_cache import SOURCES_KEY

    manifest = manifest_of(facts, digests=False)
    versions = {name: one for name, one in manifest["versions"].items() if name != "platform"}
    described = {
        "checkpoint": _VERSION,
        "config": manifest["config"],
        "versions": versions | {"sources": SOURCES_KEY},
        "strategy_sources": manifest["strategy_sources"],
        "inputs": manifest["inputs"],
        "days": [day.to_dict() for day in days],
    }
    plain: dict[str, Any] = json.loads(json.dumps(described))
    for *parents, key in _FREE:
        section = plain["config"]
        for parent in parents:
            section = section.get(parent, {})
        section.pop(key, None)
    return plain


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        raise MissingFileError(
            f"expected {path}, which a kept day has read, found no file"
        ) from None
