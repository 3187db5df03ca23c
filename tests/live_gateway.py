"""A live gateway on this host, with Databento's protocol, which misbehaves when told to.

A venue goes on while nobody listens: what a session misses is there for the next one that asks for
it. Source: https://databento.com/docs/api-live (the raw protocol).
"""

import hashlib
import random
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import databento_dbn as dbn
import numpy as np

import streams
from tapewire.live import GatewayAddress

KEY = "db-0123456789abcdef0123456789abc"
DATASET = "GLBX.MDP3"
SNAPSHOT = 1 << 5
SYMBOLS = {"ESH4": 7, "NQH4": 8}
_CHALLENGE = "t7kNhwj4xqR0QYjzFKtBEG2ec2pXJ4FK"
_DBN: Any = dbn


@dataclass
class Cut:
    """After so many records of a session it ends, and so many more happen before the next one.

    The logins behind it may be refused. How: ``close``, ``reset``, ``silence``, ``part`` (in the
    middle of a record), ``noise``.
    """

    after: int
    missed: int = 0
    how: str = "close"
    then: list[str] = field(default_factory=list)


@dataclass
class Script:
    """What a gateway has and does.

    Attributes
    ----------
    records : MBO records; those flagged as a snapshot come first
    symbols : instrument id by name
    cuts : of the sessions to come, one each; then they stay
    says : messages before the record of that number, counted over all sessions
    refuses : what it answers the next logins with
    aged_out : the sessions to come that ask for what was, whom it has nothing any more
    forgets : records that it does not send again
    speed : how many times as fast as it was received a session goes on; None: as fast as it can
    """

    records: np.ndarray
    symbols: dict[str, int]
    cuts: list[Cut] = field(default_factory=list)
    says: dict[int, list[Any]] = field(default_factory=dict)
    refuses: list[str] = field(default_factory=list)
    aged_out: int = 0
    forgets: set[int] = field(default_factory=set)
    heartbeat_s: float = 0.05
    speed: float | None = None
    pieces: int = 4_000


class LiveGateway(socketserver.ThreadingTCPServer):
    """Serves a script.

    Attributes
    ----------
    asked : of each session, its subscriptions as dictionaries
    happened : how many records there have been; all of them: nothing more comes
    sessions : how many have begun
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.asked: list[list[dict[str, str]]] = []
        self.auths: list[str] = []
        self.happened = int(np.count_nonzero(script.records["flags"] & SNAPSHOT))
        self.sessions = 0
        self.over = threading.Event()
        self.turn = threading.Lock()

    @property
    def address(self) -> GatewayAddress:
        return GatewayAddress("127.0.0.1", self.server_address[1])

    @property
    def is_done(self) -> bool:
        """Whether all has happened, and a session has it that stays."""
        return self.happened == len(self.script.records) and not self.script.cuts

    def header(self) -> bytes:
        metadata = _DBN.Metadata(
            DATASET, int(self.script.records["ts_recv"][self.happened - 1]) if self.happened else 0,
            None, _DBN.SType.INSTRUMENT_ID, None,
        )  # fmt: skip
        return bytes(metadata.encode())

    def mappings(self) -> bytes:
        return b"".join(
            bytes(
                _DBN.SymbolMappingMsg(
                    1, number, time.time_ns(), _DBN.SType.RAW_SYMBOL, name,
                    _DBN.SType.INSTRUMENT_ID, name, 0, 2**63 - 1,
                )
            )
            for name, number in self.script.symbols.items()
        )  # fmt: skip


def market(count: int, *, snapshot: int = 20, late_ns: int = 0, seed: int = 1) -> np.ndarray:
    """Records of two instruments: some times of event go back, some come twice, byte for byte."""
    draw = np.random.default_rng(seed)
    records = streams.make_records(count)
    records["instrument_id"] = draw.choice([7, 8], count)
    records["ts_event"] -= draw.integers(0, late_ns + 1, count).astype(np.uint64)
    twice = snapshot + np.flatnonzero(draw.random(count - snapshot - 1) < 0.05)
    records[twice + 1] = records[twice]
    records["flags"][:snapshot] |= SNAPSHOT
    records["ts_event"][:snapshot] -= np.uint64(10**12)
    return records


def system(text: str, code: Any) -> bytes:
    return bytes(_DBN.SystemMsg(time.time_ns(), text, code))


def failure(text: str, code: Any) -> bytes:
    return bytes(_DBN.ErrorMsg(time.time_ns(), text, True, code))


class _Handler(socketserver.StreamRequestHandler):
    server: LiveGateway

    def handle(self) -> None:
        with self.server.turn:  # one account has one session
            try:
                if self._logged_in():
                    self._stream()
            except OSError:
                pass  # the other end has left

    def _logged_in(self) -> bool:
        script = self.server.script
        self.wfile.write(f"lsg_version=0.4.2\ncram={_CHALLENGE}\n".encode())
        fields = _fields(self.rfile.readline())
        digest = hashlib.sha256(f"{_CHALLENGE}|{KEY}".encode()).hexdigest()
        self.server.auths.append(fields.get("auth", ""))
        if script.refuses:
            self.wfile.write(f"success=0|error={script.refuses.pop(0)}\n".encode())
            return False
        if fields.get("auth") != f"{digest}-{KEY[-5:]}" or fields.get("dataset") != DATASET:
            self.wfile.write(b"success=0|error=Authentication failed.\n")
            return False
        assert (fields["encoding"], fields["ts_out"]) == ("dbn", "0")
        self.wfile.write(f"success=1|session_id={len(self.server.auths)}\n".encode())
        asked = []
        while (line := self.rfile.readline()) and not line.startswith(b"start_session"):
            asked.append(_fields(line))
        self.server.asked.append(asked)
        return bool(line)

    def _stream(self) -> None:
        server, script = self.server, self.server.script
        server.sessions += 1
        cut = script.cuts.pop(0) if script.cuts else None
        asked = next(one for one in server.asked[-1] if one["schema"] == "mbo")
        send = _Sender(self, random.Random(server.sessions))
        send.all(server.header() + server.mappings())
        records, first = script.records, server.happened
        if asked.get("snapshot") == "1":
            send.all(records[records["flags"] & SNAPSHOT > 0].tobytes())
        else:
            if script.aged_out:
                script.aged_out -= 1
                code = _DBN.ErrorCode.REPLAY_DATA_AGED_OUT
                send.all(failure("start is too long ago", code))
                send.flush()
                return
            again = records[:first]
            number = np.arange(first)
            wanted = (again["ts_event"] >= int(asked["start"])) & ~np.isin(
                number, list(script.forgets)
            )
            send.all(again[wanted & (again["flags"] & SNAPSHOT == 0)].tobytes())
            send.all(system("Finished mbo replay", _DBN.SystemCode.REPLAY_COMPLETED))
        stop = len(records) if cut is None else min(len(records), first + cut.after)
        clocks, began_s = np.maximum.accumulate(records["ts_recv"].astype(np.int64)), time.time()
        for at in range(first, stop):
            for said in script.says.pop(at, []):
                send.all(said)
            server.happened = at + 1
            if script.speed is not None:
                due_s = int(clocks[at] - clocks[first]) / 1e9 / script.speed
                while (wait_s := began_s + due_s - time.time()) > 0:
                    if wait_s > 1:
                        send.all(system("Heartbeat", _DBN.SystemCode.HEARTBEAT))
                    send.flush()
                    time.sleep(min(wait_s, 1))
            send.all(records[at : at + 1].tobytes())
        send.flush()
        if cut is None:
            self._stay(send)
        else:
            self._cut(cut, send)
            script.refuses += cut.then
            server.happened = min(len(records), stop + cut.missed)

    def _stay(self, send: "_Sender") -> None:
        """Say that it is there until the other end leaves."""
        while not self.server.over.wait(self.server.script.heartbeat_s):
            send.all(system("Heartbeat", _DBN.SystemCode.HEARTBEAT))
            send.flush()

    def _cut(self, cut: Cut, send: "_Sender") -> None:
        if cut.how == "silence":
            self.request.settimeout(60)
            while self.request.recv(4_096):
                pass
        elif cut.how == "reset":
            # A linger of no time makes closing it a reset.
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.request.close()
        elif cut.how == "part":
            self.wfile.write(self.server.script.records[:1].tobytes()[:31])
        elif cut.how == "noise":
            self.wfile.write(bytes([1] * 100))


class _Sender:
    """Sends in pieces that end anywhere."""

    def __init__(self, handler: _Handler, draw: random.Random) -> None:
        self._handler, self._draw, self._buffer = handler, draw, bytearray()

    def all(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > self._handler.server.script.pieces:
            size = self._draw.randrange(len(self._buffer))
            self._handler.wfile.write(self._buffer[:size])
            del self._buffer[:size]

    def flush(self) -> None:
        self._handler.wfile.write(self._buffer)
        self._buffer.clear()


def _fields(line: bytes) -> dict[str, str]:
    parts = (part.partition("=") for part in line.decode().strip().split("|"))
    return {name: value for name, _, value in parts}


@contextmanager
def serving(script: Script) -> Iterator[LiveGateway]:
    """A gateway; it is gone behind this."""
    with LiveGateway(script) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
