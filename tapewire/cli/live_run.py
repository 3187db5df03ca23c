"""``tapewire live``."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tapewire.cli.options import Symbols, names_in, whole_number
from tapewire.cli.remote import AtServer, known_server, refuse_here, wait_for
from tapewire.cli.terminal import say

if TYPE_CHECKING:
    from tapewire.config.yaml import KeyPath
    from tapewire.services.client import Client

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire live session.yaml                       a configuration with live data (key live)\n\n"
    "tapewire live --dataset GLBX.MDP3 --symbols ESZ6 -s market_maker   default settings\n\n"
    "tapewire live session.yaml --for 3600 -o results/monday   an hour\n\n"
    "tapewire run results/monday/config.yaml          its recording, once more\n\n"
    "tapewire live session.yaml --server HOST:PORT     a server's session, on paper"
)


def live(
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG",
            help="A YAML configuration: that of a backtest, and live data under the key live.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A new run folder; default runs/<time>-<name>."),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            "-s",
            "--strategy",
            help="Run this one (repeat for more): a name in the configuration, else a type.",
        ),
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="Like GLBX.MDP3.")] = None,
    symbols: Symbols = None,
    stype_in: Annotated[
        str | None,
        typer.Option("--stype-in", help="raw_symbol, parent, continuous or instrument_id."),
    ] = None,
    gateway: Annotated[
        str | None, typer.Option("--gateway", help="host:port of another than Databento's own.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--for", help="So many seconds; by default until Ctrl-C.")
    ] = None,
    seed: Annotated[
        Any,
        typer.Option(
            "--seed", parser=whole_number, metavar="INTEGER", help="Seed of random draws."
        ),
    ] = None,
    metrics_port: Annotated[
        Any,
        typer.Option(
            "--metrics-port",
            parser=whole_number,
            metavar="PORT",
            help="Serve figures for Prometheus at http://127.0.0.1:PORT/metrics while it goes.",
        ),
    ] = None,
    role: Annotated[
        str, typer.Option("--role", help="'live', for orders that are real (orders.mode: live).")
    ] = "",
    typed: Annotated[
        str | None,
        typer.Option("--confirm", help="What is asked for then: 'trade ACCOUNT live'."),
    ] = None,
    server: AtServer = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
) -> None:
    """Trade over Databento's live MBO, with the key in DATABENTO_API_KEY: on paper, or at a broker.

    On paper orders have their exact places in the queues of the books, with the latencies, fees
    and limits of the configuration; none leaves this host. Where the configuration says so
    (live.orders), they go through rails to a broker. What comes is recorded beside the run folder.
    The first Ctrl-C ends the session in order, with a report; a second one at once. A server's
    session (--server) is on paper, and goes on in its studio; without the key live, it is over
    files at their pace.
    """
    if server is not None:
        refuse_here(
            server, output=output, strategy=strategy, dataset=dataset, symbols=symbols,
            stype_in=stype_in, gateway=gateway, seed=seed, metrics_port=metrics_port,
            role=role or None, confirm=typed,
        )  # fmt: skip
        _trade_there(server, config, seconds)
        return
    from tapewire.cli.display import Display, summary
    from tapewire.cli.live import LiveDisplay
    from tapewire.config.live import LIVE, LiveSettings
    from tapewire.config.parts import checked_part, read_part
    from tapewire.runs.hooks import Hooks
    from tapewire.runs.live import run_live
    from tapewire.runs.requests import Request

    given = {
        "dataset": dataset, "symbols": names_in(symbols) or None, "stype_in": stype_in,
        "gateway": gateway,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    labels: dict[KeyPath, str] = {
        (LIVE, name): f"--{name.replace('_', '-')}" for name in ("dataset", "symbols", *given)
    }
    found, places = read_part(config, LIVE)
    settings = checked_part(LiveSettings, LIVE, {**found, **given}, replace(places, typed=labels))
    request = Request(
        config=config, files=["live.dbn"], strategies=strategy or (),
        options={"seed": seed, "metrics_port": metrics_port},
    )  # fmt: skip
    run_config = request.checked(_as_option)
    if typed is None and settings.orders is not None and settings.orders.mode == "live":
        typed = _asked(settings.orders.account, role)
    with Display(quiet=True) if quiet else LiveDisplay() as display:
        result = run_live(
            run_config, settings, name=config.stem if config is not None else "live",
            output=output, seconds=seconds, role=role, confirmed=typed,
            hooks=Hooks(display.announce, display.progress, display.working),
        )  # fmt: skip
    say(summary(result), done=f"the session in {result.path} is complete")


def _trade_there(server: str, config: Path | None, seconds: float | None) -> None:
    """Have a server trade, and see it to its end."""
    from tapewire.config.loading import read_config_text
    from tapewire.errors import ConfigError

    if config is None:
        raise ConfigError("CONFIG: expected a YAML configuration with --server, found none")
    with known_server(server) as client:
        job = client.start_session(read_config_text(config), duration_s=seconds)
        result = wait_for(client, job, lambda job_id: _stop(client, job_id))
    for text in result["warnings"]:
        print(f"warning: {text}", file=sys.stderr)
    say(
        f"run {result['run']} at {server}: {result['events']:,} events, digest {result['digest']}",
        done=f"the session is complete: run {result['run']} at {server}",
    )


def _stop(client: "Client", job_id: int) -> None:
    """End a session in order; one that has not begun is canceled."""
    from tapewire.services.client import ServerRefusal

    try:
        client.stop_session(job_id)
    except ServerRefusal:
        client.cancel_job(job_id)


def _asked(account: str, role: str) -> str | None:
    """Have a person type that orders shall be real; None: who asks may not have that anyway."""
    from tapewire.live.rails.settings import ROLE_LIVE, confirmation_of

    if role != ROLE_LIVE:
        return None
    said: str = typer.prompt(f"type {confirmation_of(account)!r} to send real orders", err=True)
    return said


def _as_option(name: str) -> str:
    """Write what a run is asked for as it is typed here."""
    return {"strategies": "--strategy"}.get(name, f"--{name.replace('_', '-')}")
