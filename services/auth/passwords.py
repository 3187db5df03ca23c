"""Passwords as argon2id hashes, computed off the event loop, so many at a time and no more."""

import asyncio
from typing import Final, Protocol

from tapewire.errors import ConfigError

#: Characters of a password.
LENGTH_MIN: Final = 12
LENGTH_MAX: Final = 1_024
#: Hashes that are computed at a time: each takes 19 MiB and tens of milliseconds of a core.
CONCURRENT_MAX: Final = 2
#: OWASP's second choice of argon2id (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane.
_MEMORY_KIB: Final = 19_456
_PASSES: Final = 2
_LANES: Final = 1


class _Argon(Protocol):
    def hash(self, password: str) -> str: ...
    def verify(self, hash: str, password: str) -> bool: ...
    def check_needs_rehash(self, hash: str) -> bool: ...


class PasswordHasher:
    """Argon2id with the parameters of this version; older hashes are verified with their own."""

    def __init__(self) -> None:
        from argon2 import PasswordHasher as Argon

        self._argon: _Argon = Argon(_PASSES, _MEMORY_KIB, _LANES)
        # Verified where nobody has a name that was given: an unknown name takes as long as another.
        self._of_nobody = self._argon.hash("the password of nobody at all")

    def hashed(self, password: str) -> str:
        """Return the hash of a new password, with its salt and parameters in it.

        Raises
        ------
        ConfigError
            If it is too short or too long.
        """
        if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
            raise ConfigError(
                f"password: expected {LENGTH_MIN} to {LENGTH_MAX:,} characters, "
                f"found {len(password):,}"
            )
        return self._argon.hash(password)

    def fits(self, kept: str | None, password: str) -> bool:
        """Whether a password is that of a hash; None, for a name that nobody has, never fits."""
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            fitted = self._argon.verify(kept or self._of_nobody, password[: LENGTH_MAX + 1])
        except (VerificationError, InvalidHashError):
            return False
        return fitted and kept is not None and len(password) <= LENGTH_MAX

    def is_outdated(self, kept: str) -> bool:
        """Whether a hash was made with other parameters than one would be today."""
        return self._argon.check_needs_rehash(kept)


class Passwords:
    """The same for an event loop: in threads, at most `CONCURRENT_MAX` at a time.

    Parameters
    ----------
    hasher
        None: the usual one.
    waiting_max
        Who comes while so many wait is sent away.
    """

    def __init__(self, hasher: PasswordHasher | None = None, *, waiting_max: int = 32) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = asyncio.Semaphore(CONCURRENT_MAX)
        self._waiting, self._waiting_max = 0, waiting_max

    async def fits(self, kept: str | None, password: str) -> bool | None:
        """Whether a password is that of a hash; None: too many are waiting already."""
        if self._waiting >= self._waiting_max:
            return None
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(self._hasher.fits, kept, password)
        finally:
            self._waiting -= 1

    async def hashed(self, password: str) -> str:
        """Return the hash of a new password."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hashed, password)
