"""Whom a token is about: known for a while, forgotten at once; a store that is waited for."""

import asyncio
import datetime as dt
import sqlite3
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tapewire.errors import StoreLockedError
from tapewire.services.auth.passwords import PasswordHasher
from tapewire.services.auth.shared import SharedState
from tapewire.services.auth.tokens import BadTokenError, TokenIssuer
from tapewire.services.server import identity as identities
from tapewire.services.server.callers import Refused
from tapewire.services.server.database import Database
from tapewire.services.server.identity import BELIEVED_S, Identity
from tapewire.services.server.measures import Measures
from tapewire.store import Store

NOW_S = 1_800_000_000.0


class Known:
    """A store with a user who has logged in, and how often it was asked about them."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.asked, self.clock_s = store, 0, 100.0
        self.measures = Measures()
        self.database = Database(store, self.measures, b"of the server")
        self.user = store.add_user("ada", "trader", "kept", by="test")
        until = dt.datetime.fromtimestamp(NOW_S, dt.UTC).replace(tzinfo=None, year=2100)
        session = store.open_session(self.user.id, "digest", until, version=0)
        self.issuer = TokenIssuer(bytes(32), lambda: NOW_S)
        self.token, _ = self.issuer.issue(str(self.user.id), "ada", "", "trader", session=session)
        real = Store.user

        def counted(one: Store, key: int | str) -> Any:
            self.asked += 1
            return real(one, key)

        monkeypatch.setattr(Store, "user", counted)
        clock = types.SimpleNamespace(monotonic=lambda: self.clock_s)
        monkeypatch.setattr(identities, "time", clock)

    def identity(self, shared: SharedState | None = None) -> Identity:
        return Identity(self.database, self.issuer, lambda: NOW_S, shared=shared)


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Known]:
    with Store.open(str(tmp_path / "s.db"), lock_timeout_s=20.0) as store:
        made = Known(store, monkeypatch)
        yield made
        made.database.close()


async def who(identity: Identity, token: str) -> str:
    return (await identity.user_of(await identity.claims_of(token))).name


def test_a_user_is_asked_for_once_as_long_as_they_are_believed(known: Known) -> None:
    identity = known.identity()
    for _ in range(5):
        assert asyncio.run(who(identity, known.token)) == "ada"
    assert known.asked == 1
    # Another process changes them: it is seen when they are asked for again, and not later.
    known.store.set_user(known.user.id, is_active=False, by="test")
    known.clock_s += BELIEVED_S - 0.01
    assert asyncio.run(who(identity, known.token)) == "ada"
    known.clock_s += 0.02
    with pytest.raises(BadTokenError, match="was revoked"):
        asyncio.run(who(identity, known.token))
    assert known.asked == 2


def test_who_is_forgotten_is_asked_for_at_once_at_all_gateways(known: Known) -> None:
    shared = SharedState.new()
    one, other = known.identity(shared), known.identity(shared)
    for identity in (one, other):
        assert asyncio.run(who(identity, known.token)) == "ada"
    asyncio.run(one.logout(known.issuer.claims(known.token)))
    for identity in (one, other):
        with pytest.raises(BadTokenError, match="was revoked"):
            asyncio.run(who(identity, known.token))


def test_what_was_asked_before_it_was_forgotten_is_not_kept(
    known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = known.identity()
    real = Store.has_session

    def meanwhile(store: Store, *given: Any) -> bool:
        answer = real(store, *given)
        identity.forget()
        return answer

    monkeypatch.setattr(Store, "has_session", meanwhile)
    assert asyncio.run(identity.claims_of(known.token)).name == "ada"
    assert asyncio.run(identity.claims_of(known.token)).name == "ada"
    assert known.asked == 2


def test_a_file_that_is_locked_is_waited_for_beside_the_loop(known: Known) -> None:
    path = known.store.url
    known.store.close()
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")

    async def ask() -> tuple[Any, int]:
        with known.store.at_once(), pytest.raises(StoreLockedError):
            known.store.user("ada")
        asked = asyncio.create_task(known.database.look_up("user", lambda store: store.user("ada")))
        turns = 0
        for _ in range(20):
            await asyncio.sleep(0.01)
            turns += 1
            assert not asked.done()
        holder.close()
        return await asyncio.wait_for(asked, 30), turns

    user, turns = asyncio.run(ask())
    assert (user.name, turns) == ("ada", 20)
    count = known.measures.registry.get_sample_value(
        "db_query_duration_seconds_count", {"query": "user"}
    )
    assert count == 2  # not at once, and then


# --- logins ---------------------------------------------------------------------------------------

PASSWORD = "correct horse battery"


def with_password(known: Known) -> Identity:
    known.store.set_user(known.user.id, password_hash=PasswordHasher().hashed(PASSWORD), by="test")
    return known.identity()


@pytest.mark.parametrize("changed", [{"password_hash": "another"}, {"is_active": False}])
def test_who_is_changed_while_they_log_in_is_not_in(
    known: Known, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    identity = with_password(known)
    fits = identity.passwords.fits

    async def slow(kept: str | None, password: str) -> bool | None:
        found = await fits(kept, password)
        known.store.set_user(known.user.id, **changed, by="test")
        return found

    monkeypatch.setattr(identity.passwords, "fits", slow)
    with pytest.raises(Refused, match="no user has that name and password"):
        asyncio.run(identity.login("ada", PASSWORD, "here"))
    # The one that the store begins with alone.
    assert [one.action for one in known.store.audit()].count("login") == 1


def test_a_store_that_is_locked_ends_no_login(known: Known) -> None:
    identity = with_password(known)
    tokens, _ = asyncio.run(identity.login("ada", PASSWORD, "here"))
    with Store.open(known.store.url, lock_timeout_s=0.1) as hurried:
        database = Database(hurried, known.measures, b"of the server")
        waiting = Identity(database, known.issuer, lambda: NOW_S)
        holder = sqlite3.connect(known.store.url, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLockedError):
            asyncio.run(waiting.refresh(tokens.refresh))
        holder.close()
        database.close()
    assert asyncio.run(identity.refresh(tokens.refresh)).access


@pytest.mark.parametrize(
    ("name", "shown"), [("ada\0", "ada?"), ("a\x1b[2J", "a?[2J"), ("\ud800", "?")]
)
def test_a_failed_login_of_a_name_that_can_not_be_shown_is_noted(
    known: Known, name: str, shown: str
) -> None:
    with pytest.raises(Refused, match="no user has that name and password"):
        asyncio.run(with_password(known).login(name, PASSWORD, "here"))
    (last, *_) = known.store.audit()
    assert (last.action, last.who) == ("login_failed", shown)
