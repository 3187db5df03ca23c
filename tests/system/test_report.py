"""The report as a reader meets it: in a real browser, without a network."""

import json
import os
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest

from analytics_rows import E9, Book, FakeLeg, busy_day, drained, manifest
from tapewire.analytics import Collector, load_run
from tapewire.execution.rows import FILL_DTYPE
from tapewire.positions.rows import SAMPLE_DTYPE

P = 4800 * E9
PAGE_BYTES_MAX = 15_000_000


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


def read_png(path: Path) -> np.ndarray:
    """Return the pixels of an 8-bit RGB(A) PNG, shape (height, width, channels)."""
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, _, color = struct.unpack(">IIBB", body[:10])
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    channels = {2: 3, 6: 4}[color]
    lines = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, -1)
    out = np.zeros((height, width * channels), np.uint8)
    above = np.zeros(width * channels, np.uint8)
    for y, line in enumerate(lines):
        above = out[y] = _unfilter(int(line[0]), line[1:], above, channels)
    return out.reshape(height, width, channels)


def _unfilter(kind: int, line: np.ndarray, above: np.ndarray, step: int) -> np.ndarray:
    if kind == 0:
        return line
    if kind == 2:
        return line + above
    pixels, top = line.reshape(-1, step).astype(int), above.reshape(-1, step).astype(int)
    if kind == 1:
        return (np.cumsum(pixels, axis=0) % 256).astype(np.uint8).ravel()
    out, left, corner = np.zeros_like(pixels), np.zeros(step, int), np.zeros(step, int)
    for x in range(len(pixels)):
        if kind == 3:
            guess = (left + top[x]) // 2
        else:
            p = left + top[x] - corner
            a, b, c = abs(p - left), abs(p - top[x]), abs(p - corner)
            guess = np.where((a <= b) & (a <= c), left, np.where(b <= c, top[x], corner))
        corner = top[x]
        left = out[x] = (pixels[x] + guess) % 256
    return out.astype(np.uint8).ravel()


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of two strategies, with warnings and latencies."""
    path = tmp_path_factory.mktemp("report") / "run"
    rows, legs = busy_day(2000, 20 * E9)
    with Collector(path, "seed: 0\n") as collector:
        collector.add(*rows, legs)
        collector.record_latency("batch_wall", 812_345, 40)
        collector.finish("complete", manifest(warnings=["2 crossed books, policy warn"]))
    return path


@pytest.fixture(scope="module")
def dom(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page's document after its scripts have run."""
    return browse(run_folder / "report.html", tmp_path_factory.mktemp("profile"), "--dump-dom")


@needs_browser
def test_every_chart_is_drawn_and_no_script_fails(dom):
    root = re.search(r"<html[^>]*>", dom).group()
    assert 'data-charts-drawn="4"' in root, root
    assert 'data-errors="0"' in root, root
    assert dom.count('class="main-svg"') >= 4
    lines = re.findall(r'class="js-line"[^>]* d="([^"]+)"', dom)
    assert len(lines) >= 3 + 3 + 2 + 1, "equity, drawdown, position, price"
    assert all(len(d) > 500 for d in lines), "a line of a whole day has many points"
    assert len(re.findall(r'class="point\b', dom)) > 500, "fill markers"


@needs_browser
def test_a_click_on_a_fill_gives_the_command_that_tells_its_story(run_folder, tmp_path):
    """The page is clicked by a script of the test's own, where its chart hears of clicks."""
    page = tmp_path / "a run" / "report.html"
    page.parent.mkdir()
    click = """<script>
    var waits = setInterval(function () {
      if (!document.documentElement.dataset.chartsDrawn) { return; }
      clearInterval(waits);
      var chart = document.getElementById("chart-price");
      chart.emit("plotly_click", { points: [{ customdata: chart.data[1].customdata[0] }] });
    }, 50);
    </script></body>"""
    page.write_text((run_folder / "report.html").read_text().replace("</body>", click))
    dom = browse(page, tmp_path / "profile", "--dump-dom")
    said = re.search(r'id="story-price" role="status">(.*?)</p>', dom, re.S).group(1)
    name = re.search(r"Order (\S+): ", said).group(1)
    fills = load_run(run_folder).fills.to_pylist()
    (leg,) = {(f["strategy_id"], f["symbol"]) for f in fills if f["client_order_id"] == name} & {
        ("market_maker", "ESH4")
    }
    command = f"tapewire explain '{page.parent}' {name} -s {leg[0]} --symbol {leg[1]}"
    assert command in said
    assert 'data-errors="0"' in dom


@needs_browser
def test_the_summary_comes_first_and_says_what_was_assumed(dom):
    text = re.sub(r"<[^>]+>", " ", dom.split("<main>")[1].split("</main>")[0])
    for words in ("Net P&amp;L", "60 µs each way", "mbo_queue", "impact bps per million 0.5",
                  "2 crossed books", "7 identities held over 4,000 fills",
                  "needs ≥ 2 sessions", "sim_order_entry", "USER_CANCEL"):  # fmt: skip
        assert words in text, words
    assert text.index("Max drawdown") < text.index("Assumptions") < text.index("Inputs")
    assert "NaN" not in text
    assert "undefined" not in text


@needs_browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (600, "light")])
def test_the_picture_is_not_blank(run_folder, tmp_path, width, scheme):
    picture = tmp_path / "shot.png"
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    browse(run_folder / "report.html", tmp_path / "profile", f"--screenshot={picture}", *dark,
           "--force-device-scale-factor=0.5", width=width, height=2400)  # fmt: skip
    pixels = read_png(picture)[:, :, :3].astype(int)
    assert pixels.shape[1] in (width, width // 2)
    grey = pixels.mean(axis=2)
    assert (np.median(grey) < 64) == (scheme == "dark"), "background follows the colour scheme"
    assert grey.std() > 8, "something is written on it"
    colourful = (pixels.max(axis=2) - pixels.min(axis=2)) > 90
    assert colourful.sum() > 300, "lines of the charts are in colour"


@needs_browser
def test_names_from_outside_are_text_not_markup(tmp_path):
    evil = "</script><img src=x onerror=alert(1)><b>"
    book = Book(FakeLeg(strategy_id=evil, symbol="<i>ES&H4</i>"))
    book.fill(1, P).sample(P).fill(-1, P + E9).sample(P, after_ns=E9)
    with Collector(tmp_path / "run", "") as collector:
        collector.add(*drained(book), [book.leg])
        collector.finish("complete", manifest(warnings=[evil], digests={evil: "00"}))
    page = tmp_path / "run" / "report.html"
    assert evil not in page.read_text()
    dom = browse(page, tmp_path / "profile", "--dump-dom")
    assert "<img" not in dom.replace("<image", "").split("<main>")[1].split("<script")[0]
    assert 'data-charts-drawn="4"' in dom
    assert 'data-errors="0"' in dom
    assert load_run(tmp_path / "run").fills["strategy_id"].to_pylist() == [evil, evil]


def test_the_page_asks_nobody_for_anything(run_folder):
    page = (run_folder / "report.html").read_text()
    head = page.split("<script")[0]
    assert "default-src 'none'" in head
    assert not re.search(r"(src|href)=[\"'](?!data:)", head)
    assert page.count("<script>") == 3
    data = json.loads(re.search(r'id="data">(.*?)</script>', page).group(1))
    assert set(data["charts"]) == {"equity", "drawdown", "position", "price"}
    assert len(page.encode()) < PAGE_BYTES_MAX


def test_chart_lines_keep_the_extremes_of_the_table(run_folder):
    page = (run_folder / "report.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', page).group(1))
    run = load_run(run_folder)
    pnl = np.array([v for v, s in zip(run.equity["pnl"].to_pylist(),
                    run.equity["strategy_id"].to_pylist(), strict=True)
                    if s == "market_maker"]) / E9  # fmt: skip
    (line,) = (t for t in data["charts"]["equity"]["traces"] if t["name"] == "market_maker")
    assert (min(line["y"]), max(line["y"])) == (pnl.min(), pnl.max())
    assert line["y"][-1] == pnl[-1]
    assert len(line["y"]) <= 2400


def test_a_million_fills_make_a_small_page_quickly(tmp_path):
    """A million fills and samples: a page below 15 MB, and every fill in the books."""
    n = 1_000_000
    fills = np.zeros(n, FILL_DTYPE)
    side = np.where(np.arange(n) % 2 == 0, 1, -1)
    draw = np.random.default_rng(3)
    price = P + draw.integers(-400, 400, n) * (E9 // 4)
    step = 86_400 * E9 // n
    ts = 1_703_462_400 * E9 + np.arange(1, n + 1) * step
    fills["client_order_id"] = np.arange(1, n + 1)
    fills["side"], fills["last_px"], fills["last_qty"] = side, price, 1
    fills["reason"], fills["commission"] = 1, 1
    fills["position"], fills["ts_event"], fills["ts_known"] = np.cumsum(side), ts, ts + 60_000
    samples = np.zeros(n, SAMPLE_DTYPE)
    samples["ts"], samples["position"], samples["mark"] = ts + 60_000, np.cumsum(side), price
    samples["cash"] = np.cumsum(-side * price)
    samples["realized"] = np.where(side < 0, samples["cash"], samples["cash"] + price)
    samples["fees"] = samples["volume"] = np.arange(1, n + 1)
    samples["max_position"] = 1
    samples["realized"][::2] = np.concatenate(([0], samples["realized"][1::2][:-1]))
    orders = orders_for(fills)
    with Collector(tmp_path / "run", "") as collector:
        for at in range(0, n, 50_000):
            part = slice(at, at + 50_000)
            collector.add(fills[part], orders[part], samples[part], [FakeLeg()])
        collector.finish("complete", manifest())
    run = load_run(tmp_path / "run")
    assert (run.path / "report.html").stat().st_size < PAGE_BYTES_MAX
    (total, *_) = run.metrics.to_pylist()
    assert total["fills"] == n
    assert total["closed_trades"] == n // 2
    assert total["net_pnl"] == int(samples["cash"][-1]) * 50 - n


def orders_for(fills: np.ndarray) -> np.ndarray:
    from tapewire.execution.rows import ORDER_DTYPE

    orders = np.zeros(len(fills), ORDER_DTYPE)
    for name in ("client_order_id", "side"):
        orders[name] = fills[name]
    orders["order_type"] = orders["time_in_force"] = 1
    orders["order_type"] = 2
    orders["status"], orders["price"] = 4, fills["last_px"]
    orders["quantity"] = orders["filled_qty"] = 1
    orders["ts_sent"], orders["ts_arrived"] = fills["ts_event"] - 90_000, fills["ts_event"] - 30_000
    orders["ts_closed"] = fills["ts_event"]
    return orders
