"""``tapewire bench``."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer


class BenchSection(StrEnum):
    """Sections of ``bench``."""

    STAGES = "stages"
    RUNS = "runs"
    VARIANTS = "variants"
    STUDIES = "studies"
    CALLBACKS = "callbacks"
    BRIDGE = "bridge"
    TRANSPORT = "transport"
    SOURCES = "sources"
    CANDLES = "candles"
    FACTORY = "factory"
    STORE = "store"
    SERVICES = "services"
    STUDIO = "studio"
    GROWTH = "growth"
    LATENCY = "latency"
    START = "start"
    RIVALS = "rivals"
    CANDLE_RIVALS = "candle-rivals"


EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire bench                                  the usual sections: ten minutes\n\n"
    "tapewire bench --quick                          under two minutes\n\n"
    "tapewire bench --only stages --only transport   some of it\n\n"
    "tapewire bench --rivals --write BENCHMARKS.md   everything, into the document"
)


def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="A shorter session, fewer sizes, no cold start.")
    ] = False,
    only: Annotated[
        list[BenchSection] | None,
        typer.Option("--only", help="Only this section (repeat for more)."),
    ] = None,
    with_rivals: Annotated[
        bool,
        typer.Option(
            "--rivals",
            help="Measure hftbacktest, NautilusTrader, Databento's client, vectorbt and "
            "backtesting.py as well; the first time installs them, apart, about 3 GB.",
        ),
    ] = False,
    events: Annotated[
        int | None,
        typer.Option("--events", help="Records of the session; default 5 million, quick 1."),
    ] = None,
    runs: Annotated[
        int | None, typer.Option("--runs", help="Counted runs per row; default 5, quick 2.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the session.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; what goes on, to standard error.")
    ] = False,
    write: Annotated[
        Path | None,
        typer.Option("--write", help="Put the tables into this Markdown file, between its marks."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Compare stage ratios to the stored ones; exit code 1 if one slipped."
        ),
    ] = False,
    save_baseline: Annotated[
        bool, typer.Option("--save-baseline", help="Store the stage ratios of this machine class.")
    ] = False,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Another file of stage ratios.")
    ] = None,
) -> None:
    """Measure the machine's limits, each stage, whole runs, growth, latency and starts."""
    from tapewire.bench import run_bench

    def tell(line: str) -> None:
        print(line, file=sys.stderr if as_json else sys.stdout, flush=True)

    result = run_bench(
        events=events,
        runs=runs,
        seed=seed,
        quick=quick,
        only=[section.value for section in only or ()],
        with_rivals=with_rivals,
        tell=tell,
        as_json=as_json,
        write=write,
        save_baseline=save_baseline,
        check=check,
        baseline=baseline,
    )
    if result.slips:
        raise typer.Exit(1)
