"""Where compiled kernels are kept, and who compiles them when several processes need them.

The folders are named by hashes of everything that machine code depends on: numba itself looks only
at the file of the function that is called, and would keep serving what it compiled from an older
helper or constant of another file. There is one for each room, so that what changes behind the loop
leaves the loop's kernels alone. The kept files are pickles, which run code when they are read: they
are used only from a folder that nobody else can write to.
"""

import atexit
import fcntl
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np

from tapewire.compiled.private_folders import NotPrivateError, private_folder

#: Bounds checks in every kernel; slower. Set by the environment, as numba itself does.
BOUNDSCHECK: Final = os.environ.get("NUMBA_BOUNDSCHECK", "0") == "1"
#: Longest wait for another process that compiles; then this one compiles for itself.
COMPILE_TIMEOUT_S: Final = 600.0
#: Waits shorter than this are not worth a word.
_SAY_AFTER_S: Final = 0.5
_POLL_S: Final = 0.05
_IMPORTED: Final = re.compile(rb"^\s*(?:from|import)\s+tapewire\.(\w+)", re.MULTILINE)


def machine_key(root: Path) -> str:
    """Return a name for what makes machine code of the rooms in a folder.

    The folder counts: numba serves nothing that was compiled from the same source elsewhere.
    """
    machine = (
        str(root), sys.version, numba.__version__, llvmlite.__version__, np.__version__,
        llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), BOUNDSCHECK,
    )  # fmt: skip
    return hashlib.sha256(repr(machine).encode()).hexdigest()[:16]


def room_keys(root: Path) -> dict[str, str]:
    """Return for each room in a folder a hash of all that its kernels may have compiled in.

    Any file of the room, and of those that it imports from, directly or not, may hold a constant or
    a record that a kernel has compiled in. The empty name stands for all rooms together.
    """
    own: dict[str, bytes] = {}
    reached: dict[str, set[str]] = {}
    for init in root.glob("*/__init__.py"):
        room = init.parent.name
        if room == "tapewire":
            continue
        digest = hashlib.sha256()
        reached[room] = {room}
        for path in sorted(init.parent.rglob("*.py")):
            source = path.read_bytes()
            digest.update(f"{path.relative_to(root).as_posix()}|{len(source)}|".encode())
            digest.update(source)
            reached[room].update(found.decode() for found in _IMPORTED.findall(source))
        own[room] = digest.digest()
    grown = True
    while grown:
        grown = False
        for rooms in reached.values():
            more = set().union(*(reached.get(room, ()) for room in rooms)) - rooms
            grown = grown or bool(more)
            rooms |= more
    reached[""] = set(own)
    return {
        room: hashlib.sha256(
            b"".join(own[name] for name in sorted(rooms & own.keys()))
        ).hexdigest()[:16]
        for room, rooms in reached.items()
    }


def _cache_dir() -> tuple[Path, str | None]:
    """Return the folder, and why it is not the one that was meant to be."""
    base = os.environ.get("TAPEWIRE_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    key = machine_key(_ROOT)
    path = (Path(base) if base else Path.home() / ".cache") / "tapewire" / f"kernels-{key}"
    try:
        return private_folder(path), None
    except (NotPrivateError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
    fresh = Path(tempfile.mkdtemp(prefix="tapewire-kernels-"))
    atexit.register(shutil.rmtree, fresh, ignore_errors=True)
    return fresh, (
        f"the kernel cache {path} was not used: {why}; kernels are compiled afresh each time: set "
        "TAPEWIRE_CACHE_DIR to a folder that only you can write to"
    )


#: Installed, the rooms stand side by side inside the package; in a checkout, at the root.
_ROOT: Final = Path(__file__).resolve().parent.parent
_KEYS: Final = room_keys(_ROOT)
#: Changes with any file of any room.
SOURCES_KEY: Final = _KEYS[""]
_CHOSEN: Final = _cache_dir()
CACHE_DIR: Final = _CHOSEN[0]
#: What is wrong with the cache, for the manifest; None: nothing.
CACHE_WARNING: Final = _CHOSEN[1]
if CACHE_WARNING is not None and sys.stderr is not None:
    with suppress(OSError):
        print(f"warning: {CACHE_WARNING}", file=sys.stderr, flush=True)


def folder_of(module: str) -> Path:
    """Return where the kernels of a module are kept, by its full name."""
    room = module.removeprefix("tapewire.").partition(".")[0]
    name = room if module.startswith("tapewire.") and room in _KEYS else ""
    return CACHE_DIR / f"{name or 'all'}-{_KEYS[name]}"


# --- several processes ----------------------------------------------------------------------------


def is_compiled(part: str) -> bool:
    """Whether some process has compiled this part of the kernels, named as in `compile_once`."""
    return _mark(part).exists()


def _mark(part: str) -> Path:
    return CACHE_DIR / f"{part}.{SOURCES_KEY}.compiled"


def compile_once(
    work: Callable[[], None],
    parts: Sequence[str],
    say: Callable[[str], None],
    *,
    timeout_s: float = COMPILE_TIMEOUT_S,
) -> None:
    """Compile or load kernels by calling ``work``; of several processes, one compiles.

    Parameters
    ----------
    work
        Calls every kernel of the parts.
    parts
        What it needs, as names; the first one also names the lock.
    say
        Told once if another process is waited for.
    timeout_s
        Longest wait; a process that hangs holds up others no longer than this.
    """
    if not all(map(is_compiled, parts)):
        with _alone(CACHE_DIR / f"{parts[0]}.lock", say, timeout_s):
            if not all(map(is_compiled, parts)):
                work()
                for part in parts:
                    with suppress(OSError):
                        _mark(part).touch()
                return
    work()


@contextmanager
def _alone(lock: Path, say: Callable[[str], None], timeout_s: float) -> Iterator[None]:
    """Hold a lock; after too long a wait, or where there can be none, go on without it."""
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        yield
        return
    try:
        waited_s = 0.0
        said = False
        while not _try_lock(fd) and waited_s < timeout_s:
            if not said and waited_s >= _SAY_AFTER_S:
                said = True
                say("another process compiles the kernels, waiting for it …")
            time.sleep(_POLL_S)
            waited_s += _POLL_S
        yield
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
