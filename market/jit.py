"""The one place where kernels are compiled, with the options all of them share.

``cache=True`` alone would keep serving machine code of an older helper (numba looks only at the
file of the function itself), so the cache folder is named by a hash of all kernel sources, the
numba version and the options. It is private (0700): its files are pickles.
"""

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import numba
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

#: Bounds checks in every kernel; slower. Set by the environment, as numba itself does.
BOUNDSCHECK: Final = os.environ.get("NUMBA_BOUNDSCHECK", "0") == "1"
_ROOM_NAMES: Final = (
    "market", "wire", "replay", "execution", "positions", "router", "analytics", "bench",
)  # fmt: skip


def _kernel_sources() -> list[Path]:
    here = Path(__file__).resolve().parent
    root = here.parent
    # Installed, the rooms stand side by side inside the package; in a checkout, at the root.
    return sorted(p for room in _ROOM_NAMES for p in (root / room).rglob("*.py"))


def _cache_key() -> str:
    digest = hashlib.sha256(f"{numba.__version__}|{BOUNDSCHECK}".encode())
    for path in _kernel_sources():
        source = path.read_bytes()
        if b"@jit" in source or b"compile_hook" in source or path.name == "records.py":
            digest.update(path.name.encode())
            digest.update(source)
    return digest.hexdigest()[:16]


def _cache_dir() -> Path:
    base = os.environ.get("TAPEWIRE_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    if not base:
        base = str(Path.home() / ".cache")
    path = Path(base) / "tapewire" / f"kernels-{_cache_key()}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:  # no writable home: a fresh compile each time, but a working run
        path = Path(tempfile.mkdtemp(prefix="tapewire-kernels-"))
        atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


CACHE_DIR: Final = _cache_dir()
numba.config.CACHE_DIR = str(CACHE_DIR)


def jit(function: F) -> F:
    """Compile a kernel: no Python objects, no allocation, cached, no fastmath, GIL released."""
    compiled: F = numba.njit(cache=True, nogil=True, boundscheck=BOUNDSCHECK)(function)
    return compiled


def jit_inline(function: F) -> F:
    """Compile a small kernel into its callers: for what the hot loop does per event."""
    compiled: F = numba.njit(cache=True, nogil=True, boundscheck=BOUNDSCHECK, forceinline=True)(
        function
    )
    return compiled


def word(value: int) -> Any:
    """Make a constant for kernels that is passed on as a plain 64-bit integer.

    A literal would have numba compile every function it is handed to once per value.
    """
    return np.int64(value)
