"""A report's page in a real browser without a network: what it draws, and what its controls do."""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tapewire.analytics.packing import unpacked


def find_browser() -> str | None:
    named = os.environ.get("TAPEWIRE_BROWSER")
    if named:
        return named
    found = (shutil.which(n) for n in ("chromium", "chromium-browser", "google-chrome"))
    return next((f for f in found if f), None)


BROWSER = find_browser()
needs_browser = pytest.mark.skipif(
    BROWSER is None,
    reason="NO BROWSER: the report is not looked at (install chromium or set TAPEWIRE_BROWSER)",
)


def browse(page: Path, profile: Path, *what: str, width: int = 1280, height: int = 900) -> str:
    """Run the browser on a page without any network; return what it printed."""
    done = subprocess.run(
        [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--hide-scrollbars", "--proxy-server=127.0.0.1:9",
         f"--user-data-dir={profile}", f"--window-size={width},{height}",
         "--virtual-time-budget=8000", *what, page.as_uri()],
        capture_output=True, text=True, timeout=90, check=True,
    )  # fmt: skip
    return done.stdout


#: What a probe may use: `found` is what it hands back.
_TOOLS = """
  function ink(id) {
    const canvas = document.querySelector("#chart-" + id + " canvas");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let count = 0;
    for (let k = 0; k < pixels.length; k += 4) {
      const most = Math.max(pixels[k], pixels[k + 1], pixels[k + 2]);
      if (pixels[k + 3] > 120 && most - Math.min(pixels[k], pixels[k + 1], pixels[k + 2]) > 60) {
        count += 1;
      }
    }
    return count;
  }
  function press(id, text) {
    const all = document.querySelectorAll("#" + id + " button");
    Array.from(all).find((b) => b.textContent.includes(text)).click();
  }
  function drag(chart, from, to) {
    const over = chart.plot.over, at = over.getBoundingClientRect();
    const mouse = (kind, x, on) => on.dispatchEvent(new MouseEvent(kind, {
      bubbles: true, clientX: at.left + x, clientY: at.top + 40, button: 0, buttons: 1,
      movementX: 5 }));
    mouse("mouseenter", from, over); mouse("mousemove", from, over); mouse("mousedown", from, over);
    mouse("mousemove", to, over); mouse("mouseup", to, document);
  }
  const turn = () => new Promise((done) => setTimeout(done, 20));
"""


def probe(source: Path, folder: Path, script: str) -> dict[str, Any]:
    """Run a script in a page after its charts are drawn; return what it put into ``found``."""
    page = folder / "report.html"
    page.parent.mkdir()
    code = f"""<script>(function () {{
    const found = {{}}, root = document.documentElement;
    {_TOOLS}
    const waits = setInterval(async function () {{
      if (!root.dataset.chartsDrawn) {{ return; }}
      clearInterval(waits);
      const charts = window.tapewireCharts;
      try {{ {script} }} catch (error) {{ found.error = String(error); }}
      found.errors = Number(root.dataset.errors);
      found.requests = performance.getEntriesByType("resource").map((e) => e.name);
      root.dataset.found = JSON.stringify(found);
    }}, 50);
    }})();</script></body>"""
    page.write_text(source.read_text().replace("</body>", code))
    dom = browse(page, folder.parent / "profile", "--dump-dom")
    match = re.search(r'data-found="([^"]*)"', dom)
    assert match, re.search(r"<html[^>]*>", dom)
    found = dict(json.loads(html.unescape(match[1])))
    assert "error" not in found, found["error"]
    return found


def page_data(page: Path) -> dict[str, Any]:
    """The charts of a page, as its script gets them."""
    text = page.read_text()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert found
    return dict(json.loads(found[1]))


def points(data: dict[str, Any], line: dict[str, Any]) -> tuple[list[int], list[float]]:
    """Times (ns since the epoch) and values of a line."""
    return [data["origin_ms"] * 1_000_000 + int(x) for x in unpacked(line["x"])], unpacked(
        line["y"]
    )
