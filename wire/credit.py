"""Credit: how many messages may be under way to a receiver, as each end counts them.

The receiver grants a window; the sender spends of it with every message and never has more under
way; the receiver gives back what it is done with, by the number of all messages it has ever been
done with, so that a credit that is lost or late costs nothing but time. Without sockets.
"""

from tapewire.errors import ProtocolError


class CreditWindow:
    """The sender's count for one receiver.

    Attributes
    ----------
    window
        Messages that may be under way at once.
    sent, released
        Messages sent so far; how many of them the receiver is done with.
    """

    __slots__ = ("released", "sent", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        self.sent = 0
        self.released = 0

    @property
    def open(self) -> bool:
        """Whether one more message may be sent."""
        return self.sent - self.released < self.window

    @property
    def idle(self) -> bool:
        """Whether the receiver is done with all that was sent."""
        return self.sent == self.released

    def spend(self) -> None:
        """Count a message that is about to be sent.

        Raises
        ------
        RuntimeError
            If the receiver has not granted it: the sender has to wait until the window is open.
        """
        if self.sent - self.released >= self.window:
            raise RuntimeError(
                f"{self.sent - self.released} messages are under way and {self.window} granted: "
                "wait for credit before the next one"
            )
        self.sent += 1

    def release(self, released: int, what: str = "messages") -> None:
        """Take credit: the receiver is done with all ``what`` before number ``released``.

        Raises
        ------
        ProtocolError
            If it takes back credit or gives it for what was never sent.
        """
        if not self.released <= released <= self.sent:
            raise ProtocolError(
                f"credit for {what} before {released}, expected {self.released} to {self.sent}"
            )
        self.released = released

    def release_all(self) -> None:
        """Take it that the receiver is done with everything."""
        self.released = self.sent


class CreditReturn:
    """The receiver's count: what it is done with, and what of that the sender knows.

    Attributes
    ----------
    window
        Messages that may be under way at once.
    released, returned
        Messages done with so far; how many of them the sender was told of.
    """

    __slots__ = ("released", "returned", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        self.released = 0
        self.returned = 0

    def release(self) -> bool:
        """Count a message as done with; return whether it is time to say so, with others.

        In halves: a window of one is given back at once, a wider one in two messages, while the
        other half of it keeps the sender busy. Who is about to wait gives back whatever is owed.
        """
        self.released += 1
        return (self.released - self.returned) * 2 >= self.window

    @property
    def owed(self) -> bool:
        """Whether there is credit that the sender does not know of."""
        return self.returned < self.released

    def told(self) -> None:
        """Take note that the sender was told of everything up to here."""
        self.returned = self.released
