"""The bench as a table for people, JSON for machines and a section of BENCHMARKS.md."""

from pathlib import Path
from typing import Any

from tapewire.bench.measure import Row
from tapewire.errors import OutputError

_BEGIN = "<!-- bench: begin {name} -->"
_END = "<!-- bench: end {name} -->"


def markdown(host: dict[str, Any], workload: str, rows: list[Row]) -> str:
    """Render one section: host, workload, table."""
    versions = ", ".join(f"{name} {value}" for name, value in host["versions"].items())
    where = (
        f"Measured {host['date']} on {host['cores']} cores of {host['cpu']} "
        f"({', '.join(host['flags'])}), {host['memory_gib']} GiB, {host['system']}, "
        f"Python {host['python']}; {versions}."
    )
    lines = [
        where,
        "",
        workload,
        "",
        "| group | what | M records/s, best | median | runs | includes |",
        "|---|---|---:|---:|---:|---|",
    ]
    lines += [
        f"| {row.group} | {row.name} | {row.best_m_per_s:.3g} | {row.median_m_per_s:.3g} "
        f"| {row.runs} | {row.note} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def write_section(path: Path, name: str, text: str) -> None:
    """Replace the section between its two markers, or append it with them.

    Raises
    ------
    OutputError
        If the file can't be written, or has one marker without the other.
    """
    begin, end = _BEGIN.format(name=name), _END.format(name=name)
    section = f"{begin}\n{text}{end}"
    try:
        old = path.read_text() if path.exists() else "# Benchmarks\n"
        if (begin in old) != (end in old):
            raise OutputError(f"{path}: expected both markers of section {name!r}, found one")
        if begin in old:
            head, rest = old.split(begin, 1)
            new = head + section + rest.split(end, 1)[1]
        else:
            new = f"{old.rstrip()}\n\n{section}\n"
        path.write_text(new)
    except OSError as error:
        raise OutputError(f"{path}: can't be written: {error.strerror}") from None
