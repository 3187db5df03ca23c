"""The store, asked from an event loop: in a few threads, with the time that each took."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from tapewire.services.server.measures import Measures
from tapewire.services.server.traces import Traces
from tapewire.store import Store

T = TypeVar("T")
#: Questions at a time; a store of SQLite's has one writer anyway.
THREADS: Final = 4


class Database:
    """A store behind threads.

    Parameters
    ----------
    store
        Which threads may share.
    measures
        Where questions are counted.
    traces
        Where spans of them go.
    """

    def __init__(self, store: Store, measures: Measures, traces: Traces | None = None) -> None:
        self._store, self._measures, self._traces = store, measures, traces
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")

    async def ask(self, query: str, question: Callable[[Store], T]) -> T:
        """Ask the store something, under a name for the figures."""

        def work() -> T:
            began_s = time.perf_counter()
            try:
                with self._measures.connected():
                    return question(self._store)
            finally:
                self._measures.asked(query, time.perf_counter() - began_s)

        with self._traces.asking(query) if self._traces else contextlib.nullcontext():
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Wait for what is being asked, and let the store go."""
        self._threads.shutdown(wait=True)
        self._store.close()
