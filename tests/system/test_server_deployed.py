"""Files that set a server up: their commands run without Docker, their names are the server's."""

import base64
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from served import free_ports
from stores import Databases
from tapewire.services.client import Client
from tapewire.services.server.measures import Measures

PASSWORD = "correct horse battery"
#: Functions and words of Prometheus's language that the dashboard uses.
_WORDS = {"sum", "by", "rate", "histogram_quantile", "le", "code", "method", "reason", "query"}
_WORDS |= {"status"}


@pytest.fixture(scope="module")
def folder(repo: Path) -> Path:
    return repo / "examples" / "server"


@pytest.fixture(scope="module")
def compose(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    return found


def figures_named(text: str) -> set[str]:
    words = set(re.findall(r"[a-z_]{2,}", re.sub(r"\[\w+\]", "", text)))
    return {re.sub(r"_(bucket|count|sum)$", "", word) for word in words - _WORDS}


def test_each_figure_of_the_dashboard_is_one_that_a_server_has(folder: Path) -> None:
    measures = Measures()
    measures.stored(1, 1)
    measures.live(1, 1.0)
    measures.backtested(1.0)
    there = {
        name for family in measures.registry.collect()
        for name in (family.name, f"{family.name}_total")
    }  # fmt: skip
    board = json.loads((folder / "grafana.json").read_text())
    asked = [part["expr"] for panel in board["panels"] for part in panel["targets"]]
    assert len(asked) >= 10
    for text in asked:
        named = figures_named(text)
        assert named
        assert named <= there, text
    places = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
    assert len(set(places)) == len(places)


def test_what_is_secret_is_not_in_the_file_and_files_are_there(
    compose: dict[str, Any], folder: Path
) -> None:
    for name, service in compose.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET", variable):
                assert re.fullmatch(r"\$\{\w+:[?-]\}", value), (name, variable)
    assert (folder / compose["server"]["build"]["context"] / "pyproject.toml").exists()
    assert (folder / "Dockerfile").exists()
    for name in ("prometheus", "grafana"):
        for volume in compose[name]["volumes"]:
            assert (folder / volume.split(":")[0]).exists(), volume
    # What has as long to end as calls are given, and more.
    command = compose["server"]["command"]
    drain_s = float(command[command.index("--drain") + 1])
    assert float(compose["server"]["stop_grace_period"].removesuffix("s")) > drain_s


def test_server_and_workers_see_the_same_data_and_runs(compose: dict[str, Any]) -> None:
    server, worker = compose["server"], compose["worker"]
    for name in ("--data", "--runs"):
        places = {one["command"][one["command"].index(name) + 1] for one in (server, worker)}
        assert places == {name.replace("--", "/")}
    mounted = [
        {volume.rsplit(":", 1 + volume.endswith(":ro"))[1] for volume in one["volumes"]}
        for one in (server, worker)
    ]
    assert all({"/data", "/runs"} <= places for places in mounted)
    assert not [volume for volume in worker["volumes"] if volume.endswith(":ro")], (
        "files are derived"
    )


def test_prometheus_asks_every_gateway(compose: dict[str, Any], folder: Path) -> None:
    command = compose["server"]["command"]
    first = int(command[command.index("--metrics-port") + 1])
    count = int(command[command.index("--gateways") + 1])
    scraped = yaml.safe_load((folder / "prometheus.yaml").read_text())["scrape_configs"]
    targets = [one for job in scraped for part in job["static_configs"] for one in part["targets"]]
    assert targets == [f"server:{first + k}" for k in range(count)]


def catches_sigterm(pid: int) -> bool:
    """Whether a process has come so far that it ends in its own way."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.mark.long
def test_the_commands_of_the_compose_file_serve(
    compose: dict[str, Any], databases: Databases, tmp_path: Path
) -> None:
    """As they are there, but for the ports, the database's address and where files lie."""
    key, certificate = tmp_path / "server.key", tmp_path / "server.pem"
    made = shlex.split(
        "openssl req -x509 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 "
        "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    )
    subprocess.run(
        [*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    (tmp_path / "data").mkdir()
    port, metrics = free_ports(1), free_ports(2)
    here = {
        "/etc/tapewire/": f"{tmp_path}/", "/data": f"{tmp_path}/data",
        "/runs": f"{tmp_path}/runs",
        "0.0.0.0:50051": f"127.0.0.1:{port}", "9464": str(metrics), "0.0.0.0": "127.0.0.1",
    }  # fmt: skip
    given = {
        **os.environ,
        "TAPEWIRE_STORE": databases.new(),
        "TAPEWIRE_TOKEN_SECRET": base64.b64encode(bytes(32)).decode(),
        "TAPEWIRE_SECRET_KEYS": f"2026:{base64.b64encode(bytes(range(32))).decode()}",
    }
    assert set(compose["server"]["environment"]) <= set(given)

    def command(arguments: list[str]) -> list[str]:
        for there, ours in here.items():
            arguments = [one.replace(there, ours) for one in arguments]
        return [sys.executable, "-m", "tapewire", *arguments]

    admin = ["store", "users", "add", "ada", "--role", "admin"]
    subprocess.run(command(admin), input=PASSWORD, text=True, check=True, env=given, timeout=60)
    with (tmp_path / "log").open("w") as log:
        running = [
            subprocess.Popen(
                command(compose[name]["command"]), cwd=tmp_path, stdout=subprocess.PIPE,
                stderr=log, env=given, text=True,
            )
            for name in ("server", "worker")
        ]  # fmt: skip
    try:
        assert running[0].stdout is not None
        assert running[0].stdout.readline().startswith("serving postgresql://")
        with Client(f"127.0.0.1:{port}", authority=certificate.read_bytes()) as client:
            client.login("ada", PASSWORD)
            assert client.who_am_i()["role"] == "admin"
            assert client.health()[0]
        for gateway in range(2):
            address = f"http://127.0.0.1:{metrics + gateway}/metrics"
            with urllib.request.urlopen(address, timeout=20) as page:
                assert b"process_cpu_seconds_total" in page.read()
        until_s = time.monotonic() + 60
        while not catches_sigterm(running[1].pid) and time.monotonic() < until_s:
            time.sleep(0.1)
    finally:
        for one in running:
            one.send_signal(signal.SIGTERM)
        ended = [one.wait(60) for one in running]
        for one in running:
            assert one.stdout is not None
            one.stdout.close()
    assert ended == [0, 0], (tmp_path / "log").read_text()
