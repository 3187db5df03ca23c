"""A model is trained on rows of features, written, and asked by ml_enhanced_momentum."""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime as ort
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tapewire as tw
from model_runs import Stage, stage
from tapewire.bridge import ModelRows, ModelSession
from tapewire.bridge.model_files import load_model_file
from tapewire.bridge.momentum import EnhancedMomentum, columns_sent
from tapewire.inputs.features import feature_request, write_features
from tapewire.replay.synth import synthesize

__all__ = ["stage"]
CONFIG = {
    "price_features": ["returns_1m", "returns_5m", "volatility"],
    "microstructure_features": ["book_imbalance", "trade_flow"],
    "use_time_features": True,
}
CAPTURE = "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
LABEL = "mid_return_10s"
NS_PER_S = 10**9


@pytest.fixture(scope="module")
def script(repo: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "train_momentum", repo / "examples" / "bridge" / "train_momentum.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    path = tmp_path_factory.mktemp("day") / "day.mbo.dbn"
    synthesize(path, events=300_000, seed=7)
    names = ["mid", "returns_10s", "imbalance_1", "imbalance_5", "trade_flow_10s"]
    return tw.features_table(path, every="1s", features=names, labels=[LABEL])


def times(table: pa.Table) -> np.ndarray:
    return table["ts_recv"].cast(pa.int64()).to_numpy()


def with_column(table: pa.Table, name: str, values: np.ndarray) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), pa.array(values))


def learnt(model: Any) -> np.ndarray:
    scaler, regression = (step for _, step in model.steps)
    return np.concatenate([scaler.mean_, scaler.scale_, regression.coef_[0], regression.intercept_])


def test_the_parts_are_a_horizon_apart(script: ModuleType, day: pa.Table) -> None:
    ts = times(day)
    gap_ns = script.horizon_ns(LABEL)
    assert gap_ns == 10 * NS_PER_S
    learn, test = script.split(ts, gap_ns)
    assert not (learn & test).any()
    assert ts[learn].max() + gap_ns < ts[test].min()
    assert (ts[learn].max() + gap_ns + NS_PER_S) >= ts[test].min()  # and no further
    assert 0.25 < test.mean() < 0.35
    assert learn.sum() + test.sum() == len(ts) - 10


def test_nothing_that_is_tested_on_is_learnt_from(script: ModuleType, day: pa.Table) -> None:
    model, _, score = script.train(day)
    ts = times(day)
    _, test = script.split(ts, 0)
    rng = np.random.default_rng(1)
    other = day
    for name in (LABEL, "imbalance_1", "returns_10s"):
        values = day[name].to_numpy().copy()
        values[test] = rng.permutation(values[test])
        other = with_column(other, name, values)
    model_2, _, score_2 = script.train(other)
    assert learnt(model).tolist() == learnt(model_2).tolist()
    # It has found something, and nothing where the labels are shuffled.
    assert score["auc"] > 0.6
    assert abs(score_2["auc"] - 0.5) < 0.08
    assert score["learnt_from"] > 500 < score["tested_on"] * 2.5


def test_what_it_can_not_learn_from_is_said(script: ModuleType, day: pa.Table) -> None:
    with pytest.raises(SystemExit, match="rises and falls in both parts"):
        script.train(with_column(day, LABEL, np.ones(day.num_rows)))
    with pytest.raises(SystemExit, match="expected a label of a time"):
        script.horizon_ns("mid_return_100ev")


@pytest.mark.long
def test_a_run_over_what_the_model_has_not_seen(
    repo: Path, stage: Stage, tapewire_here: Any, data_file: Callable[[str], Path]
) -> None:
    """Trained on the first part of a real session, run by the strategy on the rest."""
    stage.data = data_file(CAPTURE)
    border, folder = "2023-12-25T23:24:00", stage.folder
    names = columns_sent(CONFIG)
    request = feature_request(
        [str(stage.data)], every="1s", features=names, labels=[LABEL], end=border
    )
    write_features(request, folder / "train.parquet")
    script = repo / "examples" / "bridge" / "train_momentum.py"
    command = [sys.executable, script, folder / "train.parquet", folder / "momentum.onnx"]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    digests = []
    for rows in (1, 4_096):
        parameters = {"ml_model_path": str(folder / "momentum.onnx"), "lookback_period": 30,
                      "entry_threshold": 1.0, "feature_config": CONFIG}  # fmt: skip
        config = stage.config({
            "type": "ml_enhanced_momentum", "name": "momentum", "every": "1s",
            "parameters": parameters, "bridge": {"frame_rows": rows},
        })  # fmt: skip
        out = folder / f"out{rows}"
        done = tapewire_here("run", config, "--start", border, "-q", "-o", out)
        assert done.returncode == 0, done.stderr
        manifest = stage.manifest(out.name)
        digests.append(manifest["digests"])
        assert manifest["results"]["strategies"]["momentum"]["fills"] > 10
    assert digests[0] == digests[1]
    later = feature_request([str(stage.data)], every="1s", features=names, start=border)
    write_features(later, folder / "later.parquet")
    served = manifest["models"]["momentum"]
    assert served["features"] == names
    assert served["rows"] == pq.read_metadata(folder / "later.parquet").num_rows > 500
    stage.require_nothing_left(out.name)


def test_from_a_real_capture_to_targets(
    repo: Path, data_file: Callable[[str], Path], tmp_path: Path
) -> None:
    capture = data_file(CAPTURE)
    names = columns_sent(CONFIG)
    request = feature_request([str(capture)], every="1s", features=names, labels=[LABEL])
    write_features(request, tmp_path / "train.parquet")
    done = subprocess.run(
        [sys.executable, repo / "examples/bridge/train_momentum.py", "train.parquet", "m.onnx"],
        cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = re.search(r"learnt from ([\d,]+) rows, tested on ([\d,]+) later ones\nAUC 0\.\d{3}",
                     done.stdout)  # fmt: skip
    assert said is not None
    table = pq.read_table(tmp_path / "train.parquet")
    rows = np.column_stack([table[name].to_numpy() for name in names])
    # The file says which columns it was trained on: those that the configuration names.
    path = str(tmp_path / "m.onnx")
    metadata = ort.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["tapewire_columns"]) == names[1:]
    assert load_model_file(path, names, names[1:]).kind == "2 classes"

    targets = []
    for size in (1, 7, 256, len(rows)):
        model = EnhancedMomentum(
            ml_model_path=path, lookback_period=100, entry_threshold=2.0, exit_threshold=0.5,
            feature_config=CONFIG,
        )  # fmt: skip
        model.on_start(ModelSession("m", "pipelined", tuple(names)))
        found = []
        for at in range(0, len(rows), size):
            part = rows[at : at + size]
            model.rows = ModelRows(np.arange(at, at + len(part)), np.zeros(len(part), np.int32), at)
            found.append(model.on_features(part)["target"])
        targets.append(np.concatenate(found))
    assert len({one.tobytes() for one in targets}) == 1
    wanted = targets[0]
    # The lookback is 100 rows with a mid; then it is flat, or on a side that it agrees with.
    with_mid = np.flatnonzero(~np.isnan(rows[:, 0]))
    assert np.isnan(wanted[: with_mid[100]]).all()
    assert {0.0} < set(wanted[with_mid[100:]].tolist()) <= {-1.0, 0.0, 1.0}
