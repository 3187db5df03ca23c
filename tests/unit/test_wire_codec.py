"""The codec of any protocol: what it can be made of, and what it reads of raw parts."""

from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
import pytest
from msgspec import Meta

from tapewire.errors import ProtocolError
from tapewire.wire.codec import Clock, Codec, Count, Message, Name, Part, Seconds, Text, array_of


class Pair(NamedTuple):
    key: Name
    value: Seconds


class Column(Part, frozen=True):
    name: Name
    pairs: Annotated[tuple[Pair, ...], Meta(max_length=4)]


class Features(Message, frozen=True):
    at_ns: Clock
    rows: Count
    columns: Annotated[tuple[Column, ...], Meta(max_length=4)]
    note: Text | None = None


class Bye(Message, frozen=True):
    why: Text


CODEC: Codec[Features | Bye] = Codec(
    Features | Bye, magic=b"TEST", noun="test message", bytes_max=200, too_large="send fewer"
)
SENT = Features(-1, 3, (Column("spread", (Pair("a", 0.5),)),))


def test_a_second_protocol_has_messages_of_its_own() -> None:
    for message in (SENT, Bye("done")):
        assert CODEC.decode(CODEC.encode(message), bytes_max=200) == message
    assert CODEC.encode(SENT)[:4] == b"TEST"


def test_its_errors_say_what_it_is_and_what_to_do() -> None:
    with pytest.raises(ProtocolError, match=r"bye message of at most 200 bytes.*: send fewer"):
        CODEC.encode(Bye("x" * 200))
    with pytest.raises(ProtocolError, match="a test message of 9 bytes; at most 8 allowed"):
        CODEC.decode(b"TEST\xc1aaaa", bytes_max=8)
    with pytest.raises(ProtocolError, match="a malformed test message: "):
        CODEC.decode(b"TEST\xc1", bytes_max=8)
    with pytest.raises(ProtocolError, match="expected a message beginning with b'TEST', found b'T"):
        CODEC.decode(b"TEXT\xc1", bytes_max=8)


def test_text_within_named_tuples_and_parts_is_printable() -> None:
    sent = Features(0, 0, (Column("\x1b", (Pair("\x07", 0.5), Pair("b", 1.0))),), "\n")
    got = CODEC.decode(CODEC.encode(sent), bytes_max=200)
    assert got == Features(0, 0, (Column("\\x1b", (Pair("\\x07", 0.5), Pair("b", 1.0))),), "\\n")
    assert isinstance(got, Features)
    assert isinstance(got.columns[0].pairs[0], Pair)


def test_a_number_is_never_nan() -> None:
    frame = CODEC.encode(SENT).replace(
        msgspec.msgpack.encode(0.5), msgspec.msgpack.encode(float("nan"))
    )
    with pytest.raises(ProtocolError, match="float"):
        CODEC.decode(frame, bytes_max=200)


class Plain(msgspec.Struct):
    value: Count


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (str, "expected a text or bytes with a max_length"),
        (bytes, "expected a text or bytes with a max_length"),
        (int, "expected a number with ge and le"),
        (float, "expected a number with ge and le"),
        (Annotated[int, Meta(ge=0)], "expected a number with ge and le"),
        (tuple[Count, ...], "expected a type with bounds"),
        (Annotated[tuple[str, ...], Meta(max_length=3)], "expected a text or bytes"),
        (Annotated[list[Count], Meta(max_length=3)], "expected a type with bounds"),
        (dict[Name, Count], "expected a type with bounds"),
        (Name | None | int, "expected a number with ge and le"),
        (Plain, "expected a Part, found Plain"),
        (Any, "expected a type with bounds"),
    ],
    ids=str,
)
def test_a_codec_takes_no_type_without_bounds(kind: Any, text: str) -> None:
    made = msgspec.defstruct("Bad", [("field", kind)], bases=(Message,), frozen=True)
    with pytest.raises(TypeError, match=f"^Bad.field: {text}"):
        Codec(made, magic=b"", noun="x", bytes_max=1, too_large="")


def test_a_raw_part_becomes_a_matrix_without_a_copy() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    part = memoryview(bytearray(rows.tobytes()))
    got = array_of([part], rows.dtype, (4, 3), "frame 5")
    assert np.array_equal(got, rows)
    part[:4] = np.float32(7).tobytes()
    assert got[0, 0] == 7


@pytest.mark.parametrize("parts", [[], [24], [23], [25], [24, 0], [12, 12]], ids=str)
def test_a_raw_part_of_another_size_is_refused(parts: list[int]) -> None:
    views = [memoryview(bytes(size)) for size in parts]
    if parts == [24]:
        assert array_of(views, np.dtype("<f8"), (3, 1), "frame 5").shape == (3, 1)
        return
    found = rf"payload of {sum(parts)} bytes in {len(parts)} frames, expected 24 in 1"
    with pytest.raises(ProtocolError, match=f"frame 5 has a {found}"):
        array_of(views, np.dtype("<f8"), (3, 1), "frame 5")
