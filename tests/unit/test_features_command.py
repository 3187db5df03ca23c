"""``tapewire features``: what is written, what is said."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tapewire as tw
from naive.dbn import read_mbo
from tapewire.features import DEFAULT_NAMES, FeaturePass, FeatureSet, Sampling
from tapewire.replay.synth import synthesize


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("features") / "day.mbo.dbn"
    synthesize(path, events=40_000, instruments=2, seed=11)
    return path


def test_the_file_has_the_rows_of_a_pass(tapewire_here: Any, tmp_path: Path, day: Path) -> None:
    done = tapewire_here(
        "features", day, "--every", "1s", "-o", "f.parquet", "--labels", "mid_return_10s"
    )
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "f.parquet")
    assert f"{table.num_rows:,} rows of 40,000 records, 21 columns" in done.stdout
    assert table.column_names == [
        "ts_recv", "publisher_id", "instrument_id", "symbol", *DEFAULT_NAMES, "mid_return_10s",
    ]  # fmt: skip
    assert table.schema.field("ts_recv").type == pa.timestamp("ns", tz="UTC")
    ahead = FeaturePass(FeatureSet(), Sampling.of("1s"))
    given = [*ahead.feed(read_mbo(day)), *ahead.finish()]
    values = np.concatenate([one.values for one in given])
    found = np.column_stack([table[name].to_numpy() for name in DEFAULT_NAMES])
    assert found.tobytes() == values.tobytes()
    assert len(values) > 500
    ts = np.concatenate([one.rows["ts"] for one in given])
    assert table["ts_recv"].cast(pa.int64()).to_numpy().tolist() == ts.tolist()
    assert set(table["symbol"].to_pylist()) == {"TWA1", "TWA2"}
    names = {90_001: "TWA1", 90_002: "TWA2"}
    assert [names[i] for i in table["instrument_id"].to_pylist()] == table["symbol"].to_pylist()
    made = json.loads(table.schema.metadata[b"tapewire_features"])
    assert made == {
        "every": "1s", "features": list(DEFAULT_NAMES), "labels": ["mid_return_10s"],
        "close_s": 86_400,
    }  # fmt: skip


def test_labels_end_where_the_data_do(day: Path) -> None:
    table = tw.features_table(day, every="1s", features="mid", labels=["mid_return_10s"])
    one = table.filter(pa.compute.equal(table["symbol"], "TWA1"))
    label, mid = one["mid_return_10s"].to_numpy(), one["mid"].to_numpy()
    assert np.isnan(label[-10:]).all()
    assert not np.isnan(label[:-10]).any()
    assert label[:-10] == pytest.approx(mid[10:] / mid[:-10] - 1, abs=1e-12)


def test_symbols_and_a_window_narrow_it(day: Path) -> None:
    whole = tw.features_table(day, every="50ev", features=["mid", "arrival_rate_1s"])
    part = tw.features_table(
        [day], every="50ev", features="mid, arrival_rate_1s", symbols="TWA2",
        start="2024-03-04T14:31:00Z", end="2024-03-04T14:33:00Z",
    )  # fmt: skip
    rows = [
        row for row in whole.to_pylist()
        if row["symbol"] == "TWA2" and "14:31:00" <= str(row["ts_recv"])[11:19] < "14:33:00"
    ]  # fmt: skip
    assert part.to_pylist() == rows
    assert len(rows) > 30


def test_times_to_a_close(day: Path) -> None:
    table = tw.features_table(day, every="5m", features=["time_to_close"], close="14:35:00")
    assert sorted(set(table["time_to_close"].to_pylist())) == [0.0, 300.0]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--every", "100"], 2, "every: expected a time of 1ms to 24h as 100ms"),
        (["--every", "1s", "--features", "mid,sprad"], 2, "no feature 'sprad': did you mean"),
        (["--every", "1s", "--features", ""], 2, "features: expected 1 to 1000, found 0"),
        (
            ["--every", "1s", "--labels", "returns_1s"],
            2,
            "label 'returns_1s': expected mid_return_",
        ),
        (["--every", "1s", "--close", "24:00"], 2, "close: expected a time of day in UTC as 22:00"),
        (["--every", "1s", "--start", "noon"], 2, "--start"),
        (["--every", "1s", "--symbols", "TWA9"], 3, "TWA9"),
        (["--every", "24h"], 3, "no row is due in its 40,000 records with --every 24h"),
        (["--every", "1s", "--start", "2031-01-01"], 3, "widen the filter"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_left(
    tapewire_here: Any, tmp_path: Path, day: Path, options: list[str], code: int, said: str
) -> None:
    done = tapewire_here("features", day, "-o", "f.parquet", *options)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_written_over_itself(tapewire_here: Any, tmp_path: Path, day: Path) -> None:
    copy = tmp_path / "day.dbn"
    copy.write_bytes(day.read_bytes())
    done = tapewire_here("features", copy, "--every", "1s", "-o", copy)
    assert done.returncode == 2
    assert "is the input" in done.stderr
    assert copy.read_bytes() == day.read_bytes()
    twice = tapewire_here("features", copy, day, "--every", "1s", "-o", "f.parquet")
    assert "the same records" in twice.stderr


def test_rows_of_a_real_day(data_file: Callable[[str], Path]) -> None:
    files = [data_file(f"glbx/esh4-glbx-mdp3-202312{day}.mbo.dbn.zst") for day in (24, 25)]
    table = tw.features_table(
        files, every="bbo", features="spread,imbalance_1,order_flow_imbalance_10s"
    )
    spread = table["spread"].to_numpy()
    assert len(table) > 10_000
    assert set(table["symbol"].to_pylist()) == {"ESH4"}
    # The market opens at 23:00 UTC; from then on a tick, or a few.
    open_ = np.array([str(t)[11:13] == "23" for t in table["ts_recv"].to_pylist()])
    assert np.median(spread[open_]) == 0.25
    assert np.nanmax(np.abs(table["imbalance_1"].to_numpy())) < 1
