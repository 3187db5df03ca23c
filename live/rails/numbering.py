"""Ids that new orders of a session may have: numbers go up, so that none is used twice."""

from tapewire.live.rails.winding import OWN_NUMBER_FIRST
from tapewire.live.soundness import client_order_id


class OrderNumbers:
    """The numbers of one session's orders, as its engine gives them.

    Parameters
    ----------
    session
        Unique for ever in the account: so is an id, without any list of those that were used.
    """

    def __init__(self, session: str) -> None:
        self._session = session
        self._last = -1

    def take(self, name: str) -> str:
        """Take an id; return why no new order may have it, empty if it may."""
        session, _, digits = name.rpartition("-")
        if session != self._session or not (digits.isdecimal() and digits.isascii()):
            return f"CLIENT_ORDER_ID: expected {self._session}-NUMBER, found {name}"
        number = int(digits)
        if not self._last < number < OWN_NUMBER_FIRST:
            return (
                f"CLIENT_ORDER_ID: expected a number above {self._last} and below "
                f"{OWN_NUMBER_FIRST}, found {number}: numbers go up, and none is used twice"
            )
        if client_order_id(session, number) != name:
            return f"CLIENT_ORDER_ID: expected {session}-{number}, found {name}"
        self._last = number
        return ""
