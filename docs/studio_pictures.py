"""Make the pictures of the studio anew: a server with a little data, and a browser that looks.

``python docs/studio_pictures.py [FOLDER]`` writes them to ``docs/``, or to FOLDER. It needs
Chromium, by its name or in ``TAPEWIRE_BROWSER``, and the packages of development.
"""

import base64
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from playwright.sync_api import sync_playwright

from tapewire.replay.synth import synthesize

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, QUALITY = 1280, 80
DAY = "day.mbo.dbn.zst"


def fill(folder: Path) -> None:
    """Write a day of a synthetic venue, and two weeks of a walk by minutes."""
    synthesize(folder / DAY, events=20_000, seed=3)
    count = 14 * 1440
    close = 16_000 + np.cumsum(np.random.Generator(np.random.PCG64(1)).integers(-4, 5, count))
    opened = np.r_[16_000, close[:-1]]
    columns = {
        "ts_event": 1_709_942_400 * 10**9 + np.arange(count) * 60 * 10**9, "open": opened / 4,
        "high": (np.maximum(opened, close) + 1) / 4, "low": (np.minimum(opened, close) - 1) / 4,
        "close": close / 4, "volume": np.ones(count),
    }  # fmt: skip
    pq.write_table(pa.table(columns), folder / "walk.parquet")


def shoot(page: Any, picture: Path, height: int) -> None:
    """Write a picture of the top of the page."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.wait_for_timeout(500)
    taken = page.context.new_cdp_session(page).send(
        "Page.captureScreenshot", {"format": "webp", "quality": QUALITY}
    )
    picture.write_bytes(base64.b64decode(taken["data"]))


def to_top(page: Any, sign: str) -> None:
    """Scroll to something, once charts have their height."""
    page.wait_for_timeout(500)
    page.locator(sign).first.evaluate("one => one.scrollIntoView()")


def look(page: Any, begin: str, out: Path) -> None:
    """Go through the views, one after the other."""
    page.goto(f"{begin}/generate")
    page.get_by_label("Bars").select_option("walk.parquet")
    page.get_by_label("How many").fill("40")
    page.get_by_label("Hold the best against the guards").uncheck()
    page.locator("main form button").click()
    page.get_by_role("link", name="See its strategies").click(timeout=600_000)
    page.goto(f"{begin}/strategies?sort=sharpe&where=trades+%3E+5")
    page.wait_for_selector("tbody tr")
    shoot(page, out / "studio.webp", 620)
    page.goto(f"{begin}/data")
    page.get_by_role("button", name=f"Plot {DAY}").click()
    page.wait_for_selector("svg", timeout=600_000)
    shoot(page, out / "studio-data.webp", 1080)
    page.emulate_media(color_scheme="dark")
    for name, role in (("ruth", "researcher"), ("vera", "viewer"), ("theo", "trader")):
        page.goto(f"{begin}/settings/users")
        page.get_by_role("button", name="Add a user").click()
        page.get_by_label("User name").fill(name)
        page.get_by_label("Role").select_option(role)
        page.get_by_label("Password").fill("twelve letters and more")
        page.locator("dialog form button").first.click()
        page.wait_for_selector(f"tbody tr:has-text('{name}')")
    page.goto(f"{begin}/settings/users")
    page.wait_for_selector("tbody tr")
    shoot(page, out / "studio-settings.webp", 600)


def ask_for_run(page: Any, begin: str, path: str, **changed: str) -> None:
    """Ask for a run by its YAML, with words put in place of others, and wait for its end."""
    page.goto(f"{begin}{path}")
    page.wait_for_selector("text=It can be run.", timeout=600_000)
    text = page.locator("textarea[name=yaml]")
    yaml = text.input_value()
    for word, other in changed.items():
        yaml = yaml.replace(f"{word}: 50", f"{word}: {other}")
    text.fill(f"{yaml}- type: sma_crossover\n")
    page.wait_for_timeout(2_000)
    page.wait_for_selector("text=It can be run.")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_selector(".bars", timeout=600_000)


def look_at_runs(page: Any, begin: str, out: Path) -> None:
    """Go through the views of backtests and of what was optimised."""
    page.emulate_media(color_scheme="light")
    page.goto(f"{begin}/backtest")
    page.wait_for_selector("text=It can be run.", timeout=600_000)
    shoot(page, out / "studio-backtest.webp", 900)
    ask_for_run(page, begin, "/backtest")
    first = page.url.rpartition("/")[2]
    shoot(page, out / "studio-run.webp", 1250)
    ask_for_run(page, begin, "/backtest", network_latency_us="2000")
    second = page.url.rpartition("/")[2]
    page.emulate_media(color_scheme="dark")
    page.goto(f"{begin}/analysis?runs={first},{second}")
    page.wait_for_selector(".chart canvas")
    shoot(page, out / "studio-analysis.webp", 900)
    page.emulate_media(color_scheme="light")
    page.goto(f"{begin}/optimise")
    page.get_by_label("Bars").select_option("walk.parquet")
    page.locator("main form button").click()
    page.wait_for_selector("text=All of them at once", timeout=600_000)
    page.set_viewport_size({"width": WIDTH, "height": 760})
    to_top(page, ".card:has(.map)")
    shoot(page, out / "studio-optimise.webp", 760)


def look_at_session(page: Any, begin: str, out: Path) -> None:
    """Start a session over made-up data, let it trade for a while, and stop it."""
    page.goto(f"{begin}/live")
    page.wait_for_selector("text=It can be run.", timeout=600_000)
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_selector(".ladder tr.mine", timeout=600_000)
    page.wait_for_timeout(20_000)
    page.wait_for_selector(".ladder tr.mine")
    shoot(page, out / "studio-live.webp", 1250)
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector("text=To its run")


def optimise(page: Any, begin: str, parameters: str) -> None:
    """Have parameters optimised, window by window, and wait for the end."""
    page.goto(f"{begin}/optimise")
    page.get_by_label("Bars").select_option("walk.parquet")
    page.get_by_label("Parameters").fill(parameters)
    page.get_by_text("Walk-forward", exact=True).click()
    page.locator("input[name=train]").fill("4")
    page.locator("input[name=test]").fill("1")
    page.locator("main form button").click()
    page.wait_for_selector("text=Its windows", timeout=600_000)


def look_at_searches(page: Any, begin: str, out: Path) -> None:
    """Go through the views of searches: walked through, side by side, drawn on their bars."""
    page.emulate_media(color_scheme="light")
    optimise(page, begin, "fast=5:40:5\nslow=60:200:20")
    first = page.url.rpartition("/")[2]
    page.set_viewport_size({"width": WIDTH, "height": 880})
    to_top(page, ".card:has(.chart)")
    shoot(page, out / "studio-walk.webp", 880)
    optimise(page, begin, "fast=5:40:5\nslow=100:300:20")
    second = page.url.rpartition("/")[2]
    page.emulate_media(color_scheme="dark")
    page.goto(f"{begin}/analysis?searches={first},{second}")
    page.wait_for_selector(".growth svg")
    shoot(page, out / "studio-searches.webp", 1000)
    page.emulate_media(color_scheme="light")
    page.goto(f"{begin}/strategies?sort=trades&where=trades+%3C+60")
    page.locator("tbody a").first.click()
    page.wait_for_selector(".traded .chart canvas", timeout=600_000)
    page.set_viewport_size({"width": WIDTH, "height": 900})
    to_top(page, ".traded")
    shoot(page, out / "studio-strategy.webp", 900)


def main(out: Path) -> None:
    """Serve, look, write."""
    named = os.environ.get("TAPEWIRE_BROWSER")
    browser = named or next((b for b in BROWSERS if shutil.which(b)), None)
    if browser is None:
        sys.exit(f"error: expected a browser ({', '.join(BROWSERS)}), found none")
    command = [sys.executable, "-m", "tapewire", "serve", "--dev", "--address", "127.0.0.1:0"]
    command += ["--web-port", "0", "--data", "data"]
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        folder = Path(made)
        (folder / "data").mkdir()
        fill(folder / "data")
        server = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert server.stdout is not None
        try:
            said = [server.stdout.readline().split()[-1] for _ in range(4)]
            driven = playwright.chromium.launch(
                executable_path=shutil.which(browser) or browser, args=["--no-sandbox"]
            )
            page = driven.new_page()
            page.goto(said[1])
            page.get_by_label("Name").fill("dev")
            page.get_by_label("Password").fill(said[2])
            page.get_by_role("button", name="Log in").click()
            page.wait_for_selector("nav a")
            look(page, said[1].rstrip("/"), out)
            look_at_runs(page, said[1].rstrip("/"), out)
            look_at_searches(page, said[1].rstrip("/"), out)
            look_at_session(page, said[1].rstrip("/"), out)
            driven.close()
        finally:
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
