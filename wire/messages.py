"""Control messages: everything on the wire that is not a batch, as typed msgpack.

Each side decodes strictly: the frame's size and every container in it are bounded, keys and types
must be exactly those of the message, and whatever goes wrong is a :class:`ProtocolError` of the
peer that sent it. msgpack by itself accepts NaN, extension types, duplicate keys and claims of
millions of elements.
"""

import dataclasses
import functools
import math
import types
import typing
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Union

import msgpack  # type: ignore[import-untyped, unused-ignore]

from tapewire.errors import ProtocolError

CONTROL_MAGIC: Final = b"TWC1"
#: What a receiver may send: a few short fields.
SMALL_MESSAGE_BYTES_MAX: Final = 64 << 10
#: What a sender may send: the welcome of an all-symbols file is large.
LARGE_MESSAGE_BYTES_MAX: Final = 256 << 20
MAPPINGS_MAX: Final = 1_000_000
FILES_MAX: Final = 10_000
TEXT_CHARS_MAX: Final = 8_192

Payload = Literal["shared", "inline"]
PayloadChoice = Literal["auto", "shared", "inline"]
Warmup = Literal["full", "snapshot", "none"]


class SymbolMapping(NamedTuple):
    """A symbol's instrument id during ``[start_ns, end_ns)``, ns since the epoch, UTC."""

    raw_symbol: str
    instrument_id: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class FileInfo:
    """One input file as it was opened."""

    name: str
    size_bytes: int
    dbn_version: int
    compressed: bool
    dataset: str
    start_ns: int
    end_ns: int
    #: Records in the file where its length tells (uncompressed files), else None.
    records: int | None


@dataclass(frozen=True)
class StreamInfo:
    """What a stream will carry; known before its first batch."""

    dataset: str  # several datasets: joined by "+"
    schema: str
    files: tuple[FileInfo, ...]
    mappings: tuple[SymbolMapping, ...]
    start_ns: int  # what the files (and the filter) cover, [start, end); 0: unknown
    end_ns: int
    batch_records: int
    speed: float | None  # None: as fast as possible; 1.0: as it was recorded
    payload: Payload = "inline"  # as agreed with this receiver
    #: Total records where the file lengths tell and nothing is filtered, else None.
    records: int | None = None
    #: What came of the records before ``warmup_until_ns``: they build books and are no events.
    warmup: Warmup = "none"
    warmup_until_ns: int = 0  # ts_recv, ns; 0: there are none


@dataclass(frozen=True)
class FileTotals:
    """What one file gave."""

    name: str
    records_read: int
    records_kept: int
    clamped_ts_recv: int
    #: xxh3_128 of the file's bytes as they lie on disk; None if it was not read to its end.
    content_hash: str | None


@dataclass(frozen=True)
class Totals:
    """What a stream carried; the receiver has verified the first five."""

    events: int
    batches: int
    first_ts_recv: int
    last_ts_recv: int
    digest: str  # over sequence, count and checksum of every batch
    clamped_ts_recv: int
    filtered: int
    files: tuple[FileTotals, ...]
    decode_s: float
    wait_s: float  # for credits: the receivers were the slower side
    pace_s: float  # for the clock, when paced


@dataclass(frozen=True)
class Hello:
    """Receiver → sender: who asks, and what it can take."""

    wire_version: int
    name: str
    pid: int
    boot_id: str
    payload: PayloadChoice
    credits: int


@dataclass(frozen=True)
class SlotsOffer:
    """Where a receiver on the same host finds the slots."""

    path: str
    token: bytes
    slot_bytes: int


@dataclass(frozen=True)
class Welcome:
    """Sender → receiver: the stream, and the slots if there are any to share."""

    wire_version: int
    name: str
    pid: int
    stream_id: int
    window: int
    slots: int
    offer: SlotsOffer | None
    info: StreamInfo


@dataclass(frozen=True)
class Ready:
    """Receiver → sender: the payload it settled for; the stream may begin."""

    payload: Payload


@dataclass(frozen=True)
class Credit:
    """Receiver → sender: all batches before this sequence are done with."""

    released: int


@dataclass(frozen=True)
class Heartbeat:
    """Either way, while there is nothing else to say."""


@dataclass(frozen=True)
class End:
    """Sender → receiver: the stream is complete."""

    totals: Totals


@dataclass(frozen=True)
class Error:
    """Sender → receiver: the stream ends here, and why; ``kind`` names the class."""

    kind: str
    message: str


@dataclass(frozen=True)
class Goodbye:
    """Receiver → sender: it leaves; the reason is empty after a complete stream."""

    reason: str


Message = (
    Hello | Welcome | Ready | Credit | Heartbeat | End | Error | Goodbye
)  # fmt: skip
_KINDS: Final[dict[str, type[Any]]] = {c.__name__.lower(): c for c in typing.get_args(Message)}


def encode_message(message: Message) -> bytes:
    """Return the frame of a control message."""
    body = {"type": type(message).__name__.lower(), **_plain(message)}
    return CONTROL_MAGIC + typing.cast(bytes, msgpack.packb(body, use_bin_type=True))


def _plain(message: Any) -> dict[str, Any]:
    return {f.name: _plain_value(getattr(message, f.name)) for f in dataclasses.fields(message)}


def _plain_value(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _plain(value)
    if isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
        return [_plain(v) for v in value]
    if isinstance(value, str):
        return value[:TEXT_CHARS_MAX]
    return value


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
    elements_max = min(bytes_max, MAPPINGS_MAX)
    try:
        body = msgpack.unpackb(
            frame[4:],
            raw=False,
            strict_map_key=True,
            object_pairs_hook=_unique_keys,
            ext_hook=_no_extensions,
            max_str_len=4 * TEXT_CHARS_MAX,
            max_bin_len=1_024,
            max_ext_len=0,
            max_array_len=elements_max,
            max_map_len=64,
        )
        if not isinstance(body, dict):
            raise ProtocolError(f"expected a map, found {type(body).__name__}")
        kind = _KINDS.get(body.pop("type", None))
        if kind is None:
            raise ProtocolError("an unknown type of message")
        return typing.cast(Message, _typed(body, kind, kind.__name__.lower()))
    except ProtocolError as error:
        raise ProtocolError(f"a malformed control message: {error}") from None
    except Exception as error:  # stack, unicode, value errors: all the peer's doing
        raise ProtocolError(
            f"a malformed control message: {type(error).__name__}: {str(error)[:200]}"
        ) from None


def _unique_keys(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ProtocolError("a key appears twice")
    return result


def _no_extensions(code: int, data: bytes) -> Any:
    raise ProtocolError(f"extension type {code}")


@functools.cache
def _field_hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _typed(value: Any, hint: Any, where: str) -> Any:
    """Return ``value`` as ``hint``, or raise naming the field."""
    if hint in (int, str, bytes, bool):
        if type(value) is not hint:
            raise _mismatch(value, hint.__name__, where)
        return value
    if hint is float:
        if type(value) is not float or not math.isfinite(value):
            raise _mismatch(value, "a finite float", where)
        return value
    if hint is type(None):
        if value is not None:
            raise _mismatch(value, "nil", where)
        return value
    origin = typing.get_origin(hint)
    if origin is Literal:
        if value not in typing.get_args(hint):
            raise _mismatch(value, f"one of {typing.get_args(hint)}", where)
        return value
    if origin in (Union, types.UnionType):
        inner, _none = typing.get_args(hint)  # only ``X | None`` is in use
        return None if value is None else _typed(value, inner, where)
    if origin is tuple:
        if type(value) is not list:
            raise _mismatch(value, "a list", where)
        (item,) = (h for h in typing.get_args(hint) if h is not Ellipsis)
        return tuple(_typed(v, item, where) for v in value)
    if hint is SymbolMapping:
        return _mapping(value, where)
    return _typed_dataclass(value, hint, where)


def _mapping(value: Any, where: str) -> SymbolMapping:
    if type(value) is not list or [type(v) for v in value] != [str, int, int, int]:
        raise _mismatch(value, "[symbol, id, start, end]", where)
    return SymbolMapping(*value)


def _typed_dataclass(value: Any, kind: Any, where: str) -> Any:
    if type(value) is not dict:
        raise _mismatch(value, "a map", where)
    hints = _field_hints(kind)
    if value.keys() != hints.keys():
        odd = sorted(str(k)[:40] for k in value.keys() ^ hints.keys())
        raise ProtocolError(f"{where}: missing or unknown keys {odd[:5]}")
    return kind(**{k: _typed(v, hints[k], f"{where}.{k}") for k, v in value.items()})


def _mismatch(value: Any, expected: str, where: str) -> ProtocolError:
    found = repr(value) if isinstance(value, int | float | str) else type(value).__name__
    return ProtocolError(f"{where}: expected {expected}, found {found[:60]}")
