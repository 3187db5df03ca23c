"""One result, however fast models' processes are and however their rows travel."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from model_runs import Stage, stage

__all__ = ["stage"]
ESH4 = "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
Here = Callable[..., Any]


def played(stage: Stage, here: Here, *models: dict[str, Any], **backtest: Any) -> dict[str, Any]:
    """The manifest of a run; its folder is ``out``."""
    config = stage.config(*models, **backtest)
    done = here("run", config, "-q", "-o", stage.folder / "out", "--force")
    assert done.returncode == 0, done.stderr
    stage.require_nothing_left()
    return stage.manifest()


def frames(rows: int, lookahead: int = 16) -> dict[str, Any]:
    return {"bridge": {"frame_rows": rows, "lookahead_batches": lookahead}}


@pytest.mark.timeout(180)
def test_one_digest_whatever_the_way_and_the_speed(stage: Stage, tapewire_here: Here) -> None:
    """Responses travel longer than a capture lags behind, so that asking when rows come is of no
    matter to what the strategy knows.
    """
    latency = {"type": "fixed", "network_latency_us": 400}

    def run(*models: dict[str, Any], batch: int = 1_000, transport: str = "inproc") -> Any:
        replay = {"batch_records": batch, "transport": transport}
        execution = {"latency_model": latency}
        done = played(stage, tapewire_here, *models, replay=replay, execution=execution)
        assert not any("told later than due" in text for text in done["warnings"])
        return done["digests"]

    model = stage.model
    maker = run()["market_maker"]
    base = run(model(**frames(4_096)))
    assert set(base) == {"market_maker", "lean"}
    assert base["market_maker"] == maker
    assert run(model(**frames(1, 64)), batch=65_536) == base
    assert run(model(**frames(65_536, 1)), batch=777, transport="ipc") == base
    slowed = model(**frames(256), parameters={"random_s": 0.02})
    assert run(slowed, batch=4_000) == base
    assert run(model(mode="lockstep"), batch=4_000) == base
    three = run(
        model(**frames(64)),
        model("other", parameters={"size": 1, "random_s": 0.01}),
        model("asked", mode="lockstep", every="50ev"),
    )
    assert {name: three[name] for name in base} == base
    assert three["other"] != base["lean"]


def test_a_state_and_a_close_hang_on_rows_alone(stage: Stage, tapewire_here: Here) -> None:
    """What the model wants hangs on all rows before, and on the close between them."""
    digests, signals = set(), set()
    for rows, batch in ((1, 65_536), (4_096, 900)):
        one = stage.model(kind="Counting", **frames(rows))
        manifest = played(stage, tapewire_here, one, replay={"batch_records": batch})
        digests.add(json.dumps(manifest["digests"]))
        signals.add(manifest["results"]["strategies"]["lean"]["orders"])
    assert len(digests) == 1
    assert min(signals) > 50
    one = stage.model(kind="Counting", **frames(4_096))
    late = played(stage, tapewire_here, one, session={"close": "14:34:00"})
    assert json.dumps(late["digests"]) not in digests, "the close was told"


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_one_digest_of_every_combination(stage: Stage, tapewire_here: Here) -> None:
    digests = set()
    for rows, lookahead, batch, transport in itertools.product(
        (1, 256, 65_536), (1, 64), (311, 65_536), ("ipc", "inproc", "tcp")
    ):
        for slow in ({}, {"random_s": 0.002 if rows == 1 else 0.02}):
            one = stage.model(kind="Counting", parameters=slow, **frames(rows, lookahead))
            replay = {"batch_records": batch, "transport": transport}
            manifest = played(stage, tapewire_here, one, replay=replay)
            digests.add(json.dumps(manifest["digests"]))
    assert len(digests) == 1


def test_a_real_session_in_three_ways(
    stage: Stage, tapewire_here: Here, data_file: Callable[[str], Path]
) -> None:
    stage.data = data_file(ESH4)
    found = []
    for settings in (frames(4_096), frames(7, 2), {"mode": "lockstep"}):
        one = stage.model(every="100ev", **settings)
        manifest = played(stage, tapewire_here, one, replay={"batch_records": 5_000})
        found.append(json.dumps(manifest["digests"]))
        assert manifest["results"]["strategies"]["lean"]["fills"] > 20
    assert len(set(found)) == 1


def test_one_that_runs_free_is_marked(stage: Stage, tapewire_here: Here) -> None:
    manifest = played(stage, tapewire_here, stage.model(mode="free_running"))
    assert manifest["models"]["lean"]["deterministic"] is False
    said = "lean: its model ran free"
    assert any(text.startswith(said) for text in manifest["warnings"])
    assert said in (stage.folder / "out" / "report.html").read_text()


WRITING = '''

class Writing(Leaning):
    """Keeps the rows that it is sent."""

    def on_start(self, session):
        self.kept = []

    def on_features(self, features):
        self.kept.append((self.rows.ts.copy(), features.copy()))

    def on_stop(self):
        ts, rows = (np.concatenate(parts) for parts in zip(*self.kept))
        np.savez(pathlib.Path(__file__).with_name("rows.npz"), ts=ts, rows=rows)
'''


@pytest.mark.parametrize("every", ["1s", pytest.param("100ev", marks=pytest.mark.long)])
def test_rows_that_are_served_are_those_that_are_trained_on(
    stage: Stage, tapewire_here: Here, data_file: Callable[[str], Path], every: str
) -> None:
    """Bit for bit, of a real session; the model's own columns come behind them in lockstep."""
    stage.data = data_file(ESH4)
    stage.models.write_text(stage.models.read_text() + WRITING)
    names = ["mid", "returns_1s", "returns_10s", "imbalance_1", "imbalance_5", "trade_flow_10s"]
    table = stage.folder / "train.parquet"
    done = tapewire_here(
        "features", stage.data, "--every", every, "-o", table,
        "--features", ",".join(names), "--labels", "mid_return_10s",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trained = pq.read_table(table)
    times = trained["ts_recv"].cast("int64").to_numpy()
    wanted = np.column_stack([trained[name].to_numpy() for name in names])
    for mode, size in (("pipelined", 97), ("lockstep", 1)):
        one = stage.model(kind="Writing", features=names, every=every, mode=mode, **frames(size))
        played(stage, tapewire_here, one)
        with np.load(stage.folder / "rows.npz") as served:
            assert served["ts"].tolist() == times.tolist()
            market = np.ascontiguousarray(served["rows"][:, : len(names)])
        assert market.tobytes() == np.ascontiguousarray(wanted).tobytes()
    assert len(wanted) > 400
