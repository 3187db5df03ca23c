"""A run as a model sees it: an address, messages there and back, and nothing behind them."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import zmq

from tapewire.bridge import protocol as msg
from tapewire.wire.sockets import make_socket

TIMEOUT_S = 20.0
ES = msg.Instrument(0, 1, 5002, "ESH4", 250_000_000)
NQ = msg.Instrument(1, 1, 5003, "NQH4", 250_000_000)
WELCOME = msg.Welcome(
    msg.PROTOCOL, "mine", "pipelined", ("mid", "imbalance_5"), "float64", 1_000_000, 4_096, "{}",
    0, 0,
)  # fmt: skip


def rows_of(n: int, columns: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moments, instruments and features of rows."""
    values = np.random.default_rng(seed).normal(size=(n, columns))
    ts = 1_700_000_000_000_000_000 + 100_000_000 * np.arange(n)
    return ts.astype("<i8"), np.zeros(n, "<i4"), values


class FakeRun:
    """The run's end: binds, takes in one model, says what it is told to."""

    def __init__(self, endpoint: str, *, peer_timeout_s: float = 5.0) -> None:
        self._context = zmq.Context()
        self._socket = make_socket(
            self._context,
            zmq.ROUTER,
            peer_timeout_s=peer_timeout_s,
            message_bytes_max=msg.ARRAY_BYTES_MAX,
        )
        if endpoint.startswith("ipc://"):
            Path(endpoint.removeprefix("ipc://")).parent.mkdir(mode=0o700, exist_ok=True)
        self._socket.bind(endpoint)
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._identity = b""
        self.columns = 2
        self.hello: msg.Hello

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self, linger_ms: int = 1_000) -> None:
        if not self._socket.closed:
            self._socket.close(linger_ms)
            self._context.term()

    def hear(self, timeout_s: float = TIMEOUT_S) -> tuple[msg.Message, list[np.ndarray]]:
        """The model's next message."""
        if not self._socket.poll(round(timeout_s * 1_000)):
            raise TimeoutError("the model says nothing")
        self._identity, frame, *parts = self._socket.recv_multipart()
        message = msg.decode_message(frame)
        return message, msg.read_arrays(message, [memoryview(part) for part in parts], self.columns)

    def say(self, message: msg.Message | bytes, *arrays: Any) -> None:
        frame = message if isinstance(message, bytes) else msg.encode_message(message)
        parts = [one if isinstance(one, bytes) else one.tobytes() for one in arrays]
        self._socket.send_multipart([self._identity, frame, *parts])

    def welcome(self, state: bytes = b"", **changed: Any) -> msg.Hello:
        """Take in whoever comes, and tell it of an instrument."""
        hello, _ = self.hear()
        assert isinstance(hello, msg.Hello), hello
        self.hello = hello
        changed.setdefault("dtype", hello.dtype)
        welcome = msgspec.structs.replace(WELCOME, state_bytes=len(state), **changed)
        self.columns = len(welcome.columns)
        self.say(welcome, *([state] if state else []))
        self.say(msg.Instruments((ES,)))
        return hello

    def send_rows(
        self, first: int, rows: Sequence[np.ndarray], *, wants_state: bool = False
    ) -> None:
        ts, instrument, values = rows
        self.say(
            msg.Features(first, len(ts), wants_state),
            ts, instrument, values.astype(self.hello.dtype),
        )  # fmt: skip

    def hear_answers(self, first: int, stop: int) -> list[tuple[msg.Signals, list[np.ndarray]]]:
        """Answers to the rows of a range, which they must follow without a gap."""
        answers = []
        while first < stop:
            message, arrays = self.hear()
            assert isinstance(message, msg.Signals), message
            assert message.first_row == first
            first += message.rows
            answers.append((message, arrays))
        assert first == stop
        return answers

    def hear_targets(self, first: int, stop: int) -> np.ndarray:
        return np.concatenate([arrays[0] for _, arrays in self.hear_answers(first, stop)])

    def bye(self, reason: str = "") -> None:
        self.say(msg.Goodbye(reason))


class ModelClient:
    """A model's process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def end(self, timeout_s: float = TIMEOUT_S) -> tuple[int, str]:
        """Exit code and standard error, once it has ended."""
        _, said = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, said

    def ended_within(self, seconds: float) -> tuple[int, str]:
        begin_s = time.monotonic()
        outcome = self.end()
        assert time.monotonic() - begin_s < seconds
        return outcome


@contextmanager
def served(
    folder: Path, source: str, endpoint: str, *options: str, name: str = "Mine"
) -> Iterator[ModelClient]:
    """A process with a model of this source; it is gone behind this, however it goes."""
    path = folder / "model.py"
    path.write_text(source)
    command = ["bridge", "serve", f"{path}:{name}", "--connect", endpoint, *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "tapewire", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield ModelClient(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
