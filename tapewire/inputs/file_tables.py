"""What ``tapewire data inspect`` prints."""

from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tapewire.inputs.file_report import FileReport
from tapewire.inputs.findings import crossed_words, findings_of, start_meaning
from tapewire.inputs.other_schemas import SchemaReport
from tapewire.inputs.telling import iso
from tapewire.market.flags import FlagKind

_SYMBOLS_SHOWN: Final = 12
_FLAGGED_SHOWN: Final = 5


def print_report(report: FileReport, console: Console) -> None:
    """Print what an MBO file holds, and what that means for a run."""
    rows = [
        *_header_rows(report),
        ("records", f"{report.records:,}, of them {report.live_records:,} live"),
    ]
    if report.records:
        clocks = (
            f"ts_recv steps back {report.ts_recv_backward:,} times, "
            f"ts_event {report.ts_event_backward:,} times"
        )
        problems = {k: v for k, v in report.book.items() if v and k != "events"}
        rows += [
            ("actions", _shares(report.actions, report.records)),
            ("flags", _shares(report.flags, report.records)),
            ("ts_recv", f"{iso(report.first_ts_recv)} to {iso(report.last_ts_recv)}"),
            ("ts_event", f"{iso(report.first_ts_event)} to {iso(report.last_ts_event)}"),
            ("rate", _rate(report)),
            ("pauses", _pauses(report)),
            ("start", start_meaning(report)),
            ("events", f"{report.book['events']:,}"),
            ("clocks", clocks),
            ("book", ", ".join(f"{k} {v:,}" for k, v in problems.items()) or "nothing unusual"),
            *((("crossed", words),) if (words := crossed_words(report)) else ()),
            *((("flagged", words),) if (words := _flagged(report)) else ()),
        ]
    _print_rows(rows, console)
    _print_books(report, console)
    for finding in findings_of(report):
        console.print(
            Text(f"{finding.level}: {finding.count:,} {finding.text}: {finding.meaning}"),
            soft_wrap=True,
        )


def print_other(report: SchemaReport, console: Console) -> None:
    """Print what a file of another schema holds."""
    rows = [*_header_rows(report), ("records", f"{report.records:,}")]
    if report.records:
        if report.actions:
            rows.append(("actions", _shares(report.actions, report.records)))
        if len(report.rtypes) > 1:
            rows.append(("types", _shares(report.rtypes, report.records)))
        rows += [
            (report.clock, f"{iso(report.first_ns)} to {iso(report.last_ns)}"),
            ("clocks", f"{report.clock} steps back {report.backward:,} times"),
        ]
    rows.append(("for a run", report.meaning))
    _print_rows(rows, console)
    _print_books(report, console)


def _header_rows(report: FileReport | SchemaReport) -> list[tuple[str, str]]:
    packed = "zstd" if report.compressed else "uncompressed"
    symbols = ", ".join(dict.fromkeys(s["symbol"] for s in report.symbols[:_SYMBOLS_SHOWN]))
    symbols = symbols or "none: instruments go by their numbers (instrument_id)"
    more = len(report.symbols) - _SYMBOLS_SHOWN
    return [
        ("file", f"{report.path} ({report.size_bytes:,} bytes, {packed})"),
        ("format", f"DBN version {report.dbn_version}, {report.dataset}, {report.schema}"),
        ("made for", f"{iso(report.start_ns or None)} to {iso(report.end_ns or None)}"),
        ("symbols", symbols + (f" and {more:,} more mappings" if more > 0 else "")),
    ]


def _shares(counts: dict[str, int], records: int) -> str:
    return "  ".join(f"{name} {n:,} ({n / records:.1%})" for name, n in counts.items() if n)


def _flagged(report: FileReport) -> str:
    """The books of which records said something, and what; the first few."""
    said = [
        f"{book['symbol']} ({book['publisher_id']}) "
        + ", ".join(f"{kind.key} {book[kind.key]:,}" for kind in FlagKind if book[kind.key])
        for book in report.flagged[:_FLAGGED_SHOWN]
    ]
    more = len(report.flagged) - _FLAGGED_SHOWN
    return "; ".join(said) + (f"; and {more:,} more books" if more > 0 else "")


def _rate(report: FileReport) -> str:
    text = f"{report.records_per_s:,.1f} live records/s over {report.live_seconds:,.1f} s"
    if report.peak_second is None:
        return text
    return (
        f"{text}, at most {report.peak_records_per_s:,} in the second of {iso(report.peak_second)}"
    )


def _pauses(report: FileReport) -> str:
    longest = [f"{p['seconds']:,.3f} s from {iso(p['from'])}" for p in report.pauses]
    return "the longest " + ", ".join(longest) if longest else "none"


def _print_rows(rows: list[tuple[str, str]], console: Console) -> None:
    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in rows:
        facts.add_row(Text(name, "bold"), Text(value))
    console.print(facts)


def _print_books(report: FileReport | SchemaReport, console: Console) -> None:
    if report.top_books:
        books = Table(title=f"largest of {report.books:,} books", title_justify="left")
        for name in ("publisher", "instrument", "symbol", "records"):
            books.add_column(name, justify="left" if name == "symbol" else "right")
        for b in report.top_books:
            books.add_row(
                str(b["publisher_id"]),
                str(b["instrument_id"]),
                Text(b["symbol"]),
                f"{b['records']:,}",
            )
        console.print(books)
