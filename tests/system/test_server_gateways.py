"""Several gateways on one port: one server to whoever calls it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from served import free_ports
from tapewire.errors import PeerLostError
from tapewire.live.rails.switch import killed_because
from tapewire.services.client import Client, ServerRefusal
from tapewire.services.proto import accounts_pb2, accounts_pb2_grpc

#: A channel of its own, not one that gRPC shares within a process: another gateway may have it.
ALONE = (("grpc.use_local_subchannel_pool", 1),)


class Gateways:
    """A server of several processes, its log and its metrics."""

    def __init__(self, folder: Path, count: int = 2, *more: str) -> None:
        self.folder, self.metrics = folder, free_ports(count)
        command = [sys.executable, "-m", "tapewire", "serve", "--dev", "--address", "127.0.0.1:0"]
        command += [
            "--workers",
            "0",
            "--gateways",
            str(count),
            "--metrics-port",
            str(self.metrics),
            *more,
        ]
        with (folder / "log.jsonl").open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        with self.process.stdout as said:
            lines = [said.readline() for _ in range(3)]
        self.address, self.password = lines[0].split()[-1], lines[1].split()[-1]

    def pids(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(one) for one in children.read_text().split()]

    def figures(self, gateway: int) -> dict[str, float]:
        address = f"http://127.0.0.1:{self.metrics + gateway}/metrics"
        with urllib.request.urlopen(address, timeout=10) as page:
            lines = page.read().decode().splitlines()
        return {
            name: float(value)
            for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")
        }

    def lines(self) -> list[dict[str, Any]]:
        text = (self.folder / "log.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    @contextlib.contextmanager
    def stubs(self, count: int) -> Iterator[list[Any]]:
        """Stubs, each on a connection of its own."""
        channels = [
            grpc.insecure_channel(self.address, (*ALONE, ("made", k))) for k in range(count)
        ]
        try:
            yield [accounts_pb2_grpc.AuthServiceStub(one) for one in channels]
        finally:
            for one in channels:
                one.close()

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(40) == 0


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateways]:
    folder = tmp_path_factory.mktemp("gateways")
    (folder / "accounts" / "demo").mkdir(parents=True)
    server = Gateways(folder, 2, "--accounts", "accounts")
    try:
        yield server
    finally:
        server.end()


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def handled(figures: dict[str, float], call: str) -> float:
    begins = "grpc_server_handling_seconds_count{"
    return sum(v for k, v in figures.items() if k.startswith(begins) and call in k)


def test_calls_are_spread_and_each_gateway_counts_its_own(gateways: Gateways) -> None:
    with Client(gateways.address) as client:
        token = client.login("dev", gateways.password).access
    with gateways.stubs(24) as stubs:
        for stub in stubs:
            stub.WhoAmI(accounts_pb2.WhoAmIRequest(), metadata=bearer(token), timeout=20)
    counts = [handled(gateways.figures(k), "WhoAmI") for k in range(2)]
    assert sum(counts) == 24
    assert min(counts) > 0, counts  # 2 of 2^24 by chance otherwise
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes"):
        assert all(gateways.figures(k)[name] > 0 for k in range(2))
    stored = 'trading_strategies_total{status="generated"}'
    assert [stored in gateways.figures(k) for k in range(2)] == [True, False]


def test_every_gateway_knows_the_accounts(gateways: Gateways) -> None:
    """Killed at one of them, an account is killed for all."""
    for _ in range(4):
        with Client(gateways.address) as client:
            client.login("dev", gateways.password)
            said, _ = client.kill_account("demo", "enough")
            assert said == "killed from a client by dev: enough"
    assert killed_because(gateways.folder / "accounts" / "demo") == said


def test_guesses_at_all_gateways_are_counted_together(gateways: Gateways) -> None:
    told = []
    with gateways.stubs(12) as stubs:
        for stub in stubs:
            request = accounts_pb2.LoginRequest(name="guessed", password="wrong password")
            with pytest.raises(grpc.RpcError) as error:
                stub.Login(request, timeout=20)
            told.append(dict(error.value.trailing_metadata())["tapewire-reason"])
    # Five, and one more for each ten seconds that it took; two gateways alone would give ten.
    assert told[:5] == ["BAD_LOGIN"] * 5
    assert told.count("BAD_LOGIN") <= 8
    assert "LOGIN_RATE" in told


def test_who_is_out_is_out_at_all_gateways_at_once(gateways: Gateways) -> None:
    with Client(gateways.address) as client:
        credentials = client.login("dev", gateways.password)
        token = bearer(credentials.access)
        with gateways.stubs(16) as stubs:
            for stub in stubs:  # now both have looked, and believe it for some seconds
                stub.WhoAmI(accounts_pb2.WhoAmIRequest(), metadata=token, timeout=20)
            client.logout()
            for stub in stubs:
                with pytest.raises(grpc.RpcError) as error:
                    stub.WhoAmI(accounts_pb2.WhoAmIRequest(), metadata=token, timeout=20)
                assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_refresh_token_is_good_once_at_all_gateways(gateways: Gateways) -> None:
    with Client(gateways.address) as client:
        shown = client.login("dev", gateways.password).refresh
    came: list[str] = []
    with gateways.stubs(8) as stubs:

        def refresh(stub: Any) -> None:
            try:
                stub.Refresh(accounts_pb2.RefreshRequest(refresh_token=shown), timeout=30)
                came.append("OK")
            except grpc.RpcError as error:
                came.append(error.code().name)

        calls = [threading.Thread(target=refresh, args=(stub,)) for stub in stubs]
        for one in calls:
            one.start()
        for one in calls:
            one.join(60)
    assert sorted(came) == ["OK"] + ["UNAUTHENTICATED"] * 7


def test_a_gateway_that_is_killed_is_started_again(gateways: Gateways) -> None:
    killed = gateways.pids()[0]
    os.kill(killed, signal.SIGKILL)
    with Client(gateways.address) as client:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            # A connection to the killed one breaks off; the next try finds another.
            with contextlib.suppress(PeerLostError):
                assert client.health()[0]
            if len(gateways.pids()) == 2 and killed not in gateways.pids():
                break
            time.sleep(0.1)
        assert client.health()[0]
    assert len(gateways.pids()) == 2
    (line,) = [one for one in gateways.lines() if one["message"] == "a gateway has ended"]
    assert line["fields"]["how"] == "was killed by SIGKILL"


def test_a_second_server_does_not_get_the_port(gateways: Gateways, tmp_path: Path) -> None:
    address = gateways.address
    for more in ([], ["--gateways", "2"]):
        done = subprocess.run(
            [sys.executable, "-m", "tapewire", "serve", "--dev", "--address", address, *more],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode not in (0, 70), done.stderr
        assert "nobody can listen there" in done.stderr


@pytest.mark.long
def test_gateways_end_with_who_started_them(tmp_path: Path) -> None:
    server = Gateways(tmp_path)
    pids = server.pids()
    with Client(server.address) as client:
        assert client.health()[0]
    server.process.kill()
    server.process.wait(20)
    until = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with Client(server.address) as client, pytest.raises((PeerLostError, ServerRefusal)):
        client.health()
