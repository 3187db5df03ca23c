"""The store, asked from an event loop: in a few threads, with the time that each took."""

import asyncio
import contextlib
import hmac
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from tapewire.errors import StoreLockedError
from tapewire.services.server.callers import CALLER
from tapewire.services.server.measures import Measures
from tapewire.services.server.traces import Traces
from tapewire.store import Store

T = TypeVar("T")
#: Questions at a time; a store of SQLite's has one writer anyway.
THREADS: Final = 4
_UNTRACED: Final = contextlib.nullcontext()


class Database:
    """A store behind threads.

    Parameters
    ----------
    store
        Which threads may share.
    measures
        Where questions are counted.
    secret
        Of the server: what a call is known by can't be told from what it said without it.
    traces
        Where spans of them go.
    """

    def __init__(
        self, store: Store, measures: Measures, secret: bytes, traces: Traces | None = None
    ) -> None:
        self._store, self._measures, self._traces = store, measures, traces
        self._digest_key = hmac.digest(secret, b"calls with a key", "sha256")
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

        with self._asking(query):
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def look_up(self, query: str, question: Callable[[Store], T]) -> T:
        """Ask the store for a row by its key, or for a few along an index.

        SQLite answers that in less time than it takes to have a thread do it, so that it is asked
        here. Who has locked its file is waited for in a thread.
        """
        if not self._store.is_sqlite:
            return await self.ask(query, question)
        began_s = time.perf_counter()
        try:
            with self._asking(query), self._store.at_once():
                return question(self._store)
        except StoreLockedError:
            pass
        finally:
            self._measures.asked(query, time.perf_counter() - began_s)
        return await self.ask(query, question)

    async def once(
        self, query: str, key: str, request: Any, question: Callable[[Store], Any]
    ) -> bytes:
        """Ask the store for a change and return the answer; the same call with the same key again
        is answered as before, and changes nothing.

        Parameters
        ----------
        query
            A name for the figures.
        key
            Of the caller's choice; empty: each call is another one.
        request
            The message: all that the caller says.
        question
            Returns the answering message.
        """
        claims = CALLER.get().claims
        assert claims is not None
        digest = self._digest(request)

        def change(store: Store) -> bytes:
            def answer() -> bytes:
                answered: bytes = question(store).SerializeToString()
                return answered

            return store.answered_once(int(claims.user_id), key, digest, answer)

        if not key:
            message = await self.ask(query, question)
            answered: bytes = message.SerializeToString()
            return answered
        return await self.ask(query, change)

    def _digest(self, request: Any) -> str:
        """Return what a request is known by: a password in it can't be guessed from that."""
        said = request.SerializeToString(deterministic=True)
        text = type(request).__name__.encode() + b"\0" + said
        return hmac.digest(self._digest_key, text, "sha256").hex()

    def _asking(self, query: str) -> contextlib.AbstractContextManager[None]:
        return self._traces.asking(query) if self._traces else _UNTRACED

    def close(self) -> None:
        """Wait for what is being asked, and let the store go."""
        self._threads.shutdown(wait=True)
        self._store.close()
