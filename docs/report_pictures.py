"""Make the pictures of reports anew: runs, bars, and a browser that looks.

``python docs/report_pictures.py [FOLDER]`` writes them to ``docs/``, or to FOLDER. It needs
Chromium, by its name or in ``TAPEWIRE_BROWSER``.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import tapewire as tw
from tapewire.analytics import load_run
from tapewire.analytics.compare import compare, render_comparison
from tapewire.candles import BacktestConfig, Candles
from tapewire.candles.declared import DeclaredBars, run_declared
from tapewire.candles.report import render_candle_report
from tapewire.candles.rules import strategy_of, strategy_text
from tapewire.studies import montecarlo, sweep

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SOURCE = {"type": "synthetic", "events": 150_000, "seed": 3}
INSTRUMENTS = {"TWA1": {"tick_size": 0.25, "multiplier": 50}}
PAIR = [{"type": "market_maker"}, {"type": "sma_crossover"}]
GRID = {"type": "market_maker", "parameters": {"quantity": [1, 2, 5], "max_inventory": [5, 10, 20]}}
#: What depends on the machine stays out of pictures.
OF_MACHINE = """
  for (const name of document.querySelectorAll("dt")) {
    if (!/Versions|Elapsed|Throughput/.test(name.textContent)) { continue; }
    name.nextSibling.remove();
    name.remove();
  }
  for (const head of document.querySelectorAll("h2")) {
    if (head.textContent === "Inputs") { head.parentNode.remove(); }
  }
"""
#: Two fills on, and from there out to eight seconds.
NEAR_A_FILL = """
  const [, out, , , next] = document.querySelectorAll("#buttons-price button");
  [next, next, out, out].forEach((button, k) => setTimeout(() => button.click(), 50 * k));
  const code = () => document.querySelector("#story-price code");
  const said = () => code().textContent.replace(/\\S+near/, "runs/near");
  setTimeout(() => { code().textContent = said(); }, 300);
"""
#: Of how far a result spreads: one table of bands, and all fans.
ONE_TABLE = """
  for (const head of document.querySelectorAll("h2")) {
    if (/another order$|^Blocks|^Perturbed runs/.test(head.textContent)) {
      head.closest("section").remove();
    }
  }
"""
#: The middle sixteenth of a backtest on bars, where candles have bodies.
NEARER = """
  const [nearer] = document.querySelectorAll("#buttons-candles button");
  [0, 1, 2, 3].forEach((k) => setTimeout(() => nearer.click(), 50 * k));
"""
DECLARED = {
    "name": "above_the_mean", "version": "1.0",
    "timeframes": {"primary": "15m", "secondary": ["1h"]},
    "entry_rules": {"long": {"operator": "AND", "conditions": [
        {"indicator": "close", "comparison": "crosses_above", "value": {"indicator": "sma"}},
        {"indicator": "rsi", "timeframe": "1h", "comparison": "greater_than", "value": 50}]}},
    "exit_rules": {"long": {"operator": "OR", "conditions": [
        {"type": "trailing_stop", "atr": 3}, {"type": "time_exit", "bars": 40}]}},
}  # fmt: skip
PHONE_WIDTH, PHONE_HEIGHT = 390, 1100


def run(folder: Path, strategy: Any, profile: str) -> Path:
    """Return the folder of a run on the synthetic session."""
    execution = {"latency_model": {"profile": profile}}
    backtest = {"data_source": SOURCE, "instruments": INSTRUMENTS, "execution": execution}
    return tw.run({"backtest": backtest, "strategy": strategy}, output=folder).path


def candle_report(folder: Path) -> Path:
    """Return the page of a backtest of a declared strategy on a walk of sixty days."""
    count = 60 * 96
    rng = np.random.Generator(np.random.PCG64(3))
    close = 16_000 + np.cumsum(rng.integers(-12, 13, count))
    opened = np.r_[16_000, close[:-1]]
    high = np.maximum(opened, close) + rng.integers(0, 8, count)
    low = np.minimum(opened, close) - rng.integers(0, 8, count)
    times = 1_709_942_400 * 10**9 + np.arange(count) * 900 * 10**9
    prices = (one * 250_000_000 for one in (opened, high, low, close))
    candles = Candles.of(times, *prices, rng.integers(1, 90, count), symbol="TWA1")
    strategy = strategy_of(DECLARED)
    config = BacktestConfig(quantity=20.0, commission_rate=0.00001)
    result = run_declared(strategy, DeclaredBars.of(candles, [strategy]), config)
    page = folder / "candles.html"
    page.write_text(render_candle_report(result, rules=strategy_text(strategy).splitlines()[1:]))
    return page


def shown(page: Path, name: str, selectors: str, act: str = "") -> Path:
    """Copy a page, with only some parts of it shown, and something done to it first."""
    hide = f"header, footer, main > *:not({selectors}) {{ display: none; }}" if selectors else ""
    added = f"""<style>{hide}</style><script>addEventListener("load", function () {{ {act} }});
    </script></body>"""
    copy = page.with_name(f"{name}.html")
    copy.write_text(page.read_text().replace("</body>", added))
    return copy


def phones(page: Path, name: str, *selectors: str) -> Path:
    """Return a page of telephones side by side, each with another part of a page."""
    style = f"width:{PHONE_WIDTH}px;height:{PHONE_HEIGHT}px;border:0;margin-right:20px"
    parts = [shown(page, f"{name}-{k}", part) for k, part in enumerate(selectors)]
    frames = "".join(f'<iframe src="{part.name}" style="{style}"></iframe>' for part in parts)
    frame = page.with_name(f"{name}.html")
    frame.write_text(f'<body style="margin:0;white-space:nowrap;background:#bbb">{frames}</body>')
    return frame


def shoot(page: Path, picture: Path, width: int, height: int, *, dark: bool = False) -> None:
    """Write a picture of the top of a page."""
    named = os.environ.get("TAPEWIRE_BROWSER")
    browser = named or next((b for b in BROWSERS if shutil.which(b)), None)
    if browser is None:
        sys.exit(f"error: expected a browser ({', '.join(BROWSERS)}), found none")
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--proxy-server=127.0.0.1:9", "--virtual-time-budget=8000",
             f"--user-data-dir={profile}", f"--window-size={width},{height}",
             *(["--blink-settings=preferredColorScheme=0"] if dark else []),
             f"--screenshot={picture}", page.as_uri()],
            check=True, capture_output=True, timeout=90,
        )  # fmt: skip


def main(out: Path) -> None:
    """Run, look, write."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        near = run(folder / "near", PAIR, "colocated")
        far = run(folder / "far", PAIR, "retail")
        grid = run(folder / "grid", GRID, "colocated")
        report = near / "report.html"
        shoot(shown(report, "top", "", OF_MACHINE), out / "report.webp", 1280, 1560)
        fills = shown(report, "fills", "#section-price", NEAR_A_FILL)
        shoot(fills, out / "report-fills.webp", 1280, 610, dark=True)
        shoot(shown(report, "bars", ".grid"), out / "report-bars.webp", 1280, 1220)
        shoot(shown(grid / "report.html", "heat", ".heat-map"), out / "report-map.webp", 1280, 330)
        phone = phones(report, "phone", "", "#section-equity, #section-price", ".grid")
        shoot(phone, out / "report-phone.webp", 3 * (PHONE_WIDTH + 20), PHONE_HEIGHT)
        study = sweep(
            {"backtest": {"data_source": SOURCE, "instruments": INSTRUMENTS},
             "strategy": {"type": "market_maker"}},
            {"max_inventory": [1, 2, 5, 10], "quantity": [1, 2], "network_latency_us": [20, 500]},
            output=folder / "first", block=5,
        )  # fmt: skip
        shoot(study.path / "report.html", out / "study.webp", 1280, 1960)
        parts = ".tiles, #section-candles, #section-equity, #section-drawdown"
        candles = shown(candle_report(folder), "candles-near", parts, NEARER)
        shoot(candles, out / "candles.webp", 1280, 1230)
        spread = montecarlo(
            {"backtest": {"data_source": SOURCE, "instruments": INSTRUMENTS},
             "strategy": {"type": "market_maker"}},
            output=folder / "spread", draws=16, block=2, seed=7,
        )  # fmt: skip
        bands = shown(spread.path / "report.html", "bands", "", ONE_TABLE)
        shoot(bands, out / "montecarlo.webp", 1280, 1700)
        both = folder / "compared.html"
        both.write_text(render_comparison(compare([load_run(near), load_run(far)])))
        shoot(both, out / "report-compare.webp", 1280, 1100)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
