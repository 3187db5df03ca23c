"""What the machine can do at best with these bytes, whatever we write."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from tapewire.bench._kernels import fold_records
from tapewire.bench.measure import Row, Scale, timed
from tapewire.bench.workload import LoadedSession
from tapewire.market.records import MBO_KERNEL_DTYPE

_CHUNK_BYTES: Final = 1 << 20
_ONE_CORE: Final = "one core"


def limit_rows(work: LoadedSession, scale: Scale) -> Iterator[Row]:
    """Memory copy, file read, decompression alone, and a loop that only reads each record."""
    n, runs, source = work.events, scale.runs, work.records.view(np.uint8)
    target = np.empty_like(source)

    def copy() -> None:
        np.copyto(target, source)

    yield timed("limit", "memory copy", n, lambda: copy, runs=runs, note=_ONE_CORE)

    def read(path: Path) -> Callable[[], None]:
        def go() -> None:
            buffer = bytearray(_CHUNK_BYTES)
            with path.open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass

        return go

    yield timed("limit", "file read", n, lambda: read(work.raw), runs=runs, note="page cache")

    packed = work.compressed
    yield timed("limit", "zstd decompression alone", n, lambda: decompression(packed), runs=runs,
                note="zstandard, page cache")  # fmt: skip

    records = work.records.view(MBO_KERNEL_DTYPE)

    def loop() -> None:
        fold_records(records)

    yield timed("limit", "empty loop over records", n, lambda: loop, runs=runs,
                note="compiled, reads eight fields of each; from memory, one core")  # fmt: skip


def decompression(path: Path) -> Callable[[], None]:
    """Return what decompresses a file by zstandard alone, into one buffer."""
    import zstandard

    def go() -> None:
        buffer = bytearray(_CHUNK_BYTES)
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            while stream.readinto(buffer):
                pass

    return go
