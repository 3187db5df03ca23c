"""The report's tables, as rows of ready text for the template."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from tapewire.analytics import formats as f
from tapewire.analytics.analysis import Analysis
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
        rows.append([cell("Total"), *(cell(f.count(every[w]), "total") for w in words),
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
         *(cell(f.latency(v)) for v in (x.mean, x.p50, x.p90, x.p99, x.p999, x.maximum))]
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
        rows.append([cell(str(name)), cell(f.size(octets)),
                     cell(" ".join(hashes) or f.NOTHING, "text wrap mono")])  # fmt: skip
    return table(["File", "Size", "Content hash"], rows, text_columns=(2,),
                  note="" if rows else "None.")  # fmt: skip


def files_table(files: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return this folder's other files with sizes and SHA-256."""
    rows = [
        [cell(name), cell(f.size(file["bytes"])), cell(str(file["sha256"]), "text wrap mono")]
        for name, file in files.items()
    ]
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


def assumptions(
    config: Mapping[str, Any], queues: Sequence[Mapping[str, Any]] = ()
) -> list[tuple[str, str]]:
    """Return what the simulation assumed, read off the configuration with its defaults.

    ``queues`` are the books whose queues were estimated, as the manifest has them.
    """
    backtest = _part(config, "backtest")
    execution = _part(backtest, "execution")
    fill, impact = _part(execution, "fill_model"), _part(execution, "market_impact")
    fill = dict(fill)
    queue = str(fill.pop("queue_position_model", "not stated"))
    queue += _estimated_words(queues)
    fees, limits = _part(execution, "fees"), _part(backtest, "risk_limits")
    known = {k: v for k, v in limits.items() if v is not None}
    if "max_loss" not in known:
        known.pop("on_max_loss", None)
    return [
        ("Latency", _latency_words(_part(execution, "latency_model"))),
        ("Fill model", _words(fill, "type", rest=True)),
        ("Queue position", queue),
        ("Market impact", _words(impact, "type", rest=True)),
        ("Fees", _words(fees, "type", rest=True)),
        ("Gateway", _gateway_words(_part(execution, "gateway"))),
        ("Crossed book", f.plain(execution.get("crossed_book", "not stated"))),
        ("Market order in a halt", f.plain(execution.get("market_order_in_halt", "not stated"))),
        ("Trade without a resting order", f.plain(execution.get("unseen_trades", "not stated"))),
        ("Clear of the book", f.plain(execution.get("book_clear", "not stated"))),
        ("Fills are known", _NOTICES.get(str(execution.get("fill_notice")), "not stated")),
        ("Risk limits", ", ".join(f"{k.replace('_', ' ')} {f.plain(v)}" for k, v in known.items())
         or "none"),
        ("Seed", str(backtest.get("seed", "not stated"))),
        *_of_their_own(config.get("strategy")),
    ]  # fmt: skip


def _estimated_words(queues: Sequence[Mapping[str, Any]]) -> str:
    """Say of how many books queues were estimated."""
    if not queues:
        return ""
    books = len({(one["publisher_id"], one["instrument_id"]) for one in queues})
    models = ", ".join(dict.fromkeys(str(one["model"]) for one in queues))
    return f"; estimated from level sizes in {books:,} book{'s' * (books != 1)} by {models}"


def _of_their_own(strategies: object) -> list[tuple[str, str]]:
    """Return what strategies have in place of the backtest's."""
    found = []
    for entry in strategies if isinstance(strategies, list) else []:
        own, limits = _part(entry, "execution"), _part(entry, "risk_limits")
        words = [f"{key.replace('_', ' ')} {_words(own[key], 'type', rest=True)}" for key in own
                 if key != "gateway"]  # fmt: skip
        words += [f"gateway {_gateway_words(own['gateway'])}"] if own.get("gateway") else []
        words += [f"{k.replace('_', ' ')} {f.plain(v)}" for k, v in limits.items()]
        words += [f"seed {entry['seed']}"] if entry.get("seed") is not None else []
        if words:
            found.append((f"Of {entry['name']} alone", ", ".join(words)))
    return found


_NOTICES: Final = {
    "response": "one response latency after they happen, also before the feed shows why",
    "feed": "no earlier than the feed shows why",
}


def _latency_words(model: Mapping[str, Any]) -> str:
    network, processing = model.get("network_latency_us"), model.get("processing_latency_us")
    of_legs = {f"{leg}_latency_us" for leg in ("entry", "cancel", "replace", "response")}
    if network is None or processing is None or of_legs & set(model):
        return _words(model, "type", rest=True)
    feed = model.get("feed_latency_us") or 0
    return (
        f"{f.plain(model.get('type', 'fixed'))}: order to exchange and answer back "
        f"{f.plain(network + processing)} µs each way "
        f"(network {f.plain(network)} + processing {f.plain(processing)}); "
        f"market data {f.plain(feed)} µs"
    )


def _gateway_words(gateway: Mapping[str, Any]) -> str:
    if not gateway:
        return "takes any number of messages"
    rate, then = gateway.get("max_messages_per_second"), gateway.get("when_exceeded")
    return f"{f.plain(rate)} messages of a session in any second, more: {then}"


def _part(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config.get(key)
    return value if isinstance(value, Mapping) else {}


def _words(model: Mapping[str, Any], key: str, *, rest: bool = False) -> str:
    if key not in model:
        return "not stated"
    others = [f"{k.replace('_', ' ')} {f.plain(v)}" for k, v in model.items()
              if k != key and v is not None] if rest and model[key] != "none" else []  # fmt: skip
    return f"{model[key]}" + (f": {', '.join(others)}" if others else "")


def cut(rows: int, file: str) -> str:
    """Say that a table is not whole, and where all of it is; nothing where it is."""
    return f"{TABLE_ROWS_MAX} of {rows:,} rows; all are in {file}." if rows > TABLE_ROWS_MAX else ""


def cell(text: str, kind: str = "", *, title: str = "") -> dict[str, str]:
    """Return a cell of ready text; its kind is a class of the page."""
    return {"text": text, "kind": kind, "title": title}


def table(
    head: Sequence[str],
    rows: list[list[dict[str, str]]],
    *,
    caption: str = "",
    note: str = "",
    text_columns: Sequence[int] = (),
    sortable: bool = False,
) -> Table:
    """Return a table for the template; a click on a heading sorts one that is sortable."""
    heads = [{"text": h, "kind": "text" if i == 0 or i in text_columns else ""}
             for i, h in enumerate(head)]  # fmt: skip
    return {"head": heads, "rows": rows, "caption": caption, "note": note, "sortable": sortable}
