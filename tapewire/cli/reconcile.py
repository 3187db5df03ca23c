"""``tapewire reconcile``: live fills beside a run's."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tapewire.cli.options import names_in
from tapewire.cli.terminal import say
from tapewire.errors import ConfigError

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire reconcile runs/monday live_fills.csv\n\n"
    "tapewire reconcile runs/monday live_fills.parquet --within 50ms --require 99 --json"
)


def reconcile(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A complete run's folder.")],
    fills: Annotated[
        Path, typer.Argument(metavar="FILLS", help="CSV or Parquet of live fills; see below.")
    ],
    strategy: Annotated[
        list[str] | None, typer.Option("--strategy", help="Only the run's fills of these.")
    ] = None,
    within: Annotated[
        str, typer.Option("--within", help="How far apart in time one and the same fill may be.")
    ] = "1s",
    any_order: Annotated[
        bool,
        typer.Option("--any-order", help="Match fills whatever orders they are of."),
    ] = False,
    require: Annotated[
        float | None,
        typer.Option("--require", help="Exit with 1 if fewer percent of the lots agree."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare live fills with simulated ones: matched, missed, extra, and how far off.

    The file has columns ts_event (ns or ISO 8601), symbol, side, price and quantity, and may have
    client_order_id and strategy_id; a run's own fills.parquet will do, too. Where both sides name
    orders, fills are matched order by order: --any-order where these have drifted apart, as of a
    live session and its replay. What drifts is told day by day.
    """
    from tapewire.runs.reconciling import reconcile_run

    if require is not None and not 0 <= require <= 100:
        raise ConfigError(f"--require: expected a percentage of 0 to 100, found {require:g}")
    figures = reconcile_run(
        run, fills, strategies=names_in(strategy), within=within, any_order=any_order
    )
    text = json.dumps(figures, indent=1) if as_json else _as_text(figures)
    say(text, done="nothing was written")
    if require is not None and figures["agreement_percent"] < require:
        raise typer.Exit(1)


def _as_text(figures: dict[str, Any]) -> str:
    from tapewire.runs.result_display import aligned

    head = ("symbol", "live lots", "simulated", "matched", "same price", "slippage")
    rows = [head]
    for name, of in [*figures["symbols"].items(), ("total", figures)]:
        lots = (f"{of[key]:,}" for key in ("live", "simulated", "matched", "same_price"))
        rows.append((name, *lots, f"{of['slippage']:,.2f}"))
    if len(rows) == 3:
        rows.pop()  # one symbol is its own total
    lines = [*aligned(rows), ""]
    if len(figures["days"]) > 1:
        days = [("day (UTC)", *head[1:], "agree")]
        for day, of in figures["days"].items():
            lots = (f"{of[key]:,}" for key in ("live", "simulated", "matched", "same_price"))
            agree = f"{of['agreement_percent']:.2f} %"
            days.append((day, *lots, f"{of['slippage']:,.2f}", agree))
        lines += [*aligned(days), ""]
    lines.append(
        f"{figures['agreement_percent']:.2f} % of the lots agree in price and time; slippage is "
        "what matched lots cost more in the simulation, in currency"
    )
    later = figures["later_ns"]
    if later["p50"] is not None:
        lines.append(
            "simulated fills are later by "
            + ", ".join(f"{key} {value / 1e3:,.1f} µs" for key, value in later.items())
        )
    for what, said in (("missed", "live only"), ("extra", "simulated only")):
        part = figures[what]
        if part["lots"]:
            some = "1 lot" if part["lots"] == 1 else f"{part['lots']:,} lots, the first of them"
            lines.append(f"{said}: {some}")
            lines += [
                f"  {row['ts_event']}  {'BUY ' if row['side'] > 0 else 'SELL'}  {row['lots']} "
                f"{row['symbol']} @ {row['price']:.10g}  {row['client_order_id']}".rstrip()
                for row in part["first"][:5]
            ]
    return "\n".join(lines)
