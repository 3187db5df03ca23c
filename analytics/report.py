"""The report: one HTML file that opens offline, summary and assumptions first."""

from collections.abc import Mapping, Sequence
from typing import Any

from tapewire.analytics import formats as f
from tapewire.analytics.analysis import Analysis
from tapewire.analytics.assumptions import assumptions, in_short, trust
from tapewire.analytics.breakdowns import (
    day_tables,
    fill_charts,
    hour_charts,
    latency_charts,
    markout_charts,
    pnl_charts,
)
from tapewire.analytics.charts import chart_data, chart_frames
from tapewire.analytics.latency import LatencySummary
from tapewire.analytics.rendering import render_page
from tapewire.analytics.report_tables import (
    fee_tables,
    files_table,
    halts_tables,
    inputs_table,
    instruments_tables,
    latency_tables,
    leg_table,
    metrics_table,
    models_tables,
    orders_tables,
    plain_table,
    trips_tables,
)
from tapewire.analytics.variants import Variants

_TITLE_NAMES_MAX = 3


def render_report(
    manifest: Mapping[str, Any],
    analysis: Analysis,
    latencies: Sequence[LatencySummary],
    variants: Variants | None = None,
) -> str:
    """Return the report page of a complete run.

    Parameters
    ----------
    manifest
        The manifest as far as it is known; see `REQUIRED_KEYS`.
    analysis
        Metrics and chart lines.
    latencies
        Figures of every latency histogram.
    variants
        Those of grids, if there are any.
    """
    data = chart_data(analysis)
    heat_maps = [] if variants is None else variants.heat_maps()
    return render_page(
        data | {"heat": [each["metrics"] for each in heat_maps]},
        brand="Tapewire run",
        title=_title(analysis),
        version=manifest["versions"].get("tapewire", ""),
        status=manifest["status"],
        digest=manifest["digest"],
        period=_period(analysis),
        chips=in_short(manifest),
        tiles=_tiles(analysis),
        warnings=[str(w) for w in manifest["warnings"]],
        facts_beside=[
            {
                "title": "Assumptions",
                "facts": assumptions(manifest["config"], manifest.get("queues", [])),
            },
            {"title": "Run", "facts": [*trust(manifest), *_run_facts(manifest)]},
        ],
        parts_first=[{"title": "Inputs", "tables": [inputs_table(manifest["inputs"])]}],
        charts=chart_frames(data, analysis),
        heat_maps=heat_maps,
        bars=[*pnl_charts(analysis), *hour_charts(analysis), *fill_charts(analysis),
              *markout_charts(analysis), *latency_charts(latencies)],
        parts=[*_variants(variants), *_parts(manifest, analysis, latencies)],
        footnote=f"Times are UTC. Money is in {_currency(manifest)}, computed in exact "
        "integers of 1e-9 and rounded only for display. Simulated results say nothing certain "
        "about live ones.",
    )  # fmt: skip


def _currency(manifest: Mapping[str, Any]) -> str:
    account = manifest["config"]["backtest"].get("account") or {}
    return str(account.get("currency") or "the instruments' currency")


def _title(analysis: Analysis) -> str:
    legs = [row for row in analysis.rows if row["scope"] == "leg"]
    strategies = list(analysis.strategies)
    symbols = list(dict.fromkeys(row["symbol"] for row in legs))
    if not strategies:
        return "A run without orders or positions"
    return f"{_few(strategies)} on {_few(symbols)}"


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:_TITLE_NAMES_MAX])
    more = len(names) - _TITLE_NAMES_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def _period(analysis: Analysis) -> str:
    if not analysis.total.changes.count:
        return "No sample was taken: the simulation saw no time pass."
    return f"{f.time_short(analysis.first_ns)} to {f.time_short(analysis.last_ns)} UTC, simulated"


def _tile(name: str, value: str, more: str = "", title: str = "", kind: str = "") -> dict[str, str]:
    return {"name": name, "value": value, "more": more, "title": title, "kind": kind}


def _tiles(analysis: Analysis) -> list[dict[str, str]]:
    row = analysis.rows[0]
    net, sessions, fell = row["net_pnl"], row["sessions"], row["max_drawdown_ts"]
    if row["sharpe_annualised"] is not None:
        sharpe_note = f"annualised over {sessions} UTC sessions"
    elif sessions < 2:
        sharpe_note = "needs ≥ 2 sessions"
    else:
        sharpe_note = "every session made the same"

    def text(column: str) -> str:
        return analysis.metrics.text(row, column)

    return [
        _tile("Net P&L", text("net_pnl"), "after fees",
              kind="up" if net > 0 else "down" if net < 0 else ""),
        _tile("Gross P&L", text("gross_pnl"), f"realised {text('realized_pnl')}"),
        _tile("Fees", text("fees")),
        _tile("Max drawdown", text("max_drawdown"),
              f"low at {f.time_short(fell)}" if fell is not None else "never below its high"),
        _tile("Fills", text("fills"), f"{text('maker_ratio')} of lots as maker"),
        _tile("Orders", text("orders"), f"{text('fill_ratio')} of sent lots filled"),
        _tile("Volume", text("volume"), "lots, bought and sold"),
        _tile("Max position", text("max_position"), "lots, either side"),
        _tile("Win rate", text("win_rate"), f"of {text('closed_trades')} closed trades"),
        _tile("Profit factor", text("profit_factor"),
              "net profits / net losses" if row["profit_factor"] is not None
              else "no losing trade"),
        _tile("Holding time", text("avg_trade_duration_s"), "mean per closed lot"),
        _tile("Sharpe ratio", text("sharpe_annualised"), sharpe_note),
    ]  # fmt: skip


def _run_facts(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    return [
        ("Events", f.count(manifest["events"])),
        ("Elapsed", f.duration(float(manifest["elapsed_s"]))),
        ("Throughput", f"{f.count(round(manifest['events_per_s']))} events/s"),
        *((("Warm-up", _warmup(manifest["warmup"])),) if "warmup" in manifest else ()),
        ("Books", _books(manifest["conservation"])),
        ("Rows", ", ".join(f"{f.count(n)} {name}" for name, n in manifest["rows"].items())),
        ("Versions", versions or f.NOTHING),
    ]  # fmt: skip


def _warmup(warmup: Mapping[str, Any]) -> str:
    """Say what built the books before the first event."""
    if "until_ns" not in warmup:
        return "none: books begin with the first event"
    return (
        f"{warmup['mode']}: {f.count(warmup['records'])} records before "
        f"{f.time_utc(warmup['until_ns'])} built the books"
    )


def _books(conservation: Mapping[str, Any]) -> str:
    held, fills = len(conservation["checks"]), f.count(conservation["fills"])
    return f"{conservation['result']}: {held} identities held over {fills} fills"


def _variants(variants: Variants | None) -> list[dict[str, Any]]:
    tables = [] if variants is None else [variants.report_table()]
    return [{"title": "Variants", "tables": tables}] if tables else []


def _parts(
    manifest: Mapping[str, Any], analysis: Analysis, latencies: Sequence[LatencySummary]
) -> list[dict[str, Any]]:
    digests = plain_table("One per strategy", ("Strategy", "Digest"), manifest["digests"].items())
    return [
        {"title": "Metrics", "tables": [metrics_table(analysis), leg_table(analysis),
                                        *instruments_tables(analysis)]},
        {"title": "By day", "tables": day_tables(analysis, manifest["legs"])},
        {"title": "Orders", "tables": [
            *orders_tables(analysis), *fee_tables(manifest.get("fee_lines", {})),
            *halts_tables(manifest.get("loss_halts", ())),
            *trips_tables(manifest.get("limit_trips", ())),
        ]},
        {"title": "Latency", "tables": [
            *latency_tables(latencies), *models_tables(manifest.get("models", {})),
        ]},
        {"title": "Counts and stages", "tables": [
            plain_table("Counted while the data went by", ("What", "Count"),
                        _counts(manifest["counts"])),
            plain_table("Where the time went", ("Stage", "Figures"),
                        _stages(manifest["stages"])),
        ]},
        {"title": "Digests and files", "tables": [digests, files_table(manifest["files"])]},
    ]  # fmt: skip


def _counts(counts: Mapping[str, int]) -> list[tuple[str, Any]]:
    """Return counters as rows; what is a time reads as one."""
    return [(k, f.latency(n) if k.endswith("_ns_max") else n) for k, n in counts.items()]


def _stages(stages: Any) -> list[tuple[str, Any]]:
    """Return stages as rows, whether they came as a mapping or as a list of mappings."""
    if isinstance(stages, Mapping):
        items = list(stages.items())
    else:
        items = [(s.get("name", s.get("stage", "")), {k: v for k, v in s.items()
                 if k not in ("name", "stage")}) for s in stages]  # fmt: skip
    return [
        (str(name), ", ".join(f"{k} {f.plain(v)}" for k, v in figures.items())
         if isinstance(figures, Mapping) else figures)
        for name, figures in items
    ]  # fmt: skip
