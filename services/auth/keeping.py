"""Keys of exchanges, sealed on their way into a store and opened on their way out of it."""

from typing import Final

from tapewire.errors import ConfigError
from tapewire.services.auth.sealing import KeyRing, SealedKey
from tapewire.store import Store
from tapewire.store.people import UserRecord
from tapewire.store.vault import (
    KeyRecord,
    SealedRow,
    add_key,
    reseal_keys,
    sealed_key,
)

#: Bytes of a secret.
SECRET_BYTES_MAX: Final = 4_096


def owner_of(store: Store, name: str) -> UserRecord:
    """Return a user by name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    user = store.user(name)
    if user is None:
        raise ConfigError(f"user: expected one of {store.url}, found none named {name[:64]!r}")
    return user


def keep(
    store: Store, ring: KeyRing, owner_id: int, name: str, exchange: str, secret: bytes, *, by: str
) -> KeyRecord:
    """Seal a secret for its owner, and keep it.

    Raises
    ------
    ConfigError
        If it is empty or too long.
    StoreError
        If its owner has one of that name.
    """
    if not 1 <= len(secret) <= SECRET_BYTES_MAX:
        raise ConfigError(
            f"secret: expected 1 to {SECRET_BYTES_MAX:,} bytes, found {len(secret):,}"
        )
    return add_key(store, name, exchange, _row(owner_id, ring.seal(secret, str(owner_id))), by=by)


def taken(store: Store, ring: KeyRing, owner_id: int, name: str, *, by: str) -> bytes:
    """Open a secret for what trades for its owner; that it was taken is noted.

    Raises
    ------
    ConfigError
        If the ring does not open it.
    StoreError
        If there is none of that name.
    """
    row = sealed_key(store, owner_id, name, by=by)
    return ring.open(_key(row), str(row.owner_id))


def rotated(store: Store, ring: KeyRing, *, by: str) -> int:
    """Seal with the ring's newest key what an older one has sealed; return how many there were.

    Raises
    ------
    ConfigError
        If the ring does not open one of them: then nothing is changed.
    """

    def again(row: SealedRow) -> SealedRow | None:
        sealed = _key(row)
        if ring.is_newest(sealed):
            return None
        owner = str(row.owner_id)
        return _row(row.owner_id, ring.seal(ring.open(sealed, owner), owner))

    return reseal_keys(store, again, by=by)


def _row(owner_id: int, sealed: SealedKey) -> SealedRow:
    return SealedRow(owner_id, sealed.key_id, sealed.nonce, sealed.ciphertext)


def _key(row: SealedRow) -> SealedKey:
    return SealedKey(row.sealing_key_id, row.nonce, row.sealed)
