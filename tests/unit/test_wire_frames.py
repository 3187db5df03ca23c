"""The batch header: layout, round trip, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ProtocolError
from tapewire.wire.frames import (
    FLAG_SHARED,
    HEADER_BYTES,
    MAX_BATCH_RECORDS,
    NO_SLOT,
    BatchHeader,
    decode_header,
    encode_header,
)

HEADER = BatchHeader(FLAG_SHARED, 5, 6, 7, 8, 2, 100, 200, 2**64 - 1, 9, 10)

headers = st.builds(
    lambda shared, slot, first, span, **rest: BatchHeader(
        flags=int(shared),
        slot=slot if shared else NO_SLOT,
        first_ts_recv=first,
        last_ts_recv=first + span,
        **rest,
    ),
    shared=st.booleans(),
    slot=st.integers(0, 63),
    first=st.integers(-(2**62), 2**62),
    span=st.integers(0, 2**60),
    stream_id=st.integers(0, 2**64 - 1),
    sequence=st.integers(0, 2**64 - 1),
    first_record=st.integers(0, 2**64 - 1),
    record_count=st.integers(1, MAX_BATCH_RECORDS),
    checksum=st.integers(0, 2**64 - 1),
    decode_ns=st.integers(0, 2**64 - 1),
    sent_ns=st.integers(0, 2**64 - 1),
)


def test_the_layout_is_fixed() -> None:
    frame = encode_header(HEADER)
    assert len(frame) == HEADER_BYTES == 88
    assert frame[:4] == b"TWB1"
    assert int.from_bytes(frame[16:24], "little") == HEADER.sequence
    assert int.from_bytes(frame[32:36], "little") == HEADER.record_count
    assert frame[56:64] == b"\xff" * 8
    assert int.from_bytes(frame[64:72], "little") == HEADER.decode_ns
    assert int.from_bytes(frame[72:80], "little") == HEADER.sent_ns


@given(headers)
def test_a_header_survives_the_wire(header: BatchHeader) -> None:
    assert decode_header(encode_header(header)) == header


@given(headers, st.integers(0, HEADER_BYTES * 8 - 1))
def test_no_flipped_bit_goes_unnoticed(header: BatchHeader, bit: int) -> None:
    frame = bytearray(encode_header(header))
    frame[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ProtocolError):
        decode_header(bytes(frame))


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(frame: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_header(frame)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"flags": 2}, "unknown flags"),
        ({"flags": 0}, "slot"),
        ({"slot": NO_SLOT}, "slot"),
        ({"record_count": 0}, "claims 0 records"),
        ({"record_count": MAX_BATCH_RECORDS + 1}, "claims 65537 records"),
        ({"last_ts_recv": 99}, "before it begins"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, int], text: str) -> None:
    with pytest.raises(ProtocolError, match=text):
        decode_header(encode_header(HEADER._replace(**changes)))
