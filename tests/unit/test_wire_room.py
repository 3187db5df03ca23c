"""What in the wire room any protocol may build on, and what of it needs no socket and no clock."""

import ast
import subprocess
import sys

import pytest

import rooms

#: Of any protocol.
SHARED = ("codec", "credit", "liveness", "seats")
WITHOUT_SOCKETS = (*SHARED, "checks", "frames", "messages", "peers", "terms")
WITH_SOCKETS = {
    "gate",
    "guard",
    "hub",
    "joining",
    "link",
    "network",
    "publisher",
    "receiver",
    "sender",
    "sockets",
}


def imported(name: str) -> set[str]:
    """Every module that a module of the room imports, and every name it imports from one."""
    found = set()
    for node in ast.walk(rooms.parse(rooms.REPO / "wire" / f"{name}.py")):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("name", WITHOUT_SOCKETS)
def test_what_needs_neither_socket_nor_clock_has_none(name: str) -> None:
    assert not imported(name) & {"asyncio", "socket", "threading", "time", "zmq"}
    assert not imported(name) & {f"tapewire.wire.{other}" for other in WITH_SOCKETS}


@pytest.mark.parametrize(
    "name", [*SHARED, "hub", "link", "network", "sockets", "guard", "endpoints", "keys", "gate"]
)
def test_what_is_of_any_protocol_knows_nothing_of_the_stream(name: str) -> None:
    shared = {
        *SHARED, "endpoints", "gate", "guard", "hub", "keys", "link", "network", "sockets"
    }  # fmt: skip
    ours = {
        module.split(".")[2] for module in imported(name) if module.startswith("tapewire.wire.")
    }
    assert ours <= shared
    assert not {module for module in imported(name) if module.startswith("tapewire.market")}


def test_what_is_of_any_protocol_loads_no_compiled_code() -> None:
    modules = ", ".join(f"tapewire.wire.{name}" for name in (*SHARED, "hub", "link"))
    script = f"import sys, {modules}; print('numba' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout == "False\n"
