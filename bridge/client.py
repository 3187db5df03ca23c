"""A model's process: connects to a run, is sent rows, answers them, until the run says goodbye.

One thread and one event loop: hooks that are coroutines are awaited there, the next message is
looked at when they are done.
"""

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import numpy as np
import zmq

from tapewire.bridge import protocol as msg
from tapewire.bridge.calling import ModelCaller
from tapewire.bridge.model import ModelSession, StrategyBase, keeps_state
from tapewire.bridge.readiness import Readiness
from tapewire.errors import EndpointError, PeerLostError, ProtocolError, TapewireError, WireError
from tapewire.wire.link import Link
from tapewire.wire.liveness import PEER_TIMEOUT_S, STALL_TIMEOUT_S

#: How long somebody may wait for a run to be there (s).
CONNECT_TIMEOUT_S: Final = 60.0
#: Who waits for it is told so after so long (s).
_NOTICE_S: Final = 2.0
#: What may be under way from a run: rows that wait for a slow model.
_UNTAKEN_BYTES_MAX: Final = 2 << 30
#: A hook that goes on for so long after the run has gone ends with its process (s).
_GRACE_S: Final = 3.0
_LOOK_S: Final = 0.25
#: How long a last word may take to be heard (s).
_LAST_WORD_S: Final = 0.5


def serve(
    kind: type[StrategyBase],
    endpoint: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    say: Callable[[str], None] = lambda text: None,
) -> int:
    """Serve one run with a model.

    Parameters
    ----------
    kind : class of StrategyBase
    endpoint : str
        Where the run waits for it: ``ipc:///…`` or ``tcp://127.0.0.1:…``.
    parameters : mapping, optional
        What the model is made with, beside what the run says, and in place of it.
    connect_timeout_s : float
        How long to wait for the run to be there.
    say : callable (str)
        Told in a sentence how far it is.

    Returns
    -------
    int
        How many rows it has answered.

    Raises
    ------
    EndpointError
        If there is no run in time, or the address is none.
    StrategyError
        If the model raised or returned what it may not; the run was told.
    PeerLostError
        If the run is gone.
    ProtocolError
        If the run says what it may not; it was told.
    WireError
        If the run said why it goes no further with this model.
    """
    client = _Client(kind, endpoint, parameters or {}, connect_timeout_s, say)
    try:
        return client.run()
    except (KeyboardInterrupt, SystemExit):
        client.leave(msg.Goodbye("stopped"))
        raise
    finally:
        client.close()


class _Client:
    """One model, one connection, and what has been said over it."""

    def __init__(
        self, kind: type[StrategyBase], endpoint: str, parameters: Mapping[str, Any],
        connect_timeout_s: float, say: Callable[[str], None],
    ) -> None:  # fmt: skip
        if kind.dtype not in ("float64", "float32"):
            raise TypeError(
                f"{kind.__qualname__}.dtype: expected 'float64' or 'float32', found {kind.dtype!r}"
            )
        self._kind = kind
        self._parameters = parameters
        self._connect_timeout_s = connect_timeout_s
        self._say_aloud = say
        self._run = f"the run at {endpoint}"
        self._link = Link(
            endpoint,
            context=None,
            peer_timeout_s=PEER_TIMEOUT_S,
            message_bytes_max=msg.ARRAY_BYTES_MAX,
            frames_max=msg.FRAMES_MAX,
        )
        self._welcome: msg.Welcome | None = None
        self._caller: ModelCaller | None = None
        self._known = np.zeros(0, np.bool_)  # by index of an instrument
        self._next_row = 0
        self._rows = 0
        self._over = threading.Event()
        self._watcher = threading.Thread(
            target=self._watch, name="tapewire-model-watch", daemon=True
        )

    def run(self) -> int:
        """Connect and work until the run says goodbye; return how many rows were answered."""
        self._link.open()
        self._watcher.start()
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            try:
                runner.run(self._work())
            except ProtocolError as error:
                self.leave(msg.Error(str(error)))
                raise ProtocolError(f"{self._run}: {error}") from None
            except WireError:
                raise
            except TapewireError as error:
                self.leave(msg.Error(str(error)))
                raise
        return self._rows

    def leave(self, word: msg.Error | msg.Goodbye) -> None:
        """Say the last word, and stay until it has been heard or a moment is over.

        A connection that closes while the run still talks may take what it has not read along.
        """
        if not self._link.connected:
            return
        with contextlib.suppress(zmq.ZMQError):
            self._link.send(msg.encode_message(word))
        deadline_s = time.monotonic() + _LAST_WORD_S
        while not self._link.closed_by_peer and (left_s := deadline_s - time.monotonic()) > 0:
            if self._link.wait(left_s):
                self._link.receive()

    def close(self) -> None:
        """Close the connection; what was said last has a moment to arrive."""
        self._over.set()
        if self._watcher.is_alive():
            self._watcher.join()
        if self._link.is_open:
            self._link.close(linger=self._link.connected)

    def _watch(self) -> None:
        """End the process if the run has gone and a hook goes on and on."""
        gone_s = None
        while not self._over.wait(_LOOK_S):
            if not self._link.closed_by_peer:
                continue
            now_s = time.monotonic()
            gone_s = gone_s or now_s
            if now_s - gone_s > _GRACE_S:
                print(
                    f"error: {self._run} is gone, and model {self._kind.__qualname__} still works "
                    f"on rows from {self._next_row} on: its process ends",
                    file=sys.stderr,
                    flush=True,
                )
                os._exit(PeerLostError.exit_code)

    # --- messages -------------------------------------------------------------------------------

    async def _work(self) -> None:
        with Readiness(self._link.fds) as ready:
            dtype: Any = self._kind.dtype
            name = self._kind.__qualname__[:256]
            hello = msg.Hello(msg.PROTOCOL, name, os.getpid(), dtype, keeps_state(self._kind))
            await self._send(hello)
            begin_s = time.monotonic()
            noticed = False
            while True:
                frames = self._link.receive()
                if frames is not None:
                    if not await self._take(frames):
                        return
                    continue
                if self._link.closed_by_peer:
                    raise PeerLostError(f"{self._run} is gone: {self._where()}")
                if self._welcome is None:
                    noticed = self._require_soon(time.monotonic() - begin_s, noticed)
                await ready.wait()
                self._link.note_gone()

    def _require_soon(self, waited_s: float, noticed: bool) -> bool:
        """Give up on a run that is not there; whether it was said that one is waited for."""
        there = self._link.connected
        if waited_s > (STALL_TIMEOUT_S if there else self._connect_timeout_s):
            what = "says no welcome" if there else "has not come"
            raise EndpointError(
                f"{self._run} {what} for {waited_s:.0f} s: start it with this address, or connect "
                "to the one that it names"
            )
        if waited_s > _NOTICE_S and not noticed:
            self._say_aloud(f"waiting for {self._run} …")
        return noticed or waited_s > _NOTICE_S

    def _where(self) -> str:
        if self._welcome is None:
            return "it hung up before its welcome"
        return f"its connection closed after row {self._next_row - 1}, without a goodbye"

    async def _take(self, frames: list[zmq.Frame]) -> bool:
        """Act on a message; whether there may be more."""
        message = msg.decode_message(frames[0].buffer)
        welcome = self._welcome
        parts = [frame.buffer for frame in frames[1:]]
        if welcome is None:
            arrays = msg.read_arrays(message, parts)
        else:
            arrays = msg.read_arrays(message, parts, len(welcome.columns), welcome.dtype)
        if isinstance(message, msg.Features) and self._caller is not None:
            await self._answer(self._caller, message, arrays)
        elif isinstance(message, msg.Heartbeat):
            pass
        elif isinstance(message, msg.Error):
            raise WireError(f"{self._run} goes no further with this model: {message.message}")
        elif isinstance(message, msg.Welcome) and welcome is None:
            await self._begin(message, arrays)
        elif self._caller is None:
            raise ProtocolError(f"expected a welcome first, found {_noun(message)}")
        elif isinstance(message, msg.Instruments):
            self._caller.add_instruments(message.instruments)
            self._note_known(message.instruments)
        elif isinstance(message, msg.Updates):
            for update in message.updates:
                await self._caller.update(update)
        elif isinstance(message, msg.Close):
            await self._caller.close_market()
        elif isinstance(message, msg.Goodbye):
            self._over.set()  # it may take its time to stop
            await self._caller.stop()
            if message.reason:
                raise PeerLostError(f"{self._run} has left: {message.reason}")
            return False
        else:
            raise ProtocolError(f"expected what a run may say, found {_noun(message)}")
        return True

    async def _begin(self, welcome: msg.Welcome, arrays: list[np.ndarray]) -> None:
        """Make the model as the run wants it."""
        if welcome.protocol != msg.PROTOCOL:
            raise ProtocolError(
                f"expected version {msg.PROTOCOL} of the bridge's protocol, found "
                f"{welcome.protocol}: use the same release at both ends"
            )
        if welcome.dtype != self._kind.dtype:
            raise ProtocolError(
                f"expected features of {self._kind.dtype}, as the hello says, found {welcome.dtype}"
            )
        if arrays and not keeps_state(self._kind):
            raise ProtocolError("expected no state for a model that keeps none, found one")
        self._link.require_own()
        self._link.allow(_UNTAKEN_BYTES_MAX)
        session = ModelSession(
            welcome.strategy_id, welcome.mode, welcome.columns, {}, welcome.latency_ns,
            welcome.rows_max, welcome.dtype,
        )  # fmt: skip
        parameters = {**_parameters_of(welcome), **self._parameters}
        self._welcome = welcome
        self._next_row = welcome.first_row
        self._caller = ModelCaller(self._kind, parameters, session)
        await self._caller.start(arrays[0].tobytes() if arrays else None)
        self._say_aloud(
            f"{self._kind.__qualname__} serves strategy {welcome.strategy_id}: "
            f"{len(welcome.columns)} columns, mode {welcome.mode}"
        )

    def _note_known(self, instruments: tuple[msg.Instrument, ...]) -> None:
        indices = [one.index for one in instruments]
        grown = np.zeros(max(self._known.size, max(indices) + 1), np.bool_)
        grown[: self._known.size] = self._known
        grown[indices] = True
        self._known = grown

    async def _answer(
        self, caller: ModelCaller, message: msg.Features, arrays: list[np.ndarray]
    ) -> None:
        """Hand rows to the model, and what it wants to the run."""
        assert self._welcome is not None
        ts, instrument, features = arrays
        if message.first_row != self._next_row or message.rows > self._welcome.rows_max:
            raise ProtocolError(
                f"expected rows from {self._next_row} on, at most {self._welcome.rows_max}, found "
                f"{message.rows} from {message.first_row} on"
            )
        self._require_known(message, instrument)
        for array in arrays:
            array.flags.writeable = False
        async with contextlib.aclosing(
            caller.answers(message.first_row, ts, instrument, features)
        ) as answers:
            async for first_row, answer, busy_ns in answers:
                for signals, parts in answer.messages(first_row, busy_ns):
                    await self._send(signals, *map(_bytes_of, parts))
                self._rows += len(answer)
                self._next_row = first_row + len(answer)
        if message.wants_state and caller.keeps_state:
            state = await caller.save()
            parts_of_state = [memoryview(state)] if state else []
            await self._send(msg.State(self._next_row, len(state)), *parts_of_state)

    def _require_known(self, message: msg.Features, instrument: np.ndarray) -> None:
        if message.rows == 1:
            index = instrument.item()
            if 0 <= index < self._known.size and self._known.item(index):
                return
        low, high = int(instrument.min()), int(instrument.max())
        if not (low >= 0 and high < self._known.size and self._known[instrument].all()):
            raise ProtocolError(
                f"expected rows about instruments it was told of, found {low} to {high} in those "
                f"from {message.first_row} on"
            )

    async def _send(self, message: msg.Message, *parts: memoryview) -> None:
        """Send, once there is room."""
        frame = msg.encode_message(message)
        while not self._link.send(frame, *parts):
            if self._link.closed_by_peer:
                raise PeerLostError(f"{self._run} is gone: {self._where()}")
            await asyncio.sleep(0.001)


def _parameters_of(welcome: msg.Welcome) -> dict[str, Any]:
    try:
        parameters = msgspec.json.decode(welcome.parameters or "{}")
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProtocolError(f"expected parameters in JSON, found none: {error}") from None
    if not isinstance(parameters, dict):
        raise ProtocolError(
            f"expected parameters as an object of JSON, found {welcome.parameters[:80]!r}"
        )
    return parameters


def _bytes_of(array: np.ndarray) -> memoryview:
    """The bytes of an array, as they lie in memory."""
    return np.ascontiguousarray(array).data.cast("B")


def _noun(message: msg.Message) -> str:
    return f"a {type(message).__name__.lower()} message"


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # not on every system
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
