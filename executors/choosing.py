"""Which executor a name stands for."""

from typing import Final

from tapewire.errors import ConfigError
from tapewire.executors.pool import ProcessExecutor
from tapewire.executors.ray_cluster import RayExecutor
from tapewire.executors.tasks import Executor

#: What may be asked for.
EXECUTORS: Final = ("processes", "ray")


def executor_of(
    name: str = "processes", *, workers: int | None = None, address: str | None = None
) -> Executor:
    """Return the executor of a name; who asks for it closes it.

    Parameters
    ----------
    name
        ``processes`` of this machine, or ``ray``.
    workers
        Tasks at a time; by default one for each core.
    address
        Of a Ray cluster; ``auto`` without one.

    Raises
    ------
    ConfigError
        If there is none of that name, an address goes with another, or Ray is not installed.
    EndpointError
        If no cluster answers at the address.
    """
    if name == "ray":
        return RayExecutor(address or "auto", workers)
    if name != "processes":
        raise ConfigError(f"--executor: expected {' or '.join(EXECUTORS)}, found {name!r}")
    if address is not None:
        raise ConfigError("--address: expected --executor ray with it, found processes")
    return ProcessExecutor(workers)
