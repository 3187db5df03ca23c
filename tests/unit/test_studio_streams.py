"""Streams of calls of a page that is closed meanwhile."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import grpc.aio
import pytest

from tapewire.services.proto import jobs_pb2
from tapewire.services.web.app import studio
from tapewire.services.web.calls import WebCalls

CALLER: contextvars.ContextVar[str] = contextvars.ContextVar("caller", default="nobody")
SCOPE = {
    "type": "http",
    "asgi": {"spec_version": "2.3"},
    "method": "POST",
    "path": "/api/stream/JobService/Watch",
    "raw_path": b"/api/stream/JobService/Watch",
    "root_path": "",
    "query_string": b"",
    "headers": [(b"x-tapewire", b"1"), (b"content-type", b"application/json")],
    "client": ("127.0.0.1", 9),
}


class Watched:
    """A guard that lets everything through, to a stream that gives so many answers, then waits."""

    def __init__(self, count: int, refusal: str = "") -> None:
        self._count, self._refusal = count, refusal
        self.is_waiting, self.goes_on, self.has_ended = asyncio.Event(), asyncio.Event(), False
        self.callers: list[str] = []

    def service(self, _: Any) -> Any:
        return self

    async def unary_stream(self, _: Any, context: Any) -> AsyncIterator[Any]:
        CALLER.set("ada")
        try:
            if self._refusal:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, self._refusal)
            for _ in range(self._count):
                self.callers.append(CALLER.get())
                yield jobs_pb2.WatchJobResponse()
            self.is_waiting.set()
            await self.goes_on.wait()
            self.callers.append(CALLER.get())
        finally:
            self.has_ended = True


class Page:
    """A page that asks for a stream, and may be closed."""

    def __init__(self, *, takes: bool = True) -> None:
        self.closed, self.sent, self.is_full = asyncio.Event(), bytearray(), asyncio.Event()
        self.status = 0
        self._takes, self._asks = takes, True

    async def receive(self) -> MutableMapping[str, Any]:
        if self._asks:
            self._asks = False
            return {"type": "http.request", "body": b"{}", "more_body": False}
        await self.closed.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.status = message.get("status", self.status)
        self.sent += message.get("body", b"")
        if message.get("body") and not self._takes:
            self.is_full.set()
            await asyncio.Event().wait()


async def asked(watched: Watched, page: Page) -> None:
    app = studio(WebCalls(watched), secure=False, opened=lambda: None)
    await app(dict(SCOPE), page.receive, page.send)


def others() -> set["asyncio.Task[Any]"]:
    found = asyncio.all_tasks()
    return {one for one in found if one is not asyncio.current_task()}


@pytest.mark.parametrize("answers", [0, 1, 3])
def test_a_call_ends_as_soon_as_its_page_is_closed(answers: int) -> None:
    async def closes() -> None:
        watched, page = Watched(answers), Page()
        going = asyncio.create_task(asked(watched, page))
        await watched.is_waiting.wait()
        assert not watched.has_ended
        page.closed.set()
        await asyncio.wait_for(going, 5)
        assert watched.has_ended
        assert page.sent.count(b"data: ") == answers
        assert others() == set()

    asyncio.run(closes())


def test_a_call_ends_whose_page_is_closed_while_it_takes_no_more() -> None:
    async def closes() -> None:
        watched, page = Watched(3), Page(takes=False)
        going = asyncio.create_task(asked(watched, page))
        await page.is_full.wait()
        page.closed.set()
        await asyncio.wait_for(going, 5)
        assert watched.has_ended
        assert others() == set()

    asyncio.run(closes())


@pytest.mark.parametrize("answers", [0, 2])
def test_a_page_that_stays_has_every_answer_of_one_caller_and_the_end(answers: int) -> None:
    async def stays() -> None:
        watched, page = Watched(answers), Page()
        going = asyncio.create_task(asked(watched, page))
        await watched.is_waiting.wait()
        watched.goes_on.set()
        await asyncio.wait_for(going, 5)
        assert page.status == 200
        assert page.sent.count(b"data: ") == answers + 1
        assert page.sent.endswith(b"event: ended\ndata: {}\n\n")
        assert watched.callers == ["ada"] * (answers + 1)
        assert others() == set()

    asyncio.run(stays())


def test_a_page_that_is_closed_in_the_middle_of_asking_has_asked_for_nothing() -> None:
    async def closes() -> None:
        watched, page = Watched(1), Page()
        said = iter([{"type": "http.request", "body": b"{", "more_body": True}])

        async def receive() -> MutableMapping[str, Any]:
            return next(said, {"type": "http.disconnect"})

        app = studio(WebCalls(watched), secure=False, opened=lambda: None)
        await asyncio.wait_for(app(dict(SCOPE), receive, page.send), 5)
        assert page.status == 499
        assert watched.callers == []
        assert others() == set()

    asyncio.run(closes())


def test_a_refusal_before_the_first_answer_is_the_status() -> None:
    async def refuses() -> None:
        watched, page = Watched(1, "the server is busy"), Page()
        await asyncio.wait_for(asked(watched, page), 5)
        assert page.status == 429
        assert b"the server is busy" in page.sent
        assert others() == set()

    asyncio.run(refuses())
