"""The studio's settings in a real browser: users, passwords, keys, what was done, health."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from report_pages import needs_browser
from served import PASSWORD, SEALING, Inner, inner_server
from studio_pages import Seen, launched, logged_in

pytestmark = [needs_browser, pytest.mark.long]

HOSTILE = "<img src=x onerror=document.body.remove()>"


@pytest.fixture(scope="module")
def inner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inner]:
    roles = {"ada": "admin", "vera": "viewer", HOSTILE: "viewer"}
    folder = tmp_path_factory.mktemp("settings")
    with inner_server(folder, roles, web="127.0.0.1:0", secret_keys=SEALING) as served:
        yield served


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def seen(chromium: Any, inner: Inner, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return logged_in(chromium, inner, tmp_path_factory.mktemp("page"))


def view(seen: Seen, path: str) -> Any:
    seen.page.goto("/".join(seen.page.url.split("/")[:3]) + path)
    seen.page.wait_for_selector("main h1")
    return seen.page


def test_a_user_is_added_changed_and_disabled_by_an_administrator(seen: Seen, inner: Inner):
    page = view(seen, "/settings/users")
    assert page.locator("tbody tr").nth(2).locator("td").first.inner_text() == HOSTILE
    page.get_by_role("button", name="Add a user").click()
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill("twelve letters and more")
    page.locator("dialog form button").first.click()
    page.wait_for_selector("dialog [role=alert]:has-text(\"found 'ada' taken\")")
    page.get_by_label("User name").fill("nina")
    page.get_by_label("Role").select_option("trader")
    page.locator("dialog form button").first.click()
    page.wait_for_selector("tbody tr:has-text('nina'):has-text('trader')")
    page.get_by_role("button", name="Change nina").click()
    page.get_by_label("Role").select_option("researcher")
    page.get_by_label("may log in").uncheck()
    page.locator("dialog form button").first.click()
    page.wait_for_selector("tbody tr:has-text('nina'):has-text('researcher'):has-text('disabled')")
    page.wait_for_selector("dialog", state="detached")
    user = inner.store.user("nina")
    assert (user.role, user.is_active) == ("researcher", False)
    page.get_by_role("link", name="What was done").click()
    page.wait_for_selector("tbody tr:has-text('set_user nina')")
    assert page.locator("tbody tr:has-text('add_user')").last.is_visible()
    assert page.locator("img").count() == 0
    seen.faults[:] = [one for one in seen.faults if "400" not in one and "409" not in one]
    assert not seen.faults


def test_keys_are_kept_and_removed_and_no_secret_is_in_the_page(seen: Seen, inner: Inner):
    page = view(seen, "/settings")
    page.wait_for_selector("text=You keep no keys here yet")
    page.get_by_label("Name of the key", exact=True).fill(HOSTILE)
    page.get_by_label("Exchange", exact=True).fill("CME")
    page.get_by_label("Secret", exact=True).fill("sésame")
    page.get_by_role("button", name="Keep the key").click()
    page.wait_for_selector("tbody tr")
    assert page.locator("tbody td").first.inner_text() == HOSTILE
    assert "sésame" not in page.content()
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Undo").click()
    assert page.locator("tbody tr").is_visible()
    page.get_by_role("button", name="Remove").click()
    page.wait_for_selector("text=is removed")
    page.wait_for_selector("text=You keep no keys here yet")
    assert "sésame" not in inner.text()
    assert not seen.faults


def test_who_changes_their_password_stays_logged_in(seen: Seen, inner: Inner, tmp_path: Path):
    page = view(seen, "/settings")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill("another battery staple")
    page.get_by_label("New password, again").fill("another battery stable")
    page.get_by_role("button", name="Change the password").click()
    assert page.evaluate("document.activeElement.name") == "again"
    page.get_by_label("New password, again").fill("another battery staple")
    page.get_by_role("button", name="Change the password").click()
    page.wait_for_selector("text=The password is changed")
    page.get_by_role("link", name="Health").click()
    page.wait_for_selector("text=looked at")
    assert "answers" in page.locator("dl").inner_text()
    assert not seen.faults


def test_a_viewer_is_shown_their_own_settings_alone(
    chromium: Any,
    inner: Inner,
    tmp_path: Path,
):
    seen = logged_in(chromium, inner, tmp_path, "vera")
    page = view(seen, "/settings")
    assert page.locator("nav.parts a").all_inner_texts() == ["Account", "Health"]
    assert page.get_by_text("Keys of exchanges").count() == 0
    # A link that somebody sent leads to the server's own sentence.
    page = view(seen, "/settings/users")
    assert "expected a role that may administer, found viewer" in page.locator("main").inner_text()
    seen.faults.clear()  # the browser tells of the refusal


def test_a_list_of_all_keys_opens_and_closes_by_keys(seen: Seen):
    page = view(seen, "/settings/health")
    page.keyboard.press("?")
    page.wait_for_selector("dialog kbd")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    page.keyboard.press("g")
    page.keyboard.press(",")
    page.wait_for_url("**/settings")
    assert not seen.faults
