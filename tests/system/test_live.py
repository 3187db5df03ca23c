"""`tapewire live`: strategies on paper over live data, from the gateway to the run folder."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Tapewire, TapewireHere
from live_gateway import DATASET, KEY, SNAPSHOT, Cut, LiveGateway, Script, serving
from tapewire.config.live import LiveSettings
from tapewire.config.loading import make_config
from tapewire.errors import FeedError, TapewireError
from tapewire.replay.source import read_records
from tapewire.runs.api import run
from tapewire.runs.hooks import Hooks, RunProgress
from tapewire.runs.live import run_live
from tapewire.runs.result import RunResult

#: Seen by the strategy, in the words of the tables.
CONFIG = {
    "backtest": {"data_source": {"type": "databento", "files": ["live.dbn"]}, "seed": 3},
    "strategy": {"type": "market_maker"},
}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABENTO_API_KEY", KEY)


@pytest.fixture(scope="module")
def venue(synthetic_file: Path) -> np.ndarray:
    """What happens at the venue: 6,000 records."""
    _, records = read_records(synthetic_file)
    return records[:6_000].copy()


def script_of(records: np.ndarray, *cuts: Cut, **more: Any) -> Script:
    return Script(records, {"TWA1": int(records["instrument_id"][0])}, list(cuts), **more)


def snapshot_n(records: np.ndarray) -> int:
    return int(np.count_nonzero(records["flags"] & SNAPSHOT))


class Session:
    """A session of a gateway's whole script, and what was said meanwhile."""

    def __init__(self, records: int) -> None:
        self.said: list[str] = []
        self._records = records

    def progress(self, progress: RunProgress) -> None:
        """All has come: end the data as a user does."""
        if progress.events == self._records:
            os.kill(os.getpid(), signal.SIGINT)

    def run(
        self, gateway: LiveGateway, folder: Path, *, seconds: float = 60, **more: Any
    ) -> RunResult:
        given = {"symbols": ["TWA1"], "gateway": str(gateway.address), **more}
        return run_live(
            make_config(CONFIG), LiveSettings(dataset=DATASET, **given), name="live",
            output=folder, seconds=seconds,
            hooks=Hooks(announce=self.said.append, progress=self.progress),
        )  # fmt: skip


def digest(result: RunResult) -> str:
    return str(result.manifest["digest"])


def test_a_session_is_what_its_recording_is_played_again(venue: np.ndarray, tmp_path: Path) -> None:
    session = Session(len(venue))
    with serving(script_of(venue)) as gateway:
        live = session.run(gateway, tmp_path / "live")
    assert (live.manifest["status"], live.manifest["events"]) == ("complete", len(venue))
    assert live.fills.num_rows > 10
    again = run(tmp_path / "live" / "config.yaml", output=tmp_path / "again")
    assert digest(again) == digest(live)
    [recorded] = (tmp_path / "live.recording").glob("*.dbn")
    assert again.manifest["config"]["backtest"]["data_source"]["files"] == [str(recorded)]
    np.testing.assert_array_equal(read_records(recorded)[1], venue)
    assert session.said == []


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "symbol", "speed"),
    [
        ("glbx/esm4-glbx-mdp3-20240508-snapshot.mbo.dbn.zst", "ESM4", 1.0),
        ("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst", "ESH4", 50.0),
    ],
)
def test_a_capture_at_its_pace_has_the_digest_of_its_file(
    data_file: Callable[[str], Path], tmp_path: Path, name: str, symbol: str, speed: float
) -> None:
    _, records = read_records(data_file(name))
    script = Script(records, {symbol: int(records["instrument_id"][0])}, speed=speed)
    session = Session(len(records))
    with serving(script) as gateway:
        live = session.run(gateway, tmp_path / "live", symbols=[symbol], seconds=500)
    assert live.manifest["events"] == len(records)
    whole = run(CONFIG, files=data_file(name), output=tmp_path / "file")
    assert digest(whole) == digest(live)
    assert session.said == []


@pytest.mark.long
def test_what_a_cut_took_comes_and_no_order_goes_meanwhile(
    venue: np.ndarray, tmp_path: Path
) -> None:
    session = Session(len(venue))
    with serving(script_of(venue, Cut(1_500, 1_300), Cut(900, 0, "reset"))) as gateway:
        live = session.run(gateway, tmp_path / "live")
    assert live.manifest["events"] == len(venue)
    [recorded] = (tmp_path / "live.recording").glob("*.dbn")
    np.testing.assert_array_equal(read_records(recorded)[1], venue)
    held = [text.split(":")[0] for text in session.said if text.startswith("new orders")]
    assert held == ["new orders are held", "new orders go again"] * 2
    sent = orders_sent(live, "STALE_DATA")
    at = snapshot_n(venue) + 1_500
    cut_ns, back_ns = venue["ts_recv"][[at, at + 1_300]].astype(np.int64)
    assert np.any((sent >= cut_ns) & (sent < back_ns))
    sent = orders_sent(live)
    assert not np.any((sent >= cut_ns) & (sent < back_ns))
    assert np.any(sent < cut_ns)
    assert np.any(sent > back_ns)


def orders_sent(result: RunResult, reason: str = "") -> np.ndarray:
    """When orders were sent, ns: those denied for a reason, or those that were not denied."""
    table = result.orders
    sent = table.column("ts_sent").cast("int64").to_numpy()
    reasons = np.asarray(table.column("reason").to_pylist())
    denied = np.asarray(table.column("status").to_pylist()) == "DENIED"
    return np.asarray(sent[denied & (reasons == reason)] if reason else sent[~denied])


@pytest.mark.parametrize(
    ("on_gap", "goes_on"), [("halt", False), pytest.param("continue", True, marks=pytest.mark.long)]
)
def test_a_gap_holds_orders(venue: np.ndarray, tmp_path: Path, on_gap: str, goes_on: bool) -> None:
    missed = 700
    session = Session(len(venue) - missed + snapshot_n(venue))  # which comes once more
    with serving(script_of(venue, Cut(2_000, missed), aged_out=1)) as gateway:
        live = session.run(gateway, tmp_path / "live", on_gap=on_gap)
    assert any("are missing" in text for text in live.manifest["warnings"])
    gap_ns = int(venue["ts_recv"][snapshot_n(venue) + 2_000])
    sent = orders_sent(live)
    assert np.any(sent < gap_ns)
    assert np.any(sent > gap_ns) == goes_on
    # Those of the cut itself are denied either way.
    assert goes_on or any("STALE_DATA" in text for text in live.manifest["warnings"])


@pytest.mark.long
def test_a_gateway_that_stays_away_ends_the_session_with_what_it_had(
    venue: np.ndarray, tmp_path: Path
) -> None:
    cut = Cut(2_000, then=["Too many sessions"] * 1_000)
    with serving(script_of(venue, cut)) as gateway:
        live = Session(0).run(gateway, tmp_path / "live", patience_s=2.0)
    events = snapshot_n(venue) + 2_000
    assert (live.manifest["status"], live.manifest["events"]) == ("complete", events)
    assert any("given up after" in text for text in live.manifest["warnings"])


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_session_ends_in_time_or_at_once(
    venue: np.ndarray, tmp_path: Path, tapewire: Tapewire
) -> None:
    """`--for`, Ctrl-C and SIGTERM end it in order; a second one while it ends, at once."""

    def words(gateway: LiveGateway) -> tuple[Any, ...]:
        return (
            "live", "--dataset", DATASET, "--symbols", "TWA1", "-s", "market_maker",
            "--gateway", gateway.address, "-q",
        )  # fmt: skip

    with serving(script_of(venue)) as gateway:
        ended = tapewire(*words(gateway), "--for", 2, "-o", "timed")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert RunResult.load(tmp_path / "timed").manifest["events"] == len(venue)
    for number, name in ((signal.SIGINT, "a"), (signal.SIGTERM, "b")):
        with serving(script_of(venue)) as gateway:
            process = tapewire.start(*words(gateway), "-o", name)
            wait_for_records(tmp_path / f"{name}.recording", len(venue))
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
        assert (process.returncode, "error" in said) == (0, False), said
        assert RunResult.load(tmp_path / name).manifest["events"] == len(venue)
    with serving(script_of(venue)) as gateway:
        process = tapewire.start(*words(gateway), "-o", "c")
        wait_for_records(tmp_path / "c.recording", len(venue))
        [stream] = children("tapewire.live", process.pid)
        os.kill(stream, signal.SIGSTOP)  # so that the session can't end in order
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert "stopped by Ctrl-C" in said
    assert json.loads((tmp_path / "c/manifest.json").read_text())["status"] == "incomplete"


def wait_for_records(folder: Path, count: int) -> None:
    """Until so many are in a recording in the making."""
    until_s = time.monotonic() + 60
    while sum(path.stat().st_size for path in folder.glob(".*.part")) < 56 * count:
        assert time.monotonic() < until_s
        time.sleep(0.05)
    time.sleep(0.3)


def test_what_is_wrong_is_said_before_anything_is_made(
    tmp_path: Path, tapewire_here: TapewireHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("live", "--dataset", DATASET, "--symbols", "TWA1", "-s", "market_maker")
    (tmp_path / "taken").mkdir()
    (tmp_path / "typo.yaml").write_text(
        json.dumps({**CONFIG, "live": {"dataset": DATASET, "symbols": ["TWA1"], "on_gaps": "halt"}})
    )
    for words, code, part in (
        (("live",), 2, "--dataset: expected"),
        (("live", "typo.yaml"), 2, "on_gap"),
        ((*asked, "-o", "taken"), 4, "expected nothing there"),
        ((*asked, "--gateway", "nowhere"), 2, "expected host:port"),
        ((*asked, "--for", "0"), 2, "--for: expected more than 0"),
        ((*asked, "--stype-in", "raw"), 2, "--stype-in"),
    ):
        ended = tapewire_here(*words)
        assert (ended.returncode, part in ended.stderr) == (code, True), (words, ended.stderr)
    monkeypatch.delenv("DATABENTO_API_KEY")
    assert "DATABENTO_API_KEY: expected" in tapewire_here(*asked).stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken", "typo.yaml"]


def test_a_gateway_that_refuses_leaves_nothing(
    venue: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABENTO_API_KEY", KEY[:-1] + "x")
    with (
        serving(script_of(venue)) as gateway,
        pytest.raises(FeedError, match="refuses the key") as caught,
    ):
        Session(0).run(gateway, tmp_path / "live")
    assert KEY[:-1] not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
def test_a_market_stream_that_is_lost_ends_the_session_which_keeps_its_rows(
    venue: np.ndarray, tmp_path: Path, number: int
) -> None:
    class Killing(Session):
        def progress(self, progress: RunProgress) -> None:
            if progress.events == len(venue):
                [pid] = children("tapewire.live")
                os.kill(pid, number)

    began_s = time.monotonic()
    with serving(script_of(venue)) as gateway, pytest.raises(TapewireError) as caught:
        Killing(0).run(gateway, tmp_path / "live")
    assert "market stream" in str(caught.value)
    assert time.monotonic() - began_s < 60
    manifest = json.loads((tmp_path / "live" / "manifest.json").read_text())
    assert manifest["status"] == "incomplete"
    assert RunResult.load(tmp_path / "live", incomplete=True).fills.num_rows > 10
    assert not children("tapewire.live")


def children(module: str, owner: int = 0) -> list[int]:
    """Processes of this one, or of another, that run a module."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            status = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if (
                int(status[1]) == (owner or os.getpid())
                and status[0] != "Z"
                and module.encode() in words
            ):
                found.append(int(folder.name))
    return found
