"""A server's life: it opens its store, listens, and ends without cutting anybody off."""

import asyncio
import json
import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TextIO

import grpc
import grpc.aio
import structlog

from tapewire.errors import EndpointError
from tapewire.services.auth.rates import RateLimiter
from tapewire.services.auth.tokens import TokenIssuer
from tapewire.services.proto import accounts_pb2_grpc, health_pb2_grpc, strategies_pb2_grpc
from tapewire.services.server.accounts import Accounts
from tapewire.services.server.answering import add_job_services
from tapewire.services.server.database import Database
from tapewire.services.server.guarding import CallGuard
from tapewire.services.server.health import Health
from tapewire.services.server.identity import Identity
from tapewire.services.server.job_desk import JobDesk
from tapewire.services.server.measures import Measures
from tapewire.services.server.settings import MESSAGE_BYTES_MAX, ServerSettings
from tapewire.services.server.strategies import Strategies
from tapewire.services.server.tls import require_pair
from tapewire.store import Store

#: Calls of one user, and of one address, a second; bursts are twice as many.
_PER_USER: Final = 2_000.0
_PER_ADDRESS: Final = 4_000.0


class Server:
    """A server over a store.

    Parameters
    ----------
    settings
    store
        Open; it is closed with the server.
    """

    def __init__(self, settings: ServerSettings, store: Store) -> None:
        self._settings = settings
        self.measures = Measures()
        self._database = Database(store, self.measures)
        issuer = TokenIssuer(settings.token_secret, time.time)
        self._identity = Identity(self._database, issuer)
        self._server: grpc.aio.Server | None = None
        self._path = Path(store.url) if store.is_sqlite else Path.cwd()

    async def start(self) -> int:
        """Listen, and return the port.

        Raises
        ------
        EndpointError
            If nobody can listen there.
        FormatError
            If certificate or key are none.
        """
        clock_s = time.monotonic
        guard = CallGuard(
            self._identity,
            per_user=RateLimiter(_PER_USER, int(2 * _PER_USER), clock_s),
            per_address=RateLimiter(_PER_ADDRESS, int(2 * _PER_ADDRESS), clock_s),
            measures=self.measures,
        )
        server = grpc.aio.server(
            interceptors=(guard,),
            maximum_concurrent_rpcs=self._settings.calls_max,
            options=(
                ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
                ("grpc.max_metadata_size", 16 << 10),
                # Else a second server would share the port, and get half of the calls.
                ("grpc.so_reuseport", 0),
            ),
        )
        accounts = Accounts(self._identity, self._database, self.measures)
        accounts_pb2_grpc.add_AuthServiceServicer_to_server(accounts, server)
        desk = JobDesk(self._database)
        strategies_pb2_grpc.add_StrategyServiceServicer_to_server(
            Strategies(self._database, desk), server
        )
        add_job_services(server, self._database, desk, self._settings.data)
        folder = self._path.parent if self._path.is_file() else Path.cwd()
        health_pb2_grpc.add_HealthServiceServicer_to_server(Health(self._database, folder), server)
        port = self._listen(server)
        await server.start()
        self._server = server
        return port

    async def stop(self) -> None:
        """Take no more calls, wait for those that go on, let the store go."""
        if self._server is not None:
            await self._server.stop(self._settings.drain_s)
        await asyncio.to_thread(self._database.close)

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


def write_log_to(stream: TextIO, target: str = "tapewire.server") -> None:
    """Write a line of JSON for each thing that happens, with the keys of the specification."""

    def render(logger: Any, name: str, event: Any) -> str:
        known = {
            "timestamp": event.pop("timestamp"),
            "level": event.pop("level").upper(),
            "target": target,
            "message": event.pop("event"),
        }
        return json.dumps({**known, "fields": event}, default=str, ensure_ascii=False)

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )


async def serve(
    settings: ServerSettings, store: Store, *, ready: Callable[[int, Server], None]
) -> None:
    """Serve until SIGINT or SIGTERM, then let calls that go on end.

    Parameters
    ----------
    settings, store
    ready
        Told of the port when it listens.
    """
    server = Server(settings, store)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    try:
        ready(await server.start(), server)
        await ended.wait()
    finally:
        await server.stop()
