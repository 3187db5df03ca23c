"""The control messages of the stream: everything on the wire that is not a batch.

Typed msgpack, bounded and read as `codec` says.
"""

from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta

from tapewire.wire import codec
from tapewire.wire.codec import TEXT_CHARS_MAX, Clock, Count, Name, Part, Seconds, Text

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

Payload = Literal["shared", "inline"]
PayloadChoice = Literal["auto", "shared", "inline"]
Warmup = Literal["full", "snapshot", "none"]
#: Of a live feed: records come, or the line to who has them is cut, or some are missing for good.
FeedState = Literal["live", "cut", "gap"]


class SymbolMapping(NamedTuple):
    """A symbol's instrument id during ``[start_ns, end_ns)``, ns since the epoch, UTC."""

    raw_symbol: Name
    instrument_id: Count
    start_ns: Clock
    end_ns: Clock


class FileInfo(Part, frozen=True):
    """One input file as it was opened."""

    name: Text
    size_bytes: Count
    dbn_version: Count
    compressed: bool
    dataset: Name
    start_ns: Clock
    end_ns: Clock
    #: Records in the file where its length tells (uncompressed files), else None.
    records: Count | None
    #: Whether its books are of all publishers together, and have the publisher 0.
    consolidated: bool = False


class StreamInfo(Part, frozen=True):
    """What a stream will carry; known before its first batch."""

    dataset: Text  # several datasets: joined by "+"
    schema: Name
    files: Annotated[tuple[FileInfo, ...], Meta(max_length=FILES_MAX)]
    mappings: Annotated[tuple[SymbolMapping, ...], Meta(max_length=MAPPINGS_PER_MESSAGE)]
    start_ns: Clock  # what the files (and the filter) cover, [start, end); 0: unknown
    end_ns: Clock
    batch_records: Count
    speed: Seconds | None  # None: as fast as possible; 1.0: as it was recorded
    payload: Payload = "inline"  # as agreed with this receiver
    #: Total records where the file lengths tell and nothing is filtered, else None.
    records: Count | None = None
    #: What came of the records before ``warmup_until_ns``: they build books and are no events.
    warmup: Warmup = "none"
    warmup_until_ns: Clock = 0  # ts_recv, ns; 0: there are none

    @property
    def consolidated_datasets(self) -> frozenset[str]:
        """Datasets whose books are of all publishers together, and have the publisher 0."""
        return frozenset(file.dataset for file in self.files if file.consolidated)

    @property
    def is_consolidated(self) -> bool:
        """Whether all books are of all publishers together."""
        return bool(self.files) and all(file.consolidated for file in self.files)


class FileTotals(Part, frozen=True):
    """What one file gave."""

    name: Text
    records_read: Count
    records_kept: Count
    clamped_ts_recv: Count
    #: xxh3_128 of the file's bytes as they lie on disk; None if it was not read to its end.
    content_hash: Name | None
    #: Where it ended too soon and was played as far as it is whole: what is missing, in words.
    truncated: Text = ""
    #: Records of other schemas in a file that mixes them, in words.
    left_out: Text = ""


class Totals(Part, frozen=True):
    """What a stream carried; the receiver has verified the first five, and the counts of files."""

    events: Count
    batches: Count
    first_ts_recv: Clock
    last_ts_recv: Clock
    digest: Name  # over sequence, count and checksum of every batch
    clamped_ts_recv: Count
    filtered: Count
    files: Annotated[tuple[FileTotals, ...], Meta(max_length=FILES_MAX)]
    decode_s: Seconds
    wait_s: Seconds  # for credits: the receivers were the slower side
    pace_s: Seconds  # for the clock, when paced
    duplicates: Count = 0  # records left out because another file had given them


class Hello(codec.Message, frozen=True):
    """Receiver → sender: who asks, and what it can take."""

    wire_version: Count
    name: Name
    pid: Count
    boot_id: Name
    payload: PayloadChoice
    credits: Count


class SlotsOffer(Part, frozen=True):
    """Where a receiver on the same host finds the slots."""

    path: Name
    token: Annotated[bytes, Meta(max_length=64)]
    slot_bytes: Count


class Welcome(codec.Message, frozen=True):
    """Sender → receiver: the stream, and the slots if there are any to share.

    Of many symbol mappings `info` has the first ``MAPPINGS_PER_MESSAGE``; the receiver asks for
    the others with `More`.
    """

    wire_version: Count
    name: Name
    pid: Count
    stream_id: Count
    window: Count
    slots: Count
    offer: SlotsOffer | None
    info: StreamInfo
    mappings: Annotated[int, Meta(ge=0, le=MAPPINGS_MAX)]


class More(codec.Message, frozen=True):
    """Receiver → sender: it has so many symbol mappings, and wants the next ones."""

    received: Count


class Mappings(codec.Message, frozen=True):
    """Sender → receiver: the next symbol mappings."""

    mappings: Annotated[
        tuple[SymbolMapping, ...], Meta(min_length=1, max_length=MAPPINGS_PER_MESSAGE)
    ]


class Ready(codec.Message, frozen=True):
    """Receiver → sender: the payload it settled for; the stream may begin."""

    payload: Payload


class Credit(codec.Message, frozen=True):
    """Receiver → sender: all batches before this sequence are done with."""

    released: Count


class Heartbeat(codec.Message, frozen=True):
    """Either way, while there is nothing else to say."""


class End(codec.Message, frozen=True):
    """Sender → receiver: the stream is complete."""

    totals: Totals


class Error(codec.Message, frozen=True):
    """Sender → receiver: the stream ends here, and why; ``kind`` names the class."""

    kind: Name
    message: Text


class Told(codec.Message, frozen=True):
    """Sender → receiver: what has become of a live feed, and in words; between two batches."""

    state: FeedState
    text: Text


class Goodbye(codec.Message, frozen=True):
    """Receiver → sender: it leaves; the reason is empty after a complete stream."""

    reason: Text


Message = (
    Hello | Welcome | More | Mappings | Ready | Credit | Heartbeat | End | Error | Told | Goodbye
)  # fmt: skip
_CODEC: Final[codec.Codec[Message]] = codec.Codec(
    Message,
    magic=CONTROL_MAGIC,
    noun="control message",
    bytes_max=LARGE_MESSAGE_BYTES_MAX,
    too_large="replay fewer files at once",
)


def encode_message(message: Message) -> bytes:
    """Return the frame of a control message; what is said in words is cut to its limit.

    Raises
    ------
    ProtocolError
        If the frame is larger than any receiver would take.
    """
    if isinstance(message, Error):
        message = Error(message.kind, message.message[:TEXT_CHARS_MAX])
    elif isinstance(message, Told):
        message = Told(message.state, message.text[:TEXT_CHARS_MAX])
    elif isinstance(message, Goodbye):
        message = Goodbye(message.reason[:TEXT_CHARS_MAX])
    return _CODEC.encode(message)


def decode_message(
    frame: bytes | memoryview, *, bytes_max: int = SMALL_MESSAGE_BYTES_MAX
) -> Message:
    """Read a control message from untrusted bytes.

    Raises
    ------
    ProtocolError
        If the frame is too large, not msgpack, or not exactly one of the known messages.
    """
    return _CODEC.decode(frame, bytes_max=bytes_max)
