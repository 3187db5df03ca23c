"""Bars as the columns that indicators are computed from."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tapewire.errors import InputError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class BarRow(NamedTuple):
    """One bar, as a stream of an indicator takes it."""

    ts_event: int  # where it begins, ns since the epoch, UTC
    open: float
    high: float
    low: float
    close: float
    volume: float
    session: int  # number of the session it belongs to


@dataclass(frozen=True)
class BarColumns:
    """Bars of one instrument and one timeframe.

    Attributes
    ----------
    ts_event : int64 (n,)
        Where each begins, ns since the epoch, UTC; ascending.
    open, high, low, close : float64 (n,)
        In units of `price_unit`: whole ticks keep sums of them exact.
    volume : float64 (n,)
    session : int64 (n,)
        Number of the session of each; never descending. What starts anew with a session looks here.
    price_unit : float
        Currency per unit of the prices: the tick size, where they are ticks; 1.0 for prices.
    """

    ts_event: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    session: Integers
    price_unit: float = 1.0

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
        session: Any = None,
        price_unit: float = 1.0,
    ) -> "BarColumns":
        """Take arrays of any numbers; one that fits already is not copied.

        Parameters
        ----------
        ts_event, open, high, low, close, volume, price_unit
            As the attributes.
        session
            As the attribute; None: all bars are of one session.

        Raises
        ------
        InputError
            If lengths differ, times do not ascend, sessions descend, or the price unit is not a
            number above 0.
        """
        times = np.ascontiguousarray(ts_event, np.int64)
        if session is None:
            session = np.zeros(len(times), np.int64)
        numbers = {"open": open, "high": high, "low": low, "close": close, "volume": volume}
        columns = cls(
            ts_event=times,
            session=np.ascontiguousarray(session, np.int64),
            price_unit=float(price_unit),
            **{name: np.ascontiguousarray(one, np.float64) for name, one in numbers.items()},
        )
        columns._check()
        return columns

    @classmethod
    def of_candles(cls, candles: Any) -> "BarColumns":
        """Take candles whose prices are in ticks: sums of them stay exact.

        Parameters
        ----------
        candles
            Has `ts_event`, `open`, `high`, `low`, `close` and `volume` as arrays, and `tick`, the
            currency per tick.

        Raises
        ------
        InputError
            As `of`.
        """
        return cls.of(
            candles.ts_event, candles.open, candles.high, candles.low, candles.close,
            candles.volume, price_unit=candles.tick,
        )  # fmt: skip

    def _check(self) -> None:
        for name in _ARRAYS:
            found = np.shape(getattr(self, name))
            if found != (len(self),):
                raise InputError(
                    f"bars: expected a column {name} of {len(self)} values, found shape {found}"
                )
        if not (np.isfinite(self.price_unit) and self.price_unit > 0):
            raise InputError(f"bars: expected a price unit above 0, found {self.price_unit}")
        late = np.flatnonzero(np.diff(self.ts_event) <= 0)
        if len(late):
            row = int(late[0]) + 1
            raise InputError(
                f"bars: expected times that ascend, found {self.ts_event[row]} in row {row} "
                f"after {self.ts_event[row - 1]}"
            )
        back = np.flatnonzero(np.diff(self.session) < 0)
        if len(back):
            raise InputError(f"bars: expected sessions in order, row {int(back[0]) + 1} goes back")

    def __len__(self) -> int:
        return len(self.ts_event)

    def take(self, first: int, last: int) -> "BarColumns":
        """Return bars `first` up to `last`, without a copy."""
        cut = {name: getattr(self, name)[first:last] for name in _ARRAYS}
        return BarColumns(**cut, price_unit=self.price_unit)

    def rows(self) -> Iterable[BarRow]:
        """Give the bars one after the other."""
        return map(BarRow._make, zip(*(getattr(self, n).tolist() for n in _ARRAYS), strict=True))


_ARRAYS: Final = tuple(one.name for one in fields(BarColumns) if one.name != "price_unit")
