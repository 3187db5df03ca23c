"""Bytes written by a thread, so that whoever makes them need not wait for compression and disk."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

#: Blocks that wait or are being written; each is a copy.
_BLOCKS_MAX: Final = 3


class WriteBehind:
    """Takes blocks of bytes and hands copies to a function, in order, in a thread of its own.

    To be used in a ``with`` statement: at its end all of them are written, or, where an exception
    ends it, those that wait are dropped; the thread is gone in either case.

    Parameters
    ----------
    consume
        Gets each block; it is valid during the call. What it raises is raised by the next call of
        `write` or at the end.
    """

    def __init__(self, consume: Callable[[memoryview], object]) -> None:
        self._consume = consume
        self._thread = ThreadPoolExecutor(1, "tapewire-write")
        self._waiting: deque[tuple[Future[Any], np.ndarray]] = deque()
        #: Written to again and again: fresh memory costs as much as the copy.
        self._free: list[np.ndarray] = []

    def write(self, data: memoryview, /) -> int:
        """Take a block of bytes, C-contiguous; return its length."""
        while len(self._waiting) >= _BLOCKS_MAX:
            self._wait()
        size = data.nbytes
        room = self._free.pop() if self._free else np.empty(size, np.uint8)
        if room.size < size:
            room = np.empty(size, np.uint8)
        room[:size] = np.frombuffer(data, np.uint8)
        self._waiting.append((self._thread.submit(self._consume, room[:size].data), room))
        return size

    def _wait(self) -> None:
        done, room = self._waiting.popleft()
        done.result()
        self._free.append(room)

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
