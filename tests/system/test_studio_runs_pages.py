"""Backtests in a real browser: asked for by a form, drawn, zoomed, explained, compared."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from report_pages import needs_browser
from served import Inner, inner_server
from served_runs import HOSTILE, ended_run
from studio_pages import Seen, dev_page, flaws, launched, logged_in

pytestmark = [needs_browser, pytest.mark.long]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def inner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inner]:
    folder = tmp_path_factory.mktemp("runs")
    roles = {"ada": "admin", "vera": "viewer"}
    with inner_server(folder, roles, web="127.0.0.1:0", runs=folder / "runs") as found:
        found.ids = [ended_run(found, folder / "runs", k, busy=k < 3) for k in (1, 2, 3)]
        yield found


@pytest.fixture(scope="module")
def seen(chromium: Any, inner: Inner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    found = logged_in(chromium, inner, tmp_path_factory.mktemp("seen"))
    yield found
    found.page.close()


def view(seen: Seen, path: str, sign: str) -> Any:
    seen.page.goto("/".join(seen.page.url.split("/")[:3]) + path)
    seen.page.wait_for_selector(sign)
    return seen.page


def until(page: Any, holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError("expected it to become true")


def drawn(page: Any, chart: int) -> str:
    return str(page.locator(".card:has(.chart) > small").nth(chart).inner_text())


def test_a_zoom_asks_for_its_stretch(seen: Seen, inner: Inner):
    page = view(seen, f"/runs/{inner.ids[0]}", ".bars")
    whole = drawn(page, 0)
    some, total = (int(one.replace(",", "")) for one in whole.split(" points")[0].split(" of "))
    assert some <= 10_000 < total
    page.locator(".chart").first.focus()
    for _ in range(7):
        page.keyboard.press("+")
    until(page, lambda: drawn(page, 0) != whole)
    until(page, lambda: len(set(drawn(page, 0).split(" points")[0].split(" of "))) == 1)
    page.keyboard.press("0")
    until(page, lambda: drawn(page, 0) == whole)
    assert not seen.faults


def test_a_chart_is_told_in_words_and_as_a_table(seen: Seen, inner: Inner):
    page = view(seen, f"/runs/{inner.ids[0]}", ".bars")
    told = page.locator(".chart .unseen").first.inner_text()
    assert "total: lowest" in told
    place = page.locator(".card:has(.chart)").first
    place.get_by_text("Show as table").click()
    assert place.locator("tbody tr").count() == 200
    assert not seen.faults


def test_names_of_orders_are_text_and_who_only_looks_gets_no_forms(
    seen: Seen, chromium: Any, inner: Inner, tmp_path: Path
):
    page = view(seen, f"/runs/{inner.ids[2]}", ".bars")
    page.locator("summary:text-is('Fills')").click()
    page.get_by_role("button", name=f"Explain {HOSTILE}").click()
    page.wait_for_selector("[aria-live] .bad")  # its data are nowhere
    assert page.locator("h2", has_text=HOSTILE).count() == 1
    assert page.locator("main img").count() == 0
    # The browser itself tells of a call that was refused.
    assert all("status of 4" in one for one in seen.faults)
    seen.faults.clear()
    vera = logged_in(chromium, inner, tmp_path, "vera")
    view(vera, "/backtest", "text=Earlier runs")
    assert vera.page.locator("form").count() == 0
    view(vera, f"/runs/{inner.ids[0]}", ".bars")
    assert vera.page.get_by_text("How far it spreads").count() == 0
    assert not vera.faults
    vera.page.close()


def test_runs_are_compared_by_choosing_them(seen: Seen, inner: Inner):
    page = view(seen, "/analysis", "tbody tr")
    for job_id in inner.ids[:2]:
        page.get_by_label(f"Run {job_id}", exact=True).check()
    page.get_by_role("button", name="Put side by side").click()
    page.wait_for_selector("text=Where their configurations differ")
    assert page.locator(".legend span:has(.dot)").all_inner_texts() == ["Run 1", "Run 2"]
    assert not seen.faults


def test_trades_drawn_again_are_a_fan_and_a_table(seen: Seen, inner: Inner):
    page = view(seen, f"/runs/{inner.ids[0]}", ".bars")
    page.get_by_text("How far it spreads").click()
    page.get_by_label("How often").fill("50")
    page.get_by_role("button", name="Draw again").click()
    page.wait_for_selector("figure.fan")
    assert "nine draws in ten" in page.locator("figure.fan svg").first.get_attribute("aria-label")
    assert not seen.faults


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_views_of_runs(seen: Seen, inner: Inner, scheme: str):
    page, ids = seen.page, inner.ids
    page.emulate_media(color_scheme=scheme)
    for path, sign in (
        ("/backtest", "text=It can be run."),
        (f"/runs/{ids[0]}", ".bars"),
        (f"/analysis?runs={ids[0]},{ids[1]}", ".chart canvas"),
    ):
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            view(seen, path, sign)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert flaws(page) == []
    page.set_viewport_size({"width": 1280, "height": 900})
    assert not seen.faults


def test_from_a_form_to_a_run_and_its_orders_stories(chromium: Any, tmp_path: Path):
    (tmp_path / "data").mkdir()
    with dev_page(chromium, tmp_path) as seen:
        page = view(seen, "/backtest", "text=It can be run.")
        seed = page.locator("input[name='backtest.seed']")
        seed.fill("7")
        seed.press("Tab")
        text = page.locator("textarea[name=yaml]")
        until(page, lambda: "seed: 7" in text.input_value())
        text.fill(text.input_value().replace("seed: 7", "sed: 7"))
        page.wait_for_selector(".problems li")
        assert "backtest.sed: unknown key" in page.locator(".problems").inner_text()
        assert page.get_by_role("button", name="Run", exact=True).is_disabled()
        text.fill(text.input_value().replace("sed: 7", "seed: 9").replace("200000", "50000"))
        page.wait_for_selector("text=It can be run.")
        until(page, lambda: seed.input_value() == "9")
        page.get_by_role("button", name="Run", exact=True).click()
        page.wait_for_url("**/runs/1")
        page.wait_for_selector(".bars", timeout=600_000)
        page.locator("summary:text-is('Fills')").click()
        page.get_by_role("button", name="Explain").first.click()
        page.wait_for_selector("[aria-live] pre", timeout=600_000)
        assert "arrived" in page.locator("[aria-live] pre").inner_text()

        page.get_by_role("link", name="Change and run again").click()
        page.wait_for_selector("text=It can be run.")
        slow = "  replay: {speed: realtime}\nstrategy:"
        text.fill(text.input_value().replace("strategy:", slow))
        until(page, lambda: page.locator("select[name='backtest.replay.speed']").count() == 1)
        page.wait_for_selector("text=It can be run.")
        page.get_by_role("button", name="Run", exact=True).click()
        page.wait_for_url("**/runs/2")
        state = page.locator("main p[role=status]")
        until(page, lambda: "simulated" in state.inner_text())
        page.get_by_role("button", name="Cancel").click()
        until(page, lambda: state.inner_text().startswith("canceled"))
        (folder,) = (tmp_path / "runs").glob("job-2-*")
        assert [one.name for one in folder.iterdir()] == ["manifest.json"]
        assert '"status": "incomplete"' in (folder / "manifest.json").read_text()
        assert not seen.faults
