"""Whether the server can do its work: for people, and for who balances load."""

import shutil
from pathlib import Path
from typing import Any, Final

import grpc.aio

from tapewire.errors import StoreError
from tapewire.services.proto import health_pb2 as pb
from tapewire.services.proto import health_pb2_grpc
from tapewire.services.server.database import Database

#: Below this the server says that it can't serve: results would be lost.
DISK_BYTES_MIN: Final = 256 << 20
MEMORY_BYTES_MIN: Final = 128 << 20


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
        return {
            "database": await self._asked(),
            "disk": _disk(self._folder),
            "memory": _memory(),
        }

    async def _asked(self) -> tuple[bool, str]:
        try:
            await self._database.ask("health", lambda store: store.users(limit=1))
        except StoreError as error:
            # Its address is nobody's business who was not let in.
            return False, type(error).__name__.removesuffix("Error")
        return True, "answers"


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
