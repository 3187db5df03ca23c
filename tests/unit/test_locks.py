"""What `make` and CI install is locked by hash, and is what is here."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ci_commands import ci_command

KINDS = ("run", "dev")


@pytest.fixture(scope="module")
def lock() -> ModuleType:
    """The command that writes the locks."""
    return ci_command("lock")


@pytest.fixture(scope="module")
def locked(lock: ModuleType, repo: Path) -> dict[str, dict[str, set[str]]]:
    return {kind: lock.entries((repo / ".ci" / f"{kind}.lock").read_text()) for kind in KINDS}


def here(pins: dict[str, set[str]]) -> dict[str, str]:
    """Versions by name, of pins that are for this interpreter and system."""
    wanted = {}
    for pin in pins:
        one = Requirement(pin)
        if one.marker is None or one.marker.evaluate():
            wanted[canonicalize_name(one.name)] = str(one.specifier).removeprefix("==")
    return wanted


def required(name: str, extra: str = "") -> set[str]:
    """Distributions that one needs here, and those that these need."""
    found: set[str] = set()
    waiting = [(name, extra)]
    while waiting:
        name, extra = waiting.pop()
        for text in importlib.metadata.requires(name) or ():
            one = Requirement(text)
            marker = one.marker
            if marker is not None and not marker.evaluate({"extra": extra}):
                continue
            for more in ("", *one.extras):
                key = f"{canonicalize_name(one.name)}[{more}]"
                if key not in found:
                    found.add(key)
                    waiting.append((one.name, more))
    return {key.partition("[")[0] for key in found}


@pytest.mark.parametrize("kind", KINDS)
def test_every_pin_has_hashes(locked: dict[str, dict[str, set[str]]], kind: str) -> None:
    assert len(locked[kind]) > 40
    for pin, hashes in locked[kind].items():
        assert re.fullmatch(r"[\w.-]+==[\w.]+( ; .+)?", pin), pin
        assert hashes, pin
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes), pin


def test_the_locks_are_those_of_the_tested_versions(
    locked: dict[str, dict[str, set[str]]], repo: Path
) -> None:
    lines = (repo / "constraints.txt").read_text().splitlines()
    tested = {
        canonicalize_name(name): version
        for name, _, version in (line.partition("==") for line in lines if line[:1] != "#")
    }
    assert here(locked["dev"]) == tested
    # Markers differ where a development tool wants the same on more systems.
    dev = {pin.partition(" ")[0]: hashes for pin, hashes in locked["dev"].items()}
    for pin, hashes in locked["run"].items():
        assert dev[pin.partition(" ")[0]] == hashes, pin


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_is_needed_is_locked(locked: dict[str, dict[str, set[str]]], kind: str) -> None:
    needed = required("tapewire", "dev" if kind == "dev" else "")
    assert needed - {"tapewire"} | {"setuptools"} == set(here(locked[kind]))


def test_what_is_here_is_what_is_locked(locked: dict[str, dict[str, set[str]]]) -> None:
    found = {name: importlib.metadata.version(name) for name in here(locked["dev"])}
    assert found == here(locked["dev"]), "make setup installs what is locked"


def test_the_check_tells_what_the_registry_does_not_have(lock: ModuleType) -> None:
    there = (
        "# head\na==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "b==2 ; os_name == 'nt' \\\n    --hash=sha256:cc\n"
    )
    assert lock.entries(there) == {
        "a==1": {"sha256:aa", "sha256:bb"}, "b==2 ; os_name == 'nt'": {"sha256:cc"}
    }  # fmt: skip
    assert lock.faults(there, there) == []
    more = there.replace("aa \\", "aa \\\n    --hash=sha256:ee \\")
    assert lock.faults(there, more) == []
    assert lock.faults(more, there) == ["a==1: the registry has no file of sha256:ee"]
    assert lock.faults(there.replace("a==1", "a==3"), there) == [
        "a==1: not what constraints.txt comes to", "a==3: not what constraints.txt comes to"
    ]  # fmt: skip


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_registry_has_every_file_that_is_locked(repo: Path) -> None:
    done = subprocess.run(
        [sys.executable, repo / ".ci" / "lock", "--check"], capture_output=True, text=True,
        timeout=280, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    if done.returncode and re.search("dns error|error sending request|ConnectionError", said):
        pytest.skip("the package registry can't be reached: the locks' hashes are not compared")
    assert done.returncode == 0, said
    assert "both locks are what the registry has" in done.stdout


def test_a_file_of_another_hash_is_not_installed(repo: Path, tmp_path: Path) -> None:
    """As `.ci/setup` has pip install: a file that somebody has put in the place of another."""
    (tmp_path / "one.lock").write_text("packaging==1.0 --hash=sha256:" + "0" * 64 + "\n")
    (tmp_path / "packaging-1.0-py3-none-any.whl").write_bytes(b"not what was locked")
    setup = (repo / ".ci" / "setup").read_text()
    assert '--no-deps --require-hashes -r ".ci/$kind.lock"' in setup
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--isolated", "--no-index", "--no-deps",
         "--find-links", tmp_path, "--require-hashes", "-r", tmp_path / "one.lock",
         "-d", tmp_path / "out"], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
