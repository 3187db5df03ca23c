"""The pictures of the documentation can be made anew, and are small."""

import subprocess
import sys
from pathlib import Path

import pytest

from report_pages import needs_browser

PICTURE_BYTES_MAX = 150_000


def test_every_picture_of_the_page_is_small(repo: Path) -> None:
    pages = "".join(page.read_text() for page in (repo / "docs").glob("*.md"))
    pictures = sorted((repo / "docs").glob("*.webp"))
    assert len(pictures) >= 5
    for picture in pictures:
        assert f"({picture.name})" in pages
        assert picture.stat().st_size < PICTURE_BYTES_MAX, picture


@pytest.mark.long
@pytest.mark.timeout(1200)
@needs_browser
def test_the_scripts_make_every_picture(repo: Path, tmp_path: Path) -> None:
    for script in ("report_pictures.py", "studio_pictures.py"):
        subprocess.run(
            [sys.executable, str(repo / "docs" / script), str(tmp_path)],
            check=True, capture_output=True, timeout=580,
        )  # fmt: skip
    made = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(made) == {path.name for path in (repo / "docs").glob("*.webp")}
    assert all(5_000 < size < PICTURE_BYTES_MAX for size in made.values()), made
