"""Who one is at servers, kept between commands; what a server may have written here."""

import contextlib
import json
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from tapewire.errors import ConfigError, FormatError, ProtocolError
from tapewire.services.client import Client, Credentials
from tapewire.services.client.jobs import streamed
from tapewire.services.client.refusals import ServerRefusal


def test_logins_are_kept_beside_one_another_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "tapewire" / "servers.json"
    one, other = Credentials("a:1", "x", "y"), Credentials("b:2", "z", "w", "/ca.pem")
    one.keep(path)
    other.keep(path)
    assert (Credentials.of(path, "a:1"), Credentials.of(path, "b:2")) == (one, other)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    Credentials.drop(path, "a:1")
    Credentials.drop(path, "nobody:3")
    with pytest.raises(ConfigError, match="a:1: expected a login, found none: tapewire login a:1"):
        Credentials.of(path, "a:1")
    assert Credentials.of(path, "b:2") == other


def test_a_file_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "servers.json"
    Credentials("a:1", "x", "y").keep(path)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="found mode 644: chmod 600 it"):
        Credentials.of(path, "a:1")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a:1": 3}', '{"a:1": {"server": "a:1"}}', "{" * 9_999]
)
def test_what_is_no_file_of_logins_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "servers.json"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(FormatError, match="as tapewire login writes them"):
        Credentials.of(path, "a:1")


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "servers.json"
    path.touch(0o600)
    path.write_text(json.dumps({"a": "b" * (1 << 20)}))
    with pytest.raises(FormatError, match="at most 1,048,576 bytes"):
        Credentials.of(path, "a:1")


def test_of_two_commands_one_uses_the_refresh_token(tmp_path: Path) -> None:
    """The other takes what that one has got, and renews only what it has from there."""
    path = tmp_path / "servers.json"
    first = Credentials("a:1", "access 0", "refresh 0")
    first.keep(path)
    used: list[str] = []

    def renew(one: Credentials) -> Credentials:
        used.append(one.refresh)
        time.sleep(0.05)
        return replace(one, access=f"access {len(used)}", refresh=f"refresh {len(used)}")

    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda _: first.renewed(path, renew), range(4)))
    assert used == ["refresh 0"]
    assert {(one.access, one.refresh) for one in got} == {("access 1", "refresh 1")}
    assert got[0].renewed(path, renew).refresh == "refresh 2"
    assert Credentials.of(path, "a:1").access == "access 2"


def test_a_folder_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("")
    with pytest.raises(
        ConfigError, match=r"servers\.json: can't be changed \(.*\): mend its folder"
    ):
        Credentials("a:1", "x", "y").keep(tmp_path / "config" / "servers.json")


def test_logins_at_several_servers_at_once_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "servers.json"
    all_of_them = [Credentials(f"a:{port}", "x", "y") for port in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: one.keep(path), all_of_them))
    assert [Credentials.of(path, one.server) for one in all_of_them] == all_of_them


@pytest.mark.parametrize("name", ["../manifest.json", "/etc/x", "a/b", "..", ""])
def test_a_run_is_saved_into_its_folder_whatever_a_server_calls_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    files = [{"name": "fills.parquet", "size_bytes": 1}, {"name": name, "size_bytes": 1}]
    monkeypatch.setattr(Client, "run_files", lambda self, job_id: files)
    with (
        Client("127.0.0.1:1") as client,
        pytest.raises(ProtocolError, match="expected names of a run's files, found"),
    ):
        client.save_run(1, tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("reason", "ends"), [("BAD_TOKEN", True), ("RATE", False)])
def test_a_login_that_has_ended_is_logged_out(
    monkeypatch: pytest.MonkeyPatch, reason: str, ends: bool
) -> None:
    def refused(*_: object) -> None:
        raise ServerRefusal("a sentence", reason, "UNAUTHENTICATED", 2)

    monkeypatch.setattr(Client, "_open", refused)
    with Client("127.0.0.1:1", Credentials("127.0.0.1:1", "access", "refresh")) as client:
        with contextlib.nullcontext() if ends else pytest.raises(ServerRefusal):
            client.logout()
        assert (client.credentials is None) == ends


class _ThrownOut(grpc.RpcError):  # type: ignore[misc]
    """How gRPC tells that a server has ended a stream, and why."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAUTHENTICATED

    def details(self) -> str:
        return "token: was revoked; log in again"

    def trailing_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("tapewire-reason", "BAD_TOKEN"), ("tapewire-exit-code", "2"))


def test_who_is_thrown_out_of_a_stream_is_told_as_one_who_is_not_let_in() -> None:
    """Not that the server was lost: calling again is of no use, logging in is."""

    def call(request: int, *, metadata: object, timeout: float) -> Iterator[int]:
        yield request + 1
        raise _ThrownOut

    with Client("127.0.0.1:1") as client:
        messages = streamed(client, call, lambda after: after, 4, lambda one: one)
        assert next(messages) == 5
        with pytest.raises(ServerRefusal, match=r"^token: was revoked; log in again$") as error:
            next(messages)
    said = error.value
    assert (said.reason, said.status, said.exit_code) == ("BAD_TOKEN", "UNAUTHENTICATED", 2)
