"""The kill switch: a file in the account's folder, there until a person takes it away.

It may appear by `kill_switch`, by a signal to the rails, by a message of the engine or by hand;
rails look for it many times a second, and write it themselves where they heard of a kill otherwise.
While it is there no session of the account sends an order.
"""

import os
from pathlib import Path
from typing import Final

from tapewire.atomic import atomic_write, output_errors
from tapewire.errors import ConfigError
from tapewire.wire.codec import printable

KILL_FILE: Final = "KILL"
_WHY_BYTES_MAX: Final = 4_096


def kill_switch(folder: Path, why: str) -> Path:
    """Have the account's rails cancel everything and send no more orders; return the file.

    Raises
    ------
    ConfigError
        If there is no such folder.
    OutputError
        If the file can't be written.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: expected an account's folder, found none")
    path = folder / KILL_FILE
    with output_errors(path):
        is_there = path.exists()
    if not is_there:
        atomic_write(path, f"{why}\n")
    return path


def killed_because(folder: Path) -> str | None:
    """Return why the account is killed; None if it is not."""
    path = folder / KILL_FILE
    try:
        # Neither a link's end is told to whoever asks, nor a pipe waited for.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags), "rb") as file:
            text = file.read(_WHY_BYTES_MAX).decode(errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:  # something is there: better once too often
        return f"{path} can't be read: {error.strerror}"
    return printable(text) or f"{path} is there"  # anybody may have written it


def reset_confirmation_of(account: str) -> str:
    """Return what a person types to trade an account again."""
    return f"reset {account}"


def reset_kill_switch(folder: Path, account: str, typed: str) -> bool:
    """Take the file away: the account's next session may trade. Whether there was one.

    A session that runs meanwhile stays killed.

    Raises
    ------
    ConfigError
        If something else was typed than `reset_confirmation_of` says.
    OutputError
        If it can't be removed.
    """
    expected = reset_confirmation_of(account)
    if typed != expected:
        raise ConfigError(f"{account}: expected {expected!r} to be typed, found {typed!r}")
    path = folder / KILL_FILE
    with output_errors(path, "remove"):
        was_there = path.exists()
        path.unlink(missing_ok=True)
    return was_there
