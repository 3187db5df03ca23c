"""Files that are whole or not there.

A file is written under a temporary name in the folder it will live in, flushed to the disk
(``fsync``), renamed to its final name, and the folder is flushed too. A file under its final name
is therefore complete.

Like the errors, this module may be imported by every room.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tapewire.errors import OutputError


@contextlib.contextmanager
def output_errors(path: Path, doing: str = "write") -> Iterator[None]:
    """Turn an ``OSError`` into one sentence that names the path and the system's own words."""
    try:
        yield
    except OSError as error:
        what = error.strerror or str(error) or type(error).__name__
        raise OutputError(
            f"cannot {doing} {path}: {what}; free the space or choose another folder with -o"
        ) from error


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
        The final name. The temporary name beside it is replaced if an earlier run left one.

    Raises
    ------
    OutputError
        From the constructor, ``seal`` and ``publish``, naming the path and the system's reason;
        from the constructor also if another process is writing that file.
        Errors of ``file.write`` itself stay ``OSError``; wrap them in ``output_errors``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = temporary_name(path)
        with output_errors(path):
            self.file: BinaryIO = _open_alone(self.temporary, path)
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


def _open_alone(temporary: Path, path: Path) -> BinaryIO:
    """Open a temporary file for writing, empty and locked."""
    while True:
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between the two calls another process may have published or discarded it.
            if os.path.samestat(os.fstat(fd), temporary.stat()):
                os.truncate(fd, 0)
                return os.fdopen(fd, "wb")
        except FileNotFoundError:
            pass
        except BlockingIOError:
            os.close(fd)
            raise OutputError(
                f"{path} is being written by another process; wait for it, or choose another name"
            ) from None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open ``path`` for binary writing; it appears whole when the block ends without an error.

    Raises
    ------
    OutputError
        If the file can't be written; what stood under that name before is untouched.
    """
    target = AtomicFile(path)
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
