"""Who makes a call, and how one ends before it began."""

import contextvars
from dataclasses import dataclass
from typing import Protocol

from tapewire.services.auth.tokens import Claims
from tapewire.services.server.failures import CallFailure


@dataclass(frozen=True)
class Caller:
    """Who makes a call.

    Attributes
    ----------
    claims : Claims, optional
        None where nobody has to be known.
    address : str
        Of the connection, without the port.
    request_id : str
        Of this call; in every line of the log about it.
    """

    claims: Claims | None
    address: str
    request_id: str

    @property
    def name(self) -> str:
        """Of the user, or the address."""
        return self.claims.name if self.claims else self.address


CALLER: contextvars.ContextVar[Caller] = contextvars.ContextVar("caller")


class KnowsTokens(Protocol):
    """Whoever tells whom a token is about."""

    async def claims_of(self, token: str) -> Claims:
        """Return its claims.

        Raises
        ------
        BadTokenError
            If it does not hold, or was revoked.
        """

    async def user_of(self, claims: Claims) -> object:
        """Return the user that a token was about, which may have expired meanwhile.

        Raises
        ------
        BadTokenError
            If it was revoked.
        """


class Refused(Exception):
    """A call that ends before it began."""

    def __init__(self, failure: CallFailure) -> None:
        super().__init__(failure.sentence)
        self.failure = failure
