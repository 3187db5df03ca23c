"""Whether this host can do what a run needs: each check is tried, not guessed.

A check is a function without arguments that returns what it found, or raises what is wrong;
``CHECKS`` has them in the order they are told.
"""

import importlib.metadata
import importlib.util
import os
import platform
import resource
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tapewire.children import Child
from tapewire.processes.transports import cores
from tapewire.runs.versions import versions

State = Literal["ok", "warning", "fault"]
#: A run of two processes with a model each has some dozens; a study's workers have as many each.
_FILES_WANTED: Final = 256
_FREE_BYTES_WANTED: Final = 2 * 10**9
_MEMORY_BYTES_WANTED: Final = 2 * 10**9
#: Before this the system's clock is not set: the year this was written.
_CLOCK_SET_S: Final = 1_767_225_600
_CLOCKS_APART_S: Final = 0.05
_ANSWER_MS: Final = 2_000
_START_S: Final = 30.0
_EXTRAS: Final = {
    "polars": ("polars",),
    "candles": ("talib",),
    "ml": ("onnxruntime",),
    "train": ("sklearn", "skl2onnx"),
    "rl": ("gymnasium", "greenlet"),
    "optuna": ("optuna",),
    "store": ("sqlalchemy", "alembic"),
    "postgres": ("sqlalchemy", "alembic", "psycopg"),
    "server": (
        "grpc",
        "jwt",
        "argon2",
        "cryptography",
        "structlog",
        "sqlalchemy",
        "alembic",
        "starlette",
        "uvicorn",
    ),
    "client": ("grpc",),
    "otel": ("opentelemetry",),
    "fix": ("simplefix",),
    "ray": ("ray",),
    "plot": ("matplotlib",),
    "metrics": ("prometheus_client",),
    "notebook": ("plotly", "ipykernel"),
}


@dataclass(frozen=True)
class Diagnosis:
    """What a check found.

    Attributes
    ----------
    name
        What was looked at.
    state
        ``ok``, ``warning`` (a run goes on, slower or with less) or ``fault`` (it does not).
    found
        In words.
    advice
        What to do; empty where there is nothing.
    """

    name: str
    state: State
    found: str
    advice: str = ""


class Unhealthy(Exception):
    """What a check found wrong, and what to do about it."""

    def __init__(self, found: str, advice: str, state: State = "fault") -> None:
        super().__init__(found)
        self.finding = (state, found, advice)


def examine() -> list[Diagnosis]:
    """Do all checks; none of them raises, whatever it meets."""
    return [_checked(name, check) for name, check in CHECKS.items()]


def facts() -> dict[str, Any]:
    """Return versions and the host as they go into a report of a fault."""
    return {
        "versions": versions(),
        "extras": _extras(),
        "host": {
            "machine": platform.machine(),
            "processor": _processor(),
            "cores": cores(),
            "memory_bytes": _memory("MemTotal"),
            "container": Path("/.dockerenv").exists(),
        },
        "environment": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(("TAPEWIRE_", "NUMBA_")) and "KEY" not in name
        },
    }


def try_run(folder: Path) -> Diagnosis:
    """Run both examples on a short session, in one process and in two; they have to agree.

    Where nothing is compiled yet, that comes first.
    """
    from tapewire.runs.api import run

    def both() -> str:
        digests = [
            run(
                {
                    "backtest": {"data_source": {"type": "synthetic", "events": 20_000}},
                    "strategy": [{"type": "market_maker"}, {"type": "sma_crossover"}],
                },
                transport=transport,
                output=folder / transport,
            ).digest
            for transport in ("inproc", "ipc")
        ]
        if len(set(digests)) != 1:
            raise Unhealthy(
                f"one process came to {digests[0]}, two to {digests[1]}", "send this report"
            )
        return f"one process and two come to {digests[0][:12]}…"

    return _checked("run", both)


def _checked(name: str, check: Callable[[], str]) -> Diagnosis:
    try:
        return Diagnosis(name, "ok", check())
    except Unhealthy as wrong:
        state, found, advice = wrong.finding
        return Diagnosis(name, state, found, advice)
    except Exception as error:  # a check that can't be done is a finding, not an end
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Diagnosis(name, "fault", f"can't be looked at: {what}", "send this report")


def _system() -> str:
    found = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    if sys.platform != "linux":
        raise Unhealthy(found, "Tapewire is tested on Linux alone", "warning")
    return f"{found}, {cores()} cores"


def _packages() -> str:
    from packaging.requirements import Requirement

    wrong = []
    needed = [Requirement(text) for text in importlib.metadata.requires("tapewire") or ()]
    plain = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    for one in plain:
        try:
            version = importlib.metadata.version(one.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{one.name} is missing")
            continue
        if not one.specifier.contains(version, prereleases=True):
            wrong.append(f"{one.name} {version}, expected {one.specifier}")
    if wrong:
        raise Unhealthy("; ".join(wrong), "pip install --upgrade tapewire")
    return f"{len(plain)} as they have to be"


def _extras() -> dict[str, bool]:
    return {
        name: all(importlib.util.find_spec(module) is not None for module in modules)
        for name, modules in _EXTRAS.items()
    }


def _extras_found() -> str:
    found = _extras()
    there = [name for name, installed in found.items() if installed]
    missing = [name for name, installed in found.items() if not installed]
    text = ", ".join(there) or "none"
    return f"{text}; not installed: {', '.join(missing)}" if missing else text


def _memory_free() -> str:
    free, total = _memory("MemAvailable"), _memory("MemTotal")
    found = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB available"
    if free < _MEMORY_BYTES_WANTED:
        raise Unhealthy(found, "a run over many instruments takes more than 1 GB", "warning")
    return found


def _memory(key: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1_024
    raise Unhealthy(f"/proc/meminfo has no {key}", "", "warning")


def _shared_memory() -> str:
    """Map slots as a replay does, and see in them what was written."""
    from tapewire.wire.slots import SlotsReader, SlotsWriter

    writer = SlotsWriter(2, 65_536)
    try:
        reader = SlotsReader(writer.offer, os.getpid(), 2, 65_536)
        try:
            writer.arrays[1]["order_id"][:3] = (7, 8, 9)
            seen = reader.arrays[1]["order_id"][:3].tolist()
        finally:
            reader.close()
    finally:
        writer.close()
    if seen != [7, 8, 9]:
        raise Unhealthy("what one end writes the other does not see", "use payload: inline")
    return "batches travel in it"


def _open_files() -> str:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/proc/self/fd").iterdir()))
    found = f"{soft:,} may be open ({used} are)"
    if soft - used < _FILES_WANTED:
        raised = f"ulimit -n {min(hard, 4 * _FILES_WANTED)}"
        enough = hard - used >= _FILES_WANTED
        raise Unhealthy(found, raised if enough else "raise its hard limit: limits.conf")
    return found


def _kernels() -> str:
    from tapewire.compiled.kernel_cache import CACHE_DIR, CACHE_WARNING, SOURCES_KEY

    if CACHE_WARNING is not None:
        raise Unhealthy(CACHE_WARNING, "set TAPEWIRE_CACHE_DIR to a folder of your own", "warning")
    mode, owner = CACHE_DIR.stat().st_mode & 0o777, CACHE_DIR.stat().st_uid
    if mode & 0o022 or owner != os.geteuid():
        raise Unhealthy(f"{CACHE_DIR}: others may write there", f"chmod 700 {CACHE_DIR}")
    parts = len(list(CACHE_DIR.glob(f"*.{SOURCES_KEY}.compiled")))
    size = sum(file.stat().st_size for file in CACHE_DIR.rglob("*.nb?"))
    if not parts:
        return f"{CACHE_DIR}: empty, the first run compiles"
    return f"{CACHE_DIR}: {parts} parts are compiled, {size / 1e6:.0f} MB"


def _free_disk() -> str:
    from tapewire.compiled.kernel_cache import CACHE_DIR

    told, short = [], []
    for name, folder in (
        ("here", Path.cwd()), ("cache", CACHE_DIR), ("temporary", Path(tempfile.gettempdir())),
    ):  # fmt: skip
        free = shutil.disk_usage(folder).free
        told.append(f"{name} {free / 1e9:.1f} GB")
        if free < _FREE_BYTES_WANTED:
            short.append(str(folder))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise Unhealthy(f"{folder} can't be written to", "go to a folder that can")
    if short:
        advice = f"run folders and synthetic sessions take gigabytes: make room in {short[0]}"
        raise Unhealthy(f"free: {', '.join(told)}", advice, "warning")
    return f"free: {', '.join(told)}"


def _sockets() -> str:
    """Send a message over each transport, and have it answered."""
    import zmq

    from tapewire.wire import private_endpoint

    taken = []
    with private_endpoint() as private, zmq.Context() as context:
        for endpoint in (private, "tcp://127.0.0.1:*"):
            with context.socket(zmq.PAIR) as one, context.socket(zmq.PAIR) as other:
                for end in (one, other):
                    end.linger, end.rcvtimeo, end.sndtimeo = 0, _ANSWER_MS, _ANSWER_MS
                one.bind(endpoint)
                other.connect(one.getsockopt_string(zmq.LAST_ENDPOINT))
                other.send(b"?")
                one.send(one.recv() + b"!")
                if other.recv() != b"?!":
                    raise Unhealthy(f"{endpoint} garbles what is sent", "send this report")
                taken.append(endpoint.partition(":")[0])
    return f"{' and '.join(taken)} answer"


def _clock() -> str:
    now, ticking = time.time(), time.monotonic()
    if now < _CLOCK_SET_S:
        raise Unhealthy(f"it says {time.strftime('%Y-%m-%d', time.gmtime(now))}", "set it")
    time.sleep(0.1)
    apart = abs((time.time() - now) - (time.monotonic() - ticking))
    if apart > _CLOCKS_APART_S:
        raise Unhealthy(
            f"it was moved by {apart:.3f} s within 0.1 s",
            "let it be slewed, not stepped (chrony, ntpd): live feeds are timed by it", "warning",
        )  # fmt: skip
    step = time.clock_getres(time.CLOCK_MONOTONIC)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now))}, steps of {step * 1e9:.0f} ns"


def _processes() -> str:
    """Start a child, as a run does its replay."""
    began = time.monotonic()
    child = Child([sys.executable, "-c", "print(40 + 2)"], hears_stdout=True)
    try:
        child.wait(_START_S)
        took_ms = (time.monotonic() - began) * 1e3
        if child.printed.strip() != b"42":
            how = child.end_in_words() or f"said nothing within {_START_S:g} s"
            raise Unhealthy(f"a child {how}: {child.last_line()}", "send this report")
    finally:
        child.end(1.0)
    return f"a child starts in {took_ms:.0f} ms"


def _threads() -> str:
    seen = []
    thread = threading.Thread(target=lambda: seen.append(1))
    thread.start()
    thread.join(_ANSWER_MS / 1e3)
    if not seen:
        raise Unhealthy("a thread did not start", "raise ulimit -u")
    return f"{threading.active_count()} in this process"


def _names() -> str:
    found = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)
    places = sorted({str(one[4][0]) for one in found})
    if not {"127.0.0.1", "::1"} & set(places):
        raise Unhealthy(f"localhost is {', '.join(places)}", "mend /etc/hosts", "warning")
    return f"localhost is {', '.join(places)}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


CHECKS: Final[dict[str, Callable[[], str]]] = {
    "system": _system,
    "packages": _packages,
    "extras": _extras_found,
    "memory": _memory_free,
    "shared memory": _shared_memory,
    "open files": _open_files,
    "kernel cache": _kernels,
    "disk": _free_disk,
    "sockets": _sockets,
    "names": _names,
    "clock": _clock,
    "processes": _processes,
    "threads": _threads,
}
