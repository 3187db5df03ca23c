"""Which executor a name stands for."""

from typing import Final

from tapewire.errors import ConfigError
from tapewire.executors.pool import ProcessExecutor
from tapewire.executors.ray_cluster import QUEUE_TIMEOUT_S, RayExecutor
from tapewire.executors.tasks import Executor

#: What may be asked for.
EXECUTORS: Final = ("processes", "ray")
#: Longest wait for a core that may be asked for: a month.
QUEUE_TIMEOUT_MAX_S: Final = 31 * 86_400.0


def executor_of(
    name: str = "processes",
    *,
    workers: int | None = None,
    address: str | None = None,
    queue_timeout_s: float | None = None,
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
    queue_timeout_s
        How long its tasks may wait for a core there; an hour without it.

    Raises
    ------
    ConfigError
        If there is none of that name, an address or a time to wait goes with another, or Ray is not
        installed.
    EndpointError
        If no cluster answers at the address.
    """
    if name == "ray":
        wait_s = QUEUE_TIMEOUT_S if queue_timeout_s is None else queue_timeout_s
        if not 0 < wait_s <= QUEUE_TIMEOUT_MAX_S:
            raise ConfigError(
                f"--queue-timeout: expected seconds above 0, at most {QUEUE_TIMEOUT_MAX_S:g}, "
                f"found {wait_s:g}"
            )
        return RayExecutor(address or "auto", workers, queue_timeout_s=wait_s)
    if name != "processes":
        raise ConfigError(f"--executor: expected {' or '.join(EXECUTORS)}, found {name!r}")
    if address is not None:
        raise ConfigError("--address: expected --executor ray with it, found processes")
    if queue_timeout_s is not None:
        raise ConfigError("--queue-timeout: expected --executor ray with it, found processes")
    return ProcessExecutor(workers)
