"""How a receiver joins a stream: hello, welcome, symbol mappings, shared memory, ready."""

import math
import os
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from tapewire.errors import EndpointError, PeerLostError, ProtocolError
from tapewire.wire import messages as msg
from tapewire.wire.checks import require_sane
from tapewire.wire.frames import WIRE_VERSION
from tapewire.wire.link import Link
from tapewire.wire.network import LIBZMQ, Network
from tapewire.wire.sender import Sender
from tapewire.wire.slots import SlotsReader, boot_id
from tapewire.wire.sockets import WAIT_SLICE_S

#: Somebody who waits is told so after this long (s).
NOTICE_S: Final = 2.0


class Joined(NamedTuple):
    """What came of it; the receiver has yet to say that it is ready."""

    welcome: msg.Welcome
    info: msg.StreamInfo  # with all symbol mappings and the payload as agreed
    slots: SlotsReader | None  # with shared payload


class Joining:
    """One attempt to join.

    Parameters
    ----------
    payload, credits, name
        What the hello says of this end.
    timeout_s
        How long (s) to wait for the sender to be there and say welcome, whatever else it says.
    notice
        Called once with a sentence if nobody has said welcome after ``NOTICE_S``.
    network
        Whose time it is.

    Attributes
    ----------
    welcomed
        Whether a sender has said welcome, whatever came of it.
    """

    def __init__(
        self,
        link: Link,
        sender: Sender,
        *,
        payload: msg.PayloadChoice,
        credits: int,
        name: str,
        timeout_s: float,
        notice: Callable[[str], None],
        network: Network = LIBZMQ,
    ) -> None:
        self._link = link
        self._sender = sender
        self._payload: msg.PayloadChoice = payload
        self._credits = credits
        self._name = name
        self._timeout_s = timeout_s
        self._deadline_s = math.inf
        self._notice = notice
        self._now_s = network.now_s
        self.welcomed = False

    def join(self) -> Joined:
        """Say hello and settle what there is to settle.

        Raises
        ------
        EndpointError
            If nobody answers in time, or shared memory was demanded and can't be had.
        PeerLostError
            If the sender answered and is gone or fell silent.
        ProtocolError
            If the sender breaks the protocol or speaks another version.
        """
        hello = msg.Hello(
            WIRE_VERSION, self._name, os.getpid(), boot_id(), self._payload, self._credits
        )
        self._sender.say(hello)
        self._deadline_s = self._now_s() + self._timeout_s
        welcome = self._await_welcome()
        self.welcomed = True
        self._sender.name = f"the {welcome.name} process (pid {welcome.pid})"
        mappings = self._all_mappings(welcome)
        slots = self._map_slots(welcome)
        payload: msg.Payload = "inline" if slots is None else "shared"
        info = msgspec.structs.replace(welcome.info, mappings=mappings, payload=payload)
        return Joined(welcome, info, slots)

    def _await_welcome(self) -> msg.Welcome:
        """Wait for the sender; say so if that takes more than a moment."""
        notice_s = self._now_s() + NOTICE_S
        while True:
            message = self._next(notice_s)
            if message is None:
                notice_s = math.inf
                self._notice(self._waiting())
            elif isinstance(message, msg.Welcome):
                require_sane(message, self._sender.name, self._credits)
                self._link.settle()
                return message
            elif not isinstance(message, msg.Heartbeat):
                raise self._sender.unexpected(message, "a welcome", 0)

    def _all_mappings(self, welcome: msg.Welcome) -> tuple[msg.SymbolMapping, ...]:
        """Ask for the symbol mappings that the welcome has no room for."""
        mappings = list(welcome.info.mappings)
        allowed_bytes = msg.MAPPINGS_BYTES_MAX
        while len(mappings) < welcome.mappings:
            self._sender.say(msg.More(len(mappings)))
            message: msg.Message | None = msg.Heartbeat()
            while isinstance(message, msg.Heartbeat):
                message = self._next()
            if not isinstance(message, msg.Mappings):
                assert message is not None
                raise self._sender.unexpected(message, "symbol mappings", 0)
            mappings += message.mappings
            allowed_bytes -= self._sender.message_bytes
            if len(mappings) > welcome.mappings or allowed_bytes < 0:
                raise ProtocolError(
                    f"expected {welcome.mappings} symbol mappings in at most "
                    f"{msg.MAPPINGS_BYTES_MAX} bytes from {self._sender}, found more"
                )
        return tuple(mappings)

    def _map_slots(self, welcome: msg.Welcome) -> SlotsReader | None:
        """Map the sender's slots, if that is wanted and can be done."""
        if self._payload == "inline" or welcome.offer is None:
            why = "the sender offers none"
        else:
            try:
                return SlotsReader(
                    welcome.offer, welcome.pid, welcome.slots, welcome.info.batch_records
                )
            except OSError as error:
                why = str(error)
        if self._payload == "shared":
            reason = f"no shared memory with the sender: {why}"
            self._sender.leave(reason)
            raise EndpointError(f"{reason}; use payload: auto or inline")
        return None

    def _next(self, notice_s: float = math.inf) -> msg.Message | None:
        """Wait for a message until the deadline; None when the notice is due."""
        sender = self._sender
        while True:
            gone = sender.was_heard and sender.gone
            frames = sender.wait(0.0 if gone else WAIT_SLICE_S)
            now_s = self._now_s()
            if frames is not None and now_s <= self._deadline_s:
                return sender.read(frames)
            sender.require_no_overrun()
            if gone:
                raise PeerLostError(f"{sender} is gone before the stream began")
            sender.require_heard(now_s, "before the stream began")
            if now_s > self._deadline_s:
                raise EndpointError(self._no_welcome())
            if now_s > notice_s:
                return None

    def _waiting(self) -> str:
        who = "no replay welcomes this run" if self._link.connected else "nobody answers"
        at = self._link.endpoint
        return (
            f"{who} at {at} yet: waiting for up to {self._timeout_s:g} s; start "
            f"`tapewire replay FILES --bind {at}` in another terminal, or check the address"
        )

    def _no_welcome(self) -> str:
        if self._sender.was_heard:
            return (
                f"{self._sender} answered, but did not begin the stream within "
                f"{self._timeout_s:g} s"
            )
        return (
            f"nobody answered at {self._link.endpoint!r} within {self._timeout_s:g} s: start "
            "the replay there, or check the address"
        )
