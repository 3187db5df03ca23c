"""How a result looks: in few lines of text, and as a table and a picture in a notebook."""

import html
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tapewire.analytics.metrics import METRICS

if TYPE_CHECKING:
    from tapewire.runs.result import RunResult

#: Strategies with a line of their own in a repr, which has at most ten lines.
_TEXT_STRATEGIES_MAX: Final = 3
#: Strategies with a row of their own in a notebook.
_HTML_STRATEGIES_MAX: Final = 12
#: Warnings that are listed there, and how many are unfolded by themselves.
_WARNINGS_MAX: Final = 20
_WARNINGS_OPEN_MAX: Final = 3
_WIDTH: Final = 640
_HEIGHT: Final = 160
_MARGIN: Final = 8
_LINE_LETTERS_MAX: Final = 100

_SHOWN: Final = [metric for metric in METRICS if metric.terse]
HEADINGS: Final = ("strategy", *(metric.terse for metric in _SHOWN))


def headline_rows(results: dict[str, Any], limit: int | None = None) -> list[tuple[str, ...]]:
    """Return headings and the figures of every strategy and, of several, in total, as text."""
    strategies = list(results["strategies"].items())
    shown = strategies[:limit]
    rows = [HEADINGS, *(figures_row(name, figures) for name, figures in shown)]
    if len(shown) < len(strategies):
        rows.append((f"… and {len(strategies) - len(shown)} more", *[""] * (len(HEADINGS) - 1)))
    if len(strategies) != 1:
        rows.append(figures_row("total", results["total"]))
    return rows


def figures_row(name: str, figures: dict[str, Any]) -> tuple[str, ...]:
    """Return a strategy's name and its chief figures, as text."""
    return (name, *(figure(figures.get(metric.column)) for metric in _SHOWN))


def figure(value: str | float | None) -> str:
    """Return a metric of the manifest for reading: money, which is decimal text, in cents."""
    if value is None:
        return "n/a"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{Decimal(value):,.2f}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines: the first column to the left, figures to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def as_text(result: "RunResult") -> str:
    """Return what a run came to in at most ten lines."""
    manifest = result.manifest
    facts = [f"<RunResult {_story(manifest)}>", f"  folder  {result.path}"]
    if result.status != "complete":
        if kept := manifest.get("rows_kept"):
            facts.append(f"  rows    {kept}")
        return "\n".join(_short(line) for line in facts)
    facts.append(f"  digest  {result.digest}")
    table = aligned(headline_rows(manifest["results"], _TEXT_STRATEGIES_MAX))
    lines = [*facts, *(f"  {line}" for line in table)]
    warnings = manifest["warnings"]
    if warnings:
        many = f" (and {len(warnings) - 1} more in the manifest)" if len(warnings) > 1 else ""
        room = _LINE_LETTERS_MAX - len("  warning  ") - len(many)
        lines.append(f"  warning  {_short(warnings[0], room)}{many}")
    return "\n".join(_short(line) for line in lines)


def _story(manifest: dict[str, Any]) -> str:
    status, events = manifest["status"], manifest.get("events", 0)
    if status != "complete":
        return f"{status}: {manifest.get('reason', 'no reason given')}"
    return f"complete: {events:,} events in {manifest['elapsed_s']:.2f} s"


def _short(text: str, letters: int = _LINE_LETTERS_MAX) -> str:
    line = " ".join(text.splitlines())
    return line if len(line) <= letters else f"{line[: letters - 1]}…"


def as_html(result: "RunResult") -> str:
    """Return headline figures and a picture of the equity, in one piece of HTML."""
    manifest = result.manifest
    story = (
        _story(manifest) if result.status == "complete" else f"{result.status}: {result.headline}"
    )
    parts = [f"<div><b>Run</b> {html.escape(_short(story, 300))}</div>"]
    if result.status == "complete":
        head, *rows = headline_rows(manifest["results"], _HTML_STRATEGIES_MAX)
        parts.append(_table(head, rows))
        parts.append(_picture(result))
        parts.append(_warnings(manifest["warnings"]))
        parts.append(f"<div><small>digest <code>{html.escape(result.digest)}</code></small></div>")
    else:
        texts = (str(manifest.get(key, "")) for key in ("reason", "rows_kept"))
        parts += [f"<pre>{html.escape(text)}</pre>" for text in texts if text]
    where = result.report if result.status == "complete" else result.path
    parts.append(f"<div><small><code>{html.escape(str(where))}</code></small></div>")
    return f"<div>{''.join(parts)}</div>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f"<table><thead><tr>{line(head, 'th')}</tr></thead><tbody>{body}</tbody></table>"


def _warnings(warnings: Sequence[str]) -> str:
    """List the first few warnings, folded where there are several."""
    shown = [f"<li>{html.escape(_short(text, 300))}</li>" for text in warnings[:_WARNINGS_MAX]]
    if len(warnings) > _WARNINGS_MAX:
        shown.append(f"<li>and {len(warnings) - _WARNINGS_MAX} more in the manifest</li>")
    many = "1 warning" if len(warnings) == 1 else f"{len(warnings)} warnings"
    opened = ' open="open"' if len(warnings) <= _WARNINGS_OPEN_MAX else ""
    if not warnings:
        return ""
    return f"<details{opened}><summary>{many}</summary><ul>{''.join(shown)}</ul></details>"


def _picture(result: "RunResult") -> str:
    """Draw the net P&L over time; nothing where there is no sample or no file any more."""
    from tapewire.analytics.equity import equity_line
    from tapewire.market.times import time_text

    path = result.path / "equity.parquet"
    if not path.is_file():
        return ""
    ts, pnl = equity_line(path)
    if ts.size == 0:
        return ""
    low, high = min(int(pnl.min()), 0), max(int(pnl.max()), 0)
    span_ns, span = max(int(ts[-1] - ts[0]), 1), max(high - low, 1)
    inner = _HEIGHT - 2 * _MARGIN

    def y(value: int) -> str:
        return f"{_MARGIN + (high - value) / span * inner:.1f}"

    begin = int(ts[0])
    points = " ".join(
        f"{(int(t) - begin) / span_ns * _WIDTH:.1f},{y(int(v))}"
        for t, v in zip(ts, pnl, strict=True)
    )
    label = (
        f"Net P&L of all strategies, {_currency(low)} to {_currency(high)}, "
        f"{time_text(begin)} to {time_text(int(ts[-1]))}"
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="{html.escape(label)}" style="max-width:100%">'
        f'<line x1="0" x2="{_WIDTH}" y1="{y(0)}" y2="{y(0)}" stroke="currentColor" '
        'stroke-opacity="0.3"/>'
        f'<polyline points="{points}" fill="none" stroke="#3b7dd8" stroke-width="1.5" '
        'stroke-linejoin="round"/></svg>'
        f"<div><small>{html.escape(label)}</small></div>"
    )


def _currency(value: int) -> str:
    return f"{value / 1e9:,.2f}"
