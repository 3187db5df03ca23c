"""The studio's own listener, in the loop of the server."""

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any, Final

import uvicorn

from tapewire.errors import EndpointError
from tapewire.services.web.heads import TimedHeads

#: Connections at a time; each page keeps a few.
CONNECTIONS_MAX: Final = 1_000
#: Of a request without its body.
_HEAD_BYTES_MAX: Final = 32 << 10
_LOOK_S: Final = 0.02


class WebServer:
    """Serves an application over HTTP until it is stopped.

    Parameters
    ----------
    app
    host, port
        Port 0: a free one.
    certificate, private_key
        PEM; without them it is not encrypted.
    shares
        Whether other processes serve the same port.
    drain_s
        How long answers that go on may last at the end, s.
    """

    def __init__(
        self,
        app: Any,
        host: str,
        port: int,
        *,
        certificate: Path | None = None,
        private_key: Path | None = None,
        shares: bool = False,
        drain_s: float = 10.0,
    ) -> None:
        self._place = host, port
        self._shares = shares
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        config = uvicorn.Config(
            app, http=TimedHeads, log_config=None, access_log=False, server_header=False, ws="none",
            lifespan="off", limit_concurrency=CONNECTIONS_MAX, timeout_keep_alive=30,
            timeout_graceful_shutdown=max(1, round(drain_s)),
            h11_max_incomplete_event_size=_HEAD_BYTES_MAX,
            ssl_certfile=certificate, ssl_keyfile=private_key, proxy_headers=False,
        )  # fmt: skip
        config.load()
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
        self._server = _Quiet(config)

    async def start(self) -> int:
        """Listen, and return the port.

        Raises
        ------
        EndpointError
            If nobody can listen there.
        """
        host, port = self._place
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._shares:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise EndpointError(
                f"web {host}:{port}: nobody can listen there ({error.strerror}); is another server "
                "running, or is the address not this host's?"
            ) from None
        self._task = asyncio.create_task(self._server.serve([self._socket]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(_LOOK_S)
        return int(self._socket.getsockname()[1])

    async def stop(self) -> None:
        """Take no more requests, wait for answers that go on."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        if self._socket is not None:
            self._socket.close()


class _Quiet(uvicorn.Server):
    """Leaves signals to the server that it is part of."""

    def capture_signals(self) -> Any:
        """Take none."""
        return contextlib.nullcontext()
