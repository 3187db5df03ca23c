"""The folder of a study: what it is, what is done of it, and at its end its tables."""

import contextlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from tapewire.analytics.run_folder import MANIFEST, sha256_of
from tapewire.atomic import atomic_write, lock_alone, output_errors, unlock
from tapewire.errors import ConfigError, FormatError, MissingFileError, OutputError
from tapewire.inputs.kept_work import first_difference
from tapewire.studies.markets import MODEL
from tapewire.studies.parts import parts_in

PLAN: Final = "study.json"
TRIALS: Final = "trials.parquet"
BLOCKS_FILE: Final = "blocks.parquet"
REPORT: Final = "report.html"
_PARTS: Final = "parts"
_PASSES: Final = "passes"
_RUNS: Final = "runs"
#: Of a study of how far results spread.
BANDS_FILE: Final = "bands.parquet"
DRAWS_FILE: Final = "draws.parquet"
RESULT: Final = "montecarlo.json"
_OWN: Final = "run"
MARKETS: Final = "markets"
_LOCK: Final = ".tapewire.lock"
#: Folder within it for a complete study that another one is to replace, and while it is moved.
EARLIER: Final = ".tapewire.earlier"
_MOVING: Final = ".tapewire.earlier.moving"
#: What a study comes to, which is written when its trials are done.
_OUTCOME: Final = (TRIALS, BLOCKS_FILE, BANDS_FILE, DRAWS_FILE, RESULT, REPORT)
#: Files of a study that is complete, the manifest last.
_FILES: Final = (*_OUTCOME, MODEL, PLAN, MANIFEST)

#: Of a plan, what its trials were made by, beside what was asked for.
_MADE_BY: Final = ("versions", "strategy_sources")


class StudyFolder:
    """A folder claimed for one study; the claim ends with the process.

    Parameters
    ----------
    path
        The folder; its parents are created.
    plan
        What the study is: the base configuration, what varies and how.
    force
        Replace a study that is in it: a complete one is set aside until this one is complete, and
        comes back where this one is left with nothing done.
    resume
        Go on with one that was stopped.

    Raises
    ------
    OutputError
        If it holds another study, or something else, is in use, or can't be written.
    ConfigError
        If it is to be gone on with, and is another one, or its trials are of other code.
    """

    def __init__(
        self, path: Path, plan: Mapping[str, Any], *, force: bool = False, resume: bool = False
    ) -> None:
        self.path = path
        with output_errors(path, "make"):
            lock = lock_alone(path / _LOCK)
        if lock is None:
            raise OutputError(f"{path}: another study is being written there")
        self._lock = lock
        try:
            self._claim(plan, force=force, resume=resume)
        except BaseException:
            self.close()
            raise

    def _claim(self, plan: Mapping[str, Any], *, force: bool, resume: bool) -> None:
        path = self.path
        finished, begun = (path / MANIFEST).exists(), (path / PLAN).exists()
        if finished and not self._moving.exists():  # it has replaced the earlier one
            shutil.rmtree(self.earlier, ignore_errors=True)
        elif self._moving.exists() or (self.earlier.exists() and not begun):
            self._put_back()  # what somebody was killed at
            finished, begun = True, True
        if (finished or begun) and not (force or resume):
            if finished:
                raise OutputError(f"{path} holds a study: choose another folder (-o), or --force")
            raise OutputError(
                f"{path} holds a study that was stopped: --resume goes on with it, --force begins "
                "it anew"
            )
        others = [p.name for p in path.iterdir() if p.name not in (_LOCK, EARLIER, _MOVING)]
        if others and not (finished or begun):
            raise OutputError(f"{path} holds {others[0]}: expected an empty folder, or none")
        if resume and begun:
            self._require_same(plan)
        elif finished:
            self._set_aside()
        elif begun:
            self._clear()
        # The plan first: without it what else is there would be nobody's.
        if not (path / PLAN).exists():
            atomic_write(path / PLAN, json.dumps(plan, indent=1))
        with output_errors(path):
            for folder in (self.parts, self.passes):
                folder.mkdir(exist_ok=True)
            shutil.rmtree(self.work, ignore_errors=True)

    def _require_same(self, plan: Mapping[str, Any]) -> None:
        there = read_plan(self.path)
        given = json.loads(json.dumps(plan))
        for key in (*sorted({*given, *there} - {*_MADE_BY}), *_MADE_BY):
            if there.get(key) != given.get(key):
                was, now = ({key: one[key]} if key in one else {} for one in (there, given))
                told = first_difference(was, now) if key in _MADE_BY else f"{key} differs"
                kind = "trials of other code" if key in _MADE_BY else "another study"
                raise ConfigError(
                    f"--resume: {self.path} holds {kind}, {told}: choose another folder (-o), or "
                    "begin anew with --force"
                )

    def _clear(self) -> None:
        with output_errors(self.path):
            # The manifest first: nobody takes the rest for a study then.
            for name in reversed(_FILES):
                with contextlib.suppress(FileNotFoundError):
                    (self.path / name).unlink()
            for folder in (
                self.parts, self.passes, self.work, self.runs, self.own, self.markets
            ):  # fmt: skip
                shutil.rmtree(folder, ignore_errors=True)

    def _set_aside(self) -> None:
        """Take a complete study away; whatever stops that, `_put_back` has all of it."""
        with output_errors(self.path):
            self._moving.mkdir(mode=0o700)
            _move(self.path, self._moving)
            self._moving.rename(self.earlier)

    def _put_back(self) -> None:
        """Give a study its place back, in the place of what was begun since."""
        with output_errors(self.earlier, "bring back"):
            if self.earlier.exists():
                self._clear()
                self.earlier.rename(self._moving)
            _move(self._moving, self.path)
            self._moving.rmdir()

    @property
    def _moving(self) -> Path:
        return self.path / _MOVING

    @property
    def earlier(self) -> Path:
        """Where a complete study is that this one replaces."""
        return self.path / EARLIER

    @property
    def parts(self) -> Path:
        """Where passes leave their rows."""
        return self.path / _PARTS

    @property
    def passes(self) -> Path:
        """Where configurations of passes are."""
        return self.path / _PASSES

    @property
    def work(self) -> Path:
        """Where runs of passes are while they go on."""
        return self.path / ".work"

    @property
    def runs(self) -> Path:
        """Where run folders of passes stay, if they are to."""
        return self.path / _RUNS

    @property
    def own(self) -> Path:
        """Where the run is that draws are held against."""
        return self.path / _OWN

    @property
    def markets(self) -> Path:
        """Where synthetic markets stay, if they are to."""
        return self.path / MARKETS

    def done(self) -> list[Path]:
        """Return the parts there are."""
        return parts_in(self.parts)

    @property
    def is_begun(self) -> bool:
        """Whether something was played: parts of trials that are looked at lie in folders."""
        return next(self.parts.rglob("*.parquet"), None) is not None

    def stopped(self, done: int, total: int | None) -> str:
        """Say what stays of a study that its user stops, and how to go on.

        Parameters
        ----------
        done
            Trials that are done.
        total
            How many there were to be, where that is known.
        """
        if self.earlier.exists() and not self.is_begun:
            return (
                f"stopped: no trial was done yet, so {self.path} holds the study again that "
                "--force was to replace"
            )
        of = "" if total is None else f" of {total:,}"
        seen = self.is_begun and not self.done()
        beside = ", and the first days of others" if seen else ""
        return (
            f"stopped: {done:,}{of} trials are done and kept in {self.path}{beside}; the same "
            "command with --resume goes on"
        )

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Say that the study is complete; its parts are then in its tables."""
        digests = {
            name: sha256_of(self.path / name) for name in _FILES[:-2] if (self.path / name).exists()
        }
        whole = {**manifest, "files": digests}
        atomic_write(self.path / MANIFEST, json.dumps(whole, indent=1))
        for folder in (self.parts, self.passes, self.work, self.earlier):
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Give the folder free, and back to a study that was to be replaced, if nothing was done.

        Raises
        ------
        OutputError
            If that can't be put back: it says where it is.
        """
        if self._lock < 0:
            return
        try:
            if self.earlier.exists() and not (self.path / MANIFEST).exists() and not self.is_begun:
                self._put_back()
        finally:
            unlock(self._lock, self.path / _LOCK)
            self._lock = -1
            with contextlib.suppress(OSError):
                self.path.rmdir()  # where there is nothing in it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        if not (self.path / MANIFEST).exists():  # its parts stay: tables are of complete studies
            for name in _OUTCOME:
                with contextlib.suppress(OSError):
                    (self.path / name).unlink()
        self.close()


def _move(there: Path, here: Path) -> None:
    """Move what a study has from one folder to another; its manifest is the last."""
    for name in (_PARTS, _PASSES, _RUNS, _OWN, MARKETS, *_FILES):
        if (there / name).exists():
            (there / name).rename(here / name)


def read_plan(path: Path) -> dict[str, Any]:
    """Return what the study in a folder is.

    Raises
    ------
    MissingFileError, FormatError
        If there is none, or a broken one.
    """
    return _read_json(path / PLAN, "a study")


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a complete study.

    Raises
    ------
    MissingFileError, FormatError
        If there is none, or a broken one.
    """
    return _read_json(path / MANIFEST, "a complete study")


def _read_json(path: Path, what: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise MissingFileError(
            f"{path.parent}: expected {what}, found no {path.name} in it"
        ) from None
    except OSError as error:
        raise MissingFileError(f"{path}: can't be read: {error.strerror}") from None
    except ValueError as error:
        raise FormatError(f"{path}: expected JSON, found {error}") from None
    if not isinstance(content, dict):
        raise FormatError(f"{path}: expected a mapping, found something else")
    return content
