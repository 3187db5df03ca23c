"""The wheel holds what the tree holds, and nothing but ``tapewire`` is importable from it."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import rooms

#: Root folders that are packages of the distribution, beside the facade.
ROOMS = rooms.names()
_BUILD_INPUTS = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "tapewire", *ROOMS)


def package_files(repo: Path) -> set[str]:
    """Return every file of the tree that must be in the wheel, by its name there."""
    homes = {"tapewire": "tapewire", **{room: f"tapewire/{room}" for room in ROOMS}}
    return {
        f"{home}/{path.relative_to(repo / folder).as_posix()}"
        for folder, home in homes.items()
        for path in (repo / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def dists(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from the sdist, as a release does."""
    source = tmp_path_factory.mktemp("source")
    for name in _BUILD_INPUTS:
        if (repo / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(repo / name, source / name, ignore=ignored)
        else:
            shutil.copy(repo / name, source / name)
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=110)
    return out


@pytest.fixture(scope="module")
def installed(dists: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, installed alone into a folder."""
    target = tmp_path_factory.mktemp("installed")
    (wheel,) = dists.glob("*.whl")
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
            "--disable-pip-version-check", "--target", str(target), str(wheel),
        ],
        check=True, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    return target


def python_with(installed: Path, code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run code that sees the installed wheel and the dependencies, but not this checkout.

    ``-S`` leaves out the site module, and with it the editable install's import hook.
    """
    paths = [str(installed), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    prologue = f"import sys; sys.path += {paths!r}\n"
    return subprocess.run(
        [sys.executable, "-S", "-I", "-c", prologue + code],
        capture_output=True, text=True, cwd=cwd, timeout=110, check=False,
    )  # fmt: skip


def test_the_wheel_holds_exactly_the_files_of_the_tree(repo: Path, dists: Path) -> None:
    (wheel,) = dists.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        info = [name for name in archive.namelist() if ".dist-info/" in name]
    assert inside == package_files(repo)
    assert any(name.endswith("/LICENSE") for name in info)
    assert any(name.endswith("/entry_points.txt") for name in info)


def test_no_file_of_a_package_is_ignored_by_git(repo: Path) -> None:
    if not (repo / ".git").exists():
        pytest.skip("needs a checkout")
    names = [
        path.relative_to(repo).as_posix()
        for folder in ("tapewire", *ROOMS)
        for path in (repo / folder).rglob("*.py")
    ]
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        input="\n".join(names), cwd=repo, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert len(names) > 100
    assert ignored.stdout == ""


def test_the_sdist_holds_what_a_build_needs(dists: Path) -> None:
    (sdist,) = dists.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"pyproject.toml", "setup.py", "README.md", "LICENSE"} <= inside
    assert {f"{room}/__init__.py" for room in ROOMS} <= inside


def test_every_module_imports_from_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    names = sorted(
        ".".join(path.relative_to(installed).with_suffix("").parts).removesuffix(".__init__")
        for path in (installed / "tapewire").rglob("*.py")
    )
    assert len(names) > 20
    code = f"""
import importlib
for name in {names!r}:
    module = importlib.import_module(name)
    assert module.__file__.startswith({str(installed)!r}), module.__file__
print("imported", len({names!r}))
"""
    done = python_with(installed, code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"imported {len(names)}\n"


@pytest.mark.parametrize("room", ROOMS)
def test_a_bare_room_name_stays_the_users_own(installed: Path, tmp_path: Path, room: str) -> None:
    done = python_with(installed, f"import {room}", tmp_path)
    assert done.returncode != 0
    assert f"No module named '{room}'" in done.stderr


def test_the_tree_for_type_checkers_has_every_room_and_all_of_the_facade(repo: Path) -> None:
    tree = repo / ".typetree" / "tapewire"
    facade = {
        path.name
        for path in (repo / "tapewire").iterdir()
        if path.suffix in (".py", ".typed") or (path / "__init__.py").exists()
    }
    assert {path.name for path in tree.iterdir()} == {*ROOMS, *facade}
    for link in tree.iterdir():
        assert link.is_symlink()
        origin = repo / link.name if link.name in ROOMS else repo / "tapewire" / link.name
        assert link.resolve(strict=True) == origin


def test_tested_versions_are_exact_and_cover_every_dependency(repo: Path) -> None:
    project = tomllib.loads((repo / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lines = [
        line for line in (repo / "constraints.txt").read_text().splitlines() if line[:1] != "#"
    ]
    assert all(line.count("==") == 1 for line in lines)
    assert not any(mark in line for line in lines for mark in ("/", "@", " "))
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    names = {re.split("[>~=[]", w)[0].strip().lower() for w in wanted}
    assert names <= pinned
    for requirement in wanted:
        assert "<" in requirement or "~=" in requirement, f"{requirement} has no upper bound"
