"""Control messages: everything on the wire that is not a batch, as typed msgpack.

Each message is an array of its fields behind its name, decoded straight into its type: the frame's
size, the length of every list and text and the range of every number are bounded before memory is
taken for them, there is no depth but that of the types, and whatever goes wrong is a
:class:`ProtocolError` of the peer that sent it. Text comes out without control characters: all of
it may be shown.
"""

import unicodedata
from typing import Annotated, Any, Final, Literal, NamedTuple, cast

import msgspec
from msgspec import Meta

from tapewire.errors import ProtocolError

CONTROL_MAGIC: Final = b"TWC1"
#: What a receiver may send: a few short fields.
SMALL_MESSAGE_BYTES_MAX: Final = 64 << 10
#: What a sender may send: the names of many files, or a batch inline (3.5 MiB at most).
LARGE_MESSAGE_BYTES_MAX: Final = 4 << 20
MAPPINGS_MAX: Final = 1_000_000
#: So many symbol mappings travel in one message; the receiver asks for the next ones.
MAPPINGS_PER_MESSAGE: Final = 4_096
#: All messages with mappings of one stream together.
MAPPINGS_BYTES_MAX: Final = 64 << 20
FILES_MAX: Final = 10_000
TEXT_CHARS_MAX: Final = 8_192
_NAME_CHARS_MAX: Final = 256
#: Longest time a duration in a message may claim (s).
_SECONDS_MAX: Final = 1e12

Payload = Literal["shared", "inline"]
PayloadChoice = Literal["auto", "shared", "inline"]
Warmup = Literal["full", "snapshot", "none"]

_Text = Annotated[str, Meta(max_length=TEXT_CHARS_MAX)]
_Name = Annotated[str, Meta(max_length=_NAME_CHARS_MAX)]
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Clock = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Seconds = Annotated[float, Meta(ge=0.0, le=_SECONDS_MAX)]


class _Part(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A group of fields inside a message."""


class _Message(_Part, frozen=True, tag=str.lower):
    """A whole message; its name comes first on the wire."""


class SymbolMapping(NamedTuple):
    """A symbol's instrument id during ``[start_ns, end_ns)``, ns since the epoch, UTC."""

    raw_symbol: _Name
    instrument_id: _Count
    start_ns: _Clock
    end_ns: _Clock


class FileInfo(_Part, frozen=True):
    """One input file as it was opened."""

    name: _Text
    size_bytes: _Count
    dbn_version: _Count
    compressed: bool
    dataset: _Name
    start_ns: _Clock
    end_ns: _Clock
    #: Records in the file where its length tells (uncompressed files), else None.
    records: _Count | None


class StreamInfo(_Part, frozen=True):
    """What a stream will carry; known before its first batch."""

    dataset: _Text  # several datasets: joined by "+"
    schema: _Name
    files: Annotated[tuple[FileInfo, ...], Meta(max_length=FILES_MAX)]
    mappings: Annotated[tuple[SymbolMapping, ...], Meta(max_length=MAPPINGS_PER_MESSAGE)]
    start_ns: _Clock  # what the files (and the filter) cover, [start, end); 0: unknown
    end_ns: _Clock
    batch_records: _Count
    speed: _Seconds | None  # None: as fast as possible; 1.0: as it was recorded
    payload: Payload = "inline"  # as agreed with this receiver
    #: Total records where the file lengths tell and nothing is filtered, else None.
    records: _Count | None = None
    #: What came of the records before ``warmup_until_ns``: they build books and are no events.
    warmup: Warmup = "none"
    warmup_until_ns: _Clock = 0  # ts_recv, ns; 0: there are none


class FileTotals(_Part, frozen=True):
    """What one file gave."""

    name: _Text
    records_read: _Count
    records_kept: _Count
    clamped_ts_recv: _Count
    #: xxh3_128 of the file's bytes as they lie on disk; None if it was not read to its end.
    content_hash: _Name | None


class Totals(_Part, frozen=True):
    """What a stream carried; the receiver has verified the first five, and the counts of files."""

    events: _Count
    batches: _Count
    first_ts_recv: _Clock
    last_ts_recv: _Clock
    digest: _Name  # over sequence, count and checksum of every batch
    clamped_ts_recv: _Count
    filtered: _Count
    files: Annotated[tuple[FileTotals, ...], Meta(max_length=FILES_MAX)]
    decode_s: _Seconds
    wait_s: _Seconds  # for credits: the receivers were the slower side
    pace_s: _Seconds  # for the clock, when paced


class Hello(_Message, frozen=True):
    """Receiver → sender: who asks, and what it can take."""

    wire_version: _Count
    name: _Name
    pid: _Count
    boot_id: _Name
    payload: PayloadChoice
    credits: _Count


class SlotsOffer(_Part, frozen=True):
    """Where a receiver on the same host finds the slots."""

    path: _Name
    token: Annotated[bytes, Meta(max_length=64)]
    slot_bytes: _Count


class Welcome(_Message, frozen=True):
    """Sender → receiver: the stream, and the slots if there are any to share.

    Of many symbol mappings `info` has the first ``MAPPINGS_PER_MESSAGE``; the receiver asks for
    the others with `More`.
    """

    wire_version: _Count
    name: _Name
    pid: _Count
    stream_id: _Count
    window: _Count
    slots: _Count
    offer: SlotsOffer | None
    info: StreamInfo
    mappings: Annotated[int, Meta(ge=0, le=MAPPINGS_MAX)]


class More(_Message, frozen=True):
    """Receiver → sender: it has so many symbol mappings, and wants the next ones."""

    received: _Count


class Mappings(_Message, frozen=True):
    """Sender → receiver: the next symbol mappings."""

    mappings: Annotated[
        tuple[SymbolMapping, ...], Meta(min_length=1, max_length=MAPPINGS_PER_MESSAGE)
    ]


class Ready(_Message, frozen=True):
    """Receiver → sender: the payload it settled for; the stream may begin."""

    payload: Payload


class Credit(_Message, frozen=True):
    """Receiver → sender: all batches before this sequence are done with."""

    released: _Count


class Heartbeat(_Message, frozen=True):
    """Either way, while there is nothing else to say."""


class End(_Message, frozen=True):
    """Sender → receiver: the stream is complete."""

    totals: Totals


class Error(_Message, frozen=True):
    """Sender → receiver: the stream ends here, and why; ``kind`` names the class."""

    kind: _Name
    message: _Text


class Goodbye(_Message, frozen=True):
    """Receiver → sender: it leaves; the reason is empty after a complete stream."""

    reason: _Text


Message = (
    Hello | Welcome | More | Mappings | Ready | Credit | Heartbeat | End | Error | Goodbye
)  # fmt: skip
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Message)


def encode_message(message: Message) -> bytes:
    """Return the frame of a control message; what an error or a goodbye says is cut to its limit.

    Raises
    ------
    ProtocolError
        If the frame is larger than any receiver would take.
    """
    if isinstance(message, Error):
        message = Error(message.kind, message.message[:TEXT_CHARS_MAX])
    elif isinstance(message, Goodbye):
        message = Goodbye(message.reason[:TEXT_CHARS_MAX])
    frame = CONTROL_MAGIC + _ENCODER.encode(message)
    if len(frame) > LARGE_MESSAGE_BYTES_MAX:
        raise ProtocolError(
            f"expected a {type(message).__name__.lower()} message of at most "
            f"{LARGE_MESSAGE_BYTES_MAX} bytes, found {len(frame)}: replay fewer files at once"
        )
    return frame


def decode_message(
    frame: bytes | memoryview, *, bytes_max: int = SMALL_MESSAGE_BYTES_MAX
) -> Message:
    """Read a control message from untrusted bytes.

    Raises
    ------
    ProtocolError
        If the frame is too large, not msgpack, or not exactly one of the known messages.
    """
    if len(frame) > bytes_max:
        raise ProtocolError(f"a control message of {len(frame)} bytes; at most {bytes_max} allowed")
    if bytes(frame[:4]) != CONTROL_MAGIC:
        raise ProtocolError(
            f"expected a message beginning with {CONTROL_MAGIC!r}, found {bytes(frame[:4])!r}"
        )
    try:
        message = _DECODER.decode(frame[4:])
    except Exception as error:  # stack, unicode, value errors: all the peer's doing
        raise ProtocolError(f"a malformed control message: {printable(str(error)[:200])}") from None
    return cast(Message, _shown(message))


def printable(text: str) -> str:
    """Return text with control, formatting and surrogate characters escaped: safe to show."""
    if text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in _UNSEEN else c
        for c in text
    )


#: Unicode categories: control, format (writing direction), surrogate, line and paragraph breaks.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def _shown(value: Any) -> Any:
    """Return a message or a part of one with all its text printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, tuple):
        if isinstance(value, SymbolMapping):
            return (
                value if value[0].isprintable() else value._replace(raw_symbol=printable(value[0]))
            )
        return tuple(map(_shown, value))
    if isinstance(value, _Part):
        return type(value)(*(_shown(getattr(value, name)) for name in value.__struct_fields__))
    return value
