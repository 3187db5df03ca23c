"""A run imports from where Tapewire is installed, never from the folder a user works in."""

import subprocess
import sys
from pathlib import Path

from tapewire.children import module_command

#: Names that Tapewire or its libraries import, as a user may well call files of his own.
NAMES = ("queue.py", "msgspec.py", "signal.py", "replay.py", "execution.py", "tapewire/__init__.py")


def test_files_of_the_users_own_do_not_break_a_run(tmp_path: Path, synthetic_file: Path) -> None:
    for name in NAMES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise ImportError('the file of a user')\n")
    command = Path(sys.executable).parent / "tapewire"
    done = subprocess.run(
        [command, "run", synthetic_file, "-s", "market_maker", "-o", "out"],
        cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "manifest.json").exists()
    version = [*module_command("tapewire"), "--version"]
    said = subprocess.run(version, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
