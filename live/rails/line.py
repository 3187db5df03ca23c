"""The engine's end of its rails: their process, what is sent to them, what they say.

Whoever decides sends commands here, and nowhere else. Where the rails are lost, every call raises:
an engine without rails stops.
"""

import contextlib
import json
import os
import time
from types import TracebackType
from typing import Final, Self

import msgspec

from tapewire import errors
from tapewire.children import Child, owned_command
from tapewire.errors import LiveError, PeerLostError, ProtocolError, TapewireError
from tapewire.live.orders import Command
from tapewire.live.rails.messages import (
    BEAT_S,
    FRAME_BYTES_MAX,
    PROTOCOL_VERSION,
    RAILS_CODEC,
    WINDOW,
    DataState,
    EndSession,
    EngineBeat,
    EngineHello,
    KillNow,
    MarketNow,
    RailsBeat,
    RailsEnded,
    RailsHello,
    RailsState,
)
from tapewire.live.rails.settings import RailsSettings, require_confirmed
from tapewire.live.soundness import client_order_id
from tapewire.wire import private_endpoint
from tapewire.wire.codec import Message
from tapewire.wire.credit import CreditReturn, CreditWindow
from tapewire.wire.hub import Hub

#: How long rails may take to come up (s), and to end beyond the time that winding up has.
_START_TIMEOUT_S: Final = 60.0
_END_SLACK_S: Final = 10.0
_GONE_S: Final = 3.0
#: Rails that say nothing for so long (s) are lost; they beat `BEAT_S` apart, and sync disks.
SILENT_S: Final = 5.0
_SEND_TIMEOUT_S: Final = 5.0
_MODULE: Final = "tapewire.live.rails"


class _Rails:
    def __init__(self, identity: bytes, pid: int) -> None:
        self.identity = identity
        self._pid = pid

    def __str__(self) -> str:
        return f"the rails (pid {self._pid})"


class RailsLine:
    """The rails of one session, from their start to their end.

    Parameters
    ----------
    settings
        Written into the account's folder by the rails, for who reads there later.
    role, confirmed
        See `require_confirmed`: for mode ``live``.

    Attributes
    ----------
    hello : RailsHello
        What they said as they came up.
    state, why
        What they let through, and why no more, as they last said.

    Raises
    ------
    ConfigError
        If the settings are not confirmed.
    LeaseError
        If another session holds the account.
    TapewireError
        If they can't begin otherwise, or are not there in time.
    """

    hello: RailsHello

    def __init__(
        self, settings: RailsSettings, *, role: str = "", confirmed: str | None = None
    ) -> None:
        require_confirmed(settings, role, confirmed)
        self._settings = settings
        self.state, self.why = RailsState.NOT_RECONCILED, ""
        self._lag_ns, self._data = 0, DataState.STALE
        self._heard: list[Message] = []
        self._window = CreditWindow(WINDOW)
        self._credit = CreditReturn(WINDOW)
        self._peer: _Rails | None = None
        self._ended: RailsEnded | None = None
        self._heard_s = self._beaten_s = time.monotonic()
        self._number = 0
        self._is_closed = False
        self._resources = contextlib.ExitStack()
        try:
            self._start(role, confirmed)
        except BaseException:
            self._resources.close()
            raise

    def _start(self, role: str, confirmed: str | None) -> None:
        endpoint = self._resources.enter_context(private_endpoint())
        self._hub = Hub(
            endpoint, context=None, peer_timeout_s=SILENT_S, peers_max=1,
            message_bytes_max=FRAME_BYTES_MAX, untaken_bytes_max=4 * FRAME_BYTES_MAX,
        )  # fmt: skip
        self._resources.callback(self._hub.close)
        words = ["--connect", endpoint, "--parent-pid", str(os.getpid())]
        words += ["--role", role] if role else []
        words += ["--confirmed", confirmed] if confirmed is not None else []
        self._process = Child(
            [*owned_command(_MODULE), *words], environment={"PYTHONUNBUFFERED": "1"}, has_stdin=True
        )
        # Without a word they wind up and end by themselves: they are killed only if they don't.
        self._resources.callback(self._process.end, self._settings.waits.ending + _END_SLACK_S)
        try:
            self._process.tell(msgspec.json.encode(self._settings), last=True)
        except BrokenPipeError:
            pass  # it died already, and says why
        except TimeoutError as error:
            raise PeerLostError(f"the rails: {error}") from None
        until_s = time.monotonic() + _START_TIMEOUT_S
        while self._peer is None:
            self._hub.wait(0.05)
            self._receive()
            if self._process.code is not None:
                raise self._error() or PeerLostError(f"the rails {self._process.end_in_words()}")
            if time.monotonic() > until_s:
                raise PeerLostError(f"the rails are not there within {_START_TIMEOUT_S:g} s")
        self._say(EngineHello(PROTOCOL_VERSION))

    @property
    def pid(self) -> int:
        """Of the rails' process."""
        return self._process.pid

    @property
    def session(self) -> str:
        """What ids of orders begin with."""
        return self.hello.session

    def next_id(self) -> str:
        """Return the id of the next order."""
        self._number += 1
        return client_order_id(self.session, self._number)

    # --- what is said to them ---------------------------------------------------------------------

    def send(self, command: Command) -> None:
        """Send a command; what becomes of it comes by `poll`.

        Raises
        ------
        PeerLostError
            If the rails are gone, or take nothing within a time: whether they have it is not known.
        """
        self._say(command)

    def market(self, market: MarketNow) -> None:
        """Tell where a market is: with each beat, and as often as it matters."""
        self._say(market)

    def data(self, lag_ns: int, state: DataState) -> None:
        """Say how far behind its data this engine is, and how they are; from here on.

        A new state travels at once, a lag with the next beat.
        """
        is_new = state != self._data
        self._lag_ns, self._data = lag_ns, state
        self._beat(is_due=is_new)

    def kill(self, why: str) -> None:
        """Have everything canceled, and nothing sent until a person resets it."""
        self._say(KillNow(why))

    def _say(self, message: Message) -> None:
        until_s = time.monotonic() + _SEND_TIMEOUT_S
        self._receive()
        while not self._window.open:
            self._hub.wait(0.02)
            self._receive()
            self._require()
            if time.monotonic() > until_s:
                raise self._lost(f"took nothing for {_SEND_TIMEOUT_S:g} s")
        self._require()
        self._window.spend()
        self._send(message)

    def _send(self, message: Message) -> None:
        assert self._peer is not None
        if not self._hub.send(self._peer, [RAILS_CODEC.encode(message)]):
            raise self._lost("have left")

    def _beat(self, *, is_due: bool = False) -> None:
        """Say that this engine lives, where that is due, or something is to be given back."""
        now_s = time.monotonic()
        if self._ended is None and (is_due or now_s - self._beaten_s >= BEAT_S):
            self._beaten_s = now_s
            self._credit.told()
            self._send(EngineBeat(self._credit.released, self._lag_ns, int(self._data)))

    # --- what they say ----------------------------------------------------------------------------

    def poll(self, wait_s: float = 0.0) -> list[Message]:
        """Return what the rails have said since: events of orders, positions, things to read.

        To be called several times a second: it also says that this engine lives.

        Raises
        ------
        PeerLostError
            If the rails are gone or silent.
        TapewireError
            What they ended with, under its own class.
        """
        self._receive()
        if not self._heard and wait_s > 0:
            self._hub.wait(wait_s)
            self._receive()
        heard, self._heard = self._heard, []
        if self._ended is None:
            if not heard:
                self._require()
            self._beat(is_due=(self._credit.released - self._credit.returned) * 2 >= WINDOW)
        return heard

    def _receive(self) -> None:
        if self._is_closed:
            return
        for identity, connection, frames in self._hub.received():
            message = RAILS_CODEC.decode(frames[0].buffer, bytes_max=FRAME_BYTES_MAX)
            if self._peer is None:
                if not isinstance(message, RailsHello) or message.pid != self._process.pid:
                    self._hub.refuse(identity, connection, b"")
                    continue
                if message.version != PROTOCOL_VERSION:
                    raise ProtocolError(f"expected {PROTOCOL_VERSION}, found {message.version}")
                self.hello, self._peer = message, _Rails(identity, message.pid)
                self._hub.keep(connection)
            elif identity != self._peer.identity:
                self._hub.refuse(identity, connection, b"")
                continue
            self._take(message)

    def _take(self, message: Message) -> None:
        self._heard_s = time.monotonic()
        if isinstance(message, RailsBeat):
            self._window.release(message.taken)
            self.state, self.why = RailsState(message.state), message.text
            return
        self._credit.release()
        if isinstance(message, RailsEnded):
            self._ended = message
        if not isinstance(message, RailsHello):
            self._heard.append(message)

    def _require(self) -> None:
        if self._ended is not None:
            raise LiveError(f"the rails have ended: {self._ended.text}")
        if self._is_closed:
            raise LiveError("the line to the rails is closed")
        if self._process.code is not None:
            raise self._lost("are gone")
        if time.monotonic() - self._heard_s > SILENT_S:
            raise self._lost(f"fell silent for {SILENT_S:g} s")

    def _lost(self, what: str) -> TapewireError:
        return self._error() or PeerLostError(f"{self._peer} {what}: the engine stops")

    def _error(self) -> TapewireError | None:
        """What the rails ended with; None while they live, or if they said nothing."""
        if not self._process.wait(_GONE_S) or not self._process.code:
            return None
        for line in reversed(self._process.heard.splitlines()):
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                said = json.loads(line)
                kind = getattr(errors, said["kind"])
                if isinstance(kind, type) and issubclass(kind, TapewireError):
                    return kind(str(said["message"]))
        return PeerLostError(f"the rails (pid {self.pid}) {self._process.end_in_words()}")

    # --- the end ----------------------------------------------------------------------------------

    def end(self) -> RailsEnded:
        """End the session: wound up as the settings say, within their time; what is left.

        Raises
        ------
        TapewireError
            If the rails are lost meanwhile.
        """
        if self._ended is None:
            self._say(EndSession())
        until_s = time.monotonic() + self._settings.waits.ending + _END_SLACK_S
        kept: list[Message] = []
        while self._ended is None:
            kept += self.poll(0.05)
            if time.monotonic() > until_s:
                raise self._lost("did not end in time")
        self._heard = [*kept, *self._heard]
        self._process.wait(_GONE_S)
        return self._ended

    def close(self) -> None:
        """Close the line; rails that still live wind up, and are waited for."""
        if self._peer is not None and self._ended is None and self._process.code is None:
            with contextlib.suppress(TapewireError):
                self.end()
        self._is_closed = True
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
