"""Generate and test, the first way of working, as one command on bars of a real capture."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import TapewireHere
from tapewire.store import Store


@pytest.mark.long
def test_a_thousand_strategies_on_an_hour_of_a_future(
    tapewire_here: TapewireHere, data_file: Callable[[str], Path], tmp_path: Path
) -> None:
    """Seconds of ESH4 from its opening on; the second half hour is closed."""
    capture = data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst")
    done = tapewire_here(
        "factory", "generate", "--count", 1_000, "-d", capture, "--interval", "1s", "--session",
        "23:30", "--timeframes", "5s,1m", "--objective", "total_return", "--trades-min", 2,
        "--store", "s.db", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["trials"], told["status"], told["batches"]) == (1_000, "complete", 2)
    assert "expected at least 10 sessions for 5 folds" in told["not_judged"]
    with Store.open(str(tmp_path / "s.db")) as store:
        assert len(store.strategies("trades", limit=2_000).rows) == 1_000
        best = store.strategies("return", limit=1, where="trades > 1").rows[0]
        state = store.generation(1).state["sums"]["best"][0]
        assert best.total_return == pytest.approx(state[0])
    done = tapewire_here(
        "factory", "test", best.id, "-d", capture, "--interval", "1s", "--session", "23:30",
        "--holdout", "--store", "s.db", "--json",
    )  # fmt: skip
    assert json.loads(done.stdout)["part"] == "holdout", done.stderr
