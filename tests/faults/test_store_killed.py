"""A process that saves batches is killed: what was saved is there, whole, and the rest is not."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from soaking import Soak
from stores import Databases, filled, result, strategy
from tapewire.store import Store
from tapewire.store.checking import check_store

BATCH = 400
KILLS, KILLS_FULL = 3, 100
_SAVER = """
import sys
from stores import result, strategy
from tapewire.store import Store
url, size = sys.argv[1], int(sys.argv[2])
with Store.open(url) as store:
    print("ready", flush=True)
    while True:
        search = store.generation(1)
        some = range(search.batches * size, (search.batches + 1) * size)
        store.save_batch(1, search.batches, [strategy(k) for k in some],
                         [result(k, 1) for k in some], trials=size, state={"last": some[-1]})
        print(search.batches, flush=True)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        databases: Databases = request.getfixturevalue("databases")
        return databases.new()
    return str(tmp_path / "store.db")


def killed_after(url: str, seconds: float) -> int:
    """Save batches until killed so long after the first; return how many were told of."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SAVER, url, str(BATCH)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert process.stdout.readline()
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        said = process.stdout.read().splitlines()
    assert process.returncode == -signal.SIGKILL
    return 1 + len([line for line in said if line.isdigit()])


def begun(url: str) -> None:
    """A store with a search that has kept nothing yet."""
    with Store.open(url) as store:
        store.begin_generation({}, store.add_dataset("d" * 64, {}))


def kill(url: str, told: int, seconds: float) -> int:
    """Kill who saves; look at what is there: so many batches, or one more than could be said."""
    told += killed_after(url, seconds)
    with Store.open(url) as store:
        search = store.generation(1)
        assert told <= search.batches <= told + 1
        told = search.batches
        found = check_store(store)
        assert found.faults == ()
        assert found.rows["strategies"] == found.rows["backtest_results"] == told * BATCH
        assert search.trials == store.trial_count(1) == told * BATCH
        assert search.state == {"last": told * BATCH - 1}
        assert store.strategy(f"drawn-{told * BATCH - 1:05d}").results[0].digest
    return told


def test_a_kill_loses_the_batch_in_flight_alone(url: str) -> None:
    draw = random.Random(7)
    begun(url)
    told = 0
    for _ in range(KILLS):
        told = kill(url, told, draw.random() * 0.5)


@pytest.mark.soak
def test_stores_killed_at_random_moments(url: str, soak: Soak) -> None:
    """One after the other, on what those before have left."""
    begun(url)
    told = [0]

    def play(seed: int) -> None:
        told.append(kill(url, told[-1], random.Random(seed).random() * 0.5))

    count = soak.seeds(KILLS_FULL, play)
    soak.say(f"{count} kills, {told[-1]} batches of {BATCH} saved, none lost or doubled")


def test_a_restore_that_is_killed_leaves_what_was_there(tmp_path: Path) -> None:
    """SQLite takes back the pages that were copied; PostgreSQL's is a transaction like any."""
    large, kept = tmp_path / "large.db", tmp_path / "kept.db"
    with Store.open(str(large)) as store:
        filled(store, 3_000)
        for k in range(0, 3_000, 500):
            store.add_results([result(j, 1, f"test-{k}") for j in range(3_000)])
    with Store.open(str(kept)) as store:
        filled(store, 2)
    backup = tmp_path / "large.backup"
    shutil.copy(large, backup)
    code = (
        "import os, signal, sys\n"
        "from tapewire.store import backups\n"
        "backups._STEP_PAGES = 20\n"
        "def kill(done, total):\n"
        "    if done > total // 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "backups.restore(sys.argv[1], backups.Path(sys.argv[2]), force=True, progress=kill)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(kept), str(backup)], check=False, timeout=100
    )
    assert done.returncode == -signal.SIGKILL
    with Store.open(str(kept)) as store:
        assert check_store(store).faults == ()
        assert [row.name for row in store.strategies("id").rows] == ["drawn-00001", "drawn-00000"]
        assert store.add_strategies([strategy(5)]) == [3]
