"""Keys of exchanges: kept sealed, listed without secrets, sealed anew, noted."""

import base64
import json
import sqlite3
from pathlib import Path

import grpc
import pytest
from typer.testing import CliRunner

from served import bearer, inner_server, refused
from tapewire.cli.program import app
from tapewire.errors import ConfigError, StoreError
from tapewire.services.auth import KeyRing
from tapewire.services.auth.keeping import keep, rotated, taken
from tapewire.services.proto import keys_pb2, keys_pb2_grpc
from tapewire.store import Store
from tapewire.store.vault import list_keys, remove_key

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
SECRET = b"exchange secret 4711"


def ring_text(**keys: bytes) -> str:
    return ",".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in keys.items())


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(str(tmp_path / "keys.db")) as store:
        for name in ("ada", "bob"):
            store.add_user(name, "trader", "no hash", by="test")
        yield store


def test_a_key_is_kept_sealed_for_its_owner_and_all_of_it_is_noted(
    store: Store, tmp_path: Path
) -> None:
    ring = KeyRing({"old": OLD})
    kept = keep(store, ring, 1, "main", "cme", SECRET, by="ada")
    assert (kept.owner, kept.name, kept.exchange, kept.sealing_key_id) == (
        "ada", "main", "cme", "old"
    )  # fmt: skip
    assert taken(store, ring, 1, "main", by="trading") == SECRET
    assert [one.name for one in list_keys(store, 1)] == ["main"]
    assert list_keys(store, 2) == []
    with pytest.raises(StoreError, match="keys of bob: expected one named 'main', found none"):
        taken(store, ring, 2, "main", by="bob")
    with pytest.raises(StoreError, match="expected one that is free, found 'main' taken"):
        keep(store, ring, 1, "main", "cme", SECRET, by="ada")
    remove_key(store, 1, "main", by="ada")
    assert list_keys(store) == []
    done = [(one.who, one.action, one.subject) for one in store.audit()][:3]
    assert done == [
        ("ada", "remove_key", "ada"), ("trading", "take_key", "ada"), ("ada", "add_key", "ada")
    ]  # fmt: skip
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert SECRET not in files
    assert b"add_key" in files


def test_a_row_that_was_given_to_somebody_else_does_not_open(store: Store, tmp_path: Path) -> None:
    ring = KeyRing({"old": OLD})
    keep(store, ring, 1, "main", "cme", SECRET, by="ada")
    with sqlite3.connect(tmp_path / "keys.db") as raw:
        raw.execute("UPDATE keys SET owner_id = 2")
    raw.close()
    with pytest.raises(ConfigError, match="expected one of this owner"):
        taken(store, ring, 2, "main", by="bob")


def test_keys_are_sealed_anew_all_or_none(store: Store) -> None:
    old, both = KeyRing({"old": OLD}), KeyRing({"new": NEW, "old": OLD})
    for number in range(3):
        keep(store, old, 1 + number % 2, f"k{number}", "cme", SECRET, by="ada")
    with pytest.raises(ConfigError, match="expected the key 'old'"):
        rotated(store, KeyRing({"new": NEW}), by="operator")
    assert {one.sealing_key_id for one in list_keys(store)} == {"old"}
    assert rotated(store, both, by="operator") == 3
    assert rotated(store, both, by="operator") == 0
    assert taken(store, KeyRing({"new": NEW}), 1, "k0", by="trading") == SECRET
    assert [one.action for one in store.audit()].count("rotate_keys") == 1


@pytest.mark.parametrize(
    ("name", "exchange", "secret", "told"),
    [
        ("", "cme", SECRET, "a key's name: expected 1 to 64"),
        ("x" * 65, "cme", SECRET, "a key's name: expected 1 to 64"),
        ("main", "c\nme", SECRET, "an exchange: expected 1 to 64"),
        ("main", "cme", b"", "secret: expected 1 to 4,096 bytes, found 0"),
        ("main", "cme", bytes(4_097), "secret: expected 1 to 4,096 bytes, found 4,097"),
    ],
)
def test_what_is_no_key_is_refused(
    store: Store, name: str, exchange: str, secret: bytes, told: str
) -> None:
    with pytest.raises((StoreError, ConfigError), match=told):
        keep(store, KeyRing({"old": OLD}), 1, name, exchange, secret, by="ada")
    assert list_keys(store) == []


def test_the_commands(store: Store, tmp_path: Path) -> None:
    url = ["--store", str(tmp_path / "keys.db")]
    runner = CliRunner()

    def run(*arguments: str, ring: str, given: bytes = b"") -> str:
        environment = {"TAPEWIRE_SECRET_KEYS": ring, "USER": "op"}
        done = runner.invoke(
            app, ["store", "keys", *arguments, *url], input=given, env=environment,
            catch_exceptions=False,
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        assert SECRET.decode() not in done.output
        return done.output

    old, both = ring_text(old=OLD), ring_text(new=NEW, old=OLD)
    more = ("--user", "ada", "--exchange", "cme")
    assert "is kept, sealed by old" in run("add", "main", *more, ring=old, given=SECRET + b"\n")
    (listed,) = json.loads(run("list", "--json", ring=""))["keys"]
    assert (listed["owner"], listed["sealed_by"]) == ("ada", "old")
    assert "1 keys are sealed by new now" in run("rotate", ring=both)
    assert taken(store, KeyRing({"new": NEW}), 1, "main", by="trading") == SECRET
    assert "ada" in run("list", ring="")
    assert "is removed" in run("remove", "main", "--user", "ada", ring="")
    assert "no keys are kept" in run("list", "--user", "ada", ring="")
    assert store.audit()[0].who == "op by the command line"
    with pytest.raises(ConfigError, match="TAPEWIRE_SECRET_KEYS: expected"):
        run("rotate", ring="")
    with pytest.raises(ConfigError, match="found none named 'eve'"):
        run("list", "--user", "eve", ring="")


def test_a_user_keeps_keys_at_a_server_and_no_log_has_one(tmp_path: Path) -> None:
    roles = {"ada": "trader", "bob": "trader", "vic": "viewer"}
    ring = ring_text(old=OLD)
    with (
        inner_server(tmp_path, roles, secret_keys=ring) as inner,
        grpc.insecure_channel(inner.address) as channel,
    ):
        stub = keys_pb2_grpc.KeyServiceStub(channel)
        ada, bob, vic = (bearer(inner.token(name)) for name in roles)
        asked = keys_pb2.AddKeyRequest(name="main", exchange="cme", secret=SECRET)
        assert stub.AddKey(asked, metadata=ada, timeout=20).key.sealing_key_id == "old"
        assert refused(stub.AddKey, asked, metadata=vic) == ("PERMISSION_DENIED", "ROLE")
        assert refused(stub.AddKey, asked, metadata=ada)[0] == "FAILED_PRECONDITION"
        everything = keys_pb2.ListKeysRequest()
        assert [one.name for one in stub.ListKeys(everything, metadata=ada).keys] == ["main"]
        assert not stub.ListKeys(everything, metadata=bob).keys
        gone = keys_pb2.RemoveKeyRequest(name="main")
        assert refused(stub.RemoveKey, gone, metadata=bob)[0] == "FAILED_PRECONDITION"
        assert taken(inner.store, KeyRing.of_text(ring), 1, "main", by="trading") == SECRET
        stub.RemoveKey(gone, metadata=ada, timeout=20)
        assert not stub.ListKeys(everything, metadata=ada).keys
        log = inner.text()
        assert "/tapewire.v1.KeyService/AddKey" in log
        for secret in (SECRET.decode(), base64.b64encode(OLD).decode(), "Bearer"):
            assert secret not in log
        assert ring not in repr(inner.server._settings)


def test_a_server_without_keys_keeps_none(tmp_path: Path) -> None:
    with (
        inner_server(tmp_path, {"ada": "trader"}) as inner,
        grpc.insecure_channel(inner.address) as channel,
    ):
        stub = keys_pb2_grpc.KeyServiceStub(channel)
        asked = keys_pb2.AddKeyRequest(name="main", exchange="cme", secret=SECRET)
        came = refused(stub.AddKey, asked, metadata=bearer(inner.token()))
        assert came == ("INVALID_ARGUMENT", "CONFIG")
