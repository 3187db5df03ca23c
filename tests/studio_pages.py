"""The studio in a real browser: a page that notes what goes wrong in it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from report_pages import BROWSER
from served import PASSWORD, Inner


class Seen:
    """A page, and what went wrong in it."""

    def __init__(self, page: Any, folder: Path) -> None:
        self.page, self.folder, self.faults = page, folder, []
        page.set_default_timeout(120_000)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", self._asked)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1", "blob:", "data:")):
            self.faults.append(request.url)


@contextlib.contextmanager
def launched() -> Iterator[Any]:
    """The system's Chromium, driven."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


def logged_in(chromium: Any, inner: Inner, folder: Path, name: str = "ada") -> Seen:
    """A page of a user of a server, at its first view."""
    page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    seen = Seen(page, folder)
    page.goto(f"http://127.0.0.1:{inner.server.web_port}/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_selector("main h1:not(.narrow h1)")
    return seen
