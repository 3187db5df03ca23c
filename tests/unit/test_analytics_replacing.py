"""A run folder that holds a run already: refused, replaced, or left as it was."""

import errno
import os
from pathlib import Path

import pytest

from analytics_rows import Book, FakeLeg, manifest
from analytics_runs import PLAIN_FILES, P, collect, contents, finished, names
from tapewire.analytics import Collector, load_run
from tapewire.analytics import run_folder as run_folder_module
from tapewire.errors import OutputError


def test_an_earlier_run_is_refused_early_and_left_alone(tmp_path):
    finished(tmp_path / "run")
    before = {n: (tmp_path / "run" / n).read_bytes() for n in names(tmp_path / "run")}
    with pytest.raises(OutputError, match=r"already holds manifest\.json.*--force"):
        Collector(tmp_path / "run", "")
    assert {n: (tmp_path / "run" / n).read_bytes() for n in names(tmp_path / "run")} == before


def test_force_replaces_an_earlier_run_at_the_end(tmp_path):
    finished(tmp_path / "run")
    other = Book(FakeLeg(strategy_id="other")).sample(P)
    with collect(tmp_path / "run", other, force=True) as collector:
        assert load_run(tmp_path / "run").metrics["strategy_id"].to_pylist()[1] == "maker"
        collector.finish("complete", manifest())
    run = load_run(tmp_path / "run")
    run.verify()
    assert run.metrics["strategy_id"].to_pylist()[1] == "other"


def test_a_forced_run_that_fails_leaves_the_earlier_one_and_stands_beside(tmp_path):
    finished(tmp_path / "run")
    before = contents(tmp_path / "run")
    for reason in ("why not", "why not again"):
        with collect(tmp_path / "run", force=True) as collector:
            where = collector.fail("failed", reason)
        assert contents(tmp_path / "run") == before
        assert where == tmp_path / "run.failed" / "manifest.json"
        assert load_run(where.parent).manifest["reason"] == reason
        assert names(tmp_path) == ["run", "run.failed"]
        assert names(where.parent) == ["manifest.json"]


def test_what_stands_beside_never_replaces_another_run(tmp_path):
    finished(tmp_path / "run")
    finished(tmp_path / "run.failed")  # called so by its owner
    before = contents(tmp_path / "run.failed")
    with collect(tmp_path / "run", force=True) as collector:
        where = collector.fail("incomplete", "stopped")
    assert where == tmp_path / "run.failed-2" / "manifest.json"
    assert contents(tmp_path / "run.failed") == before


def test_the_folder_one_stands_in_has_a_name_for_what_stands_beside(tmp_path, monkeypatch):
    finished(tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    with collect(Path(), force=True) as collector:
        where = collector.fail("failed", "why not")
    assert where == tmp_path / "run.failed" / "manifest.json"


@pytest.mark.parametrize("status", ["incomplete", "failed"])
def test_a_failed_runs_folder_can_be_used_again(tmp_path, status):
    with collect(tmp_path / "run") as collector:
        collector.fail(status, "why not")
    finished(tmp_path / "run")
    assert load_run(tmp_path / "run").status == "complete"
    with pytest.raises(OutputError, match="--force"):
        Collector(tmp_path / "run", "")


@pytest.mark.parametrize("text", ["[]", "", '{"status": "complete"}'])
def test_a_manifest_that_does_not_say_it_failed_is_a_run(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(OutputError, match=r"already holds manifest\.json"):
        Collector(tmp_path, "")


@pytest.mark.parametrize("victim", [*PLAIN_FILES, "manifest.json"])
def test_a_replacement_that_fails_puts_the_earlier_run_back(tmp_path, monkeypatch, victim):
    finished(tmp_path / "run")
    before = contents(tmp_path / "run")
    real = run_folder_module.AtomicFile.publish

    def publish(self: run_folder_module.AtomicFile) -> None:
        if self.path == tmp_path / "run" / victim:
            with run_folder_module.output_errors(self.path):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(self)

    monkeypatch.setattr(run_folder_module.AtomicFile, "publish", publish)
    other = Book(FakeLeg(strategy_id="other")).sample(P)
    with (
        collect(tmp_path / "run", other, force=True) as collector,
        pytest.raises(OutputError, match=f"{victim}: Input/output error"),
    ):
        collector.finish("complete", manifest())
    assert contents(tmp_path / "run") == before
    assert names(tmp_path / "run") == sorted(before)
    assert load_run(tmp_path / "run.failed").status == "failed"


@pytest.mark.parametrize("calls", [0, 1, 2, 8, 9, 10, 12, 16])
def test_a_replacement_that_is_killed_leaves_the_earlier_run(tmp_path, monkeypatch, calls):
    finished(tmp_path / "run")
    before = contents(tmp_path / "run")
    done = []
    real = Path.rename, Path.replace

    class Killed(BaseException):
        pass

    def counted(original: object) -> object:
        def rename(self: Path, target: Path) -> Path:
            if len(done) >= calls:
                raise Killed
            done.append(target)
            return original(self, target)

        return rename

    other = Book(FakeLeg(strategy_id="other")).sample(P)
    collector = collect(tmp_path / "run", other, force=True)
    folder = collector._folder
    monkeypatch.setattr(folder._earlier, "put_back", lambda: None)  # nobody is left to do it
    monkeypatch.setattr(Path, "rename", counted(real[0]))
    monkeypatch.setattr(Path, "replace", counted(real[1]))
    with pytest.raises(Killed):
        collector.finish("complete", manifest())
    monkeypatch.undo()
    collector.close()
    with pytest.raises(OutputError, match="already holds"):
        Collector(tmp_path / "run", "")
    assert contents(tmp_path / "run") == before
    assert names(tmp_path / "run") == sorted(before)


def test_a_run_that_was_complete_when_it_was_killed_stays(tmp_path, monkeypatch):
    finished(tmp_path / "run")
    other = Book(FakeLeg(strategy_id="other")).sample(P)
    collector = collect(tmp_path / "run", other, force=True)
    monkeypatch.setattr(collector._folder._earlier, "forget", lambda: None)
    collector.finish("complete", manifest())
    with pytest.raises(OutputError, match="already holds"):
        Collector(tmp_path / "run", "")
    run = load_run(tmp_path / "run")
    run.verify()
    assert run.metrics["strategy_id"].to_pylist()[1] == "other"
    assert names(run.path) == sorted([*PLAIN_FILES, "manifest.json"])
