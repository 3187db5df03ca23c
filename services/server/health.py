"""Whether the server can do its work: for people, and for who balances load."""

import asyncio
import math
import os
import shutil
import time
from pathlib import Path
from typing import Any, Final

import grpc.aio

from tapewire.errors import StoreError
from tapewire.services.proto import health_pb2 as pb
from tapewire.services.proto import health_pb2_grpc
from tapewire.services.server.database import Database
from tapewire.services.server.rules import SERVICES
from tapewire.store.figures import StoreFigures, figures_of

#: Below this the server says that it can't serve: results would be lost.
DISK_BYTES_MIN: Final = 256 << 20
MEMORY_BYTES_MIN: Final = 128 << 20
#: What was found is told again for so long, s: anybody may ask, as often as they like.
KEPT_S: Final = 0.5


class Health(health_pb2_grpc.HealthServiceServicer):
    """Answers calls of ``HealthService``.

    Parameters
    ----------
    database
    folder
        On the disk that is looked at.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self._folder = database, folder
        self._one_at_a_time = asyncio.Lock()
        self._found: dict[str, tuple[bool, str]] = {}
        self._found_s = -math.inf

    async def Check(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Look at everything that it needs."""
        found = await self.findings()
        serves = all(fine for fine, _ in found.values())
        status = pb.HealthCheckResponse.SERVING_STATUS_SERVING
        if not serves:
            status = pb.HealthCheckResponse.SERVING_STATUS_NOT_SERVING
        return pb.HealthCheckResponse(
            status=status, details={name: text for name, (_, text) in found.items()}
        )

    async def findings(self) -> dict[str, tuple[bool, str]]:
        """Return what was looked at: whether it is fine, and what was found."""
        async with self._one_at_a_time:
            if time.monotonic() - self._found_s > KEPT_S:
                self._found = await self._look()
                self._found_s = time.monotonic()
            return self._found

    async def _look(self) -> dict[str, tuple[bool, str]]:
        found = {"disk": _disk(self._folder), "memory": _memory(), "cpu": _cpu()}
        found["services"] = True, f"{len(SERVICES)} answer"
        try:
            figures = await self._database.ask("health", figures_of)
        except StoreError as error:
            # Its address is nobody's business who was not let in.
            return {"database": (False, type(error).__name__.removesuffix("Error"))} | found
        return {"database": (True, "answers")} | found | _stored(figures)

    async def serves(self) -> bool:
        """Whether it can do its work."""
        return all(fine for fine, _ in (await self.findings()).values())


def _stored(figures: StoreFigures) -> dict[str, tuple[bool, str]]:
    """What is told of work and data; that there is none yet is no fault."""
    jobs = f"{figures.jobs_running:,} running, {figures.jobs_waiting:,} waiting"
    return {
        "workers": (True, f"{figures.workers:,} at work, jobs: {jobs}"),
        "data": (True, f"{figures.datasets:,} datasets known"),
    }


def _cpu() -> tuple[bool, str]:
    load = os.getloadavg()[0]
    return True, f"load {load:.1f} on {os.cpu_count() or 1} cores"


def _disk(folder: Path) -> tuple[bool, str]:
    free = shutil.disk_usage(folder).free
    return free >= DISK_BYTES_MIN, f"{free / 1e9:.1f} GB free"


def _memory() -> tuple[bool, str]:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            free = int(value.split()[0]) * 1024
            return free >= MEMORY_BYTES_MIN, f"{free / 1e9:.1f} GB available"
    return True, "not told by this system"
