"""``tapewire sweep``."""

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
from tapewire.cli.study_plan import PlanOptions, show_plan
from tapewire.cli.studying import asked_study, run_study

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire sweep config.yaml --vary max_inventory=1,2,5,10\n\n"
    "tapewire sweep config.yaml --vary quantity=1:9:2 --vary network_latency_us=50,500\n\n"
    "tapewire sweep day.mbo.dbn.zst -s market_maker --vary max_inventory=1:100 --method random "
    "--draws 50\n\n"
    "tapewire sweep study.yaml -o studies/a           what a study: in the file says\n\n"
    "tapewire sweep study.yaml -o studies/a --resume  go on where it was stopped\n\n"
    "tapewire sweep study.yaml -o studies/a --executor ray --address head:6379\n\n"
    "tapewire sweep study.yaml --plan --nodes 10 --cores 32 --plan-days 2520\n\n"
    "tapewire run --from studies/a 17                 one of its trials, by itself"
)


@in_groups
def sweep(
    *,
    inputs: Inputs = None,
    trials: TrialOptions,
    method: Annotated[
        str | None,
        typer.Option("--method", help="grid (default; every combination), random or list."),
    ] = None,
    draws: Annotated[
        Any,
        typer.Option(
            "--draws", parser=whole_number, metavar="INTEGER", help="Trials of random (100)."
        ),
    ] = None,
    data: DataOptions,
    work: WorkOptions,
    plan: PlanOptions,
    as_json: AsJson = False,
) -> None:
    """Try combinations of values, many in one pass over the data; say which are best.

    A study: in the configuration says what the options do not.
    """
    from tapewire.studies.sweeping import sweep_checked

    base, settings, name = asked_study(inputs, data, trials, {"method": method, "draws": draws})
    if plan.plan:
        show_plan(base, settings, plan, as_json=as_json, quiet=work.quiet)
        return
    plan.require_none()
    run_study(
        lambda means: sweep_checked(base, settings, means),
        settings.objectives[0].metric, name, work, as_json=as_json,
    )  # fmt: skip
