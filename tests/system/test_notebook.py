"""The notebook runs from its first cell to its last, and is kept without what it put out."""

import os
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import tapewire as tw

NAME = "examples/from_data_to_report.ipynb"
CELL_TIMEOUT_S = 100


@pytest.fixture(scope="module")
def notebook(repo: Path) -> Any:
    book = nbformat.read(repo / NAME, as_version=4)
    nbformat.validate(book)
    return book


def test_it_is_kept_without_outputs(notebook: Any) -> None:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) > 8
    for cell in cells:
        assert cell.outputs == []
        assert cell.execution_count is None


@pytest.mark.long
@pytest.mark.timeout(300)
def test_it_runs(notebook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{scripts}:{os.environ['PATH']}")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    client = NotebookClient(
        notebook, timeout=CELL_TIMEOUT_S, kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )  # fmt: skip
    done = client.execute()
    outputs = [output for cell in done.cells for output in cell.get("outputs", ())]
    kinds = {kind for output in outputs for kind in output.get("data", ())}
    assert {"text/html", "application/vnd.plotly.v1+json"} <= kinds
    result = tw.RunResult.load(tmp_path / "run")
    assert result.fills.num_rows > 0
    assert result.report.exists()
    # What the notebook shows last is the digest of the run that it shows.
    assert result.digest in outputs[-1]["text"]
