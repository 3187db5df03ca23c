"""Secrets of users as they are kept: sealed, with who owns them; none is ever opened here."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from tapewire.errors import StoreError
from tapewire.store.bulk import in_utc, text_of
from tapewire.store.keeping import log
from tapewire.store.opening import OpenedStore
from tapewire.store.schema import keys, users

#: Letters of a key's name, and of an exchange's.
NAME_LETTERS_MAX: Final = 64
#: Keys of one user.
KEYS_MAX: Final = 100


@dataclass(frozen=True)
class SealedRow:
    """A secret as a store has it.

    Attributes
    ----------
    owner_id : int
    sealing_key_id : str
        Of the key that sealed it.
    nonce, sealed : bytes
    """

    owner_id: int
    sealing_key_id: str
    nonce: bytes
    sealed: bytes


@dataclass(frozen=True)
class KeyRecord:
    """What may be shown of a key: nothing of its secret."""

    id: int
    owner: str
    name: str
    exchange: str
    sealing_key_id: str
    created_at: dt.datetime


def add_key(
    store: OpenedStore, name: str, exchange: str, sealed: SealedRow, *, by: str
) -> KeyRecord:
    """Keep a sealed secret, and note who did.

    Raises
    ------
    StoreError
        If the owner has a key of this name, or too many, or name or exchange are none.
    """
    for what, text in (("a key's name", name), ("an exchange", exchange)):
        if not text or len(text) > NAME_LETTERS_MAX or not text.isprintable():
            raise StoreError(
                f"{what}: expected 1 to {NAME_LETTERS_MAX} printable letters, found "
                f"{text[:NAME_LETTERS_MAX]!r}"
            )
        text_of(text, what)
    row = {
        "owner_id": sealed.owner_id, "name": name, "exchange": exchange,
        "sealing_key_id": sealed.sealing_key_id, "nonce": sealed.nonce, "sealed": sealed.sealed,
    }  # fmt: skip
    with store.writing("keep a key") as connection:
        owner = _owner_name(connection, sealed.owner_id, store.url)
        owned = connection.execute(
            sa.select(keys.c.name).where(keys.c.owner_id == sealed.owner_id)
        ).scalars()
        names = set(owned)
        if name in names:
            raise StoreError(f"a key's name: expected one that is free, found {name!r} taken")
        if len(names) >= KEYS_MAX:
            raise StoreError(f"keys of {owner}: expected at most {KEYS_MAX}, found as many")
        found = connection.execute(keys.insert().values(row).returning(keys.c.id)).scalar_one()
        log(connection, by, "add_key", owner, {"id": found, "name": name, "exchange": exchange})
        return _shown(connection.execute(_listed().where(keys.c.id == found)).one())


def list_keys(store: OpenedStore, owner_id: int | None = None) -> list[KeyRecord]:
    """Return what may be shown of a user's keys, or of everybody's."""
    query = _listed().order_by(keys.c.id)
    if owner_id is not None:
        query = query.where(keys.c.owner_id == owner_id)
    with store.reading("list keys") as connection:
        return [_shown(row) for row in connection.execute(query).all()]


def remove_key(store: OpenedStore, owner_id: int, name: str, *, by: str) -> None:
    """Remove a key, and note who did.

    Raises
    ------
    StoreError
        If the owner has none of this name.
    """
    of_name = (keys.c.owner_id == owner_id) & (keys.c.name == name)
    with store.writing("remove a key") as connection:
        owner = _owner_name(connection, owner_id, store.url)
        gone = connection.execute(keys.delete().where(of_name).returning(keys.c.id)).scalar()
        if gone is None:
            shown = name[:NAME_LETTERS_MAX]
            raise StoreError(f"keys of {owner}: expected one named {shown!r}, found none")
        log(connection, by, "remove_key", owner, {"id": gone, "name": name})


def sealed_key(store: OpenedStore, owner_id: int, name: str, *, by: str) -> SealedRow:
    """Return a sealed secret for who is about to open it, and note that it was taken.

    Raises
    ------
    StoreError
        If the owner has none of this name.
    """
    of_name = (keys.c.owner_id == owner_id) & (keys.c.name == name)
    with store.writing("take a key") as connection:
        owner = _owner_name(connection, owner_id, store.url)
        row = connection.execute(sa.select(keys).where(of_name)).one_or_none()
        if row is None:
            shown = name[:NAME_LETTERS_MAX]
            raise StoreError(f"keys of {owner}: expected one named {shown!r}, found none")
        log(connection, by, "take_key", owner, {"id": row.id, "name": name})
        return SealedRow(row.owner_id, row.sealing_key_id, row.nonce, row.sealed)


def reseal_keys(
    store: OpenedStore, again: Callable[[SealedRow], SealedRow | None], *, by: str
) -> int:
    """Seal secrets anew: all of them, or none.

    Parameters
    ----------
    again
        Returns a secret sealed anew; None: it may stay as it is.
    by
        Who asks; noted if any was changed.

    Returns
    -------
    int
        How many were changed.
    """
    changed = 0
    with store.writing("seal keys again") as connection:
        for row in connection.execute(sa.select(keys).order_by(keys.c.id)).all():
            found = again(SealedRow(row.owner_id, row.sealing_key_id, row.nonce, row.sealed))
            if found is None:
                continue
            values = {
                "sealing_key_id": found.sealing_key_id, "nonce": found.nonce,
                "sealed": found.sealed,
            }  # fmt: skip
            connection.execute(keys.update().where(keys.c.id == row.id).values(values))
            changed += 1
        if changed:
            log(connection, by, "rotate_keys", "keys", {"count": changed})
    return changed


def _listed() -> Any:
    columns = (keys.c.id, keys.c.name, keys.c.exchange, keys.c.sealing_key_id, keys.c.created_at)
    return sa.select(users.c.name.label("owner"), *columns).join(
        users, users.c.id == keys.c.owner_id
    )


def _owner_name(connection: sa.Connection, owner_id: int, shown: str) -> str:
    name = connection.execute(sa.select(users.c.name).where(users.c.id == owner_id)).scalar()
    if name is None:
        raise StoreError(f"{shown}: expected a user, found none with id {owner_id}")
    return str(name)


def _shown(row: Any) -> KeyRecord:
    return KeyRecord(
        row.id, row.owner, row.name, row.exchange, row.sealing_key_id, in_utc(row.created_at)
    )
