"""A server's life: it opens its store, listens, and ends without cutting anybody off."""

import asyncio
import gc
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc
import grpc.aio

from tapewire.errors import EndpointError
from tapewire.services.auth.rates import Limits, RateLimiter
from tapewire.services.auth.sealing import KeyRing
from tapewire.services.auth.shared import SharedState
from tapewire.services.auth.tokens import TokenIssuer
from tapewire.services.proto import (
    accounts_pb2_grpc,
    health_pb2_grpc,
    keys_pb2_grpc,
    strategies_pb2_grpc,
)
from tapewire.services.server.account_desk import AccountDesk
from tapewire.services.server.accounts import Accounts
from tapewire.services.server.answering import add_job_services
from tapewire.services.server.database import Database
from tapewire.services.server.guarding import CallGuard
from tapewire.services.server.handlers import Handlers
from tapewire.services.server.health import Health
from tapewire.services.server.identity import Identity
from tapewire.services.server.job_desk import JobDesk
from tapewire.services.server.jobs import Jobs
from tapewire.services.server.keys import Keys
from tapewire.services.server.measures import Measures
from tapewire.services.server.run_desk import RunDesk, RunPlaces
from tapewire.services.server.settings import (
    CALLS_OF_CONNECTION_MAX,
    MESSAGE_BYTES_MAX,
    ServerSettings,
    host_and_port,
)
from tapewire.services.server.standard import StandardHealth, add_standard
from tapewire.services.server.store_figures import watch_store
from tapewire.services.server.strategies import Strategies
from tapewire.services.server.tls import require_pair
from tapewire.services.server.traces import Traces
from tapewire.store import Store

if TYPE_CHECKING:
    from tapewire.services.web.serving import WebServer

#: Calls of one user, and of one address, a second; bursts are twice as many.
_PER_USER: Final = 2_000.0
_PER_ADDRESS: Final = 4_000.0
#: Their tables of what gateways share.
_USERS: Final = 0
_ADDRESSES: Final = 1


class Server:
    """A server over a store, or one of its gateways.

    Parameters
    ----------
    settings
    store
        Open; it is closed with the server.
    shared
        What gateways of one server know together; None: there is one alone.
    """

    def __init__(
        self, settings: ServerSettings, store: Store, shared: SharedState | None = None
    ) -> None:
        self._settings, self._shared = settings, shared
        self.measures = Measures()
        self._traces = Traces.to(settings.traces) if settings.traces else None
        self._database = Database(store, self.measures, settings.token_secret, self._traces)
        runs = (settings.runs or Path("runs")).absolute()
        places = RunPlaces(settings.store, settings.data, settings.strategies, runs)
        self._runs = RunDesk(places)
        self._accounts = AccountDesk(self._database, settings.accounts)
        issuer = TokenIssuer(settings.token_secret, time.time)
        self._identity = Identity(self._database, issuer, shared=shared)
        self._ring = KeyRing.of_text(settings.secret_keys) if settings.secret_keys else None
        self._server: grpc.aio.Server | None = None
        self._watching: asyncio.Task[None] | None = None
        self._web: WebServer | None = None
        self._jobs: Jobs | None = None
        #: Of the studio; 0: there is none.
        self.web_port = 0
        path = Path(store.url) if store.is_sqlite else Path.cwd()
        folder = path.parent if path.is_file() else Path.cwd()
        self._health = Health(self._database, folder)
        self._standard = StandardHealth(self._health.serves)
        self._guard = CallGuard(
            self._identity,
            per_user=self._limits(_USERS, _PER_USER),
            per_address=self._limits(_ADDRESSES, _PER_ADDRESS),
            measures=self.measures,
            calls_max=settings.calls_max,
            streams_max=settings.streams_max,
            traces=self._traces,
        )

    async def start(self) -> int:
        """Listen, and return the port.

        Raises
        ------
        EndpointError
            If nobody can listen there.
        FormatError
            If certificate or key are none.
        """
        settings = self._settings
        handlers = Handlers()
        self._add_services(handlers)
        add_standard(handlers, self._standard)
        self._guard.guard(handlers.by_call)
        server = grpc.aio.server(
            # What the guard sends away has a sentence; this is for what it does not see in time.
            maximum_concurrent_rpcs=2 * (settings.calls_max + settings.streams_max),
            options=(
                ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
                ("grpc.max_metadata_size", 16 << 10),
                ("grpc.max_concurrent_streams", CALLS_OF_CONNECTION_MAX),
                ("grpc.server_handshake_timeout_ms", 10_000),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
                # Without gateways a second server would share the port, and get half of the calls.
                ("grpc.so_reuseport", int(settings.gateways > 1)),
            ),
        )
        server.add_generic_rpc_handlers((self._guard,))
        port = self._listen(server)
        if settings.metrics:
            host, first = host_and_port(settings.metrics)
            self.measures.serve(host, first + settings.gateway if first else 0)
            if settings.gateway == 0:
                self._watching = asyncio.create_task(watch_store(self._database, self.measures))
        await server.start()
        self._server = server
        if settings.web:
            self.web_port = await self._serve_web()
        return port

    def _add_services(self, server: Handlers) -> None:
        accounts = Accounts(self._identity, self._database, self.measures)
        accounts_pb2_grpc.add_AuthServiceServicer_to_server(accounts, server)
        desk = JobDesk(self._database)
        strategies = Strategies(self._database, desk, self._runs)
        strategies_pb2_grpc.add_StrategyServiceServicer_to_server(strategies, server)
        self._jobs = add_job_services(
            server, self._database, desk, self._settings.data, self._runs, self._accounts
        )
        keys_pb2_grpc.add_KeyServiceServicer_to_server(Keys(self._database, self._ring), server)
        health_pb2_grpc.add_HealthServiceServicer_to_server(self._health, server)

    async def _serve_web(self) -> int:
        """Listen for browsers, and return the port."""
        from tapewire.services.web.app import studio
        from tapewire.services.web.calls import WebCalls
        from tapewire.services.web.serving import WebServer

        settings = self._settings
        secure = settings.certificate is not None
        self._web = WebServer(
            studio(WebCalls(self._guard), secure=secure, opened=self._runs.start),
            *host_and_port(settings.web),
            certificate=settings.certificate,
            private_key=settings.private_key,
            shares=settings.gateways > 1,
            drain_s=settings.drain_s,
        )
        return await self._web.start()

    async def stop(self) -> None:
        """Take no more calls, wait for those that go on, let the store go."""
        self._guard.is_draining = True
        self._standard.drain()
        if self._jobs is not None:
            self._jobs.drain()
        if self._watching is not None:
            self._watching.cancel()
        if self._server is not None:
            ends = [self._server.stop(self._settings.drain_s)]
            ends += [self._web.stop()] if self._web is not None else []
            await asyncio.gather(*ends)
        await asyncio.to_thread(self._runs.close)
        await asyncio.to_thread(self._accounts.close)
        await asyncio.to_thread(self._database.close)
        await asyncio.to_thread(self.measures.close)
        if self._traces is not None:
            await asyncio.to_thread(self._traces.close)

    def _limits(self, table: int, per_second: float) -> Limits:
        burst = int(2 * per_second)
        if self._shared is None:
            return RateLimiter(per_second, burst, time.monotonic)
        return self._shared.limiter(table, per_second, burst, time.monotonic)

    def _listen(self, server: grpc.aio.Server) -> int:
        address = self._settings.address
        try:
            if self._settings.certificate is None:
                return int(server.add_insecure_port(address))
            return int(server.add_secure_port(address, self._credentials()))
        except RuntimeError:
            raise EndpointError(
                f"{address}: nobody can listen there; is another server running, or is the "
                "address not this host's?"
            ) from None

    def _credentials(self) -> Any:
        certificate, key = self._settings.certificate, self._settings.private_key
        assert certificate is not None
        assert key is not None
        require_pair(certificate, key)
        return grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])


async def serve(
    settings: ServerSettings,
    store: Store,
    *,
    ready: Callable[[int, Server], None],
    shared: SharedState | None = None,
    lifeline: int | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then let calls that go on end.

    Parameters
    ----------
    settings, store, shared
    ready
        Told of the port when it listens.
    lifeline
        A file that ends when who started this process does, which is as good as a signal.
    """
    server = Server(settings, store, shared)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    if lifeline is not None:
        loop.add_reader(lifeline, ended.set)
    try:
        port = await server.start()
        # What was loaded stays: to look through it for garbage again and again would hold calls.
        gc.collect()
        gc.freeze()
        ready(port, server)
        await ended.wait()
    finally:
        if lifeline is not None:
            loop.remove_reader(lifeline)
        await server.stop()
