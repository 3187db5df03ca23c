"""Peers that send without end, over real sockets, in both directions.

What is asserted of memory is the peak of the attacked process, with bounds that are generous: a
flood is seen by a thread that looks every few milliseconds, and a busy machine may delay it.
Without the guard each of these took as much as was sent, up to thirty times over.
"""

import contextlib
import errno
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq
from msgspec.structs import replace

import streams
import zmtp
from streams import against
from tapewire.errors import EndpointError, PeerLostError
from tapewire.replay import ReplayPlan
from tapewire.wire import FileInfo, Receiver, StreamInfo, peers
from tapewire.wire import messages as msg
from tapewire.wire.frames import NO_SLOT, WIRE_VERSION, BatchHeader, encode_header, payload_checksum
from tapewire.wire.hub import Hub
from tapewire.wire.seats import Seats

COUNT = 20_000
#: Far less than what is offered, far more than what is due.
TAKEN_MAX_MB = 300
OFFERED = 2_000 << 20
#: The listening one, and two descriptors for each connection that may be.
SOCKETS_MAX = 1 + 2 * (1 + 16 + 32)
#: Parts that cost most per byte, and parts that are sent fastest.
PARTS = pytest.mark.parametrize("part", [b"", b"x" * 60_000], ids=["empty", "large"])
HELLO = msg.Hello(WIRE_VERSION, "router", 4_242, "elsewhere", "inline", 4)


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A replay process on tcp and its address."""
    path = streams.write(tmp_path / "x.dbn", streams.dbn_bytes(streams.make_records(COUNT)))
    process = streams.child(ReplayPlan((path,), batch_records=1_000), "tcp://127.0.0.1:*")
    assert process.stdout is not None
    line = process.stdout.readline()
    yield process, line.split('"')[-2]
    process.kill()
    process.communicate()


def served(endpoint: str) -> int:
    """How many records a well-behaved receiver gets."""
    with Receiver(endpoint) as receiver:
        receiver.connect()
        return sum(len(batch) for batch in receiver.batches())


@PARTS
def test_a_message_without_end_costs_a_replay_little(
    replay: tuple["subprocess.Popen[str]", str], part: bytes
) -> None:
    process, endpoint = replay
    before_mb = zmtp.peak_mb(process.pid)
    stranger = zmtp.Peer.to(endpoint)
    assert stranger.flood(part, OFFERED) < OFFERED
    assert stranger.closed(5.0)
    stranger.close()
    assert zmtp.peak_mb(process.pid) - before_mb < TAKEN_MAX_MB
    assert served(endpoint) == COUNT
    assert streams.outcome(process)[0] == 0


def test_many_strangers_cost_a_replay_little(
    replay: tuple["subprocess.Popen[str]", str],
) -> None:
    """Each stays below what one may send, says nothing more and stays as long as it may."""
    process, endpoint = replay
    before_mb = zmtp.peak_mb(process.pid)
    with contextlib.ExitStack() as strangers:
        count, until_s = 0, time.monotonic() + 30.0
        while count < 120 and time.monotonic() < until_s:
            with contextlib.suppress(ConnectionError):  # pushed out by the next, as some are
                stranger = zmtp.Peer.to(endpoint)
                strangers.callback(stranger.close)
                count += 1
                stranger.flood(b"", 1 << 16)
        assert count == 120
        deadline_s = time.monotonic() + 2.0  # before they are hung up on for saying nothing
        while sockets_of(process.pid) > SOCKETS_MAX and time.monotonic() < deadline_s:
            time.sleep(0.02)
        assert sockets_of(process.pid) <= SOCKETS_MAX
        assert zmtp.peak_mb(process.pid) - before_mb < TAKEN_MAX_MB
        assert served(endpoint) == COUNT


def sockets_of(pid: int) -> int:
    """How many sockets a process has open."""
    count = 0
    for number in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:")  # noqa: PTH115
    return count


def test_a_receiver_that_floods_in_mid_stream_is_named(
    replay: tuple["subprocess.Popen[str]", str],
) -> None:
    process, endpoint = replay
    before_mb = zmtp.peak_mb(process.pid)
    receiver = zmtp.Peer.to(endpoint)
    receiver.say(msg.encode_message(HELLO))
    receiver.hear()
    receiver.say(msg.encode_message(msg.Ready("inline")))
    receiver.hear()  # the stream has begun
    assert receiver.flood(b"", OFFERED) < OFFERED
    code, error = streams.outcome(process)
    receiver.close()
    assert (code, error["kind"]) == (5, "ProtocolError")
    assert "(pid 4242) sent " in error["message"]
    assert "a message without end" in error["message"]
    assert before_mb  # the process is gone, and with it its peak


def test_a_message_of_a_connection_that_is_unknown_is_nobodys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What libzmq makes of random bytes may be a message that it knows no connection of."""
    ours = Hub(
        "tcp://127.0.0.1:*", context=None, peer_timeout_s=1.0, peers_max=1,
        message_bytes_max=1_000, untaken_bytes_max=1_000,
    )  # fmt: skip

    class Unknown:
        bytes = b"identity"

        def get(self, option: int) -> int:
            raise zmq.ZMQError(errno.EINVAL)

    coming = [[Unknown(), Unknown()], None]
    with monkeypatch.context() as patch:
        patch.setattr("tapewire.wire.hub.receive_message", lambda *_: coming.pop(0))
        assert list(ours.received()) == []
    assert coming == []
    ours.close()


#: Opens connections that say nothing, and stays.
CROWD = """
import sys, time
import zmtp
lines = []
while len(lines) < 100:
    try:
        lines.append(zmtp.connected(sys.argv[1], 10))
    except BlockingIOError:
        time.sleep(0.01)
print("there", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("scheme", ["tcp", "ipc"])
def test_who_has_said_hello_is_not_pushed_out_by_a_crowd(short_folder: Path, scheme: str) -> None:
    """Of an owner that is busy for longer than the crowd takes to come."""
    address = "tcp://127.0.0.1:*" if scheme == "tcp" else f"ipc://{short_folder}/bound"
    ours = Hub(
        address, context=None, peer_timeout_s=60.0, peers_max=1, message_bytes_max=1_000,
        untaken_bytes_max=1_000,
    )  # fmt: skip
    good = zmtp.Peer.to(ours.endpoint)
    good.say(b"hello")
    crowd = subprocess.Popen(
        [sys.executable, "-c", CROWD, ours.endpoint], stdin=subprocess.PIPE, text=True,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert crowd.stdout is not None
    assert crowd.stdout.readline() == "there\n"
    until_s = time.monotonic() + 20.0
    while sockets_of(crowd.pid) and ours._waiter.disconnects < 60 and time.monotonic() < until_s:
        ours.wait(0.1)
    assert ours._waiter.disconnects >= 60
    (_, connection, frames), *_ = ours.received()
    assert bytes(frames[0].buffer) == b"hello"
    ours.keep(connection)
    assert not good.closed(0.5)
    good.close()
    crowd.communicate("")
    ours.close()


@pytest.mark.parametrize("scheme", ["tcp", "ipc"])
def test_what_a_stranger_said_who_has_left_costs_nobody_else_the_connection(
    short_folder: Path, scheme: str
) -> None:
    """Whose descriptor has the number that the stranger's had."""
    address = "tcp://127.0.0.1:*" if scheme == "tcp" else f"ipc://{short_folder}/bound"
    ours = Hub(
        address, context=None, peer_timeout_s=60.0, peers_max=1, message_bytes_max=1_000,
        untaken_bytes_max=1_000,
    )  # fmt: skip
    numbers: set[int | None] = set()
    with contextlib.ExitStack() as stack:
        stack.callback(ours.close)
        for _ in range(20):
            stranger = zmtp.Peer.to(ours.endpoint)
            for _ in range(20):
                stranger.say(b"nonsense")
            gone = ours._waiter.disconnects
            stranger.close()
            until_s = time.monotonic() + 10.0
            while ours._waiter.disconnects == gone and time.monotonic() < until_s:
                time.sleep(0.01)
            good = zmtp.Peer.to(ours.endpoint)
            stack.callback(good.close)
            good.say(b"hello")
            time.sleep(0.2)  # all of it has come
            number = None
            for identity, connection, frames in list(ours.received()):
                if bytes(frames[0].buffer) == b"hello":
                    number = connection
                    ours.keep(connection)
                else:
                    numbers.add(connection)
                    ours.refuse(identity, connection, b"no")
            assert not good.closed(1.0)
            assert number is not None
            if number in numbers:
                break
        assert number in numbers


def test_a_stranger_without_a_word_is_hung_up_on(
    replay: tuple["subprocess.Popen[str]", str],
) -> None:
    stranger = zmtp.Peer.to(replay[1])
    assert stranger.closed(20.0)
    stranger.close()


# --- a receiver attacked by its sender ------------------------------------------------------

RECEIVER = """
import sys, time
from tapewire.errors import TapewireError
from tapewire.wire import Receiver
try:
    with Receiver(sys.argv[1], payload="inline") as receiver:
        print("begin", flush=True)
        receiver.connect()
        for batch in receiver.batches():
            print("batch", flush=True)
            time.sleep(float(sys.argv[2]))
except TapewireError as error:
    print(type(error).__name__, error, flush=True)
sys.stdin.read()
"""


class Attacked:
    """A receiver in a process of its own, and the sender that plays foul with it."""

    def __init__(self, endpoint: str, server: socket.socket, pause_s: float = 0.0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RECEIVER, endpoint, str(pause_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.line() == "begin"
        self.before_mb = zmtp.peak_mb(self.process.pid)
        self.sender = zmtp.accepted(server)

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def taken_mb(self) -> int:
        return zmtp.peak_mb(self.process.pid) - self.before_mb

    def end(self) -> None:
        self.sender.close()
        self.process.communicate("")


@pytest.fixture
def attack() -> Iterator[Callable[..., Attacked]]:
    begun: list[Attacked] = []
    with zmtp.listening() as (endpoint, server):

        def begin(**options: float) -> Attacked:
            begun.append(Attacked(endpoint, server, **options))
            return begun[-1]

        yield begin
        for attacked in begun:
            attacked.end()


FILE = FileInfo("a.dbn", 1, 3, True, "D", 0, 0, None)


def welcome(batch_records: int) -> bytes:
    info = StreamInfo("D", "mbo", (FILE,), (), 0, 0, batch_records, None)
    return msg.encode_message(msg.Welcome(WIRE_VERSION, "replay", 4_242, 99, 4, 4, None, info, 0))


@PARTS
def test_a_message_without_end_instead_of_a_welcome(
    attack: Callable[..., Attacked], part: bytes
) -> None:
    attacked = attack()
    assert attacked.sender.flood(part, OFFERED) < OFFERED
    assert "a message without end" in attacked.line()
    assert attacked.taken_mb() < TAKEN_MAX_MB


def test_a_message_without_end_while_the_consumer_is_busy(
    attack: Callable[..., Attacked],
) -> None:
    attacked = attack(pause_s=2.0)
    sender = attacked.sender
    sender.hear()  # hello
    sender.say(welcome(16))
    sender.hear()  # ready
    records = streams.make_records(16)
    first, last = int(records["ts_recv"][0]), int(records["ts_recv"][-1])
    header = BatchHeader(0, 99, 0, 0, 16, NO_SLOT, first, last, payload_checksum(records))
    sender.say(encode_header(header), records.tobytes())
    assert attacked.line() == "batch"
    assert sender.flood(b"", OFFERED) < OFFERED
    assert "the replay process (pid 4242) sent" in attacked.line()
    assert attacked.taken_mb() < TAKEN_MAX_MB


def test_a_run_survives_a_sender_of_empty_maps(attack: Callable[..., Attacked]) -> None:
    attacked = attack()
    sender = attacked.sender
    sender.hear()
    sender.say(msg.CONTROL_MAGIC + b"\xdd\x00\x3f\xff\x00" + b"\x80" * 0x3FFF00)
    assert attacked.line().startswith("ProtocolError a malformed control message")
    assert attacked.taken_mb() < 100


# --- deadlines ------------------------------------------------------------------------------


def heartbeats(sender: streams.FakeSender, pause_s: float, seconds: float) -> None:
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        sender.control(msg.Heartbeat())
        time.sleep(pause_s)


@pytest.mark.parametrize("pause_s", [0.02, 0.0])
def test_heartbeats_do_not_extend_the_wait_for_a_welcome(pause_s: float) -> None:
    sender = streams.FakeSender()

    def act() -> None:
        sender.hear()
        heartbeats(sender, pause_s, 1.5)

    thread = threading.Thread(target=act)
    thread.start()
    with (
        Receiver(sender.endpoint, connect_timeout_s=0.5) as receiver,
        pytest.raises(EndpointError, match=r"answered, but did not begin the stream within 0\.5 s"),
    ):
        receiver.connect()
    sender.over = True
    thread.join()
    sender.close()


@pytest.mark.parametrize("pause_s", [0.02, 0.0])
def test_heartbeats_do_not_extend_the_wait_for_a_batch(pause_s: float) -> None:
    with pytest.raises(PeerLostError, match=r"has sent nothing of the stream for 0\.5 s after ba"):
        against(lambda sender: heartbeats(sender, pause_s, 1.5), stall_timeout_s=0.5)


def test_a_paced_stream_may_pause_for_as_long_as_it_is() -> None:
    second_ns = 10**9

    def act(sender: streams.FakeSender) -> None:
        heartbeats(sender, 0.02, 1.0)
        sender.control(msg.Error("NoDataError", "here it is"))

    paced = {"speed": 2.0, "start_ns": second_ns, "end_ns": 11 * second_ns}
    with pytest.raises(Exception, match="here it is"):
        against(act, stall_timeout_s=0.5, info=paced)


# --- seats ----------------------------------------------------------------------------------


def test_a_hello_that_does_not_become_ready_loses_its_seat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "READY_TIMEOUT_S", 0.5)
    path = streams.write(tmp_path / "x.dbn", streams.dbn_bytes(streams.make_records(COUNT)))
    serving = streams.Serving(ReplayPlan((path,)), "tcp://127.0.0.1:*")
    silent = zmtp.Peer.to(serving.endpoint)
    silent.say(msg.encode_message(HELLO))
    assert isinstance(msg.decode_message(silent.hear()), msg.Welcome)
    assert served(serving.endpoint) == COUNT  # it waited for the seat
    answer = silent.hear()
    while not isinstance(msg.decode_message(answer), msg.Error):
        answer = silent.hear()
    silent.close()
    serving.thread.join()
    assert serving.error is None


def test_more_receivers_than_can_wait_are_refused() -> None:
    seats: Seats[peers.Peer] = Seats(2)
    guests = [peers.Peer(bytes([i]), replace(HELLO, pid=i), None, 0.0) for i in range(20)]
    assert [seats.queue(guest) for guest in guests] == [True] * 18 + [False] * 2
    seated = [seats.seat_next() for _ in range(3)]
    assert seated == [guests[0], guests[1], None]
    assert seats.queue(guests[18])
    for guest in guests[:2]:
        guest.welcomed(10.0, 0)
        guest.payload = "inline"
    assert not seats.queue(guests[19])  # every seat is taken for good
    assert len(seats.dismiss()) == 17


def test_only_who_is_not_ready_is_overdue() -> None:
    seats: Seats[peers.Peer] = Seats(2)
    for i in range(2):
        assert seats.queue(peers.Peer(bytes([i]), HELLO, None, 0.0))
    ready, late = seats.seat_next(), seats.seat_next()
    assert ready is not None
    assert late is not None
    for guest in (ready, late):
        guest.welcomed(10.0, 0)
    ready.payload = "inline"
    assert seats.overdue(10.0 + peers.READY_TIMEOUT_S) == []
    assert seats.overdue(10.1 + peers.READY_TIMEOUT_S) == [late]
    assert seats.free(late.identity) is late
    assert not seats.all_ready
