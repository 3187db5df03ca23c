"""Sessions in a real browser: started over a gateway and over made-up data, seen, paused, ended."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from live_gateway import DATASET, KEY, Script, serving
from report_pages import needs_browser
from studio_pages import Seen, dev_page, flaws, launched
from tapewire.replay.source import read_records

pytestmark = [needs_browser, pytest.mark.timeout(900)]

FEED = """\
live:
  dataset: {dataset}
  symbols: [TWA1]
  gateway: {gateway}
backtest:
  execution:
    fill_model: {{type: mbo_queue}}
strategy:
- type: market_maker
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def seen(
    chromium: Any, synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Seen]:
    """A page of a server whose workers may ask a gateway on this host."""
    folder = tmp_path_factory.mktemp("live")
    (folder / "data").mkdir()
    _, records = read_records(synthetic_file)
    symbols = {"TWA1": int(records["instrument_id"][0])}
    with pytest.MonkeyPatch.context() as patch, serving(Script(records, symbols, speed=3.0)) as at:
        patch.setenv("DATABENTO_API_KEY", KEY)
        patch.setenv("TAPEWIRE_LIVE_GATEWAYS", str(at.address))
        with dev_page(chromium, folder) as found:
            found.gateway = str(at.address)  # type: ignore[attr-defined]
            yield found


def begun(seen: Seen, yaml: str | None) -> int:
    """Start a session by its YAML, or as the form begins; wait until there is something to see."""
    page = seen.page
    page.goto("/".join(page.url.split("/")[:3]) + "/live")
    page.wait_for_selector("text=It can be run.")
    if yaml is not None:
        page.locator("textarea[name=yaml]").fill(yaml)
        page.wait_for_timeout(1_000)
        page.wait_for_selector("text=It can be run.")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/live/*")
    page.wait_for_selector(".ladder tr.mine", timeout=600_000)
    return int(page.url.rpartition("/")[2])


def test_a_session_over_a_feed_is_seen_paused_and_stopped(seen: Seen):
    page = seen.page
    job_id = begun(seen, FEED.format(dataset=DATASET, gateway=seen.gateway))  # type: ignore[attr-defined]
    assert page.locator(".ladder tbody tr").count() == 21
    assert "lag" in page.locator("dl.facts").inner_text()
    before = page.locator(".ladder").bounding_box()
    page.get_by_role("button", name="Pause").click()
    page.wait_for_selector(".held:has-text('New orders are held – paused')")
    page.reload()
    page.wait_for_selector(".held:has-text('paused')")
    assert page.locator(".ladder").bounding_box() == before
    page.get_by_role("button", name="Go on").click()
    page.wait_for_selector(".held:not(:has-text('held'))", state="attached")
    page.wait_for_selector(".ladder tr.mine")
    page.keyboard.press("s")
    page.get_by_role("link", name="To its run").click()
    page.wait_for_url(f"**/runs/{job_id}")
    page.wait_for_selector(".bars")
    assert not seen.faults


@pytest.mark.long
def test_a_session_over_files_is_killed_by_keys_and_has_no_order_left(seen: Seen):
    page = seen.page
    job_id = begun(seen, None)
    page.keyboard.press("k")
    page.get_by_role("button", name="Kill it").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("text=To its run")
    [folder] = (seen.folder / "runs").glob(f"job-{job_id}-*")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "ended before its data" in " ".join(manifest["warnings"])
    assert page.locator(".ladder tr.mine").count() == 0
    assert not seen.faults


@pytest.fixture(scope="module")
def session(seen: Seen) -> str:
    """The page of a session, whoever has played which of the others."""
    return f"/live/{begun(seen, None)}"


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_views_are_usable_by_everybody(seen: Seen, session: str, scheme: str, width: int):
    page = seen.page
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    for path, sign in (("/live", "text=It can be run."), (session, ".ladder tr.bid td")):
        page.goto("/".join(page.url.split("/")[:3]) + path)
        page.wait_for_selector(sign)
        assert not flaws(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not seen.faults
