"""What a model asks for, put together row by row."""

from collections.abc import Collection
from typing import Any, Final, Literal, Self, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from tapewire.bridge import protocol as msg
from tapewire.compiled.numbers import to_price, whole

#: Largest position or order, lots.
LOTS_MAX: Final = 2**31 - 1
_TAG_MAX: Final = 2**63 - 1
_TIMES_IN_FORCE: Final = {"GTC": msg.GTC, "IOC": msg.IOC, "FOK": msg.FOK, "DAY": msg.DAY}
_POST_ONLY: Final = {False: 0, True: msg.ONLY_MAKE, "reprice": msg.ONLY_MAKE_REPRICED}


class SignalTerms(TypedDict, total=False):
    """What may be said of a model's order beside side, quantity and price.

    Attributes
    ----------
    time_in_force : str
        ``GTC`` (the default, but of a market order), ``IOC`` (a market order's, always), ``FOK`` or
        ``DAY``.
    trigger_price : int, Decimal, str or float
        Makes an order without a price a stop order.
    market_to_limit : bool
        Has an order without a price take the best price only, and rest there.
    post_only : bool or "reprice"
        Rejected rather than take; or put one tick behind the other side's best price.
    reduce_only : bool
        Never more lots than the position that it reduces; rejected where there is none.
    """

    time_in_force: str | None
    trigger_price: Any
    market_to_limit: bool
    post_only: bool | Literal["reprice"]
    reduce_only: bool


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
        instrument: int | None = None, **terms: Unpack[SignalTerms],
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
        instrument : int, optional
            Its index, where it is another than the row's.
        **terms
            ``time_in_force`` and what else may be said of an order: see `SignalTerms`. What does
            not go together is denied (``INVALID_TERMS``), as of any strategy.

        Raises
        ------
        TypeError, ValueError
            If one of them is not as it should be, or the row has too many requests.
        """
        return self._send(row, msg.BUY, quantity, price, tag, instrument, terms)

    def sell(
        self, row: int, quantity: int, price: Any = None, *, tag: int,
        instrument: int | None = None, **terms: Unpack[SignalTerms],
    ) -> Self:  # fmt: skip
        """Send an order to sell; see `buy`."""
        return self._send(row, msg.SELL, quantity, price, tag, instrument, terms)

    def cancel(self, row: int, tag: int, *, instrument: int | None = None) -> Self:
        """Cancel the newest open order of a tag."""
        return self._ask(row, msg.CANCEL, tag, instrument)

    def replace(
        self, row: int, tag: int, *, price: Any = None, quantity: int | None = None,
        instrument: int | None = None,
    ) -> Self:  # fmt: skip
        """Change the newest open order of a tag; what is not given stays as it is.

        The price of a stop is its trigger; while something else is asked for about a stop, it can't
        stay, and nothing is done.
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
        instrument: int | None, terms: SignalTerms,
    ) -> Self:  # fmt: skip
        for keyword in terms:
            if keyword not in SignalTerms.__annotations__:
                known = ", ".join(SignalTerms.__annotations__)
                raise TypeError(f"row {row}: {keyword}: expected one of {known}")
        trigger, to_limit = terms.get("trigger_price"), terms.get("market_to_limit", False)
        if (price is not None) + (trigger is not None) + bool(to_limit) > 1:
            raise ValueError(
                f"row {row}: expected one of price, trigger_price and market_to_limit, found more"
            )
        order_type, at = msg.MARKET, msg.NO_PRICE
        if price is not None:
            order_type, at = msg.LIMIT, to_price(price, f"row {row}: price")
        elif trigger is not None:
            order_type, at = msg.STOP, to_price(trigger, f"row {row}: trigger_price")
        elif to_limit:
            order_type = msg.MARKET_TO_LIMIT
        is_market = order_type == msg.MARKET
        name = terms.get("time_in_force") or ("IOC" if is_market else "GTC")
        if name not in _TIMES_IN_FORCE or (is_market and name != "IOC"):
            known = "IOC of a market order" if is_market else " or ".join(_TIMES_IN_FORCE)
            raise ValueError(f"row {row}: time_in_force: expected {known}, found {name!r}")
        post_only = terms.get("post_only", False)
        if post_only not in _POST_ONLY:
            raise ValueError(
                f"row {row}: post_only: expected True, False or 'reprice', found {post_only!r}"
            )
        only_reduce = msg.ONLY_REDUCE if terms.get("reduce_only") else 0
        return self._ask(
            row, msg.SUBMIT, tag, instrument,
            price=at,
            quantity=self._lots(row, quantity),
            side=side,
            order_type=order_type,
            time_in_force=_TIMES_IN_FORCE[name],
            terms=_POST_ONLY[post_only] | only_reduce,
        )  # fmt: skip

    def _ask(
        self, row: int, kind: int, tag: Any, instrument: int | None, *, price: int = 0,
        quantity: int = 0, side: int = 0, order_type: int = 0, time_in_force: int = 0,
        terms: int = 0,
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
            (
                name,
                price,
                quantity,
                row,
                book,
                kind,
                side,
                order_type,
                time_in_force,
                terms,
                (0,) * 3,
            )
        )
        return self

    def _row(self, row: Any) -> int:
        return whole(row, "row", least=0, most=self._rows - 1)

    def _lots(self, row: int, quantity: Any) -> int:
        return whole(quantity, f"row {row}: quantity", least=1, most=LOTS_MAX)
