"""Whether a table that somebody has sent is small, found out where nothing else can come to harm.

How large a page is shows as it is decompressed: what a file says of that is its sender's word. So
it is read once by a process of its own, whose memory and time are bounded. Run as a program, this
module is that process.
"""

import resource
import sys
from pathlib import Path
from typing import Final

from tapewire.children import Child, owned_command
from tapewire.compiled.tables import is_parquet, require_small
from tapewire.errors import FormatError

#: What that process may take beside what it has loaded: several times the text of a table.
MEMORY_BYTES_MAX: Final = 2_000_000_000
TIMEOUT_S: Final = 60.0
_MODULE: Final = "tapewire.compiled.measured"
#: One thread, and no memory that is set aside beforehand.
_ENVIRONMENT: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
}  # fmt: skip


def require_small_apart(path: Path, what: str) -> None:
    """Refuse a table as `require_small` does; a Parquet file is read by a process of its own.

    Raises
    ------
    FormatError
        As there; or if it takes that process more memory or time than it may have.
    OSError
        If no process can be started.
    """
    if not is_parquet(path):
        require_small(path, what)
        return
    child = Child(
        [*owned_command(_MODULE), str(path), what, str(MEMORY_BYTES_MAX)],
        environment=_ENVIRONMENT, hears_stdout=True,
    )  # fmt: skip
    try:
        if not child.wait(TIMEOUT_S):
            raise FormatError(f"{path}: expected {what} that are read within {TIMEOUT_S:g} s")
        if child.code != 0:
            how = child.end_in_words()
            raise FormatError(f"{path}: expected {what} as CSV or Parquet: who read it {how}")
        if child.printed:
            raise FormatError(child.printed.decode())
    finally:
        child.end(0.0)


def _main(path: str, what: str, memory_bytes_max: str) -> None:
    """Be the process that reads; what is wrong is printed."""
    import pyarrow.compute  # what is loaded from here on counts
    import pyarrow.parquet  # noqa: F401

    if sys.platform == "linux":  # elsewhere no such bound is kept to
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + int(memory_bytes_max)
        _, given = resource.getrlimit(resource.RLIMIT_AS)
        most = most if given == resource.RLIM_INFINITY else min(most, given)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        require_small(Path(path), what)
    except FormatError as error:
        sys.stdout.buffer.write(str(error).encode())


if __name__ == "__main__":
    _main(*sys.argv[1:])
