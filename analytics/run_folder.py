"""The folder one run writes into.

Its files are whole or not there (`tapewire.atomic`), and a run folder with a ``manifest.json`` is
a finished story: the manifest is renamed last.
"""

import contextlib
import hashlib
import json
import shutil
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tapewire.analytics.earlier import EarlierRun
from tapewire.atomic import (
    AtomicFile,
    is_locked,
    lock_alone,
    output_errors,
    temporary_name,
    unlock,
)
from tapewire.errors import BusyFolderError, OutputError

MANIFEST: Final = "manifest.json"
#: Final names in the order they are published; the manifest always comes after all of them.
RUN_FILES: Final = (
    "config.yaml",
    "orders.parquet",
    "fills.parquet",
    "equity.parquet",
    "events.parquet",
    "series.parquet",
    "fees.parquet",
    "markouts.parquet",
    "settlements.parquet",
    "metrics.parquet",
    "variants.parquet",
    "latency.hdr",
    "report.html",
)
#: Those of a backtest on bars, beside some of the others.
CANDLE_FILES: Final = ("strategy.json", "trades.parquet")
_NAMES: Final = (*RUN_FILES[:-1], *CANDLE_FILES, RUN_FILES[-1])
#: Folder within it for what a run needs while it goes: days that are played apart.
DAYS: Final = ".tapewire.days"
#: The same of a run that may be gone on with: it stays where the run is stopped.
CHECKPOINT: Final = ".tapewire.checkpoint"
#: What the run is whose days are kept: written first, nothing is kept without it.
KEPT_RUN: Final = "run.json"
#: Statuses of a run without results: its manifest and the files it names may be replaced.
UNFINISHED: Final = ("failed", "incomplete")
#: Failed runs kept beside one finished run.
FAILED_BESIDE_MAX: Final = 99
_LOCK: Final = ".tapewire.lock"
_HASH_CHUNK_BYTES: Final = 1 << 20


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes, as ``sha256sum`` prints it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def require_usable(path: Path, *, force: bool, resume: bool) -> None:
    """Refuse a folder that `RunFolder` is going to refuse, as far as that shows from outside.

    Nothing is made or changed: it is asked before a run prepares, which may take a while.

    Raises
    ------
    OutputError
        If a file is in its place, or it holds a run already, or kept days of one.
    """
    with output_errors(path, "use the run folder"):
        if not path.exists():
            return
        path.mkdir(exist_ok=True)  # says what else is there
        if not EarlierRun(path, (MANIFEST, *_NAMES)).interrupted:
            _require_free(path, force=force, resume=resume)


def _require_free(path: Path, *, force: bool, resume: bool) -> bool:
    """Refuse a folder with a run in it, or say whether there is one."""
    earlier = _results_in(path)
    if earlier and not force:
        raise OutputError(
            f"the run folder {path} already holds {earlier[0]} of an earlier run; choose another "
            "folder with -o, or replace it with --force"
        )
    if keeps_days(path) and not (force or resume):
        raise OutputError(
            f"the run folder {path} holds days of a run that was stopped: --resume goes on with "
            "it, --force begins anew"
        )
    return bool(earlier)


class RunFolder:
    """A folder claimed for one run, from its start to its manifest.

    Claiming creates the folder, locks it against a second run (the lock dies with the process),
    proves that it is writable, and clears what a run that was killed has left. Nothing under a
    final name changes before ``publish``.

    Parameters
    ----------
    path
        The folder; its parents are created.
    force
        Replace an earlier run in it when this one is complete. The manifest of a run that failed
        or was stopped is replaced without it.
    resume
        Leave the days that a run which was stopped has kept.

    Attributes
    ----------
    kept : bool
        Whether there is an earlier run that stays unless this one is complete.

    Raises
    ------
    OutputError
        If it holds a run already, or kept days of one, is in use by another run, or can't be
        written.
    """

    def __init__(self, path: Path, *, force: bool = False, resume: bool = False) -> None:
        self.path = path
        self._files: dict[str, AtomicFile] = {}
        self._earlier = EarlierRun(path, (MANIFEST, *_NAMES))
        self._created = not path.exists()
        with output_errors(path, "use the run folder"):
            path.mkdir(parents=True, exist_ok=True)
        if not self._earlier.interrupted:
            _require_free(path, force=force, resume=resume)
        self._lock_path = path / _LOCK
        self._lock = self._claim()
        try:
            with output_errors(path, "clear what an earlier run left in"):
                self._earlier.recover()
                for name in (MANIFEST, *_NAMES):
                    temporary_name(path / name).unlink(missing_ok=True)
                for name in (DAYS,) if resume else (DAYS, CHECKPOINT):
                    if (path / name).is_dir():
                        shutil.rmtree(path / name)
            # Again: a run may have ended in between.
            self.kept = _require_free(path, force=force, resume=resume)
        except BaseException:
            self.close()
            raise

    def _claim(self) -> int:
        with output_errors(self.path, "write into the run folder"):
            fd = lock_alone(self._lock_path)
        if fd is None:
            raise BusyFolderError(
                f"the run folder {self.path} is being written by another run; "
                "wait for it, or choose another folder with -o"
            )
        return fd

    def open(self, name: str) -> AtomicFile:
        """Start one of a run's files under its temporary name."""
        if name not in _NAMES or name in self._files:
            raise ValueError(f"expected a run file not opened yet, found {name!r}")
        self._files[name] = AtomicFile(self.path / name)
        return self._files[name]

    def write(self, name: str, content: bytes | str) -> None:
        """Write one of a run's files whole, under its temporary name."""
        target = self.open(name)
        with output_errors(target.path):
            target.file.write(content.encode() if isinstance(content, str) else content)
        target.seal()

    def describe(self) -> dict[str, dict[str, int | str]]:
        """Seal what was written so far and return size and SHA-256 per final name."""
        found: dict[str, dict[str, int | str]] = {}
        for name in (n for n in _NAMES if n in self._files):
            target = self._files[name]
            target.seal()
            with output_errors(target.path, "read back"):
                found[name] = {
                    "bytes": target.temporary.stat().st_size,
                    "sha256": sha256_of(target.temporary),
                }
        return found

    def publish(self, manifest: str) -> Path:
        """Rename every file to its final name and the manifest last; return the manifest's path.

        The manifest's bytes are on the disk before the first name changes, so a full disk leaves
        an earlier run as it was. An earlier run is set aside while names change; if that fails,
        it comes back, and none of this run's files stays under a final name.
        """
        last = AtomicFile(self.path / MANIFEST)
        try:
            with output_errors(last.path):
                last.file.write(manifest.encode())
            last.seal()
            for target in self._files.values():
                target.seal()
            try:
                with output_errors(self.path, "replace the earlier run in"):
                    self._earlier.set_aside()
                for name in (n for n in _NAMES if n in self._files):
                    self._files[name].publish()
                last.publish()
            except BaseException as failed:
                self._put_back(failed)
                raise
        except BaseException:
            last.discard()
            raise
        self._earlier.forget()
        self._files.clear()
        return last.path

    def _put_back(self, failed: BaseException) -> None:
        """Undo what `publish` has begun; where not even that can be done, say where things are."""
        try:
            self._earlier.put_back()
        except OSError:  # the next run that claims the folder does it
            if isinstance(failed, OutputError):
                raise OutputError(
                    f"{failed}; the earlier run is in {self._earlier.place}, and comes back when "
                    "another run is to go there"
                ) from failed

    def publish_unfinished(self, manifest: str) -> Path:
        """Write the manifest of a run without results; return its path.

        Files that were written are published with it. A finished run in this folder stays as it is;
        all goes into a folder beside then, which is called like this one with ``.failed`` after it.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        if not self.kept:
            return self.publish(manifest)
        with RunFolder(_beside(self.path)) as folder:
            for name, target in self._files.items():
                with target.temporary.open("rb") as source, output_errors(folder.path / name):
                    shutil.copyfileobj(source, folder.open(name).file)
            self.discard_files()
            return folder.publish(manifest)

    def discard_files(self) -> None:
        """Remove every temporary file of this run. Never raises."""
        for target in self._files.values():
            target.discard()
        self._files.clear()

    def close(self) -> None:
        """Give the folder back: no temporary file, no lock; removed if this run left it empty."""
        self.discard_files()
        if self._lock < 0:
            return
        unlock(self._lock, self._lock_path)
        self._lock = -1
        if self._created:
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def is_claimed(folder: Path) -> bool:
    """Whether a run is writing into a folder just now."""
    return is_locked(folder / _LOCK)


def keeps_days(folder: Path) -> bool:
    """Whether a run folder has days of a run that was stopped, to be gone on with."""
    return (folder / CHECKPOINT / KEPT_RUN).exists()


def _results_in(folder: Path) -> list[str]:
    """Return which files of a run are there; none if a manifest says that there are no results."""
    found = [name for name in (MANIFEST, *_NAMES) if (folder / name).exists()]
    return [] if set(found) <= _unfinished(folder / MANIFEST) else found


def _unfinished(manifest: Path) -> set[str]:
    """Return the names of the files of a run without results; none if it is no manifest of one."""
    try:
        content = json.loads(manifest.read_bytes())
    except (OSError, ValueError):
        return set()
    if not isinstance(content, dict) or content.get("status") not in UNFINISHED:
        return set()
    files = content.get("files")
    return {MANIFEST, *(files if isinstance(files, dict) else ())}


def _beside(folder: Path) -> Path:
    """Return a folder for a failed run, beside one that keeps its own."""
    whole = folder.resolve()
    for number in range(1, FAILED_BESIDE_MAX + 1):
        suffix = ".failed" if number == 1 else f".failed-{number}"
        path = whole.with_name(whole.name + suffix)
        if not _results_in(path):
            # As the user wrote it, where that is possible.
            return folder.with_name(folder.name + suffix) if folder.name else path
    raise OutputError(f"expected at most {FAILED_BESIDE_MAX} runs beside {folder}, found as many")
