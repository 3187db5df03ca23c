"""Options of the verbs that make studies: each is declared here once, in groups.

A command takes a group as one parameter; `in_groups` has Typer see the options of which it is made.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from tapewire.cli.options import End, Start, Symbols, names_in, time_in, whole_number
from tapewire.errors import ConfigError

Inputs = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="CONFIG|FILES",
        help="A YAML configuration, market data, or both, as for tapewire run.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """What trials are over."""

    strategy: Annotated[
        str | None,
        typer.Option("-s", "--strategy", help="The one strategy to try: its name, or a type."),
    ] = None
    symbols: Symbols = None
    start: Start = None
    end: End = None

    def of_run(self) -> dict[str, Any]:
        """Return what of it a run is asked for."""
        return {"symbols": names_in(self.symbols) or None, "start": time_in(self.start),
                "end": time_in(self.end)}  # fmt: skip

    @property
    def strategies(self) -> tuple[str, ...]:
        """Strategies that a run is asked for."""
        return () if self.strategy is None else (self.strategy,)


@dataclasses.dataclass(frozen=True)
class TrialOptions:
    """What is tried, and what is best."""

    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="NAME=VALUES",
            help="What varies: a parameter, strategy, symbols, day or a key; 1,2,5 or 1:9:2 (from, "
            "to, step) or 0.5:2 (any between, to draw from). Repeat for more.",
        ),
    ] = None
    objective: Annotated[
        list[str] | None,
        typer.Option(
            "--objective",
            help="What is best: a metric (net_pnl); -max_drawdown for the least. Repeat for more.",
        ),
    ] = None
    constraint: Annotated[
        list[str] | None,
        typer.Option("--constraint", help="What best must keep, like 'fills >= 30'."),
    ] = None
    block: Annotated[
        str | None,
        typer.Option("--block", help="Of P&L that luck is judged by: day (default), or minutes."),
    ] = None
    seed: Annotated[
        Any,
        typer.Option(
            "--seed", parser=whole_number, metavar="INTEGER", help="Seed of what is drawn."
        ),
    ] = None

    def of_study(self) -> dict[str, Any]:
        """Return what of it stands in a study, but what varies."""
        block = None if self.block is None else whole_number(self.block)
        return {"objective": self.objective, "constraints": self.constraint, "block": block,
                "seed": self.seed}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class WorkOptions:
    """Where a study goes, and who does it."""

    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The study's folder; default studies/<time>-<name>."),
    ] = None
    workers: Annotated[
        Any,
        typer.Option(
            "--workers",
            parser=whole_number,
            metavar="INTEGER",
            help="Processes; default: one for each core.",
        ),
    ] = None
    executor: Annotated[
        str,
        typer.Option("--executor", help="Who does the work: processes (of this machine), or ray."),
    ] = "processes"
    address: Annotated[
        str | None,
        typer.Option(
            "--address", help="Of a Ray cluster: HOST:PORT of its head, or auto (default)."
        ),
    ] = None
    queue_timeout: Annotated[
        float | None,
        typer.Option(
            "--queue-timeout", metavar="SECONDS",
            help="How long all tasks may wait for a core of a busy Ray cluster (3600).",
        ),
    ] = None  # fmt: skip
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the study in the folder.")
    ] = False
    force: Annotated[bool, typer.Option("--force", help="Replace a study in the folder.")] = False
    keep_runs: Annotated[
        bool, typer.Option("--keep-runs", help="Leave the run folder of each pass in runs/.")
    ] = False
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False

    def check(self) -> None:
        """Refuse what does not go together.

        Raises
        ------
        ConfigError
            Naming it.
        """
        if self.resume and self.output is None:
            raise ConfigError("--resume: expected the study's folder (-o), found none")
        if self.workers is not None and (
            not isinstance(self.workers, int) or not 1 <= self.workers <= 1024
        ):
            raise ConfigError(
                f"--workers: expected a number from 1 to 1024, found {self.workers!r}"
            )


def in_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that is given options one by one, and hands them on in their groups.

    Parameters
    ----------
    command
        Its parameters are options, or groups of them: classes of fields that are options.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[Any, list[str]]] = {}
    for name, one in inspect.signature(command).parameters.items():
        kind = hints[name]
        if not dataclasses.is_dataclass(kind):
            parameters.append(one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=kind))
            continue
        options = get_type_hints(kind, include_extras=True)
        fields = dataclasses.fields(kind)
        groups[name] = kind, [field.name for field in fields]
        parameters += [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default,
                annotation=options[field.name],
            )
            for field in fields
        ]  # fmt: skip

    @functools.wraps(command)
    def whole(**given: Any) -> None:
        made = {
            name: kind(**{field: given.pop(field) for field in fields})
            for name, (kind, fields) in groups.items()
        }
        command(**made, **given)

    whole.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    whole.__annotations__ = {one.name: one.annotation for one in parameters}
    return whole
