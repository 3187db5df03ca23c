"""The report as a reader meets it: in a real browser, without a network."""

import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytics_rows import E9, NOON_NS, Book, FakeLeg, busy_day, drained, manifest
from report_pages import browse, needs_browser, page_data, points, probe
from tapewire.analytics import Collector, load_run
from tapewire.analytics.bands import MOVES_DRAWN, SPANS_DRAWN
from tapewire.analytics.charts import curve_chart
from tapewire.analytics.compare import compare, render_comparison
from tapewire.analytics.ledger import CHECKS
from tapewire.analytics.rendering import render_page
from tapewire.execution.rows import FILL_DTYPE, TOUCH_DTYPE
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.rows import SAMPLE_DTYPE

P = 4800 * E9
PAGE_BYTES_MAX = 1_500_000


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


@pytest.fixture(scope="module")
def probed(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page shows and does when its controls are used."""
    folder = tmp_path_factory.mktemp("probe") / "a run"
    return probe(run_folder / "report.html", folder, _CONTROLS) | {"folder": folder}


_CONTROLS = """
    found.ink = Object.fromEntries(Object.keys(charts).map((id) => [id, ink(id)]));
    const price = charts.price, equity = charts.equity;
    found.whole = price.view.slice();
    press("buttons-price", "Zoom in"); await turn();
    found.half = price.view.slice();
    press("buttons-price", "Fill \u2192"); await turn();
    found.at = price.fills.x[price.at];
    found.near = price.view.slice();
    found.order = price.fills.orders[price.at];
    found.said = document.getElementById("story-price").textContent;
    const x = price.plot.valToPos(price.fills.x[price.at], "x");
    const y = price.plot.valToPos(price.fills.y[price.at], "y");
    price.plot.setCursor({ left: x + 3, top: y });
    found.tip = price.tip.textContent;
    price.plot.over.click();
    found.clicked = document.getElementById("story-price").textContent;
    const details = document.getElementById("points-price");
    details.open = true; await turn();
    const rows = Array.from(details.querySelectorAll("tbody tr"));
    found.pointRows = rows.map((row) => row.textContent);
    press("buttons-price", "All"); await turn();
    found.all = price.view.slice();
    price.plot.root.parentNode.dispatchEvent(new KeyboardEvent("keydown", { key: "+" }));
    await turn();
    found.key = price.view.slice();

    drag(equity, 100, 300); await turn();
    found.dragged = equity.view.slice();
    found.between = [equity.plot.posToVal(0, "x"),
      equity.plot.posToVal(equity.plot.over.clientWidth, "x")];
    const before = ink("equity");
    press("legend-equity", "market_maker"); await turn();
    found.hidden = [before, ink("equity"),
      document.querySelector("#legend-equity [aria-pressed=false]").textContent];

    const table = Array.from(document.querySelectorAll("table.sortable"))
      .find((t) => t.tHead.textContent.includes("Metric"));
    const names = () => Array.from(table.tBodies[0].rows).filter((r) => !r.hidden)
      .map((r) => r.cells[0].textContent);
    table.querySelector("thead button").click();
    found.down = names();
    found.aria = table.tHead.rows[0].cells[0].getAttribute("aria-sort");
    table.querySelector("thead button").click();
    found.up = names();
    const filter = table.closest("section").querySelector("input[type=search]");
    filter.value = "DRAWDOWN";
    filter.dispatchEvent(new Event("input"));
    found.filtered = names();
    found.told = table.closest("section").querySelector(".filter [role=status]").textContent;
    const latency = Array.from(document.querySelectorAll("table.sortable"))
      .find((t) => t.caption && t.caption.textContent.startsWith("Simulated"));
    latency.querySelectorAll("thead button")[2].click();
    found.means = Array.from(latency.tBodies[0].rows).map((r) => r.cells[2].textContent);
"""


@needs_browser
def test_every_chart_is_drawn_and_nothing_fails_or_is_asked_for(probed):
    assert set(probed["ink"]) == {"equity", "drawdown", "position", "price"}
    assert all(count > 400 for count in probed["ink"].values()), probed["ink"]
    assert probed["errors"] == 0
    assert probed["requests"] == []


@needs_browser
def test_charts_zoom_by_button_key_and_drag(probed):
    first, last = probed["whole"]
    assert probed["half"] == [first + (last - first) / 4, last - (last - first) / 4]
    assert probed["all"] == [first, last]
    assert probed["key"] == probed["half"]
    left, right = probed["dragged"]
    assert first < left < right < last
    assert 100 / 1100 < (left - first) / (last - first) < 140 / 1000
    assert probed["between"] == pytest.approx([left, right], abs=1)


@needs_browser
def test_a_fill_is_zoomed_to_and_tells_its_order(run_folder, probed):
    assert probed["near"] == [probed["at"] - E9, probed["at"] + E9]
    origin = NOON_NS - 43_200 * E9
    fills = load_run(run_folder).fills.to_pylist()
    (fill,) = (f for f in fills if f["strategy_id"] == "market_maker"
               and f["client_order_id"] == probed["order"])  # fmt: skip
    assert fill["ts_event"].value == origin + probed["at"]
    words = (f"{fill['order_side']} 1 at {fill['last_px'] / E9:,g} · MAKER · QUEUE · "
             f"order {probed['order']}")  # fmt: skip
    command = (
        f"tapewire explain '{probed['folder']}' {probed['order']} -s market_maker --symbol ESH4"
    )
    assert words in probed["said"]
    assert command in probed["said"]
    assert probed["clicked"] == probed["said"]
    assert words in probed["tip"]
    assert any(probed["order"] in row and "QUEUE" in row for row in probed["pointRows"])
    inside = [f for f in fills if f["strategy_id"] == "market_maker"
              and abs(f["ts_event"].value - origin - probed["at"]) <= E9]  # fmt: skip
    assert len(probed["pointRows"]) == len(inside)


@needs_browser
def test_lines_are_hidden_tables_sorted_and_filtered(probed):
    before, after, name = probed["hidden"]
    assert (after < before, name) == (True, "market_maker")
    assert probed["aria"] == "descending"
    assert probed["down"] == probed["up"][::-1]
    assert probed["up"] == sorted(probed["up"], key=str.lower)
    assert probed["filtered"]
    assert all("drawdown" in name.lower() for name in probed["filtered"])
    assert probed["told"] == f"{len(probed['filtered'])} of {len(probed['up'])} rows"
    assert probed["means"] == ["60.0\N{NO-BREAK SPACE}µs"] * 2


@needs_browser
def test_the_summary_comes_first_and_says_what_was_assumed(dom):
    text = re.sub(r"<[^>]+>", " ", dom.split("<main>")[1].split("</main>")[0])
    for words in ("Net P&amp;L", "60 µs each way", "mbo_queue", "impact bps per million 0.5",
                  "2 crossed books", f"{len(CHECKS)} identities held over 4,000 fills",
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
           "--force-device-scale-factor=0.5", width=width, height=3000)  # fmt: skip
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


@needs_browser
def test_a_telephone_needs_no_sideways_scrolling(run_folder, tmp_path):
    """The page in a frame as wide as a telephone; no window of the browser is that narrow."""
    said = """<script>
    setTimeout(() => parent.postMessage([document.documentElement.scrollWidth, innerWidth,
      document.querySelector("#chart-equity canvas").clientWidth], "*"), 500);
    </script></body>"""
    page = (run_folder / "report.html").read_text().replace("</body>", said)
    (tmp_path / "inside.html").write_text(page)
    frame = """<body><iframe src="inside.html" style="width:390px;height:800px;border:0"></iframe>
    <script>addEventListener("message", (e) => { document.body.dataset.said = e.data.join(); });
    </script></body>"""
    (tmp_path / "frame.html").write_text(frame)
    dom = browse(tmp_path / "frame.html", tmp_path / "profile", "--dump-dom")
    whole, window, chart = map(int, re.search(r'data-said="([\d,]+)"', dom)[1].split(","))
    assert (whole, window) == (390, 390)
    assert 300 < chart < 390


@needs_browser
def test_a_map_of_a_grid_shows_the_metric_that_is_chosen(tmp_path):
    values = [(2, True), (2, False), (1, True), (1, False)]
    variants = [{"strategy_id": f"mm.{k}", "variant_of": "mm",
                 "parameters": {"size": size, "fast": fast}}
                for k, (size, fast) in enumerate(values)]  # fmt: skip
    books = []
    for k in range(4):
        book = Book(FakeLeg(k, f"mm.{k}"))
        books.append(book.fill(1, P).fill(-1, P + (k - 1) * E9, E9).sample(P))
    with Collector(tmp_path / "run", "") as collector:
        collector.add(*drained(*books), [book.leg for book in books])
        digests = {f"mm.{k}": "00" for k in range(4)}
        collector.finish("complete", manifest(variants=variants, digests=digests))
    found = probe(tmp_path / "run" / "report.html", tmp_path / "page", """
        const cells = () => Array.from(document.querySelectorAll("#heat-0 tr"))
          .map((row) => Array.from(row.cells).map((cell) => cell.textContent));
        found.before = cells();
        found.colors = Array.from(document.querySelectorAll("#heat-0 td"))
          .map((cell) => getComputedStyle(cell).backgroundColor);
        const pick = document.getElementById("heat-pick-0");
        pick.value = Array.from(pick.options).findIndex((one) => one.textContent === "Fees");
        pick.dispatchEvent(new Event("change"));
        found.after = cells();
    """)  # fmt: skip
    assert found["before"][1:] == [["1", "49.00", "99.00"], ["2", "−51.00", "−1.00"]]
    assert found["before"][0][1:] == ["true", "false"]
    assert found["after"][1:] == [["1", "1.00", "1.00"], ["2", "1.00", "1.00"]]
    assert len(set(found["colors"])) == 4


@needs_browser
@pytest.mark.parametrize("kind", ["comparison", "curve"])
def test_pages_of_the_same_kind_draw_their_charts(run_folder, tmp_path, kind):
    page = tmp_path / "page.html"
    if kind == "comparison":
        page.write_text(render_comparison(compare([load_run(run_folder)] * 2)))
        chart = "equity"
    else:
        x, chart = np.array([0.01, 1.0, 100.0]), "curve"
        data, frame = curve_chart("C", "u", "Seconds", x, {"dots": (x, x / 9), "line": x * 2})
        page.write_text(render_page(data, brand="B", title="T", version="", period="",
                                    charts=[frame], parts=[], footnote=""))  # fmt: skip
    found = probe(page, tmp_path / "copy", f"""
        found.ink = ink("{chart}");
        const details = document.getElementById("points-{chart}");
        details.open = true; await turn();
        found.rows = details.querySelectorAll("tbody tr").length;
    """)  # fmt: skip
    assert (found["errors"], found["requests"]) == (0, [])
    assert found["ink"] > 100
    assert found["rows"] == 3 if kind == "curve" else found["rows"] > 100


@needs_browser
def test_it_prints_with_its_charts(run_folder, tmp_path):
    pdf = tmp_path / "report.pdf"
    browse(run_folder / "report.html", tmp_path / "profile", f"--print-to-pdf={pdf}")
    data = pdf.read_bytes()
    assert data.startswith(b"%PDF")
    drawn = 0
    for start in re.finditer(rb"FlateDecode[^>]*>>\s*stream\r?\n", data):
        content = zlib.decompressobj().decompress(data[start.end() :])
        drawn += content.count(b" l\n") > 1000
    assert drawn == 4, "each chart is drawn as lines"


def test_the_page_asks_nobody_for_anything(run_folder):
    page = (run_folder / "report.html").read_text()
    head = page.split("<script")[0]
    assert "default-src 'none'" in head
    assert not re.search(r"(src|href)=[\"'](?!data:)", head)
    assert page.count("<script>") == 3
    assert set(page_data(run_folder / "report.html")["charts"]) == {
        "equity", "drawdown", "position", "price"
    }  # fmt: skip
    assert len(page.encode()) < PAGE_BYTES_MAX


def test_chart_lines_keep_the_extremes_of_the_table(run_folder):
    data = page_data(run_folder / "report.html")
    run = load_run(run_folder)
    rows = [
        (int(ts.value), v / E9) for ts, v, s in zip(
            run.equity["ts"].to_pylist(), run.equity["pnl"].to_pylist(),
            run.equity["strategy_id"].to_pylist(), strict=True)
        if s == "market_maker"
    ]  # fmt: skip
    pnl = [v for _, v in rows]
    (line,) = (t for t in data["charts"]["equity"]["lines"] if t["name"] == "market_maker")
    ts, drawn = points(data, line)
    assert (min(drawn), max(drawn)) == (min(pnl), max(pnl))
    assert (ts[-1], drawn[-1]) == rows[-1]
    assert set(zip(ts, drawn, strict=True)) <= set(rows)
    assert len(drawn) <= 2400


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_what_is_behind_it(repo, dark):
    """WCAG 2.1, 1.4.3 and 1.4.11: 4.5 for text, 3 for what is drawn."""
    css = (repo / "analytics" / "page" / "report.css").read_text()
    light, night = (dict(re.findall(r"--([\w-]+): (#\w{6})", block))
                    for block in css.split("* { box-sizing")[0].split("@media"))  # fmt: skip
    colors = light | night if dark else light
    pairs = [(ink, on) for ink in ("ink", "soft") for on in ("page", "card")]
    pairs += [("good", "good-card"), ("bad", "bad-card"), ("note", "note-card"), ("good", "card"),
              ("bad", "card"), ("ink", "note-card")]  # fmt: skip
    drawn = [f"s{k}" for k in range(9)] + ["buy", "sell"]
    for ink, on, least in [*((*pair, 4.5) for pair in pairs), *((d, "card", 3) for d in drawn)]:
        high, low = sorted((_luminance(colors[ink]), _luminance(colors[on])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= least, (ink, on)


def _luminance(color: str) -> float:
    parts = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


_BAND = """
    const price = charts.price, band = price.band;
    const tip = async function (x) {
      price.plot.setCursor({ left: price.plot.valToPos(x, "x"),
        top: price.plot.over.clientHeight - 5 });
      await turn();
      return price.tip.textContent;
    };
    found.scale = [price.plot.scales.y.min, price.plot.scales.y.max];
    found.wide = await tip(band.x[band.kinds.indexOf("w")] + 1);
    found.empty = await tip(band.x[band.kinds.indexOf("o")] + 1);
    found.inks = [ink("price")];
    for (const name of ["Bid to ask", "Market volume"]) {
      press("legend-price", name); await turn();
      found.inks.push(ink("price"));
    }
    press("legend-price", "Bid to ask"); await turn();
    press("buttons-price", "Fill \u2192"); await turn();
    found.near = price.view.slice();
    found.before = await tip(price.fills.x[price.at] - 1);
    found.after = await tip(price.fills.x[price.at] + 1);
"""


@needs_browser
def test_best_prices_and_the_markets_volume_stand_behind_the_fills(tmp_path):
    book = Book(FakeLeg()).sample(P, after_ns=100 * E9).fill(1, P, after_ns=200 * E9).sample(P)
    book.sample(P, after_ns=300 * E9)
    touches = np.zeros(40_000, TOUCH_DTYPE)  # every 15 ms, alternating; one of a hundred is far off
    n = np.arange(len(touches))
    touches["book"], touches["ts_event"] = 1 << 32 | 17077, NOON_NS + n * 15_000_000
    touches["bid"] = P - (1 + n % 2) * E9 - np.where(n % 400 < 4, 500 * E9, 0)
    touches["ask"], touches["volume"] = P + (1 + n % 2) * E9, 3 * n
    touches["ask"][-9_000:] = UNDEF_PRICE  # the last side is gone
    with Collector(tmp_path / "run", "", markouts=True) as collector:
        collector.add(*drained(book), [book.leg], touches=touches)
        collector.finish("complete", manifest())
    found = probe(tmp_path / "run" / "report.html", tmp_path / "probe", _BAND)
    assert found["errors"] == 0
    assert found["requests"] == []
    assert "lowest bid 4,798, highest ask 4,802 within 1.074 s" in found["wide"]
    low, high = found["scale"]
    assert low < 4798 < 4802 < high
    assert "one side is empty" in found["empty"]
    assert "market: 429 lots from 12:01:39 to 12:01:41" in found["wide"]  # 143 moves, 3 each
    whole, without_band, without_volume = found["inks"]
    assert whole > without_band > without_volume
    # 300 s are 20,000 moves: the one at that very time is after the fill, the one before is before.
    assert "bid 4,798, ask 4,802" in found["before"]
    assert "bid 4,299, ask 4,801" in found["after"]


@pytest.mark.parametrize("n", [200_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_very_many_fills_make_a_small_page_quickly(tmp_path, n):
    """Very many fills and samples: a page below 1.5 MB, and every fill in the books."""
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
    fills["publisher_id"], fills["instrument_id"] = 1, 17077
    touches = np.zeros(n, TOUCH_DTYPE)
    touches["book"], touches["ts_event"], touches["volume"] = 1 << 32 | 17077, ts - 7, ts - ts[0]
    touches["bid"], touches["ask"] = price - E9 // 4, price + E9 // 4
    with Collector(tmp_path / "run", "", markouts=True) as collector:
        for at in range(0, n, 50_000):
            part = slice(at, at + 50_000)
            collector.add(fills[part], orders[part], samples[part], [FakeLeg()],
                          touches=touches[part])  # fmt: skip
        collector.finish("complete", manifest())
    run = load_run(tmp_path / "run")
    assert (run.path / "report.html").stat().st_size < PAGE_BYTES_MAX
    (band,) = page_data(run.path / "report.html")["charts"]["price"]["bands"]
    assert 300 < len(band["kinds"]) < SPANS_DRAWN[0] + MOVES_DRAWN[0]
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
