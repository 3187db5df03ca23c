"""A search at a server from the command line: gone on with, judged, and stopped by Ctrl-C."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Tapewire, TapewireHere
from factories import walk_file
from killing import heeding_ctrl_c
from serving import Serving, logged_in

#: How long a search may take to begin on a busy host, s.
BEGUN_S = 300.0
#: Records of an hour, and days of bars: what can be judged has sessions.
REAL, DAYS = "esh4.mbo.dbn.zst", "bars.parquet"
#: Of the former: bars of a second, and when their day begins.
SEARCH = (
    "--interval", "1s", "--session", "23:30", "--timeframes", "5s,1m", "--objective",
    "total_return", "--trades-min", 2, "--json",
)  # fmt: skip
LONG = ("factory", "generate", "--count", 2_000, "--batch", 20, "--no-judge", *SEARCH)


class Places:
    """Commands that are done here and at a server, and say the same."""

    def __init__(self, tapewire: TapewireHere, data: Path, server: Serving) -> None:
        self.tapewire, self.data = tapewire, data
        self.at = ("--server", server.address)

    def both(self, *words: Any, data: str = "", code: int = 0) -> list[Any]:
        """Do a command here and there; return what each printed, or its error."""
        said = []
        for place, folder in ((("--store", "tapewire.db"), self.data), (self.at, Path())):
            done = self.tapewire(*words, *(("-d", folder / data) if data else ()), *place)
            assert done.returncode == code, done.stderr
            said.append(done)
        return said

    def same(self, *words: Any, data: str = "") -> dict[str, Any]:
        """Return the JSON that a command prints here and there."""
        here, there = (json.loads(one.stdout) for one in self.both(*words, data=data))
        assert set(here) == set(there)
        for name in here:
            if name != "elapsed_s":
                assert here[name] == there[name], name
        return dict(there)


@pytest.fixture
def serving(data_file: Callable[[str], Path], tmp_path: Path) -> Iterator[Serving]:
    """A server with one worker, over real records and bars of days; who calls it is known here."""
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"), data / REAL)
    walk_file(data / DAYS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
        (tmp_path / "served").mkdir()
        server = Serving(tmp_path / "served", data, 1)
        try:
            logged_in(server)
            yield server
        finally:
            server.end()


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_a_search_goes_on_is_judged_and_is_stopped_at_a_server(
    tapewire_here: TapewireHere, tapewire: Tapewire, serving: Serving, tmp_path: Path
) -> None:
    """Each command says here and there the same; what Ctrl-C has stopped goes on as if not."""
    places = Places(tapewire_here, tmp_path / "data", serving)
    began = ("--method", "genetic", "--population", 20, "--generations", 2)
    first = places.same("factory", "generate", *began, *SEARCH, data=REAL)
    longer = places.same("factory", "evolve", 1, "--generations", 2, "--json")
    assert longer["trials"] > first["trials"]
    assert "expected at least 10 sessions" in longer["not_judged"]
    _is_judged(places)
    _is_stopped(places, tapewire, serving)


def _is_judged(places: Places) -> None:
    """A search is judged with its holdout closed, then with it opened, which is done once."""
    days = ("--count", 24, "--timeframes", "15m,1h", "--trades-min", 3, "--no-judge", "--json")
    assert places.same("factory", "generate", *days, data=DAYS)["id"] == 2
    judge = ("factory", "test", "--generation", 2)
    closed = places.same(*judge, "--json")
    assert (closed["is_open"], closed["judged"] > 0) == (False, True)
    off = "trades,walk_forward,costs,deflated_sharpe,overfitting,overfitting_loss"
    guards = [f"off={off},order_drawdown,order_ruin", "candidates=2", "shuffles=39"]
    few = [*judge, "--holdout", *(word for one in guards for word in ("--guard", one))]
    assert places.same(*few, "--why", "the season is over", "--json")["is_open"]
    here, there = places.both(*judge)
    assert here.stdout == there.stdout
    assert "verdicts on the best" in there.stdout
    for words, code in ((few, 2), (("factory", "evolve", 99), 7)):
        here, there = places.both(*words, code=code)
        assert here.stderr.splitlines()[-1] == there.stderr.splitlines()[-1]


def _is_stopped(places: Places, tapewire: Tapewire, serving: Serving) -> None:
    whole = json.loads(
        places.tapewire(*LONG, "-d", places.data / REAL, "--store", "whole.db").stdout
    )
    command = tapewire.command(*LONG, "-d", REAL, *places.at)
    process = subprocess.Popen(
        command, cwd=tapewire.cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, preexec_fn=heeding_ctrl_c,
    )  # fmt: skip
    with serving.client() as client:
        until_s = time.monotonic() + BEGUN_S
        while True:
            going, _ = client.jobs(kind="generate", state="running")
            if going and going[0].generation_id and going[0].steps_done > 40:
                job = going[0]
                break
            assert process.poll() is None
            assert time.monotonic() < until_s, going
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        said, error = process.communicate(timeout=120)
        assert process.returncode == 130, error
        assert said == ""
        assert f"job {job.id} at {serving.address}" in error
        assert error.splitlines()[-1].startswith("error: ")
        search = job.generation_id
        assert f"what it found is kept: tapewire factory evolve {search} goes on" in error
        assert client.job(job.id).state == "canceled"
        followed = places.tapewire("jobs", "follow", job.id, *places.at)
        assert followed.returncode == 130
        kept = sum(one["generation_id"] == search for one in client.strategies())
        assert 0 < kept < whole["trials"]
        ended = places.tapewire("factory", "evolve", search, "--no-judge", "--json", *places.at)
        assert ended.returncode == 0, ended.stderr
        found = json.loads(ended.stdout)
        assert (found["digest"], found["trials"]) == (whole["digest"], whole["trials"])
        assert client.health()[0]
