"""How a moment is written for people."""

import datetime

from tapewire.compiled.units import NS_PER_S


def time_text(ns: int) -> str:
    """Write ns since the epoch as ISO 8601 in UTC, with nine decimals where it is no full second.

    A time beyond the calendar stays a number.
    """
    seconds, rest = divmod(ns, NS_PER_S)
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return f"{ns} ns"
    fraction = f".{rest:09d}" if rest else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"
