"""What an engine and its rails say to each other, beside commands and events.

Over one connection, in order; each side has at most a window of messages under way, of which the
other gives back what it has taken with its heartbeats (`taken`, of all messages so far but
heartbeats).
"""

from enum import IntEnum
from typing import Annotated, Final

from msgspec import Meta

from tapewire.live.orders import BrokerEvent, Command, NewOrder, Price
from tapewire.wire.codec import Clock, Codec, Count, Message, Name, Text

PROTOCOL_VERSION: Final = 1
FRAME_BYTES_MAX: Final = 1 << 20
#: Messages under way in each direction.
WINDOW: Final = 1_024
#: How often each end says something at least (s).
BEAT_S: Final = 0.25


class RailsState(IntEnum):
    """What rails let through."""

    NOT_RECONCILED = 0  # cancels and questions
    ACTIVE = 1  # all that the limits allow
    REDUCING = 2  # what makes a position smaller, and cancels
    HALTED = 3  # cancels
    KILLED = 4  # cancels, until a person resets it


class DataState(IntEnum):
    """How sound the engine's market data are."""

    SOUND = 0
    STALE = 1  # nothing comes
    GAPPED = 2  # something is missing


class EngineHello(Message, frozen=True):
    """The engine's answer to `RailsHello`: it has begun."""

    version: Count


class EngineBeat(Message, frozen=True):
    """The engine lives: how far it is behind its data (ns), and how they are."""

    taken: Count
    lag_ns: Count
    data_state: Annotated[int, Meta(ge=0, le=2)]


class MarketNow(Message, frozen=True):
    """Best bid and ask, and the last trade; `UNDEF_PRICE` where there is none."""

    symbol: Name
    bid: Price
    ask: Price
    last: Price
    ts_event: Clock


class KillNow(Message, frozen=True):
    """No more trading, until a person resets it."""

    text: Text


class EndSession(Message, frozen=True):
    """The session ends: wind up as the settings say."""


class RailsHello(Message, frozen=True):
    """Rails have come up.

    Attributes
    ----------
    session
        What client order ids of the engine begin with: ``SESSION-NUMBER``, numbers going up.
    """

    version: Count
    pid: Count
    account: Name
    session: Name
    epoch: Count


class RailsBeat(Message, frozen=True):
    """Rails live: what they let through, and why no more."""

    taken: Count
    state: Annotated[int, Meta(ge=0, le=4)]
    text: Text
    open_orders: Count
    unknown_orders: Count


class PositionNow(Message, frozen=True):
    """What the account holds in an instrument, told when it was reconciled."""

    symbol: Name
    lots: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class RailsTold(Message, frozen=True):
    """Something that a person should read."""

    text: Text


class RailsEnded(Message, frozen=True):
    """The session is over; why, and what is left."""

    text: Text


ToRails = EngineHello | EngineBeat | MarketNow | KillNow | EndSession | Command
#: A new order is one of the rails' own, by which they close a position.
ToEngine = RailsHello | RailsBeat | PositionNow | RailsTold | RailsEnded | NewOrder | BrokerEvent

RAILS_CODEC: Final[Codec[Message]] = Codec(
    ToRails | ToEngine,
    magic=b"TWL1",
    noun="message between engine and rails",
    bytes_max=FRAME_BYTES_MAX,
    too_large="no such message is that long",
)
