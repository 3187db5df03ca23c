"""Commands that are done by a server: who is asked, how far it is, what came of it."""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from tapewire.inputs.telling import Steps
    from tapewire.services.client import Client, ServerJob

#: How long a job that is canceled by Ctrl-C may take to end before it is left to itself, s.
_CANCEL_S: Final = 20.0
AtServer = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="HOST:PORT", envvar="TAPEWIRE_SERVER", show_default=False,
        help="Have a server do it, with its store and its data; see tapewire login.",
    ),
]  # fmt: skip


def known_server(server: str) -> "Client":
    """Connect to a server as who one has logged in.

    Raises
    ------
    ConfigError
        If one has not, or what it takes is not installed.
    """
    from tapewire.errors import ConfigError

    try:
        from tapewire.services.client import Client
        from tapewire.services.client.credentials import default_path
    except ImportError as error:
        raise ConfigError(
            f"--server: expected gRPC, found none ({error}): pip install 'tapewire[client]'"
        ) from None
    return Client.known(server, default_path())


def refuse_here(server: str, **options: Any) -> None:
    """Refuse options that say how something is done here.

    Raises
    ------
    ConfigError
        Naming one that was given.
    """
    from tapewire.errors import ConfigError

    for name, value in options.items():
        if value is not None:
            raise ConfigError(
                f"--{name.replace('_', '-')}: expected without --server ({server}), found both"
            )


def wait_for(
    client: "Client", job: "ServerJob", end: "Callable[[int], object] | None" = None
) -> dict[str, Any]:
    """Show how far a job is until it has ended; return its result.

    Ctrl-C ends it: by ``end``, by default it is canceled.

    Raises
    ------
    ServerRefusal
        If it failed or was canceled: with the sentence and exit code of the command here.
    PeerLostError
        If the server does not answer for two minutes.
    """
    print(f"job {job.id} at {client.server}", file=sys.stderr, flush=True)
    try:
        with _Shown() as shown:
            return client.follow_job(job.id, shown)
    except KeyboardInterrupt:
        (end or client.cancel_job)(job.id)
        ended = client.job(job.id)
        until_s = time.monotonic() + _CANCEL_S
        while not ended.has_ended and time.monotonic() < until_s:
            time.sleep(0.2)
            ended = client.job(job.id)
        if ended.has_ended:
            return client.job_result(job.id)
        raise


class _Shown:
    """Progress of a job, on standard error."""

    def __init__(self) -> None:
        self._stack, self._what = ExitStack(), ""
        self._steps: Steps | None = None

    def __enter__(self) -> "_Shown":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __call__(self, job: "ServerJob") -> None:
        from tapewire.inputs.telling import Steps

        what = job.message or f"job {job.id}, {job.state}"
        if self._steps is None or what != self._what:
            self._stack.close()
            self._what = what
            self._steps = self._stack.enter_context(Steps(what, job.steps_total))
        self._steps(job.steps_done)


def bars_there(
    data: Path,
    symbol: str | None,
    interval: str,
    tick_size: str | None,
    faults: str,
    session: str | None,
    dataset: str | None,
) -> dict[str, Any]:
    """Return the bars that options name, as a server is asked for them."""
    return {
        "data": str(data), "symbol": symbol, "interval": interval, "tick_size": tick_size,
        "faults": faults, "session": session, "dataset": dataset,
    }  # fmt: skip
