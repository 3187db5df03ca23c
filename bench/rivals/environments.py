"""A virtual environment for each rival, made when it is first asked for."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tapewire.errors import ConfigError, OutputError
from tapewire.inputs.cache_folder import cache_dir

#: Another interpreter for rivals whose newest version needs a newer Python than this one.
PYTHON_VARIABLE: Final = "TAPEWIRE_RIVALS_PYTHON"
INSTALL_S_MAX: Final = 900
_STAMP: Final = ".tapewire-installed"
_LAST_LINES: Final = 8


@dataclass(frozen=True)
class Package:
    """What pip installs for a rival, and the least Python it needs.

    Attributes
    ----------
    version : str
        Of the rival itself.
    requirements : tuple of str
        Pinned; pip adds what they need.
    python : tuple of int
    """

    version: str
    requirements: tuple[str, ...]
    python: tuple[int, int] = (3, 11)


def run_command(command: Sequence[str], timeout_s: float) -> str:
    """Run a command and return its standard output.

    Raises
    ------
    ConfigError
        If it fails or takes too long: the command and the last lines it printed.
    """
    shown = " ".join(command)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"expected this to end within {timeout_s:.0f} s: {shown}") from None
    except OSError as error:
        raise ConfigError(f"can't run {shown}: {error.strerror}") from None
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines()[-_LAST_LINES:]
        last = "\n".join(f"    {line}" for line in lines) or "    (it printed nothing)"
        raise ConfigError(f"exit code {done.returncode} of: {shown}\n{last}")
    return done.stdout


def interpreter(least: tuple[int, int]) -> Path | None:
    """Return a Python of at least that version, this one if it is new enough.

    Looked for, in this order: this interpreter, ``TAPEWIRE_RIVALS_PYTHON``, ``python3.14`` down to
    the least version in PATH.

    Raises
    ------
    ConfigError
        If ``TAPEWIRE_RIVALS_PYTHON`` names something that is no Python.
    """
    named = os.environ.get(PYTHON_VARIABLE)
    if named and python_version(Path(named)) is None:
        raise ConfigError(f"{PYTHON_VARIABLE}: expected a Python interpreter, found {named}")
    names = [f"python3.{minor}" for minor in range(14, least[1] - 1, -1)]
    found = [sys.executable, named, *map(shutil.which, names)]
    for path in (Path(name) for name in found if name):
        version = python_version(path)
        if version is not None and version >= least:
            return path
    return None


def python_version(path: Path) -> tuple[int, int] | None:
    """Major and minor version of an interpreter; None if it is none or doesn't run."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        major, minor = run_command([str(path), "-I", "-c", code], 30).split()
        return int(major), int(minor)
    except (ConfigError, ValueError):
        return None


def ensure(name: str, package: Package, show: Callable[[str], None]) -> Path:
    """Return the Python of the rival's environment, making it where it is missing or stale.

    Raises
    ------
    ConfigError
        If there is no Python new enough, or pip can't install the rival.
    OutputError
        If the cache can't be written.
    """
    base = interpreter(package.python)
    if base is None:
        least = ".".join(map(str, package.python))
        raise ConfigError(
            f"{name} {package.version}: expected Python {least} or newer, found none; "
            f"name one in {PYTHON_VARIABLE}"
        )
    folder = cache_dir() / "rivals" / f"{name}-{package.version}"
    python = folder / "bin" / "python"
    stamp = folder / _STAMP
    wanted = "\n".join([str(base), str(python_version(base)), *package.requirements])
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(folder.with_name(f"{folder.name}.lock")):
            if stamp.is_file() and stamp.read_text() == wanted and python_version(python):
                return python
            show(f"installing {name} {package.version} into {folder} …")
            run_command([str(base), "-m", "venv", "--clear", str(folder)], INSTALL_S_MAX)
            pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
            options = ["--quiet", "--only-binary", ":all:"]
            run_command([*pip, *options, *package.requirements], INSTALL_S_MAX)
            stamp.write_text(wanted)
    except OSError as error:
        raise OutputError(
            f"{folder}: expected a folder for {name}, can't write there: {error.strerror}; "
            "set TAPEWIRE_CACHE_DIR to another one"
        ) from None
    return python


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two benches at a time don't make the same environment."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
