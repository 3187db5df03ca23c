"""``tapewire serve``, ``login`` and ``logout``: a server over a store, and who one is there."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

SERVE_EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire serve --dev        on this host, with a user and a token made for you\n\n"
    "tapewire serve --address 0.0.0.0:50051 --certificate server.pem --private-key server.key "
    "--store postgresql://tapewire@db/tapewire"
)
LOGIN_EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\ntapewire login 127.0.0.1:50051 --user ada\n\n"
    "tapewire login trading.example.com:50051 --user ada --authority ca.pem"
)


def serve(
    dev: Annotated[
        bool,
        typer.Option(
            "--dev", help="On this host alone: makes an administrator and prints its password."
        ),
    ] = False,
    address: Annotated[
        str, typer.Option("--address", metavar="HOST:PORT", help="Where to listen.")
    ] = "127.0.0.1:50051",
    store: Annotated[
        str,
        typer.Option(
            "--store",
            metavar="URL",
            envvar="TAPEWIRE_STORE",
            help="A file of SQLite's, or a PostgreSQL database.",
        ),
    ] = "tapewire.db",
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="PEM; needed where other hosts reach it.")
    ] = None,
    private_key: Annotated[Path | None, typer.Option("--private-key", help="PEM.")] = None,
    gateways: Annotated[
        int, typer.Option("--gateways", metavar="N", help="Processes that share the port.")
    ] = 1,
    drain_s: Annotated[
        float,
        typer.Option("--drain", metavar="SECONDS", help="What calls that go on have at the end."),
    ] = 10.0,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            "--metrics-port",
            metavar="PORT",
            help="Of the page for Prometheus; each further gateway has the next one.",
        ),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option("--metrics-host", metavar="HOST", help="Who may ask for that page.")
    ] = "127.0.0.1",
    traces: Annotated[
        str,
        typer.Option(
            "--traces",
            metavar="URL",
            envvar="OTEL_EXPORTER_OTLP_ENDPOINT",
            help="Where spans of calls go, by OTLP over gRPC: http://127.0.0.1:4317.",
        ),
    ] = "",
) -> None:
    """Serve a store to clients, each with the rights of its user.

    Without --dev, TAPEWIRE_TOKEN_SECRET has what signs tokens. One line of JSON is written for each
    call, to standard error. Ctrl-C waits for calls that go on, then ends.
    """
    from tapewire.services.server.launching import Launched, serve_store

    def ready(launched: Launched) -> None:
        lines = [f"serving {launched.store} at {launched.address}"]
        if launched.user:
            lines += [
                f"user {launched.user}, password of this run: {launched.password}",
                f"tapewire login {launched.address} --user {launched.user}",
            ]
        print("\n".join(lines), flush=True)

    serve_store(
        address, store, certificate=certificate, private_key=private_key, dev=dev, ready=ready,
        gateways=gateways, drain_s=drain_s, traces=traces,
        metrics="" if metrics_port is None else f"{metrics_host}:{metrics_port}",
    )  # fmt: skip


def login(
    server: Annotated[str, typer.Argument(metavar="HOST:PORT")],
    user: Annotated[str, typer.Option("--user", help="Who you are there.")],
    authority: Annotated[
        Path | None,
        typer.Option("--authority", help="PEM: what the server's certificate is held against."),
    ] = None,
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read it from standard input; else it is asked."),
    ] = False,
) -> None:
    """Log in at a server; who you are is kept in a file that nobody else may read."""
    from tapewire.services.client import Client
    from tapewire.services.client.credentials import authority_of, default_path

    if password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = typer.prompt("password", hide_input=True, err=True)
    with Client(server, authority=authority_of(authority)) as client:
        client.login(user, password).with_authority(authority).keep(default_path())
        told = client.who_am_i()
    print(f"{told['name']} at {server}: {told['role']}, may {', '.join(told['permissions'])}")


def logout(server: Annotated[str, typer.Argument(metavar="HOST:PORT")]) -> None:
    """Log out of a server: its tokens count no more, here or elsewhere."""
    from tapewire.services.client import Client, Credentials
    from tapewire.services.client.credentials import default_path

    path = default_path()
    with Client.known(server, path) as client:
        client.logout()
    Credentials.drop(path, server)
    print(f"logged out of {server}")
