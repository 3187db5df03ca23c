"""Control messages: round trips, and every way of being malformed."""

import tracemalloc

import msgspec
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
WELCOME = msg.Welcome(
    2, "replay", 7, 2**63 - 1, 4, 4, msg.SlotsOffer("/proc/1/fd/2", b"x", 4), INFO, 1
)
MESSAGES = [
    msg.Hello(2, "router", 7, "boot", "auto", 8),
    WELCOME,
    msgspec.structs.replace(WELCOME, offer=None),
    msg.More(4_096),
    msg.Mappings(INFO.mappings),
    msg.Ready("shared"),
    msg.Credit(3),
    msg.Heartbeat(),
    msg.End(TOTALS),
    msg.Error("FormatError", "a.dbn: truncated"),
    msg.Told("cut", "the gateway has hung up"),
    msg.Goodbye(""),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_a_message_survives_the_wire(message: msg.Message) -> None:
    assert msg.decode_message(msg.encode_message(message)) == message


def frame(*body: object) -> bytes:
    return msg.CONTROL_MAGIC + msgspec.msgpack.encode(body)


HELLO = ("hello", 2, "r", 1, "", "auto", 1)
EMPTY_MAPS = b"\x80" * 1_000_000


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"TWC1",
        b"XXXX\x80",
        msg.CONTROL_MAGIC + b"\xdd\xff\xff\xff\xff",  # an array of four billion
        msg.CONTROL_MAGIC + b"\xdf\xff\xff\xff\xff",  # a map of four billion
        msg.CONTROL_MAGIC + b"\xdb\xff\xff\xff\xff",  # a string of four billion
        msg.CONTROL_MAGIC + b"\x91" * 60_000,  # nested 60,000 deep
        msg.CONTROL_MAGIC + b"\x92\xa6credit" + b"\x91" * 50_000,  # the same inside a field
        frame(),
        frame("unknown"),
        frame(["credit"], 3),
        frame("credit"),
        frame("credit", "3"),
        frame("credit", True),
        frame("credit", 3.0),
        frame("credit", -1),
        frame("credit", 2**63),
        frame("credit", 3, 1),
        msg.CONTROL_MAGIC + msgspec.msgpack.encode({"type": "credit", "released": 3}),
        frame("ready", "carrier pigeon"),
        frame(*HELLO[:2], msgspec.msgpack.Ext(5, b"x"), *HELLO[3:]),
        frame(*HELLO[:2], "x" * 257, *HELLO[3:]),
        msg.CONTROL_MAGIC + b"\x92\xa6credit\xa2\xff\xfe",  # no UTF-8
        frame("heartbeat") + b"\x00",
        frame("error", "WireError", "x" * (msg.TEXT_CHARS_MAX + 1)),
    ],
    ids=range(25),
)
def test_malformed_messages_are_protocol_errors(bad: bytes) -> None:
    with pytest.raises(ProtocolError):
        msg.decode_message(bad)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_a_speed_is_a_finite_number(value: float) -> None:
    sent = msg.encode_message(WELCOME).replace(
        msgspec.msgpack.encode(2.5), msgspec.msgpack.encode(value)
    )
    with pytest.raises(ProtocolError, match="float"):
        msg.decode_message(sent)


@pytest.mark.parametrize(
    "claim",
    [
        b"\x92\xa8mappings\xdd\x00\x0f\x42\x40" + EMPTY_MAPS,  # more than a message may have
        b"\x92\xa8mappings\xdc\x10\x00" + EMPTY_MAPS,  # as many, of another type
        b"\x92\xa3end" + b"\xdd\x00\x0f\x42\x40" + EMPTY_MAPS,
    ],
    ids=["too-many", "of-maps", "in-place-of-fields"],
)
def test_elements_cost_no_memory_before_they_are_known_to_fit(claim: bytes) -> None:
    sent = memoryview(msg.CONTROL_MAGIC + claim)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            msg.decode_message(sent, bytes_max=msg.LARGE_MESSAGE_BYTES_MAX)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 100_000


def test_text_of_a_peer_is_shown_without_control_characters() -> None:
    text = "a\x1b[2Jb\nc\u202ed\x9be\u2028é 東京"
    shown = "a\\x1b[2Jb\\nc\\u202ed\\x9be\\u2028é 東京"
    mapping = msg.SymbolMapping(text, 1, 0, 1)
    file = msg.FileInfo(text, 1, 3, False, text, 0, 1, None)
    info = msgspec.structs.replace(INFO, dataset=text, files=(file,), mappings=(mapping,))
    sent = [
        msg.Error(text, text),
        msg.Told("gap", text),
        msg.Goodbye(text),
        msg.Hello(2, text, 1, text, "auto", 1),
        msgspec.structs.replace(WELCOME, name=text, info=info),
        msg.Mappings((mapping,)),
        msg.End(msgspec.structs.replace(TOTALS, files=(msg.FileTotals(text, 1, 1, 0, text),))),
    ]
    for message in sent:
        got = repr(msg.decode_message(msg.encode_message(message)))
        assert repr(shown)[1:-1] in got
        assert repr(text)[1:-1] not in got


def test_what_a_malformed_message_says_is_not_shown_raw() -> None:
    with pytest.raises(ProtocolError) as caught:
        msg.decode_message(frame("ready", "\x1b]0;title\x07"))
    assert str(caught.value).isprintable()


def test_an_error_longer_than_a_message_may_be_is_cut() -> None:
    got = msg.decode_message(msg.encode_message(msg.Error("FormatError", "é" * 20_000)))
    assert got == msg.Error("FormatError", "é" * msg.TEXT_CHARS_MAX)


def test_more_names_than_a_message_may_have_are_not_sent() -> None:
    files = tuple(msg.FileTotals("x" * 500, 1, 1, 0, None) for _ in range(9_000))
    with pytest.raises(ProtocolError, match="replay fewer files at once"):
        msg.encode_message(msg.End(msgspec.structs.replace(TOTALS, files=files)))


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
