"""A sender that loses, doubles, swaps or damages batches is caught at the first one."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import streams
from streams import FakeSender
from tapewire import errors
from tapewire.errors import PeerLostError, ProtocolError
from tapewire.wire import FileTotals, Receiver, Totals
from tapewire.wire import messages as msg
from tapewire.wire.receiver import Hops

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
        "files": (FileTotals("a.dbn", 48, 48, 0, None),),
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


def test_batches_say_how_long_their_way_was() -> None:
    """Of three, one was sent 40 ms ago, one by a sender that does not tell, one after now."""

    def act(sender: FakeSender) -> None:
        now_ns = time.monotonic_ns()
        for i, sent_ns in enumerate((now_ns - 40_000_000, 0, now_ns + 3_600 * 10**9)):
            sender.batch(*BATCHES[i], decode_ns=7 + i, sent_ns=sent_ns)
        end(sender)

    hops: list[Hops] = []
    streams.against(act, hops=hops)
    [(decode_ns, wire_ns)] = hops
    assert decode_ns == 7
    assert 40_000_000 <= wire_ns < 100 * 10**9


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


def test_a_stream_shorter_than_announced_is_not_complete() -> None:
    with pytest.raises(ProtocolError, match="announced with 96 records and ends after 48"):
        streams.against(play(0, 1, 2), info={"records": 96})


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ((), "totals of 0 files, expected those of the 1 that were announced"),
        ((FileTotals("b.dbn", 48, 48, 0, None),), "totals of 1 files, expected those of the 1"),
        ((FileTotals("a.dbn", 48, 47, 0, None),), "gave 47 records together, 48 arrived"),
        ((FileTotals("a.dbn", 47, 48, 0, None),), "found 47 read and 48 kept"),
    ],
    ids=["none", "another", "fewer", "more"],
)
def test_files_that_did_not_give_what_came(files: tuple[FileTotals, ...], text: str) -> None:
    def act(sender: FakeSender) -> None:
        for batch in BATCHES:
            sender.batch(*batch)
        end(sender, files=files)

    with pytest.raises(ProtocolError, match=text):
        streams.against(act)


@pytest.mark.parametrize(("key", "value"), [("rtype", 1), ("length", 13)])
def test_records_of_another_type_or_length(key: str, value: int) -> None:
    records = R[16:32].copy()
    records[key][11] = value

    def act(sender: FakeSender) -> None:
        sender.batch(*BATCHES[0])
        sender.batch(records, 1, 16)

    with pytest.raises(
        ProtocolError, match=r"sequence 1: expected records of type 0xa0 and .* record offset 27"
    ):
        streams.against(act)


@pytest.mark.parametrize(
    ("info", "welcome", "text"),
    [
        ({"schema": "trades"}, {}, "expected a stream of schema 'mbo' .* found 'trades'"),
        ({"batch_records": 0}, {}, "batches of 0 records, expected 1 to 65536"),
        ({"batch_records": 65_537}, {}, "batches of 65537 records"),
        ({"speed": 0.0}, {}, "a speed of 0.0, expected one above 0"),
        ({}, {"wire_version": 1}, "same Tapewire version at both ends"),
        ({}, {"window": 0}, "a window of 0 and 4 slots, expected 1 to 64"),
        ({}, {"window": 65}, "a window of 65"),
        ({}, {"slots": 65}, "and 65 slots"),
        ({}, {"mappings": 3}, "announces 3 symbol mappings and sends 0 with its welcome"),
    ],
)
def test_a_welcome_that_no_stream_can_follow(
    info: dict[str, Any], welcome: dict[str, Any], text: str
) -> None:
    with pytest.raises(ProtocolError, match=text):
        streams.against(play(0, 1, 2), info=info, welcome=welcome)


MAPPINGS = tuple(msg.SymbolMapping(f"S{i}", i, 0, 1) for i in range(10_000))


def test_many_symbol_mappings_come_page_by_page() -> None:
    sender = FakeSender(mappings=MAPPINGS)
    thread = threading.Thread(target=sender.handshake, args=({}, {}))
    thread.start()
    with Receiver(sender.endpoint, payload="inline") as receiver:
        assert receiver.connect().mappings == MAPPINGS
    thread.join()
    sender.close()


def test_more_symbol_mappings_than_announced() -> None:
    with pytest.raises(ProtocolError, match=r"expected 9000 symbol mappings .* found more"):
        streams.against(play(0, 1, 2), mappings=MAPPINGS, welcome={"mappings": 9_000})


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
        (msg.encode_message(msg.Heartbeat()), *[b""] * 1_000),
    ],
    ids=["empty", "short", "zeros", "no-msgpack", "wrong-way", "two-frames", "thousand-frames"],
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
