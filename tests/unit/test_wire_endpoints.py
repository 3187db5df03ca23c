"""Addresses: what is refused, and with which advice."""

from pathlib import Path

import pytest
import zmq

from tapewire.errors import EndpointError
from tapewire.wire import Publisher, Receiver, private_endpoint, split_endpoint


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


def test_nobody_there_is_an_endpoint_error() -> None:
    with (
        private_endpoint() as endpoint,
        Receiver(endpoint, connect_timeout_s=0.3) as receiver,
        pytest.raises(EndpointError, match="nobody answered"),
    ):
        receiver.connect()
