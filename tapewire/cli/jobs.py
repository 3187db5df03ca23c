"""``tapewire jobs …``: what a server was asked to do, and how far it is."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tapewire.cli.factory_options import AsJson
from tapewire.cli.remote import AtServer, known_server, wait_for

if TYPE_CHECKING:
    from tapewire.services.client import Client, ServerJob

app = typer.Typer(
    name="jobs",
    help="List, show, follow and cancel what a server was asked to do.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
JobId = Annotated[int, typer.Argument(metavar="JOB", min=1, help="Its number.")]


def _at(server: str | None) -> "Client":
    from tapewire.errors import ConfigError

    if server is None:
        raise ConfigError("--server: expected HOST:PORT, or TAPEWIRE_SERVER, found neither")
    return known_server(server)


@app.command("list", epilog="[bold]Example[/bold]\n\ntapewire jobs list --state running")
def list_(
    server: AtServer = None,
    state: Annotated[
        str, typer.Option("--state", help="waiting, running, done, failed or canceled.")
    ] = "",
    kind: Annotated[
        str, typer.Option("--kind", help="generate, evolve, test, judge or optimize.")
    ] = "",
    after: Annotated[
        str, typer.Option("--after", show_default=False, help="Where the page before ended.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000, help="Rows.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List a server's jobs, the newest first, page by page."""
    from rich.console import Console

    from tapewire.cli.factory_display import print_json
    from tapewire.errors import ConfigError
    from tapewire.inputs.telling import tell

    states = ("", "waiting", "running", "done", "failed", "canceled")
    if state not in states:
        raise ConfigError(f"--state: expected one of {', '.join(states[1:])}, found {state!r}")
    with _at(server) as client:
        jobs, following = client.jobs(state=state, kind=kind, page_size=limit, page_token=after)
    if as_json:
        print_json({"jobs": [asdict(one) for one in jobs], "after": following or None})
        return
    console = Console()
    tell(console, f"{'id':>6}  {'kind':<9} {'state':<9} {'done':>5}  owner")
    for one in jobs:
        tell(
            console,
            f"{one.id:>6}  {one.kind:<9} {one.state:<9} {one.progress:>5.0%}  {one.owner}",
        )
    if not jobs:
        tell(console, "no job")
    if following:
        tell(console, f"more: --after {following}")


@app.command(epilog="[bold]Example[/bold]\n\ntapewire jobs show 12")
def show(job: JobId, server: AtServer = None, as_json: AsJson = False) -> None:
    """Show a job: what was asked for, how far it is, what came of it."""
    import json

    from rich.console import Console

    from tapewire.cli.factory_display import print_json
    from tapewire.inputs.telling import tell

    with _at(server) as client:
        found, asked = client.job(job), client.job_asked(job)
        result = client.job_result(job) if found.state == "done" else None
    if as_json:
        print_json({**asdict(found), "asked": asked, "result": result})
        return
    console = Console()
    tell(console, _line(found))
    tell(console, f"asked: {json.dumps(asked, ensure_ascii=False)}")
    for name in ("created_at", "started_at", "ended_at"):
        if moment := getattr(found, name):
            tell(console, f"{name.removesuffix('_at')}: {moment}")
    if result is not None:
        tell(console, f"result: {json.dumps(result, ensure_ascii=False)}")


@app.command(epilog="[bold]Example[/bold]\n\ntapewire jobs cancel 12")
def cancel(job: JobId, server: AtServer = None, as_json: AsJson = False) -> None:
    """Have a job end: at once if it waits, within seconds if it runs.

    A session that trades is told to stop, in order; canceled once more, it ends at once.
    """
    from rich.console import Console

    from tapewire.cli.factory_display import print_json
    from tapewire.inputs.telling import tell

    with _at(server) as client:
        found = client.cancel_job(job)
    if as_json:
        print_json(asdict(found))
        return
    ends = "will end" if found.kind == "live" else "will be canceled"
    words = f"job {job}: {ends}" if found.state == "running" else _line(found)
    tell(Console(), words)


@app.command(epilog="[bold]Example[/bold]\n\ntapewire jobs follow 12")
def follow(job: JobId, server: AtServer = None, as_json: AsJson = False) -> None:
    """Wait for a job's end, and end as the command would have that asked for it.

    Ctrl-C cancels it.
    """
    from rich.console import Console

    from tapewire.cli.factory_display import print_json
    from tapewire.inputs.telling import tell

    with _at(server) as client:
        result = wait_for(client, client.job(job))
        found = client.job(job)
    if as_json:
        print_json(result)
        return
    tell(Console(), f"{_line(found)}; tapewire jobs show {job} has what came of it")


def _line(job: "ServerJob") -> str:
    of = "" if job.steps_total is None else f" of {job.steps_total:,}"
    steps = f", {job.message}: {job.steps_done:,}{of}" if job.message else ""
    search = "" if job.generation_id is None else f", generation {job.generation_id}"
    why = f": {job.error}" if job.error else ""
    return f"job {job.id} ({job.kind} for {job.owner}): {job.state}{steps}{search}{why}"
