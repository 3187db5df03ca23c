"""The page of a search as a reader meets it: in a real browser, without a network."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from report_pages import browse, needs_browser
from tapewire.factory.page import GenerationPage, GuardLine, RankedStrategy, render_generation

HOSTILE = "<script>document.title = 'mine'</script><b>x</b>"
COUNT = 30


def made(*, openings: int = 1) -> GenerationPage:
    best = [
        RankedStrategy(
            k, f"g1-random-{k:03} {HOSTILE if k == 3 else ''}", 2 - k / 10,
            {"sharpe_annualised": 2 - k / 10, "closed_trades": 100 + 7 * k % 50,
             "total_return": 0.01 * k, "max_drawdown_of_capital": 0.02},
            {"sharpe_annualised": 1 - k / 20} if openings else {}, 30.0,
            [f"enter long: close(15m) > {k}"],
            [GuardLine("costs", k < 2, "passed: …" if k < 2 else "failed: costs eat all of it")],
            k < 2 if k < 20 else None,
        )
        for k in range(COUNT)
    ]  # fmt: skip
    history = [
        {"number": k, "evaluated": 100, "best": 2 - 1 / (k + 1), "median": -1 + k / 10,
         "distinct": 1 - k / 50, "overlap": k / 50}
        for k in range(10)
    ]  # fmt: skip
    dots = [
        (one.search["sharpe_annualised"], one.holdout["sharpe_annualised"])
        for one in best if one.holdout
    ]  # fmt: skip
    return GenerationPage(
        f"Generation 1 {HOSTILE}", "complete", "ab" * 32, "1,000 strategies", [("Method", HOSTILE)],
        [("Bars", "2,304")], history, best, dots, 1_000, openings, "sharpe annualised", [HOSTILE],
    )  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("factory") / "page.html"
    path.write_text(render_generation(made()))
    return path


def pictures(text: str) -> list[str]:
    found = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', text)
    return [base64.b64decode(one).decode() for one in found]


def test_what_the_page_says_is_what_was_given(page: Path) -> None:
    text = page.read_text()
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text
    fitness, diversity, scatter = pictures(text)
    assert fitness.count("<path") == diversity.count("<path") == 2
    assert scatter.count("<circle") == COUNT
    assert "failed: costs eat all of it" in text
    assert "2 of 30" in text  # passed, of those judged


def test_a_closed_holdout_has_no_dots_and_says_so(tmp_path: Path) -> None:
    text = render_generation(made(openings=0))
    assert len(pictures(text)) == 2
    assert ">closed<" in text


_LOOKED = """
  const found = { images: Array.from(document.images).map((i) => i.naturalWidth) };
  const table = document.querySelector("table.sortable");
  const head = Array.from(table.tHead.rows[0].cells).find((c) => c.textContent.includes("Return"));
  head.querySelector("button").click();
  found.first = table.tBodies[0].rows[0].cells[0].textContent;
  found.title = document.title;
  found.wide = document.documentElement.scrollWidth - window.innerWidth;
  found.errors = document.documentElement.dataset.errors;
  found.requests = performance.getEntriesByType("resource").map((e) => e.name)
    .filter((name) => !name.startsWith("data:"));
  found.dark = matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.found = JSON.stringify(found);
"""


def looked(page: Path, folder: Path, *more: str, width: int = 1280) -> dict[str, Any]:
    import html
    import json

    path = folder / "looked.html"
    script = f"<script>addEventListener('load', () => {{ {_LOOKED} }})</script></body>"
    path.write_text(page.read_text().replace("</body>", script))
    dom = browse(path, folder / "profile", "--dump-dom", *more, width=width)
    found = re.search(r'data-found="([^"]*)"', dom)
    assert found
    return dict(json.loads(html.unescape(found[1])))


@needs_browser
def test_the_page_shows_its_pictures_sorts_and_asks_nobody(page: Path, tmp_path: Path) -> None:
    found = looked(page, tmp_path)
    assert len(found["images"]) == 3
    assert all(width > 0 for width in found["images"])
    assert found["first"].startswith(f"g1-random-{COUNT - 1:03}")
    assert (found["errors"], found["requests"]) == ("0", [])
    assert "<script>" in found["title"]
    assert found["wide"] <= 0


@pytest.mark.long
@needs_browser
def test_a_telephone_has_room_for_it_at_night(page: Path, tmp_path: Path) -> None:
    found = looked(page, tmp_path, "--blink-settings=preferredColorScheme=0", width=500)
    assert found["dark"]
    assert found["wide"] <= 0
    assert found["errors"] == "0"
