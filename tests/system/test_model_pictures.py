"""The pictures of the page of models are of runs, and show what runs of today show."""

import runpy
from pathlib import Path

import pytest


@pytest.mark.long
@pytest.mark.timeout(300)
def test_pictures_show_what_runs_of_today_show(repo: Path, tmp_path: Path) -> None:
    runpy.run_path(str(repo / "docs" / "model_pictures.py"))["draw"](tmp_path)
    for name in ("latency.svg", "fees.svg"):
        assert (tmp_path / name).read_text() == (repo / "docs" / name).read_text(), (
            f"python docs/model_pictures.py draws another {name}: look at it, and copy it to docs"
        )
