"""Files that a user names: opened only where they are plain files, and refused twice."""

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from tapewire.atomic import kind_of_file
from tapewire.errors import ConfigError


def open_plain(path: Path, what: str) -> BinaryIO:
    """Open a plain file for reading, without waiting for the other end of a pipe.

    A pipe or a device has no size, and reading one may never end.

    Parameters
    ----------
    path
        The file, or a link to it.
    what
        Completes "expected …".

    Raises
    ------
    ConfigError
        If a pipe, a device or a socket is there.
    OSError, ValueError
        If it can't be opened; a folder is ``IsADirectoryError``.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise ConfigError(
                f"{path}: expected {what}, found {kind_of_file(mode)}; save it as a file first"
            )
    except BaseException:
        os.close(fd)
        raise
    return os.fdopen(fd, "rb")


def same_file(files: Sequence[str]) -> str | None:
    """Return a sentence about a file that is given twice, as it is or by a link; else None."""
    seen: dict[tuple[int, int] | str, str] = {}
    for name in files:
        try:
            status = os.stat(name)  # noqa: PTH116 (a name, not a path, goes into the message)
            key: tuple[int, int] | str = (status.st_dev, status.st_ino)
        except (OSError, ValueError):  # not there: for the replay to say
            key = name
        if key in seen:
            if seen[key] == name:
                return f"{name} is given twice: its events would count double"
            return (
                f"{name} is the same file as {seen[key]} (a link): its events would count double; "
                "leave one out"
            )
        seen[key] = name
    return None
