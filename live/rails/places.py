"""Where accounts are: a folder whose folders are those of accounts.

Names lead to folders that lie directly in it, and to nothing else: no path, no link.
"""

import os
from pathlib import Path

from tapewire.errors import MissingFileError


def account_folder(root: Path, name: str) -> Path:
    """Return the folder of an account.

    Raises
    ------
    MissingFileError
        If there is none of that name directly in ``root``.
    """
    if not _is_name(name) or not _is_folder(root / name):
        raise MissingFileError(
            f"account: expected the name of a folder of accounts, found {name[:100]!r}"
        )
    return root / name


def account_names(root: Path) -> list[str]:
    """Return the names of accounts, in order; a link is none.

    Raises
    ------
    MissingFileError
        If there is no such folder, or it can't be read.
    """
    try:
        found = [one.name for one in os.scandir(root) if one.is_dir(follow_symlinks=False)]
    except OSError as error:
        raise MissingFileError(
            f"accounts: expected a folder, found that it can't be read: {error.strerror}"
        ) from None
    return sorted(name for name in found if _is_name(name))


def _is_name(name: str) -> bool:
    """Whether a name is one, and can be told: no path, nothing hidden, no control letters."""
    return 0 < len(name) < 256 and "/" not in name and name[0] != "." and name.isprintable()


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir() and not path.is_symlink()
    except OSError:
        return False
