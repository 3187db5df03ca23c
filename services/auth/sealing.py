"""Keys of exchanges, sealed with AES-256-GCM for the one who owns them.

A sealed key says with which of our keys it was sealed, so that these can be changed; the owner is
associated data, so that a row that was moved to somebody else does not open.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tapewire.errors import ConfigError

KEY_BYTES: Final = 32
#: Of GCM (NIST SP 800-38D, 8.2.2: 96 random bits, fewer than 2^32 uses of a key).
_NONCE_BYTES: Final = 12
#: The environment's variable that has them: ``id:base64,id:base64``, the newest first.
VARIABLE: Final = "TAPEWIRE_SECRET_KEYS"


@dataclass(frozen=True)
class SealedKey:
    """What is kept of a secret.

    Attributes
    ----------
    key_id : str
        Of the key that sealed it.
    nonce, ciphertext : bytes
        The latter with its tag.
    """

    key_id: str
    nonce: bytes
    ciphertext: bytes


class KeyRing:
    """Keys that seal and open: the first seals, all open.

    Parameters
    ----------
    keys
        Id → 32 bytes, the newest first.

    Raises
    ------
    ConfigError
        If there is none, or one has another length.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise ConfigError(f"{VARIABLE}: expected at least one key, found none")
        for name, key in keys.items():
            if len(key) != KEY_BYTES:
                raise ConfigError(
                    f"{VARIABLE}: expected {KEY_BYTES} bytes as key {name!r}, found {len(key)}"
                )
        self._keys = dict(keys)
        self._newest = next(iter(self._keys))

    @classmethod
    def of_text(cls, text: str) -> "KeyRing":
        """Read ``id:base64,id:base64``; no part of a key is ever in an error."""
        keys: dict[str, bytes] = {}
        for place, part in enumerate(text.split(","), 1):
            name, colon, encoded = part.strip().partition(":")
            if not (name and colon):
                raise ConfigError(f"{VARIABLE}: expected id:base64 as part {place}")
            if name in keys:
                raise ConfigError(f"{VARIABLE}: expected each id once, found {name!r} twice")
            try:
                keys[name] = base64.b64decode(encoded, validate=True)
            except (ValueError, binascii.Error):
                raise ConfigError(f"{VARIABLE}: expected base64 as key {name!r}") from None
        return cls(keys)

    def seal(self, secret: bytes, owner: str) -> SealedKey:
        """Seal a secret for its owner with the newest key."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self._keys[self._newest]).encrypt(nonce, secret, _bound(owner))
        return SealedKey(self._newest, nonce, sealed)

    def open(self, sealed: SealedKey, owner: str) -> bytes:
        """Return the secret.

        Raises
        ------
        ConfigError
            If its key is not here, or it is not this owner's, or was altered.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._keys.get(sealed.key_id)
        if key is None:
            raise ConfigError(
                f"{VARIABLE}: expected the key {sealed.key_id!r}, which sealed this secret, "
                f"found {', '.join(map(repr, self._keys))}"
            )
        try:
            return AESGCM(key).decrypt(sealed.nonce, sealed.ciphertext, _bound(owner))
        except InvalidTag:
            raise ConfigError(
                "secret: expected one of this owner as it was sealed, found another or an altered "
                "one; store it again"
            ) from None

    @property
    def newest(self) -> str:
        """Id of the key that seals."""
        return self._newest

    def is_newest(self, sealed: SealedKey) -> bool:
        """Whether the newest key sealed it; else open it and seal it again."""
        return sealed.key_id == self._newest


def _bound(owner: str) -> bytes:
    return b"tapewire exchange key of " + owner.encode()
