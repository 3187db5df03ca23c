"""Data that is given twice."""

import os
from pathlib import Path

import pytest

from tapewire.config.input_files import same_file
from tapewire.errors import ConfigError, MissingFileError
from tapewire.inputs.same_data import require_different
from tapewire.replay.convert import convert
from tapewire.replay.synth import synthesize


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions that differ in their seed alone."""
    folder = tmp_path_factory.mktemp("days")
    for seed in (1, 2):
        synthesize(folder / f"day{seed}.dbn", events=3_000, instruments=1, seed=seed)
    return folder


def refused(*files: Path) -> str:
    with pytest.raises(ConfigError, match="double") as caught:
        require_different([str(file) for file in files])
    return str(caught.value)


def test_different_data_is_fine(days: Path) -> None:
    require_different([str(days / "day1.dbn"), str(days / "day2.dbn")])
    require_different([str(days / "nothing.dbn")])  # one file alone is never read


def test_a_path_given_twice(days: Path) -> None:
    day = days / "day1.dbn"
    assert refused(day, days / "day2.dbn", day).startswith(f"{day} is given twice")


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_to_the_same_file(days: Path, tmp_path: Path, link: object) -> None:
    day = days / "day1.dbn"
    link(day, tmp_path / "other.dbn")  # type: ignore[operator]
    said = refused(day, tmp_path / "other.dbn")
    assert said.startswith(f"{tmp_path / 'other.dbn'} is the same file as {day} (a link)")
    assert same_file([str(day), str(tmp_path / "other.dbn")]) == said


def test_the_same_content_under_another_name(days: Path, tmp_path: Path) -> None:
    day, copy = days / "day1.dbn", tmp_path / "copy.dbn"
    copy.write_bytes(day.read_bytes())
    assert refused(day, days / "day2.dbn", copy).startswith(f"{copy} has the same records as {day}")


def test_the_same_records_compressed_or_cut_off(days: Path, tmp_path: Path) -> None:
    day, small, short = days / "day1.dbn", tmp_path / "day1.dbn.zst", tmp_path / "short.dbn"
    convert([str(day)], small)
    assert refused(small, day).startswith(f"{day} has the same records as {small}")
    content = day.read_bytes()
    short.write_bytes(content[: len(content) - 2_900 * 56])
    assert refused(day, short).startswith(f"{short} has the same records as {day}")


def test_files_without_records_are_like_nothing(days: Path, tmp_path: Path) -> None:
    content = (days / "day1.dbn").read_bytes()
    for name in ("a.dbn", "b.dbn"):
        (tmp_path / name).write_bytes(content[: len(content) - 3_000 * 56])
    require_different([str(tmp_path / "a.dbn"), str(tmp_path / "b.dbn")])


def test_a_file_that_is_not_there_is_named(days: Path) -> None:
    with pytest.raises(MissingFileError, match=r"none\.dbn"):
        require_different([str(days / "day1.dbn"), str(days / "none.dbn")])
