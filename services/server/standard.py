"""gRPC's own services: health as load balancers ask for it, and what calls there are."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import grpc.aio
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from tapewire.services.server.callers import Refused
from tapewire.services.server.failures import CallFailure
from tapewire.services.server.handlers import Handlers
from tapewire.services.server.rules import SERVICES

#: Between two looks at what is watched, s.
_LOOK_S: Final = 1.0


class StandardHealth(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Answers calls of ``grpc.health.v1.Health``, for the server and each service of ours.

    Parameters
    ----------
    serves
        Says whether the server can do its work; asked once a second at most.
    """

    def __init__(self, serves: Callable[[], Awaitable[bool]]) -> None:
        self._serves = serves
        self._ends = asyncio.Event()
        self._known: tuple[float, bool] | None = None

    def drain(self) -> None:
        """Say from now on that it does not serve, and end what watches."""
        self._ends.set()

    async def Check(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Say whether a service can do its work; no name stands for all."""
        if request.service not in ("", *SERVICES):
            sentence = f"service: expected one of {', '.join(SERVICES)}, found another"
            raise Refused(CallFailure("NOT_FOUND", "SERVICE", sentence, 2))
        return pb.HealthCheckResponse(status=await self._status())

    async def Watch(self, request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        """Say so again whenever it changes."""
        known = request.service in ("", *SERVICES)
        last = None
        while True:
            ends = self._ends.is_set()
            status = await self._status() if known else pb.HealthCheckResponse.SERVICE_UNKNOWN
            if status != last:
                yield pb.HealthCheckResponse(status=status)
                last = status
            if ends:
                return
            try:
                await asyncio.wait_for(self._ends.wait(), _LOOK_S)
            except TimeoutError:
                continue

    async def _status(self) -> Any:
        if self._ends.is_set():
            return pb.HealthCheckResponse.NOT_SERVING
        now_s = asyncio.get_running_loop().time()
        if self._known is None or now_s >= self._known[0] + _LOOK_S:
            self._known = now_s, await self._serves()
        if self._known[1]:
            return pb.HealthCheckResponse.SERVING
        return pb.HealthCheckResponse.NOT_SERVING


def add_standard(server: Handlers, health: StandardHealth) -> None:
    """Have a server answer calls of both services."""
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    names = (*SERVICES, "grpc.health.v1.Health", reflection.SERVICE_NAME)
    reflected = reflection.aio.ReflectionServicer(names)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflected, server)
