"""Logins: a name and a password for tokens, tokens for whom they are about."""

import datetime as dt
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tapewire.errors import LoginEndedError
from tapewire.services.auth.passwords import Passwords
from tapewire.services.auth.rates import Limits, RateLimiter
from tapewire.services.auth.shared import SharedState
from tapewire.services.auth.tokens import (
    REFRESH_S,
    BadTokenError,
    Claims,
    TokenIssuer,
    new_refresh_token,
    token_digest,
)
from tapewire.services.server.database import Database
from tapewire.services.server.failures import CallFailure
from tapewire.services.server.guarding import Refused
from tapewire.store.people import UserRecord

#: How long an answer of the store, whether a login lasts, is believed, s: a revoked token may be
#: good for so long at another gateway.
BELIEVED_S: Final = 5.0
_BELIEVED_MAX: Final = 10_000
_NEVER: Final = (0.0, None)
#: Failed logins of a name: five at once, then one in ten seconds; of an address, behind which
#: there may be many people: twenty, then one a second.
_OF_NAME: Final = (0.1, 5)
_OF_ADDRESS: Final = (1.0, 20)
#: Their tables of what gateways share.
_NAMES: Final = 2
_ADDRESSES: Final = 3


@dataclass(frozen=True)
class IssuedTokens:
    """What somebody gets who has logged in; times in s since the epoch."""

    access: str
    access_expires_s: int
    refresh: str
    refresh_expires_s: int


class Identity:
    """Who is known, by what.

    Parameters
    ----------
    database
    issuer
        Of tokens.
    clock_s
        Seconds since the epoch.
    shared
        What gateways of one server know together; None: there is one alone.
    """

    def __init__(
        self,
        database: Database,
        issuer: TokenIssuer,
        clock_s: Callable[[], float] = time.time,
        *,
        shared: SharedState | None = None,
    ) -> None:
        self._database, self._issuer, self._clock_s = database, issuer, clock_s
        self._passwords = Passwords()
        self._believed: OrderedDict[tuple[str, int, int, str], tuple[float, UserRecord]]
        self._believed = OrderedDict()
        self._shared, self._epoch, self._forgotten = shared, 0, 0
        self._by_name: Limits
        self._by_address: Limits
        if shared is None:
            self._by_name = RateLimiter(*_OF_NAME, time.monotonic)
            self._by_address = RateLimiter(*_OF_ADDRESS, time.monotonic)
        else:
            self._by_name = shared.limiter(_NAMES, *_OF_NAME, time.monotonic)
            self._by_address = shared.limiter(_ADDRESSES, *_OF_ADDRESS, time.monotonic)

    @property
    def passwords(self) -> Passwords:
        """Who hashes them."""
        return self._passwords

    async def login(
        self, name: str, password: str, address: str
    ) -> tuple[IssuedTokens, UserRecord]:
        """Check a name and a password.

        Raises
        ------
        Refused
            If they do not fit, which of the two is not said; or too many failed before.
        """
        user = await self._user_with(name, password, address, "login_failed")
        session = None
        if user is not None:
            user_id, version = user.id, user.token_version
            random = new_refresh_token()
            now_s, digest = self._clock_s(), token_digest(random)
            until_s = int(now_s) + REFRESH_S
            session = await self._database.ask(
                "open_session",
                lambda store: store.open_session(
                    user_id, digest, _moment(until_s), version=version
                ),
            )
        if user is None or session is None:
            raise Refused(
                CallFailure("UNAUTHENTICATED", "BAD_LOGIN", "no user has that name and password", 2)
            )
        return self._issued(user, session, random, until_s), user

    async def change_password(
        self, claims: Claims, address: str, current: str, following: str
    ) -> None:
        """Give somebody another password, who has the one of now; all their logins end.

        Raises
        ------
        Refused
            If the one of now does not fit, or too many logins failed before.
        ConfigError
            If the other one is too short or too long.
        """
        user = await self._user_with(claims.name, current, address, "password_failed")
        if user is None:
            raise Refused(
                CallFailure(
                    "INVALID_ARGUMENT", "BAD_PASSWORD",
                    "current password: expected the caller's, found another one", 2,
                )
            )  # fmt: skip
        kept = await self._passwords.hashed(following)
        await self._database.ask(
            "set_user", lambda store: store.set_user(user.id, password_hash=kept, by=user.name)
        )
        self.forget()

    async def _user_with(
        self, name: str, password: str, address: str, failed: str
    ) -> UserRecord | None:
        """Return who has a name and a password; that nobody has is noted, and None.

        Raises
        ------
        Refused
            If too many failed before.
        """
        self._within(name, address)
        # No user has a name that can't be shown, and not every database takes it for one.
        user = None
        if name.isprintable():
            user = await self._database.ask("user", lambda store: store.user(name))
        kept = user.password_hash if user is not None and user.is_active else None
        fits = await self._passwords.fits(kept, password)
        if fits is None:
            raise Refused(
                CallFailure("UNAVAILABLE", "BUSY", "too many logins at a time: try again")
            )
        if not fits or user is None:
            shown, details = _shown(name), {"address": address}
            await self._database.ask(
                "note", lambda store: store.note(shown, failed, shown, details)
            )
            return None
        self._by_name.give_back(name)
        self._by_address.give_back(address)
        return user

    def _within(self, name: str, address: str) -> None:
        """Count a login as failed, until it has not, so that many at a time are counted, too."""
        for limiter, key in ((self._by_name, name), (self._by_address, address)):
            if wait_s := limiter.wait_s(key):
                sentence = f"too many logins that failed: wait {wait_s:.0f} s"
                raise Refused(CallFailure("RESOURCE_EXHAUSTED", "LOGIN_RATE", sentence))

    async def refresh(self, token: str) -> IssuedTokens:
        """Give new tokens for a refresh token, which is used up by that."""
        fresh = new_refresh_token()
        now_s = self._clock_s()
        until_s = int(now_s) + REFRESH_S
        shown, kept = token_digest(token), token_digest(fresh)
        made_for = self._issuer.session_of(token)
        try:
            session, user = await self._database.ask(
                "renew_session",
                lambda store: store.renew_session(
                    shown, kept, _moment(now_s), _moment(until_s), made_for=made_for
                ),
            )
        except LoginEndedError as error:
            raise Refused(CallFailure("UNAUTHENTICATED", "BAD_TOKEN", str(error), 2)) from None
        return self._issued(user, session, fresh, until_s)

    async def logout(self, claims: Claims) -> None:
        """End the login that a token goes back to."""
        await self._database.ask(
            "end_session", lambda store: store.end_session(claims.session, by=claims.name)
        )
        self.forget()

    async def claims_of(self, token: str) -> Claims:
        """Say whom a token is about, if its login lasts and its user is what the token says."""
        claims = self._issuer.claims(token)
        if self._known(claims) is None:
            await self._looked_up(claims)
        return claims

    async def user_of(self, claims: Claims) -> UserRecord:
        """Return the user that a token is about, as the store knew them `BELIEVED_S` ago or later.

        Raises
        ------
        BadTokenError
            If it was revoked meanwhile.
        """
        return self._known(claims) or await self._looked_up(claims)

    def _known(self, claims: Claims) -> UserRecord | None:
        """Return a user whom the store was asked about not long ago, by one of their tokens."""
        if self._shared is not None and self._shared.epoch != self._epoch:
            self._epoch = self._shared.epoch
            self._believed.clear()
        until_s, user = self._believed.get(_key(claims), _NEVER)
        return user if until_s > time.monotonic() else None

    async def _looked_up(self, claims: Claims) -> UserRecord:
        now_s, today = time.monotonic(), _moment(self._clock_s())
        asked, user_id = self._forgotten, _id_of(claims)
        user = await self._database.look_up("user", lambda store: store.user(user_id))
        lasts = await self._database.look_up(
            "session", lambda store: store.has_session(claims.session, user_id, today)
        )
        holds = user is not None and user.is_active and user.role == claims.role
        if user is None or not holds or user.token_version != claims.version or not lasts:
            raise BadTokenError("token: was revoked; log in again")
        # What was forgotten while a thread was asking may have changed since it was answered.
        if asked == self._forgotten:
            self._believed[_key(claims)] = now_s + BELIEVED_S, user
            while len(self._believed) > _BELIEVED_MAX:
                self._believed.popitem(last=False)
        return user

    def forget(self) -> None:
        """Ask the store again of every token, here and at the other gateways."""
        self._forgotten += 1
        self._believed.clear()
        if self._shared is not None:
            self._shared.advance()

    def _issued(self, user: UserRecord, session: int, random: str, until_s: int) -> IssuedTokens:
        refresh = self._issuer.refreshing(random, session)
        access, ends_s = self._issuer.issue(
            str(user.id), user.name, user.email, user.role, version=user.token_version,
            session=session,
        )  # fmt: skip
        return IssuedTokens(access, ends_s, refresh, until_s)


def _shown(name: str) -> str:
    """Return a name that somebody gave, as a log of any database can have it."""
    return "".join(one if one.isprintable() else "?" for one in name[:64])


def _key(claims: Claims) -> tuple[str, int, int, str]:
    return claims.user_id, claims.session, claims.version, claims.role


def _id_of(claims: Claims) -> int:
    if not (claims.user_id.isascii() and claims.user_id.isdecimal() and len(claims.user_id) < 10):
        raise BadTokenError("token: expected one of a user of this store; log in again")
    return int(claims.user_id)


def _moment(seconds: float) -> dt.datetime:
    """UTC without a zone, as the store has it."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).replace(tzinfo=None)
