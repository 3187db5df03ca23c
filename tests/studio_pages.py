"""The studio in a real browser: a page that notes what goes wrong in it."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from report_pages import BROWSER
from served import PASSWORD, Inner


def bars(path: Path) -> None:
    """Three weeks of a walk by minutes."""
    n = 21 * 1440
    close = 16_000 + np.cumsum(np.random.default_rng(1).integers(-4, 5, n))
    opened = np.r_[16_000, close[:-1]]
    begins = 1_709_942_400 * 10**9 + np.arange(n) * 60 * 10**9
    columns = {
        "ts_event": begins, "open": opened / 4, "high": (np.maximum(opened, close) + 1) / 4,
        "low": (np.minimum(opened, close) - 1) / 4, "close": close / 4, "volume": np.ones(n),
    }  # fmt: skip
    pq.write_table(pa.table(columns), path)


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


@contextlib.contextmanager
def dev_page(chromium: Any, folder: Path) -> Iterator[Seen]:
    """A page of the user of ``serve --dev`` over the folder's own ``data``, with a worker."""
    command = [sys.executable, "-m", "tapewire", "serve", "--dev", "--address", "127.0.0.1:0"]
    command += ["--web-port", "0", "--data", "data", "--jobs", "1"]
    with (folder / "log.jsonl").open("w") as log:
        served = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert served.stdout is not None
    lines = [served.stdout.readline() for _ in range(4)]
    served.stdout.close()
    try:
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        seen = Seen(page, folder)
        page.goto(lines[1].split()[-1])
        page.get_by_label("Name").fill("dev")
        page.get_by_label("Password").fill(lines[2].split()[-1])
        page.get_by_role("button", name="Log in").click()
        page.wait_for_selector("nav a")
        yield seen
        page.close()
    finally:
        served.terminate()
        served.wait(30)


def flaws(page: Any) -> list[str]:
    """What axe-core finds that keeps people out, by rule, with the element."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]
