"""Work of a command that was stopped, kept for the one that goes on: is it ours, and the same?"""

import json
import os
import stat
from pathlib import Path
from typing import Any, Final

from tapewire.atomic import output_errors
from tapewire.errors import FormatError, OutputError

_MISSING: Final = object()
_SHOWN_MAX: Final = 100


def first_difference(there: Any, here: Any, where: str = "") -> str:
    """Name the first key whose values differ, and both; empty: none.

    Parameters
    ----------
    there, here
        What was begun, and what is asked for now, as JSON has it.
    where
        The key that both are under.
    """
    if isinstance(there, dict) and isinstance(here, dict):
        for key in dict.fromkeys((*here, *there)):
            name = f"{where}.{key}" if where else str(key)
            told = first_difference(there.get(key, _MISSING), here.get(key, _MISSING), name)
            if told:
                return told
        return ""
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for k, (was, now) in enumerate(zip(there, here, strict=True)):
            if told := first_difference(was, now, f"{where}[{k}]"):
                return told
        return ""
    if there == here:
        return ""
    return f"{where} was {_shown(there)} and is {_shown(here)}"


def _shown(value: Any) -> str:
    return "nothing" if value is _MISSING else json.dumps(value)[:_SHOWN_MAX]


def require_ours(folder: Path) -> None:
    """Refuse a folder that somebody else could have written to.

    Raises
    ------
    OutputError
        If it is none, another user's, or open to others.
    """
    with output_errors(folder, "look at"):
        status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise OutputError(
            f"{folder}: expected a folder that is yours alone (mode 0700), found mode "
            f"{stat.S_IMODE(status.st_mode):04o} of user {status.st_uid}: begin anew with --force"
        )


def require_plain(path: Path) -> None:
    """Refuse what is no plain file under a name that kept work has.

    Raises
    ------
    FormatError
        If there is nothing, or something else.
    """
    try:
        plain = stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        plain = False
    if not plain:
        raise FormatError(f"{path}: expected a plain file, found none: begin anew with --force")
