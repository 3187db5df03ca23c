"""The messages between a run and a model in a process of its own; docs/protocol.md tells of them.

A message is a frame of typed msgpack, read as `wire.codec` says, and behind it the arrays that its
fields announce, raw: little-endian, contiguous, in the order in which they stand here. The run
binds an address for each strategy, the model connects to it. Nothing here needs compiled code.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import numpy as np
from msgspec import Meta

from tapewire.errors import ProtocolError
from tapewire.wire import codec
from tapewire.wire.codec import TEXT_CHARS_MAX, Clock, Count, Name, Part, Text

#: What every message begins with.
BRIDGE_MAGIC: Final = b"TWB1"
#: Version that `BridgeHello` and `BridgeWelcome` name; it changes when a message does.
PROTOCOL: Final = 1
#: Largest first frame of a message.
HEADER_BYTES_MAX: Final = 1 << 20
#: Largest array behind it.
ARRAY_BYTES_MAX: Final = 64 << 20
ROWS_MAX: Final = 65_536
COLUMNS_MAX: Final = 1_024
INSTRUMENTS_MAX: Final = 65_536
#: Of one message; more travel in several.
INSTRUMENTS_PER_MESSAGE: Final = 1_024
#: Requests for one row, and of one message.
REQUESTS_PER_ROW_MAX: Final = 32
REQUESTS_MAX: Final = 1 << 18
UPDATES_MAX: Final = 1_024
#: Largest state that a model may have kept for it.
STATE_BYTES_MAX: Final = 64 << 20
#: In place of a target: the row asks for none.
NO_TARGET: Final = -(2**63)
#: In place of a price: a market order.
NO_PRICE: Final = 2**63 - 1
#: In place of a request's instrument: the one of its row.
SAME_INSTRUMENT: Final = -1

Mode = Literal["pipelined", "lockstep", "free_running"]
Dtype = Literal["float64", "float32"]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Small = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Length = Annotated[int, Meta(ge=0, le=ARRAY_BYTES_MAX)]

# What a row may ask for.
SUBMIT: Final = 1
CANCEL: Final = 2
REPLACE: Final = 3
CANCEL_ALL: Final = 4
BUY: Final = 1
SELL: Final = -1
MARKET: Final = 1
LIMIT: Final = 2
STOP: Final = 3
MARKET_TO_LIMIT: Final = 5
GTC: Final = 1
IOC: Final = 2
FOK: Final = 3
DAY: Final = 4
# What a submit may ask for beside; of the first two, one.
ONLY_MAKE: Final = 1
ONLY_MAKE_REPRICED: Final = 2
ONLY_REDUCE: Final = 4

#: A request, 40 bytes. What its kind has no use for is 0.
REQUEST: Final = np.dtype(
    [
        ("tag", "<i8"),  # the model's own name of the order, any number
        ("price", "<i8"),  # 1e-9, of a stop its trigger; NO_PRICE
        ("quantity", "<i8"),  # lots; of a replace the new total
        ("row", "<i4"),  # of the message, from 0; rising
        ("instrument", "<i4"),  # its index; SAME_INSTRUMENT
        ("kind", "u1"),
        ("side", "i1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("terms", "u1"),
        ("unused", "u1", (3,)),
    ]
)
#: Targets, times, instruments of rows; see `SignalBatch` and `FeatureBatch`.
TARGET: Final = np.dtype("<i8")
TIME: Final = np.dtype("<i8")
INSTRUMENT: Final = np.dtype("<i4")
CONFIDENCE: Final = np.dtype("<f8")


class BridgeInstrument(Part, frozen=True):
    """A book that rows may be about; rows name it by ``index``."""

    index: Annotated[int, Meta(ge=0, le=INSTRUMENTS_MAX - 1)]
    publisher_id: Annotated[int, Meta(ge=0, le=2**16 - 1)]
    instrument_id: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    symbol: Name
    tick_size: Count  # 1e-9; 0: unknown


class OrderUpdate(Part, frozen=True):
    """What the strategy was told of an order of its own.

    The last three are of a fill, and 0 where ``fill_quantity`` is.
    """

    ts_ns: Clock  # when it was told, in the strategy's own time
    tag: Whole
    instrument: Annotated[int, Meta(ge=0, le=INSTRUMENTS_MAX - 1)]
    side: Small
    status: Name
    reason: Name
    price: Whole  # 1e-9; NO_PRICE
    quantity: Whole
    filled: Whole
    position: Whole  # lots held after it, as far as it was told
    fill_price: Whole
    fill_quantity: Whole
    commission: Whole  # 1e-9 currency


class BridgeHello(codec.Message, frozen=True, tag="hello"):
    """Model → run: who it is, and how it wants its rows."""

    protocol: Count
    name: Name
    pid: Count
    dtype: Dtype
    keeps_state: bool  # it answers a `FeatureBatch` that wants its state with a `State`


class BridgeWelcome(codec.Message, frozen=True, tag="welcome"):
    """Run → model: what it will be sent. Behind it the state it goes on from, if there is one."""

    protocol: Count
    strategy_id: Name
    mode: Mode
    columns: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=COLUMNS_MAX)]
    dtype: Dtype
    latency_ns: Count  # declared: after so long a row's signal takes effect, at least
    rows_max: Annotated[int, Meta(ge=1, le=ROWS_MAX)]  # of one message
    parameters: Text  # JSON
    first_row: Count  # the first that it will be sent; more than 0 where it goes on
    state_bytes: Length


class Instruments(codec.Message, frozen=True):
    """Run → model: books that rows may be about from here on."""

    instruments: Annotated[
        tuple[BridgeInstrument, ...], Meta(min_length=1, max_length=INSTRUMENTS_PER_MESSAGE)
    ]


class FeatureBatch(codec.Message, frozen=True, tag="features"):
    """Run → model: rows.

    Behind it their times, (n,) `TIME`, their instruments, (n,) `INSTRUMENT`, and the features,
    (n, columns) of the dtype agreed on.
    """

    first_row: Count
    rows: Annotated[int, Meta(ge=1, le=ROWS_MAX)]
    wants_state: bool


class SignalBatch(codec.Message, frozen=True, tag="signals"):
    """Model → run: what the next rows ask for, in their order, none left out.

    Behind it targets, (n,) `TARGET`: the position wanted in the row's instrument, lots, or
    ``NO_TARGET``; if announced, confidences, (n,) `CONFIDENCE` from 0 to 1; if there are any,
    requests, (m,) `REQUEST`. A row's requests come before its target.
    """

    first_row: Count
    rows: Annotated[int, Meta(ge=1, le=ROWS_MAX)]
    has_confidence: bool
    requests: Annotated[int, Meta(ge=0, le=REQUESTS_MAX)]
    busy_ns: Count  # how long the model took


class Updates(codec.Message, frozen=True):
    """Run → model: what became of its orders since it was last told, before its next row."""

    updates: Annotated[tuple[OrderUpdate, ...], Meta(min_length=1, max_length=UPDATES_MAX)]


class State(codec.Message, frozen=True):
    """Model → run: what it needs to go on behind ``next_row - 1``, as bytes behind it."""

    next_row: Count
    state_bytes: Length


class Close(codec.Message, frozen=True):
    """Run → model: the market has closed; all rows up to then were sent."""

    ts_ns: Clock
    is_end: bool  # the data end as well


class BridgeHeartbeat(codec.Message, frozen=True, tag="heartbeat"):
    """Either way, while there is nothing else to say."""


class BridgeError(codec.Message, frozen=True, tag="error"):
    """Either way: whoever sends it goes no further, and why."""

    message: Text


class BridgeGoodbye(codec.Message, frozen=True, tag="goodbye"):
    """Either way: whoever sends it leaves; the reason is empty where all is done."""

    reason: Text


Message = (
    BridgeHello | BridgeWelcome | Instruments | FeatureBatch | SignalBatch | Updates | State
    | Close | BridgeHeartbeat | BridgeError | BridgeGoodbye
)  # fmt: skip
_CODEC: Final[codec.Codec[Message]] = codec.Codec(
    Message,
    magic=BRIDGE_MAGIC,
    noun="bridge message",
    bytes_max=HEADER_BYTES_MAX,
    too_large="give the strategy fewer columns or parameters",
)


def name_of(message: Message) -> str:
    """What a message is called on the wire."""
    return str(message.__struct_config__.tag)


def encode_message(message: Message) -> bytes:
    """Return the first frame of a message; what an error or goodbye says is cut to its limit.

    Raises
    ------
    ProtocolError
        If it is larger than ``HEADER_BYTES_MAX``.
    """
    if isinstance(message, BridgeError):
        message = BridgeError(message.message[:TEXT_CHARS_MAX])
    elif isinstance(message, BridgeGoodbye):
        message = BridgeGoodbye(message.reason[:TEXT_CHARS_MAX])
    return _CODEC.encode(message)


def decode_message(frame: bytes | memoryview) -> Message:
    """Read the first frame of a message from untrusted bytes.

    Raises
    ------
    ProtocolError
        If it is too large, not msgpack, or not exactly one of the messages.
    """
    return _CODEC.decode(frame, bytes_max=HEADER_BYTES_MAX)


def arrays_of(message: Message, columns: int, dtype: Dtype) -> list[tuple[np.dtype[Any], Any]]:
    """Return dtype and shape of every array behind a message.

    Parameters
    ----------
    columns, dtype
        As the two agreed on them; of no matter to most messages.
    """
    if isinstance(message, FeatureBatch):
        n = message.rows
        return [(TIME, (n,)), (INSTRUMENT, (n,)), (np.dtype(dtype).newbyteorder("<"), (n, columns))]
    if isinstance(message, SignalBatch):
        arrays: list[tuple[np.dtype[Any], Any]] = [(TARGET, (message.rows,))]
        if message.has_confidence:
            arrays.append((CONFIDENCE, (message.rows,)))
        if message.requests:
            arrays.append((REQUEST, (message.requests,)))
        return arrays
    if isinstance(message, (BridgeWelcome, State)) and message.state_bytes:
        return [(np.dtype("u1"), (message.state_bytes,))]
    return []


#: Frames of the longest message.
FRAMES_MAX: Final = 4


def read_arrays(
    message: Message, parts: Sequence[memoryview], columns: int = 0, dtype: Dtype = "float64"
) -> list[np.ndarray]:
    """Return the arrays behind a message, not copied: they are read-only.

    Raises
    ------
    ProtocolError
        If there are others than it announced.
    """
    expected = arrays_of(message, columns, dtype)
    name = name_of(message)
    if len(parts) != len(expected):
        raise ProtocolError(
            f"expected {len(expected)} arrays behind a {name} message, found {len(parts)}"
        )
    return [
        codec.array_of([part], kind, shape, f"a {name} message")
        for part, (kind, shape) in zip(parts, expected, strict=True)
    ]
