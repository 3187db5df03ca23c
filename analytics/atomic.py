"""The folder one run writes into.

Its files are whole or not there (`tapewire.atomic`), and a run folder with a ``manifest.json`` is
a finished story: the manifest is renamed last.
"""

import contextlib
import fcntl
import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tapewire.atomic import (
    AtomicFile,
    output_errors,
    require_replaceable,
    sync_folder,
    temporary_name,
)
from tapewire.errors import OutputError

MANIFEST: Final = "manifest.json"
#: Final names in the order they are published; the manifest always comes after all of them.
RUN_FILES: Final = (
    "config.yaml",
    "orders.parquet",
    "fills.parquet",
    "equity.parquet",
    "metrics.parquet",
    "latency.hdr",
    "report.html",
)
_LOCK: Final = ".tapewire.lock"
_HASH_CHUNK_BYTES: Final = 1 << 20


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes, as ``sha256sum`` prints it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


class RunFolder:
    """A folder claimed for one run, from its start to its manifest.

    Claiming creates the folder, locks it against a second run (the lock dies with the process),
    proves that it is writable, and clears temporary files of a run that was killed. Nothing under
    a final name changes before ``publish``.

    Parameters
    ----------
    path
        The folder; its parents are created.
    force
        Replace an earlier run in it when this one ends.

    Raises
    ------
    OutputError
        If it holds a run already, is in use by another run, or can't be written.
    """

    def __init__(self, path: Path, *, force: bool = False) -> None:
        self.path = path
        self._files: dict[str, AtomicFile] = {}
        self._created = not path.exists()
        with output_errors(path, "use the run folder"):
            path.mkdir(parents=True, exist_ok=True)
        earlier = [n for n in (MANIFEST, *RUN_FILES) if (path / n).exists()]
        if earlier and not force:
            raise OutputError(
                f"the run folder {path} already holds {earlier[0]} of an earlier run; "
                "choose another folder with -o, or replace it with --force"
            )
        self._lock_path = path / _LOCK
        self._lock = self._claim()
        for name in (MANIFEST, *RUN_FILES):
            with output_errors(path, "clear temporary files in"):
                temporary_name(path / name).unlink(missing_ok=True)

    def _claim(self) -> int:
        with output_errors(self.path, "write into the run folder"):
            require_replaceable(self._lock_path)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(self._lock_path, flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise OutputError(
                f"the run folder {self.path} is being written by another run; "
                "wait for it, or choose another folder with -o"
            ) from error
        return fd

    def open(self, name: str) -> AtomicFile:
        """Start one of ``RUN_FILES`` under its temporary name."""
        if name not in RUN_FILES or name in self._files:
            raise ValueError(f"expected a run file not opened yet, found {name!r}")
        self._files[name] = AtomicFile(self.path / name)
        return self._files[name]

    def write(self, name: str, content: bytes | str) -> None:
        """Write one of ``RUN_FILES`` whole, under its temporary name."""
        target = self.open(name)
        with output_errors(target.path):
            target.file.write(content.encode() if isinstance(content, str) else content)
        target.seal()

    def describe(self) -> dict[str, dict[str, int | str]]:
        """Seal what was written so far and return size and SHA-256 per final name."""
        found: dict[str, dict[str, int | str]] = {}
        for name in (n for n in RUN_FILES if n in self._files):
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
        an earlier run as it was. A leftover of an earlier run that this one did not write is
        removed. If a rename fails, none of this run's files stays under a final name.
        """
        last = AtomicFile(self.path / MANIFEST)
        try:
            with output_errors(last.path):
                last.file.write(manifest.encode())
            last.seal()
            for target in self._files.values():
                target.seal()
            with output_errors(self.path, "replace the earlier run in"):
                for name in (MANIFEST, *(n for n in RUN_FILES if n not in self._files)):
                    (self.path / name).unlink(missing_ok=True)
                sync_folder(self.path)
            published: list[Path] = []
            try:
                for name in (n for n in RUN_FILES if n in self._files):
                    self._files[name].publish()
                    published.append(self.path / name)
                last.publish()
            except BaseException:
                for path in published:
                    with contextlib.suppress(OSError):
                        path.unlink(missing_ok=True)
                raise
        except BaseException:
            last.discard()
            raise
        self._files.clear()
        return last.path

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
        with contextlib.suppress(OSError):
            self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)
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
