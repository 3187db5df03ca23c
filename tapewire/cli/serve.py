"""``tapewire serve``, ``login`` and ``logout``: a server over a store, and who one is there."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Final

import typer

from tapewire.children import module_command

#: Workers that one server starts at most.
WORKERS_MAX: Final = 64
#: How often a worker looks whether the server lives that started it, s.
_LOOK_S: Final = 0.5
ServedData = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="FOLDER", show_default=False,
        help="Files that jobs may read, by their names in here; default: none.",
    ),
]  # fmt: skip
ServedStrategies = Annotated[
    Path | None,
    typer.Option(
        "--strategies", metavar="FOLDER", show_default=False,
        help="Strategies in Python or JSON that runs may name; default: none.",
    ),
]  # fmt: skip
ServedRuns = Annotated[
    Path,
    typer.Option(
        "--runs", metavar="FOLDER",
        help="Where folders of runs are written; the same for a server and its workers.",
    ),
]  # fmt: skip
KeepRuns = Annotated[
    int | None,
    typer.Option(
        "--keep-runs", metavar="DAYS", min=30, show_default=False,
        help="Remove folders of runs that old whose jobs the store has forgotten, 30 days after "
        "their end; default: all stay.",
    ),
]  # fmt: skip
Threads = Annotated[
    int | None,
    typer.Option(
        "-j", "--jobs", min=1, show_default=False,
        help="Threads of a worker; default: all cores.",
    ),
]  # fmt: skip

SERVE_EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire serve --dev --data bars        on this host, with a user and a password made for you"
    "\n\n"
    "tapewire serve --address 0.0.0.0:50051 --certificate server.pem --private-key server.key "
    "--store postgresql://tapewire@db/tapewire"
)
WORKER_EXAMPLES: Final = (
    "[bold]Example[/bold]\n\n"
    "tapewire worker --store postgresql://tapewire@db/tapewire --data /srv/bars"
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
    data: ServedData = None,
    strategies: ServedStrategies = None,
    runs: ServedRuns = Path("runs"),
    accounts: Annotated[
        Path | None,
        typer.Option(
            "--accounts",
            metavar="FOLDER",
            show_default=False,
            help="Its folders are those of accounts at a broker, which traders may kill from "
            "the web; default: none.",
        ),
    ] = None,
    keep_runs: KeepRuns = None,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            min=0,
            max=WORKERS_MAX,
            help="Processes that do jobs, beside those of tapewire worker.",
        ),
    ] = 1,
    threads: Threads = None,
    gateways: Annotated[
        int, typer.Option("--gateways", metavar="N", help="Processes that share the port.")
    ] = 1,
    drain_s: Annotated[
        float,
        typer.Option("--drain", metavar="SECONDS", help="What calls that go on have at the end."),
    ] = 10.0,
    web_port: Annotated[
        int | None,
        typer.Option(
            "--web-port", metavar="PORT", help="Of the studio, a page in a browser; 0: a free one."
        ),
    ] = None,
    web_host: Annotated[
        str, typer.Option("--web-host", metavar="HOST", help="Where browsers reach it.")
    ] = "127.0.0.1",
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
    """Serve a store to clients, each with the rights of its user, and do what they ask for.

    Without --dev, TAPEWIRE_TOKEN_SECRET has what signs tokens. One line of JSON is written for each
    call, to standard error. Ctrl-C waits for calls that go on, then ends; jobs that go on are given
    back, and begun again by whoever is there.
    """
    from tapewire.services.jobs import WorkerGroup
    from tapewire.services.server.launching import Launched, serve_store

    def ready(launched: Launched) -> None:
        lines = [f"serving {launched.store} at {launched.address}"]
        lines += [f"studio {launched.web}"] if launched.web else []
        if launched.user:
            lines += [
                f"user {launched.user}, password of this run: {launched.password}",
                f"tapewire login {launched.address} --user {launched.user}",
            ]
        print("\n".join(lines), flush=True)

    def started() -> WorkerGroup:
        command = [*module_command("tapewire"), "worker", "--parent-pid", str(os.getpid())]
        command += ["--data", str(data)] if data is not None else []
        command += ["--strategies", str(strategies)] if strategies is not None else []
        command += ["--runs", str(runs)]
        command += ["--keep-runs", str(keep_runs)] if keep_runs is not None else []
        command += ["--jobs", str(threads)] if threads is not None else []
        # Not in its arguments, which all who share the host may read: there may be a password.
        return WorkerGroup(command, workers, {"TAPEWIRE_STORE": store})

    serve_store(
        address, store, certificate=certificate, private_key=private_key, dev=dev, ready=ready,
        gateways=gateways, drain_s=drain_s, traces=traces,
        metrics="" if metrics_port is None else f"{metrics_host}:{metrics_port}",
        web="" if web_port is None else f"{web_host}:{web_port}",
        data=data, strategies=strategies, runs=runs, accounts=accounts, workers=started,
    )  # fmt: skip


def worker(
    store: Annotated[
        str,
        typer.Option("--store", metavar="URL", envvar="TAPEWIRE_STORE", help="The server's store."),
    ] = "tapewire.db",
    data: ServedData = None,
    strategies: ServedStrategies = None,
    runs: ServedRuns = Path("runs"),
    keep_runs: KeepRuns = None,
    threads: Threads = None,
    lease_s: Annotated[
        float,
        typer.Option(
            "--lease",
            min=1.0,
            max=3_600.0,
            help="Seconds after which another worker takes over, where this one is lost.",
        ),
    ] = 15.0,
    parent_pid: Annotated[int | None, typer.Option("--parent-pid", hidden=True)] = None,
) -> None:
    """Do the jobs of a server's store, one after the other, on this host or another one.

    One line of JSON is written for each job, to standard error. Ctrl-C or SIGTERM gives back the
    job that goes on, which is begun again by another worker.
    """
    import socket

    from tapewire.factory.jobs import WORK
    from tapewire.services.jobs import JobWorker, WorkerSettings
    from tapewire.services.server.log_lines import write_log_to
    from tapewire.services.server.settings import require_folder
    from tapewire.store import Store

    require_folder(data)
    require_folder(strategies, "strategies")
    write_log_to(sys.stderr, "tapewire.worker")
    ending, leaving = threading.Event(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    if parent_pid is not None:
        _leave_with(parent_pid, leaving)
    settings = WorkerSettings(
        store, "tapewire.factory.jobs:do_job", tuple(WORK), f"{socket.gethostname()}:{os.getpid()}",
        data, threads, lease_s, strategies, runs,
    )  # fmt: skip
    with Store.open(store) as opened:

        def tidy() -> None:
            from tapewire.runs.forgotten import remove_forgotten

            assert keep_runs is not None
            remove_forgotten(opened, runs, keep_runs, f"worker {settings.name}")

        JobWorker(opened, settings, None if keep_runs is None else tidy).run(ending, leaving)


def _leave_with(parent_pid: int, leaving: threading.Event) -> None:
    """Take no more jobs once the server is gone that started this; the one that goes on is done."""

    def look() -> None:
        while os.getppid() == parent_pid:
            leaving.wait(_LOOK_S)
        leaving.set()

    threading.Thread(target=look, name="tapewire-parent", daemon=True).start()


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
