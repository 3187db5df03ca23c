"""Users of a store, their logins, and what was done by whom."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from tapewire.errors import LoginEndedError, StoreError
from tapewire.store.bulk import in_utc, text_of
from tapewire.store.keeping import log
from tapewire.store.lookups import Lookup
from tapewire.store.opening import OpenedStore
from tapewire.store.schema import ROLES, audit_log, sessions, users

#: Rows of a page at most.
_ROWS_MAX: Final = 1_000
_NAME_LETTERS_MAX: Final = 64
_USER: Final = Lookup(sa.select(users).where(users.c.id == sa.bindparam("key")))
_USER_NAMED: Final = Lookup(sa.select(users).where(users.c.name == sa.bindparam("key")))
_SESSION_ENDS: Final = Lookup(
    sa.select(sessions.c.expires_at).where(
        (sessions.c.id == sa.bindparam("session_id"))
        & (sessions.c.user_id == sa.bindparam("user_id"))
    )
)


@dataclass(frozen=True)
class UserRecord:
    """Somebody who may call a server.

    Attributes
    ----------
    id : int
    name, email, role : str
    is_active : bool
    token_version : int
        Tokens that were made before it grew count no more.
    password_hash : str
    created_at : datetime
    """

    id: int
    name: str
    email: str
    role: str
    is_active: bool
    token_version: int
    password_hash: str
    created_at: dt.datetime


@dataclass(frozen=True)
class AuditRecord:
    """What somebody did."""

    id: int
    at: dt.datetime
    who: str
    action: str
    subject: str
    details: dict[str, Any]


class PeopleStore(OpenedStore):
    """The part of a store that knows who may do what."""

    def add_user(
        self, name: str, role: str, password_hash: str, *, email: str = "", by: str
    ) -> UserRecord:
        """Add a user, and note who did.

        Raises
        ------
        StoreError
            If the name is taken or none, or there is no such role.
        """
        if not name or len(name) > _NAME_LETTERS_MAX or not name.isprintable():
            raise StoreError(
                f"a user's name: expected 1 to {_NAME_LETTERS_MAX} printable letters, found "
                f"{name[:_NAME_LETTERS_MAX]!r}"
            )
        _require_role(role)
        row = {
            "name": text_of(name, "a user's name"), "email": text_of(email, "a user's address"),
            "role": role, "password_hash": password_hash,
        }  # fmt: skip
        with self.writing("add a user") as connection:
            known = sa.select(users.c.id).where(users.c.name == name)
            if connection.execute(known).scalar() is not None:
                raise StoreError(f"a user's name: expected one that is free, found {name!r} taken")
            user_id = connection.execute(
                users.insert().values(row).returning(users.c.id)
            ).scalar_one()
            log(connection, by, "add_user", name, {"id": user_id, "role": role})
            return _user(connection.execute(sa.select(users).where(users.c.id == user_id)).one())

    def set_user(
        self,
        user_id: int,
        *,
        role: str | None = None,
        is_active: bool | None = None,
        password_hash: str | None = None,
        by: str,
    ) -> UserRecord:
        """Change a user, whose tokens and logins end with it; what is None stays.

        Raises
        ------
        StoreError
            If there is no such user or role, or nobody would be left who may change users.
        """
        changed: dict[str, Any] = {}
        if role is not None:
            changed["role"] = _require_role(role)
        if is_active is not None:
            changed["is_active"] = is_active
        if password_hash is not None:
            changed["password_hash"] = password_hash
        with self.writing("change a user") as connection:
            row = connection.execute(sa.select(users).where(users.c.id == user_id)).one_or_none()
            if row is None:
                raise StoreError(f"{self.url}: expected a user, found none with id {user_id}")
            later = row._asdict() | changed
            if row.role == "admin" and not (later["role"] == "admin" and later["is_active"]):
                _require_another_admin(connection, user_id)
            connection.execute(
                users.update()
                .where(users.c.id == user_id)
                .values(**changed, token_version=users.c.token_version + 1)
            )
            connection.execute(sessions.delete().where(sessions.c.user_id == user_id))
            told = {key: value for key, value in changed.items() if key != "password_hash"}
            details = {"id": user_id, **told, "password": password_hash is not None}
            log(connection, by, "set_user", row.name, details)
            return _user(connection.execute(sa.select(users).where(users.c.id == user_id)).one())

    def user(self, key: int | str) -> UserRecord | None:
        """Return a user by id or name; None if there is none."""
        lookup = _USER if isinstance(key, int) else _USER_NAMED
        found = self.rows("look a user up", lookup, key=key)
        return _user(found[0]) if found else None

    def users(self, *, after: int = 0, limit: int = 100) -> list[UserRecord]:
        """Return users by id, those behind one."""
        query = sa.select(users).where(users.c.id > after).order_by(users.c.id)
        with self.reading("list users") as connection:
            rows = connection.execute(query.limit(min(limit, _ROWS_MAX))).all()
        return [_user(row) for row in rows]

    # --- logins -----------------------------------------------------------------------------------

    def open_session(
        self, user_id: int, digest: str, expires_at: dt.datetime, *, version: int
    ) -> int | None:
        """Note a login by the digest of its refresh token.

        Parameters
        ----------
        user_id, digest, expires_at
        version
            Of the user's tokens, when the password was looked at.

        Returns
        -------
        int, optional
            The login's id; None if the user was changed since then, or is gone.
        """
        with self.writing("note a login") as connection:
            # The row is held until the login is there: who changes the user ends it, too.
            name = connection.execute(
                sa.select(users.c.name)
                .where(users.c.id == user_id, users.c.is_active, users.c.token_version == version)
                .with_for_update()
            ).scalar_one_or_none()
            if name is None:
                return None
            connection.execute(sessions.delete().where(sessions.c.expires_at < _now(connection)))
            found: int = connection.execute(
                sessions.insert()
                .values(user_id=user_id, digest=digest, expires_at=expires_at)
                .returning(sessions.c.id)
            ).scalar_one()
            log(connection, name, "login", name, {"session": found})
            return found

    def renew_session(
        self,
        digest: str,
        fresh: str,
        now: dt.datetime,
        expires_at: dt.datetime,
        *,
        made_for: int | None = None,
    ) -> tuple[int, UserRecord]:
        """Put a fresh refresh token in the place of one that is used now.

        Parameters
        ----------
        digest, fresh
            Of the token that was shown, and of the one that is good from now on.
        now, expires_at
            UTC without a zone.
        made_for
            The login that the token was made for, whether it is its last one or an older one; None:
            nobody can tell.

        Returns
        -------
        tuple of (int, UserRecord)
            The login, and whose it is.

        Raises
        ------
        LoginEndedError
            If no login has it, it has ended, or the token was used before: who shows it then may
            have stolen it, so that the login ends for both.
        """
        stolen = None
        with self.writing("renew a login") as connection:
            row = connection.execute(
                sa.select(sessions).where(
                    (sessions.c.digest == digest) | (sessions.c.used_digest == digest)
                )
            ).one_or_none()
            if row is None and made_for is not None:
                query = sa.select(sessions).where(sessions.c.id == made_for)
                row = connection.execute(query).one_or_none()
            if row is None or row.expires_at < now:
                raise LoginEndedError(
                    "refresh token: expected one of a login that lasts; log in again"
                )
            if row.digest != digest:
                connection.execute(sessions.delete().where(sessions.c.id == row.id))
                stolen = row
            else:
                connection.execute(
                    sessions.update()
                    .where(sessions.c.id == row.id)
                    .values(digest=fresh, used_digest=digest, expires_at=expires_at)
                )
            user = _user(
                connection.execute(sa.select(users).where(users.c.id == row.user_id)).one()
            )
            if stolen is not None:
                log(connection, user.name, "refresh_reused", user.name, {"session": row.id})
        if stolen is not None:
            raise LoginEndedError(
                "refresh token: was used before, so that its login has ended; log in again"
            )
        return row.id, user

    def end_session(self, session_id: int, *, by: str) -> None:
        """End a login; one that has ended is no error."""
        with self.writing("end a login") as connection:
            connection.execute(sessions.delete().where(sessions.c.id == session_id))
            log(connection, by, "logout", by, {"session": session_id})

    def has_session(self, session_id: int, user_id: int, now: dt.datetime) -> bool:
        """Whether a login of a user lasts."""
        asked = {"session_id": session_id, "user_id": user_id}
        found = self.rows("look a login up", _SESSION_ENDS, **asked)
        return bool(found) and bool(found[0].expires_at >= now)

    # --- what was done ----------------------------------------------------------------------------

    def note(self, who: str, action: str, subject: str, details: dict[str, Any]) -> None:
        """Note what somebody did, or tried to."""
        with self.writing("note what was done") as connection:
            log(connection, who, action, subject, details)

    def audit(self, *, before: int | None = None, limit: int = 100) -> list[AuditRecord]:
        """Return what was done, the newest first, before an entry's id."""
        query = sa.select(audit_log).order_by(audit_log.c.id.desc())
        if before is not None:
            query = query.where(audit_log.c.id < before)
        with self.reading("read what was done") as connection:
            rows = connection.execute(query.limit(min(limit, _ROWS_MAX))).all()
        return [
            AuditRecord(row.id, in_utc(row.at), row.who, row.action, row.subject, row.details)
            for row in rows
        ]


def _require_role(role: str) -> str:
    if role not in ROLES:
        raise StoreError(f"role: expected one of {', '.join(ROLES)}, found {role!r}")
    return role


def _require_another_admin(connection: sa.Connection, user_id: int) -> None:
    others = sa.select(sa.func.count()).where(
        (users.c.role == "admin") & users.c.is_active & (users.c.id != user_id)
    )
    if not connection.execute(others).scalar_one():
        raise StoreError(
            "role: expected another administrator to stay, found none; make one before"
        )


def _now(connection: sa.Connection) -> Any:
    return sa.func.current_timestamp()


def _user(row: Any) -> UserRecord:
    return UserRecord(
        row.id, row.name, row.email, row.role, row.is_active, row.token_version,
        row.password_hash, in_utc(row.created_at),
    )  # fmt: skip
