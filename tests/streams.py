"""What the tests of replay and wire share: small DBN files, streams, and a fake sender."""

import datetime
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import databento_dbn
import msgspec
import numpy as np
import zmq
import zstandard

from tapewire.market.records import F_LAST, MBO_DTYPE, RECORD_LENGTH_WORDS, RTYPE_MBO
from tapewire.replay import ReplayPlan, serve
from tapewire.wire import FileInfo, Receiver, StreamInfo, SymbolMapping, Totals
from tapewire.wire import messages as msg
from tapewire.wire.frames import (
    NO_SLOT,
    WIRE_VERSION,
    BatchHeader,
    StreamDigest,
    encode_header,
    payload_checksum,
)
from tapewire.wire.receiver import Hops

DAY_NS = 86_400 * 10**9
START_NS = 19_700 * DAY_NS


def make_records(
    count: int,
    *,
    ts_recv: Iterable[int] | None = None,
    instrument_id: int = 7,
    publisher_id: int = 1,
    first_order_id: int = 1,
) -> np.ndarray:
    """Records that can be told apart: order ids count up."""
    records = np.zeros(count, MBO_DTYPE)
    records["length"] = RECORD_LENGTH_WORDS
    records["rtype"] = RTYPE_MBO
    records["publisher_id"] = publisher_id
    records["instrument_id"] = instrument_id
    records["order_id"] = np.arange(first_order_id, first_order_id + count)
    records["price"] = 10**9
    records["size"] = 1
    records["flags"] = F_LAST
    records["action"] = ord("A")
    records["side"] = ord("B")
    times = START_NS + np.arange(count) * 1_000 if ts_recv is None else np.array(list(ts_recv))
    records["ts_recv"] = times.astype(np.int64).view(np.uint64)
    records["ts_event"] = records["ts_recv"]
    return records


def dbn_header(
    mappings: dict[str, list[tuple[int, int, int]]] | None = None,
    *,
    schema: str | None = "mbo",
    ts_out: bool = False,
    version: int = 3,
    dataset: str = "GLBX.MDP3",
    days: int = 1,
    has_end: bool = True,
) -> bytes:
    """A DBN header; mappings: symbol → [(instrument id, first day, end day)], days from START."""
    day = datetime.date(1970, 1, 1) + datetime.timedelta(19_700)
    mappings = {"TEST": [(7, 0, 1)]} if mappings is None else mappings
    metadata = databento_dbn.Metadata(
        dataset=dataset,
        start=START_NS,
        end=START_NS + days * DAY_NS if has_end else None,
        stype_in=databento_dbn.SType.RAW_SYMBOL,
        stype_out=databento_dbn.SType.INSTRUMENT_ID,
        schema=None if schema is None else databento_dbn.Schema.from_str(schema),
        symbols=list(mappings),
        mappings=[
            SimpleNamespace(
                raw_symbol=symbol,
                intervals=[
                    SimpleNamespace(
                        start_date=day + datetime.timedelta(a),
                        end_date=day + datetime.timedelta(b),
                        symbol=str(number),
                    )
                    for number, a, b in rows
                ],
            )
            for symbol, rows in mappings.items()
        ],
        ts_out=ts_out,
        version=version,
    )
    return bytes(metadata)


def dbn_bytes(records: np.ndarray, **header: Any) -> bytes:
    return dbn_header(**header) + records.tobytes()


def zstd_bytes(data: bytes, *, checksum: bool = True) -> bytes:
    compressor = zstandard.ZstdCompressor(level=1, write_checksum=checksum)
    buffer = io.BytesIO()
    with compressor.stream_writer(buffer, closefd=False) as writer:
        writer.write(data)
    return buffer.getvalue()


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def child(plan: ReplayPlan, endpoint: str, *options: str, **popen: Any) -> "subprocess.Popen[str]":
    """A replay process."""
    command = [sys.executable, "-m", "tapewire.replay", "--bind", endpoint]
    return subprocess.Popen(
        [*command, "--plan", plan.to_json(), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **popen,
    )


def alive(process: "subprocess.Popen[str]") -> Callable[[], None]:
    """A tick that fails a test at once, with the reason, when its replay process does not start."""

    def tick() -> None:
        if process.poll() not in (None, 0, -signal.SIGKILL, 130):
            assert process.stderr is not None
            raise AssertionError(f"the replay process failed: {process.stderr.read()}")

    return tick


def outcome(
    process: "subprocess.Popen[str]", timeout_s: float = 20.0
) -> tuple[int, dict[str, Any]]:
    """Exit code and error line of a replay process."""
    _, stderr = process.communicate(timeout=timeout_s)
    lines = [line for line in stderr.splitlines() if line]
    return process.returncode, json.loads(lines[-1]) if lines else {}


def receive(receiver: Receiver) -> tuple[np.ndarray, Totals]:
    """Everything a receiver gets."""
    receiver.connect()
    batches = [batch.copy() for batch in receiver.batches()]
    return np.concatenate(batches), receiver.totals


class Serving:
    """``serve`` in a thread, with its outcome."""

    def __init__(self, plan: ReplayPlan, endpoint: str, **options: object) -> None:
        self.endpoint = endpoint
        self.error: BaseException | None = None
        self.totals: Totals | None = None
        bound = threading.Event()

        def ready(address: str) -> None:
            self.endpoint = address
            bound.set()

        def run() -> None:
            try:
                self.totals = serve(plan, endpoint, ready=ready, **options)  # type: ignore[arg-type]
            except BaseException as error:
                self.error = error

        self.thread = threading.Thread(target=run)
        self.thread.start()
        assert bound.wait(20)


class FakeSender:
    """A sender that does what the test says: a bound ROUTER, a handshake, then free play."""

    def __init__(
        self,
        *,
        batch_records: int = 16,
        slots: int = 4,
        mappings: tuple[SymbolMapping, ...] = (),
    ) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 500)
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.endpoint = f"tcp://127.0.0.1:{port}"
        self.batch_records = batch_records
        self.slots = slots
        self.mappings = mappings
        self.peer = b""
        self.stream_id = 99
        self.digest = StreamDigest()
        self.over = False  # the receiver has what it wanted

    def hear(self) -> msg.Message | None:
        """The receiver's next message; None when it is over."""
        while not self.over:
            if self.socket.poll(50):
                self.peer, frame = self.socket.recv_multipart()
                return msg.decode_message(frame)
        return None

    def handshake(self, info: dict[str, Any], welcome: dict[str, Any]) -> bool:
        """Welcome the receiver, changed as the test says; return whether it became ready."""
        page = msg.MAPPINGS_PER_MESSAGE
        file = FileInfo("a.dbn", 1, 3, True, "D", 0, 0, None)
        sent = StreamInfo("D", "mbo", (file,), self.mappings[:page], 0, 0, self.batch_records, None)
        first = msg.Welcome(
            WIRE_VERSION,
            "replay",
            os.getpid(),
            self.stream_id,
            4,
            self.slots,
            None,
            msgspec.structs.replace(sent, **info),
            len(self.mappings),
        )
        while (message := self.hear()) is not None:
            if isinstance(message, msg.Hello):
                self.control(msgspec.structs.replace(first, **welcome))
            elif isinstance(message, msg.More):
                self.control(
                    msg.Mappings(self.mappings[message.received : message.received + page])
                )
            elif isinstance(message, msg.Ready):
                return True
        return False

    def control(self, message: msg.Message) -> None:
        self.socket.send_multipart([self.peer, msg.encode_message(message)])

    def batch(self, records: np.ndarray, sequence: int, offset: int, **changes: Any) -> None:
        header = BatchHeader(
            0,
            self.stream_id,
            sequence,
            offset,
            len(records),
            NO_SLOT,
            int(records["ts_recv"][0]),
            int(records["ts_recv"][-1]),
            payload_checksum(records),
        )
        header = header._replace(**changes)
        self.digest.add(header)
        self.frames(encode_header(header), records.tobytes())

    def frames(self, *frames: bytes) -> None:
        self.socket.send_multipart([self.peer, *frames])

    def close(self) -> None:
        self.socket.close()
        self.context.term()


def against(
    play: Callable[[FakeSender], None],
    *,
    info: dict[str, Any] | None = None,
    welcome: dict[str, Any] | None = None,
    mappings: tuple[SymbolMapping, ...] = (),
    hops: list[Hops] | None = None,
    **receiver: Any,
) -> tuple[np.ndarray, Totals]:
    """Receive from a fake sender that plays its part in a thread; put ways of batches in a list."""
    sender = FakeSender(mappings=mappings)

    def act() -> None:
        if sender.handshake(info or {}, welcome or {}):
            play(sender)

    thread = threading.Thread(target=act)
    thread.start()
    try:
        with Receiver(sender.endpoint, payload="inline", **receiver) as end:
            received = receive(end)
            if hops is not None:
                hops += end.hops()
            return received
    finally:
        sender.over = True
        thread.join()
        sender.close()
