"""``tapewire sweep --plan``: what a study would take, without doing it."""

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tapewire.cli.terminal import say
from tapewire.errors import ConfigError

if TYPE_CHECKING:
    from tapewire.config.schema import RunConfig
    from tapewire.studies.estimate import Estimate
    from tapewire.studies.settings import StudySettings


@dataclasses.dataclass(frozen=True)
class PlanOptions:
    """What a plan is of; all but the first need it."""

    plan: Annotated[
        bool,
        typer.Option("--plan", help="Say what it would take (hours, bytes, memory); do nothing."),
    ] = False
    nodes: Annotated[int, typer.Option("--nodes", min=1, help="Plan for so many hosts.")] = 1
    cores: Annotated[
        int | None, typer.Option("--cores", min=1, help="Plan for so many cores of each.")
    ] = None
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            min=1.0,
            help="Plan with so many records a second a trial on a core; else it is measured.",
        ),
    ] = None
    plan_days: Annotated[
        int,
        typer.Option("--plan-days", min=1, help="Plan as if the data were one of so many days."),
    ] = 1
    plan_symbols: Annotated[
        int,
        typer.Option(
            "--plan-symbols", min=1, help="Plan as if they were of one of so many symbols."
        ),
    ] = 1

    def require_none(self) -> None:
        """Refuse what is said of a plan that nobody asked for.

        Raises
        ------
        ConfigError
            Naming it.
        """
        for field in dataclasses.fields(self):
            if getattr(self, field.name) != field.default:
                option = f"--{field.name.replace('_', '-')}"
                raise ConfigError(f"{option}: expected --plan with it, found none")


_GIB = 1 << 30
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def show_plan(
    base: "RunConfig",
    settings: "StudySettings",
    asked: PlanOptions,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Say what a sweep would take.

    Parameters
    ----------
    asked
        Of what size; without cores as many as there are here.
    """
    from tapewire.executors import usable_cores
    from tapewire.processes.signals import interruptible
    from tapewire.studies.estimate import Rates, Size
    from tapewire.studies.sweeping import estimate_sweep

    def announce(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    with interruptible():
        found = estimate_sweep(
            base,
            settings,
            Size(asked.plan_days, asked.plan_symbols, asked.nodes, asked.cores or usable_cores()),
            None if asked.rate is None else Rates.said(asked.rate),
            announce,
        )
    text = json.dumps(found.to_dict(), indent=1) if as_json else plan_text(found)
    say(text, done="the plan is made")


def plan_text(found: "Estimate") -> str:
    """Return a plan as aligned text."""
    size, rates = found.size, found.rates
    times = f" × {size.days:,} days × {size.symbols:,} symbols" if size.times > 1 else ""
    memory = "not measured (--rate)"
    if found.memory_bytes is not None and found.node_bytes is not None:
        memory = f"{found.memory_bytes / _GIB:.2f} GiB a process, "
        memory += f"{found.node_bytes / _GIB:.1f} GiB a node"
    if rates.source == "said":
        speed = f"{1 / rates.first_s:,.0f} records/s a trial on a core, as said"
    else:
        speed = (
            f"{1 / rates.first_s:,.0f} records/s on a core, {rates.more_s * 1e9:.0f} ns a record "
        )
        speed += f"for each further trial, {rates.start_s:.1f} s to begin "
        speed += (
            "and end a pass; measured here" if rates.ends else "a pass (not to end it); measured"
        )
    facts = {
        "trials": f"{found.trials:,}{times}",
        "passes": f"{found.passes:,} of at most {found.trials_of_pass} trials",
        "records": f"{found.records:,} over all passes",
        "to read": f"{bytes_text(found.bytes_read)}, {bytes_text(found.node_bytes_per_s)}/s a node",
        "memory": memory,
        "cores": f"{size.nodes:,} nodes × {size.cores:,} cores",
        "time": f"{found.hours:,.2f} hours ({found.core_hours:,.2f} hours of a core)",
        "rates": speed,
    }
    return "\n".join(f"{name:<9}{text}" for name, text in facts.items())


def bytes_text(count: float) -> str:
    """Return a number of bytes as people say it: 1.2 TB."""
    power = 0
    while count >= 1000 and power < len(_UNITS) - 1:
        count /= 1000
        power += 1
    return f"{count:.0f} {_UNITS[power]}" if power == 0 else f"{count:.1f} {_UNITS[power]}"
