"""Days of a synthetic market: sessions, contracts that expire, and volume that rolls."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: Contracts of a product that are listed at a time.
LISTED: Final = 2
#: 4 March 2024: a Monday, eleven days before a third Friday.
FIRST_DAY: Final = dt.date(2024, 3, 4)
OPEN: Final = dt.time(14, 30)
HOURS: Final = 6.5
_MONTHS: Final = {3: "H", 6: "M", 9: "U", 12: "Z"}
_FRIDAY: Final = 4
#: Of a product's volume, the next contract's share by trading days from the roll on; before and
#: after that, the first and the last one.
_SHARES: Final = {-3: 0.02, -2: 0.06, -1: 0.25, 0: 0.6, 1: 0.8, 2: 0.9, 3: 0.95, 4: 0.97}


@dataclass(frozen=True)
class ListedContract:
    """One delivery month of a product, as one day has it.

    Attributes
    ----------
    symbol : str
        As GLBX has them: product, month's letter, last digit of the year.
    number : int
        Quarters since the year 0: contracts of a product by age.
    expiry : date
        Its last day.
    share : float
        Of its product's volume on that day.
    """

    symbol: str
    number: int
    expiry: dt.date
    share: float


def trading_days(first: dt.date, n: int) -> list[dt.date]:
    """The first n days from a date on that are no Saturday or Sunday."""
    days: list[dt.date] = []
    day = first
    while len(days) < n:
        if day.weekday() <= _FRIDAY:
            days.append(day)
        day += dt.timedelta(days=1)
    return days


def expiry_of(year: int, month: int) -> dt.date:
    """The third Friday of a month."""
    first = dt.date(year, month, 1)
    return first + dt.timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)


def roll_of(expiry: dt.date) -> dt.date:
    """The day on which the next contract trades more: the Monday before the third Friday."""
    return expiry - dt.timedelta(days=_FRIDAY)


def contracts_on(product: str, day: dt.date) -> list[ListedContract]:
    """The contracts of a product that are listed on a day, the first to expire first."""
    listed: list[tuple[str, int, dt.date]] = []
    for year, month in _quarters(day):
        expiry = expiry_of(year, month)
        if expiry >= day:
            symbol = f"{product}{_MONTHS[month]}{year % 10}"
            listed.append((symbol, 4 * year + month // 3, expiry))
        if len(listed) == LISTED:
            break
    roll = roll_of(listed[0][2])
    past = _weekdays_between(roll, day)
    share = _SHARES[min(max(past, min(_SHARES)), max(_SHARES))]
    return [
        ListedContract(*facts, share=part)
        for facts, part in zip(listed, (1 - share, share), strict=True)
    ]


def _quarters(day: dt.date) -> Iterator[tuple[int, int]]:
    for year in (day.year, day.year + 1):
        for month in _MONTHS:
            if (year, month) >= (day.year, day.month):
                yield year, month


def _weekdays_between(start: dt.date, end: dt.date) -> int:
    """Days from one to the other that are no Saturday or Sunday; below 0 backwards."""
    sign = 1 if end >= start else -1
    low, high = min(start, end), max(start, end)
    days = (low + dt.timedelta(days=k) for k in range(1, (high - low).days + 1))
    return sign * sum(day.weekday() <= _FRIDAY for day in days)
