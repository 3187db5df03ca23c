"""What a model answers, checked and laid out as signals that the loop follows."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.bridge import protocol as msg
from tapewire.errors import ProtocolError
from tapewire.execution.codes import Term
from tapewire.market.records import UNDEF_PRICE
from tapewire.strategies.follower import (
    SIGNAL,
    SIGNAL_CANCEL,
    SIGNAL_CANCEL_ALL,
    SIGNAL_REPLACE,
    SIGNAL_SUBMIT,
    SIGNAL_TARGET,
)

IntArray = npt.NDArray[np.int64]

_LOTS_MAX: Final = 2**31 - 1
_ORDER_TYPES: Final = (msg.MARKET, msg.LIMIT, msg.STOP, msg.MARKET_TO_LIMIT)
_TIMES_IN_FORCE: Final = (msg.GTC, msg.IOC, msg.FOK, msg.DAY)
_KIND_OF: Final = {
    msg.SUBMIT: SIGNAL_SUBMIT,
    msg.CANCEL: SIGNAL_CANCEL,
    msg.REPLACE: SIGNAL_REPLACE,
    msg.CANCEL_ALL: SIGNAL_CANCEL_ALL,
}
#: Terms by what a submit's are; -1: none of what may be.
_TERMS: Final = np.full(256, -1, np.int64)
for _asked, _term in (
    (0, 0),
    (msg.ONLY_MAKE, Term.POST_ONLY),
    (msg.ONLY_MAKE_REPRICED, Term.REPRICE),
):
    _TERMS[_asked] = _term
    _TERMS[_asked | msg.ONLY_REDUCE] = _term | Term.REDUCE_ONLY
_KINDS: Final = np.full(256, -1, np.int64)
_KINDS[list(_KIND_OF)] = list(_KIND_OF.values())


def signals_of(
    message: msg.SignalBatch, arrays: Sequence[np.ndarray], effect_ns: IntArray, books: IntArray,
    known: Sequence[bool] | npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[Any], IntArray]:  # fmt: skip
    """Lay out an answer.

    Parameters
    ----------
    message, arrays
        The answer to n rows.
    effect_ns, books : (n,)
        When the signals of each row take effect, and its instrument.
    known : (k,) bool
        Whether the model was told of an instrument.

    Returns
    -------
    signals : (m,) SIGNAL
        By row: its requests, then its target. ``leg`` is the instrument.
    rows : (m,)
        Of the message, from 0.

    Raises
    ------
    ProtocolError
        If something in it is none of what may be; the row is named.
    """
    if message.rows == 1 and not message.requests and not message.has_confidence:
        return _one_target(int(arrays[0][0]), message.first_row, effect_ns, books)
    waiting = list(arrays)
    targets = waiting.pop(0)
    first = message.first_row
    if message.has_confidence:
        _check_confidence(waiting.pop(0), first)
    has_target = targets != msg.NO_TARGET
    _require(~has_target | (np.abs(targets) <= _LOTS_MAX), targets, first, "a target of ±2^31 lots")
    rows = np.flatnonzero(has_target)
    aims = np.zeros(rows.size, SIGNAL)
    aims["kind"] = SIGNAL_TARGET
    aims["ts"], aims["leg"], aims["quantity"] = effect_ns[rows], books[rows], targets[rows]
    if not message.requests:
        return aims, rows
    requests = waiting.pop(0)
    asked = _requested(requests, message, effect_ns, books, np.asarray(known, np.bool_))
    both = np.concatenate([asked, aims])
    place = np.concatenate([2 * requests["row"].astype(np.int64), 2 * rows + 1])
    order = np.argsort(place, kind="stable")
    return both[order], place[order] >> 1


_NOTHING: Final = np.zeros(0, SIGNAL)
_NO_ROWS: Final = np.zeros(0, np.int64)


def _one_target(
    target: int, row: int, effect_ns: IntArray, books: IntArray
) -> tuple[npt.NDArray[Any], IntArray]:
    """The signals of a row that asks for a target, or for nothing: the same, in less time."""
    if target == msg.NO_TARGET:
        return _NOTHING, _NO_ROWS
    if abs(target) > _LOTS_MAX:
        raise ProtocolError(f"row {row}: expected a target of ±2^31 lots, found {target}")
    one = np.zeros(1, SIGNAL)
    one["ts"], one["leg"], one["kind"], one["quantity"] = (
        effect_ns[0], books[0], SIGNAL_TARGET, target
    )  # fmt: skip
    return one, np.zeros(1, np.int64)


def _check_confidence(confidence: np.ndarray, first: int) -> None:
    fine = (confidence >= 0) & (confidence <= 1)  # NaN is neither
    _require(fine, confidence, first, "a confidence from 0 to 1")


def _require(fine: np.ndarray, values: np.ndarray, first: int, expected: str) -> None:
    if not fine.all():
        at = int(np.argmin(fine))
        raise ProtocolError(f"row {first + at}: expected {expected}, found {values[at]}")


def _requested(
    requests: np.ndarray, message: msg.SignalBatch, effect_ns: IntArray, books: IntArray,
    known: npt.NDArray[np.bool_],
) -> npt.NDArray[Any]:  # fmt: skip
    """The signals of requests, in their order."""
    rows = requests["row"].astype(np.int64)
    first = message.first_row
    in_order = (rows >= 0) & (rows < message.rows) & (np.diff(rows, prepend=0) >= 0)
    if not in_order.all():
        at = int(np.argmin(in_order))
        raise ProtocolError(
            f"request {at} of the answer from row {first} on: expected rows from 0 to "
            f"{message.rows - 1} that do not fall, found {rows[at]}"
        )
    many = np.bincount(rows, minlength=message.rows) > msg.REQUESTS_PER_ROW_MAX
    if many.any():
        raise ProtocolError(
            f"row {first + int(np.argmax(many))}: expected at most {msg.REQUESTS_PER_ROW_MAX} "
            "requests, found more"
        )
    kinds = _KINDS[requests["kind"]]
    named = first + rows

    def require(fine: np.ndarray, name: str, expected: str) -> None:
        if not fine.all():
            at = int(np.argmin(fine))
            raise ProtocolError(
                f"row {named[at]}: expected {expected}, found {name} {requests[name][at]}"
            )

    submits, replaces = kinds == SIGNAL_SUBMIT, kinds == SIGNAL_REPLACE
    require(kinds >= 0, "kind", f"a kind of {sorted(_KIND_OF)}")
    require(~submits | (np.abs(requests["side"]) == 1), "side", "1 (buy) or -1 (sell)")
    order_type = requests["order_type"]
    require(
        ~submits | np.isin(order_type, _ORDER_TYPES),
        "order_type", "1 (market), 2 (limit), 3 (stop) or 5 (market-to-limit)",
    )  # fmt: skip
    force = requests["time_in_force"]
    rests = order_type != msg.MARKET
    require(
        ~submits | (force == msg.IOC) | (np.isin(force, _TIMES_IN_FORCE) & rests),
        "time_in_force", "2 (IOC), or of another than a market order 1 (GTC), 3 (FOK) or 4 (DAY)",
    )  # fmt: skip
    terms = np.where(submits, _TERMS[requests["terms"]], 0)
    require(terms >= 0, "terms", "terms of 0, 1 or 2, or 4 more")
    has_price = submits & ((order_type == msg.LIMIT) | (order_type == msg.STOP))
    require(
        ~has_price | (requests["price"] != msg.NO_PRICE),
        "price", "the price of a limit order, or a stop's trigger",
    )  # fmt: skip
    lots = requests["quantity"]
    # Not by its absolute value: that of -2^63 is negative.
    require(
        ~(submits | replaces) | ((lots >= -_LOTS_MAX) & (lots <= _LOTS_MAX)),
        "quantity", "lots of at most 2^31 - 1",
    )  # fmt: skip
    instruments = requests["instrument"].astype(np.int64)
    told = (instruments >= 0) & (instruments < known.size)
    told &= known[np.where(told, instruments, 0)] if known.size else False
    require(told | (instruments == msg.SAME_INSTRUMENT), "instrument", "one it was told of, or -1")
    signals = np.zeros(requests.size, SIGNAL)
    signals["kind"] = kinds
    signals["ts"] = effect_ns[rows]
    signals["leg"] = np.where(instruments == msg.SAME_INSTRUMENT, books[rows], instruments)
    for name in ("tag", "side", "order_type", "time_in_force", "quantity"):
        signals[name] = requests[name]
    signals["terms"] = terms
    signals["price"] = np.where(has_price | replaces, requests["price"], UNDEF_PRICE)
    return signals
