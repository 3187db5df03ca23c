"""Folders that nobody else can write to: for files that are believed when they are read back."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

_ROOT_UID: Final = 0
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


class NotPrivateError(Exception):
    """Somebody else could put files into a folder; the text says who and where."""


def private_folder(path: str | os.PathLike[str]) -> Path:
    """Return a folder without links in its path, made where it is missing, that is ours alone.

    Judged as ssh judges the folder of its keys: it belongs to this user, each folder above it to
    this user or to root, and nobody else may write to any of them. A folder above may be open to
    all if it has the sticky bit, as ``/tmp`` has: there nobody can replace what is not theirs.

    Raises
    ------
    NotPrivateError
        If it is not so.
    OSError
        If it can't be made.
    """
    real = Path(os.path.realpath(path))
    for folder in [*reversed(real.parents), real]:
        try:
            status = folder.lstat()
        except FileNotFoundError:
            _make(folder)
            status = folder.lstat()
        _require_private(folder, status, own=folder == real)
    return real


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:  # another process was quicker: judged like any other
        return


def _require_private(folder: Path, status: os.stat_result, *, own: bool) -> None:
    uid = os.geteuid()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if status.st_uid not in ((uid,) if own else (uid, _ROOT_UID)):
        wanted = f"user {uid}" if own else f"user {uid} or root"
        raise NotPrivateError(
            f"expected {folder} to belong to {wanted}, found user {status.st_uid}"
        )
    if status.st_mode & _WRITABLE_BY_OTHERS and (own or not status.st_mode & stat.S_ISVTX):
        raise NotPrivateError(
            f"expected {folder} to be writable by its owner alone, found mode "
            f"{stat.S_IMODE(status.st_mode):04o} (chmod go-w)"
        )
