"""Prices, lots and times as FIX writes them, exactly, and back.

Source: FIX 4.4, volume 1, data types: a float is an optional sign, digits and at most one point,
without an exponent; a UTCTimestamp is ``YYYYMMDD-HH:MM:SS`` with an optional fraction.
"""

import datetime as dt
import re
from typing import Final

from tapewire.compiled.units import NS_PER_S, PRICE_UNITS
from tapewire.errors import ProtocolError
from tapewire.live.orders import LOTS_MAX
from tapewire.market.records import UNDEF_PRICE

_DECIMALS: Final = 9
_FLOAT: Final = re.compile(r"(-?)0*(\d{0,10})(?:\.(\d{0,20}))?", re.ASCII)
_TIME: Final = re.compile(r"(\d{8})-(\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?", re.ASCII)
_PRICE_MAX: Final = UNDEF_PRICE - 1
_DAY: Final = "%Y%m%d"
_S_PER_MIN: Final = 60
_HOURS: Final = 24
#: Digits of a number that somebody counts with; the longest that Python reads are thousands.
_DIGITS_MAX: Final = 18


def number_of(text: str) -> int | None:
    """Read a number that counts something, 0 or more; None: it is none.

    Raises
    ------
    ProtocolError
        If it has more digits than anything that is counted.
    """
    if not text.isdecimal():
        return None
    if len(text) > _DIGITS_MAX:
        raise ProtocolError(
            f"expected a number of at most {_DIGITS_MAX} digits, found one of {len(text):,}: "
            f"{text[:_DIGITS_MAX]}…"
        )
    return int(text)


def price_text(price: int) -> str:
    """Return a price as a decimal: 5_000_250_000_000 is ``5000.25``."""
    whole, part = divmod(abs(price), PRICE_UNITS)
    sign = "-" if price < 0 else ""
    if not part:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{part:0{_DECIMALS}d}".rstrip("0")


def price_of(text: str) -> int:
    """Read a price, int64, 1 unit = 1e-9.

    Raises
    ------
    ValueError
        If it is none, is beyond int64, or has digits behind the ninth decimal.
    """
    match = _FLOAT.fullmatch(text)
    if match is None or not (match[2] or match[3] or text.strip("-").startswith("0")):
        raise ValueError(f"expected a decimal number, found {text!r}")
    part = (match[3] or "").rstrip("0")
    if len(part) > _DECIMALS:
        raise ValueError(f"expected at most {_DECIMALS} decimals, found {text!r}")
    price = int(match[2] or "0") * PRICE_UNITS + int(part.ljust(_DECIMALS, "0"))
    if price > _PRICE_MAX:
        raise ValueError(f"expected a price that int64 holds, found {text!r}")
    return -price if match[1] else price


def lots_of(text: str) -> int:
    """Read a quantity of whole lots, 0 to `LOTS_MAX`; ``3.0`` is 3.

    Raises
    ------
    ValueError
        If it is none.
    """
    lots, rest = divmod(price_of(text), PRICE_UNITS)
    if rest or not 0 <= lots <= LOTS_MAX:
        raise ValueError(f"expected whole lots, 0 to {LOTS_MAX:,}, found {text!r}")
    return lots


def time_text(ts_ns: int) -> str:
    """Return a time, ns since the epoch, in UTC to the millisecond, as FIX 4.4 has it."""
    seconds, ns = divmod(ts_ns, NS_PER_S)
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y%m%d-%H:%M:%S}.{ns // 10**6:03d}"


def time_of(text: str) -> int:
    """Read a time, ns since the epoch; fractions to the picosecond are cut to ns.

    Raises
    ------
    ValueError
        If it is none.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a time like 20261128-14:30:00.123, found {text!r}")
    day = dt.datetime.strptime(match[1], _DAY).replace(tzinfo=dt.UTC)
    hours, minutes, seconds = int(match[2]), int(match[3]), int(match[4])
    # A leap second is the last one of its day: 60.
    if hours >= _HOURS or minutes >= _S_PER_MIN or seconds > _S_PER_MIN:
        raise ValueError(f"expected a time of day, found {text!r}")
    total_s = int(day.timestamp()) + (hours * _S_PER_MIN + minutes) * _S_PER_MIN + seconds
    return total_s * NS_PER_S + int((match[5] or "").ljust(_DECIMALS, "0")[:_DECIMALS])
