"""`data record`: a live feed in files, over cuts, kills and days."""

import json
import re
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import databento as db
import numpy as np
import pytest
from rich.console import Console

from conftest import Tapewire, TapewireHere
from live_gateway import DATASET, KEY, SNAPSHOT, SYMBOLS, Cut, LiveGateway, Script, market, serving
from naive.dbn import read_mbo
from tapewire.errors import ConfigError, FeedError, InputError, NoDataError, OutputError
from tapewire.inputs.recording import RecordingReport, record_feed
from tapewire.live import FeedCounts, FeedRequest, recover_recordings
from tapewire.market.records import MBO_DTYPE

REQUEST = FeedRequest(DATASET, ("ESH4", "NQH4"))


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABENTO_API_KEY", KEY)


def recorded(
    gateway: LiveGateway, folder: Path, *, seconds: float = 15.0, **more: Any
) -> RecordingReport:
    """Record until all has come that there is."""
    given = {"request": REQUEST, "address": gateway.address, **more}

    seen, since_s = 0, time.monotonic()

    def enough(counts: FeedCounts) -> bool:
        """Nothing more happens, and for a moment nothing has come."""
        nonlocal seen, since_s
        if counts.records != seen or not gateway.is_done:
            seen, since_s = counts.records, time.monotonic()
        return time.monotonic() - since_s > 0.5

    return record_feed(
        given.pop("request"), folder, seconds=seconds, enough=enough,
        more={"pauses_s": (0.01, 0.02)}, **given,
    )  # fmt: skip


def started(
    tapewire: Tapewire, gateway: LiveGateway, folder: Path, *, until: int
) -> "subprocess.Popen[str]":
    """The command in a process of its own, once so many records have happened and come."""
    process = tapewire.start(
        "data", "record", "-o", folder, "--dataset", DATASET, "--symbols", "ESH4,NQH4",
        "--gateway", gateway.address,
    )  # fmt: skip
    until_s = time.monotonic() + 60
    while sum(path.stat().st_size for path in folder.glob(".*.part")) < 56 * until:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until_s
        time.sleep(0.05)
    return process


def mbo(paths: Any) -> np.ndarray:
    """The MBO records of files, by a reader of bytes."""
    parts = []
    for path in paths:
        store = db.DBNStore.from_bytes(Path(path).read_bytes())
        parts += [record for record in store if isinstance(record, db.MBOMsg)]
    return np.frombuffer(b"".join(map(bytes, parts)), MBO_DTYPE)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_feed_becomes_a_file_as_it_came(tmp_path: Path) -> None:
    records = market(2_000)
    with serving(Script(records, SYMBOLS, [Cut(700, 100)])) as gateway:
        report = recorded(gateway, tmp_path / "es")
    assert files(tmp_path / "es") == ["glbx-mdp3-20231209T000000.dbn", "recording.json"]
    np.testing.assert_array_equal(mbo(report.files), records)
    assert (report.counts.records, report.counts.cuts) == (2_000, 1)


def test_files_are_turned_over_and_each_opens_alone(tmp_path: Path) -> None:
    records = market(9_000)  # more than is read at once between them
    hour_ns = 3_600 * 10**9
    records["ts_event"][3_000:] += np.uint64(hour_ns)
    records["ts_event"][6_000:] += np.uint64(5 * hour_ns)
    with serving(Script(records, SYMBOLS)) as gateway:
        report = recorded(gateway, tmp_path, rotate_hours=1.0)
    assert len(report.files) == 3
    np.testing.assert_array_equal(mbo(report.files), records)
    for path in report.files:
        store = db.DBNStore.from_bytes(Path(path).read_bytes())
        names = {
            one.instrument_id: one.stype_out_symbol
            for one in store
            if isinstance(one, db.SymbolMappingMsg)
        }
        assert names == {7: "ESH4", 8: "NQH4"}


def test_a_killed_recording_goes_on_without_a_gap(tmp_path: Path, tapewire: Tapewire) -> None:
    records = market(3_000)
    folder = tmp_path / "es"
    with serving(Script(records, SYMBOLS, [Cut(1_500, 500, "silence")])) as gateway:
        process = started(tapewire, gateway, folder, until=1_520)
        process.kill()
        _, said = process.communicate()
        assert KEY not in said
        [part] = [path for path in folder.iterdir() if path.name.endswith(".part")]
        with part.open("ab") as file:  # as if in the middle of a record
            file.write(records[:1].tobytes()[:20])
        report = recorded(gateway, folder)
    assert len(report.recovered) == 1
    assert len(report.files) == 1
    np.testing.assert_array_equal(mbo([*report.recovered, *report.files]), records)
    assert not [name for name in files(folder) if name.startswith(".")]


def test_ctrl_c_keeps_what_has_come(tmp_path: Path, tapewire: Tapewire) -> None:
    records = market(500)
    with serving(Script(records, SYMBOLS)) as gateway:
        process = started(tapewire, gateway, tmp_path / "es", until=500)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGINT
    assert "500 records in 1 file" in out
    assert said.splitlines()[-1].startswith("error: stopped by Ctrl-C")
    [path] = (tmp_path / "es").glob("*.dbn")
    np.testing.assert_array_equal(mbo([path]), records)


def test_a_run_of_it_is_a_run_of_its_source(
    tmp_path: Path, tapewire_here: TapewireHere, synthetic_file: Path
) -> None:
    """One digest: of the venue's own file, and of what was recorded over cuts."""
    store = db.DBNStore.from_bytes(synthetic_file.read_bytes())
    records = read_mbo(synthetic_file)[:8_000].copy()
    records["flags"][:100] |= SNAPSHOT
    source = tmp_path / "source.dbn"
    source.write_bytes(store.metadata.encode() + records.tobytes())
    symbols = {name: int(one[0]["symbol"]) for name, one in store.metadata.mappings.items()}
    cuts = [Cut(3_000, 100), Cut(1_500, 1_300, "part")]
    with serving(Script(records, symbols, cuts)) as gateway:
        request = replace(REQUEST, symbols=("ALL_SYMBOLS",))
        report = recorded(gateway, tmp_path / "es", request=request)
    digests = []
    for path in (str(source), *report.files):
        done = tapewire_here("run", path, "-o", f"run-{Path(path).stem}", "-q")
        assert done.returncode == 0, done.stderr
        manifest = tmp_path / f"run-{Path(path).stem}" / "manifest.json"
        digests.append(json.loads(manifest.read_text())["digest"])
    assert len(digests) == 2
    assert digests[0] == digests[1]


def test_the_documented_command(tmp_path: Path, tapewire_here: TapewireHere) -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    [command] = re.findall(r"`tapewire (data record [^`]+)` writes", page)
    records = market(300)
    with serving(Script(records, SYMBOLS)) as gateway:
        words = [*command.split(), "--gateway", str(gateway.address), "--for", "1", "--json"]
        done = tapewire_here(*words)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["records"] == 300
    assert told["gaps"] == []
    np.testing.assert_array_equal(mbo(tmp_path / name for name in told["files"]), records)
    assert [one["symbols"] for one in gateway.asked[0]] == ["ES.c.0"]
    assert [one["stype_in"] for one in gateway.asked[0]] == ["continuous"]


def test_the_key_is_nowhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = Script(market(300), SYMBOLS, [Cut(100, then=["too many connections"])])
    with serving(script) as gateway:
        recorded(gateway, tmp_path, console=Console())
        assert len(gateway.auths) == 3
        assert KEY not in "".join(gateway.auths)
    said = "".join(capfd.readouterr())
    assert "too many connections" in said
    assert KEY not in said
    for path in tmp_path.iterdir():
        assert KEY.encode() not in path.read_bytes()


# --- what goes wrong ------------------------------------------------------------------------------


def test_nothing_that_came_is_no_recording(tmp_path: Path) -> None:
    empty = np.zeros(0, MBO_DTYPE)
    with serving(Script(empty, {})) as gateway, pytest.raises(NoDataError, match="nothing was rec"):
        recorded(gateway, tmp_path, seconds=0.3)
    assert not list(tmp_path.glob("*.dbn"))


def test_a_gap_is_an_error_and_the_files_are_there(tmp_path: Path) -> None:
    script = Script(market(600), SYMBOLS, [Cut(200, 100), Cut(0)], aged_out=1)
    with serving(script) as gateway, pytest.raises(InputError, match="1 gap could not be filled"):
        recorded(gateway, tmp_path)
    assert len(mbo(tmp_path.glob("*.dbn"))) == 220 + 20 + 280


def test_a_folder_has_one_recording(tmp_path: Path) -> None:
    with serving(Script(market(100), SYMBOLS)) as gateway:
        recorded(gateway, tmp_path, seconds=0.3)
        other = replace(REQUEST, symbols=("CLZ6",))
        with pytest.raises(OutputError, match=r"expected recordings of .*CLZ6.*found.*ESH4"):
            recorded(gateway, tmp_path, request=other)


def test_a_folder_that_goes_on_has_no_other_start(tmp_path: Path) -> None:
    with serving(Script(market(100), SYMBOLS)) as gateway:
        recorded(gateway, tmp_path)
        with pytest.raises(ConfigError, match=r"--start: .* goes on where the last one ended"):
            recorded(gateway, tmp_path, request=replace(REQUEST, start_ns=10**18))


def test_a_key_that_is_refused_leaves_no_file(tmp_path: Path) -> None:
    script = Script(market(100), SYMBOLS, refuses=["Authentication failed."])
    with serving(script) as gateway, pytest.raises(FeedError, match="refuses the key"):
        recorded(gateway, tmp_path)
    assert files(tmp_path) == ["recording.json"]


def test_a_part_without_a_record_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".a.dbn.part").write_bytes(b"DBN\x03")
    (tmp_path / ".other.part").write_bytes(b"somebody's")
    assert recover_recordings(tmp_path) == []
    assert files(tmp_path) == [".other.part"]
    assert recover_recordings(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["--dataset", "es", "--symbols", "ES"],
            "dataset: expected one like GLBX.MDP3, found 'es'",
        ),
        (
            ["--dataset", DATASET, "--symbols", "ES", "--schema", "trades"],
            "schemas: expected mbo, and beside it some of definition, status, statistics, found",
        ),
        (
            ["--dataset", DATASET, "--symbols", "ES", "--gateway", "here"],
            "gateway: expected host:port, found 'here'",
        ),
        (
            ["--dataset", DATASET, "--symbols", "ES", "--start", "noon"],
            "--start: expected a time: ISO 8601",
        ),
        (
            ["--dataset", DATASET, "--symbols", "ES", "--rotate", "0"],
            "--rotate: expected 0.01 to 168 hours, found 0",
        ),
        (
            ["--dataset", DATASET, "--symbols", "ES", "--for", "-1"],
            "--for: expected more than 0 seconds, found -1",
        ),
    ],
)
def test_what_can_not_be_recorded(
    tapewire_here: TapewireHere, tmp_path: Path, words: list[str], expected: str
) -> None:
    done = tapewire_here("data", "record", "-o", tmp_path / "x", *words)
    assert done.returncode == 2
    assert expected in done.stderr
    assert not (tmp_path / "x").exists()


def test_without_a_key_it_says_where_there_is_one(
    tapewire_here: TapewireHere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABENTO_API_KEY")
    words = ["--dataset", DATASET, "--symbols", "ES"]
    done = tapewire_here("data", "record", "-o", tmp_path / "x", *words)
    assert done.returncode == 2
    assert "DATABENTO_API_KEY: expected your Databento key" in done.stderr
    assert files(tmp_path) == []
