"""Opening what a user named: a pipe or a device has no size, and reading one may never end."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from tapewire.atomic import kind_of_file
from tapewire.errors import ConfigError


def open_plain(path: Path, what: str) -> BinaryIO:
    """Open a plain file for reading, without waiting for the other end of a pipe.

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
