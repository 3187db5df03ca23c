"""The day that a file's times are of: in its name, and as midnight in New York."""

import datetime as dt
import os
import re
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from tapewire.compiled.units import NS_PER_S

_ZONE: Final = ZoneInfo("America/New_York")


def date_in(path: str | os.PathLike[str]) -> dt.date | None:
    """Return the day in a file's name: ``20190530``, ``05302019``, or ``S053019`` as NASDAQ has."""
    name = Path(path).name
    for pattern, form in ((r"\d{8}", "%Y%m%d"), (r"\d{8}", "%m%d%Y"), (r"S(\d{6})-", "S%m%d%y-")):
        for found in re.finditer(rf"(?<!\d){pattern}(?!\d)", name):
            try:
                return dt.datetime.strptime(found.group(), form).replace(tzinfo=dt.UTC).date()
            except ValueError:
                continue
    return None


def midnight_ns(date: dt.date) -> int:
    """Return midnight in New York, ns since the epoch, UTC."""
    midnight = dt.datetime.combine(date, dt.time(), _ZONE)
    return int(midnight.timestamp()) * NS_PER_S
