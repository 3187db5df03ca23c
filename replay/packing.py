"""Bytes of large files on their way to the disk: compressed by several threads, written by one."""

import contextlib
import errno
import fcntl
import mmap
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, BinaryIO, Final, Protocol, Self

import numpy as np
import zstandard

from tapewire.replay.zstd_parallel import cores

_BLOCK_BYTES: Final = 4 << 20
#: Blocks that are filled, wait or are being written.
_BLOCKS_MAX: Final = 3
#: What addresses, sizes and offsets of a write past the cache are multiples of, on any disk.
_ALIGN: Final = 4_096
#: More would wait for whoever gives the bytes.
_PACKERS_MAX: Final = 4


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: memoryview, /) -> int:
        """Take all of ``data``."""


class BlockWriter:
    """Writes bytes to a file in large blocks, in order, by a thread.

    Through the system's page cache each byte is copied once more, and its page is made and written
    back: with gigabytes this is what a writer mostly does. What nobody reads at once may go past
    it. Where the file system knows no other way, and with what fills no block at the end, blocks go
    through the cache.

    To be used in a ``with`` statement: at its end all is written, or, where an exception ends it,
    what waits is dropped; the thread is gone in either case. What the system says of a write is
    raised by a later call of `write` or at the end.

    Parameters
    ----------
    file
        Open for writing, nothing in its buffer; left where the bytes end.
    past_cache
        Whether to go past the cache: who reads the file next reads it from the disk then.
    block_bytes
        Of a block: a multiple of 4,096.
    """

    def __init__(
        self, file: BinaryIO, *, past_cache: bool, block_bytes: int = _BLOCK_BYTES
    ) -> None:
        self._fd = file.fileno()
        self._raw: Any = getattr(file, "raw", file)
        self._block_bytes = block_bytes
        self._thread = ThreadPoolExecutor(1, "tapewire-write")
        self._waiting: deque[tuple[Future[Any], np.ndarray]] = deque()
        self._free: list[np.ndarray] = []
        self._made = 0
        self._block = self._next_block()
        self._filled = 0
        self._is_direct = False
        at_page = os.lseek(self._fd, 0, os.SEEK_CUR) % _ALIGN == 0
        self._tried = not (past_cache and at_page)

    def write(self, data: memoryview, /) -> int:
        """Take bytes, C-contiguous; return how many."""
        given = np.frombuffer(data, np.uint8)
        at = 0
        while at < given.size:
            count = min(given.size - at, self._block_bytes - self._filled)
            self._block[self._filled : self._filled + count] = given[at : at + count]
            self._filled += count
            at += count
            if self._filled == self._block_bytes:
                self._waiting.append((self._thread.submit(self._put, self._block), self._block))
                self._block = self._next_block()
                self._filled = 0
        return given.size

    def _next_block(self) -> np.ndarray:
        if not self._free and self._made < _BLOCKS_MAX:
            self._made += 1
            return np.frombuffer(mmap.mmap(-1, self._block_bytes), np.uint8)  # begins at a page
        if not self._free:
            self._wait()
        return self._free.pop()

    def _wait(self) -> None:
        done, block = self._waiting.popleft()
        done.result()
        self._free.append(block)

    def _put(self, block: np.ndarray) -> None:
        """Write a block: by the thread, or when it has nothing to do."""
        if not self._tried and block.size == self._block_bytes:
            self._tried = True
            with contextlib.suppress(OSError):  # some file systems refuse it here
                self._go(direct=True)
        view = block.data
        while len(view):
            try:
                count = self._raw.write(view)
            except OSError as error:
                if error.errno != errno.EINVAL or not self._is_direct:
                    raise
                self._go(direct=False)  # others here
                continue
            view = view[count:]
            if count % _ALIGN and self._is_direct:
                self._go(direct=False)

    def _go(self, *, direct: bool) -> None:
        flags = fcntl.fcntl(self._fd, fcntl.F_GETFL)
        flags = flags | os.O_DIRECT if direct else flags & ~os.O_DIRECT
        fcntl.fcntl(self._fd, fcntl.F_SETFL, flags)
        self._is_direct = direct

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            while kind is None and self._waiting:
                self._wait()
        finally:
            self._thread.shutdown(cancel_futures=True)
            if self._is_direct:
                self._go(direct=False)
        if kind is None:
            self._put(self._block[: self._filled])


@contextlib.contextmanager
def packed(sink: Sink, level: int, **parameters: int) -> Iterator[Sink]:
    """Give what compresses bytes into one zstd frame with a checksum, by a thread per core.

    There are four at most, and one at least: that the frame is made of jobs that are compressed by
    themselves is what its bytes depend on, not by how many threads or in what pieces it came.

    Parameters
    ----------
    level
        Of zstd.
    parameters
        What is to be otherwise than the level has it, as ``window_log``.
    """
    compressor = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters.from_level(
            level, write_checksum=True, threads=min(cores(), _PACKERS_MAX), **parameters
        )
    )
    with compressor.stream_writer(sink, closefd=False) as packer:  # type: ignore[arg-type]
        yield packer
