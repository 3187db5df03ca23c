"""The sender of a stream as a receiver hears it: its messages, its silence, its own errors."""

from collections.abc import Callable
from typing import Final, NoReturn

import zmq

from tapewire import errors
from tapewire.errors import ProtocolError, TapewireError
from tapewire.wire import messages as msg
from tapewire.wire.link import Link
from tapewire.wire.liveness import Presence
from tapewire.wire.network import LIBZMQ, Network

_ERROR_KINDS: Final = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, TapewireError)
}


class Sender(Presence):
    """What goes over the link to a sender, and what comes from it.

    Parameters
    ----------
    link
        The connection to it.
    timeout_s
        A sender silent for so long (s) is lost.
    tick
        Called before every wait; may raise to end it.
    network
        Whose time it is.

    Attributes
    ----------
    message_bytes
        Size of the last control message that was read.
    """

    def __init__(
        self, link: Link, timeout_s: float, tick: Callable[[], None], network: Network = LIBZMQ
    ) -> None:
        super().__init__(f"the replay process at {link.endpoint}", timeout_s)
        self.message_bytes = 0
        self._link = link
        self._tick = tick
        self._now_s = network.now_s
        self._over = False

    def say(self, message: msg.Message) -> bool:
        """Send if the sender is there to take it; a lost one is noticed by the next wait."""
        if not self._link.send(msg.encode_message(message)):
            return False
        self.said(self._now_s())
        return True

    def leave(self, reason: str) -> None:
        """Say goodbye, once; the reason is empty after a complete stream."""
        if not self._over:
            self.say(msg.Goodbye(reason))
            self._over = True

    def receive(self) -> list[zmq.Frame] | None:
        """Take a message that has arrived, or None."""
        frames = self._link.receive()
        if frames is not None:
            self.heard(self._now_s())
        return frames

    def wait(self, timeout_s: float) -> list[zmq.Frame] | None:
        """Wait for a message; None if there is none in time, or the connection has closed."""
        self._tick()
        return self.receive() if self._link.wait(timeout_s) else None

    def read(self, frames: list[zmq.Frame]) -> msg.Message:
        """Read a control message; of an error, raise it.

        Raises
        ------
        ProtocolError
            If it is none.
        TapewireError
            The sender's own error, by its class and text.
        """
        if len(frames) != 1:
            raise ProtocolError(
                f"a message of {len(frames)} frames from {self}, expected a batch or a "
                "control message"
            )
        self.message_bytes = len(frames[0])
        message = msg.decode_message(frames[0].buffer, bytes_max=msg.LARGE_MESSAGE_BYTES_MAX)
        if isinstance(message, msg.Error):
            self._raise(message)
        return message

    def _raise(self, message: msg.Error) -> NoReturn:
        self._over = True
        kind = _ERROR_KINDS.get(message.kind)
        if kind is None:
            raise ProtocolError(
                f"{self} failed with an unknown kind of error {message.kind[:60]!r}: "
                f"{message.message}"
            )
        raise kind(message.message)

    @property
    def gone(self) -> bool:
        """Whether its connection has closed; what had come before may still be received."""
        return self._link.closed_by_peer

    def require_no_overrun(self) -> None:
        """Give up on a sender whose connection was shut down for its bytes.

        Raises
        ------
        ProtocolError
            If it was.
        """
        if self._link.overrun is not None:
            raise ProtocolError(f"{self} {self._link.overrun}")

    def unexpected(self, message: msg.Message, expected: str, batches: int) -> ProtocolError:
        """Return the error of a message out of turn, after so many batches."""
        return ProtocolError(
            f"expected {expected} from {self} after batch {batches}, found "
            f"{type(message).__name__.lower()}"
        )
