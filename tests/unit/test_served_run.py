"""A run that is taken over while an earlier attempt at it still has the run folder."""

import threading
from pathlib import Path

import pytest

from tapewire.analytics.run_folder import RunFolder, is_claimed
from tapewire.errors import BusyFolderError
from tapewire.runs import served_run
from tapewire.services.jobs import working


def test_a_folder_is_waited_for_until_an_earlier_attempt_has_left_it(tmp_path: Path) -> None:
    path = tmp_path / "job-1-x"
    heard: list[str] = []
    assert not is_claimed(path)
    earlier = RunFolder(path)
    assert is_claimed(path)
    leaving = threading.Timer(0.5, earlier.close)
    leaving.start()
    served_run._await_folder(path, lambda what, done, total: heard.append(what))
    leaving.join()
    assert set(heard) == {"waiting for an earlier attempt to end"}
    RunFolder(path, force=True).close()


def test_but_not_for_ever_and_the_job_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_run, "LEFT_S", 0.1)
    path = tmp_path / "job-1-x"
    with RunFolder(path):
        served_run._await_folder(path, lambda what, done, total: None)
        with pytest.raises(BusyFolderError) as met:
            RunFolder(path, force=True)
    assert type(met.value).__name__ in working._PASSING
