"""Addresses: what is refused, and with which advice."""

import os
import socket
import time
from pathlib import Path

import pytest
import zmq

from tapewire.errors import EndpointError
from tapewire.wire import Publisher, Receiver, joining, private_endpoint, split_endpoint
from tapewire.wire.endpoints import clear_orphaned, lock_file


def in_use() -> "pytest.RaisesExc[EndpointError]":
    return pytest.raises(EndpointError, match="in use by another process: choose another")


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("nonsense", "expected an address like"),
        ("udp://x", "expected an address like"),
        ("ipc://", "expected an address like"),
        ("ipc://relative/path", "absolute path"),
        ("ipc:///" + "x" * 120, "at most 107 bytes"),
        ("tcp://127.0.0.1", "tcp://HOST:PORT"),
        ("tcp://127.0.0.1:70000", "tcp://HOST:PORT"),
        ("tcp://*:5555", "leaves this host"),
        ("tcp://0.0.0.0:5555", "leaves this host"),
        ("tcp://192.168.1.5:5555", "leaves this host"),
        ("tcp://example.org:5555", "leaves this host"),
    ],
)
def test_bad_addresses_are_refused_at_both_ends(endpoint: str, text: str) -> None:
    with pytest.raises(EndpointError, match=text):
        Publisher(endpoint, batch_records=1)
    with pytest.raises(EndpointError, match=text):
        Receiver(endpoint)


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:5", "tcp://[::1]:5", "tcp://localhost:5"])
def test_loopback_is_accepted(endpoint: str) -> None:
    assert split_endpoint(endpoint)[0] == "tcp"


def test_a_port_in_use_is_named() -> None:
    with Publisher("tcp://127.0.0.1:*", batch_records=1) as first, in_use():
        Publisher(first.endpoint, batch_records=1)


def test_an_ipc_path_in_use_is_not_stolen() -> None:
    with private_endpoint() as endpoint:
        with Publisher(endpoint, batch_records=1), in_use():
            Publisher(endpoint, batch_records=1)
        Publisher(endpoint, batch_records=1).close()  # free again


def test_an_inproc_name_in_use_is_named() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with Publisher("inproc://x", batch_records=1, context=context), in_use():
        Publisher("inproc://x", batch_records=1, context=context)
    context.term()


def test_inproc_needs_a_context() -> None:
    with pytest.raises(EndpointError, match="context"):
        Receiver("inproc://x")


def test_an_ipc_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(EndpointError, match="mode 0700, found mode 0755"):
        Publisher(f"ipc://{tmp_path}/stream", batch_records=1)


def test_an_ipc_socket_leaves_nothing_behind() -> None:
    with private_endpoint() as endpoint:
        folder = Path(endpoint.removeprefix("ipc://")).parent
        assert folder.stat().st_mode & 0o777 == 0o700
        with Publisher(endpoint, batch_records=1):
            assert (folder / "stream").exists()
        assert [p.name for p in folder.iterdir()] == ["owner.lock"]
    assert not folder.exists()


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that private endpoints are made in, as its user would have it."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / f"tapewire-{os.geteuid()}"


def old(folder: Path, *files: str, mode: int = 0o700) -> Path:
    """A folder that a killed run might have left an hour ago."""
    folder.mkdir(mode=0o700, parents=True)
    for name in files:
        (folder / name).write_text("")
    folder.chmod(mode)
    age(folder)
    return folder


def age(path: Path) -> None:
    hour_ago = time.time() - 3_600
    os.utime(path, (hour_ago, hour_ago), follow_symlinks=False)


def sweep() -> None:
    with private_endpoint():
        pass


def test_folders_of_killed_owners_are_swept(runtime: Path) -> None:
    runtime.mkdir(mode=0o700)
    old(runtime / "0123456789ab", "owner.lock", "stream", "stream.lock")
    old(runtime / "0123456789ac")  # killed before it had its lock
    sweep()
    assert list(runtime.iterdir()) == []


def test_the_folder_of_a_live_owner_is_not_swept(runtime: Path) -> None:
    with private_endpoint() as endpoint:
        folder = Path(endpoint.removeprefix("ipc://")).parent
        age(folder)
        sweep()
        assert (folder / "owner.lock").exists()


def test_who_was_connected_clears_what_a_killed_owner_left(runtime: Path) -> None:
    folder = runtime / "0123456789ab"
    runtime.mkdir(mode=0o700)
    folder.mkdir(mode=0o700)
    for name in ("owner.lock", "stream", "stream.lock"):
        (folder / name).touch()
    (folder / "mine").touch()
    clear_orphaned(f"ipc://{folder}/stream")
    assert len(list(folder.iterdir())) == 4, "there is something that is not ours"
    (folder / "mine").unlink()
    lock = lock_file(folder / "owner.lock")
    clear_orphaned(f"ipc://{folder}/stream")
    assert len(list(folder.iterdir())) == 3, "its owner lives"
    os.close(lock)
    clear_orphaned(f"ipc://{folder}/stream")
    assert list(runtime.iterdir()) == []


def test_a_sweep_does_not_go_through_a_link_in_the_place_of_its_folder(
    runtime: Path, tmp_path: Path
) -> None:
    """Whoever was first in a shared temporary folder could have the home folder swept."""
    home = old(tmp_path / "home")
    letters = old(home / "0123456789ab", "letter.txt", "owner.lock")
    runtime.symlink_to(home)
    with pytest.raises(EndpointError, match="it is a symbolic link, use the folder itself"):
        sweep()
    assert sorted(p.name for p in letters.iterdir()) == ["letter.txt", "owner.lock"]


def test_a_sweep_does_not_go_through_links_in_its_folder(runtime: Path, tmp_path: Path) -> None:
    runtime.mkdir(mode=0o700)
    letters = old(tmp_path / "letters", "stream", "owner.lock")
    (runtime / "0123456789ab").symlink_to(letters)
    age(runtime / "0123456789ab")
    inner = old(runtime / "0123456789ac")
    (inner / "owner.lock").symlink_to(letters / "owner.lock")
    age(inner)
    sweep()
    assert sorted(p.name for p in letters.iterdir()) == ["owner.lock", "stream"]


@pytest.mark.parametrize(
    ("name", "mode"),
    [("0123456789ab", 0o750), ("backup", 0o700), ("0123456789abc", 0o700), ("x-012345678", 0o700)],
)
def test_a_sweep_leaves_what_is_not_its_own(runtime: Path, name: str, mode: int) -> None:
    runtime.mkdir(mode=0o700)
    folder = old(runtime / name, "owner.lock", mode=mode)
    sweep()
    assert (folder / "owner.lock").exists()


def test_a_sweep_never_removes_what_lies_in_a_folder(runtime: Path) -> None:
    runtime.mkdir(mode=0o700)
    folder = old(runtime / "0123456789ab", "owner.lock", "letter.txt")
    old(folder / "stream" / "more", "letter.txt")
    age(folder)
    sweep()
    assert (folder / "letter.txt").exists()
    assert (folder / "owner.lock").exists()
    assert (folder / "stream" / "more" / "letter.txt").exists()


def test_who_waits_for_nobody_is_told_so_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert joining.NOTICE_S <= 3  # a run has begun by then, and 5 s are promised
    monkeypatch.setattr(joining, "NOTICE_S", 0.2)
    told: list[str] = []
    with (
        private_endpoint() as endpoint,
        Receiver(endpoint, connect_timeout_s=0.8, notice=told.append) as receiver,
        pytest.raises(EndpointError, match="nobody answered"),
    ):
        receiver.connect()
    [text] = told
    assert text.startswith(f"nobody answers at {endpoint} yet: waiting for up to 0.8 s")
    assert f"tapewire replay FILES --bind {endpoint}" in text


def test_who_waits_for_somebody_else_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "NOTICE_S", 0.2)
    told: list[str] = []
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Receiver(
            f"tcp://127.0.0.1:{server.getsockname()[1]}",
            connect_timeout_s=0.8,
            notice=told.append,
        ) as receiver,
        pytest.raises(EndpointError),
    ):
        receiver.connect()
    assert told[0].startswith("no replay welcomes this run at tcp://127.0.0.1:")


def test_an_ipc_address_in_a_folder_of_others_is_not_connected_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with (
        Receiver(f"ipc://{tmp_path}/stream") as receiver,
        pytest.raises(EndpointError, match="mode 0700, found mode 0777"),
    ):
        receiver.connect()


def test_nobody_there_is_an_endpoint_error() -> None:
    with (
        private_endpoint() as endpoint,
        Receiver(endpoint, connect_timeout_s=0.3) as receiver,
        pytest.raises(EndpointError, match="nobody answered"),
    ):
        receiver.connect()
