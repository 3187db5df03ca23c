"""``tapewire optimize``."""

from typing import Annotated, Any, Final

import typer

from tapewire.cli.options import whole_number
from tapewire.cli.study_options import (
    AsJson,
    DataOptions,
    Inputs,
    TrialOptions,
    WorkOptions,
    in_groups,
)
from tapewire.cli.studying import asked_study, run_study
from tapewire.errors import ConfigError

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire optimize config.yaml --vary max_inventory=1:50 --vary quantity=1:10\n\n"
    "tapewire optimize config.yaml --vary network_latency_us=20:2000 --method tpe --trials 100\n\n"
    "tapewire optimize month.yaml --vary quantity=1:10 --prune halving --prune-after 2\n\n"
    "tapewire optimize month.yaml --vary quantity=1:10 --prune median --prune-every 5\n\n"
    "tapewire optimize config.yaml --vary quantity=1:10 --method nsga2 --objective net_pnl "
    "--objective=-max_drawdown"
)


@in_groups
def optimize(
    *,
    inputs: Inputs = None,
    trials: TrialOptions,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help="genetic, random, or of Optuna tpe or nsga2 (several objectives).",
        ),
    ] = "genetic",
    count: Annotated[
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
    storage: Annotated[
        str | None,
        typer.Option("--storage", help="Where Optuna keeps its study (an URL); else in memory."),
    ] = None,
    prune: Annotated[
        str | None,
        typer.Option(
            "--prune",
            help="Do not play hopeless trials to the end: halving (of each batch), median or "
            "quartile (of those before), or with tpe and nsga2 also hyperband.",
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
    prune_every: Annotated[
        int | None,
        typer.Option(
            "--prune-every", min=1, help="The next look is so many days after the last instead."
        ),
    ] = None,
    data: DataOptions,
    work: WorkOptions,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Look for the best values: each batch of trials is asked for by what earlier ones came to.

    A study: in the configuration says what the options do not.
    """
    from tapewire.studies.optimizing import Budget, optimize_checked
    from tapewire.studies.pruning import Pruning

    base, settings, name = asked_study(inputs, data, trials, {})
    counts = {"trials": count, "batch": batch}
    for option, value in counts.items():
        if value is not None and (not isinstance(value, int) or not 1 <= value <= 1_000_000):
            raise ConfigError(f"--{option}: expected a number from 1 to 1000000, found {value!r}")
    given = {option: value for option, value in counts.items() if value is not None}
    pruning = None
    if prune is not None:
        pruning = Pruning(prune, prune_after, prune_factor, prune_every)
    elif (prune_after, prune_factor, prune_every) != (1, 2, None):
        raise ConfigError(
            "--prune-after, --prune-factor, --prune-every: expected --prune with them, found none"
        )
    budget = Budget(method=method, storage=storage, pruning=pruning, **given)
    run_study(
        lambda means: optimize_checked(base, settings, budget, means),
        settings.objectives[0].metric, name, work, as_json=as_json,
    )  # fmt: skip
