"""Trading states of a venue: its ``status`` records, and what they let orders do when.

The record is Databento's ``StatusMsg``, byte for byte, the same in DBN versions 1, 2 and 3
(https://docs.rs/dbn, ``StatusMsg``, ``StatusAction``, ``TradingEvent``). What a state lets orders
do is CME Globex's word (https://www.cmegroup.com/confluence/display/EPICSANDBOX/
Market+and+Instrument+States).
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.jit import jit_inline
from tapewire.compiled.memory import accessor

RTYPE_STATUS: Final = 0x12
STATUS_LENGTH_WORDS: Final = 10
STATUS_BYTES: Final = 4 * STATUS_LENGTH_WORDS

#: A status record; times are ns since the epoch, the flags ``Y``, ``N`` or ``~`` (not known).
STATUS_DTYPE: Final = np.dtype(
    [
        ("length", "u1"),  # in 4-byte words
        ("rtype", "u1"),
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_event", "<u8"),
        ("ts_recv", "<u8"),
        ("action", "<u2"),
        ("reason", "<u2"),
        ("trading_event", "<u2"),
        ("is_trading", "u1"),
        ("is_quoting", "u1"),
        ("is_short_sell_restricted", "u1"),
        ("pad", "u1", (7,)),
    ]
)


class TradingState(IntEnum):
    """What a venue lets orders of an instrument do."""

    UNKNOWN = 0  # no status record has said: everything
    OPEN = 1  # everything
    PRE_OPEN = 2  # they are entered, changed and canceled; none trades but in an auction
    NO_CANCEL = 3  # the end of it: they are entered only
    HALTED = 4  # they are canceled only
    POST_CLOSE = 5  # those for later days are entered, changed and canceled; none trades
    CLOSED = 6  # nothing; the day's orders have ended
    UNAVAILABLE = 7  # nothing


STATE_N: Final = len(TradingState)
ACCEPTS_NEW: Final = 1
ACCEPTS_REPLACE: Final = 2
ACCEPTS_CANCEL: Final = 4
MATCHES: Final = 8
_CHANGES: Final = ACCEPTS_NEW | ACCEPTS_REPLACE | ACCEPTS_CANCEL
_ALLOWS: Final = {
    TradingState.UNKNOWN: _CHANGES | MATCHES,
    TradingState.OPEN: _CHANGES | MATCHES,
    TradingState.PRE_OPEN: _CHANGES,
    TradingState.NO_CANCEL: ACCEPTS_NEW,
    TradingState.HALTED: ACCEPTS_CANCEL,
    TradingState.POST_CLOSE: _CHANGES,
    TradingState.CLOSED: 0,
    TradingState.UNAVAILABLE: 0,
}
#: Four bits a state.
_ALLOWED: Final = sum(allows << 4 * state for state, allows in _ALLOWS.items())

_TRADING: Final = 7
#: States by ``StatusAction``; what is not here (none, a short sale restriction) changes none.
_BY_ACTION: Final = {
    1: TradingState.PRE_OPEN,
    2: TradingState.PRE_OPEN,  # pre-cross
    3: TradingState.PRE_OPEN,  # quoting
    4: TradingState.PRE_OPEN,  # cross
    5: TradingState.PRE_OPEN,  # rotation
    6: TradingState.UNAVAILABLE,  # new price indication
    _TRADING: TradingState.OPEN,
    8: TradingState.HALTED,
    9: TradingState.HALTED,  # pause
    10: TradingState.HALTED,  # suspend
    11: TradingState.PRE_OPEN,  # pre-close
    12: TradingState.CLOSED,
    13: TradingState.POST_CLOSE,
    15: TradingState.UNAVAILABLE,
}
#: From the one that lets most to the one that lets least.
_MOST_FIRST: Final = (
    TradingState.OPEN,
    TradingState.PRE_OPEN,
    TradingState.POST_CLOSE,
    TradingState.NO_CANCEL,
    TradingState.HALTED,
    TradingState.CLOSED,
    TradingState.UNAVAILABLE,
)
#: Actions in which a venue may trade, if the record says that it does.
_MAY_TRADE: Final = frozenset({1, 2, 3, 4, 5, 6, 11, 13})
_NO_CANCEL: Final = 1
_YES, _NO = ord("Y"), ord("N")

#: A change of state of a book: from ``ts`` on at the exchange, known to who saw ``seen_ns``.
TRANSITION: Final = np.dtype(
    [
        ("ts", "i8"),  # ns
        ("seen_ns", "i8"),  # capture time; never before the one of an earlier change
        ("key", "i8"),  # publisher_id << 32 | instrument_id
        ("state", "i8"),  # TradingState
    ]
)
transition_at = accessor(TRANSITION)


@jit_inline
def allows(state: int, what: int) -> bool:
    """Whether a state lets orders do something: ``ACCEPTS_*`` or ``MATCHES``."""
    return (_ALLOWED >> (4 * state)) & what != 0


def state_of(action: int, trading_event: int, is_trading: int) -> TradingState | None:
    """Return the state that a status record begins; None: it changes none.

    Where it says that the instrument trades in a state that may, that counts, and where it says
    that it doesn't, trading is halted.
    """
    state = _BY_ACTION.get(action)
    if is_trading == _YES and action in _MAY_TRADE:
        return TradingState.OPEN
    if action == _TRADING and is_trading == _NO:
        return TradingState.HALTED
    if state is TradingState.PRE_OPEN and trading_event == _NO_CANCEL:
        return TradingState.NO_CANCEL
    return state


def transitions_of(records: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the changes of state that status records tell of, sorted by book and time.

    Parameters
    ----------
    records
        ``STATUS_DTYPE``, shape (n,), of any number of books, in the order of capture.

    Returns
    -------
    ndarray
        ``TRANSITION``, shape (m,), m ≤ n: a record that repeats its book's state is none.
    """
    facts = np.stack([records[name] for name in ("action", "trading_event", "is_trading")], 1)
    kinds, kind = np.unique(facts, axis=0, return_inverse=True)
    states = [state_of(*map(int, fact)) for fact in kinds]
    state = np.array([-1 if one is None else int(one) for one in states], np.int64)[kind.ravel()]
    out = np.zeros(len(records), TRANSITION)
    out["ts"] = records["ts_event"]
    out["seen_ns"] = np.maximum(records["ts_recv"], records["ts_event"])
    out["key"] = records["publisher_id"].astype(np.int64) << 32 | records["instrument_id"]
    out["state"] = state
    out = out[state >= 0]
    out = out[np.lexsort((out["ts"], out["key"]))]
    starts = np.append(True, np.diff(out["key"]) != 0)[: len(out)]
    changed = starts | (np.append(0, np.diff(out["state"])) != 0)[: len(out)]
    out = out[changed]
    for part in np.split(out, np.flatnonzero(np.diff(out["key"])) + 1):
        part["seen_ns"] = np.maximum.accumulate(part["seen_ns"])
    return out


def transitions_together(records: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the changes of state of books that are of all publishers together.

    Such a book, whose publisher is 0, has the best quotes of every venue: it is in the state of the
    venue that lets most, and trades as long as one of them does.

    Parameters
    ----------
    records
        ``STATUS_DTYPE``, shape (n,), of any number of instruments and publishers, in the order of
        capture.

    Returns
    -------
    ndarray
        ``TRANSITION``, shape (m,), m ≤ n, sorted by book and time.
    """
    rows = transitions_of(records)
    publishers = rows["key"] >> 32
    rows["key"] &= 0xFFFFFFFF
    order = np.lexsort((rows["ts"], rows["key"]))
    out = []
    key = -1
    for row, publisher in zip(rows[order].tolist(), publishers[order].tolist(), strict=True):
        ts, seen_ns, its_key, state = row
        if its_key != key:
            key, now, last, seen_until_ns = its_key, {}, None, 0
        now[publisher] = TradingState(state)
        seen_until_ns = max(seen_until_ns, seen_ns)
        most = min(now.values(), key=_MOST_FIRST.index)
        if most != last:
            out.append((ts, seen_until_ns, key, int(most)))
            last = most
    return np.array(out, TRANSITION)
