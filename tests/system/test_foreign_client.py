"""The model in plain C++ of the examples, built and served: the protocol's page is enough."""

import itertools
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from bridge_peers import FakeRun, rows_of
from tapewire.bridge import protocol as msg

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
SOURCE = Path(__file__).parents[2] / "examples" / "bridge" / "client.cpp"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("foreign") / "client"
    command = ["g++", "-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, SOURCE]
    subprocess.run(command, check=True, timeout=100)
    return program


@contextmanager
def started(client: Path, endpoint: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen([client, "--connect", endpoint], stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_it_is_as_short_as_it_says() -> None:
    assert len(SOURCE.read_text().splitlines()) < 150


@pytest.mark.parametrize("scheme", ["ipc", "tcp"])
def test_it_answers_every_row(client: Path, short_folder: Path, scheme: str) -> None:
    endpoint = "tcp://127.0.0.1:*" if scheme == "tcp" else f"ipc://{short_folder}/run/mine"
    with FakeRun(endpoint, peer_timeout_s=1.0) as run, started(client, run.endpoint) as process:
        hello = run.welcome(columns=("mid", "x" * 40, "y" * 250), parameters='{"a": 1}' * 1_000)
        assert (hello.name, hello.pid) == ("client.cpp", process.pid)
        ts, instrument, values = rows_of(20_000, columns=3)
        values[::7] = np.nan
        cuts = [0, 1, 3, 300, *range(1_000, 20_001, 1_000)]
        for at, stop in itertools.pairwise(cuts):
            run.send_rows(at, (ts[at:stop], instrument[at:stop], values[at:stop]))
        signs = np.sign(values[:, 0])
        expected = np.where(np.isnan(signs), msg.NO_TARGET, np.nan_to_num(signs).astype(np.int64))
        np.testing.assert_array_equal(run.hear_targets(0, 20_000), expected)
        time.sleep(2.5)  # it is asked whether it lives meanwhile, and answers
        run.say(msg.Heartbeat())
        run.say(msg.Close(1, True))
        run.send_rows(20_000, rows_of(2, columns=3))
        run.hear_targets(20_000, 20_002)
        run.bye()
        assert process.wait(10) == 0


def test_it_says_why_it_ends(client: Path, short_folder: Path) -> None:
    endpoint = f"ipc://{short_folder}/run/mine"
    with started(client, endpoint) as process:
        assert process.communicate(timeout=10)[1] == "error: nobody is there\n"
    for word, expected in (
        (msg.Error("row 3: no"), "error: the run: row 3: no\n"),
        (b"XXXX\x91", "error: expected a message of the bridge\n"),
        (msg.Features(0, 2, False), "error: expected rows\n"),
    ):
        with FakeRun(endpoint) as run, started(client, endpoint) as process:
            run.welcome()
            run.say(word)
            assert process.communicate(timeout=10)[1] == expected
            assert process.returncode == 1
    with FakeRun(endpoint) as run, started(client, endpoint) as process:
        run.welcome()
        run.close(linger_ms=0)
        assert process.communicate(timeout=10)[1] == "error: the run is gone\n"
