"""How the report writes numbers, times and sizes."""

from datetime import UTC, datetime
from typing import Any, Final

from tapewire.compiled.units import MONEY_UNITS, NS_PER_S

MINUS: Final = "\N{MINUS SIGN}"
NOTHING: Final = "n/a"
_NARROW: Final = "\N{NO-BREAK SPACE}"


def money(value: int | None) -> str:
    """Return 1e-9 currency units as text with two decimals, more only where two would say 0."""
    if value is None:
        return NOTHING
    cents = abs(value) * 100
    places = 2 if value == 0 or cents >= MONEY_UNITS else 9
    text = f"{abs(value) // MONEY_UNITS:,}"
    fraction = f"{abs(value) % MONEY_UNITS:09d}"
    if places == 2:
        rounded = (abs(value) + MONEY_UNITS // 200) // (MONEY_UNITS // 100)
        text, fraction = f"{rounded // 100:,}", f"{rounded % 100:02d}"
    else:
        fraction = fraction.rstrip("0")
    return f"{MINUS if value < 0 else ''}{text}.{fraction}"


def count(value: int | None) -> str:
    """Return an integer with thousands separated."""
    return NOTHING if value is None else f"{value:,}".replace("-", MINUS)


def number(value: float | None, places: int = 2) -> str:
    """Return a float with a fixed number of decimals; more where it would read as 0."""
    if value is None:
        return NOTHING
    text = f"{value:,.{places}f}"
    if value and not text.strip("-0.,"):
        text = f"{value:.3g}"
    return text.replace("-", MINUS)


def percent(value: float | None) -> str:
    """Return a ratio as a percentage with one decimal."""
    return NOTHING if value is None else f"{100 * value:,.1f}{_NARROW}%".replace("-", MINUS)


def time_utc(ns: int | None) -> str:
    """Return nanoseconds since the epoch as ``2023-12-25 14:30:00.123456789``, nothing lost."""
    if ns is None:
        return NOTHING
    second, rest = divmod(ns, NS_PER_S)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}.{rest:09d}"


def time_short(ns: int | None) -> str:
    """Return nanoseconds since the epoch as ``2023-12-25 14:30:00``, for places without room."""
    return NOTHING if ns is None else time_utc(ns)[:19]


def duration(seconds: float | None) -> str:
    """Return a duration in the unit that suits it."""
    if seconds is None:
        return NOTHING
    if seconds < 120:
        return latency(seconds * 1e9)
    if seconds < 7200:
        return f"{seconds / 60:.1f}{_NARROW}min"
    return f"{seconds / 3600:.1f}{_NARROW}h"


def latency(ns: float) -> str:
    """Return nanoseconds as ns, µs, ms or s with three significant digits."""
    for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if ns >= size:
            value = ns / size
            places = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
            return f"{value:,.{places}f}{_NARROW}{unit}"
    return f"{ns:.0f}{_NARROW}ns"


def size(octets: int | None) -> str:
    """Return a number of bytes in decimal units."""
    if octets is None:
        return NOTHING
    value = float(octets)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f}{_NARROW}{unit}" if unit == "B" else f"{value:.1f}{_NARROW}{unit}"
        value /= 1000
    return f"{value:.1f}{_NARROW}TB"


def plain(value: Any) -> str:
    """Return any configuration value as text, numbers as they are, not rounded."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return f"{value:,}".removesuffix(".0").replace("-", MINUS)
    if isinstance(value, list | tuple):
        return ", ".join(plain(v) for v in value) or "none"
    return NOTHING if value is None else str(value)
