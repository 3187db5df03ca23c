"""Where a run's P&L and fills came from: by name, by hour, by reason, by queue place, by delay."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from tapewire.analytics import formats as f
from tapewire.analytics.analysis import Analysis
from tapewire.analytics.bars import BarSeries, columns, rows
from tapewire.analytics.exact import decimal_text
from tapewire.analytics.latency import SIMULATED, LatencySummary
from tapewire.analytics.markouts import HORIZONS
from tapewire.analytics.metrics.inputs import SESSION_SPAN_NS_MIN, Edge
from tapewire.analytics.report_tables import SIDE_BY_SIDE_MAX, Table, cell, cut, table
from tapewire.analytics.report_tables import TABLE_ROWS_MAX as ROWS_MAX
from tapewire.compiled.units import MONEY_UNITS, NS_PER_S

#: Names in one chart; the tables have all of them.
NAMES_MAX: Final = 24
_EPOCH: Final = date(1970, 1, 1)
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


def pnl_charts(analysis: Analysis) -> list[dict[str, Any]]:
    """Return net P&L by strategy and by symbol, each where there is more than one."""
    by_strategy = {row["strategy_id"]: row["net_pnl"] for row in analysis.rows
                   if row["scope"] == "strategy"}  # fmt: skip
    by_symbol: dict[str, int] = {}
    for row in analysis.rows:
        if row["scope"] == "leg":
            by_symbol[row["symbol"]] = by_symbol.get(row["symbol"], 0) + row["net_pnl"]
    return [
        _by_name(f"Net P&L by {what}", what.capitalize(), found)
        for what, found in (("strategy", by_strategy), ("symbol", by_symbol))
        if len(found) > 1
    ]


def _by_name(title: str, heading: str, found: dict[str, int]) -> dict[str, Any]:
    ranked = sorted(found.items(), key=lambda item: -item[1])
    shown = ranked
    if len(ranked) > NAMES_MAX:
        shown = [*ranked[: NAMES_MAX // 2], *ranked[-NAMES_MAX // 2 :]]
    note = f"The best and the worst {NAMES_MAX // 2} of {len(ranked):,}." if shown != ranked else ""
    return rows(title, "currency, after fees", heading, [n for n, _ in shown],
                _money("Net P&L", [pnl for _, pnl in shown]), note=note)  # fmt: skip


def hour_charts(analysis: Analysis) -> list[dict[str, Any]]:
    """Return net P&L and fills by hour of the day, over all days."""
    labels = [f"{hour:02d}" for hour in range(24)]
    hours = analysis.hours
    if not hours.fills.any() and not hours.pnl.any():
        return []
    fills = BarSeries("Fills", "--s3", hours.fills.tolist(), [f.count(n) for n in hours.fills])
    return [
        columns("Net P&L by hour of the day", "currency, hours in UTC", "Hour (UTC)", labels,
                [_money("Net P&L", hours.pnl.tolist())]),
        columns("Fills by hour of the day", "count, hours in UTC", "Hour (UTC)", labels, [fills]),
    ]  # fmt: skip


def fill_charts(analysis: Analysis) -> list[dict[str, Any]]:
    """Return fills by reason, and how many lots were ahead of orders that joined a queue."""
    charts = []
    if found := analysis.fill_reasons.most_common():
        share = [f"{f.count(n)} ({f.percent(n / analysis.fill_reasons.total())})" for _, n in found]
        charts.append(rows("Fills by reason", "count", "Reason", [r for r, _ in found],
                           BarSeries("Fills", "--s1", [n for _, n in found], share)))  # fmt: skip
    if classes := analysis.queues.classes():
        joined, filled = [c[1] for c in classes], [c[2] for c in classes]
        charts.append(columns(
            "Queue place", "orders by lots ahead of them when they joined", "Lots ahead",
            [label for label, _, _ in classes],
            [BarSeries("All that rested", "--s8", joined, [f.count(n) for n in joined]),
             BarSeries("Filled, in part or whole", "--s1", filled, [f.count(n) for n in filled])],
            note="Of an order that was replaced, the queue that it joined last.",
        ))  # fmt: skip
    return charts


def markout_charts(analysis: Analysis) -> list[dict[str, Any]]:
    """Return what fills were worth against the mid before them and at times after them."""
    edges = analysis.edges
    names = ["mid", *(f"mid_{name}" for name in HORIZONS)]
    labels = ["before", *(f"after {name}" for name in HORIZONS)]
    series = [
        BarSeries(who, colour, [edge or 0.0 for edge in mine], [f.number(edge, 4) for edge in mine])
        for who, colour, mine in (
            ("Maker fills", "--s1", [edges.makers.get(m, Edge()).per_lot for m in names]),
            ("Taker fills", "--s8", [edges.takers.get(m, Edge()).per_lot for m in names]),
        )
        if any(edge is not None for edge in mine)
    ]
    if not series:
        return []
    return [columns(
        "Markouts", "currency per lot, fill against the mid", "Mid", labels, series,
        note="Above zero: bought below that mid, or sold above it. What falls as time goes on was "
        "lost to those who knew more.",
    )]  # fmt: skip


def latency_charts(latencies: Sequence[LatencySummary]) -> list[dict[str, Any]]:
    """Return the histogram of every leg that was simulated."""
    charts = []
    for found in (x for x in latencies if x.simulated and x.bars):
        counts = [n for _, n in found.bars]
        labels = [f"\N{LESS-THAN OR EQUAL TO} {f.latency(top)}" for top, _ in found.bars]
        series = BarSeries("Count", "--s4", counts, [f.count(n) for n in counts])
        charts.append(columns(f"Latency of {found.tag}", "count", "Latency", labels, [series],
                              note=f"Simulated: {SIMULATED[found.tag]}."))  # fmt: skip
    return charts


def day_tables(analysis: Analysis, legs: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return net P&L by UTC day, where there are several by month, and at settlement prices."""
    days = analysis.total.days
    if not days:
        return []
    names = list(analysis.strategies)
    side_by_side = names if 1 < len(names) <= SIDE_BY_SIDE_MAX else []
    each = {name: _by_day(analysis.strategies[name].days) for name in side_by_side}
    total = _by_day(days)
    found = []
    for day in sorted(days, reverse=True)[:ROWS_MAX]:
        span = days[day].last_ns - days[day].first_ns
        found.append([
            cell((_EPOCH + timedelta(days=day)).isoformat()), cell(f.money(total[day])),
            *(cell(f.money(each[name].get(day))) for name in side_by_side),
            cell(f.money(days[day].pnl)), cell(f.duration(span / NS_PER_S), sort=span),
            cell("yes" if span >= SESSION_SPAN_NS_MIN else "no", "text"),
        ])  # fmt: skip
    head = ["Day (UTC)", "Net P&L", *side_by_side, "Since the start", "Samples span", "Session"]
    note = "A day counts as a session where its samples span an hour."
    tables = [table(head, found, caption="By day, the last first", text_columns=(len(head) - 1,),
                    note=f"{note} {cut(len(days), 'equity.parquet')}".strip())]  # fmt: skip
    months = _by_month(total)
    tables += _settled_tables(analysis, legs)
    return [_month_table(months), *tables] if len(months) > 1 else tables


def _settled_tables(analysis: Analysis, legs: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return P&L by trading day at settlement prices, where any is known."""
    if not analysis.settled:
        return []
    days = sorted(analysis.settled, key=lambda one: (-one.ts_close, one.leg))
    of_leg = {int(leg["leg"]): leg for leg in legs}
    found = [
        [
            cell(one.date), cell(of_leg[one.leg]["strategy_id"], "text"),
            cell(of_leg[one.leg]["symbol"], "text"), cell(f.count(one.position)),
            cell("" if one.settlement is None else decimal_text(one.settlement)),
            cell("" if one.mark is None else decimal_text(one.mark)),
            cell(f.money(one.variation)), cell(f.money(one.pnl)),
        ]
        for one in days[:ROWS_MAX]
    ]  # fmt: skip
    head = ["Trading day", "Strategy", "Symbol", "Position", "Settlement", "Last mark", "Variation",
            "Since the start"]  # fmt: skip
    note = "What is held is valued at the settlement price; where none is known, at the last mark."
    return [table(head, found, caption="By trading day, at settlement prices", text_columns=(1, 2),
                  note=f"{note} {cut(len(days), 'settlements.parquet')}".strip())]  # fmt: skip


def _by_day(days: dict[int, Any]) -> dict[int, int]:
    """Return net P&L of each day (1e-9 currency) from what it had come to at the end of each."""
    found, before = {}, 0
    for day in sorted(days):
        found[day] = days[day].pnl - before
        before = days[day].pnl
    return found


def _by_month(by_day: dict[int, int]) -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], int] = {}
    for day, pnl in by_day.items():
        when = _EPOCH + timedelta(days=day)
        found[when.year, when.month] = found.get((when.year, when.month), 0) + pnl
    return found


def _month_table(months: dict[tuple[int, int], int]) -> Table:
    years = sorted({year for year, _ in months}, reverse=True)
    found = []
    for year in years:
        mine = [months.get((year, month)) for month in range(1, 13)]
        found.append([
            cell(str(year)), *(cell("" if pnl is None else f.money(pnl)) for pnl in mine),
            cell(f.money(sum(pnl for pnl in mine if pnl is not None)), "total"),
        ])  # fmt: skip
    return table(["Year", *_MONTHS, "All"], found, caption="By month, net P&L")


def _money(name: str, pnl: Sequence[int]) -> BarSeries:
    return BarSeries(name, "--s1", [p / MONEY_UNITS for p in pnl], [f.money(p) for p in pnl])
