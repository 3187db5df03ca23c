"""The README is true: its commands and snippets run, in its own order, in an empty folder."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BLOCK = re.compile(r"<!-- doc: (\w+) ?(\S*) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK_TIMEOUT_S = 100


def run_blocks(page: Path, folder: Path) -> int:
    """Run every block of a page in a folder; how many there were."""
    scripts = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"}
    ran = 0
    for kind, name, body in BLOCK.findall(page.read_text()):
        if kind == "file":
            (folder / name).write_text(body)
            continue
        if kind == "make":  # they would run this very test: see test_docs for what they name
            continue
        command = ["bash", "-euo", "pipefail", "-c", body]
        if kind == "python":
            command = [sys.executable, "-c", body]
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True,
            timeout=BLOCK_TIMEOUT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{body}\n{done.stdout}\n{done.stderr}"
        ran += 1
    return ran


def test_every_command_and_snippet_of_the_features_page(repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "docs" / "features.md", tmp_path) == 3
    assert (tmp_path / "train.parquet").exists()


@pytest.mark.timeout(400)
def test_every_command_and_snippet_of_the_readme(repo: Path, tmp_path: Path) -> None:
    assert run_blocks(repo / "README.md", tmp_path) >= 7
    runs = {path.parent.name for path in tmp_path.glob("*/manifest.json")}
    named = {
        "first", "second", "third", "fourth", "fifth", "notebook", "sixth", "prepared", "cached",
        "policies", "limited", "idea", "grid",
    }  # fmt: skip
    assert runs == named
    variants = json.loads((tmp_path / "grid" / "manifest.json").read_text())["variants"]
    assert [variant["strategy_id"] for variant in variants] == [
        *(f"idea.{k}" for k in range(1, 7)), "far.1", "far.2",
    ]  # fmt: skip
