"""The studio in a real browser: from an empty store to a tested, optimised strategy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from report_pages import needs_browser
from served import PASSWORD, inner_server
from studio_pages import Seen, bars, dev_page, flaws, launched
from tapewire.store import NewStrategy, Store

pytestmark = [needs_browser]

#: All that have an address, with something in them.
VIEWS = (
    "strategies", "strategies/2", "generate", "optimise", "test", "jobs", "jobs/1", "jobs/2",
    "jobs/3", "data", "data/1", "settings", "settings/users", "settings/audit", "settings/health",
    "backtest", "analysis", "nowhere",
)  # fmt: skip
HOSTILE = "<img src=x onerror=document.body.remove()>"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as browser:
        yield browser


def from_an_empty_store(seen: Seen) -> None:
    """Generate, test and optimise, as a person would: what the tests then look at."""
    page = seen.page
    page.get_by_role("link", name="Generate").first.click()
    page.get_by_label("How many").fill("40")
    page.locator("main form button").click()
    page.wait_for_url("**/jobs/1")
    page.wait_for_selector("[role=status]:has-text('done, 100 %')")
    page.get_by_role("link", name="See its strategies").click()
    page.wait_for_selector("tbody tr")
    assert page.locator("tbody tr").count() == 40

    page.locator("tbody input").first.check()
    page.get_by_role("button", name="Test", exact=True).click()
    page.wait_for_selector("main form")
    page.locator("main form button").click()
    page.wait_for_url("**/jobs/2")
    page.wait_for_selector("text=What they made")
    page.locator("tbody a").first.click()
    page.wait_for_selector("text=Rules")
    assert page.locator("pre").first.inner_text().strip()

    page.get_by_role("link", name="Optimise").click()
    page.locator("main form button").click()
    page.wait_for_url("**/jobs/3")
    page.wait_for_selector("text=The best")
    assert page.locator("tbody tr").count() > 5


@pytest.fixture(scope="module")
def seen(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("studio")
    (folder / "data").mkdir()
    bars(folder / "data" / "walk.parquet")
    with dev_page(chromium, folder) as found:
        from_an_empty_store(found)
        yield found
    with Store.open(str(folder / "tapewire.db")) as store:
        assert len(store.jobs()) == 3


def test_from_an_empty_store_to_a_tested_and_optimised_strategy(seen: Seen):
    with Store.open(str(seen.folder / "tapewire.db")) as store:
        assert [one.state for one in store.jobs()] == ["done"] * 3
    assert not seen.faults


@pytest.mark.long
def test_a_strategys_view_says_which_guards_it_failed(seen: Seen):
    with Store.open(str(seen.folder / "tapewire.db")) as store:
        all_of_them = [store.strategy(i) for i in range(1, 41)]
    judged = next(one for one in all_of_them if one.verdicts)
    page = seen.page
    page.goto("/".join(page.url.split("/")[:3]) + f"/strategies/{judged.id}")
    page.wait_for_selector(".verdicts li")
    shown = page.locator(".verdicts li").all_inner_texts()
    assert len(shown) == len(judged.verdicts)
    for one in judged.verdicts:
        assert any(one.sentence in text for text in shown)
    assert not seen.faults


@pytest.mark.long
def test_what_is_deleted_can_be_brought_back_for_a_while(seen: Seen):
    page = seen.page
    page.get_by_role("link", name="Strategies").click()
    page.wait_for_selector("tbody tr")
    page.locator("tbody input").nth(3).check()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Undo").click()
    page.wait_for_selector("text=Nothing was deleted")
    page.locator("tbody input").nth(3).check()
    page.get_by_role("button", name="Delete").click()
    page.wait_for_selector("text=1 deleted")
    page.reload()
    page.wait_for_selector("tbody tr")
    assert page.locator("tbody tr").count() == 39
    assert not seen.faults


@pytest.mark.long
def test_a_view_has_an_address_and_keys(seen: Seen):
    page = seen.page
    page.goto(page.url.partition("/strategies")[0] + "/jobs/2")
    page.wait_for_selector("text=What they made")
    page.keyboard.press("g")
    page.keyboard.press("n")
    page.wait_for_selector("text=Generate strategies")
    assert page.url.endswith("/generate")
    assert page.evaluate("document.activeElement.id") == "main"
    page.go_back()
    page.wait_for_selector("text=What they made")
    assert not seen.faults


@pytest.mark.long
def test_a_job_is_watched_on_where_its_stream_broke_off(seen: Seen):
    page, broken = seen.page, []

    def breaks(route: Any) -> None:
        if len(broken) < 2:
            broken.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    page.route("**/api/stream/**", breaks)
    page.goto("/".join(page.url.split("/")[:3]) + "/jobs/2")
    page.wait_for_selector("text=What they made")
    page.unroute("**/api/stream/**")
    assert len(broken) == 2
    seen.faults.clear()  # the browser tells of the two


@pytest.mark.parametrize("scheme", [pytest.param("light", marks=pytest.mark.long), "dark"])
def test_no_view_is_wider_than_a_phone(seen: Seen, scheme: str):
    page = seen.page
    begin = "/".join(page.url.split("/")[:3])
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme=scheme)
    for view in VIEWS:
        page.goto(f"{begin}/{view}")
        page.wait_for_selector("main h1")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, view
    page.set_viewport_size({"width": 1280, "height": 900})
    assert not seen.faults


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), pytest.param("dark", 2560, marks=pytest.mark.long)]
)
def test_every_view_is_usable_by_everybody(seen: Seen, scheme: str, width: int):
    page = seen.page
    page.set_viewport_size({"width": width, "height": 900})
    begin = "/".join(page.url.split("/")[:3])
    page.emulate_media(color_scheme=scheme)
    for view in VIEWS:
        page.goto(f"{begin}/{view}")
        page.wait_for_selector("main h1")
        page.wait_for_load_state("networkidle")
        assert flaws(page) == [], view
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    assert flaws(page) == []
    page.keyboard.press("Escape")
    assert not seen.faults


@pytest.mark.long
def test_names_are_text_whatever_they_look_like(chromium: Any, tmp_path: Path):
    with inner_server(tmp_path, web="127.0.0.1:0") as inner:
        inner.store.add_strategies([NewStrategy("a" * 64, HOSTILE, "{}", format="text")])
        seen = Seen(chromium.new_page(), tmp_path)
        seen.page.goto(f"http://127.0.0.1:{inner.server.web_port}/strategies")
        seen.page.get_by_label("Name").fill("ada")
        seen.page.get_by_label("Password").fill(PASSWORD)
        seen.page.get_by_role("button", name="Log in").click()
        assert seen.page.locator("tbody a").inner_text() == HOSTILE
        seen.page.locator("tbody a").click()
        seen.page.wait_for_selector("text=Rules")
        assert seen.page.locator("h1").inner_text() == HOSTILE
        assert seen.page.locator("img").count() == 0
        assert not seen.faults
        seen.page.close()
