"""The UTC days of market data files, by what their headers say."""

import datetime as dt
from typing import Final

from tapewire.compiled.units import NS_PER_DAY
from tapewire.config.schema import DatabentoSource

_EPOCH: Final = dt.date(1970, 1, 1)


def days_in(source: DatabentoSource) -> list[dt.date]:
    """Return the UTC days that files begin on, and those that they say they go over, in order.

    Days before the source's start and from its end on are left out.

    Raises
    ------
    MissingFileError, FormatError
        If a file can't be used.
    """
    from tapewire.replay.dbn import inspect

    found: set[int] = set()
    for path in source.files:
        header = inspect(path, allow_truncated=source.allow_truncated)
        if header.first_ts_recv is None:
            continue
        first = header.first_ts_recv // NS_PER_DAY
        last = (header.end_ns - 1) // NS_PER_DAY if header.end_ns else first
        found.update(range(first, max(first, last) + 1))
    if source.start is not None:
        found = {day for day in found if (day + 1) * NS_PER_DAY > source.start}
    if source.end is not None:
        found = {day for day in found if day * NS_PER_DAY < source.end}
    return [_EPOCH + dt.timedelta(day) for day in sorted(found)]
