"""The page of a backtest on bars as a reader meets it: in a real browser, without a network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from report_pages import browse, needs_browser, page_data, probe
from tapewire.analytics.candle_charts import CANDLES_DRAWN_MAX
from tapewire.analytics.packing import unpacked
from tapewire.candles import BacktestConfig, BacktestResult, Candles, Distance, VectorEngine
from tapewire.candles.report import render_candle_report

N = 4_000
TICK = 250_000_000


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    """A walk on quarters, a position an hour on either side, some with stops that follow."""
    rng = np.random.Generator(np.random.PCG64(8))
    close = 16_000 + np.cumsum(rng.integers(-4, 5, N))
    opened = np.r_[16_000, close[:-1]]
    times = 1_709_942_400 * 10**9 + np.arange(N) * 60 * 10**9
    high, low = np.maximum(opened, close) + 2, np.minimum(opened, close) - 2
    candles = Candles(
        times, opened, high, low, close, np.ones(N, np.int64), TICK, 60 * 10**9, "<b>walk</b>"
    )
    minute = np.arange(N) % 120
    config = BacktestConfig(
        quantity=1.5, commission_rate=0.00001, trailing_stop=Distance("fixed", 6.0), time_exit=30
    )
    return VectorEngine(config).run(
        candles, entry_long=minute == 0, entry_short=minute == 60, strategy_name="hourly"
    )


@pytest.fixture(scope="module")
def page(result: BacktestResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("candles") / "report.html"
    text = render_candle_report(
        result, rules=["enter long: <always>"], versions={"tapewire": "1"}, inputs=[("File", "f")]
    )
    path.write_text(text)
    return path


def test_candles_stand_for_several_bars_and_marks_for_entries_and_exits(
    result: BacktestResult, page: Path
) -> None:
    chart = page_data(page)["charts"]["candles"]
    bars = {name: np.array(unpacked(one)) for name, one in chart["bars"].items()}
    each = -(-N // CANDLES_DRAWN_MAX)
    assert each == 3
    assert len(bars["x"]) == -(-N // 3)
    candles = result.candles
    for k in (0, 1, len(bars["x"]) - 1):
        part = slice(3 * k, 3 * k + 3)
        assert bars["open"][k] == candles.open[part][0] / 4
        assert bars["high"][k] == candles.high[part].max() / 4
        assert bars["low"][k] == candles.low[part].min() / 4
        assert bars["close"][k] == candles.close[part][-1] / 4
    fills = chart["fills"]
    count = len(result.trade_records)
    assert len(fills["lots"]) == 2 * count
    assert sum(fills["lots"]) == 0
    assert set(map(abs, fills["lots"])) == {1.5}
    assert set(fills["reasons"]["words"]) == {"entry", "time", "trailing"}
    assert sorted(fills["orders"], key=int)[-1] == str(count)
    first = result.trades.to_pylist()[0]
    assert unpacked(fills["y"])[0] == pytest.approx(first["entry_price"])
    text = page.read_text()
    assert "<b>walk" not in text
    assert "3 bars" in text
    assert "By what ended them" in text


_LOOKED = """
    found.ink = Object.fromEntries(Object.keys(charts).map((id) => [id, ink(id)]));
    const chart = charts.candles;
    press("buttons-candles", "Mark"); await turn();
    found.at = chart.at;
    found.view = (chart.view[1] - chart.view[0]) / 60e9;
    found.near = ink("candles");
    const x = chart.plot.valToPos(chart.fills.x[chart.at], "x");
    chart.plot.setCursor({ left: x, top: chart.plot.valToPos(chart.fills.y[chart.at], "y") });
    found.tip = chart.tip.textContent;
    const k = Math.floor(chart.bars.x.length / 2);
    chart.plot.setCursor({ left: chart.plot.valToPos(chart.view[0] + 61e9, "x"), top: 2 });
    found.bar = chart.tip.textContent;
    const details = document.getElementById("points-candles");
    details.open = true; await turn();
    found.head = Array.from(details.querySelectorAll("th")).slice(0, 7).map((c) => c.textContent);
    const names = Array.from(document.querySelectorAll("#legend-candles button"));
    found.legend = names.map((b) => b.textContent);
    found.wide = document.documentElement.scrollWidth - window.innerWidth;
"""


@needs_browser
def test_the_page_draws_and_its_controls_work(page: Path, tmp_path: Path) -> None:
    found: dict[str, Any] = probe(page, tmp_path / "probe", _LOOKED)
    assert found["errors"] == 0
    assert found["requests"] == []
    assert all(ink > 200 for ink in found["ink"].values()), found["ink"]
    assert set(found["ink"]) == {"candles", "equity", "drawdown"}
    assert found["view"] == pytest.approx(180)  # sixty candles of three minutes
    assert "trade " in found["tip"]
    assert "LONG" in found["tip"] or "SHORT" in found["tip"]
    assert "open " in found["bar"]
    assert "close " in found["bar"]
    assert found["head"] == ["Time (UTC)", "Side", "Units", "Price", "Direction", "Reason", "Trade"]
    assert found["legend"] == ["Candles", "Buys", "Sells"]
    assert found["wide"] <= 0


@pytest.mark.long
@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_a_telephone_has_room_for_it_by_day_and_night(
    page: Path, tmp_path: Path, *, dark: bool
) -> None:
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    narrow = page.with_name("narrow.html")
    told = (
        "document.title = document.documentElement.scrollWidth + ' ' + matchMedia("
        "'(prefers-color-scheme: dark)').matches"
    )
    script = (
        f'<script>addEventListener("load", () => setTimeout(() => {{ {told}; }}, 300))</script>'
    )
    narrow.write_text(page.read_text().replace("</body>", script + "</body>"))
    dom = browse(narrow, tmp_path / "profile", "--dump-dom", *scheme, width=500)
    width, at_night = dom.split("<title>")[1].split("</title>")[0].split()
    assert int(width) <= 500
    assert at_night == str(dark).lower()
