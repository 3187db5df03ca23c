"""The bridge's messages, byte by byte: a client in another language has these alone to go by."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_peers import WELCOME
from tapewire.bridge import protocol as msg
from tapewire.errors import ProtocolError

UPDATE = msg.OrderUpdate(
    1_700_000_000_000_000_000, -5, 3, -1, "FILLED", "QUEUE", 4_800_250_000_000, 2, 2, -7,
    4_800_000_000_000, 1, 250_000_000,
)  # fmt: skip
GOLDEN: dict[str, tuple[msg.Message, str]] = {
    "hello": (
        msg.BridgeHello(1, "Mine", 77, "float64", True),
        "96 a568656c6c6f 01 a44d696e65 4d a7666c6f61743634 c3",
    ),
    "welcome": (
        msg.BridgeWelcome(
            1, "mine", "lockstep", ("mid", "position"), "float32", 1_000_000, 4_096, '{"a":1}',
            70_000, 3,
        ),
        (
            "9b a777656c636f6d65 01 a46d696e65 a86c6f636b73746570 92a36d6964a8706f736974696f6e "
            "a7666c6f61743332 ce000f4240 cd1000 a77b2261223a317d ce00011170 03"
        ),
    ),
    "instruments": (
        msg.Instruments((msg.BridgeInstrument(0, 1, 5_002, "ESH4", 250_000_000),)),
        "92 ab696e737472756d656e7473 9195 00 01 cd138a a445534834 ce0ee6b280",
    ),
    "features": (msg.FeatureBatch(256, 2, True), "94 a86665617475726573 cd0100 02 c3"),
    "signals": (
        msg.SignalBatch(256, 2, True, 1, 1_500),
        "96 a77369676e616c73 cd0100 02 c3 01 cd05dc",
    ),
    "updates": (
        msg.Updates((UPDATE,)),
        (
            "92 a775706461746573 919d cf17979cfe362a0000 fb 03 ff a646494c4c4544 a55155455545 "
            "cf0000045da5323280 02 02 f9 cf0000045d964b8000 01 ce0ee6b280"
        ),
    ),
    "state": (msg.State(257, 3), "93 a57374617465 cd0101 03"),
    "close": (msg.Close(-1, False), "93 a5636c6f7365 ff c2"),
    "heartbeat": (msg.BridgeHeartbeat(), "91 a9686561727462656174"),
    "error": (msg.BridgeError("no"), "92 a56572726f72 a26e6f"),
    "goodbye": (msg.BridgeGoodbye(""), "92 a7676f6f64627965 a0"),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_a_message_is_these_bytes_both_ways(name: str) -> None:
    message, expected = GOLDEN[name]
    frame = b"TWB1" + bytes.fromhex(expected)
    assert msg.encode_message(message) == frame
    assert msg.decode_message(frame) == message


def test_every_message_has_its_golden_bytes() -> None:
    assert {type(message) for message, _ in GOLDEN.values()} == set(msg.Message.__args__)


def test_a_request_is_these_forty_bytes() -> None:
    request = np.zeros(1, msg.REQUEST)
    request[0] = (
        -2,
        4_800_250_000_000,
        3,
        7,
        -1,
        msg.SUBMIT,
        msg.SELL,
        msg.LIMIT,
        msg.GTC,
        0,
        (0,) * 3,
    )
    assert request.tobytes() == bytes.fromhex(
        "feffffffffffffff 803232a55d040000 0300000000000000 07000000 ffffffff 01 ff 02 01 00000000"
    )
    offsets = {name: msg.REQUEST.fields[name][1] for name in msg.REQUEST.names}  # type: ignore[index, union-attr]
    assert offsets == {
        "tag": 0, "price": 8, "quantity": 16, "row": 24, "instrument": 28, "kind": 32, "side": 33,
        "order_type": 34, "time_in_force": 35, "terms": 36, "unused": 37,
    }  # fmt: skip


ARRAYS: list[tuple[msg.Message, list[np.ndarray]]] = [
    (msg.FeatureBatch(0, 2, False), [np.arange(2), np.zeros(2, "<i4"), np.ones((2, 3), "<f4")]),
    (msg.SignalBatch(0, 2, False, 0, 0), [np.arange(2)]),
    (msg.SignalBatch(0, 2, True, 1, 0), [np.arange(2), np.ones(2), np.zeros(1, msg.REQUEST)]),
    (msg.State(1, 3), [np.arange(3, dtype="u1")]),
    (msg.State(1, 0), []),
    (msg.Close(0, True), []),
]


@pytest.mark.parametrize(("message", "arrays"), ARRAYS)
def test_arrays_travel_raw_behind_their_message(
    message: msg.Message, arrays: list[np.ndarray]
) -> None:
    parts = [memoryview(array.tobytes()) for array in arrays]
    read = msg.read_arrays(message, parts, 3, "float32")
    for one, other in zip(read, arrays, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
        assert not one.flags.writeable
    with pytest.raises(ProtocolError, match="arrays behind a"):
        msg.read_arrays(message, [*parts, memoryview(b"")], 3, "float32")
    if parts:
        with pytest.raises(ProtocolError, match="has a payload of"):
            msg.read_arrays(message, [*parts[:-1], parts[-1][:-1]], 3, "float32")


@pytest.mark.parametrize(
    "bad",
    [
        "TWC1", "TWB1", "TWB1 c0", "TWB1 80", "TWB1 91a568656c6c6f",
        "TWB1 91a9686561727462656174 00",
        "TWB1 94a86665617475726573 00 00 c3",  # no rows
        "TWB1 94a86665617475726573 00 ce00010001 c3",  # more than there may be
        "TWB1 94a86665617475726573 ff 01 c3",  # before the first
        "TWB1 94a86665617475726573 00 01 01",  # 1 is no flag
        "TWB1 94a86665617475726573 00 cb3ff0000000000000 c3",  # 1.0 is no whole number
        "TWB1 95a86665617475726573 00 01 c3 00",  # a field too many
        "TWB1 92a775706461746573 90",  # no updates
        "TWB1 93a57374617465 00 ce04000001",  # a state larger than there may be
    ],
    ids=range(14),
)  # fmt: skip
def test_what_is_no_message_is_refused(bad: str) -> None:
    frame = bad[:4].encode() + bytes.fromhex(bad[4:].replace(" ", ""))
    with pytest.raises(ProtocolError):
        msg.decode_message(frame)


@given(st.sampled_from([*(message for message, _ in GOLDEN.values()), WELCOME]), st.data())
def test_mutated_messages_are_read_or_refused(message: msg.Message, data: Any) -> None:
    frame = bytearray(msg.encode_message(message))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    del frame[data.draw(st.integers(0, len(frame))) :]
    try:
        read = msg.decode_message(bytes(frame))
    except ProtocolError:
        return
    assert isinstance(read, msg.Message)
