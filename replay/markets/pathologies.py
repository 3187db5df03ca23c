"""What goes wrong in real captures, put into a synthetic market on purpose.

Incidents stand between two events of the flow and leave its books as they were: what follows is
sound again. The record layouts are those of GLBX.MDP3 and XNAS.ITCH as Databento has them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.errors import ConfigError
from tapewire.market.records import (
    F_LAST,
    MBO_DTYPE,
    RECORD_LENGTH_WORDS,
    RTYPE_MBO,
    UNDEF_PRICE,
)
from tapewire.replay.markets._books import ASK, BID, LEVELS, NIL
from tapewire.replay.markets.model import MarketModel
from tapewire.replay.markets.session import CHUNK_RECORDS, MarketSession

#: What each does to a file, for who asks.
PATHOLOGIES: Final = {
    "crossed": "an event leaves a bid above the ask; the next one takes it away",
    "locked": "an event leaves a bid at the ask; the next one takes it away",
    "halted": "nothing happens for a minute; the status file says halt, then trading",
    "auctions": "a pre-open with crossed orders, and a trade without an aggressor that clears it",
    "restarts": "sequence numbers begin anew",
    "clears": "an R without a snapshot; then every order is added again",
    "ticks256": "prices in ticks of 1/256",
    "negative": "prices around -37.63",
    "icebergs": "most filled orders show again, by an M",
    "implied": "trades without a resting order: a T and no F",
    "unknown": "a C, an M and an F of orders that nobody knows",
}
#: Those that are part of the market, not incidents.
_STANDING: Final = frozenset(("ticks256", "negative", "icebergs"))
TICK_256: Final = 1_000_000_000 // 256
NEGATIVE_PRICE: Final = -37_630_000_000
_ICEBERGS: Final = 0.6
#: Records between two incidents.
_EVERY: Final = 2_048
_HALT_NS: Final = 60_000_000_000
_AUCTION_NS: Final = 5_000_000_000
_LIVE_LAST: Final = F_LAST | 2
#: Ids that no order of a book has.
_UNKNOWN_ID: Final = 1_000_000_007

#: ``StatusAction`` of a status record, as `tapewire.market.status` has them.
STATUS_PRE_OPEN: Final = 1
STATUS_TRADING: Final = 7
STATUS_HALT: Final = 8
STATUS_CLOSE: Final = 12


@dataclass(frozen=True)
class StatusChange:
    """A change of an instrument's trading state: ``action`` is a ``StatusAction``; times in ns."""

    instrument_id: int
    action: int
    ts_event: int
    ts_recv: int


@dataclass
class Disturbance:
    """Puts incidents into sessions.

    Parameters
    ----------
    kinds
        Names of `PATHOLOGIES`; incidents come in turn, one every 2,048 records or so.

    Attributes
    ----------
    counts : dict of str to int
        Incidents so far, by name.
    changes : list of StatusChange
        Halts and auctions, with their ends.
    """

    kinds: Sequence[str]
    counts: dict[str, int] = field(default_factory=dict)
    changes: list[StatusChange] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in self.kinds:
            if name not in PATHOLOGIES:
                known = ", ".join(PATHOLOGIES)
                raise ConfigError(f"pathology: {name}: expected one of {known}")
        self._incidents = [name for name in dict.fromkeys(self.kinds) if name not in _STANDING]

    def model(self, model: MarketModel) -> MarketModel:
        """The model with what is asked for that is part of the market."""
        changed: dict[str, Any] = {}
        if "ticks256" in self.kinds:
            changed["tick_size"] = TICK_256
        if "negative" in self.kinds:
            changed["price"] = NEGATIVE_PRICE
        if "icebergs" in self.kinds:
            changed["refresh"] = _ICEBERGS
        return replace(model, **changed)

    def chunks(self, session: MarketSession) -> Iterator[npt.NDArray[Any]]:
        """The session's records, with incidents between them."""
        if not self._incidents:
            yield from session.chunks()
            return
        n = len(session.contracts)
        for records in session.chunks(_EVERY):
            yield records
            if session.engine[0]["snapshot_book"] < n or not records[-1]["flags"] & F_LAST:
                continue
            if records[-1]["flags"] & 32:  # the snapshot's last
                continue
            turn = sum(self.counts.values())
            name = self._incidents[turn % len(self._incidents)]
            moment = _Moment(session, turn // len(self._incidents) % n)
            _INCIDENTS[name](moment, self.changes)
            self.counts[name] = self.counts.get(name, 0) + 1
            yield from moment.chunks()


class _Moment:
    """One book between two events, and the records that are put there."""

    def __init__(self, session: MarketSession, k: int) -> None:
        self.session, self.k = session, k
        self.engine, self.book = session.engine[0], session.books[k]
        self._rows: list[tuple[Any, ...]] = []

    def price(self, side: int, ticks: int = 0) -> int:
        """So many ticks above a side's best price."""
        book = self.book
        return int(book["base_price"] + (int(book["best"][side]) + ticks) * int(book["tick"]))

    def new_id(self) -> int:
        """An id that the next orders of the flow don't have."""
        self.engine["order_id"] += 1
        return int(self.engine["order_id"])

    def wait(self, ns: int) -> None:
        """Let time go by: what the flow had next comes that much later."""
        self.session.books["next_ns"] += ns
        self.engine["ts_event"] += ns
        self.engine["ts_recv"] += ns

    def status(self, changes: list[StatusChange], action: int) -> None:
        """Note a change of the trading state at this moment."""
        changes.append(
            StatusChange(
                int(self.book["instrument_id"]), action,
                int(self.engine["ts_event"]), int(self.engine["ts_recv"]),
            )
        )  # fmt: skip

    def put(
        self, action: str, side: str, price: int, size: int, order_id: int, *, last: bool = True
    ) -> None:
        """Put a record; the last one of an event moves the sequence on."""
        e = self.engine
        self._rows.append(
            (
                RECORD_LENGTH_WORDS, RTYPE_MBO, 1, int(self.book["instrument_id"]),
                int(e["ts_event"]), order_id, price, size, _LIVE_LAST if last else 0, 0,
                ord(action), ord(side), int(e["ts_recv"]), 12_000, int(e["sequence"]) & 0xFFFFFFFF,
            )
        )  # fmt: skip
        if last:
            e["sequence"] += 1

    def chunks(self) -> Iterator[npt.NDArray[Any]]:
        """What was put."""
        rows = np.array(self._rows, MBO_DTYPE)
        for at in range(0, len(rows), CHUNK_RECORDS):
            yield rows[at : at + CHUNK_RECORDS]


def _flash(moment: _Moment, ticks: int) -> None:
    """A bid so many ticks above the ask comes and goes."""
    order_id, price = moment.new_id(), moment.price(ASK, ticks)
    moment.put("A", "B", price, 3, order_id)
    moment.wait(1_000)
    moment.put("C", "B", price, 3, order_id)


def _crossed(moment: _Moment, _: list[StatusChange]) -> None:
    _flash(moment, 1)


def _locked(moment: _Moment, _: list[StatusChange]) -> None:
    _flash(moment, 0)


def _halted(moment: _Moment, changes: list[StatusChange]) -> None:
    moment.wait(1_000_000)
    moment.status(changes, STATUS_HALT)
    moment.wait(_HALT_NS)
    moment.status(changes, STATUS_TRADING)
    moment.wait(1_000_000)


def _auction(moment: _Moment, changes: list[StatusChange]) -> None:
    moment.wait(1_000_000)
    moment.status(changes, STATUS_PRE_OPEN)
    moment.wait(_AUCTION_NS)
    bid, offer = moment.new_id(), moment.new_id()
    high, low = moment.price(ASK, 1), moment.price(BID, -1)
    moment.put("A", "B", high, 5, bid)
    moment.put("A", "A", low, 5, offer)
    moment.wait(_AUCTION_NS)
    moment.status(changes, STATUS_TRADING)
    moment.put("T", "N", moment.price(BID), 5, 0, last=False)
    moment.put("F", "B", high, 5, bid, last=False)
    moment.put("F", "A", low, 5, offer, last=False)
    moment.put("C", "B", high, 5, bid, last=False)
    moment.put("C", "A", low, 5, offer)
    moment.wait(1_000_000)


def _restart(moment: _Moment, _: list[StatusChange]) -> None:
    moment.engine["sequence"] = 0


def _clear(moment: _Moment, _: list[StatusChange]) -> None:
    moment.put("R", "N", UNDEF_PRICE, 0, 0)
    levels, orders = moment.session.levels[moment.k], moment.session.orders[moment.k]
    base, tick = int(moment.book["base_price"]), int(moment.book["tick"])
    for side, letter in ((BID, "B"), (ASK, "A")):
        level = int(moment.book["best"][side])
        while 0 < level < LEVELS - 1:
            slot = int(levels["head"][level])
            while slot != NIL:
                order = orders[slot]
                size, order_id = int(order["size"]), int(order["order_id"])
                moment.put("A", letter, base + level * tick, size, order_id)
                slot = int(order["next"])
            level += -1 if side == BID else 1


def _implied(moment: _Moment, _: list[StatusChange]) -> None:
    moment.put("T", "B", moment.price(ASK), 7, 0)
    moment.put("T", "N", moment.price(BID), 2, 0)


def _unknown(moment: _Moment, _: list[StatusChange]) -> None:
    price = moment.price(BID, -2)
    moment.put("C", "B", price, 4, _UNKNOWN_ID)
    moment.put("F", "B", price, 1, _UNKNOWN_ID + 1)
    moment.put("M", "B", price, 4, _UNKNOWN_ID + 2)
    moment.put("C", "B", price, 4, _UNKNOWN_ID + 2)


_INCIDENTS: Final[dict[str, Callable[[_Moment, list[StatusChange]], None]]] = {
    "crossed": _crossed,
    "locked": _locked,
    "halted": _halted,
    "auctions": _auction,
    "restarts": _restart,
    "clears": _clear,
    "implied": _implied,
    "unknown": _unknown,
}
