"""Accounts at a broker in a real browser: seen, and killed while their rails trade."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fix_exchange as fx
from fix_traders import Trader, account_over_fix, kept_alive
from fix_venue import VARIABLE
from report_pages import needs_browser
from served import Inner, inner_server
from studio_pages import Seen, flaws, launched, logged_in
from tapewire.live.orders import OrderAccepted
from tapewire.live.rails.switch import KILL_FILE

pytestmark = [needs_browser, pytest.mark.long, pytest.mark.timeout(600)]
TABLE = "section:has(> h2:text-is('Accounts at a broker'))"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def inner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inner]:
    folder = tmp_path_factory.mktemp("accounts")
    root = folder / "accounts"
    (root / "torn").mkdir(parents=True)
    (root / "torn" / "journal-000001.twj").write_bytes(b"no journal")
    roles = {"tess": "trader", "vera": "viewer"}
    with inner_server(folder, roles, web="127.0.0.1:0", accounts=root) as found:
        found.root = root  # type: ignore[attr-defined]
        yield found


@pytest.fixture(scope="module")
def exchange() -> Iterator[fx.Exchange]:
    with fx.exchanging() as found:
        yield found


@pytest.fixture(scope="module")
def trading(
    inner: Inner, exchange: fx.Exchange, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trader]:
    """A session whose rails have two orders at the exchange."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, fx.PASSWORD)
        kept = tmp_path_factory.mktemp("fix")
        trader = Trader(account_over_fix(exchange, inner.root / "demo", kept))  # type: ignore[attr-defined]
        with contextlib.closing(trader.line):
            trader.until_active()
            first = trader.buy(2)
            trader.buy(3)
            trader.until(lambda: sum(isinstance(one, OrderAccepted) for one in trader.heard) == 2)
            exchange.trade(first, 1)
            with kept_alive(trader):
                yield trader


@pytest.fixture(scope="module")
def seen(
    chromium: Any, inner: Inner, trading: Trader, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Seen]:
    found = logged_in(chromium, inner, tmp_path_factory.mktemp("seen"), "tess")
    yield found
    found.page.close()


def live(seen: Seen) -> Any:
    seen.page.goto("/".join(seen.page.url.split("/")[:3]) + "/live")
    seen.page.wait_for_selector(f"{TABLE} tr:has-text('demo')")
    return seen.page


def test_an_account_is_seen_and_killed_after_a_second_word(
    seen: Seen, inner: Inner, exchange: fx.Exchange
):
    page = live(seen)
    row = page.locator(f"{TABLE} tr:has(th:text-is('demo'))")
    page.wait_for_selector(f"{TABLE} td:has-text('ACTIVE')")
    page.wait_for_selector(f"{TABLE} td:has-text('ESM5 +1')")
    assert [one.strip() for one in row.locator("td").all_inner_texts()][4] == "2"
    torn = page.locator(f"{TABLE} tr:has(th:text-is('torn'))")
    assert "expected a journal beginning with" in torn.inner_text()
    kill = row.get_by_role("button", name="Kill demo")
    kill.click()
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert sum(one.leaves for one in exchange.orders.values()) == 4, "nobody has killed it"
    kill.click()
    assert not flaws(page)
    page.get_by_label("Why").fill("wrong <b>parameters</b>")
    page.get_by_role("button", name="Kill it").click()
    said = "killed from the web by tess: wrong <b>parameters</b>"
    page.wait_for_selector(f"{TABLE} td:has-text('KILLED: killed from the web')")
    assert said in row.inner_text()
    assert kill.is_disabled()
    page.wait_for_selector(f"{TABLE} tr:has(th:text-is('demo')) td.num:text-is('0')")
    assert not any(one.leaves for one in exchange.orders.values())
    assert said in page.locator("#said").inner_text()
    assert (inner.root / "demo" / KILL_FILE).read_text().strip() == said  # type: ignore[attr-defined]
    assert not seen.faults


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_card_is_usable_by_everybody(seen: Seen, tmp_path: Path, scheme: str, width: int):
    page = live(seen)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_selector("text=It can be run.")
    assert not flaws(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    button = page.get_by_role("button", name="Kill torn")
    box = button.bounding_box()
    assert box["x"] + box["width"] <= width, "a kill is not scrolled to"
    page.screenshot(path=tmp_path / f"accounts-{scheme}-{width}.png")
    assert not seen.faults


def test_who_may_only_read_sees_no_button(chromium: Any, inner: Inner, trading: Trader,
                                          tmp_path: Path):  # fmt: skip
    found = logged_in(chromium, inner, tmp_path, "vera")
    page = live(found)
    assert page.locator(f"{TABLE} button").count() == 0
    assert not flaws(page)
    assert not found.faults
    page.close()


def test_without_accounts_there_is_no_card(chromium: Any, tmp_path: Path):
    with inner_server(tmp_path, {"vera": "viewer"}, web="127.0.0.1:0") as inner:
        found = logged_in(chromium, inner, tmp_path, "vera")
        found.page.goto("/".join(found.page.url.split("/")[:3]) + "/live")
        found.page.wait_for_selector("text=No sessions yet.")
        found.page.wait_for_timeout(500)
        assert not found.page.locator("text=Accounts at a broker").is_visible()
        assert not found.faults
        found.page.close()
