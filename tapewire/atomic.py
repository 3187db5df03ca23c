"""Files that are whole or not there.

A file is written under a temporary name in the folder it will live in, flushed to the disk
(``fsync``), renamed to its final name, and the folder is flushed too. A file under its final name
is therefore complete.

A rename replaces whatever stands under the final name, a device or a link as well as a file; so
only a plain file, or nothing, may stand there. The temporary file is made anew (``O_EXCL``), so
that nothing is ever written through a link that somebody put under its name.

Like the errors, this module may be imported by every room.
"""

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from tapewire.errors import OutputError

#: How often a temporary name may be taken away between looking at it and making it.
_OPEN_TRIES_MAX: Final = 100
#: How often it is looked whether a folder is in use before it is said, and how long in between.
_LOOKS_MAX: Final = 5
_LOOK_S: Final = 0.01
_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a pipe",
}


def kind_of_file(mode: int) -> str:
    """Name what stands under a path, by its mode, where that is no plain file."""
    return _KINDS.get(stat.S_IFMT(mode), "no plain file")


@contextlib.contextmanager
def output_errors(path: Path, doing: str = "write") -> Iterator[None]:
    """Turn an ``OSError`` into one sentence that names the path and the system's own words."""
    try:
        yield
    except OSError as error:
        what = error.strerror or str(error) or type(error).__name__
        todo = "free the space or choose another folder with -o"
        if error.errno in (errno.EEXIST, errno.ENOTDIR):
            todo = "a file is in the way: choose another folder with -o"
        raise OutputError(f"cannot {doing} {path}: {what}; {todo}") from error


def require_replaceable(path: Path) -> None:
    """Refuse an output name under which anything but a plain file stands.

    Raises
    ------
    OutputError
        If there is a folder, a device, a socket, a pipe or a symbolic link, naming it; or if the
        system does not say.
    """
    with output_errors(path):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return
        if stat.S_ISREG(mode):
            return
        kind = kind_of_file(mode)
        to = f" to {path.readlink()}" if stat.S_ISLNK(mode) else ""
    raise OutputError(
        f"{path}: is {kind}{to}; expected a plain file or a free name: choose another one"
    )


def temporary_name(path: Path) -> Path:
    """Return the name a file is written under until it is complete."""
    return path.with_name(f".{path.name}.tmp")


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename survives a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class AtomicFile:
    """A file in the making: write to ``file``, then ``seal`` it, then ``publish`` it.

    The temporary file is locked until it is published or discarded, so two processes never write
    into one; the lock dies with its process, and what a killed one left is written over.

    Parameters
    ----------
    path
        The final name: of a plain file, or free. A temporary file beside it that a killed process
        left is removed.
    mode
        Who may read and write it, less what the process withholds of all its files (umask).

    Raises
    ------
    OutputError
        From the constructor, ``seal`` and ``publish``, naming the path and the system's reason;
        from the constructor also if another process is writing that file; from it and ``publish``
        if something else than a file has the name.
        Errors of ``file.write`` itself stay ``OSError``; wrap them in ``output_errors``.
    """

    def __init__(self, path: Path, *, mode: int = 0o666) -> None:
        require_replaceable(path)
        self.path = path
        self.temporary = temporary_name(path)
        with output_errors(path):
            self.file: BinaryIO = _open_alone(self.temporary, path, mode)
            # The same lock, held beyond the closing of the file.
            self._lock = os.dup(self.file.fileno())

    def seal(self) -> None:
        """Flush the content to the disk and close it, still under the temporary name."""
        if self.file.closed:
            return
        with output_errors(self.path):
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()

    def publish(self) -> None:
        """Give the sealed file its final name, replacing what stood there."""
        self.seal()
        require_replaceable(self.path)
        with output_errors(self.path):
            self.temporary.replace(self.path)
            self._unlock()
            sync_folder(self.path.parent)

    def discard(self) -> None:
        """Remove the temporary file; nothing is left of it. Never raises.

        Once published, the file stays.
        """
        with contextlib.suppress(OSError, ValueError):
            self.file.close()
        if self._lock >= 0:
            with contextlib.suppress(OSError):
                self.temporary.unlink(missing_ok=True)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _open_alone(temporary: Path, path: Path, mode: int) -> BinaryIO:
    """Make a temporary file, empty and locked."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    for _ in range(_OPEN_TRIES_MAX):
        try:
            fd = os.open(temporary, flags, mode)
        except FileExistsError:
            _remove_leftover(temporary, path)
            continue
        try:
            if _lock(fd, temporary, path):
                return os.fdopen(fd, "wb")
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
    raise OutputError(f"{path}: others keep taking {temporary.name} away; choose another name")


def _remove_leftover(temporary: Path, path: Path) -> None:
    """Remove the temporary file of a process that was killed."""
    require_replaceable(temporary)
    try:
        fd = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if _lock(fd, temporary, path):
            temporary.unlink()
    finally:
        os.close(fd)


def _lock(fd: int, temporary: Path, path: Path) -> bool:
    """Lock an open temporary file; return whether it still has its name then.

    Between opening and locking another process may have published, discarded or removed it.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(fd), temporary.lstat())
    except FileNotFoundError:
        return False
    except BlockingIOError:
        raise OutputError(
            f"{path} is being written by another process; wait for it, or choose another name"
        ) from None


def lock_alone(path: Path) -> int | None:
    """Lock a file that says who is at work in its folder; both are made where they are not there.

    Who is done removes the file before the lock is gone (`unlock`), and maybe the folder. Whoever
    had opened it by then holds the lock of a file without a name, which the next one would not
    see: so it is locked only if it has its name then.

    Parameters
    ----------
    path
        The file; nobody else removes it.

    Returns
    -------
    int or None
        Its descriptor, for `unlock`; the lock dies with the process. None: another has it.

    Raises
    ------
    OSError
        If the file or the folder can't be made.
    OutputError
        If something else than a file is there, or others keep taking it away.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    looks = 0
    for _ in range(_OPEN_TRIES_MAX):
        path.parent.mkdir(parents=True, exist_ok=True)
        require_replaceable(path)
        try:
            fd = os.open(path, flags, 0o600)
        except FileNotFoundError:  # the folder has gone in between
            continue
        locked = False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = os.path.samestat(os.fstat(fd), path.lstat())
        except FileNotFoundError:
            continue
        except BlockingIOError:
            # Who only asks whether it is locked (`is_locked`) has it for a moment, too.
            looks += 1
            if looks == _LOOKS_MAX:
                return None
            time.sleep(_LOOK_S)
        finally:
            if not locked:
                os.close(fd)
        if locked:
            return fd
    raise OutputError(f"{path.parent}: others keep taking {path.name} away: run again")


def unlock(fd: int, path: Path) -> None:
    """Give back what `lock_alone` has locked: the file first, the lock then. Never raises."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    os.close(fd)


def is_locked(path: Path) -> bool:
    """Whether somebody has locked a file by `lock_alone` just now."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


class PartialFile:
    """A file that comes in parts, maybe over several processes: what is there of it is kept.

    It lies beside its final name, as ``.NAME.part``, locked while it is open.

    Parameters
    ----------
    path
        The final name: of a plain file, or free.

    Raises
    ------
    OutputError
        From the constructor and ``publish``: if the file can't be written, another process is at
        it, or something else than a file has one of the names. Errors of ``file.write`` itself stay
        ``OSError``; wrap them in ``output_errors``.
    """

    def __init__(self, path: Path) -> None:
        require_replaceable(path)
        self.path = path
        self.partial = path.with_name(f".{path.name}.part")
        require_replaceable(self.partial)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with output_errors(path):
            self.file: BinaryIO = os.fdopen(os.open(self.partial, flags, 0o666), "r+b")
        try:
            if not _lock(self.file.fileno(), self.partial, path):
                raise OutputError(f"{path}: another process took it away: run again")
        except BaseException:
            self.file.close()
            raise

    def restart(self) -> None:
        """Begin anew: nothing of it is there."""
        with output_errors(self.path):
            self.file.seek(0)
            self.file.truncate()

    def publish(self) -> None:
        """Flush it to the disk and give it its final name, replacing what stood there."""
        with output_errors(self.path):
            self.file.flush()
            os.fsync(self.file.fileno())
            require_replaceable(self.path)
            self.partial.replace(self.path)
            self.file.close()
            sync_folder(self.path.parent)

    def close(self) -> None:
        """Close it; what is there is kept for the next time."""
        self.file.close()


@contextlib.contextmanager
def atomic_file(path: Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open ``path`` for binary writing; it appears whole when the block ends without an error.

    ``mode`` is as `AtomicFile` has it.

    Raises
    ------
    OutputError
        If the file can't be written; what stood under that name before is untouched.
    """
    target = AtomicFile(path, mode=mode)
    try:
        with output_errors(path):
            yield target.file
        target.publish()
    except BaseException:
        target.discard()
        raise


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a whole file at once: temporary name, fsync, rename, fsync of the folder.

    Raises
    ------
    OutputError
        If the file can't be written; what stood under that name before is untouched.
    """
    with atomic_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
