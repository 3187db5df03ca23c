"""What a worker of a Ray cluster does: one task, told of as it goes on.

Only `tapewire.executors.ray_cluster` and workers of a cluster load this.
"""

import contextlib
import os
import socket
import threading
from typing import Any, Final

import ray

from tapewire.executors.lines import line_of, message_of
from tapewire.executors.tasks import failure_of, function_of

#: Of what is said and was not asked for yet, the oldest goes beyond this many.
_SAID_MAX: Final = 10_000
#: Longest wait until something that is said has arrived.
_SAY_TIMEOUT_S: Final = 10.0


class Ears:
    """Keeps what tasks say until somebody asks for it; an actor beside who does."""

    def __init__(self) -> None:
        self._said: list[tuple[str, str]] = []

    def hear(self, ticket: str, said: str) -> None:
        """Keep something: whose it is, and a line of JSON."""
        self._said.append((ticket, said))
        del self._said[:-_SAID_MAX]

    def heard(self) -> list[tuple[str, str]]:
        """Return what was said since this was asked last."""
        said, self._said = self._said, []
        return said


def where() -> str:
    """Return who this is: host, process and the first letters of the node."""
    node = ray.get_runtime_context().get_node_id()
    return f"{socket.gethostname()}:{os.getpid()}@{node[:8]}"


def do(function: str, argument: bytes, ticket: str, ears: Any) -> bytes:
    """Do a task.

    Parameters
    ----------
    function
        Its name, see `tapewire.executors.Task`.
    argument
        A line of JSON: ``{"argument": …}``.
    ticket
        Tells one attempt from all others.
    ears
        Handle of an `Ears`.

    Returns
    -------
    bytes
        A line of JSON: ``value`` or ``failure``.
    """
    saying = threading.Lock()

    def say(message: dict[str, Any]) -> None:
        # Who asked may be gone, or its node may: the task goes on.
        with saying, contextlib.suppress(ray.exceptions.RayError):
            ray.get(ears.hear.remote(ticket, line_of(message).decode()), timeout=_SAY_TIMEOUT_S)

    def tell(said: Any) -> None:
        say({"said": said})

    say({"began": where()})
    try:
        return line_of({"value": function_of(function)(message_of(argument)["argument"], tell)})
    except Exception as error:
        return line_of({"failure": vars(failure_of(error))})
