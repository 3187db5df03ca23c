"""A folder of files that can be made again, bounded in size and shared by processes.

==================  ===============================================================================
``<name>.dbn``      a file; locked (shared) by every process that uses it
``<name>.json``     what is known of it; its date is that of the file's last use
``.….tmp``          one in the making; locked by its process, so what a killed one left shows
``.lock``           held while room is made and while a file is given its name
==================  ===============================================================================
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from tapewire.atomic import AtomicFile, temporary_name
from tapewire.compiled.private_folders import NotPrivateError, private_folder

#: How far ahead a file in the making claims room, where there is room.
CLAIM_BYTES: Final = 256 << 20
#: The lock is held for moments only.
LOCK_TIMEOUT_S: Final = 10.0
_LOCK_POLL_S: Final = 0.01
_LOCK: Final = ".lock"
_BYTES_PER_GB: Final = 10**9


def cache_dir() -> Path:
    """Return the folder for files that can be made again: ``TAPEWIRE_CACHE_DIR`` or XDG's."""
    base = os.environ.get("TAPEWIRE_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tapewire"


class NotKept(Exception):
    """Why a file has no place in the folder."""


class CacheFolder:
    """The folder as one process uses it.

    Parameters
    ----------
    path
        The folder; see `make`.
    limit_bytes
        Its files together are kept to this size: before it is passed, those unused for longest
        are removed, but none that a process is using.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self.path = path
        self.limit_bytes = limit_bytes

    def make(self) -> None:
        """Make the folder where it is missing, and keep it to its limit.

        Raises
        ------
        OSError
            If it can't be made or written to.
        NotKept
            If somebody else could write to it, or its lock can't be had.
        """
        try:
            self.path = private_folder(self.path)
        except NotPrivateError as error:
            raise NotKept(str(error)) from None
        with self.locked():
            self._make_room(0)

    def use(self, file: Path) -> BinaryIO | None:
        """Open a file, which keeps it from being removed while it is open; None if there is none.

        Called with the lock held: whoever locks a file alone holds that, too.
        """
        try:
            opened = file.open("rb", buffering=0)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(opened.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BaseException:
            opened.close()
            raise
        return opened

    def begin(self, file: Path) -> AtomicFile:
        """Start to write a file, alone.

        Raises
        ------
        NotKept
            If another process is writing it.
        OutputError
            If it can't be written.
        """
        with self.locked():  # between its opening and its locking, too, it is not a leftover
            if not _remove_unlocked([temporary_name(file)]):
                raise NotKept("another run is preparing it")
            return AtomicFile(file)

    def claim(self, target: AtomicFile, end: int, expected: float) -> int:
        """Give a file in the making room up to ``end`` bytes; return how far it has room now.

        Claimed room shows as the size of its temporary file, so that every process counts it.

        Parameters
        ----------
        expected
            How large the whole file will be, as far as that can be told.

        Raises
        ------
        NotKept
            If there is no room for it; nothing is removed in vain then.
        """
        size = max(end, expected)
        if size > self.limit_bytes:
            raise NotKept(self.too_large(size))
        with self.locked():
            room = self._make_room(size, target.temporary)
            if room < size:
                raise NotKept(
                    f"it needs {gigabytes(size)} or more, and of {gigabytes(self.limit_bytes)} "
                    f"(replay.cache_max_gb) runs under way use all but {gigabytes(max(0, room))}"
                )
            claimed = min(end + CLAIM_BYTES, room)
            os.ftruncate(target.file.fileno(), claimed)
        return claimed

    def too_large(self, size: float) -> str:
        """Say that a file is larger than the whole folder may be."""
        return (
            f"it needs {gigabytes(size)} or more, replay.cache_max_gb is "
            f"{gigabytes(self.limit_bytes)}: raise that, or convert it once with "
            "`tapewire data convert`"
        )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from making room and from giving names, for a moment.

        Raises
        ------
        NotKept
            If another process has held the lock for too long.
        """
        fd = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline_s = time.monotonic() + LOCK_TIMEOUT_S
            while not _try_lock(fd):
                if time.monotonic() > deadline_s:
                    raise NotKept(
                        f"another run has held {self.path / _LOCK} for {LOCK_TIMEOUT_S:g} s"
                    )
                time.sleep(_LOCK_POLL_S)
            yield
        finally:
            os.close(fd)

    def _make_room(self, wanted: float, own: Path | None = None) -> int:
        """Remove files, longest unused first, so that ``wanted`` bytes fit; return what is free.

        Where removing all that nobody uses would not do, nothing is removed; ``wanted`` of 0
        removes what it can. Called with the lock held; ``own`` does not count.
        """
        free = self.limit_bytes
        files: list[tuple[int, Path, int]] = []
        for path in self.path.iterdir():
            with contextlib.suppress(FileNotFoundError):  # gone by now
                if path == own or path.name == _LOCK:
                    continue
                if path.suffix == ".tmp":
                    free -= 0 if _remove_unlocked([path]) else path.stat().st_size
                elif path.suffix == ".dbn":
                    size = path.stat().st_size
                    free -= size
                    files.append((_last_use_ns(path), path, size))
                elif path.suffix == ".json" and not path.with_suffix(".dbn").exists():
                    path.unlink()  # about a file that is no longer there
        chosen: list[tuple[Path, int]] = []
        gained = 0
        for _, path, size in sorted(files):
            if free + gained >= wanted:
                break
            if not _in_use(path):
                chosen.append((path, size))
                gained += size
        if free + gained < wanted and wanted:
            return free
        for path, size in chosen:
            if _remove_unlocked([path, facts_path(path)]):
                free += size
        return free


def facts_path(file: Path) -> Path:
    """Return where it is noted what is known of a file."""
    return file.with_suffix(".json")


def note_use(file: Path) -> None:
    """Note that a file was used now, as far as the folder lets us."""
    now_ns = time.time_ns()  # finer than the file system's own idea of now
    with contextlib.suppress(OSError):
        os.utime(facts_path(file), ns=(now_ns, now_ns))


def gigabytes(size: float) -> str:
    """Write a number of bytes as people read it."""
    return f"{size / _BYTES_PER_GB:.3g} GB"


def _last_use_ns(file: Path) -> int:
    try:
        return facts_path(file).stat().st_mtime_ns
    except OSError:
        return 0


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _in_use(path: Path) -> bool:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return not _try_lock(fd)
    finally:
        os.close(fd)


def _remove_unlocked(paths: list[Path]) -> bool:
    """Remove files together unless somebody has locked the first one; False in that case."""
    try:
        fd = os.open(paths[0], os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        if not _try_lock(fd):
            return False
        for path in paths:
            path.unlink(missing_ok=True)
        return True
    finally:
        os.close(fd)
