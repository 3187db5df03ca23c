"""Short-lived tokens that say who somebody is, and long ones that get new ones of those.

An access token is a JWT (RFC 7519) signed by HMAC with SHA-256; no other algorithm is taken, what
the token itself says of it does not count (RFC 8725, 3.1). It has the specification's claims. A
refresh token is 256 random bits, of which only a digest is kept, and is good once; behind them is
the number of the login, signed, so that one that was used long ago is known for what it is.
"""

import base64
import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tapewire.errors import ConfigError

ALGORITHM: Final = "HS256"
ISSUER: Final = "tapewire"
#: Of an access token, s.
ACCESS_S: Final = 900
#: Of a refresh token, s.
REFRESH_S: Final = 30 * 86_400
#: Bytes of the secret that signs: as many as the hash has (RFC 7518, 3.2).
SECRET_BYTES_MIN: Final = 32
#: Clocks of two hosts may differ by so much, s.
_LEEWAY_S: Final = 5
#: Tokens that are known to be signed by us; of those beyond, the first is verified again.
_VERIFIED_MAX: Final = 10_000
_REQUIRED: Final = ["sub", "role", "exp", "iat", "jti", "iss", "ver", "sid"]


@dataclass(frozen=True)
class Claims:
    """Whom a token is about.

    Attributes
    ----------
    user_id : str
        The token's ``sub``.
    name, email, role : str
    token_id : str
        The token's ``jti``.
    version : int
        How often the user's tokens were revoked before it was made; ``ver``.
    session : int
        The login that it goes back to; ``sid``.
    issued_s, expires_s : int
        Seconds since the epoch.
    """

    user_id: str
    name: str
    email: str
    role: str
    token_id: str
    version: int
    session: int
    issued_s: int
    expires_s: int


class BadTokenError(ConfigError):
    """A token that does not hold; says why without showing any of it."""


class TokenIssuer:
    """Signs and verifies access tokens.

    Parameters
    ----------
    secret
        At least 32 bytes.
    clock_s
        Seconds since the epoch.

    Raises
    ------
    ConfigError
        If the secret is too short.
    """

    def __init__(self, secret: bytes, clock_s: Callable[[], float]) -> None:
        if len(secret) < SECRET_BYTES_MIN:
            raise ConfigError(
                f"secret of tokens: expected at least {SECRET_BYTES_MIN} bytes, found {len(secret)}"
            )
        self._secret, self._clock_s = secret, clock_s
        # Verified once: a token is shown with each of its user's calls, and stays what it is.
        self._verified: OrderedDict[str, Claims] = OrderedDict()

    def issue(
        self, user_id: str, name: str, email: str, role: str, *, version: int = 0, session: int = 0
    ) -> tuple[str, int]:
        """Return a token that is good for `ACCESS_S`, and when it ends, s since the epoch."""
        import jwt

        now_s = int(self._clock_s())
        claims = {
            "sub": user_id, "name": name, "email": email, "role": role, "iss": ISSUER,
            "iat": now_s, "exp": now_s + ACCESS_S, "jti": _random_text(16), "ver": version,
            "sid": session,
        }  # fmt: skip
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM), now_s + ACCESS_S

    def refreshing(self, random: str, session: int) -> str:
        """Return the refresh token of a login: random bits, and whose they are."""
        return f"{random}.{session}.{self._proof(random, session)}"

    def session_of(self, refresh: str) -> int | None:
        """Return the login that a refresh token was once made for; None if it is none of ours."""
        random, _, rest = refresh.partition(".")
        number, _, proof = rest.partition(".")
        if not (number.isascii() and number.isdecimal() and len(number) < 10):
            return None
        expected = self._proof(random, int(number))
        return int(number) if hmac.compare_digest(proof.encode(), expected.encode()) else None

    def _proof(self, random: str, session: int) -> str:
        # Begins with what no token that is signed begins with: one is never good for the other.
        told = f"refresh {session} {random}".encode()
        return _text(hmac.digest(self._secret, told, "sha256"))

    def claims(self, token: str) -> Claims:
        """Verify a token.

        Raises
        ------
        BadTokenError
            If it has expired, was not signed by us, is of another issuer or has no such claims.
        """
        known = self._verified.get(token)
        if known is None:
            known = self._read(token)
            self._verified[token] = known
            if len(self._verified) > _VERIFIED_MAX:
                self._verified.popitem(last=False)
        now_s = self._clock_s()
        if now_s >= known.expires_s + _LEEWAY_S:
            raise BadTokenError(f"token: expired {now_s - known.expires_s:.0f} s ago; log in again")
        if known.issued_s > now_s + _LEEWAY_S:
            raise BadTokenError(
                f"token: is from {known.issued_s - now_s:.0f} s in the future; set the clocks right"
            )
        return known

    def _read(self, token: str) -> Claims:
        """Verify all of it but its times."""
        import jwt

        # Its times are held against the clock that was given, not the one of this host.
        looked_at: Any = {"require": _REQUIRED}
        looked_at |= {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
        try:
            found: dict[str, Any] = jwt.decode(
                token, self._secret, algorithms=[ALGORITHM], issuer=ISSUER,
                options=looked_at,
            )  # fmt: skip
        except jwt.InvalidTokenError as error:
            raise BadTokenError(
                f"token: expected one of this server, found another ({type(error).__name__}); "
                "log in again"
            ) from None
        numbers = [found[name] for name in ("iat", "exp", "ver", "sid")]
        texts = [found.get(name, "") for name in ("sub", "name", "email", "role", "jti")]
        whole = all(type(one) is int for one in numbers)
        if not whole or not all(isinstance(one, str) for one in texts):
            raise BadTokenError("token: expected claims of known types; log in again")
        issued_s, expires_s, version, session = numbers
        user_id, name, email, role, token_id = texts
        return Claims(user_id, name, email, role, token_id, version, session, issued_s, expires_s)


def new_refresh_token() -> str:
    """Return 256 random bits as text, without a dot."""
    return _random_text(32)


def token_digest(token: str) -> str:
    """Return what is kept of a refresh token: SHA-256, hexadecimal; random bits need no salt."""
    return hashlib.sha256(token.partition(".")[0].encode()).hexdigest()


def _random_text(count: int) -> str:
    return _text(os.urandom(count))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
