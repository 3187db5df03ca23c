"""The report's tables, as rows of ready text for the template."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from tapewire.analytics import formats as f
from tapewire.analytics.analysis import Analysis
from tapewire.analytics.exact import decimal_text
from tapewire.analytics.latency import SIMULATED, LatencySummary
from tapewire.execution.codes import OrderStatus

Table = dict[str, Any]

#: Strategies side by side with every metric; beyond that only the compact table is shown.
SIDE_BY_SIDE_MAX: Final = 6
#: Rows of one table; the files hold all of them.
TABLE_ROWS_MAX: Final = 300


def metrics_table(analysis: Analysis) -> Table:
    """Return all metrics, one column for the total and one per strategy."""
    scopes = [row for row in analysis.rows if row["scope"] != "leg"]
    strategies = len(scopes) - 1
    if strategies == 1:
        scopes = scopes[1:]
    shown = scopes if strategies <= SIDE_BY_SIDE_MAX else scopes[:1]
    head = ["Metric", *(row["strategy_id"] or "Total" for row in shown)]
    rows, notes = [], ["Point at a metric for its formula."]
    for metric in analysis.metrics:
        unit = metric.format.unit if metric.format.type != "time" else ""
        title = metric.formula + (f" ({unit})" if unit else "")
        cells = [cell(metric.format.text(row[metric.column])) for row in shown]
        rows.append([cell(metric.label, title=title), *cells])
        if metric.absent and shown[0][metric.column] is None:
            notes.append(metric.absent)
    return table(head, rows, note=" ".join(notes))


def leg_table(analysis: Analysis) -> Table:
    """Return the chief metrics per strategy and instrument (and per strategy when many)."""
    rows = [row for row in analysis.rows if row["scope"] != "total"]
    strategies = sum(row["scope"] == "strategy" for row in rows)
    if strategies <= SIDE_BY_SIDE_MAX:
        rows = [row for row in rows if row["scope"] == "leg"]
    rows.sort(key=lambda row: -row["net_pnl"])
    chief = [metric for metric in analysis.metrics if metric.compact]
    cells = [
        [
            cell(row["strategy_id"]),
            cell(row["symbol"] or "all", "text"),
            *(cell(metric.format.text(row[metric.column])) for metric in chief),
        ]
        for row in rows[:TABLE_ROWS_MAX]
    ]
    head = ["Strategy", "Symbol", *(metric.compact for metric in chief)]
    return table(
        head, cells, caption="By strategy and instrument, best first", text_columns=(1,),
        note=cut(len(rows), "metrics.parquet"),
    )  # fmt: skip


def instruments_tables(analysis: Analysis) -> list[Table]:
    """Return each instrument over all strategies, best first; nothing where that is one leg."""
    rows = sorted(analysis.instruments, key=lambda one: -one.pnl)
    legs = sum(row["scope"] == "leg" for row in analysis.rows)
    if legs <= 1:
        return []
    cells = [
        [cell(one.symbol), cell(f.count(one.strategies)),
         cell(f"{one.position:+,}".replace("-", f.MINUS) if one.position else "0"),
         cell(f.count(one.volume)),
         *(cell(_money(decimal_text(value)))
           for value in (one.realized, one.unrealized, one.fees, one.pnl))]
        for one in rows[:TABLE_ROWS_MAX]
    ]  # fmt: skip
    if len(rows) > 1:
        sums = [sum(values) for values in zip(
            *((one.realized, one.unrealized, one.fees, one.pnl) for one in rows), strict=True
        )]  # fmt: skip
        cells.append([cell("Total", "total"), *(cell("", "total") for _ in range(3)),
                      *(cell(_money(decimal_text(value)), "total") for value in sums)])  # fmt: skip
    head = ["Instrument", "Strategies", "Position", "Lots", "Realised", "Unrealised", "Fees", "Net"]
    return [table(head, cells, caption="By instrument, all strategies together",
                   note=cut(len(rows), "manifest.json"))]  # fmt: skip


def orders_tables(analysis: Analysis) -> list[Table]:
    """Return orders by status, by reason, and fills by reason."""
    known = [s.name for s in OrderStatus]
    present = [s for s in known if any(c[s] for c in analysis.statuses.values())]
    tables = [_cross("By last status", present, analysis.statuses)]
    reasons = sorted({r for c in analysis.reasons.values() for r in c if r != "NONE"})
    if reasons:
        tables.append(_cross("By reason, where there was one", reasons, analysis.reasons))
    fills = analysis.fill_reasons
    why = {
        "QUEUE": "volume traded behind ours in the queue",
        "TRADE_THROUGH": "volume traded at worse prices",
        "CROSSED": "an incoming order crossed our price",
        "TAKEN": "our order took resting ones",
        "AUCTION": "the venue cleared at one price, ours or a worse one",
        "UNSEEN_TRADE": "a trade without a resting order in the data, at a worse price",
        "SETTLEMENT": "the instrument expired, and what was held was settled",
        "DAY_END": "the day ended, and what was held was closed",
        "BROKER": "a real one, as its broker told it",
    }
    rows = [[cell(r), cell(why.get(r, ""), "text"), cell(f.count(fills[r])),
             cell(f.percent(fills[r] / fills.total()))] for r in sorted(fills)]  # fmt: skip
    tables.append(
        table(["Fill reason", "Meaning", "Fills", "Share"], rows, caption="Why fills happened",
               text_columns=(1,), note="" if rows else "No fill.")
    )  # fmt: skip
    return tables


def halts_tables(halts: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return when and at what strategies reached their loss limit; nothing where none did."""
    if not halts:
        return []
    head = ["Strategy", "At (UTC)", "P&L then", "Limit", "Policy", "Canceled", "Closing orders",
            "Position then", "Position at the end"]  # fmt: skip
    rows = []
    for halt in halts[:TABLE_ROWS_MAX]:
        held = [p for p in halt["positions"] if p["at_halt"] or p["at_end"]]
        then, end = (
            ", ".join(f"{p['symbol']} {p[key]:+,}" for p in held).replace("-", f.MINUS) or "none"
            for key in ("at_halt", "at_end")
        )
        rows.append([
            cell(halt["strategy_id"]), cell(f.time_utc(halt["ts_ns"]), "text"),
            cell(halt["pnl"].replace("-", f.MINUS)), cell(halt["max_loss"]),
            cell(halt["on_max_loss"], "text"), cell(f.count(halt["cancels"])),
            cell(f.count(halt["closing_orders"])), cell(then, "text wrap"),
            cell(end, "text wrap"),
        ])  # fmt: skip
    return [table(head, rows, caption="Halted by max_loss", text_columns=(1, 4, 7, 8),
                   note=cut(len(halts), "manifest.json"))]  # fmt: skip


def trips_tables(trips: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return which limits were reached, when and at what, and what followed; nothing for none."""
    if not trips:
        return []
    head = ["Strategy", "At (UTC)", "Limit", "It was", "Reached at", "Action"]
    rows = [
        [cell(trip["strategy_id"] or "all together"), cell(f.time_utc(trip["ts_ns"]), "text"),
         cell(trip["limit"], "text"), cell(str(trip["bound"])),
         cell(str(trip["found"]).replace("-", f.MINUS)), cell(trip["action"], "text")]
        for trip in trips[:TABLE_ROWS_MAX]
    ]  # fmt: skip
    return [table(head, rows, caption="Limits that were reached", text_columns=(1, 2, 5),
                   note=cut(len(trips), "manifest.json"))]  # fmt: skip


def fee_tables(bills: Mapping[str, Mapping[str, str]]) -> list[Table]:
    """Return what each strategy paid by line; nothing where no fee model has lines."""
    if not bills:
        return []
    lines = list(dict.fromkeys(line for bill in bills.values() for line in bill))
    rows = [
        [cell(strategy), *(cell(_money(bill.get(line))) for line in lines),
         cell(_money(str(sum(map(Decimal, bill.values())))))]
        for strategy, bill in list(bills.items())[:TABLE_ROWS_MAX]
    ]  # fmt: skip
    return [table(["Strategy", *lines, "All"], rows, caption="Fees by line",
                   note=cut(len(bills), "manifest.json"))]  # fmt: skip


def _money(amount: str | None) -> str:
    return f.NOTHING if amount is None else f"{Decimal(amount):,.2f}".replace("-", f.MINUS)


def _cross(caption: str, words: Sequence[str], counts: Mapping[str, Counter[str]]) -> Table:
    rows = [
        [cell(name), *(cell(f.count(mine[w])) for w in words),
         cell(f.count(sum(mine[w] for w in words)), "total")]
        for name, mine in list(counts.items())[:TABLE_ROWS_MAX]
    ]  # fmt: skip
    if len(counts) > 1:
        every = sum(counts.values(), Counter())
        rows.append([cell("Total", "total"), *(cell(f.count(every[w]), "total") for w in words),
                     cell(f.count(sum(every[w] for w in words)), "total")])  # fmt: skip
    return table(
        ["Strategy", *words, "Sum"], rows, caption=caption,
        note="" if rows else "No order was sent.",
    )  # fmt: skip


def latency_tables(latencies: Sequence[LatencySummary]) -> list[Table]:
    """Return wall-clock latencies and simulated ones, apart."""
    wall = [x for x in latencies if not x.simulated]
    simulated = [x for x in latencies if x.simulated]
    return [
        _latency_table("Wall clock: how long the machine took", wall, "Nothing was measured."),
        _latency_table("Simulated: what the latency model made orders wait", simulated,
                       "No order reached the exchange."),
    ]  # fmt: skip


def _latency_table(caption: str, rows: Sequence[LatencySummary], empty: str) -> Table:
    cells = [
        [cell(x.tag, title=SIMULATED.get(x.tag, "")), cell(f.count(x.records)),
         *(cell(f.latency(v), sort=v) for v in (x.mean, x.p50, x.p90, x.p99, x.p999, x.maximum))]
        for x in rows
    ]  # fmt: skip
    head = ["Tag", "Count", "Mean", "p50", "p90", "p99", "p99.9", "Max"]
    return table(head, cells, caption=caption, note="" if cells else empty)


def models_tables(models: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """Return what was sent to strategies' models and came back; nothing where there are none."""
    if not models:
        return []
    rows = [
        [
            cell(name), cell(model["mode"], "text"),
            cell("yes" if model["deterministic"] else "no", "text"),
            *(cell(f.count(model[key])) for key in ("rows", "rows_answered", "restarts")),
            *(cell(" / ".join(f.count(model[key][of]) for of in ("p50", "p99", "max")))
              for key in ("frame_rows", "frames_in_flight")),
        ]
        for name, model in list(models.items())[:TABLE_ROWS_MAX]
    ]  # fmt: skip
    head = ["Strategy", "Mode", "Deterministic", "Rows", "Answered", "Restarts",
            "Rows of a message, p50 / p99 / max", "Messages in flight"]  # fmt: skip
    return [
        table(
            head, rows, caption="Models in processes of their own", text_columns=(1, 2),
            note="How long they took is above: model_round_trip, model_inference.",
        )
    ]  # fmt: skip


def inputs_table(inputs: Iterable[Mapping[str, Any]]) -> Table:
    """Return the input files with sizes and hashes."""
    rows = []
    for item in inputs:
        name = item.get("file") or item.get("path") or item.get("name") or f.NOTHING
        octets = item.get("bytes", item.get("size"))
        hashes = [f"{k} {item[k]}" for k in ("xxh3_128", "sha256") if item.get(k)]
        rows.append([cell(str(name)), cell(f.size(octets), sort=octets),
                     cell(" ".join(hashes) or f.NOTHING, "text wrap mono")])  # fmt: skip
    return table(["File", "Size", "Content hash"], rows, text_columns=(2,),
                  note="" if rows else "None.")  # fmt: skip


def files_table(files: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return this folder's other files with sizes and SHA-256."""
    rows = [
        [cell(name), cell(f.size(file["bytes"]), sort=file["bytes"]),
         cell(str(file["sha256"]), "text wrap mono")]
        for name, file in files.items()
    ]  # fmt: skip
    return table(["File", "Size", "SHA-256"], rows, caption="Beside this report",
                  text_columns=(2,))  # fmt: skip


def plain_table(caption: str, head: tuple[str, str], items: Iterable[tuple[Any, Any]]) -> Table:
    """Return a table of names and values."""
    pairs = [(str(name), value) for name, value in items]
    words = any(isinstance(value, str) for _, value in pairs)
    rows = [[cell(name.replace("_", " ") if not words else name),
             cell(f.plain(value), "text wrap mono" if words else "")]
            for name, value in pairs[:TABLE_ROWS_MAX]]  # fmt: skip
    return table(list(head), rows, caption=caption, text_columns=(1,) if words else (),
                  note=cut(len(pairs), "manifest.json") if rows else "None.")  # fmt: skip


def cut(rows: int, file: str) -> str:
    """Say that a table is not whole, and where all of it is; nothing where it is."""
    return f"{TABLE_ROWS_MAX} of {rows:,} rows; all are in {file}." if rows > TABLE_ROWS_MAX else ""


def cell(
    text: str, kind: str = "", *, title: str = "", sort: float | None = None
) -> dict[str, Any]:
    """Return a cell of ready text; its kind is a class of the page.

    ``sort`` is what its column sorts by where the text is no number: a time with its unit.
    """
    return {"text": text, "kind": kind, "title": title, "sort": "" if sort is None else sort}


def table(
    head: Sequence[str],
    rows: list[list[dict[str, Any]]],
    *,
    caption: str = "",
    note: str = "",
    text_columns: Sequence[int] = (),
) -> Table:
    """Return a table for the template; where it has several rows, its headings sort it.

    A row whose first cell is of the kind ``total`` stays last.
    """
    heads = [{"text": h, "kind": "text" if i == 0 or i in text_columns else ""}
             for i, h in enumerate(head)]  # fmt: skip
    sortable = len(rows) > 1
    return {"head": heads, "rows": rows, "caption": caption, "note": note, "sortable": sortable}
