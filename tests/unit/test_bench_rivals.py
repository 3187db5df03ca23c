"""Rivals are believed only when they did the work, and a missing one is told."""

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import rooms
from tapewire.bench import rivals
from tapewire.bench.measure import Row
from tapewire.bench.rivals import environments, results
from tapewire.bench.rivals.environments import Package, ensure, run_command
from tapewire.bench.rivals.results import Claim, parse_result
from tapewire.errors import ConfigError
from tapewire.replay import read_records

CLAIM = Claim(
    "fastest", "1.0", 1_000, 2, exact={"best_bid": 5, "code": 1}, least={"fills": 1, "rows": 900}
)
TRUTH: dict[str, Any] = {
    "name": "fastest",
    "version": "1.0",
    "events": 1_000,
    "runs": [0.25, 0.5],
    "convert_s": 0.125,
    "what": "all of it",
    "check": {"best_bid": 5, "code": 1, "fills": 3, "rows": 950},
}


def told(**changes: Any) -> str:
    return json.dumps(TRUTH | changes)


def checked(**changes: Any) -> str:
    return told(check=TRUTH["check"] | changes)


def test_an_honest_child_is_believed() -> None:
    result = parse_result(told() + "\n", CLAIM)
    assert (result.seconds, result.convert_s, result.events) == ([0.25, 0.5], 0.125, 1_000)
    assert result.check["fills"] == 3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "one line of JSON"),
        ("Traceback", "one line of JSON"),
        ("[1, 2]", "one line of JSON"),
        ("hello\n" + told(), "one line of JSON"),
        (json.dumps({k: v for k, v in TRUTH.items() if k != "check"}), "one line of JSON"),
        (told(more=1), "one line of JSON"),
        (told(name="other"), "name: expected 'fastest'"),
        (told(version="0.9"), "version: expected '1.0'"),
        (told(events=999), "events: expected 1000, found 999"),
        (told(events=1000.0), "events"),
        (told(runs=[0.25]), "expected 2 runs"),
        (told(runs=[0.25, 1e-9]), "did not read them all"),
        (told(runs=[0.25, float("nan")]), "did not read them all"),
        (told(runs=[0.25, "0.5"]), "did not read them all"),
        (told(runs=[0.25, True]), "did not read them all"),
        (told(convert_s=-1.0), "convert_s"),
        (told(convert_s=float("inf")), "convert_s"),
        (told(check=[]), "check"),
        (checked(fills=0.5), "whole numbers"),
        (checked(code=12), "check.code: expected 1, found 12"),
        (checked(best_bid=4), "check.best_bid"),
        (checked(fills=0), "check.fills: expected 1 or more, found 0"),
        (checked(rows=899), "check.rows: expected 900"),
        (told(check={"best_bid": 5, "code": 1, "rows": 950}), "check.fills"),
    ],
)
def test_a_lying_child_is_caught(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=r"fastest 1\.0") as caught:
        parse_result(text, CLAIM)
    assert complaint in str(caught.value)


def test_a_failed_command_is_told_with_its_last_lines() -> None:
    code = "import sys; [print(k) for k in range(40)]; sys.exit('no wheel for you')"
    with pytest.raises(ConfigError) as caught:
        run_command([sys.executable, "-c", code], 60)
    message = str(caught.value)
    assert "exit code 1" in message
    assert "no wheel for you" in message
    assert sys.executable in message
    assert "    39\n" in message
    assert "    20\n" not in message


def test_a_command_that_hangs_or_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match="within 0 s"):
        run_command([sys.executable, "-c", "import time; time.sleep(60)"], 0.2)
    with pytest.raises(ConfigError, match="No such file"):
        run_command(["/no/such/program"], 5)


class Commands:
    """Stands for `run_command`: remembers what was asked for, installs nothing."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.fail = ""

    def __call__(self, command: list[str], timeout_s: float) -> str:
        if "-c" in command:
            return "3 11\n"
        self.asked.append(command)
        if self.fail and self.fail in command:
            raise ConfigError(f"exit code 1 of: {' '.join(command)}")
        if "venv" in command:
            (Path(command[-1]) / "bin").mkdir(parents=True, exist_ok=True)
        return ""


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    fake = Commands()
    monkeypatch.setenv("TAPEWIRE_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(environments, "run_command", fake)
    return fake


def test_an_environment_is_made_once_in_the_cache(commands: Commands, tmp_path: Path) -> None:
    package, shown = Package("1.2", ("rival==1.2", "numpy==2.2.6")), []
    python = ensure("rival", package, shown.append)
    assert python == tmp_path / "tapewire" / "rivals" / "rival-1.2" / "bin" / "python"
    venv, pip = commands.asked
    assert venv[1:4] == ["-m", "venv", "--clear"]
    assert pip[0] == str(python)
    assert pip[-4:] == ["--only-binary", ":all:", "rival==1.2", "numpy==2.2.6"]
    assert ensure("rival", package, shown.append) == python
    assert len(commands.asked) == 2
    assert len(shown) == 1
    ensure("rival", Package("1.2", ("rival==1.2", "numpy==2.3.0")), shown.append)
    assert len(commands.asked) == 4  # other pins: made anew


def test_a_failed_install_is_not_taken_for_an_environment(commands: Commands) -> None:
    commands.fail = "rival==1.2"
    package = Package("1.2", ("rival==1.2",))
    with pytest.raises(ConfigError, match=r"rival==1\.2"):
        ensure("rival", package, lambda text: None)
    commands.fail = ""
    ensure("rival", package, lambda text: None)
    assert [("pip" in command) for command in commands.asked] == [False, True, False, True]


def test_a_python_too_old_is_told(commands: Commands) -> None:
    with pytest.raises(ConfigError, match=r"expected Python 3\.99 .*TAPEWIRE_RIVALS_PYTHON"):
        ensure("rival", Package("1.2", ("rival==1.2",), (3, 99)), lambda text: None)
    assert commands.asked == []


def test_children_import_nothing_of_ours() -> None:
    folder = Path(rivals.__file__).parent
    children = sorted(folder.glob("_*.py"))
    assert {path.name for path in children} >= {"_databento.py", "_hftbacktest.py", "_nautilus.py"}
    for path in children:
        if path.name == "__init__.py":
            continue
        for node in ast.walk(rooms.parse(path)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                names = [str(node.module)]
            else:
                continue
            assert not [name for name in names if name.startswith("tapewire")], path


@pytest.fixture(scope="module")
def work(synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A session as the bench has it: raw, compressed, in memory."""
    import zstandard

    folder = tmp_path_factory.mktemp("work")
    raw, compressed = folder / "session.dbn", folder / "session.dbn.zst"
    raw.write_bytes(synthetic_file.read_bytes())
    compressed.write_bytes(zstandard.ZstdCompressor().compress(raw.read_bytes()))
    metadata, records = read_records(raw)
    return SimpleNamespace(
        raw=raw, compressed=compressed, records=records, events=len(records),
        symbol=next(iter(metadata.mappings)),
    )  # fmt: skip


def all_rows(work: Any, **options: Any) -> tuple[list[Row], list[str], list[str]]:
    rows: list[Row] = []
    shown: list[str] = []

    def collect() -> Any:
        missing = yield from rivals.rows(work, 2, shown.append, **options)
        return missing

    generator = collect()
    while True:
        try:
            rows.append(next(generator))
        except StopIteration as end:
            return rows, shown, end.value


Answer = Callable[[str, dict[str, Any]], dict[str, Any]]


def children(answer: Answer) -> Callable[[list[str], float], str]:
    """Children that answer as an honest rival would, changed by ``answer``."""

    def run(command: list[str], timeout_s: float) -> str:
        script, plan = Path(command[2]).name, json.loads(command[3])
        _, records = read_records(plan["path"])
        known = {
            "_databento.py": ("databento", None),
            "_hftbacktest.py": ("hftbacktest", "2.4.4"),
            "_nautilus.py": ("NautilusTrader", None),
        }
        name, version = known[script]
        if version is None:
            version = answer_version(name)
        material = rivals.Material("", Path(), Path(), records, "", 1, 1)
        said = {
            "name": name, "version": version, "events": len(records),
            "runs": [1.0, 3.0][: plan["runs"]],
            "convert_s": 0.0 if name == "databento" else 0.5, "what": "work",
            "check": {
                **material.touch(), "code": 1, "request_code": 0, "fills": 700, "feeds": 10**7,
                "iterations": 10**6, "unprocessed": 0, "deltas": 10**6, "records": len(records),
                "lots": int(records["size"].sum(dtype=np.uint64)),
            },
        }  # fmt: skip
        return json.dumps(answer(name, said))

    return run


def answer_version(name: str) -> str:
    from importlib.metadata import version

    return version("databento") if name == "databento" else rivals.NAUTILUS[-1].version


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As if every rival were installed, on the oldest Python; no real captures named."""
    monkeypatch.delenv("TAPEWIRE_DATA", raising=False)
    monkeypatch.setattr(rivals, "ensure", lambda *_: Path("python"))
    monkeypatch.setattr(
        rivals, "interpreter", lambda least: Path("python") if least == (3, 11) else None
    )
    return monkeypatch


def test_rows_of_every_rival(work: Any, installed: pytest.MonkeyPatch) -> None:
    installed.setattr(rivals, "run_command", children(lambda name, said: said))
    rows, shown, missing = all_rows(work, slow_events=5_000)
    assert [(row.group, row.name.split()[0]) for row in rows] == [
        ("rival", "databento"),
        ("rival", "databento"),
        ("rival", "databento"),
        ("rival", "hftbacktest"),
        ("rival, with loading", "hftbacktest"),
        ("rival", "hftbacktest"),
        ("rival, with loading", "hftbacktest"),
        ("rival", "hftbacktest"),
        ("rival", "NautilusTrader"),
        ("rival, with loading", "NautilusTrader"),
    ]
    memory, loaded = rows[3], rows[4]
    assert (memory.best_s, memory.median_s, memory.events) == (1.0, 2.0, work.events)
    assert (loaded.best_s, loaded.median_s) == (1.5, 2.5)
    assert "every feed" not in memory.name
    assert "every feed" in rows[5].name
    assert "100 variants one after another" in rows[7].name
    assert 0 < rows[7].events <= 100 * work.events
    assert rows[8].events <= 5_000
    assert f"first {rows[8].events:,}" in rows[8].name
    assert len(missing) == 1
    assert "ESH4" in missing[0]
    assert any("1.221.0, not 1.231.0" in line for line in shown)


def test_a_lying_rival_has_no_row_and_a_reason(work: Any, installed: pytest.MonkeyPatch) -> None:
    def lie(name: str, said: dict[str, Any]) -> dict[str, Any]:
        return said | {"check": said["check"] | {"code": 12}} if name == "hftbacktest" else said

    installed.setattr(rivals, "run_command", children(lie))
    rows, shown, missing = all_rows(work)
    assert not [row for row in rows if "hftbacktest" in row.name]
    assert [row for row in rows if "NautilusTrader" in row.name]
    assert "hftbacktest on synthetic" in missing[1]
    assert "check.code: expected 1, found 12" in missing[1]
    assert any(missing[1] in line for line in shown)


def test_the_prefix_is_a_session_of_whole_events(work: Any, tmp_path: Path) -> None:
    whole = rivals.Material("synthetic", work.raw, work.compressed, work.records, "TWA1", 1, 1)
    part = rivals._prefix(whole, 10_001, tmp_path)
    for path in (part.raw, part.compressed):
        _, records = read_records(path)
        np.testing.assert_array_equal(records, work.records[: part.events])
    assert 9_900 < part.events <= 10_001
    assert part.records["flags"][-1] & 128
    assert rivals._prefix(whole, work.events, tmp_path) is whole


def test_databento_reads_the_session_for_real(work: Any) -> None:
    whole = rivals.Material("synthetic", work.raw, work.compressed, work.records, "TWA1", 1, 1)
    for way, path in (("to_ndarray .dbn.zst", work.compressed), ("replay .dbn", work.raw)):
        (row,) = rivals._databento_rows(whole, way, path, 1)
        assert row.events == work.events
        assert 0.001 < row.best_m_per_s < results.RECORDS_PER_S_MAX / 1e6
