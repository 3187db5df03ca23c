"""Candles: bars of one instrument and one interval, checked, prices in whole ticks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.units import NS_PER_S, PRICE_UNITS
from tapewire.errors import FormatError, NoDataError

Integers = npt.NDArray[np.int64]

PRICES: Final = ("open", "high", "low", "close")
#: What is done with bars that can't be true: nothing is played, or they are repaired and counted.
FAULT_POLICIES: Final = ("error", "repair")
_MISSING: Final = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Candles:
    """Bars of one instrument.

    Attributes
    ----------
    ts_event : int64 (n,)
        Where each begins, ns since the epoch, UTC; strictly ascending.
    open, high, low, close : int64 (n,)
        In ticks.
    volume : int64 (n,)
        Lots or shares.
    tick_size : int
        1e-9 currency per tick.
    interval_ns : int
        How long a bar lasts: as stated, else the shortest step between two.
    symbol : str
        May be empty.
    counts : mapping
        What was found, and repaired where that was asked for: ``unordered``, ``duplicates``,
        ``missing`` (bars without a price), ``inconsistent`` (a high below another price, a low
        above one), ``zero_volume``, ``gaps`` (steps longer than the interval).
    """

    ts_event: Integers
    open: Integers
    high: Integers
    low: Integers
    close: Integers
    volume: Integers
    tick_size: int
    interval_ns: int
    symbol: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ts_event)

    @property
    def tick(self) -> float:
        """Currency per tick."""
        return self.tick_size / PRICE_UNITS

    @property
    def ts_close(self) -> Integers:
        """Where each ends, ns, shape (n,)."""
        return self.ts_event + self.interval_ns

    def until(self, index: int) -> "Candles":
        """Return the bars up to one, and that, without a copy: what is known as it ends."""
        return self.part(0, index + 1)

    def part(self, first: int, last: int) -> "Candles":
        """Return bars ``first`` up to ``last``, without a copy."""
        cut = slice(first, last)
        return Candles(
            self.ts_event[cut], self.open[cut], self.high[cut], self.low[cut], self.close[cut],
            self.volume[cut], self.tick_size, self.interval_ns, self.symbol, self.counts,
        )  # fmt: skip

    def price(self, ticks: Any) -> Any:
        """Return ticks as float64 prices in currency."""
        return np.asarray(ticks, np.float64) * self.tick

    @classmethod
    def of(
        cls,
        ts_event: Any,
        open: Any,
        high: Any,
        low: Any,
        close: Any,
        volume: Any,
        *,
        tick_size: int | None = None,
        interval_ns: int = 0,
        symbol: str = "",
        faults: str = "error",
        where: str = "candles",
    ) -> "Candles":
        """Check bars and take them.

        Parameters
        ----------
        ts_event
            ns since the epoch, UTC, shape (n,).
        open, high, low, close
            Whole numbers in 1e-9, or floats in currency (each stands for the shortest decimal that
            it prints as), shape (n,). NaN: missing.
        volume
            Not below 0, shape (n,).
        tick_size
            1e-9 currency; None: the largest step that every price is a multiple of.
        interval_ns
            How long a bar lasts; 0: the shortest step between two.
        symbol
            For results.
        faults
            ``error``, or ``repair``: sort by time, keep the last of several bars at one time, drop
            bars without a price, widen high and low to hold open and close.
        where
            Named in messages: a file.

        Raises
        ------
        FormatError
            If the bars are not sound, or not on the tick size; it names the first bar.
        NoDataError
            If there is none.
        """
        if faults not in FAULT_POLICIES:
            expected = " or ".join(FAULT_POLICIES)
            raise ValueError(f"faults: expected {expected}, found {faults!r}")
        table = _columns(where, ts_event, (open, high, low, close), volume)
        table, counts = _sound(table, where, repair=faults == "repair")
        if not table.shape[1]:
            raise NoDataError(f"{where}: has no bar")
        times, volumes = table[0], table[5]
        steps = np.diff(times)
        shortest = int(steps.min()) if len(steps) else 60 * NS_PER_S
        if len(steps) and interval_ns > shortest:
            row = int(steps.argmin()) + 1
            raise FormatError(
                f"{where}: row {row}: expected bars {interval_ns:,} ns apart, found {shortest:,}"
            )
        interval_ns = interval_ns or shortest
        counts["zero_volume"] = int((volumes == 0).sum())
        counts["gaps"] = int((steps > interval_ns).sum())
        size = tick_size or int(np.gcd.reduce(table[1:5], axis=None)) or 1
        ticks = {
            name: _in_ticks(prices, size, where, name)
            for name, prices in zip(PRICES, table[1:5], strict=True)
        }
        return cls(
            ts_event=np.ascontiguousarray(times),
            volume=np.ascontiguousarray(volumes),
            tick_size=size,
            interval_ns=interval_ns,
            symbol=symbol,
            counts=counts,
            **ticks,
        )


def to_price_units(values: Any, where: str, name: str) -> Integers:
    """Return prices in 1e-9, exactly; one that is missing is the least int64.

    Raises
    ------
    FormatError
        If one has more than nine decimal places, or is beyond ±9.2e9.
    """
    found = np.asarray(values)
    if np.issubdtype(found.dtype, np.integer):
        return found.astype(np.int64, copy=False)
    numbers = found.astype(np.float64, copy=False)
    missing = np.isnan(numbers)
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.rint(np.where(missing, 0.0, numbers) * PRICE_UNITS)
        wrong = ~missing & ~(np.abs(scaled) < 2**63)
        wrong |= ~missing & ~wrong & (scaled / PRICE_UNITS != numbers)
    if wrong.any():
        row = int(wrong.argmax())
        raise FormatError(
            f"{where}: row {row}: {name}: expected a price of at most nine decimal places, "
            f"found {numbers[row]}"
        )
    units: Integers = scaled.astype(np.int64)
    units[missing] = _MISSING
    return units


def _columns(where: str, ts_event: Any, prices: tuple[Any, ...], volume: Any) -> Integers:
    """Return times, prices in 1e-9 and volumes as rows of one table, shape (6, n)."""
    times = np.asarray(ts_event)
    if times.ndim != 1 or (len(times) and not np.issubdtype(times.dtype, np.integer)):
        raise FormatError(f"{where}: ts_event: expected whole ns, shape (n,), found {times.dtype}")
    table = np.empty((6, len(times)), np.int64)
    table[0] = times
    for row, (name, values) in enumerate(zip((*PRICES, "volume"), (*prices, volume), strict=True)):
        if np.shape(values) != times.shape:
            raise FormatError(
                f"{where}: {name}: expected {len(times)} values, found shape {np.shape(values)}"
            )
        table[row + 1] = (
            to_price_units(values, where, name) if name != "volume" else _lots(values, where)
        )
    return table


def _lots(values: Any, where: str) -> Integers:
    volumes = np.asarray(values)
    if not np.issubdtype(volumes.dtype, np.integer):
        with np.errstate(invalid="ignore"):
            wrong = ~(np.rint(volumes) == volumes) | ~(np.abs(volumes) < 2**63)
        if wrong.any():
            row = int(wrong.argmax())
            raise FormatError(
                f"{where}: row {row}: volume: expected a whole number, found {volumes[row]}"
            )
    lots: Integers = volumes.astype(np.int64)
    if (lots < 0).any():
        row = int((lots < 0).argmax())
        raise FormatError(f"{where}: row {row}: volume: expected at least 0, found {lots[row]}")
    return lots


def _sound(table: Integers, where: str, *, repair: bool) -> tuple[Integers, dict[str, int]]:
    """Return bars in order, each once, whole and consistent, and what was not."""
    counts = {}
    missing = (table[1:5] == _MISSING).any(axis=0)
    counts["missing"] = _found(missing, repair, where, "a price in every column, found none")
    table = table[:, ~missing]
    back = np.r_[False, np.diff(table[0]) < 0]
    counts["unordered"] = _found(back, repair, where, "times that ascend, found an earlier one")
    table = table[:, np.argsort(table[0], kind="stable")] if back.any() else table
    again = np.r_[np.diff(table[0]) == 0, False] if table.shape[1] else np.zeros(0, bool)
    counts["duplicates"] = _found(again, repair, where, "one bar at a time, found two")
    table = table[:, ~again]
    highest, lowest = (
        table[1:5].max(axis=0, initial=_MISSING),
        table[1:5].min(axis=0, initial=2**62),
    )
    odd = (table[2] < highest) | (table[3] > lowest)
    counts["inconsistent"] = _found(
        odd, repair, where, "a high not below, and a low not above, every other price"
    )
    if odd.any():
        table[2], table[3] = highest, lowest
    return table, counts


def _found(wrong: npt.NDArray[np.bool_], repair: bool, where: str, expected: str) -> int:
    if wrong.any() and not repair:
        raise FormatError(
            f"{where}: row {int(wrong.argmax())}: expected {expected}; "
            "faults='repair' (--faults repair) repairs and counts such bars"
        )
    return int(wrong.sum())


def _in_ticks(prices: Integers, size: int, where: str, name: str) -> Integers:
    ticks, rest = np.divmod(prices, size)
    if rest.any():
        row = int((rest != 0).argmax())
        raise FormatError(
            f"{where}: row {row}: {name}: expected a multiple of the tick size "
            f"{size / PRICE_UNITS:g}, found {prices[row] / PRICE_UNITS:g}"
        )
    return np.ascontiguousarray(ticks)


def interval_of(name: str) -> int:
    """Return how long a bar is, in ns, of ``30s``, ``1m``, ``4h`` or ``1d``.

    Raises
    ------
    ValueError
        If it is none.
    """
    units = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
    count, unit = name[:-1], name[-1:]
    if unit not in units or not count.isascii() or not count.isdigit() or not int(count):
        raise ValueError(f"expected an interval as 30s, 1m, 4h or 1d, found {name!r}")
    length = int(count) * units[unit] * NS_PER_S
    if length > math.floor(366 * 86_400 * NS_PER_S):
        raise ValueError(f"expected an interval of at most a year, found {name!r}")
    return length
