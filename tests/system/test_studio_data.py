"""The studio's view of data in a real browser: files looked into by jobs, and what is found."""

from collections.abc import Iterator
from typing import Any

import pytest

from report_pages import needs_browser
from studio_pages import Seen, bars, dev_page, flaws, launched
from tapewire.replay.synth import synthesize
from tapewire.store import Store

pytestmark = [needs_browser, pytest.mark.long]

HOSTILE = "<img src=x onerror=document.body.remove()>.parquet"
DAY = "day.mbo.dbn.zst"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("data")
    (folder / "data").mkdir()
    bars(folder / "data" / HOSTILE)
    synthesize(folder / "data" / DAY, events=4_000, seed=5)
    with launched() as chromium, dev_page(chromium, folder) as found:
        yield found


def view(seen: Seen, path: str) -> Any:
    seen.page.goto("/".join(seen.page.url.split("/")[:3]) + path)
    seen.page.wait_for_selector("main h1")
    return seen.page


def until(page: Any, what: str) -> None:
    """Wait until something is true; the page's policy has no room for the browser's own waiting."""
    for _ in range(200):
        if page.evaluate(what):
            return
        page.wait_for_timeout(50)
    raise AssertionError(what)


def looked(seen: Seen, button: str) -> Any:
    """The page of a job that was asked for by a button of the view of data."""
    page = view(seen, "/data")
    page.get_by_role("button", name=button).click()
    page.wait_for_url("**/jobs/*")
    page.wait_for_selector("section.card h2")
    return page


def test_a_file_is_inspected_and_its_name_is_text(seen: Seen):
    page = looked(seen, f"Inspect {HOSTILE}")
    assert page.locator("section.card h2").inner_text() == f"What is in {HOSTILE}"
    assert "30,240" in page.locator("dl").inner_text()
    assert page.locator("img").count() == 0
    assert not seen.faults


def test_a_file_of_records_is_checked(seen: Seen):
    page = looked(seen, f"Check {DAY}")
    assert page.locator(".badge").first.inner_text() == "sound"
    assert flaws(page) == []
    # Bars have no records to check: they are checked as they are read.
    page = view(seen, "/data")
    assert page.get_by_role("button", name="Check").count() == 1
    assert flaws(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_book_is_drawn_and_a_part_of_it_chosen(seen: Seen, scheme: str):
    seen.page.emulate_media(color_scheme=scheme)
    page = looked(seen, f"Plot {DAY}")
    page.wait_for_selector("svg")
    for kind in ("bid", "ask", "bid-area", "ask-area", "lots"):
        assert len(page.locator(f"svg path.{kind}").get_attribute("d")) > 1_000, kind
    assert page.locator("svg circle").count() > 10
    assert "lowest" in page.locator("svg").get_attribute("aria-label")
    assert flaws(page) == []
    whole = (
        page.get_by_label("From (UTC)").input_value(),
        page.get_by_label("Until", exact=True).input_value(),
    )
    box = page.locator("svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60)
    page.mouse.up()
    part = (
        page.get_by_label("From (UTC)").input_value(),
        page.get_by_label("Until", exact=True).input_value(),
    )
    assert whole[0] < part[0] < part[1] < whole[1]
    before = page.url
    page.get_by_role("button", name="Plot this part").click()
    page.wait_for_url(lambda url: url != before)
    page.wait_for_selector("svg")
    assert part[0] <= page.get_by_label("From (UTC)").input_value() < part[1]
    page.set_viewport_size({"width": 390, "height": 844})
    until(page, "document.querySelector('svg').clientWidth <= 390")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 2560, "height": 1200})
    until(page, "document.querySelector('svg').clientWidth > 1000")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert not seen.faults


@pytest.mark.parametrize("name", ["../tapewire.db", "/etc/passwd", "data/../../x"])
def test_no_file_outside_the_folder_is_looked_into(seen: Seen, name: str):
    page = view(seen, "/data")
    asked = """async (data) => (await (await fetch("/api/call/DataService/InspectFile", {
        method: "POST", headers: {"content-type": "application/json", "x-tapewire": "1"},
        body: JSON.stringify({data, idempotency_key: crypto.randomUUID()})})).json())"""
    told = page.evaluate(asked, name)
    page = view(seen, f"/jobs/{told['job']['id']}")
    page.wait_for_selector("p.bad")
    with Store.open(str(seen.folder / "tapewire.db")) as store:
        job = store.job(int(told["job"]["id"]))
    assert (job.state, job.result) == ("failed", None)
    assert "expected a file in the server's folder of data" in job.error
    assert not seen.faults
