"""Verdicts on a study's best row, and studies that none are given for."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapewire.errors import ConfigError
from tapewire.studies import walkforward
from tapewire.studies.luck import luck_of, words

DAY_NS = 86_400 * 10**9
DAYS, TRIALS = 16, 8


def blocks(days_of_trial: list[int]) -> pa.Table:
    """P&L by day of trials that were played for so many days, noise all of it."""
    made = np.random.Generator(np.random.PCG64(5)).normal(0, 1e11, (DAYS, len(days_of_trial)))
    rows = [(k + 1, d) for k, days in enumerate(days_of_trial) for d in range(days)]
    return pa.table(
        {
            "trial": pa.array([trial for trial, _ in rows], pa.int64()),
            "block": pa.array([day * DAY_NS for _, day in rows], pa.timestamp("ns")),
            "net_pnl": pa.array([int(made[day, trial - 1]) for trial, day in rows], pa.int64()),
        }
    )


def test_a_study_that_gave_trials_up_is_not_judged() -> None:
    """Who was given up would count as having made nothing: noise would pass for an edge."""
    whole = luck_of(blocks([DAYS] * TRIALS), 1)
    assert whole.why_not == ""
    assert None not in (whole.deflated_sharpe, whole.reality_check, whole.overfitting)

    some = luck_of(blocks([DAYS] * 2 + [4] * (TRIALS - 2)), 1, pruned=TRIALS - 2)
    assert (some.trials, some.blocks) == (TRIALS, DAYS)
    assert some.deflated_sharpe is some.reality_check is some.overfitting is None
    assert some.why_not.startswith("6 trials were given up")
    assert words(some) == [("Luck", "not judged", some.why_not)]
    assert luck_of(blocks([DAYS, 1]), 1, pruned=1).why_not.startswith("1 trial was given up")


@pytest.mark.parametrize("status", ["complete", "pruned"])
def test_no_walk_goes_over_trials_that_were_given_up(status: str, tmp_path: Path) -> None:
    plan = {"study": {"vary": {"x": [1, 2]}}, "kind": "search"}
    (tmp_path / "study.json").write_text(json.dumps(plan))
    manifest = {"status": "complete", "digest": "0", "versions": {}, "warnings": [], "best": None}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    trials = {"trial": [1, 2], "status": ["complete", status], "values": ['{"x": 1}', '{"x": 2}']}
    pq.write_table(pa.table(trials), tmp_path / "trials.parquet")
    pq.write_table(blocks([DAYS, DAYS if status == "complete" else 1]), tmp_path / "blocks.parquet")
    if status == "complete":
        assert len(walkforward(tmp_path, train=2, test=2).steps) == (DAYS - 2) // 2
        return
    with pytest.raises(
        ConfigError, match=r"played to the end, found 1 that was given up: .*--prune"
    ):
        walkforward(tmp_path, train=2, test=2)
    assert not (tmp_path / "walkforward.json").exists()
