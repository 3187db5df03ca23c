"""Train the model that ml_enhanced_momentum asks, and write it as ONNX.

    python train_momentum.py train.parquet momentum.onnx

The rows are those of `tapewire features FILES --every 1s --labels mid_return_10s`. The model learns
from the earlier ones whether the mid rises within the label's horizon; how good it is, the later
ones tell. Between the two lies a gap of that horizon: a label looks so far ahead, and what is
learnt from must not know of what is tested on.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TEST_SHARE = 0.3  # of the time
NS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def horizon_ns(label):
    """Return how far a label looks ahead."""
    match = re.fullmatch(r"mid_return_(\d+)(ms|s|m|h)", label)
    if match is None:
        raise SystemExit(f"expected a label of a time, as mid_return_10s, found {label}")
    return int(match[1]) * NS[match[2]]


def split(ts, gap_ns):
    """Return which rows are learnt from and which are tested on, by time alone."""
    border = ts[0] + (ts[-1] - ts[0]) * (1 - TEST_SHARE)
    return ts + gap_ns < border, ts >= border


def train(table):
    """Return a fitted model, its columns, and what came of the test."""
    made = json.loads(table.schema.metadata[b"tapewire_features"])
    (label,) = made["labels"]
    columns = [name for name in made["features"] if name != "mid"]  # moves, not prices
    rows = np.column_stack([table[name].to_numpy() for name in columns]).astype(np.float32)
    moved = table[label].to_numpy()
    ts = table["ts_recv"].cast(pa.int64()).to_numpy()
    # What is not known yet, and moments after which nothing moved, say nothing of a direction.
    use = np.isfinite(rows).all(axis=1) & np.isfinite(moved) & (moved != 0)
    rises = (moved > 0).astype(np.int64)
    learn, test = (part & use for part in split(ts, horizon_ns(label)))
    if len(set(rises[learn])) < 2 or len(set(rises[test])) < 2:
        raise SystemExit("expected rises and falls in both parts, found otherwise: more data")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1_000))
    model.fit(rows[learn], rises[learn])
    said = model.predict_proba(rows[test])[:, 1]
    return (
        model,
        columns,
        {
            "learnt_from": int(learn.sum()),
            "tested_on": int(test.sum()),
            "auc": float(roc_auc_score(rises[test], said)),
            "right": float(((said > 0.5) == rises[test]).mean()),
            "always_the_same": float(max(rises[test].mean(), 1 - rises[test].mean())),
        },
    )


def write(model, columns, path):
    """Write it as ONNX, with the names of its columns."""
    inputs = [("features", FloatTensorType([None, len(columns)]))]
    made = convert_sklearn(model, initial_types=inputs, options={"zipmap": False})
    entry = made.metadata_props.add()
    entry.key, entry.value = "tapewire_columns", json.dumps(columns)
    Path(path).write_bytes(made.SerializeToString())


def main(source, output):
    """Train, say how good it is on what it has not seen, write."""
    model, columns, score = train(pq.read_table(source))
    print(f"learnt from {score['learnt_from']:,} rows, tested on {score['tested_on']:,} later ones")
    print(f"AUC {score['auc']:.3f} (0.5 knows nothing)")
    print(f"right {score['right']:.1%}, always the same answer {score['always_the_same']:.1%}")
    write(model, columns, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
