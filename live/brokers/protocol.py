"""What an adapter of a broker is: commands go in, events come out, and nothing waits.

Who hosts one calls `poll` again and again, at least once a second: it is where bytes are read,
heartbeats are sent and deadlines are kept. An adapter has no threads, takes no decision and sends
nothing twice: an order whose outcome it does not know is told as such, and never sent again.
"""

from collections.abc import Sequence
from typing import Protocol

from tapewire.live.orders import BrokerEvent, CancelOrder, NewOrder, ReplaceOrder


class Broker(Protocol):
    """An adapter of one account at one broker.

    A cut is told by `OrderUnclear` for each order that something was sent of without an answer,
    then by `BrokerDown`. What became of them, the broker says by itself in the next session, or in
    a report.
    """

    def connect(self) -> None:
        """Begin a session: `BrokerUp` comes of it, or `BrokerDown`.

        Each call is one try. One that follows a failed one too soon waits a little first. Where
        there is a session, nothing happens.

        Raises
        ------
        ConfigError
            If there can be none as things are configured.
        """

    def submit(self, order: NewOrder) -> None:
        """Send an order.

        One that can't be said to this broker is told as `OrderDenied`, one whose name was sent
        before as `BrokerNotice`: neither is sent.

        Raises
        ------
        BrokerDownError
            If there is no session: nothing was sent.
        BrokerError
            If it is no sound order (`require_sound`).
        """

    def cancel(self, request: CancelOrder) -> None:
        """Ask for an order to be taken back; raises as `submit` does.

        Of an order that the adapter does not know (of an earlier process, and no report has told of
        it yet) comes `CancelRejected`.
        """

    def replace(self, request: ReplaceOrder) -> None:
        """Ask for an order to be changed; raises as `submit` does."""

    def poll(self, wait_s: float) -> list[BrokerEvent]:
        """Return what has happened, in order; wait for something at most so long (s).

        What a call has returned counts as taken with the next one: a process that is killed between
        the two is told again.
        """

    def request_report(self, since_ns: int, unsettled: Sequence[NewOrder] = ()) -> None:
        """Ask for the account as the broker has it: an `AccountReport` comes of it.

        Parameters
        ----------
        since_ns
            Fills before are not wanted, ns since the epoch.
        unsettled
            Orders whose outcome is unknown: the broker is asked for each by its name. One that it
            does not have is in the report as REJECTED, without fills.

        Raises
        ------
        BrokerDownError
            If there is no session.
        """

    def fileno(self) -> int | None:
        """Return what a selector can wait on until there is something to read, if there is one."""

    def close(self) -> None:
        """End the session, within a few seconds, and let go of everything. Orders stay."""
