"""Where runs go: a folder each."""

import threading
from pathlib import Path

import pytest

from tapewire.errors import InterruptedRunError, OutputError
from tapewire.runs import folders as run_folders
from tapewire.runs.folders import run_folder, tell_where


class _OneSecond:
    """A clock that stands still."""

    @staticmethod
    def now() -> "_OneSecond":
        return _OneSecond()

    def astimezone(self) -> "_OneSecond":
        return self

    def strftime(self, form: str) -> str:
        return "20240304-143000"


@pytest.fixture(autouse=True)
def _one_second(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run_folders.datetime, "datetime", _OneSecond)
    monkeypatch.chdir(tmp_path)


def test_runs_of_one_second_get_folders_of_their_own() -> None:
    """All of them take theirs before any has written a thing."""
    together = threading.Barrier(8, timeout=30)
    release = threading.Event()
    given: list[Path] = []

    def take() -> None:
        together.wait()
        with run_folder(None, "day mbo") as path:
            given.append(path)
            assert release.wait(30)
            (path / "manifest.json").touch()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(given) < 8 and any(thread.is_alive() for thread in threads):
        release.wait(0.01)
    release.set()
    for thread in threads:
        thread.join(30)
    first = "20240304-143000-day-mbo"
    assert {path.name for path in given} == {first, *(f"{first}-{n}" for n in range(2, 9))}


def test_a_new_folder_that_stays_empty_goes_again() -> None:
    with run_folder(None, "a") as path:
        assert path.is_dir()
    assert not path.exists()


def test_a_chosen_folder_is_taken_as_it_is() -> None:
    with run_folder("out", "a") as path:
        assert path == Path("out")
        assert not path.exists()


def test_where_no_folder_can_be_made_is_said() -> None:
    Path("runs").touch()
    with pytest.raises(OutputError, match="cannot make a run folder in runs"), run_folder(None, ""):
        pass


def test_an_error_says_where_its_manifest_is_when_that_is_elsewhere() -> None:
    error = InterruptedRunError("stopped")
    error.exit_code = 143
    tell_where(error, Path("a/manifest.json"), Path("a"))
    assert str(error) == "stopped"
    tell_where(error, Path("a.failed/manifest.json"), Path("a"))
    assert str(error) == (
        "stopped; the earlier run in a is as it was, the manifest of this one is "
        "a.failed/manifest.json"
    )
    assert error.exit_code == 143
