"""What a figure was measured on."""

import datetime
import os
import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tapewire.processes.transports import cores

_VERSIONS = ("tapewire", "numpy", "numba", "pyzmq", "zstandard", "xxhash", "databento")


def _cpu_facts() -> dict[str, str]:
    """The first processor's lines of ``/proc/cpuinfo``; empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def describe_host() -> dict[str, Any]:
    """Date, machine and versions, for the head of a table of figures."""
    cpu = _cpu_facts()
    flags = cpu.get("flags", "").split()
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cpu": cpu.get("model name") or platform.processor() or "unknown",
        "cores": cores(),
        "memory_gib": round(_memory_gib(), 1),
        "flags": [name for name in ("avx2", "avx512f", "bmi2") if name in flags],
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _VERSIONS},
    }


def machine_class() -> str:
    """Name the kind of machine this is: ratios of stages are comparable within it.

    Architecture, the processor's vendor, family and model, usable cores, Python's minor version:
    ``x86_64-genuineintel-6-207-2-cores-python3.11``.
    """
    cpu = _cpu_facts()
    # x86 names vendor, family and model; Arm has an implementer and a part.
    keys = ("vendor_id", "cpu family", "model", "CPU implementer", "CPU part")
    parts = [platform.machine(), *(cpu[key] for key in keys if key in cpu)]
    parts += [f"{cores()}-cores", f"python{sys.version_info.major}.{sys.version_info.minor}"]
    return re.sub(r"[^a-z0-9._]+", "-", "-".join(parts).lower())
