"""The bench as lines for people, and as sections of a Markdown file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapewire.bench.measure import Row
from tapewire.bench.targets import Found
from tapewire.errors import MissingFileError, OutputError

_BEGIN = "<!-- bench: begin {name} -->"
_END = "<!-- bench: end {name} -->"


@dataclass(frozen=True)
class DocumentPart:
    """One generated part of a Markdown file, between two markers of its own."""

    name: str
    title: str
    text: str


def significant(value: float) -> str:
    """Three digits that matter, all of a large number."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Minutes and seconds: ``3:07``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


# --- for the terminal -----------------------------------------------------------------------------


def row_line(row: Row, elapsed_s: float, *, rated: bool) -> str:
    """One row as it comes, with the time since the bench began."""
    if rated and row.events:
        best, median, unit = row.best_m_per_s, row.median_m_per_s, "M records/s"
    else:
        best, median, unit = row.best_s, row.median_s, "s"
    figures = "  ".join(f"{_words(key)} {significant(value)}" for key, value in row.figures.items())
    return (
        f"{duration(elapsed_s):>6}  {row.group:<19}  {row.name:<46} "
        f"{significant(best):>8} best {significant(median):>8} median  {unit}  {figures}"
    ).rstrip()


def target_lines(found: Iterable[Found]) -> list[str]:
    """Targets as aligned text."""
    return [
        f"{entry.verdict:<13} {entry.target.name:<58} {_value(entry.median):>8}  "
        f"wanted {entry.target.wanted}"
        for entry in found
    ]


# --- for Markdown ---------------------------------------------------------------------------------


def where_line(host: Mapping[str, Any]) -> str:
    """Date, machine and versions in one sentence."""
    versions = ", ".join(f"{name} {value}" for name, value in host["versions"].items())
    flags = f" ({', '.join(host['flags'])})" if host["flags"] else ""
    cores = f"{host['cores']} core{'s' if host['cores'] != 1 else ''}"
    return (
        f"Measured {host['date']} on {cores} of {host['cpu']}{flags}, {host['memory_gib']} GiB, "
        f"{host['system']}, Python {host['python']}; {versions}."
    )


def row_table(rows: Sequence[Row], *, rated: bool, events: int) -> str:
    """Rows as a Markdown table.

    Parameters
    ----------
    rows : sequence of Row
    rated : bool
        Whether rows are rates; else their times are shown.
    events : int
        Records of the whole bench's session; rows on others say how many they had.
    """
    figures = list(dict.fromkeys(key for row in rows for key in row.figures))
    columns: list[tuple[str, bool, list[str]]] = [
        ("group", False, [row.group for row in rows]),
        ("what", False, [row.name for row in rows]),
    ]
    if rated:
        # A row without records is there for its figures.
        columns.append(("M records/s, best", True, [_rate(r, r.best_m_per_s) for r in rows]))
        columns.append(("median", True, [_rate(r, r.median_m_per_s) for r in rows]))
    else:
        columns.append(("s, best", True, [significant(row.best_s) for row in rows]))
        columns.append(("median", True, [significant(row.median_s) for row in rows]))
    columns += [
        (_words(key), True, [_value(row.figures.get(key), "") for row in rows]) for key in figures
    ]
    if rated and any(row.events != events for row in rows):
        columns.append(("records", True, [f"{r.events:,}" if r.events else "" for r in rows]))
    columns.append(("runs", True, [str(row.runs) for row in rows]))
    if any(row.note for row in rows):
        columns.append(("includes", False, [row.note for row in rows]))
    if len({row.group for row in rows}) == 1:
        del columns[0]
    return _table(columns)


def target_table(found: Sequence[Found]) -> str:
    """Targets as a Markdown table."""
    return _table(
        [
            ("target", False, [entry.target.name for entry in found]),
            ("wanted", True, [entry.target.wanted for entry in found]),
            ("found, median", True, [_value(entry.median) for entry in found]),
            ("best", True, [_value(entry.best) for entry in found]),
            ("", False, [entry.verdict for entry in found]),
        ]
    )


def _table(columns: Sequence[tuple[str, bool, Sequence[str]]]) -> str:
    """Columns of (head, whether it holds numbers, cells)."""
    lines = [
        "| " + " | ".join(head for head, _, _ in columns) + " |",
        "|" + "|".join("---:" if numbers else "---" for _, numbers, _ in columns) + "|",
    ]
    cells = zip(*(column for _, _, column in columns), strict=True)
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
    return "\n".join(lines) + "\n"


def _rate(row: Row, m_per_s: float) -> str:
    return significant(m_per_s) if row.events else ""


def _words(key: str) -> str:
    return key.replace("_", " ")


def _value(value: float | None, absent: str = "–") -> str:
    return absent if value is None else significant(value)


# --- the file -------------------------------------------------------------------------------------


def require_markers(path: Path, names: Iterable[str]) -> None:
    """Look at a file before there is anything to write into it.

    Raises
    ------
    OutputError
        If it has one marker of a part without the other, its folder does not exist, or it is no
        plain file.
    MissingFileError
        If it is there and can't be read.
    """
    from tapewire.atomic import require_replaceable

    require_replaceable(path)
    if not path.parent.is_dir():
        raise OutputError(f"{path}: expected its folder to exist; make it, or write elsewhere")
    text = _read(path)
    for name in names:
        _split(path, text, name)


def write_parts(path: Path, parts: Iterable[DocumentPart]) -> None:
    """Replace each part between its two markers, or append it with them under its title.

    Raises
    ------
    OutputError
        If the file can't be written, or has one marker of a part without the other; nothing is
        changed then.
    """
    from tapewire.atomic import atomic_write

    text = _read(path) or "# Benchmarks\n"
    for part in parts:
        inside = f"{_BEGIN.format(name=part.name)}\n{part.text}{_END.format(name=part.name)}"
        around = _split(path, text, part.name)
        if around is None:
            text = f"{text.rstrip()}\n\n## {part.title}\n\n{inside}\n"
        else:
            text = around[0] + inside + around[1]
    atomic_write(path, text)


def _read(path: Path) -> str:
    try:
        return path.read_text() if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise MissingFileError(
            f"{path}: expected a Markdown file, can't read it: {error}"
        ) from None


def _split(path: Path, text: str, name: str) -> tuple[str, str] | None:
    """What stands before and after a part's markers; None where it has none."""
    begin, end = _BEGIN.format(name=name), _END.format(name=name)
    counts = text.count(begin), text.count(end)
    if counts == (0, 0):
        return None
    if counts != (1, 1) or text.index(begin) > text.index(end):
        raise OutputError(
            f"{path}: expected both markers of section {name!r} once and in order, found "
            f"{counts[0]} of `{begin}` and {counts[1]} of `{end}`"
        )
    head, rest = text.split(begin)
    return head, rest.split(end)[1]
