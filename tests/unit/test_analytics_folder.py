"""The run folder: what is in it, and when it is in it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from analytics_rows import E9, manifest
from analytics_runs import PLAIN_FILES, collect, finished, names
from tapewire.analytics import Collector, load_run
from tapewire.analytics.latency import LatencyLog
from tapewire.errors import FormatError, MissingFileError, OutputError


def test_a_finished_run_holds_every_file_and_nothing_else(tmp_path):
    finished(tmp_path / "deep" / "run")
    run = load_run(tmp_path / "deep" / "run")
    assert names(run.path) == sorted([*PLAIN_FILES, "manifest.json"])
    assert run.status == "complete"
    assert set(run.manifest["files"]) == set(PLAIN_FILES)
    assert run.manifest["rows"] == {"fills": 2, "orders": 4, "samples": 1}
    with pytest.raises(MissingFileError, match=r"set backtest\.output\.detailed_log to true"):
        _ = run.events
    assert run.manifest["legs"][0]["multiplier_num"] == 50
    assert (run.path / "config.yaml").read_text() == "seed: 0\n"
    run.verify()


def test_latencies_are_an_hdr_log(tmp_path):
    finished(tmp_path / "run")
    reader = HistogramLogReader(str(tmp_path / "run" / "latency.hdr"), HdrHistogram(1, 2, 3))
    found = {}
    while (histogram := reader.get_next_interval_histogram()) is not None:
        found[histogram.get_tag()] = histogram
    reader.close()
    assert set(found) == {"batch_wall", "sim_order_entry", "sim_fill_notice"}
    assert found["batch_wall"].get_total_count() == 3
    assert found["batch_wall"].get_value_at_percentile(50) == pytest.approx(1_000_000, rel=1e-3)
    assert found["sim_order_entry"].get_total_count() == 3
    assert found["sim_fill_notice"].get_max_value() == pytest.approx(60_000, rel=1e-3)


def test_many_latencies_are_counted_like_one_after_the_other():
    random = np.random.default_rng(3)
    values = np.concatenate(
        [np.arange(5_000), 2 ** np.arange(43), 2 ** np.arange(43) - 1, [3600 * E9, 3600 * E9 + 1],
         np.exp(random.uniform(0, 29, 2_000)).astype(np.int64)]
    )  # fmt: skip
    together, apart = LatencyLog(), LatencyLog()
    together.record_all("some", values)
    for value in values.tolist():
        apart.record("some", value)
    assert together.summaries() == apart.summaries()
    assert together.encode() == apart.encode()
    assert together.over_range == apart.over_range > 0


def test_a_latency_beyond_an_hour_is_counted_and_said(tmp_path):
    with collect(tmp_path / "run") as collector:
        collector.record_latency("batch_wall", 2 * 3600 * E9, 3)
        collector.finish("complete", manifest())
    (warning,) = load_run(tmp_path / "run").manifest["warnings"]
    assert warning == "3 latencies above an hour are recorded as one hour"


@pytest.mark.parametrize(
    ("tag", "value", "count"),
    [("a,b", 1, 1), ("", 1, 1), ("x" * 65, 1, 1), ("ok", -1, 1), ("ok", 1, 0)],
)
def test_a_latency_out_of_range_is_refused(tmp_path, tag, value, count):
    with Collector(tmp_path / "run", "") as collector, pytest.raises(ValueError, match="expected"):
        collector.record_latency(tag, value, count)


def test_foreign_files_in_the_folder_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    finished(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_two_runs_cannot_share_a_folder(tmp_path):
    with (
        Collector(tmp_path / "run", ""),
        pytest.raises(OutputError, match="written by another run"),
    ):
        Collector(tmp_path / "run", "")


def test_leaving_without_an_end_leaves_no_trace(tmp_path):
    with collect(tmp_path / "run"):
        assert any(n.endswith(".tmp") for n in names(tmp_path / "run"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("status", ["incomplete", "failed"])
def test_a_run_that_fails_leaves_only_its_manifest(tmp_path, status):
    with collect(tmp_path / "run") as collector:
        collector.fail(status, "the replay process died", {"events": 5, "status": "complete"})
        collector.fail("failed", "said again by an outer handler")
    run = load_run(tmp_path / "run")
    assert names(run.path) == ["manifest.json"]
    assert run.status == status
    assert run.manifest["reason"] == "the replay process died"
    assert run.manifest["events"] == 5
    assert run.manifest["rows"] == {"fills": 2, "orders": 4, "samples": 1}
    with pytest.raises(MissingFileError, match="the replay process died"):
        _ = run.fills


def test_a_missing_manifest_key_is_the_callers_bug(tmp_path):
    short = {k: v for k, v in manifest().items() if k != "digest"}
    with collect(tmp_path / "run") as collector, pytest.raises(ValueError, match="digest"):
        collector.finish("complete", short)


def test_nan_never_enters_the_manifest(tmp_path):
    with collect(tmp_path / "run") as collector, pytest.raises(ValueError, match="JSON"):
        collector.finish("complete", manifest(counts={"x": float("nan")}))
    assert load_run(tmp_path / "run").status == "failed"


def test_verify_notices_a_changed_and_a_missing_file(tmp_path):
    finished(tmp_path / "run")
    run = load_run(tmp_path / "run")
    with (run.path / "config.yaml").open("a") as file:
        file.write("#")
    with pytest.raises(FormatError, match=r"config\.yaml"):
        run.verify()
    (run.path / "config.yaml").unlink()
    with pytest.raises(MissingFileError, match=r"config\.yaml"):
        run.verify()


@pytest.mark.parametrize("text", ["{", "[]", "{}", ""])
def test_a_manifest_that_is_none_is_named(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(FormatError, match="expected"):
        load_run(tmp_path)


def test_importing_the_room_stays_cheap():
    code = (
        "import sys, tapewire.analytics as _; heavy = 'jinja2 pandas pyarrow hdrh'; "
        "print([m for m in heavy.split() if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert out.stdout.strip() == "[]"


def test_the_manifest_is_plain_json_in_a_stable_order(tmp_path):
    finished(tmp_path / "run")
    keys = list(json.loads((tmp_path / "run" / "manifest.json").read_text()))
    assert keys[:2] == ["status", "schema_version"]
    assert keys[-1] == "files"
