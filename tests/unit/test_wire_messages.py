"""Control messages: round trips, and every way of being malformed."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ProtocolError
from tapewire.wire import messages as msg

INFO = msg.StreamInfo(
    dataset="GLBX.MDP3",
    schema="mbo",
    files=(msg.FileInfo("a.dbn", 1, 3, False, "GLBX.MDP3", 0, 1, None),),
    mappings=(msg.SymbolMapping("ESH4", 17077, 0, 2**63 - 1),),
    start_ns=0,
    end_ns=1,
    batch_records=16,
    speed=2.5,
)
TOTALS = msg.Totals(
    1, 1, 5, 5, "ab", 0, 0, (msg.FileTotals("a.dbn", 1, 1, 0, None),), 0.1, 0.2, 0.0
)
MESSAGES = [
    msg.Hello(1, "router", 7, "boot", "auto", 8),
    msg.Welcome(1, "replay", 7, 2**63 - 1, 4, 4, msg.SlotsOffer("/proc/1/fd/2", b"x", 4), INFO),
    msg.Welcome(1, "replay", 7, 1, 4, 4, None, INFO),
    msg.Ready("shared"),
    msg.Credit(3),
    msg.Heartbeat(),
    msg.End(TOTALS),
    msg.Error("FormatError", "a.dbn: truncated"),
    msg.Goodbye(""),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_a_message_survives_the_wire(message: msg.Message) -> None:
    assert msg.decode_message(msg.encode_message(message)) == message


def frame(body: object) -> bytes:
    return msg.CONTROL_MAGIC + msgpack.packb(body)


HELLO = {"wire_version": 1, "name": "r", "pid": 1, "boot_id": "", "payload": "auto", "credits": 1}


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"TWC1",
        b"XXXX\x80",
        msg.CONTROL_MAGIC + b"\xdd\xff\xff\xff\xff",  # an array of four billion
        msg.CONTROL_MAGIC + b"\xdb\xff\xff\xff\xff",  # a string of four billion
        msg.CONTROL_MAGIC + b"\x91" * 60_000,  # nested 60,000 deep
        msg.CONTROL_MAGIC + b"\x82\xa4type\xa9heartbeat\xa4type\xa9heartbeat",  # key twice
        frame([1]),
        frame({"type": "unknown"}),
        frame({"type": ["credit"]}),
        frame({"type": "credit"}),
        frame({"type": "credit", "released": "3"}),
        frame({"type": "credit", "released": True}),
        frame({"type": "credit", "released": 3, "more": 1}),
        frame({"type": "ready", "payload": "carrier pigeon"}),
        frame({"type": "hello", **HELLO, "name": msgpack.ExtType(5, b"x")}),
        frame({"type": "hello", **HELLO, "name": "x" * 40_000}),
        frame({"type": "heartbeat"}) + b"\x00",
        msg.encode_message(msg.Welcome(1, "r", 1, 1, 1, 1, None, INFO)).replace(
            msgpack.packb(2.5), msgpack.packb(float("nan"))
        ),
    ],
    ids=range(19),
)
def test_malformed_messages_are_protocol_errors(bad: bytes) -> None:
    with pytest.raises(ProtocolError):
        msg.decode_message(bad)


def test_a_message_larger_than_allowed_is_not_even_parsed() -> None:
    with pytest.raises(ProtocolError, match="at most 65536"):
        msg.decode_message(msg.CONTROL_MAGIC + b"\xc1" * msg.SMALL_MESSAGE_BYTES_MAX)


@given(st.sampled_from(MESSAGES), st.data())
def test_mutated_messages_decode_or_are_protocol_errors(
    message: msg.Message, data: st.DataObject
) -> None:
    sent = bytearray(msg.encode_message(message))
    for _ in range(data.draw(st.integers(1, 4))):
        sent[data.draw(st.integers(0, len(sent) - 1))] = data.draw(st.integers(0, 255))
    del sent[data.draw(st.integers(0, len(sent))) :]
    try:
        decoded = msg.decode_message(bytes(sent))
    except ProtocolError:
        return
    assert isinstance(decoded, msg.Message)


def test_a_hundred_thousand_mappings_pass() -> None:
    mappings = tuple(msg.SymbolMapping(f"S{i}", i, 0, 1) for i in range(100_000))
    info = msg.StreamInfo("D", "mbo", (), mappings, 0, 0, 1, None)
    sent = msg.encode_message(msg.Welcome(1, "replay", 1, 1, 1, 1, None, info))
    got = msg.decode_message(sent, bytes_max=msg.LARGE_MESSAGE_BYTES_MAX)
    assert isinstance(got, msg.Welcome)
    assert got.info.mappings == mappings
