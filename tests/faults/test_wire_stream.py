"""A sender that loses, doubles, swaps or damages batches is caught at the first one."""

import time
from collections.abc import Callable
from typing import Any

import pytest

import streams
from streams import FakeSender
from tapewire import errors
from tapewire.errors import PeerLostError, ProtocolError
from tapewire.wire import Totals
from tapewire.wire import messages as msg

R = streams.make_records(48)
BATCHES = [(R[i * 16 : (i + 1) * 16], i, i * 16) for i in range(3)]


def end(sender: FakeSender, **changes: Any) -> None:
    first, last = int(R["ts_recv"][0]), int(R["ts_recv"][-1])
    values: dict[str, Any] = {
        "events": 48,
        "batches": 3,
        "first_ts_recv": first,
        "last_ts_recv": last,
        "digest": sender.digest.hexdigest(),
        "clamped_ts_recv": 0,
        "filtered": 0,
        "files": (),
        "decode_s": 0.0,
        "wait_s": 0.0,
        "pace_s": 0.0,
    }
    sender.control(msg.End(Totals(**{**values, **changes})))


def play(*sequence: int, **changes: Any) -> Callable[[FakeSender], None]:
    def act(sender: FakeSender) -> None:
        for i in sequence:
            sender.batch(*BATCHES[i], **changes)
        end(sender)

    return act


def test_the_clean_stream_passes() -> None:
    got, totals = streams.against(play(0, 1, 2))
    assert got.tobytes() == R.tobytes()
    assert totals.events == 48


@pytest.mark.parametrize(
    ("sequence", "text"),
    [
        ((0, 2), "a gap in the stream: expected batch sequence 1 at record offset 16, found .* 2"),
        ((1,), "a gap in the stream: expected batch sequence 0 at record offset 0, found .* 1"),
        ((0, 0), "a duplicate or reorder.* expected batch sequence 1 .* found sequence 0"),
        ((0, 2, 1), "a gap"),
        ((0, 1), "ends with totals"),
    ],
    ids=["dropped", "first-dropped", "doubled", "swapped", "last-dropped"],
)
def test_lost_doubled_and_swapped_batches(sequence: tuple[int, ...], text: str) -> None:
    with pytest.raises(ProtocolError, match=text):
        streams.against(play(*sequence))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"checksum": 5}, r"batch sequence 0 \(record offset 0\) fails its checksum"),
        ({"stream_id": 5}, "a batch of stream 0x5"),
        ({"first_record": 3}, "begins at record offset 3, expected 0"),
        ({"record_count": 15}, "payload of 896 bytes in 1 frames, expected 840"),
        ({"record_count": 17}, "17 records, the stream allows 16"),
        ({"flags": 1, "slot": 0}, "is not inline, as was agreed"),
    ],
)
def test_headers_that_do_not_fit_their_payload(changes: dict[str, int], text: str) -> None:
    with pytest.raises(ProtocolError, match=text):
        streams.against(play(0, **changes))


@pytest.mark.parametrize(
    ("key", "value"), [("events", 47), ("batches", 2), ("digest", "x"), ("last_ts_recv", 1)]
)
def test_totals_that_do_not_match_what_came(key: str, value: Any) -> None:
    def act(sender: FakeSender) -> None:
        for batch in BATCHES:
            sender.batch(*batch)
        end(sender, **{key: value})

    with pytest.raises(ProtocolError, match="ends with totals"):
        streams.against(act)


def test_time_that_runs_backwards_between_batches() -> None:
    def act(sender: FakeSender) -> None:
        sender.batch(R[16:32], 0, 0)
        sender.batch(R[:16], 1, 16)

    with pytest.raises(ProtocolError, match=r"sequence 1 \(record offset 16\) begins at ts_recv"):
        streams.against(act)


@pytest.mark.parametrize(
    "frames",
    [
        (b"",),
        (b"TWB1",),
        (b"\x00" * 72, b"x"),
        (msg.CONTROL_MAGIC + b"\xc1",),
        (msg.encode_message(msg.Ready("inline")),),
        (msg.encode_message(msg.Heartbeat()), b"more"),
    ],
    ids=["empty", "short", "zeros", "no-msgpack", "wrong-way", "two-frames"],
)
def test_garbage_is_a_protocol_error(frames: tuple[bytes, ...]) -> None:
    with pytest.raises(ProtocolError):
        streams.against(lambda sender: sender.frames(*frames))


@pytest.mark.parametrize("kind", ["FormatError", "NoDataError", "InterruptedRunError"])
def test_the_senders_own_error_is_raised_here(kind: str) -> None:
    def act(sender: FakeSender) -> None:
        sender.batch(*BATCHES[0])
        sender.control(msg.Error(kind, "x.dbn: what it says"))

    with pytest.raises(getattr(errors, kind), match=r"^x\.dbn: what it says$"):
        streams.against(act)


def test_an_unknown_kind_of_error_is_not_trusted() -> None:
    with pytest.raises(ProtocolError, match="unknown kind of error 'SystemExit': boo"):
        streams.against(lambda sender: sender.control(msg.Error("SystemExit", "boo")))


def test_a_silent_sender_is_named_at_its_deadline() -> None:
    with pytest.raises(PeerLostError, match=r"replay process \(pid .* silent for 0.4 s after bat"):
        streams.against(lambda sender: sender.batch(*BATCHES[0]), peer_timeout_s=0.4)


def test_heartbeats_keep_a_slow_sender_alive() -> None:
    def act(sender: FakeSender) -> None:
        for batch in BATCHES:
            for _ in range(4):
                time.sleep(0.15)
                sender.control(msg.Heartbeat())
            sender.batch(*batch)
        end(sender)

    assert len(streams.against(act, peer_timeout_s=0.4)[0]) == 48
