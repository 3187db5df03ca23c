"""Whole runs in real processes: from a market data file to a run folder."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tapewire as tw
from conftest import Tapewire
from tapewire.errors import NoDataError, OutputError
from tapewire.processes.transports import chosen_transport, cores

Command = Callable[..., subprocess.CompletedProcess[str]]
DataFile = Callable[[str], Path]

ESH4 = "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
ESH4_EVENTS = 68_792
RUN_FILES = {
    "config.yaml", "equity.parquet", "fills.parquet", "latency.hdr", "manifest.json",
    "markouts.parquet", "metrics.parquet", "orders.parquet", "report.html",
}  # fmt: skip
BOTH = [{"type": "market_maker"}, {"type": "sma_crossover"}]


def manifest_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def config_for(file: Path, *, strategies: Any = None, **backtest: Any) -> dict[str, Any]:
    data_source = {"type": "databento", "files": [str(file)], **backtest.pop("data_source", {})}
    return {
        "backtest": {"data_source": data_source, **backtest},
        "strategy": strategies or BOTH,
    }


@pytest.fixture(scope="module")
def first_records(synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 2,500 records of the synthetic session: for batches of one."""
    from tapewire.replay import read_records

    _, records = read_records(str(synthetic_file))
    whole = synthetic_file.read_bytes()
    header = len(whole) - records.nbytes
    path = tmp_path_factory.mktemp("first") / "first.mbo.dbn"
    path.write_bytes(whole[: header + 2_500 * records.itemsize])
    return path


# --- the main promise -----------------------------------------------------------------------


def test_a_real_file_goes_through_the_whole_pipeline_twice_the_same(
    tapewire: Command, tapewire_here: Command, tmp_path: Path, data_file: DataFile
) -> None:
    digests = set()
    for name, command in (("one", tapewire), ("two", tapewire_here)):
        done = command(
            "run", data_file(ESH4), "-s", "market_maker", "-s", "sma_crossover", "-o", name
        )
        assert done.returncode == 0, done.stderr
        folder = tmp_path / name
        assert {path.name for path in folder.iterdir()} == RUN_FILES
        manifest = manifest_of(folder)
        digests.add(manifest["digest"])
        assert manifest["digest"] in done.stdout
        assert str(Path(name) / "report.html") in done.stdout
        assert manifest["status"] == "complete"
        assert manifest["events"] == ESH4_EVENTS
        assert set(manifest["digests"]) == {"market_maker", "sma_crossover"}
        assert all(manifest["results"]["strategies"][s]["fills"] > 0 for s in manifest["digests"])
        (source,) = manifest["inputs"]
        assert source["bytes"] == data_file(ESH4).stat().st_size
        assert len(source["xxh3_128"]) == 32
        assert {"decode", "receive", "simulate", "collect"} <= set(manifest["stages"])
        assert manifest["versions"]["tapewire"]
    assert len(digests) == 1


def test_the_run_folders_configuration_runs_again_to_the_same_digest(
    tapewire_here: Command, tmp_path: Path, synthetic_file: Path
) -> None:
    first = tapewire_here("run", synthetic_file, "-s", "market_maker", "-o", "first", "--seed", "3")
    assert first.returncode == 0, first.stderr
    again = tapewire_here("run", "first/config.yaml", "-o", "again")
    assert again.returncode == 0, again.stderr
    first_manifest, manifest = manifest_of(tmp_path / "first"), manifest_of(tmp_path / "again")
    assert manifest["digest"] == first_manifest["digest"]
    assert manifest["config"] == first_manifest["config"]


def test_a_run_and_its_report_are_one_json_object(
    tapewire_here: Command, tmp_path: Path, synthetic_file: Path
) -> None:
    words = ("run", synthetic_file, "-s", "market_maker", "-o", "told", "--json")
    run, report = tapewire_here(*words), tapewire_here("report", "told", "--json")
    assert run.returncode == report.returncode == 0, run.stderr + report.stderr
    found = json.loads(run.stdout)
    assert found == json.loads(report.stdout)
    assert found.pop("run") == "told"
    assert Path(tmp_path / found.pop("report")).is_file()
    assert found == manifest_of(tmp_path / "told")


def test_without_arguments_it_shows_everything_on_a_session_of_its_own(
    tapewire: Command, tmp_path: Path
) -> None:
    done = tapewire("run")
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    manifest = manifest_of(folder)
    assert manifest["status"] == "complete"
    assert manifest["events"] >= 2_000_000
    assert set(manifest["digests"]) == {"market_maker", "sma_crossover"}
    assert manifest["inputs"][0]["file"].endswith(".dbn.zst")
    assert folder.name.endswith("-default")


def test_a_synthetic_session_is_made_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tapewire.config.schema import SyntheticSource
    from tapewire.inputs.synthetic import synthetic_file

    monkeypatch.setenv("TAPEWIRE_CACHE_DIR", str(tmp_path))
    said: list[str] = []
    source = SyntheticSource(type="synthetic", events=1_000, seed=5)
    path = synthetic_file(source, said.append)
    content = path.read_bytes()
    assert synthetic_file(source, said.append) == path
    assert len(said) == 1
    assert synthetic_file(source.model_copy(update={"seed": 6}), said.append) != path
    path.unlink()
    assert synthetic_file(source).read_bytes() == content
    monkeypatch.setenv("TAPEWIRE_CACHE_DIR", str(path))
    with pytest.raises(OutputError, match="TAPEWIRE_CACHE_DIR"):
        synthetic_file(source)


def test_without_a_second_core_the_replay_is_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapewire.processes.transports.cores", lambda: 1)
    assert chosen_transport("auto") == "inproc"
    assert chosen_transport("tcp") == "tcp"
    monkeypatch.setattr("tapewire.processes.transports.cores", lambda: 2)
    assert chosen_transport("auto") == "ipc"
    assert cores() >= 1


# --- one digest -----------------------------------------------------------------------------


def run_digests(config: dict[str, Any], out: Path, **replay: Any) -> dict[str, str]:
    backtest = {**config["backtest"], "replay": replay}
    result = tw.run({**config, "backtest": backtest}, output=out)
    transport = chosen_transport(replay.get("transport", "auto"))
    assert result.manifest["stream"]["transport"] == transport
    wanted = replay.get("payload", "auto")
    if wanted != "auto":
        assert result.manifest["stream"]["payload"] == wanted
    return {"": result.digest, "events": result.manifest["events"], **result.manifest["digests"]}


def test_one_digest_for_every_transport_payload_and_batch_size(
    tmp_path: Path, synthetic_file: Path
) -> None:
    config = config_for(synthetic_file)
    found = [
        run_digests(config, tmp_path / str(i), transport=transport, **options)
        for i, (transport, options) in enumerate(
            [
                ("ipc", {"payload": "shared"}),
                ("ipc", {"payload": "inline", "batch_records": 4_096}),
                ("ipc", {"payload": "shared", "batch_records": 7}),
                ("tcp", {"payload": "shared", "batch_records": 65_536}),
                ("tcp", {"payload": "inline"}),
                ("inproc", {"payload": "shared", "batch_records": 4_096}),
                ("inproc", {"payload": "inline", "batch_records": 7}),
            ]
        )
    ]
    assert all(digests == found[0] for digests in found), found


def test_one_digest_down_to_batches_of_one(tmp_path: Path, first_records: Path) -> None:
    config = config_for(first_records)
    found = [
        run_digests(
            config, tmp_path / f"{transport}{size}", transport=transport, batch_records=size
        )
        for transport, size in (("ipc", 1), ("inproc", 1), ("ipc", 7), ("ipc", 65_536))
    ]
    assert found[0]["events"] == 2_500
    assert all(digests == found[0] for digests in found), found


def test_one_digest_whatever_runs_beside(tmp_path: Path) -> None:
    from tapewire.replay.synth import synthesize

    path = tmp_path / "two.mbo.dbn.zst"
    synthesize(path, events=30_000, instruments=2, seed=11)
    maker = {"type": "market_maker", "symbols": ["TWA1"]}
    other = {"type": "sma_crossover"}
    alone = tw.run(config_for(path, strategies=[maker]), output=tmp_path / "alone")
    beside = tw.run(config_for(path, strategies=[other, maker]), output=tmp_path / "beside")
    only = tw.run(
        config_for(path, strategies=[maker], data_source={"symbols": ["TWA1"]}),
        output=tmp_path / "only",
    )
    assert only.manifest["events"] < alone.manifest["events"]
    digests = {run.manifest["digests"]["market_maker"] for run in (alone, beside, only)}
    assert len(digests) == 1
    assert alone.manifest["results"]["strategies"]["market_maker"]["orders"] > 0


@pytest.fixture(scope="module")
def elsewhere(synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``out`` of a process of another hash seed, what it left in ``tmp``, and the
    names of what it left of shared memory.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    temporary = folder / "tmp"
    temporary.mkdir()
    env = {"TMPDIR": str(temporary), "XDG_RUNTIME_DIR": str(temporary), "PYTHONHASHSEED": "12345"}
    shared = set(Path("/dev/shm").iterdir())
    done = Tapewire(folder)("run", synthetic_file, "-o", "out", env=env)
    assert done.returncode == 0, done.stderr
    (folder / "shared").write_text(
        "".join(path.name for path in set(Path("/dev/shm").iterdir()) - shared)
    )
    return folder


def test_hash_seeds_do_not_matter(
    tapewire_here: Command, tmp_path: Path, synthetic_file: Path, elsewhere: Path
) -> None:
    assert hash("tapewire") != hash_of_seed("12345")
    done = tapewire_here("run", synthetic_file, "-o", "here")
    assert done.returncode == 0, done.stderr
    assert manifest_of(tmp_path / "here")["digest"] == manifest_of(elsewhere / "out")["digest"]


def hash_of_seed(seed: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", "print(hash('tapewire'))"],
        env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout)


# --- two terminals --------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["tcp", "ipc"])
def test_a_replay_in_another_terminal(
    tapewire: Any, tapewire_here: Any, tmp_path: Path, synthetic_file: Path, scheme: str
) -> None:
    private = tmp_path / "p"
    private.mkdir(mode=0o700)
    endpoint = "tcp://127.0.0.1:*" if scheme == "tcp" else f"ipc://{private}/s"
    replay = tapewire.start("replay", synthetic_file, "--bind", endpoint)
    try:
        line = replay.stderr.readline()
        assert line.startswith("listening at ")
        bound = line.split()[2]
        done = tapewire_here("run", "--connect", bound, "-o", "run")
        assert done.returncode == 0, done.stderr
        out, err = replay.communicate(timeout=10)
        assert replay.returncode == 0, err
        assert out.startswith("30,000 events")
    finally:
        replay.kill()
        replay.communicate()
    manifest = manifest_of(tmp_path / "run")
    assert manifest["stream"]["transport"] == "connect"
    assert any("started by hand" in text for text in manifest["warnings"])
    direct = tapewire_here("run", "run/config.yaml", "-o", "direct")
    assert direct.returncode == 0, direct.stderr
    assert manifest_of(tmp_path / "direct")["digest"] == manifest["digest"]
    assert list(private.iterdir()) == []


def test_one_replay_feeds_two_runs(tapewire: Any, tmp_path: Path, synthetic_file: Path) -> None:
    replay = tapewire.start(
        "replay", synthetic_file, "--bind", "tcp://127.0.0.1:*", "--receivers", "2"
    )
    bound = replay.stderr.readline().split()[2]
    runs = [tapewire.start("run", "--connect", bound, "-q", "-o", name) for name in ("a", "b")]
    for process in (*runs, replay):
        _, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
    assert manifest_of(tmp_path / "a")["digest"] == manifest_of(tmp_path / "b")["digest"]


# --- options --------------------------------------------------------------------------------


def test_filters_and_overrides_reach_the_replay(
    tapewire_here: Command, tmp_path: Path, synthetic_file: Path
) -> None:
    from tapewire.replay import read_records

    _, records = read_records(str(synthetic_file))
    middle = int(records["ts_recv"][len(records) // 2])
    done = tapewire_here(
        "run", synthetic_file, "--start", middle, "--symbols", "TWA1", "--transport", "inproc",
        "--batch-records", "100", "--payload", "inline", "-s", "sma_crossover", "-o", "half",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    manifest = manifest_of(tmp_path / "half")
    assert manifest["events"] == int((records["ts_recv"] >= middle).sum())
    assert manifest["stream"]["batch_records"] == 100
    assert set(manifest["digests"]) == {"sma_crossover"}
    assert manifest["config"]["backtest"]["data_source"]["start"] == middle


def test_an_earlier_run_is_replaced_only_when_asked(tmp_path: Path, synthetic_file: Path) -> None:
    config = config_for(synthetic_file, strategies=[{"type": "market_maker"}])
    first = tw.run(config, output=tmp_path / "out")
    with pytest.raises(OutputError, match="--force"):
        tw.run(config, output=tmp_path / "out")
    assert tw.RunResult.load(tmp_path / "out").manifest == first.manifest
    other = config_for(synthetic_file, strategies=[{"type": "sma_crossover"}])
    assert tw.run(other, output=tmp_path / "out", force=True).digest != first.digest


@pytest.mark.parametrize("days", ["together", "apart"])
def test_a_folder_that_cannot_be_used_is_refused_before_anything_is_prepared(
    tmp_path: Path, synthetic_file: Path, monkeypatch: pytest.MonkeyPatch, days: str
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("prepared")

    monkeypatch.setattr("tapewire.runs.wiring.warm_up", never)
    (tmp_path / "plain.txt").touch()
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "manifest.json").write_text("{}")
    for name, said in (("plain.txt", "a file is in the way"), ("used", "already holds")):
        with pytest.raises(OutputError, match=said):
            tw.run(
                synthetic_file, strategies="market_maker", output=tmp_path / name,
                overrides={"backtest.replay.days": days},
            )  # fmt: skip
    assert [one.name for one in (tmp_path / "used").iterdir()] == ["manifest.json"]


def test_a_forced_run_that_fails_keeps_the_earlier_one(
    tmp_path: Path, synthetic_file: Path
) -> None:
    config = config_for(synthetic_file, strategies=[{"type": "market_maker"}])
    first = tw.run(config, output=tmp_path / "out")
    # A filter that leaves nothing is found when the stream has ended.
    nothing = config_for(
        synthetic_file, strategies=[{"type": "market_maker"}], data_source={"end": "1970-01-02"}
    )
    with pytest.raises(NoDataError, match=r"is as it was, .*out\.failed/manifest\.json"):
        tw.run(nothing, output=tmp_path / "out", force=True)
    first.verify()
    assert {path.name for path in first.path.iterdir()} == RUN_FILES
    assert manifest_of(tmp_path / "out.failed")["status"] == "failed"
    again = tw.run(config, output=tmp_path / "out.failed")  # without force
    assert again.digest == first.digest


def test_the_specifications_output_files_are_written_too(
    tmp_path: Path, synthetic_file: Path
) -> None:
    output = {
        "metrics_file": str(tmp_path / "results/metrics.parquet"),
        "trades_file": str(tmp_path / "results/trades.parquet"),
        "directory": str(tmp_path / "run"),
    }
    result = tw.run(config_for(synthetic_file, output=output))
    assert result.path == tmp_path / "run"
    for name, original in (("metrics", "metrics"), ("trades", "fills")):
        copy = tmp_path / "results" / f"{name}.parquet"
        assert copy.read_bytes() == (result.path / f"{original}.parquet").read_bytes()


def test_the_python_api_hands_back_tables(tmp_path: Path, synthetic_file: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"backtest: {{data_source: {{type: databento, files: [{synthetic_file}]}}}}\n"
        "strategy: {type: market_maker}\n"
    )
    seen: list[int] = []
    from tapewire.runs.hooks import Hooks

    hooks = Hooks(progress=lambda progress: seen.append(progress.events))
    result = tw.run(path, output=tmp_path / "out", hooks=hooks)
    assert result.status == "complete"
    assert seen[-1] == 30_000
    fills = result.fills.to_pandas()
    assert len(fills) == result.manifest["rows"]["fills"] > 0
    signed = fills["last_qty"].where(fills["order_side"] == "BUY", -fills["last_qty"])
    assert signed.sum() == result.equity.to_pandas()["position"].iloc[-1]
    loaded = tw.RunResult.load(tmp_path / "out")
    assert loaded.digest == result.digest


def test_what_is_said_without_a_terminal_is_plain(
    tapewire_here: Command, synthetic_file: Path
) -> None:
    done = tapewire_here("run", synthetic_file, "-o", "out", "-q")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    words = done.stdout.split()
    assert {"market_maker", "sma_crossover", "total", "digest", "events"} <= set(words)


def test_a_terminal_gets_a_progress_bar(
    tapewire: Any, tmp_path: Path, synthetic_file: Path
) -> None:
    main, secondary = pty.openpty()
    # Paced, so that the bar has time to be seen: 375 s of market time in about 1.5 s.
    command = tapewire.command("run", synthetic_file, "-o", "out", "--speed", "250")
    process = subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=secondary,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "140"},
    )  # fmt: skip
    os.close(secondary)
    shown = b""
    while True:
        try:
            chunk = os.read(main, 1 << 16)
        except OSError:  # how the end of a terminal looks on Linux
            break
        if not chunk:
            break
        shown += chunk
    os.close(main)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, shown
    assert b"k msg/s" in shown
    assert b"P&L" in shown
    assert b"30,000 events" in shown
    assert b"2024-03-04" in shown  # simulated time
    assert b"digest" in out


def test_nothing_is_left_beside_the_results(elsewhere: Path) -> None:
    assert [path for path in (elsewhere / "tmp").rglob("*") if not path.is_dir()] == []
    assert "tapewire" not in (elsewhere / "shared").read_text()
    assert {path.name for path in (elsewhere / "out").iterdir()} == RUN_FILES


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_importing_the_package_is_light(tapewire: Command) -> None:
    code = "import sys, tapewire; print('numba' in sys.modules, sorted(dir(tapewire))[:1])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False")
