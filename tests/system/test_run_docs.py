"""The README is true: its commands and snippets run, in its own order, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BLOCK = re.compile(r"<!-- doc: (\w+) ?(\S*) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK_TIMEOUT_S = 100


@pytest.mark.timeout(400)
def test_every_command_and_snippet_of_the_readme(repo: Path, tmp_path: Path) -> None:
    scripts = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"}
    ran = 0
    for kind, name, body in BLOCK.findall((repo / "README.md").read_text()):
        if kind == "file":
            (tmp_path / name).write_text(body)
            continue
        if kind == "make":  # they would run this very test: see test_docs for what they name
            continue
        command = ["bash", "-euo", "pipefail", "-c", body]
        if kind == "python":
            command = [sys.executable, "-c", body]
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True,
            timeout=BLOCK_TIMEOUT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{body}\n{done.stdout}\n{done.stderr}"
        ran += 1
    assert ran >= 7
    runs = {path.parent.name for path in tmp_path.glob("*/manifest.json")}
    named = {
        "first", "second", "third", "fourth", "fifth", "notebook", "sixth", "prepared", "cached",
        "policies", "limited",
    }  # fmt: skip
    assert runs == named
