"""Peers that die, hang, leave or misbehave: real processes, real signals."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from msgspec.structs import replace

import streams
from tapewire.errors import (
    EndpointError,
    InterruptedRunError,
    NoDataError,
    PeerLostError,
    ProtocolError,
)
from tapewire.replay import ReplayPlan
from tapewire.wire import Publisher, Receiver, StreamInfo, private_endpoint
from tapewire.wire import messages as msg
from tapewire.wire.frames import WIRE_VERSION

COUNT = 200_000


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("big") / "big.dbn"
    return streams.write(path, streams.dbn_bytes(streams.make_records(COUNT)))


@pytest.fixture
def endpoint() -> Iterator[str]:
    with private_endpoint() as address:
        yield address


def left_behind(endpoint: str) -> list[str]:
    folder = Path(endpoint.removeprefix("ipc://")).parent
    return sorted(p.name for p in folder.iterdir() if p.name != "owner.lock")


@pytest.mark.parametrize("payload", ["shared", "inline"])
def test_a_killed_replay_is_named_at_once(big: str, endpoint: str, payload: str) -> None:
    plan = ReplayPlan((big,), batch_records=1_000, payload=payload)  # type: ignore[arg-type]
    shared_memory = set(os.listdir("/dev/shm"))  # noqa: PTH208
    process = streams.child(plan, endpoint)
    with Receiver(endpoint, tick=streams.alive(process)) as receiver:
        receiver.connect()
        batches = receiver.batches()
        for _ in range(20):
            next(batches)
        process.kill()
        begin_s = time.monotonic()
        with pytest.raises(PeerLostError, match=rf"\(pid {process.pid}\) is gone: its connection"):
            list(batches)
        assert time.monotonic() - begin_s < 5
    streams.outcome(process)
    assert set(os.listdir("/dev/shm")) <= shared_memory  # noqa: PTH208


RECEIVER = """
import sys, time
from tapewire.wire import Receiver
with Receiver(sys.argv[1]) as r:
    r.connect()
    for i, batch in enumerate(r.batches()):
        print(i, flush=True)
        if sys.argv[2] == "leave": break
        time.sleep(0.05 if sys.argv[2] == "slow" else 0)
"""


def receiver_process(endpoint: str, how: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", RECEIVER, endpoint, how], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_killed_or_stopped_receiver_is_named_in_time(
    big: str, endpoint: str, number: signal.Signals
) -> None:
    plan = ReplayPlan((big,), batch_records=100)
    replay = streams.child(plan, endpoint, "--peer-timeout-s", "1.5")
    router = receiver_process(endpoint, "slow")
    assert router.stdout is not None
    router.stdout.readline()
    router.send_signal(number)
    begin_s = time.monotonic()
    code, error = streams.outcome(replay)
    assert time.monotonic() - begin_s < 5
    assert (code, error["kind"]) == (5, "PeerLostError")
    assert f"the router process (pid {router.pid}) is gone" in error["message"]
    assert left_behind(endpoint) == []
    router.kill()
    router.wait()
    router.stdout.close()


def test_a_receiver_that_leaves_early_ends_the_replay(big: str, endpoint: str) -> None:
    replay = streams.child(ReplayPlan((big,), batch_records=100), endpoint)
    router = receiver_process(endpoint, "leave")
    code, error = streams.outcome(replay)
    assert (code, error["kind"]) == (5, "PeerLostError")
    assert "left after batch" in error["message"]
    router.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_replay_and_tells_the_receiver(
    big: str, endpoint: str, number: signal.Signals
) -> None:
    replay = streams.child(ReplayPlan((big,), speed=0.01), endpoint)  # 20 s long
    with Receiver(endpoint, credits=1, tick=streams.alive(replay)) as receiver:
        receiver.connect()
        batches = receiver.batches()
        next(batches)
        replay.send_signal(number)
        begin_s = time.monotonic()
        with pytest.raises(InterruptedRunError, match="the replay was stopped after"):
            list(batches)
        code, error = streams.outcome(replay)
        assert time.monotonic() - begin_s < 2
    assert (code, error["kind"]) == (130, "InterruptedRunError")
    assert left_behind(endpoint) == []


def test_a_signal_while_waiting_for_receivers(big: str, endpoint: str) -> None:
    replay = streams.child(ReplayPlan((big,)), endpoint)
    assert replay.stdout is not None
    assert "ready" in replay.stdout.readline()
    replay.terminate()
    assert streams.outcome(replay, 2)[0] == 130


def test_an_orphaned_replay_ends(big: str, endpoint: str) -> None:
    script = (
        "import subprocess, sys, os\n"
        "p = subprocess.Popen([sys.executable, '-m', 'tapewire.replay', '--bind', sys.argv[1],"
        " '--plan', sys.argv[2], '--parent-pid', str(os.getpid())], stdout=subprocess.PIPE)\n"
        "p.stdout.readline()\n"
        "print(p.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, endpoint, ReplayPlan((big,)).to_json()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    deadline_s = time.monotonic() + 5
    while time.monotonic() < deadline_s and left_behind(endpoint):
        time.sleep(0.05)
    assert left_behind(endpoint) == []
    status = Path(f"/proc/{pid}/stat")
    while time.monotonic() < deadline_s and status.exists() and " Z " not in status.read_text():
        time.sleep(0.05)
    assert not status.exists() or " Z " in status.read_text()


def test_an_input_error_is_one_line_with_its_exit_code(tmp_path: Path, endpoint: str) -> None:
    code, error = streams.outcome(streams.child(ReplayPlan((str(tmp_path / "no"),)), endpoint))
    assert (code, error["kind"]) == (3, "MissingFileError")
    assert "no such file" in error["message"]


def test_an_error_in_mid_stream_reaches_the_receiver_as_itself(
    tmp_path: Path, endpoint: str
) -> None:
    records = streams.make_records(5_000)
    records["rtype"][4_321] = 1
    path = streams.write(tmp_path / "x.dbn", streams.dbn_bytes(records))
    serving = streams.Serving(ReplayPlan((path,), batch_records=1_024), endpoint)
    with Receiver(endpoint) as receiver:
        receiver.connect()
        with pytest.raises(Exception, match="record 4321 at byte offset") as caught:
            list(receiver.batches())
    serving.thread.join()
    assert type(caught.value) is type(serving.error)
    assert str(caught.value) == str(serving.error)


def test_a_filter_without_match_reaches_the_receiver(big: str, endpoint: str) -> None:
    serving = streams.Serving(ReplayPlan((big,), publishers=(9,)), endpoint)
    with Receiver(endpoint) as receiver:
        receiver.connect()
        with pytest.raises(NoDataError, match="none of the 200000 records"):
            list(receiver.batches())
    serving.thread.join()
    assert isinstance(serving.error, NoDataError)


def test_a_stop_event_ends_a_paced_replay(big: str, tmp_path: Path, endpoint: str) -> None:
    records = streams.make_records(2, ts_recv=[streams.START_NS, streams.START_NS + 10**12])
    path = streams.write(tmp_path / "x", streams.dbn_bytes(records))
    stop = threading.Event()
    serving = streams.Serving(ReplayPlan((path,), speed=1.0), endpoint, stop=stop)
    with Receiver(endpoint, peer_timeout_s=2.0) as receiver:
        receiver.connect()
        batches = receiver.batches()
        assert len(next(batches)) == 1
        threading.Timer(2.5, stop.set).start()  # longer than the deadline: heartbeats carry it
        with pytest.raises(InterruptedRunError):
            next(batches)
    serving.thread.join()
    assert isinstance(serving.error, InterruptedRunError)


def test_one_of_two_receivers_lost_ends_the_other_by_name(big: str, endpoint: str) -> None:
    serving = streams.Serving(ReplayPlan((big,), batch_records=100), endpoint, receivers=2)
    router = receiver_process(endpoint, "slow")
    with Receiver(endpoint) as receiver:
        receiver.connect()
        batches = receiver.batches()
        for _ in range(5):
            next(batches)
        router.kill()
        with pytest.raises(PeerLostError, match=rf"the router process \(pid {router.pid}\) is go"):
            list(batches)
    serving.thread.join()
    router.communicate()


class Raw:
    """A receiver made by hand, to misbehave."""

    def __init__(self, endpoint: str) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVTIMEO, 5_000)
        self.socket.connect(endpoint)

    def say(self, *messages: msg.Message) -> None:
        for message in messages:
            self.socket.send(msg.encode_message(message))

    def hear(self, kind: type) -> object:
        while True:
            frame = self.socket.recv_multipart()[0]
            if frame[:4] == msg.CONTROL_MAGIC:
                message = msg.decode_message(frame)
                if isinstance(message, kind):
                    return message

    def close(self) -> None:
        self.socket.close()
        self.context.term()


HELLO = msg.Hello(WIRE_VERSION, "router", 4_242, "elsewhere", "inline", 4)


def shake_hands(publisher: Publisher, *hellos: msg.Hello) -> list[Raw]:
    """Receivers by hand that are ready, in the order in which the publisher will send."""
    info = StreamInfo("D", "mbo", (), (), 0, 0, 16, None)
    handshake = threading.Thread(target=publisher.handshake, args=(info,))
    handshake.start()
    raws = []
    for hello in hellos:
        raws.append(Raw(publisher.endpoint))
        raws[-1].say(hello)
        time.sleep(0.1)
    for raw in raws:
        raw.hear(msg.Welcome)
        raw.say(msg.Ready("inline"))
    handshake.join(10)
    return raws


def test_a_loss_in_mid_batch_is_no_fault_of_who_was_quicker(endpoint: str) -> None:
    """One receiver has the batch and gives it back before the other one is found gone."""
    with Publisher(endpoint, receivers=2, batch_records=16, payload="inline") as publisher:
        quick, lost = shake_hands(publisher, HELLO, replace(HELLO, pid=4_243))
        lost.close()
        time.sleep(0.2)
        send = publisher._send

        def send_and_hear(peer: Any, frames: list[Any]) -> None:
            send(peer, frames)
            if peer.hello.pid == HELLO.pid:
                quick.socket.recv_multipart()
                quick.say(msg.Credit(1))
                assert publisher._hub.socket.poll(5_000)

        publisher._send = send_and_hear  # type: ignore[method-assign]
        publisher.next_slot()[:] = streams.make_records(16)
        with pytest.raises(PeerLostError, match=r"pid 4243\) is gone: its connection closed"):
            publisher.publish(16, 1, 2)
        quick.close()


def test_a_receiver_that_had_nothing_to_consume_did_not_stall(endpoint: str) -> None:
    with Publisher(endpoint, batch_records=16, payload="inline", stall_timeout_s=0.5) as publisher:
        [raw] = shake_hands(publisher, HELLO)
        time.sleep(0.7)  # a pause of the stream itself
        publisher.next_slot()[:] = streams.make_records(16)
        publisher.publish(16, 1, 2)
        publisher.service(0.0)
        with pytest.raises(PeerLostError, match=r"has consumed nothing for 0\.5 s"):
            publisher.service(5.0)
        raw.close()


def test_heartbeats_do_not_extend_the_wait_for_a_goodbye(endpoint: str) -> None:
    with Publisher(endpoint, batch_records=16, payload="inline", stall_timeout_s=0.5) as publisher:
        [raw] = shake_hands(publisher, HELLO)

        def beat() -> None:
            for _ in range(30):
                raw.say(msg.Heartbeat())
                time.sleep(0.05)

        beating = threading.Thread(target=beat)
        beating.start()
        totals = msg.Totals(0, 0, 0, 0, "", 0, 0, (), 0.0, 0.0, 0.0)
        with pytest.raises(PeerLostError, match=r"has not confirmed the end .* for 0\.5 s"):
            publisher.finish(totals)
        beating.join()
        raw.close()


def test_of_receivers_that_are_gone_the_others_still_hear_of_a_failure(endpoint: str) -> None:
    with Publisher(endpoint, receivers=3, batch_records=16, payload="inline") as publisher:
        *gone, there = shake_hands(publisher, HELLO, HELLO, HELLO)
        for raw in gone:
            raw.close()
        time.sleep(0.2)
        publisher.fail(NoDataError("nothing there"))
        assert there.hear(msg.Error) == msg.Error("NoDataError", "nothing there")
        there.close()


def test_a_receiver_that_goes_silent_is_named(tmp_path: Path, endpoint: str) -> None:
    records = streams.make_records(2, ts_recv=[streams.START_NS, streams.START_NS + 10**12])
    path = streams.write(tmp_path / "x", streams.dbn_bytes(records))
    serving = streams.Serving(ReplayPlan((path,), speed=1.0), endpoint, peer_timeout_s=0.5)
    raw = Raw(endpoint)
    raw.say(HELLO)
    raw.hear(msg.Welcome)
    raw.say(msg.Ready("inline"), msg.Heartbeat(), msg.Credit(0))
    time.sleep(0.3)
    raw.say(msg.Credit(1))
    serving.thread.join(5)
    raw.close()
    assert isinstance(serving.error, PeerLostError)
    assert "(pid 4242) fell silent for 0.5 s" in str(serving.error)


@pytest.mark.parametrize("released", [3, 2**60])
def test_credit_for_what_was_never_sent(big: str, endpoint: str, released: int) -> None:
    serving = streams.Serving(ReplayPlan((big,), batch_records=65_536), endpoint, slots=1)
    raw = Raw(endpoint)
    raw.say(HELLO)
    raw.hear(msg.Welcome)
    raw.say(msg.Ready("inline"))
    while len(raw.socket.recv_multipart()) != 2:  # the stream has begun
        pass
    raw.say(msg.Credit(released))
    error = raw.hear(msg.Error)
    serving.thread.join(5)
    raw.close()
    assert isinstance(error, msg.Error)
    assert isinstance(serving.error, ProtocolError)
    assert "pid 4242" in str(serving.error)


def test_strangers_are_answered_and_do_not_disturb(big: str, endpoint: str) -> None:
    serving = streams.Serving(ReplayPlan((big,), batch_records=1_000), endpoint)
    strangers = [Raw(endpoint) for _ in range(3)]
    strangers[0].socket.send(b"\xff" * 100)
    strangers[1].socket.send_multipart([b"a", b"b"])
    strangers[2].say(msg.Credit(5))
    for stranger in strangers:
        assert isinstance(stranger.hear(msg.Error), msg.Error)
    with Receiver(endpoint) as receiver:
        receiver.connect()
        batches = receiver.batches()
        next(batches)
        strangers.append(Raw(endpoint))
        strangers[-1].say(HELLO)
        late = strangers[-1].hear(msg.Error)
        assert isinstance(late, msg.Error)
        assert "already serves its 1 receivers" in late.message
        assert sum(len(b) for b in batches) == COUNT - 1_000
    serving.thread.join()
    for stranger in strangers:
        stranger.close()
    assert serving.error is None


def test_a_wrong_wire_version_is_refused_with_advice(big: str, endpoint: str) -> None:
    stop = threading.Event()
    serving = streams.Serving(ReplayPlan((big,)), endpoint, stop=stop)
    raw = Raw(endpoint)
    raw.say(msg.Hello(WIRE_VERSION + 1, "router", 1, "", "inline", 4))
    error = raw.hear(msg.Error)
    assert isinstance(error, msg.Error)
    assert "same Tapewire version" in error.message
    stop.set()
    serving.thread.join()
    raw.close()


def test_shared_memory_demanded_and_not_to_be_had(big: str, endpoint: str) -> None:
    stop = threading.Event()
    serving = streams.Serving(ReplayPlan((big,), payload="inline"), endpoint, stop=stop)
    refusal = pytest.raises(EndpointError, match=r"no shared memory.*use payload: auto or inline")
    with Receiver(endpoint, payload="shared") as receiver, refusal:
        receiver.connect()
    stop.set()
    serving.thread.join()
