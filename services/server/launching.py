"""A server as a command starts it: its store, its first user, its loop."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tapewire.errors import ConfigError
from tapewire.services.auth.passwords import PasswordHasher
from tapewire.services.auth.sealing import VARIABLE
from tapewire.services.auth.tokens import new_refresh_token
from tapewire.services.server.settings import (
    ServerSettings,
    host_and_port,
    is_loopback,
    new_secret,
    secret_of,
)

if TYPE_CHECKING:
    from tapewire.store import Store

#: The user that ``--dev`` makes.
DEV_USER: Final = "dev"


@dataclass(frozen=True)
class Launched:
    """What somebody has to know who started a server.

    Attributes
    ----------
    address : str
        With the port that it got.
    web : str
        Of the studio, as a browser takes it; empty: there is none.
    store : str
    user, password : str
        Of the user that was made for it; empty without ``--dev``.
    """

    address: str
    web: str
    store: str
    user: str
    password: str


def serve_store(
    address: str,
    store_url: str,
    *,
    certificate: Path | None,
    private_key: Path | None,
    dev: bool,
    ready: Callable[[Launched], None],
    data: Path | None = None,
    strategies: Path | None = None,
    runs: Path | None = None,
    accounts: Path | None = None,
    workers: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
    gateways: int = 1,
    drain_s: float = 10.0,
    metrics: str = "",
    web: str = "",
    traces: str = "",
) -> None:
    """Serve a store until the command is stopped.

    Parameters
    ----------
    address, store_url, certificate, private_key, gateways, drain_s, metrics, web, traces
        See `ServerSettings`.
    dev
        On this host alone, without a certificate: an administrator is made, with a password of
        this run, and what signs tokens is made and forgotten.
    ready
        Told when it listens.
    data
        A folder of files that jobs may read.
    strategies, runs, accounts
        See `ServerSettings`.
    workers
        Starts those who do jobs, for as long as it serves.

    Raises
    ------
    ConfigError
        If a setting is wrong, there is no secret, or ``--dev`` would be reached by others.
    StoreError
        If the store can't be opened.
    EndpointError
        If nobody can listen there.
    """
    host, _ = host_and_port(address)
    if dev and not is_loopback(host):
        raise ConfigError(
            f"address: expected this host's own (127.0.0.1) with --dev, found {host}; without "
            "--dev other hosts may reach it, with a certificate"
        )
    secret = new_secret() if dev else secret_of(os.environ)
    settings = ServerSettings(
        address, store_url, secret, certificate, private_key, data,
        drain_s=drain_s, gateways=gateways,
        metrics=metrics, web=web, traces=traces, secret_keys=os.environ.get(VARIABLE, ""),
        strategies=strategies, runs=runs, accounts=accounts,
    )  # fmt: skip
    prepare(settings)
    from tapewire.services.server.gateways import serve_gateways
    from tapewire.services.server.serving import Server, serve
    from tapewire.store import Store

    store = Store.open(store_url)
    try:
        password = _dev_password(store) if dev else ""
    except BaseException:
        store.close()
        raise

    def told(port: int, server: Server | None = None) -> None:
        shown = f"{address.rpartition(':')[0]}:{port}"
        page = ""
        if web:
            scheme = "http" if certificate is None else "https"
            web_port = server.web_port if server is not None else web.rpartition(":")[2]
            page = f"{scheme}://{web.rpartition(':')[0]}:{web_port}/"
        ready(Launched(shown, page, store.url, DEV_USER if dev else "", password))

    if gateways > 1:
        store.close()
        with workers():
            serve_gateways(settings, told)
        return
    with workers(), asyncio.Runner(loop_factory=fast_loop) as runner:
        runner.run(serve(settings, store, ready=told))


def prepare(settings: ServerSettings) -> None:
    """Do what a process does before it loads gRPC: its log, which versions of TLS there are."""
    if settings.certificate is not None:
        from tapewire.services.server.tls import restrict_tls

        restrict_tls(settings.certificate)
    from tapewire.services.server.log_lines import write_log_to

    write_log_to(sys.stderr)


def _dev_password(store: "Store") -> str:
    """Make the user of ``--dev``, or give it a password of this run."""
    password = new_refresh_token()[:24]
    kept = PasswordHasher().hashed(password)
    user = store.user(DEV_USER)
    if user is None:
        store.add_user(DEV_USER, "admin", kept, by="serve --dev")
    else:
        store.set_user(user.id, password_hash=kept, is_active=True, by="serve --dev")
    return password


def fast_loop() -> asyncio.AbstractEventLoop:
    """Return the loop that servers run in."""
    import uvloop

    return uvloop.new_event_loop()
