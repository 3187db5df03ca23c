"""When sessions close: a time of day in a place, as moments."""

import datetime
from zoneinfo import ZoneInfo

from tapewire.compiled.units import NS_PER_S
from tapewire.config.schema import SessionHours

#: Days for which closes are known, from the beginning of the data on, or, where that is not known,
#: from the year 2000 on.
_DAYS: int = 20 * 366
_ALL_DAYS: int = 100 * 366
_FIRST_DAY = datetime.date(2000, 1, 1)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def session_closes(hours: SessionHours | None, start_ns: int) -> tuple[int, ...]:
    """Return the closes after a moment (0: unknown), ns since the epoch, ascending."""
    if hours is None:
        return ()
    zone = ZoneInfo(hours.timezone)
    close = datetime.time.fromisoformat(hours.close)
    first, days = _FIRST_DAY, _ALL_DAYS
    if start_ns:
        moment = datetime.datetime.fromtimestamp(start_ns // NS_PER_S, zone)
        first, days = moment.date(), _DAYS
    closes = []
    for k in range(days):
        day = first + datetime.timedelta(days=k)
        moment = datetime.datetime.combine(day, close, zone)
        closes.append((moment - _EPOCH) // datetime.timedelta(seconds=1) * NS_PER_S)
    return tuple(ns for ns in closes if ns > start_ns)
