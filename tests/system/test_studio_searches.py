"""Searches in a real browser: walked through, put side by side, drawn on bars, taken to records."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from report_pages import needs_browser
from studio_pages import Seen, bars, dev_page, flaws, launched
from tapewire.replay.synth import synthesize

pytestmark = [needs_browser, pytest.mark.long]

HOSTILE = "<img src=x onerror=document.body.remove()>.parquet"
DAY = "a <b>day<b>.mbo.dbn.zst"
BARS = "a <b>day<b>.ohlcv-1m.dbn.zst"
#: All that is new, with something in it.
VIEWS = (
    ("/generate", "form"), ("/optimise", "form"), ("/jobs/2", ".growth svg"),
    ("/strategies/1", ".traded"), ("/analysis", "tbody"),
    ("/analysis?searches=1,2,3", ".growth svg"), ("/data", "tbody"),
)  # fmt: skip


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """A server with a search, an optimisation that is walked through, and another one."""
    folder = tmp_path_factory.mktemp("searches")
    (folder / "data").mkdir()
    bars(folder / "data" / HOSTILE)
    synthesize(folder / "data" / DAY, events=4_000, seed=5)
    with launched() as chromium, dev_page(chromium, folder) as found:
        page = view(found, "/generate", "form")
        # Bars come first, though a file of records has the first name.
        assert page.get_by_label("Bars").input_value() == HOSTILE
        page.get_by_label("How many").fill("30")
        page.locator("main form button").click()
        page.wait_for_selector("[role=status]:has-text('done, 100 %')")
        optimise(found, "fast=5:20:5\nslow=40:80:20", train="10", test="3")
        optimise(found, "fast=5:20:5\nslow=100:200:20")
        yield found


def view(seen: Seen, path: str, sign: str) -> Any:
    seen.page.goto("/".join(seen.page.url.split("/")[:3]) + path)
    seen.page.wait_for_selector(f"main {sign}")
    return seen.page


def optimise(seen: Seen, parameters: str, **walk: str) -> None:
    page = view(seen, "/optimise", "form")
    page.get_by_label("Parameters").fill(parameters)
    page.get_by_label("Assumptions").fill("stop_loss=2 atr\nquantity=1")
    if walk:
        page.get_by_text("Walk-forward", exact=True).click()
    for name, value in walk.items():
        page.locator(f"input[name={name}]").fill(value)
    page.locator("main form button").click()
    page.wait_for_selector("text=All of them at once")


def until(page: Any, holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError("expected it to become true")


def test_a_walk_forward_is_drawn_window_by_window(seen: Seen):
    page = view(seen, "/jobs/2", ".growth svg")
    chart = page.locator(".card:has(.chart)")
    assert chart.locator("h2").inner_text().startswith("Walk-forward")
    assert "out of sample: lowest" in chart.locator(".unseen").first.inner_text()
    windows = page.locator(".card", has=page.get_by_text("Its windows")).locator("tbody tr")
    # 21 days, of which 10 are chosen by, and 3 are traded at a time.
    assert windows.count() == 3
    assert "fast=" in windows.first.inner_text()
    assert "The choice changed" in page.locator("main").inner_text()
    grown = page.locator(".growth svg").get_attribute("aria-label")
    assert grown.startswith("sma_cross: lowest")
    assert not seen.faults


def test_a_row_is_taken_to_a_run_on_records(seen: Seen):
    page = view(seen, "/jobs/2", ".growth svg")
    row = page.locator("tbody tr").first.locator("td").all_inner_texts()
    page.get_by_role("button", name="Trade it on records").first.click()
    page.wait_for_selector("text=It can be run.")
    yaml = page.locator("textarea[name=yaml]").input_value()
    number = page.url.partition("strategy=")[2].partition("&")[0]
    assert f"store:{number}" in yaml
    assert "The optimisation assumed quantity=1" in page.locator("main").inner_text()
    view(seen, f"/strategies/{number}", "h1")
    assert page.locator("h1").inner_text() == f"sma_cross {row[0]} {row[1]}"
    assert "stop loss" in page.locator("pre").first.inner_text().lower()
    assert not seen.faults


def test_what_was_optimised_on_records_is_run_on_them(seen: Seen):
    page = view(seen, "/optimise", "form")
    page.get_by_label("Bars").select_option(DAY)
    page.get_by_label("Length of a bar").select_option("1s")
    page.get_by_label("Parameters").fill("fast=2,3\nslow=5,8")
    page.get_by_label("Objective").fill("net_pnl")  # one session has no Sharpe ratio
    page.locator("main form button").click()
    page.wait_for_selector("text=All of them at once")
    page.get_by_role("button", name="Trade it on records").first.click()
    page.wait_for_selector("text=It can be run.")
    yaml = page.locator("textarea[name=yaml]").input_value()
    assert DAY in yaml
    assert "synthetic" not in yaml
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_selector(".bars")
    page.locator("summary:text-is('Fills')").click()
    page.wait_for_selector("button:has-text('Explain')")
    assert not seen.faults


def test_searches_are_put_side_by_side_by_choosing_them(seen: Seen):
    page = view(seen, "/analysis", "tbody tr")
    for name in ("Search 1", "Optimisation 2", "Optimisation 3"):
        page.get_by_label(name, exact=True).check()
    page.locator("section", has_text="Searches to put").get_by_role("button").click()
    page.wait_for_selector("text=Where what was asked for differs")
    assert page.url.endswith("searches=1,2,3")
    differs = page.locator("section", has_text="Where what was asked for differs").inner_text()
    for key in ("parameters", "walk.train", "settings.count", "kind"):
        assert key in differs, key
    grown = page.locator("section:has(.growth)")
    assert "sharpe_annualised" in grown.locator("h2").inner_text()
    legend = grown.locator(".legend span:has(.dot)").all_inner_texts()
    assert legend == ["Search 1", "Optimisation 2", "Optimisation 3"]
    assert "out of sample" in page.locator(".card:has(.chart) h2").inner_text()
    figures = page.locator("section", has_text="What came of them").inner_text()
    for label in ("Traded", "Judged", "Passed all guards", "Walk-forward efficiency"):
        assert label in figures, label
    assert not seen.faults


def test_a_strategy_is_drawn_on_the_bars_that_it_traded(seen: Seen):
    page = view(seen, "/strategies?sort=trades", "tbody tr")
    page.locator("tbody a").first.click()
    page.wait_for_selector(".traded .chart canvas")
    told = page.locator(".traded [role=status]")
    assert told.inner_text().startswith("Traded again, it comes to the figures of that result.")
    note = page.locator(".traded small.soft", has_text="points drawn").first
    whole = note.inner_text()
    some = int(whole.split(" of ")[0].replace(",", ""))
    assert some <= 10_000
    assert "fills drawn" in whole
    page.locator(".traded .chart").first.focus()
    for _ in range(6):
        page.keyboard.press("+")
    until(page, lambda: note.inner_text() != whole)
    page.keyboard.press("0")
    until(page, lambda: note.inner_text() == whole)
    page.get_by_text("Trades", exact=True).last.click()
    assert page.locator(".traded table").last.locator("tbody tr").count() > 0
    assert HOSTILE in page.get_by_label("Result").inner_text()
    assert page.locator("main img").count() == 0
    # With other assumptions it is another result, and that is said.
    page.get_by_label("Assumptions").fill("commission_per_unit=1")
    page.get_by_role("button", name="Trade again").click()
    until(page, lambda: "made with other assumptions" in told.inner_text())
    page.get_by_label("Assumptions").fill("nonsense=1")
    page.get_by_role("button", name="Trade again").click()
    until(page, lambda: "nonsense" in told.inner_text())
    assert all("status of 400" in one for one in seen.faults)
    seen.faults.clear()


def test_records_become_bars_that_are_offered_to_a_search(seen: Seen):
    page = view(seen, "/data", "tbody")
    page.get_by_role("button", name=f"Derive {DAY}").click()
    page.wait_for_selector("dialog[open]")
    assert flaws(page) == []
    page.locator("dialog form button").first.click()
    page.wait_for_url("**/jobs/*")
    page.wait_for_selector(f"h2:has-text('Derived {BARS}')")
    assert "records of ohlcv-1m, made of" in page.locator("main").inner_text()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert flaws(page) == []
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("link", name="Search strategies on it").click()
    page.wait_for_selector("main form")
    data = page.get_by_label("Bars")
    assert data.input_value() == BARS
    groups = data.locator("optgroup")
    assert groups.first.get_attribute("label") == "Bars"
    assert groups.first.locator("option").all_inner_texts() == sorted([HOSTILE, BARS])
    # Of records it is said how bars are made of them.
    hint = page.get_by_text("Bars are made of its trades each time it is read.")
    assert not hint.is_visible()
    data.select_option(DAY)
    assert hint.is_visible()
    assert page.get_by_label("Length of a bar").is_visible()
    # The same again would replace a file.
    page.goto(page.url.partition("/generate")[0] + "/data")
    page.get_by_role("button", name=f"Derive {DAY}").click()
    page.locator("dialog form button").first.click()
    page.wait_for_selector("main p.bad")
    assert "is there already" in page.locator("main p.bad").inner_text()
    assert not seen.faults


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_views_of_searches(seen: Seen, scheme: str):
    page = seen.page
    page.emulate_media(color_scheme=scheme)
    for path, sign in VIEWS:
        for width in (390, 2560):
            page.set_viewport_size({"width": width, "height": 900})
            view(seen, path, sign)
            page.wait_for_load_state("networkidle")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
        assert flaws(page) == [], path
    page.set_viewport_size({"width": 1280, "height": 900})
    assert not seen.faults
