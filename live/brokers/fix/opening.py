"""A broker over FIX made of plain words, as settings that travel have them."""

from pathlib import Path
from typing import Any

from tapewire.live.brokers.fix.broker import FixBroker
from tapewire.live.brokers.fix.settings import FixSettings


def open_fix(folder: str, **options: Any) -> FixBroker:
    """Return an adapter that is not connected yet.

    Parameters
    ----------
    folder
        As `FixSettings` has it.
    options
        All other fields of `FixSettings`.

    Raises
    ------
    ConfigError
        If there can be no such session.
    TypeError
        If one of the options is none.
    """
    return FixBroker(FixSettings(folder=Path(folder), **options))
