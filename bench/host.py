"""What a figure was measured on."""

import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

_VERSIONS = ("tapewire", "numpy", "numba", "pyzmq", "zstandard", "xxhash", "databento")


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    for line in lines:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _flags_of_interest() -> list[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return []
    flags = next((x.split(":")[1].split() for x in text.splitlines() if x.startswith("flags")), [])
    return [name for name in ("avx2", "avx512f", "bmi2") if name in flags]


def describe_host() -> dict[str, Any]:
    """Date, machine and versions, for the head of a table of figures."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(_memory_gib(), 1),
        "flags": _flags_of_interest(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _VERSIONS},
    }
