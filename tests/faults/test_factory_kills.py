"""Searches that are killed lose the batch in flight, and go on to what unbroken ones come to."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import Tapewire
from factories import contents, walk_file
from soaking import Soak
from tapewire.errors import StoreError
from tapewire.factory.asked import FactorySettings
from tapewire.factory.datasets import read_bars
from tapewire.factory.searching import evolve, generate
from tapewire.store import Store

#: Longest until a search has kept its first batches, on a busy machine, s.
STARTED_S = 240.0
KILLS = 100
RANDOM = FactorySettings(count=400, batch=4, timeframes=("15m", "1h"), trades_min=3)
GENETIC = FactorySettings(
    "genetic", 600, population=6, generations=100, timeframes=("15m", "1h"), trades_min=3
)


def words(settings: FactorySettings) -> list[object]:
    more: list[object] = ["-n", settings.count, "--batch", settings.batch]
    if settings.method == "genetic":
        more = ["--population", settings.population, "--generations", settings.generations]
    return [
        "factory", "generate", "-d", "bars.parquet", "--method", settings.method, *more,
        "--timeframes", "15m,1h", "--trades-min", "3", "--no-judge", "--store", "killed.db",
    ]  # fmt: skip


def batches(path: Path) -> int:
    try:
        with Store.open(str(path), create=False) as store:
            return max((one.batches for one in store.generations()), default=0)
    except StoreError:
        return 0


def kill_after(process: "subprocess.Popen[str]", path: Path, count: int) -> int:
    """Kill a search once it has kept so many batches; return how many it had kept."""
    until_s = time.monotonic() + STARTED_S
    while batches(path) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until_s
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return batches(path)


@pytest.mark.long
@pytest.mark.timeout(500)
@pytest.mark.parametrize("settings", [RANDOM, GENETIC], ids=["random", "genetic"])
def test_a_search_that_was_killed_twice_comes_to_what_an_unbroken_one_does(
    tapewire: Tapewire, tmp_path: Path, settings: FactorySettings
) -> None:
    bars = read_bars(walk_file(tmp_path / "bars.parquet"))
    expected = generate(bars, settings, store=str(tmp_path / "whole.db"), judges=False)
    killed = tmp_path / "killed.db"
    kept = kill_after(tapewire.start(*words(settings)), killed, 2)
    assert 2 <= kept < expected.batches
    with Store.open(str(killed)) as store:
        record = store.generation(1)
        assert (record.status, record.state["sums"]["history"][-1]["number"]) == (
            "running", kept - 1
        )  # fmt: skip
    again = tapewire.start("factory", "evolve", "1", "--store", "killed.db", "--no-judge")
    later = kill_after(again, killed, kept + 2)
    assert kept + 2 <= later < expected.batches
    found = evolve(1, store=str(killed), judges=False)
    assert found.digest == expected.digest
    assert contents(killed) == contents(tmp_path / "whole.db")


@pytest.mark.soak
@pytest.mark.parametrize("settings", [RANDOM, GENETIC], ids=["random", "genetic"])
def test_searches_killed_at_random_moments(
    tapewire: Tapewire, tmp_path: Path, soak: Soak, settings: FactorySettings
) -> None:
    """One is killed until it ends in spite of it, as an unbroken one does; then the next."""
    walk_file(tmp_path / "bars.parquet")
    whole, killed = tmp_path / "whole.db", tmp_path / "killed.db"
    began_s = time.monotonic()
    _end(tapewire.start(*words(settings)), STARTED_S)
    whole_s = time.monotonic() - began_s
    killed.rename(whole)
    kills, ended = [0], [0]
    again = ("factory", "evolve", "1", "--store", "killed.db", "--no-judge")

    def play(seed: int, moment_s: float | None = None) -> None:
        moment_s = moment_s or random.Random(seed).random() * whole_s
        process = tapewire.start(*(again if batches(killed) else words(settings)))
        try:
            _end(process, moment_s)
        except subprocess.TimeoutExpired:
            kills[0] += 1
            process.kill()
            process.communicate()
            if batches(killed) and not is_complete(killed):
                return
            if batches(killed):  # it was done, and had only to end
                assert contents(killed) == contents(whole)
        else:
            ended[0] += 1
            assert contents(killed) == contents(whole)
        for path in tmp_path.glob("killed.db*"):  # ended, or had kept nothing: the next is begun
            path.unlink()

    count = soak.seeds(KILLS, play)
    play(0, STARTED_S)
    soak.say(f"{count} starts, {kills[0]} killed; {ended[0]} searches ended, no difference")


def is_complete(path: Path) -> bool:
    with Store.open(str(path)) as store:
        return bool(store.generation(1).status == "complete")


def _end(process: "subprocess.Popen[str]", timeout_s: float) -> None:
    """Wait for an end as it should be."""
    _, error = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, error
