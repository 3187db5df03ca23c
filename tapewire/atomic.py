"""Files that are whole or not there.

A file is written under a temporary name in the folder it will live in, flushed to the disk
(``fsync``), renamed to its final name, and the folder is flushed too. A file under its final name
is therefore complete.

Like the errors, this module may be imported by every room.
"""

import contextlib
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

    Parameters
    ----------
    path
        The final name. The temporary name beside it is replaced if an earlier run left one.

    Raises
    ------
    OutputError
        From the constructor, ``seal`` and ``publish``, naming the path and the system's reason.
        Errors of ``file.write`` itself stay ``OSError``; wrap them in ``output_errors``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = temporary_name(path)
        with output_errors(path):
            self.file: BinaryIO = self.temporary.open("wb")

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
            sync_folder(self.path.parent)

    def discard(self) -> None:
        """Remove the temporary file; nothing is left of it. Never raises."""
        with contextlib.suppress(OSError, ValueError):
            self.file.close()
        with contextlib.suppress(OSError):
            self.temporary.unlink(missing_ok=True)


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
