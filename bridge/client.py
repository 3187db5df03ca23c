"""A model's process: connects to a run, is sent rows, answers them, until the run says goodbye.

One thread and one event loop: hooks that are coroutines are awaited there, the next message is
looked at when they are done. Where no hook is one, messages are waited for without the loop.
"""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import zmq

from tapewire.bridge import protocol as msg
from tapewire.bridge.dialogue import Dialogue
from tapewire.bridge.model import StrategyBase, has_coroutines, keeps_state
from tapewire.bridge.process import RUN_PID_VARIABLE
from tapewire.bridge.readiness import Readiness
from tapewire.errors import (
    EndpointError,
    PeerLostError,
    ProtocolError,
    StrategyError,
    TapewireError,
    WireError,
)
from tapewire.wire.endpoints import split_endpoint
from tapewire.wire.guard import Failed
from tapewire.wire.keys import ClientKeys
from tapewire.wire.link import Link
from tapewire.wire.liveness import PEER_TIMEOUT_S, STALL_TIMEOUT_S
from tapewire.wire.network import LIBZMQ, Network

#: How long somebody may wait for a run to be there (s).
CONNECT_TIMEOUT_S: Final = 60.0
#: Who waits for it is told so after so long (s).
_NOTICE_S: Final = 2.0
#: What may be under way from a run: rows that wait for a slow model.
_UNTAKEN_BYTES_MAX: Final = 2 << 30
#: A hook that goes on for so long after the run has gone ends with its process (s).
_GRACE_S: Final = 2.0
_LOOK_S: Final = 0.25
#: How long a last word may take to be heard (s).
_LAST_WORD_S: Final = 0.5
_ADVICE: Final = (
    "give both ends keys (bridge.curve of the run, --curve-server and --curve-key of the model), "
    "or use tcp://127.0.0.1:PORT"
)


def serve(
    kind: type[StrategyBase],
    endpoint: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    keys: ClientKeys | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> int:
    """Serve one run with a model.

    Parameters
    ----------
    kind : class of StrategyBase
    endpoint : str
        Where the run waits for it: ``ipc:///…`` or ``tcp://127.0.0.1:…``; with keys ``tcp`` to any
        host.
    parameters : mapping, optional
        What the model is made with, beside what the run says, and in place of it.
    connect_timeout_s : float
        How long to wait for the run to be there.
    keys : ClientKeys, optional
        The model's own, and the run's public one.
    say : callable (str)
        Told in a sentence how far it is.

    Returns
    -------
    int
        How many rows it has answered.

    Raises
    ------
    EndpointError
        If there is no run in time, the address is none, or the run does not take the keys.
    StrategyError
        If the model raised or returned what it may not; the run was told.
    PeerLostError
        If the run is gone.
    ProtocolError
        If the run says what it may not; it was told.
    WireError
        If the run said why it goes no further with this model.
    """
    client = ModelClient(kind, endpoint, parameters or {}, connect_timeout_s, keys, say)
    try:
        return client.run()
    except (KeyboardInterrupt, SystemExit):
        client.leave(msg.BridgeGoodbye("stopped"))
        raise
    finally:
        client.close()


class ModelClient:
    """One model, one connection, and what has been said over it; see `serve`.

    Parameters
    ----------
    network
        What the connection stands on.
    """

    def __init__(
        self, kind: type[StrategyBase], endpoint: str, parameters: Mapping[str, Any],
        connect_timeout_s: float, keys: ClientKeys | None, say: Callable[[str], None],
        network: Network = LIBZMQ,
    ) -> None:  # fmt: skip
        split_endpoint(endpoint, has_keys=keys is not None, advice=_ADVICE)
        if kind.dtype not in ("float64", "float32"):
            raise StrategyError(
                f"{kind.__qualname__}.dtype: expected 'float64' or 'float32', found {kind.dtype!r}"
            )
        self._kind = kind
        self._has_coroutines = has_coroutines(kind)
        self._connect_timeout_s = connect_timeout_s
        self._say_aloud = say
        self._keys = keys
        self._now_s = network.now_s
        self._ready: Readiness | None = None
        self._run = f"the run at {endpoint}"
        self._link = Link(
            endpoint,
            context=None,
            peer_timeout_s=PEER_TIMEOUT_S,
            message_bytes_max=msg.ARRAY_BYTES_MAX,
            # A welcome: of a model that keeps its state with that, in arrays.
            first_bytes_max=None if keeps_state(kind) else msg.HEADER_BYTES_MAX,
            frames_max=msg.FRAMES_MAX,
            keys=keys,
            network=network,
        )
        self._dialogue = Dialogue(kind, parameters, self._run, self._send, say)
        self._over = threading.Event()
        self._watcher = threading.Thread(
            target=self._watch, name="tapewire-model-watch", daemon=True
        )

    def run(self) -> int:
        """Connect and work until the run says goodbye; return how many rows were answered."""
        return self.work_by(self._in_loop)

    def _in_loop(self) -> None:
        self._watcher.start()
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(self._with_readiness())

    async def _with_readiness(self) -> None:
        with Readiness(self._link.fds) as ready:
            await self.work(ready)

    def work_by(self, work: Callable[[], None]) -> int:
        """Connect and have `work` done by a function; see `run`."""
        self._link.open()
        try:
            work()
        except ProtocolError as error:
            self.leave(msg.BridgeError(str(error)))
            raise ProtocolError(f"{self._run}: {error}") from None
        except WireError:
            raise
        except TapewireError as error:
            self.leave(msg.BridgeError(str(error)))
            raise
        return self._dialogue.rows

    def leave(self, word: msg.BridgeError | msg.BridgeGoodbye) -> None:
        """Say the last word, and stay until it has been heard or a moment is over.

        A connection that closes while the run still talks may take what it has not read along.
        """
        if not self._link.connected:
            return
        with contextlib.suppress(zmq.ZMQError):
            self._link.send(msg.encode_message(word))
        deadline_s = self._now_s() + _LAST_WORD_S
        while not self._link.closed_by_peer and (left_s := deadline_s - self._now_s()) > 0:
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
            if not self._link.closed_by_peer or self._dialogue.is_over:
                continue
            now_s = self._now_s()
            gone_s = gone_s or now_s
            if now_s - gone_s > _GRACE_S:
                print(
                    f"error: {self._run} is gone, and model {self._kind.__qualname__} still works "
                    f"on rows from {self._dialogue.next_row} on: its process ends",
                    file=sys.stderr,
                    flush=True,
                )
                os._exit(PeerLostError.exit_code)

    # --- messages -------------------------------------------------------------------------------

    async def work(self, ready: Readiness) -> None:
        """Say hello and do what the run says, until its goodbye."""
        self._ready = ready
        dtype: Any = self._kind.dtype
        name = self._kind.__qualname__[:256]
        hello = msg.BridgeHello(msg.PROTOCOL, name, os.getpid(), dtype, keeps_state(self._kind))
        await self._send(hello)
        begin_s = self._now_s()
        noticed = False
        is_known = False
        while True:
            has_closed = self._link.closed_by_peer  # what it said before comes first
            frames = self._link.receive()
            if frames is not None:
                if not is_known:
                    is_known = True
                    self._link.require_own()
                    self._link.allow(_UNTAKEN_BYTES_MAX)
                if not await self._dialogue.take(
                    frames[0].buffer, [frame.buffer for frame in frames[1:]]
                ):
                    return
                continue
            if has_closed:
                raise self._gone()
            if self._dialogue.welcome is None:
                noticed = self._require_soon(self._now_s() - begin_s, noticed)
            if self._has_coroutines:
                await ready.wait()
                self._link.note_gone()
            else:  # nothing else goes on: without the loop it is quicker
                self._link.wait(_LOOK_S)

    def _require_soon(self, waited_s: float, noticed: bool) -> bool:
        """Give up on a run that is not there; whether it was said that one is waited for."""
        there = self._link.connected
        if not there and not _run_lives():
            raise EndpointError(f"{self._run} has died before it was there")
        if waited_s > (STALL_TIMEOUT_S if there else self._connect_timeout_s):
            what = "says no welcome" if there else "has not come"
            raise EndpointError(
                f"{self._run} {what} for {waited_s:.0f} s: start it with this address, or connect "
                "to the one that it names"
            )
        if waited_s > _NOTICE_S and not noticed:
            self._say_aloud(f"waiting for {self._run} …")
        return noticed or waited_s > _NOTICE_S

    def _gone(self) -> WireError:
        """The error of a connection that has closed: of its keys, if the handshake failed."""
        failed, keys = self._link.failed, self._keys
        if failed is Failed.KEY_REFUSED and keys is not None:
            why = (
                f"refuses this model's key: have {keys.pair.public} in its bridge.curve."
                "allowed_clients"
            )
        elif failed is not None and keys is not None:
            why = (
                f"hung up in the handshake: expected it to have the key {keys.server} "
                "(--curve-server); it has another one, or none"
            )
        elif failed is Failed.MECHANISM:
            why = "wants keys, found none: give --curve-server and --curve-key"
        elif failed is not None:
            why = "hung up in the handshake: if it wants keys, give --curve-server and --curve-key"
        else:
            return PeerLostError(f"{self._run} is gone: {self._where()}")
        return EndpointError(f"{self._run} {why}")

    def _where(self) -> str:
        if self._dialogue.welcome is None:
            return "it hung up before its welcome"
        return f"its connection closed after row {self._dialogue.next_row - 1}, without a goodbye"

    async def _send(self, message: msg.Message, *parts: memoryview) -> None:
        """Send, once there is room."""
        frame = msg.encode_message(message)
        while not self._link.send(frame, *parts):
            if self._link.closed_by_peer:
                raise self._gone()
            assert self._ready is not None
            await self._ready.pause()


def _run_lives() -> bool:
    """Whether the run that started this process is there; of one that did not, nobody knows."""
    pid = os.environ.get(RUN_PID_VARIABLE, "")
    if not pid.isdecimal():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # not on every system
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
