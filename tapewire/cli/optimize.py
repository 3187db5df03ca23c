"""``tapewire optimize``."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tapewire.cli.options import End, Start, Symbols, names_in, time_in, whole_number
from tapewire.cli.sweep import (
    Address,
    Block,
    Constraints,
    ExecutorName,
    ForceStudy,
    KeepRuns,
    Objectives,
    QueueTimeout,
    Resume,
    StudyFolderOption,
    Vary,
    Workers,
    asked_study,
    run_study,
)
from tapewire.errors import ConfigError

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire optimize config.yaml --vary max_inventory=1:50 --vary quantity=1:10\n\n"
    "tapewire optimize config.yaml --vary network_latency_us=20:2000 --method tpe --trials 100\n\n"
    "tapewire optimize month.yaml --vary quantity=1:10 --prune halving --prune-after 2\n\n"
    "tapewire optimize config.yaml --vary quantity=1:10 --method nsga2 --objective net_pnl "
    "--objective=-max_drawdown"
)


def optimize(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="CONFIG|FILES",
            help="A YAML configuration, market data, or both, as for tapewire run.",
            show_default=False,
        ),
    ] = None,
    vary: Vary = None,
    output: StudyFolderOption = None,
    strategy: Annotated[
        str | None, typer.Option("-s", "--strategy", help="The one to vary: its name, or a type.")
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help="genetic, random, or of Optuna tpe or nsga2 (several objectives).",
        ),
    ] = "genetic",
    trials: Annotated[
        Any,
        typer.Option(
            "--trials", parser=whole_number, metavar="INTEGER", help="At most so many (200)."
        ),
    ] = None,
    batch: Annotated[
        Any,
        typer.Option(
            "--batch", parser=whole_number, metavar="INTEGER",
            help="Asked for at a time, a generation (32).",
        ),
    ] = None,
    seed: Annotated[
        Any,
        typer.Option("--seed", parser=whole_number, metavar="INTEGER", help="Of the search."),
    ] = None,
    objective: Objectives = None,
    constraint: Constraints = None,
    storage: Annotated[
        str | None,
        typer.Option("--storage", help="Where Optuna keeps its study (an URL); else in memory."),
    ] = None,
    prune: Annotated[
        str | None,
        typer.Option(
            "--prune",
            help="Do not play hopeless trials to the end: halving, or with tpe and nsga2 also "
            "median or hyperband.",
        ),
    ] = None,
    prune_after: Annotated[
        int, typer.Option("--prune-after", min=1, help="Days before the first look at trials.")
    ] = 1,
    prune_factor: Annotated[
        int,
        typer.Option(
            "--prune-factor", min=2,
            help="The next look is after so many times the days; halving keeps one of so many.",
        ),
    ] = 2,
    block: Block = None,
    symbols: Symbols = None,
    start: Start = None,
    end: End = None,
    workers: Workers = None,
    executor: ExecutorName = "processes",
    address: Address = None,
    queue_timeout: QueueTimeout = None,
    resume: Resume = False,
    force: ForceStudy = False,
    keep_runs: KeepRuns = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
) -> None:  # fmt: skip
    """Look for the best values: each batch of trials is asked for by what earlier ones came to.

    A study: in the configuration says what the options do not.
    """
    from tapewire.studies.optimizing import Budget, optimize_checked
    from tapewire.studies.pruning import Pruning

    base, settings, name = asked_study(
        inputs, vary, strategy,
        {"seed": seed, "objective": objective, "constraints": constraint, "block": block},
        {"symbols": names_in(symbols) or None, "start": time_in(start), "end": time_in(end)},
    )  # fmt: skip
    counts = {"trials": trials, "batch": batch}
    for option, value in counts.items():
        if value is not None and (not isinstance(value, int) or not 1 <= value <= 1_000_000):
            raise ConfigError(f"--{option}: expected a number from 1 to 1000000, found {value!r}")
    given = {option: value for option, value in counts.items() if value is not None}
    pruning = None
    if prune is not None:
        pruning = Pruning(prune, prune_after, prune_factor)
    elif (prune_after, prune_factor) != (1, 2):
        raise ConfigError("--prune-after, --prune-factor: expected --prune with them, found none")
    budget = Budget(method=method, storage=storage, pruning=pruning, **given)
    run_study(
        lambda means: optimize_checked(base, settings, budget, means),
        settings.objectives[0].metric, name, output, workers, executor, address,
        queue_timeout,
        force=force, resume=resume, keep_runs=keep_runs, quiet=quiet,
    )  # fmt: skip
