"""Typed msgpack and raw arrays, apart from any one protocol: how bytes of a peer are read.

A protocol declares its messages as subclasses of :class:`Message`, its groups of fields as
subclasses of :class:`Part`, and makes one :class:`Codec` of their union. A message is an array of
its fields behind its name, decoded straight into its type: the frame's size, the length of every
list and text and the range of every number are bounded before memory is taken for them (a codec of
types without such bounds can't be made), there is no depth but that of the types, and whatever goes
wrong is a :class:`ProtocolError` of the peer that sent it. Text comes out without control
characters: all of it may be shown. What is too much for msgpack travels raw, in a part of its own
(:func:`array_of`). Without sockets.
"""

import math
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar, cast

import msgspec
import numpy as np
from msgspec import Meta
from msgspec import inspect as types

from tapewire.errors import ProtocolError

TEXT_CHARS_MAX: Final = 8_192
_NAME_CHARS_MAX: Final = 256
#: Longest time a duration in a message may claim (s).
_SECONDS_MAX: Final = 1e12

Text = Annotated[str, Meta(max_length=TEXT_CHARS_MAX)]
Name = Annotated[str, Meta(max_length=_NAME_CHARS_MAX)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
#: A time, ns since the epoch, UTC.
Clock = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
#: A duration (s); never NaN.
Seconds = Annotated[float, Meta(ge=0.0, le=_SECONDS_MAX)]


class Part(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A group of fields inside a message."""


class Message(Part, frozen=True, tag=str.lower):
    """A whole message; its name comes first on the wire."""


_M = TypeVar("_M", bound=Message)


class Codec(Generic[_M]):
    """The messages of one protocol, to bytes and back.

    Parameters
    ----------
    messages
        The union of the protocol's messages.
    magic
        What every frame begins with.
    noun
        What a message of this protocol is called in errors.
    bytes_max
        No peer takes a larger frame, so none is made.
    too_large
        What to do where one would have to be.

    Raises
    ------
    TypeError
        If a message has a text, list or number without bounds.
    """

    def __init__(
        self, messages: Any, *, magic: bytes, noun: str, bytes_max: int, too_large: str
    ) -> None:
        _require_bounded(types.type_info(messages), noun)
        self._magic = magic
        self._noun = noun
        self._bytes_max = bytes_max
        self._too_large = too_large
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(messages)
        self._worded = frozenset(_worded(types.type_info(messages)))

    def encode(self, message: _M) -> bytes:
        """Return the frame of a message.

        Raises
        ------
        ProtocolError
            If it is larger than any peer would take.
        """
        frame = self._magic + self._encoder.encode(message)
        if len(frame) > self._bytes_max:
            raise ProtocolError(
                f"expected a {type(message).__name__.lower()} message of at most "
                f"{self._bytes_max} bytes, found {len(frame)}: {self._too_large}"
            )
        return frame

    def decode(self, frame: bytes | memoryview, *, bytes_max: int) -> _M:
        """Read a message from untrusted bytes.

        Raises
        ------
        ProtocolError
            If the frame is larger than ``bytes_max``, not msgpack, or not exactly one of the
            protocol's messages.
        """
        if len(frame) > bytes_max:
            raise ProtocolError(
                f"a {self._noun} of {len(frame)} bytes; at most {bytes_max} allowed"
            )
        found = bytes(frame[: len(self._magic)])
        if found != self._magic:
            raise ProtocolError(
                f"expected a message beginning with {self._magic!r}, found {found!r}"
            )
        try:
            message = self._decoder.decode(frame[len(self._magic) :])
        except Exception as error:  # stack, unicode, value errors: all the peer's doing
            what = printable(str(error)[:200])
            raise ProtocolError(f"a malformed {self._noun}: {what}") from None
        if type(message) not in self._worded:
            return cast(_M, message)
        return cast(_M, _shown(message))


def array_of(
    parts: Sequence[memoryview], dtype: np.dtype[Any], shape: tuple[int, ...], header: object
) -> np.ndarray:
    """Return the array that the raw parts of a message hold, not copied.

    Parameters
    ----------
    parts
        All parts behind the header: there must be one.
    dtype, shape
        What the header announced, and its reader has found to be within bounds.
    header
        Which message this is, as an error calls it.

    Raises
    ------
    ProtocolError
        If there is another number of parts or bytes.
    """
    expected = dtype.itemsize * math.prod(shape)
    length = sum(part.nbytes for part in parts)
    if len(parts) != 1 or length != expected:
        raise ProtocolError(
            f"{header} has a payload of {length} bytes in {len(parts)} frames, expected "
            f"{expected} in 1"
        )
    return np.ndarray(shape, dtype, parts[0])


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
        if _is_plain(value):
            return value
        shown = map(_shown, value)
        return tuple(shown) if type(value) is tuple else type(value)(*shown)  # of names
    if isinstance(value, Part):
        return type(value)(*(_shown(getattr(value, name)) for name in value.__struct_fields__))
    return value


def _is_plain(values: tuple[Any, ...]) -> bool:
    """Whether these are whole numbers and printable text alone; there may be a million of them."""
    for value in values:
        kind = type(value)
        if kind is str:
            if not value.isprintable():
                return False
        elif kind is not int:
            return False
    return True


def _worded(kind: types.Type) -> Iterator[type]:
    """Messages of a union that have fields of more than numbers."""
    for member in kind.types if isinstance(kind, types.UnionType) else (kind,):
        if isinstance(member, types.StructType) and not all(
            isinstance(field.type, types.IntType | types.FloatType | types.BoolType)
            for field in member.fields
        ):
            yield member.cls


def _require_bounded(kind: types.Type, where: str) -> None:
    """Check that nothing of a type can be larger than its protocol says."""
    if isinstance(kind, types.StructType | types.NamedTupleType):
        if isinstance(kind, types.StructType) and not issubclass(kind.cls, Part):
            raise TypeError(f"{where}: expected a Part, found {kind.cls.__name__}")
        for field in kind.fields:
            _require_bounded(field.type, f"{kind.cls.__name__}.{field.name}")
    elif isinstance(kind, types.UnionType):
        for member in kind.types:
            _require_bounded(member, where)
    elif isinstance(kind, types.VarTupleType) and kind.max_length is not None:
        _require_bounded(kind.item_type, where)
    elif isinstance(kind, types.StrType | types.BytesType):
        if kind.max_length is None:
            raise TypeError(f"{where}: expected a text or bytes with a max_length")
    elif isinstance(kind, types.IntType | types.FloatType):
        if kind.ge is None or kind.le is None:
            raise TypeError(f"{where}: expected a number with ge and le")
    elif not isinstance(kind, types.BoolType | types.NoneType | types.LiteralType):
        raise TypeError(f"{where}: expected a type with bounds, found {kind}")
