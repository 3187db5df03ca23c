"""What jobs look for in files of data: as the commands do, and nothing of where the files are."""

import datetime
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapewire.candles.reading import kind_of
from tapewire.errors import ConfigError, InputError, OutputError
from tapewire.factory.files import (
    STEPS_MAX,
    check_data,
    derive_data,
    derived_name,
    inspect_data,
    plot_data,
)
from tapewire.factory.jobs import do_job
from tapewire.inputs.check import check_file
from tapewire.inputs.derive import derive_file
from tapewire.inputs.inspection import inspect_any
from tapewire.inputs.scenes import read_scene
from tapewire.market.records import UNDEF_PRICE
from tapewire.replay.synth import synthesize
from tapewire.store import Store

DataFile = Callable[[str], Path]
ESH4 = "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
BARS_1M = "glbx/esu4-nqu4-20240701.ohlcv-1m.dbn.zst"
NAME = "day.mbo.dbn.zst"
START_NS = 1_709_942_400 * 10**9
MINUTE_NS = 60 * 10**9


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4,000 bars of a minute in quarter points, so that three become one step of a picture."""
    n = 4_000
    close = 16_000 + np.cumsum(np.random.default_rng(3).integers(-4, 5, n))
    opened = np.r_[16_000, close[:-1]]
    columns = {
        "ts_event": START_NS + np.arange(n) * MINUTE_NS, "open": opened / 4,
        "high": (np.maximum(opened, close) + 1) / 4, "low": (np.minimum(opened, close) - 1) / 4,
        "close": close / 4, "volume": np.arange(n),
    }  # fmt: skip
    path = tmp_path_factory.mktemp("data") / "walk.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_bars_of_a_picture_have_the_extremes_of_those_they_stand_for(walk: Path):
    found = plot_data(walk, "walk.parquet")
    rows = pq.read_table(walk).to_pylist()
    groups = [rows[k : k + 3] for k in range(0, len(rows), 3)]
    assert len(found["at_ms"]) == len(groups) <= STEPS_MAX
    assert found["start_ns"] == str(START_NS)
    assert found["step_ms"] == 3 * 60_000
    assert found["at_ms"] == [k * 3 * 60_000 for k in range(len(groups))]
    assert found["low"] == [min(one["low"] for one in group) for group in groups]
    assert found["high"] == [max(one["high"] for one in group) for group in groups]
    assert found["close"] == [group[-1]["close"] for group in groups]
    assert found["volume"] == [sum(one["volume"] for one in group) for group in groups]


def test_a_part_of_the_bars_is_shown_bar_by_bar(walk: Path):
    found = plot_data(walk, "walk.parquet", start=str(START_NS + MINUTE_NS), end="2024-03-09T00:04")
    assert found["at_ms"] == [0, 60_000, 120_000]
    assert found["volume"] == [1, 2, 3]
    with pytest.raises(ConfigError, match="expected bars from start to end, found none"):
        plot_data(walk, "walk.parquet", start="2030-01-01")
    with pytest.raises(ConfigError, match=r"start: .*found 'yesterday'"):
        plot_data(walk, "walk.parquet", start="yesterday")


def test_bars_are_described_by_their_name_alone(walk: Path):
    found = inspect_data(walk, "walk.parquet")
    assert (found["kind"], found["report"]["bars"]) == ("bars", 4_000)
    assert str(walk.parent) not in json.dumps(found)
    with pytest.raises(ConfigError, match=r"walk.parquet: expected a .dbn or .dbn.zst file"):
        check_data(walk, "walk.parquet")


def test_a_file_of_mbo_records_is_inspected_and_checked_as_by_the_commands(data_file: DataFile):
    path = data_file(ESH4)
    for looked, expected in (
        (inspect_data(path, NAME), inspect_any(path)),
        (check_data(path, NAME), check_file(path)),
    ):
        assert str(path.parent) not in json.dumps(looked)
        assert looked["report"].pop("path") == NAME
        told = asdict(expected)
        del told["path"]
        assert {k: v for k, v in looked["report"].items() if k in told} == told


def test_a_picture_of_a_book_is_its_scene(data_file: DataFile):
    path = data_file(ESH4)
    found, scene = plot_data(path, NAME), read_scene(path)
    assert json.loads(json.dumps(found)) == found
    assert len(json.dumps(found)) < 1 << 20  # of the 2 MiB that a job's result may have
    assert (found["kind"], found["symbol"]) == ("book", "ESH4")
    first = int(scene.steps[0])
    assert found["start_ns"] == str(first)
    for k in range(0, len(scene.steps), 50):
        assert found["at_ms"][k] == (int(scene.steps[k]) - first) / 1e6
        for side, price, lots in ((0, "bid", "bid_lots"), (1, "ask", "ask_lots")):
            touch = int(scene.prices[k, side, 0])
            assert found[price][k] == (None if touch == UNDEF_PRICE else touch / 1e9)
            assert found[lots][k] == sum(int(one) for one in scene.sizes[k, side, :10])
    assert sum(found["volume"]) == int(scene.volume.sum())
    assert len(found["trades"]) + found["trades_left_out"] == (
        len(scene.trades) + scene.trades_left_out
    )
    smallest = min(one[2] for one in found["trades"])
    shown = sum(1 for one in scene.trades[:, 2].tolist() if one > smallest)
    assert shown <= len(found["trades"])


def test_bars_of_a_dbn_file_are_those_of_one_symbol(data_file: DataFile):
    path = data_file(BARS_1M)
    with pytest.raises((ConfigError, InputError), match="ESU4"):
        plot_data(path, "bars.dbn.zst")
    found = plot_data(path, "bars.dbn.zst", symbol="ESU4")
    assert (found["kind"], found["symbol"]) == ("bars", "ESU4")
    assert all(low <= close <= high for low, close, high in zip(
        found["low"], found["close"], found["high"], strict=True))  # fmt: skip


def test_a_job_that_fails_says_nothing_of_where_files_are(tmp_path: Path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "broken.parquet").write_bytes(b"PAR1 and no more")
    place = str(tmp_path / "store.db")
    with Store.open(place) as store:
        owner = store.add_user("ana", "admin", "no hash", by="test")
        asked = {
            "strategy": "sma_cross", "parameters": ["fast=5:9:1", "slow=20:21:1"],
            "bars": {"data": "broken.parquet"},
        }  # fmt: skip
        store.add_job("optimize", asked, owner.id)
        job = store.claim_job("here", ["optimize"], lease_s=60.0)
        assert job is not None
        argument = {
            "store": place, "job": job.id, "attempt": job.attempt, "folder": str(folder),
            "threads": 1,
        }  # fmt: skip
        with pytest.raises(InputError, match=r"broken\.parquet") as caught:
            do_job(argument, lambda said: None)
    assert str(tmp_path) not in str(caught.value)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of data with one day of records."""
    folder = tmp_path_factory.mktemp("derived")
    synthesize(folder / NAME, events=3_000, seed=5)
    return folder


def test_a_file_is_derived_as_the_command_does_and_is_found_there(day: Path, tmp_path: Path):
    found = derive_data(day, day / NAME, NAME, schema="ohlcv-1m")
    derive_file(day / NAME, tmp_path / "x.dbn.zst", schema="ohlcv-1m")
    place = day / "day.ohlcv-1m.dbn.zst"
    assert found["file"] == found["report"]["path"] == place.name
    assert place.read_bytes() == (tmp_path / "x.dbn.zst").read_bytes()
    assert (kind_of(place), kind_of(day / NAME)) == ("bars", "mbo")
    # What is there is never replaced, but by another attempt at the job that has made it.
    made = datetime.datetime.fromtimestamp(place.stat().st_mtime, datetime.UTC)
    hour = datetime.timedelta(hours=1)
    for since in (None, made + hour):
        with pytest.raises(OutputError, match="is there already"):
            derive_data(day, day / NAME, NAME, schema="ohlcv-1m", since=since)
    again = derive_data(day, day / NAME, NAME, schema="ohlcv-1m", since=made - hour)
    assert again["report"]["rows"] == found["report"]["rows"]


@pytest.mark.parametrize(
    "name", ["../x.dbn", "/tmp/x.dbn", ".hidden.dbn", "no/folder/x.dbn", "a/../../x.dbn", "x\0.dbn"]
)
def test_nothing_is_written_outside_the_folder(day: Path, name: str):
    before = sorted(day.parent.rglob("*"))
    with pytest.raises(ConfigError, match="output: expected a new name in the server's folder"):
        derive_data(day, day / NAME, NAME, schema="trades", output=name)
    assert sorted(day.parent.rglob("*")) == before


def test_what_can_not_be_derived_is_said(day: Path):
    for given, said in (
        ({"schema": "ohlcv-7m"}, "schema: expected one of"),
        ({"schema": "trades", "output": "x.txt"}, "expected a name ending in"),
        ({"schema": "trades", "start": "yesterday"}, "start: "),
        ({"schema": "trades", "symbols": ["NONE"]}, "NONE"),
    ):
        with pytest.raises((ConfigError, InputError), match=said):
            derive_data(day, day / NAME, NAME, **given)
    with pytest.raises(ConfigError, match="expected a server with a folder of data"):
        derive_data(None, day / NAME, NAME, schema="trades")


def test_a_derived_file_is_called_after_its_schema(tmp_path: Path):
    assert derived_name("a/day.mbo.dbn.zst", "tbbo") == "a/day.tbbo.dbn.zst"
    assert derived_name("day.trades.dbn", "ohlcv-1m") == "day.ohlcv-1m.dbn.zst"
    assert derived_name("20240102.dbn", "mbp-1") == "20240102.mbp-1.dbn.zst"
    assert derived_name("v1.2.dbn", "mbp-1") == "v1.2.mbp-1.dbn.zst"
    (tmp_path / "broken.dbn").write_bytes(b"nothing")
    assert kind_of(tmp_path / "broken.dbn") == ""
    assert kind_of("bars.csv.gz") == "bars"
