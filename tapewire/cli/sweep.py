"""``tapewire sweep``."""

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tapewire.cli.options import End, Start, Symbols, names_in, time_in, whole_number
from tapewire.cli.study_plan import (
    Cores,
    Nodes,
    Plan,
    PlanDays,
    PlanJson,
    PlanSymbols,
    Rate,
    show_plan,
)
from tapewire.cli.terminal import say
from tapewire.errors import ConfigError, SimulationError
from tapewire.runs.requests import Request, split_inputs

if TYPE_CHECKING:
    from tapewire.config.problems import Places
    from tapewire.config.schema import RunConfig
    from tapewire.studies import Study
    from tapewire.studies.conducting import Means
    from tapewire.studies.settings import StudySettings

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
#: Where studies go that are not told where.
STUDIES: Final = Path("studies")

Vary = Annotated[
    list[str] | None,
    typer.Option(
        "--vary",
        metavar="NAME=VALUES",
        help="What varies: a parameter, strategy, symbols, day or a key; 1,2,5 or 1:9:2 (from, to, "
        "step) or 0.5:2 (any between, to draw from). Repeat for more.",
    ),
]
StudyFolderOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="The study's folder; default studies/<time>-<name>."),
]
Objectives = Annotated[
    list[str] | None,
    typer.Option(
        "--objective",
        help="What is best: a metric (net_pnl); -max_drawdown for the least. Repeat for more.",
    ),
]
Constraints = Annotated[
    list[str] | None,
    typer.Option("--constraint", help="What best must keep, like 'fills >= 30'."),
]
Block = Annotated[
    str | None,
    typer.Option("--block", help="Of P&L that luck is judged by: day (default), or minutes."),
]
Workers = Annotated[
    Any,
    typer.Option(
        "--workers",
        parser=whole_number,
        metavar="INTEGER",
        help="Processes; default: one for each core.",
    ),
]
ExecutorName = Annotated[
    str, typer.Option("--executor", help="Who does the work: processes (of this machine), or ray.")
]
Address = Annotated[
    str | None,
    typer.Option("--address", help="Of a Ray cluster: HOST:PORT of its head, or auto (default)."),
]
QueueTimeout = Annotated[
    float | None,
    typer.Option(
        "--queue-timeout", metavar="SECONDS",
        help="How long all tasks may wait for a core of a busy Ray cluster (3600).",
    ),
]  # fmt: skip
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the study in the folder.")]
ForceStudy = Annotated[bool, typer.Option("--force", help="Replace a study in the folder.")]
KeepRuns = Annotated[
    bool, typer.Option("--keep-runs", help="Leave the run folder of each pass in runs/.")
]


def sweep(
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
        str | None,
        typer.Option("--method", help="grid (default; every combination), random or list."),
    ] = None,
    draws: Annotated[
        Any,
        typer.Option(
            "--draws", parser=whole_number, metavar="INTEGER", help="Trials of random (100)."
        ),
    ] = None,
    seed: Annotated[
        Any,
        typer.Option(
            "--seed", parser=whole_number, metavar="INTEGER", help="Seed of what is drawn."
        ),
    ] = None,
    objective: Objectives = None,
    constraint: Constraints = None,
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
    plan: Plan = False,
    nodes: Nodes = 1,
    cores: Cores = None,
    rate: Rate = None,
    plan_days: PlanDays = 1,
    plan_symbols: PlanSymbols = 1,
    as_json: PlanJson = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
) -> None:
    """Try combinations of values, many in one pass over the data; say which are best.

    A study: in the configuration says what the options do not.
    """
    from tapewire.studies.sweeping import sweep_checked

    base, settings, name = asked_study(
        inputs, vary, strategy,
        {"method": method, "draws": draws, "seed": seed, "objective": objective,
         "constraints": constraint, "block": block},
        {"symbols": names_in(symbols) or None, "start": time_in(start), "end": time_in(end)},
    )  # fmt: skip
    asked = {
        "--nodes": nodes != 1, "--cores": cores is not None, "--rate": rate is not None,
        "--plan-days": plan_days != 1, "--plan-symbols": plan_symbols != 1, "--json": as_json,
    }  # fmt: skip
    if plan:
        size = (nodes, cores, plan_days, plan_symbols)
        show_plan(base, settings, size, rate, as_json=as_json, quiet=quiet)
        return
    for option, there in asked.items():
        if there:
            raise ConfigError(f"{option}: expected --plan with it, found none")
    run_study(
        lambda means: sweep_checked(base, settings, means),
        settings.objectives[0].metric, name, output, workers, executor, address, queue_timeout,
        force=force, resume=resume, keep_runs=keep_runs, quiet=quiet,
    )  # fmt: skip


def asked_study(
    inputs: list[Path] | None,
    vary: list[str] | None,
    strategy: str | None,
    given: Mapping[str, Any],
    options: Mapping[str, Any],
) -> "tuple[RunConfig, StudySettings, str]":
    """Return what trials differ from, what is tried, and what the study is called.

    Parameters
    ----------
    given
        What options say of the study.
    options
        What they say of the data.
    """
    from tapewire.studies.asking import base_of, read_study

    config_path, files = split_inputs(inputs or [])
    request = Request(
        config=config_path,
        files=[str(path) for path in files],
        strategies=() if strategy is None else (strategy,),
        options=options,
    )
    found, places = read_study(config_path)
    block = given.get("block")
    settings = _settings(
        found, places, vary, {**given, "block": block if block is None else whole_number(block)}
    )
    return base_of(request, settings, as_option), settings, request.name


def run_study(
    do: "Callable[[Means], Study]",
    objective: str,
    name: str,
    output: Path | None,
    workers: Any,
    executor: str = "processes",
    address: str | None = None,
    queue_timeout_s: float | None = None,
    *,
    force: bool,
    resume: bool,
    keep_runs: bool,
    quiet: bool,
) -> None:
    """Have a study done, show how far it is, and say what it came to."""
    from tapewire.cli.study_display import StudyDisplay, summary
    from tapewire.executors import executor_of
    from tapewire.studies.conducting import Means
    from tapewire.studies.session import StudyHooks

    if resume and output is None:
        raise ConfigError("--resume: expected the study's folder (-o), found none")
    count = workers_in(workers)
    with (
        StudyDisplay(quiet=quiet) as display,
        executor_of(
            executor, workers=count, address=address, queue_timeout_s=queue_timeout_s
        ) as team,
    ):
        display.objective = objective
        means = Means(
            output=output or new_folder(name),
            executor=team,
            force=force,
            resume=resume,
            keep_runs=keep_runs,
            hooks=StudyHooks(display.announce, display.progress),
        )
        study = do(means)
    say(summary(study), done=f"the study in {study.path} is complete")
    if study.manifest["failed"]:
        raise typer.Exit(SimulationError.exit_code)


def _settings(
    found: dict[str, Any], places: "Places", vary: list[str] | None, options: dict[str, Any]
) -> "StudySettings":
    from tapewire.studies.asking import names_given, settings_of
    from tapewire.studies.axes import value_of

    given = {name: value for name, value in options.items() if value is not None}
    if vary:
        typed = {}
        for name, text in names_given(vary).items():
            try:
                typed[name] = value_of(text)
            except ValueError as error:
                raise ConfigError(f"--vary {name}: {error}") from None
        given["vary"] = {**(found.get("vary") or {}), **typed}
    return settings_of({**found, **given}, places)


def workers_in(given: Any) -> int | None:
    """Return how many workers are typed; None where nothing is."""
    if given is None:
        return None
    if not isinstance(given, int) or not 1 <= given <= 1024:
        raise ConfigError(f"--workers: expected a number from 1 to 1024, found {given!r}")
    return given


def new_folder(name: str) -> Path:
    """Return the folder of a study that is not told where to go."""
    now = datetime.datetime.now(datetime.UTC)
    return STUDIES / f"{now:%Y%m%dT%H%M%SZ}-{name}"


def as_option(name: str) -> str:
    """Write what a run is asked for as it is typed here."""
    typed = {"files": "FILES", "strategies": "--strategy"}
    return typed.get(name, f"--{name.replace('_', '-')}")
