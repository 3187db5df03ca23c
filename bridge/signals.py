"""What a model asks for, put together row by row."""

from collections.abc import Collection
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from tapewire.bridge import protocol as msg
from tapewire.compiled.numbers import to_price, whole

#: Largest position or order, lots.
LOTS_MAX: Final = 2**31 - 1
_TAG_MAX: Final = 2**63 - 1
_TIMES_IN_FORCE: Final = {"GTC": msg.GTC, "IOC": msg.IOC}


class RowSignals:
    """Targets, confidences and requests for the rows at hand; all methods return itself.

    A row is its number within them, from 0. The requests of a row act in the order in which they
    are made, and before its target.

    Parameters
    ----------
    rows : int
        How many there are.
    instruments : collection of int
        Indices that ``instrument`` may be.
    """

    def __init__(self, rows: int, instruments: Collection[int] = ()) -> None:
        self._rows = rows
        self._instruments = instruments
        self._targets: npt.NDArray[np.int64] = np.full(rows, msg.NO_TARGET, np.int64)
        self._confidence: npt.NDArray[np.float64] | None = None
        self._requests: list[tuple[Any, ...]] = []
        self._counts: dict[int, int] = {}

    def __len__(self) -> int:
        return self._rows

    def target(self, row: int, lots: int) -> Self:
        """Want a position in the row's instrument, lots; what is missing is sent at the market.

        Raises
        ------
        TypeError, ValueError
            If there is no such row, or the lots are no whole number within ±(2^31 - 1).
        """
        row = self._row(row)
        lots = whole(lots, f"row {row}: target", least=-LOTS_MAX, most=LOTS_MAX)
        self._targets[row] = lots
        return self

    def confidence(self, row: int, confidence: float) -> Self:
        """Say how sure it is of a row, 0 to 1; rows it says nothing of have 1.

        Raises
        ------
        TypeError, ValueError
            If it is no such number.
        """
        row = self._row(row)
        number = float(confidence)
        if not 0.0 <= number <= 1.0:
            raise ValueError(f"row {row}: confidence: expected 0 to 1, found {confidence}")
        if self._confidence is None:
            self._confidence = np.ones(self._rows)
        self._confidence[row] = number
        return self

    def buy(
        self, row: int, quantity: int, price: Any = None, *, tag: int,
        time_in_force: str | None = None, instrument: int | None = None,
    ) -> Self:  # fmt: skip
        """Send an order to buy.

        Parameters
        ----------
        quantity : int
            Lots.
        price : int, Decimal, str or float, optional
            A whole number is in 1e-9, anything else a price; none makes it a market order.
        tag : int
            What the model calls the order, in `cancel`, `replace` and the updates about it.
        time_in_force : str, optional
            ``GTC`` (a limit order's default) or ``IOC`` (a market order's, always).
        instrument : int, optional
            Its index, where it is another than the row's.

        Raises
        ------
        TypeError, ValueError
            If one of them is not as it should be, or the row has too many requests.
        """
        return self._send(row, msg.BUY, quantity, price, tag, time_in_force, instrument)

    def sell(
        self, row: int, quantity: int, price: Any = None, *, tag: int,
        time_in_force: str | None = None, instrument: int | None = None,
    ) -> Self:  # fmt: skip
        """Send an order to sell; see `buy`."""
        return self._send(row, msg.SELL, quantity, price, tag, time_in_force, instrument)

    def cancel(self, row: int, tag: int, *, instrument: int | None = None) -> Self:
        """Cancel the newest open order of a tag."""
        return self._ask(row, msg.CANCEL, tag, instrument)

    def replace(
        self, row: int, tag: int, *, price: Any = None, quantity: int | None = None,
        instrument: int | None = None,
    ) -> Self:  # fmt: skip
        """Change the newest open order of a tag; what is not given stays as it is.

        ``quantity`` is the new total, lots, of which a part may be filled already.
        """
        if price is None and quantity is None:
            raise ValueError(f"row {row}: replace: expected a price or a quantity, found neither")
        lots = 0 if quantity is None else self._lots(row, quantity)
        limit = msg.NO_PRICE if price is None else to_price(price, f"row {row}: price")
        return self._ask(row, msg.REPLACE, tag, instrument, price=limit, quantity=lots)

    def cancel_all(self, row: int, *, instrument: int | None = None) -> Self:
        """Cancel all open orders in the row's instrument, or another one."""
        return self._ask(row, msg.CANCEL_ALL, 0, instrument)

    @property
    def targets(self) -> npt.NDArray[np.int64]:
        """The positions wanted, (n,), ``NO_TARGET`` where there is none."""
        return self._targets

    @property
    def confidences(self) -> npt.NDArray[np.float64] | None:
        """The confidences, (n,), or None where nothing was said of them."""
        return self._confidence

    def requests(self) -> npt.NDArray[Any]:
        """Return all requests by their rows, (m,) ``REQUEST``."""
        requests = np.array(self._requests, msg.REQUEST)
        return requests[np.argsort(requests["row"], kind="stable")]

    def _send(
        self, row: int, side: int, quantity: Any, price: Any, tag: Any,
        time_in_force: str | None, instrument: int | None,
    ) -> Self:  # fmt: skip
        is_market = price is None
        name = time_in_force or ("IOC" if is_market else "GTC")
        if name not in _TIMES_IN_FORCE or (is_market and name != "IOC"):
            known = "IOC of a market order" if is_market else " or ".join(_TIMES_IN_FORCE)
            raise ValueError(f"row {row}: time_in_force: expected {known}, found {name!r}")
        return self._ask(
            row, msg.SUBMIT, tag, instrument,
            price=msg.NO_PRICE if is_market else to_price(price, f"row {row}: price"),
            quantity=self._lots(row, quantity),
            side=side,
            order_type=msg.MARKET if is_market else msg.LIMIT,
            time_in_force=_TIMES_IN_FORCE[name],
        )  # fmt: skip

    def _ask(
        self, row: int, kind: int, tag: Any, instrument: int | None, *, price: int = 0,
        quantity: int = 0, side: int = 0, order_type: int = 0, time_in_force: int = 0,
    ) -> Self:  # fmt: skip
        row = self._row(row)
        count = self._counts[row] = self._counts.get(row, 0) + 1
        if count > msg.REQUESTS_PER_ROW_MAX:
            raise ValueError(
                f"row {row}: expected at most {msg.REQUESTS_PER_ROW_MAX} requests, found more"
            )
        book = msg.SAME_INSTRUMENT
        if instrument is not None:
            book = whole(instrument, f"row {row}: instrument")
            if book not in self._instruments:
                raise ValueError(
                    f"row {row}: instrument: expected one of the session's "
                    f"{len(self._instruments)}, found {book}"
                )
        name = whole(tag, f"row {row}: tag", least=-_TAG_MAX - 1, most=_TAG_MAX)
        self._requests.append(
            (name, price, quantity, row, book, kind, side, order_type, time_in_force, (0,) * 4)
        )
        return self

    def _row(self, row: Any) -> int:
        return whole(row, "row", least=0, most=self._rows - 1)

    def _lots(self, row: int, quantity: Any) -> int:
        return whole(quantity, f"row {row}: quantity", least=1, most=LOTS_MAX)
