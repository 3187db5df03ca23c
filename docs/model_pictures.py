"""Draws the pictures of execution-models.md from runs: ``python docs/model_pictures.py FOLDER``.

Each shows what the models of a family do to the default market maker on one synthetic session: on
the left in detail, on the right to its P&L.
"""

import sys
from math import log10
from pathlib import Path
from typing import Any

import tapewire as tw

EVENTS = 200_000
COLOURS = (
    "#555555", "#1f77b4", "#2ca02c", "#9467bd", "#d62728", "#e08a00", "#17889a", "#8c564b",
    "#c23b9b",
)  # fmt: skip
LEFT, RIGHT, TOP, BOTTOM = 60.0, 400.0, 40.0, 240.0
BARS, BAR_ROOM, LABELS = 610.0, 150.0, 440.0
UNITS = 10**9
SVG = "http://www.w3.org/2000/svg"
FONT = 'font-family="sans-serif" font-size="12" fill="#333"'

LATENCIES: dict[str, dict[str, Any]] = {
    "fixed": {"type": "fixed"},
    "uniform": {"type": "uniform"},
    "normal": {"type": "normal"},
    "lognormal": {"type": "lognormal"},
    "gamma": {"type": "gamma"},
    "pareto": {"type": "pareto"},
    "burst": {"type": "burst", "burst_window_us": 10_000, "burst_free_events": 2},
    "from_data": {"type": "from_data"},
    "retail": {"profile": "retail"},
}
FEES: dict[str, dict[str, Any]] = {
    "none": {"type": "per_contract"},
    "per_contract": {"type": "per_contract", "per_contract": 0.25},
    "per_notional": {"type": "per_notional", "maker_bps": 0.005, "taker_bps": 0.02},
    "schedule": {
        "type": "schedule",
        "rows": [
            {"line": "exchange", "to": 1_000, "maker": 0.20, "taker": 0.35},
            {"line": "exchange", "from": 1_000, "maker": -0.05, "taker": 0.30},
            {"line": "broker", "maker": 0.05, "taker": 0.05},
        ],
    },
}

Line = list[tuple[float, float]]


def run(key: str, models: dict[str, dict[str, Any]], folder: Path) -> tw.RunResult:
    """One run in which a market maker has each of some models."""
    config = {
        "backtest": {
            "data_source": {"type": "synthetic", "events": EVENTS},
            "instruments": {"TWA1": {"tick_size": 0.25, "multiplier": 50}},
        },
        "strategy": [
            {"type": "market_maker", "name": name, "execution": {key: model}}
            for name, model in models.items()
        ],
    }
    return tw.run(config, output=folder)


def profit(result: tw.RunResult) -> dict[str, float]:
    """P&L of each strategy, in currency."""
    found = {}
    for row in result.equity.select(["strategy_id", "pnl"]).to_pylist():
        found[row["strategy_id"]] = row["pnl"] / UNITS
    return {leg["strategy_id"]: found[leg["strategy_id"]] for leg in result.manifest["legs"]}


def delays(result: tw.RunResult) -> dict[str, Line]:
    """Share of orders that were on their way for at most so long, by log10 of µs."""
    found: dict[str, list[float]] = {}
    columns = ["strategy_id", "ts_sent", "ts_arrived"]
    for row in result.orders.select(columns).to_pylist():
        if row["ts_arrived"] is not None:
            took_us = (row["ts_arrived"].value - row["ts_sent"].value) / 1_000
            found.setdefault(row["strategy_id"], []).append(took_us)
    lines = {}
    for name, took in found.items():
        took.sort()
        picked = range(0, len(took), max(1, len(took) // 150))
        line = [(log10(max(took[k], 1)), (k + 1) / len(took)) for k in picked]
        lines[name] = [
            (1.0, 0.0),
            (line[0][0], 0.0),
            *line,
            (log10(max(took[-1], 1)), 1.0),
            (5.0, 1.0),
        ]
    return lines


def paid(result: tw.RunResult) -> dict[str, Line]:
    """Fees paid so far, in currency, by lots traded so far."""
    lines: dict[str, Line] = {}
    for row in result.fills.select(["strategy_id", "last_qty", "commission"]).to_pylist():
        line = lines.setdefault(row["strategy_id"], [(0.0, 0.0)])
        line.append((line[-1][0] + row["last_qty"], line[-1][1] + row["commission"] / UNITS))
    return {name: [*line[:: max(1, len(line) // 150)], line[-1]] for name, line in lines.items()}


def text(x: float, y: float, words: str, anchor: str = "start", more: str = "") -> str:
    """A piece of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{words}</text>'


def picture(
    title: str, x_title: str, lines: dict[str, Line], x_marks: dict[float, str],
    y_marks: dict[float, str], bars: dict[str, float],
) -> str:  # fmt: skip
    """Lines on the left, bars of the same colours on the right, as SVG."""
    x_low, x_high, y_low, y_high = min(x_marks), max(x_marks), min(y_marks), max(y_marks)

    def x_of(x: float) -> float:
        return LEFT + (RIGHT - LEFT) * (min(max(x, x_low), x_high) - x_low) / (x_high - x_low)

    def y_of(y: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (y - y_low) / (y_high - y_low)

    bold = ' font-weight="bold"'
    out = [
        f'<svg xmlns="{SVG}" viewBox="0 0 830 300" {FONT}>',
        '<rect width="830" height="300" fill="white"/>',
        text(LEFT, 22, title, more=bold),
        text(LABELS, 22, "P&amp;L of the market maker", more=bold),
        text((LEFT + RIGHT) / 2, BOTTOM + 34, x_title, "middle"),
    ]
    for y, words in y_marks.items():
        out.append(
            f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y_of(y):.1f}" y2="{y_of(y):.1f}" stroke="#ddd"/>'
        )
        out.append(text(LEFT - 6, y_of(y) + 4, words, "end"))
    out += [text(x_of(x), BOTTOM + 16, words, "middle") for x, words in x_marks.items()]
    widest = max(abs(value) for value in bars.values())
    for k, (name, colour) in enumerate(zip(bars, COLOURS, strict=False)):
        points = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in lines.get(name, []))
        paint = f'stroke="{colour}" stroke-width="1.6"'
        out.append(f'<polyline points="{points}" fill="none" {paint}/>')
        y = TOP + 4 + 24 * k
        long = BAR_ROOM * abs(bars[name]) / widest
        out.append(text(LABELS, y + 12, name, more=f' fill="{colour}"'))
        out.append(
            f'<rect x="{BARS - 70:.1f}" y="{y:.1f}" width="{long:.1f}" height="16" '
            f'fill="{colour}" fill-opacity="0.5"/>'
        )
        out.append(text(BARS - 64 + long, y + 12, f"{bars[name]:,.2f}".replace("-", "−")))
    return "\n".join([*out, "</svg>", ""])


def draw(folder: Path) -> None:
    """Write ``latency.svg`` and ``fees.svg`` into a folder, with the runs that they show."""
    result = run("latency_model", LATENCIES, folder / "latency")
    (folder / "latency.svg").write_text(
        picture(
            "Orders that take at most so long", "µs from the strategy to the exchange",
            delays(result), {1: "10", 2: "100", 3: "1,000", 4: "10,000", 5: "100,000"},
            {0: "0", 0.5: "half", 1: "all"}, profit(result),
        )
    )  # fmt: skip
    result = run("fees", FEES, folder / "fees")
    (folder / "fees.svg").write_text(
        picture(
            "Fees paid so far, in currency", "lots traded", paid(result),
            {0: "0", 1_000: "1,000", 2_000: "2,000", 3_000: "3,000", 4_000: "4,000"},
            {0: "0", 500: "500", 1_000: "1,000"}, profit(result),
        )
    )  # fmt: skip


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
