"""The bench: what Tapewire does per second, beside what the machine and a peer do."""

import json
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from tapewire.errors import ConfigError

if TYPE_CHECKING:
    from tapewire.bench.measure import Row

__all__ = ["run_bench"]

#: Sections of BENCHMARKS.md.
SECTION = "end-to-end"


def run_bench(
    *,
    events: int = 5_000_000,
    runs: int = 5,
    seed: int = 1,
    show: Callable[[str], None] = print,
    as_json: bool = False,
    with_rivals: bool = False,
    write: Path | None = None,
) -> list["Row"]:
    """Measure limits, stages, whole runs and a peer on one synthetic session, all in one go.

    Parameters
    ----------
    events : int
        Records of the session, at least 100,000.
    runs : int
        Counted runs per row; one more, first, is not counted.
    seed : int
    show : callable
        Gets the lines to print.
    as_json : bool
        Print JSON instead of a table.
    with_rivals : bool
        Measure hftbacktest, NautilusTrader and Databento's client on the same session as well;
        the first time installs them into environments of their own (see ``bench/rivals``).
    write : path, optional
        Write the section of this bench into that Markdown file.

    Raises
    ------
    ConfigError
        If there are too few events or runs to measure anything.
    """
    from tapewire.bench.host import describe_host
    from tapewire.bench.report import markdown, write_section
    from tapewire.bench.stages import (
        Workload,
        end_to_end_rows,
        limit_rows,
        peer_rows,
        stage_rows,
        variant_rows,
    )

    if events < 100_000:
        raise ConfigError(f"--events: expected at least 100,000, found {events:,}")
    if runs < 1:
        raise ConfigError(f"--runs: expected at least 1, found {runs}")
    host = describe_host()
    rows: list[Row] = []
    missing: list[str] = []
    with tempfile.TemporaryDirectory(prefix="tapewire-bench-") as folder:

        def tell(text: str) -> None:
            if not as_json:
                show(text)

        tell(f"making a session of {events:,} events …")
        work = Workload(Path(folder), events, seed)

        def measure() -> Generator["Row", None, None]:
            yield from limit_rows(work, runs)
            yield from stage_rows(work, runs)
            yield from variant_rows(work, runs)
            yield from end_to_end_rows(work, runs)
            if with_rivals:
                from tapewire.bench import rivals

                missing.extend((yield from rivals.rows(work, runs, tell)))
            else:
                yield from peer_rows(work, runs)

        for row in measure():
            rows.append(row)
            tell(
                f"{row.group:<19} {row.name:<40} {row.best_m_per_s:8.3f} best "
                f"{row.median_m_per_s:8.3f} median  M records/s  {row.note}"
            )
    workload = (
        f"One synthetic future, {events:,} records, seed {seed}; the end-to-end rows run "
        f"`tapewire run` with the market maker, its account, Parquet files and report, timed from "
        f"the request for the first batch to the last event's effects; kernels compiled before."
    )
    if missing:
        workload += " Missing: " + "; ".join(missing) + "."
    if as_json:
        plain = {"host": host, "workload": workload, "rows": [row.to_dict() for row in rows]}
        show(json.dumps(plain, indent=2))
    if write is not None:
        write_section(write, SECTION, markdown(host, workload, rows))
    return rows
