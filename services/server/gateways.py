"""Several gateways on one port: started, watched, started again, and ended together.

The system spreads connections over processes that listen on one port. What they have to know
together lies in memory that they share (`tapewire.services.auth.shared`) or in the store.
"""

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import structlog

from tapewire.children import Child, module_command
from tapewire.errors import EndpointError
from tapewire.services.auth.shared import SharedState
from tapewire.services.server.gateway import FAILED, READY, settings_text
from tapewire.services.server.settings import ServerSettings, host_and_port

#: Longest that a gateway may take to listen, s: it loads its modules first.
START_S_MAX: Final = 60.0
#: Between two looks at whether one has ended, s.
_LOOK_S: Final = 0.2
#: Before one that ended is started again, s: it may end again at once.
_AGAIN_S: Final = 1.0
#: Beyond the time that calls have to end, s.
_END_S: Final = 10.0


def serve_gateways(settings: ServerSettings, ready: Callable[[int], None]) -> None:
    """Serve by processes until SIGINT or SIGTERM.

    Parameters
    ----------
    settings
        With the number of gateways.
    ready
        Told of the port when all listen.

    Raises
    ------
    EndpointError
        If nobody can listen there, or a gateway does not start.
    """
    ends: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _frame: ends.append(got))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    shared = SharedState.new()
    try:
        with _port_held(settings.address) as port:
            host, _ = host_and_port(settings.address)
            shown = f"[{host}]" if ":" in host else host
            settings = replace(settings, address=f"{shown}:{port}")
            _serve(settings, shared, lambda: ready(port), ends)
    finally:
        shared.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _serve(
    settings: ServerSettings, shared: SharedState, ready: Callable[[], None], ends: list[int]
) -> None:
    log = structlog.get_logger("tapewire.server")
    running: dict[int, Child] = {}
    again_s: dict[int, float] = {}
    try:
        for number in range(settings.gateways):
            running[number] = _started(settings, number, shared)
        for child in running.values():
            _await_ready(child, ends)
        if not ends:
            ready()
        while not ends:
            for number, child in list(running.items()):
                if child.code is not None:
                    log.error("a gateway has ended", gateway=number, how=child.end_in_words())
                    child.end(0.0)
                    del running[number]
                    again_s[number] = time.monotonic() + _AGAIN_S
            for number, at_s in list(again_s.items()):
                if time.monotonic() >= at_s:
                    del again_s[number]
                    running[number] = _started(settings, number, shared)
            time.sleep(_LOOK_S)
    finally:
        for child in running.values():
            child.ask_to_end()
        until_s = time.monotonic() + settings.drain_s + _END_S
        for child in running.values():
            child.wait(max(0.0, until_s - time.monotonic()))
            child.end(0.0)


def _started(settings: ServerSettings, number: int, shared: SharedState) -> Child:
    child = Child(
        module_command("tapewire.services.server.gateway"),
        has_stdin=True,
        has_stdout=True,
        hears_stderr=False,  # its log is the server's
        passes=(shared.number,),
    )
    with contextlib.suppress(OSError):  # one that ended at once is seen to have
        child.tell(settings_text(replace(settings, gateway=number), shared.number).encode())
    return child


def _await_ready(child: Child, ends: list[int]) -> None:
    """Wait until a gateway listens, or somebody ends the server."""
    said, until_s = b"", time.monotonic() + START_S_MAX
    while not said.endswith(b"\n") and not ends and time.monotonic() < until_s:
        if select.select([child.stdout], [], [], _LOOK_S)[0]:
            more = os.read(child.stdout.fileno(), 4_096)
            if not more:
                break
            said += more
    told = said.decode(errors="replace").strip()
    if told != READY and not ends:
        raise EndpointError(
            told.removeprefix(FAILED)
            or f"a gateway did not start within {START_S_MAX:.0f} s; its log says why"
        )


@contextlib.contextmanager
def _port_held(address: str) -> Iterator[int]:
    """Hold a port for the gateways, and return its number; nothing is taken from it here.

    Raises
    ------
    EndpointError
        If somebody has it, or this host has no such address.
    """
    host, port = host_and_port(address)
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # One that would share it is only let in where nobody listens yet.
        with socket.socket(family, kind, protocol) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(place)
            port = alone.getsockname()[1]
        held = socket.socket(family, kind, protocol)
    except OSError as error:
        raise EndpointError(
            f"{address}: nobody can listen there ({error.strerror or error}); is another server "
            "running, or is the address not this host's?"
        ) from None
    with held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((place[0], port, *place[2:]))
        yield port
