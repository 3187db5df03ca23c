"""Records of a journal beside commands and events: what rails did, and where they begin.

Commands are journaled before they are sent, events before anybody is told of them, both as they
travel (`tapewire.live.orders`).
"""

from typing import Annotated, Final

from msgspec import Meta

from tapewire.live.orders import (
    BrokerEvent,
    ClientId,
    Command,
    LotsOrNone,
    Money,
    NewOrder,
    Price,
)
from tapewire.market.records import UNDEF_PRICE
from tapewire.wire.codec import Clock, Codec, Count, Message, Name, Part, Text

JOURNAL_VERSION: Final = 1
RECORD_BYTES_MAX: Final = 1 << 18
#: Execution ids in one record of an order that is kept.
_EXECUTIONS_MAX: Final = 1_024
#: Lots of a position, which many orders may have added to.
HeldLots = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
#: Sums of prices times lots leave 64 bits: kept as text.
Units = Annotated[str, Meta(max_length=64, pattern=r"^-?[0-9]+$")]
Divisor = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class KeptExecution(Part, frozen=True):
    """An execution that was counted; one that the venue has undone has 0 lots."""

    execution_id: Name
    price: Price
    lots: LotsOrNone
    fee: Money


class JournalStamp(Message, frozen=True):
    """When what follows was written, ns since the epoch; the first record of each append."""

    ts: Clock


class SessionBegan(Message, frozen=True):
    """A session took the account: whatever was on its way before has an unknown outcome."""

    version: Count
    account: Name
    session: Name
    epoch: Count


class SessionEnded(Message, frozen=True):
    """A session gave the account back."""

    text: Text


class KeptOrder(Message, frozen=True):
    """An order as a new file of the journal begins with it.

    ``requested`` is the largest quantity that a replace under way asked for, ``canceling`` how many
    cancels are; files of earlier versions do not have it.
    """

    order: NewOrder
    sent: Clock
    status: Count
    venue_order_id: Name
    price: Price
    quantity: Count
    filled: Count
    requested: Count
    is_unknown: bool
    is_absent: bool
    canceling: Count = 0


class KeptSession(Message, frozen=True):
    """The last session as a new file begins with it: unlike `SessionBegan` it cuts nothing off."""

    account: Name
    session: Name
    epoch: Count


class KeptExecutions(Message, frozen=True):
    """Executions of an order that is kept."""

    client_order_id: ClientId
    executions: Annotated[tuple[KeptExecution, ...], Meta(max_length=_EXECUTIONS_MAX)]


class KeptPosition(Message, frozen=True):
    """A position as a new file begins with it: lots, cash in 1e-9 price times lots, fees.

    The rest is as in `PositionValued`; files of earlier versions do not have it.
    """

    symbol: Name
    lots: HeldLots
    cash: Units
    fees: Units
    mark: Price = UNDEF_PRICE
    multiplier_num: Count = 0
    multiplier_den: Divisor = 1


class PositionValued(Message, frozen=True):
    """By what a position was valued: a mark, 1e-9 price, and the multiplier of its contract.

    ``mark`` is `UNDEF_PRICE` where there was none; a ``multiplier_num`` of 0: it is not known.
    """

    symbol: Name
    mark: Price
    multiplier_num: Count
    multiplier_den: Divisor


class KeptLoss(Message, frozen=True):
    """What losses are counted from, 1e-9 currency, and which limits are reached."""

    day_end: Clock
    day_pnl: Units
    peak_pnl: Units


class KeptHorizon(Message, frozen=True):
    """Up to when orders that ended are forgotten, ns since the epoch."""

    ts: Clock


class LimitReached(Message, frozen=True):
    """A limit on losses was reached, by its number in ``tapewire.positions.codes``."""

    limit: Count
    found: Units


class DayTurned(Message, frozen=True):
    """A day began: its loss counts from here."""

    day_end: Clock
    day_pnl: Units


class OutcomeKnown(Message, frozen=True):
    """A report has said what became of it; ``is_absent``: that the venue never had it."""

    client_order_id: ClientId
    is_absent: bool


class PositionAdopted(Message, frozen=True):
    """What the venue holds and the journal did not is taken over: so many lots more, at a price."""

    symbol: Name
    lots: HeldLots
    average_px: Price


class StateChanged(Message, frozen=True):
    """What may be sent from here on, by the number of `RailsState`, and why."""

    state: Count
    text: Text


class DifferenceFound(Message, frozen=True):
    """A report and the journal did not agree."""

    text: Text
    is_settled: bool


JournalRecord = (
    JournalStamp
    | SessionBegan
    | SessionEnded
    | KeptSession
    | KeptOrder
    | KeptExecutions
    | KeptPosition
    | PositionValued
    | KeptLoss
    | KeptHorizon
    | LimitReached
    | DayTurned
    | OutcomeKnown
    | PositionAdopted
    | StateChanged
    | DifferenceFound
    | Command
    | BrokerEvent
)

JOURNAL_CODEC: Final[Codec[Message]] = Codec(
    JournalRecord,
    magic=b"",
    noun="record of a journal",
    bytes_max=RECORD_BYTES_MAX,
    too_large="a journal takes none that long",
)
EXECUTIONS_PER_RECORD: Final = _EXECUTIONS_MAX
