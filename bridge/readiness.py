"""Waits in an event loop for descriptors that somebody else reads from."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

#: Longest sleep in any wait (s).
_SLICE_S: Final = 0.1
#: Sleep of who waits for what nothing tells (s).
_PAUSE_S: Final = 0.001


class Readiness:
    """Whether one of some descriptors may be readable, for one task of a running loop.

    A descriptor that is readable while nobody waits is not watched until somebody does: whoever
    is busy does not find the loop turning.

    Parameters
    ----------
    fds : sequence of int
    """

    def __init__(self, fds: Sequence[int]) -> None:
        self._fds = fds
        self._loop = asyncio.get_running_loop()
        self._unwatched = set(fds)
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._tick()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        for fd in self._fds:
            self._loop.remove_reader(fd)
        if self._timer is not None:
            self._timer.cancel()

    async def wait(self) -> None:
        """Wait until one of them may be readable, at most for a short while."""
        for fd in self._unwatched:
            self._loop.add_reader(fd, self._readable, fd)
        self._unwatched.clear()
        self._waiter = self._loop.create_future()
        await self._waiter
        self._waiter = None

    async def pause(self) -> None:
        """Sleep for a moment: for what no descriptor tells of."""
        await asyncio.sleep(_PAUSE_S)

    def _readable(self, fd: int) -> None:
        if self._waiter is None:
            self._loop.remove_reader(fd)
            self._unwatched.add(fd)
        else:
            self._wake()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(_SLICE_S, self._tick)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
