"""What ``tapewire new strategy`` writes runs as it is, passes its test, and replaces nothing."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from forks import Forks
from tapewire.cli.new import write_strategy
from tapewire.errors import ConfigError, OutputError

Command = Callable[..., subprocess.CompletedProcess[str]]


def passes_its_tests(forks: Forks, folder: Path) -> None:
    code = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    tested = forks.python(code, "-q", "-p", "no:cacheprovider", ".", cwd=folder)
    assert tested.returncode == 0, tested.stdout
    assert "3 passed" in tested.stdout


def test_both_kinds_run_pass_their_tests_and_are_one_strategy(
    forks: Forks, tapewire_here: Command, tmp_path: Path
) -> None:
    digests = []
    for folder, options in (("plain", ()), ("fast", ("--compiled",))):
        done = tapewire_here("new", "strategy", "my_idea", *options, "-o", folder)
        assert done.returncode == 0, done.stderr
        names = sorted(path.name for path in (tmp_path / folder).iterdir())
        assert names == ["my_idea.py", "my_idea.yaml", "test_my_idea.py"]
        assert f"tapewire run {folder}/my_idea.yaml" in done.stdout
        ran = forks.tapewire("run", f"{folder}/my_idea.yaml", "-o", f"{folder}-run", cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        manifest = json.loads((tmp_path / f"{folder}-run" / "manifest.json").read_text())
        assert manifest["results"]["strategies"]["my_idea"]["fills"] > 0
        digests.append(manifest["digests"])
        passes_its_tests(forks, tmp_path / folder)
    assert digests[0] == digests[1]


@pytest.mark.long
def test_a_model_runs_and_passes_its_tests(
    forks: Forks, tapewire_here: Command, tmp_path: Path
) -> None:
    done = tapewire_here("new", "strategy", "my_model", "--external")
    assert done.returncode == 0, done.stderr
    ran = forks.tapewire("run", "my_model.yaml", "-o", "out", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["results"]["strategies"]["my_model"]["fills"] > 0
    assert manifest["models"]["my_model"]["rows"] == manifest["models"]["my_model"]["rows_answered"]
    passes_its_tests(forks, tmp_path)


def test_a_strategy_is_of_one_kind(tapewire_here: Command) -> None:
    done = tapewire_here("new", "strategy", "mine", "--compiled", "--external")
    assert done.returncode == 2
    assert "expected one of --compiled and --external" in done.stderr


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("mine")
    with pytest.raises(OutputError, match=r"found .*mine\.yaml; choose another name"):
        write_strategy("mine", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]
    assert (tmp_path / "mine.yaml").read_text() == "mine"


@pytest.mark.parametrize("name", ["My", "1st", "a-b", "a.py", "", "a" * 49, "../up"])
def test_a_name_is_that_of_a_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected up to 48 small letters, digits and _"):
        write_strategy(name, tmp_path)


@pytest.mark.parametrize("name", ["queue", "class", "tapewire", "signal"])
def test_a_name_is_no_module_of_pythons(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected one that is no module of Python's"):
        write_strategy(name, tmp_path, "compiled")


def test_the_command_says_it_in_one_line(tapewire_here: Command) -> None:
    done = tapewire_here("new", "strategy", "My")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
