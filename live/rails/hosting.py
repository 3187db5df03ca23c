"""The rails' process: a desk, its broker, and the line to the engine, turned by one loop.

It outlives its engine: when that is gone, or has been silent for too long, no new order leaves,
what is open is wound up as the settings say, and the process ends.
"""

import contextlib
import importlib
import os
import selectors
import signal
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

import msgspec

from tapewire.atomic import atomic_file
from tapewire.errors import ConfigError, LeaseError, PeerLostError, ProtocolError
from tapewire.live.brokers.protocol import Broker
from tapewire.live.orders import CancelOrder, NewOrder, ReplaceOrder
from tapewire.live.rails.desk import RailsDesk
from tapewire.live.rails.journal import make_private_folder
from tapewire.live.rails.lease import Lease
from tapewire.live.rails.messages import (
    BEAT_S,
    FRAME_BYTES_MAX,
    PROTOCOL_VERSION,
    RAILS_CODEC,
    WINDOW,
    EndSession,
    EngineBeat,
    EngineHello,
    KillNow,
    MarketNow,
    RailsBeat,
    RailsEnded,
    RailsHello,
)
from tapewire.live.rails.settings import BrokerChoice, RailsSettings
from tapewire.wire.codec import Message
from tapewire.wire.credit import CreditWindow
from tapewire.wire.link import Link

#: What a session was told, in the account's folder.
SETTINGS_FILE: Final = "settings.json"
#: Longest wait between two turns (s): with a broker that says when it has something, and without.
_WAIT_S: Final = 0.05
_WAIT_UNTOLD_S: Final = 0.005
#: What an engine may not have taken before it is lost.
WAITING_MAX: Final = 100_000
#: Of the other end, until it has answered the hello.
_HELLO_S: Final = 30.0
_CONNECTION_TIMEOUT_S: Final = 5.0


class HostClock:
    """Time of this host, ns since the epoch, that never goes back while it is used."""

    def __init__(self) -> None:
        self._base_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """Return the time."""
        return self._base_ns + time.monotonic_ns()


def open_broker(choice: BrokerChoice) -> Broker:
    """Return the broker that the settings choose, not connected yet.

    Raises
    ------
    ConfigError
        If there is no such maker of one, or it does not take the options.
    """
    module, _, name = choice.factory.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"broker.factory: expected MODULE:FUNCTION, found {error}") from None
    try:
        return made(**choice.options)  # type: ignore[no-any-return]
    except TypeError as error:
        raise ConfigError(f"broker.options: {choice.factory} does not take them: {error}") from None


class EngineLine:
    """The rails' end of the line: messages in a window each way, and whether the engine lives."""

    def __init__(self, endpoint: str, engine_pid: int, beat_s: float) -> None:
        self._engine_pid = engine_pid
        self._link = Link(
            endpoint, context=None, peer_timeout_s=_CONNECTION_TIMEOUT_S,
            message_bytes_max=FRAME_BYTES_MAX, frames_max=1,
        )  # fmt: skip
        self._silent_s = 2 * beat_s
        self._waiting: deque[bytes] = deque()
        self._window = CreditWindow(WINDOW)
        self._taken = 0
        self._beaten_s = self._heard_s = time.monotonic()
        self._was_heard = False
        self.lost = ""

    def open(self) -> None:
        """Connect."""
        self._link.open()
        self._link.allow(2 * WINDOW * 1_024)

    @property
    def fds(self) -> tuple[int, int]:
        """What becomes readable when something may have come."""
        return self._link.fds

    def tell(self, message: Message) -> None:
        """Say something, as soon as the engine takes it."""
        if self.lost:
            return
        if len(self._waiting) >= WAITING_MAX:
            self.lost = f"the engine (pid {self._engine_pid}) takes nothing of what it is told"
            return
        self._waiting.append(RAILS_CODEC.encode(message))

    def flush(self) -> None:
        """Send what the window has room for."""
        while self._waiting and self._window.open and not self.lost:
            if not self._link.send(self._waiting[0]):
                return
            self._window.spend()
            self._waiting.popleft()

    def beat(self, beat: RailsBeat, *, is_changed: bool) -> None:
        """Say that rails live, where that is due, or something is given back."""
        now_s = time.monotonic()
        if not self.lost and (is_changed or now_s - self._beaten_s >= BEAT_S):
            self._beaten_s = now_s
            self._link.send(RAILS_CODEC.encode(beat))

    @property
    def taken(self) -> int:
        """Messages taken from the engine, but heartbeats."""
        return self._taken

    def received(self) -> Iterator[Message]:
        """Yield what has come.

        Raises
        ------
        ProtocolError
            If that is none of the protocol's messages.
        """
        if self.lost:
            return
        is_closed = self._link.closed_by_peer
        while (frames := self._link.receive()) is not None:
            message = RAILS_CODEC.decode(frames[0].buffer, bytes_max=FRAME_BYTES_MAX)
            self._heard_s, self._was_heard = time.monotonic(), True
            if isinstance(message, EngineBeat):
                self._window.release(message.taken)
            else:
                self._taken += 1
            yield message
        self._look(is_closed)

    def _look(self, is_closed: bool) -> None:
        self._link.note_gone()
        silent_s = time.monotonic() - self._heard_s
        if is_closed and self._was_heard:
            self.lost = f"the connection of the engine (pid {self._engine_pid}) has closed"
        elif os.getppid() != self._engine_pid:
            self.lost = f"the engine (pid {self._engine_pid}) is gone"
        elif silent_s > (self._silent_s if self._was_heard else _HELLO_S):
            self.lost = f"the engine (pid {self._engine_pid}) was silent for {silent_s:.1f} s"

    def close(self) -> None:
        """Close the connection."""
        self._link.close(linger=not self.lost)


class RailsHost:
    """One session in this process.

    Parameters
    ----------
    settings
    endpoint
        Where the engine is bound.
    engine_pid
        The parent of this process.
    """

    def __init__(self, settings: RailsSettings, endpoint: str, engine_pid: int) -> None:
        self._settings = settings
        self._clock = HostClock()
        self._line = EngineLine(endpoint, engine_pid, settings.waits.beat)
        self._signals: list[int] = []
        self._told_beat: tuple[Any, ...] = ()

    def run(self) -> str:
        """Host the session until it is over; return how it ended.

        Raises
        ------
        TapewireError
            If it can't begin, the journal can't be written, or the lease is lost.
        """
        folder = Path(self._settings.folder)
        make_private_folder(folder)
        now_ns = self._clock.now_ns()
        lease = Lease(folder, self._settings.account, now_ns)
        try:
            with atomic_file(folder / SETTINGS_FILE, mode=0o600) as file:
                file.write(msgspec.json.format(msgspec.json.encode(self._settings), indent=1))
            broker = open_broker(self._settings.broker)
            desk = RailsDesk(self._settings, lease, broker, self._line.tell, now_ns)
        except BaseException:
            lease.give_back()
            raise
        for number in (signal.SIGUSR1, signal.SIGTERM):
            signal.signal(number, self._note)
        try:
            return self._host(desk, broker, lease)
        except LeaseError:
            raise  # whoever has the account now speaks for its orders
        except BaseException:
            self._cancel_all(desk, broker)
            raise
        finally:
            self._line.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signals.append(number)

    def _host(self, desk: RailsDesk, broker: Broker, lease: Lease) -> str:
        self._line.open()
        self._line.tell(
            RailsHello(
                PROTOCOL_VERSION, os.getpid(), self._settings.account, desk.session, lease.epoch
            )
        )
        with selectors.DefaultSelector() as selector:
            for fd in self._line.fds:
                selector.register(fd, selectors.EVENT_READ)
            while not desk.is_over(self._clock.now_ns()):
                if not self._turn(desk):
                    self._wait(selector, broker)
        text = desk.close(desk.rules.halted, self._clock.now_ns())
        self._line.tell(RailsEnded(text))
        self._line.flush()
        return text

    def _turn(self, desk: RailsDesk) -> bool:
        """Take what has come and let the desk turn; whether there may be more at once."""
        is_busy = False
        try:
            for message in self._line.received():
                is_busy = True
                self._take(desk, message)
        except (ProtocolError, PeerLostError) as error:
            self._line.lost = f"the engine breaks the protocol: {error}"
        now_ns = self._clock.now_ns()
        while self._signals:
            if self._signals.pop() == signal.SIGUSR1:
                desk.kill("killed by SIGUSR1", now_ns)
            else:
                desk.end("ended by SIGTERM", self._settings.on_end, now_ns)
        if self._line.lost and not desk.rules.halted:
            desk.told(self._line.lost)
            desk.end(self._line.lost, self._settings.on_engine_lost, now_ns)
        desk.turn(now_ns)
        self._line.flush()
        state, text = desk.rules.standing()
        told = (
            self._line.taken, int(state), text[:1_000], len(desk.ledger.open),
            len(desk.ledger.unknown),
        )  # fmt: skip
        self._line.beat(RailsBeat(*told), is_changed=told != self._told_beat)
        self._told_beat = told
        return is_busy

    def _take(self, desk: RailsDesk, message: Message) -> None:
        now_ns = self._clock.now_ns()
        if isinstance(message, NewOrder | CancelOrder | ReplaceOrder):
            desk.command(message, now_ns)
        elif isinstance(message, EngineBeat):
            desk.markets.hear(message, now_ns)
        elif isinstance(message, MarketNow):
            if message.symbol in self._settings.instruments:
                desk.markets.learn(message, now_ns)
        elif isinstance(message, KillNow):
            desk.kill(f"killed by the engine: {message.text}", now_ns)
        elif isinstance(message, EndSession):
            desk.end("the session was ended", self._settings.on_end, now_ns)
        elif not (isinstance(message, EngineHello) and message.version == PROTOCOL_VERSION):
            raise ProtocolError(f"expected a message of an engine, found {message}")

    def _wait(self, selector: selectors.BaseSelector, broker: Broker) -> None:
        """Wait until the engine or the broker may have something to say."""
        fd = broker.fileno()
        if fd is None:
            selector.select(_WAIT_UNTOLD_S)
            return
        # It may have another one by now: a broker that connects again.
        with contextlib.suppress(KeyError, ValueError, OSError):
            selector.register(fd, selectors.EVENT_READ)
        try:
            selector.select(_WAIT_S)
        finally:
            with contextlib.suppress(KeyError, ValueError, OSError):
                selector.unregister(fd)

    def _cancel_all(self, desk: RailsDesk, broker: Broker) -> None:
        """Take back what is open, unjournaled: the last thing a desk can do that can't go on."""
        now_ns = self._clock.now_ns()
        for name in list(desk.ledger.open):
            with contextlib.suppress(Exception):
                broker.cancel(CancelOrder(name, now_ns))
        until_s = time.monotonic() + 1.0
        with contextlib.suppress(Exception):
            while time.monotonic() < until_s:
                broker.poll(0.05)
            broker.close()
