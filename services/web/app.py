"""What a browser may ask for: the page, its parts, a login, calls and streams of calls."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tapewire.services.server.settings import MESSAGE_BYTES_MAX
from tapewire.services.web.calls import CallFailedError, WebCalls
from tapewire.services.web.cookies import SESSION_PATH, LoginCookies, require_own_page

#: How long a call's JSON may take to come, s.
BODY_S_MAX = 30.0
#: What a call is logged with whose page has been closed; nobody reads it.
_CLOSED: Final = 499
STUDIO: Final = Path(__file__).parent / "studio"
#: Nothing is loaded from elsewhere, no script or style stands in a page itself.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: Of every answer.
_HEADERS: Final = (
    ("content-security-policy", _POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
)
_OVER_TLS: Final = (("strict-transport-security", "max-age=31536000"),)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class _Headed:
    """Adds the headers of every answer."""

    def __init__(self, app: Any, secure: bool) -> None:
        self._app = app
        pairs = _HEADERS + (_OVER_TLS if secure else ())
        self._headers = [(name.encode(), value.encode()) for name, value in pairs]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._app(scope, receive, headed)


class _Studio:
    """Answers a browser."""

    def __init__(self, calls: WebCalls, cookies: LoginCookies, opened: Callable[[], None]) -> None:
        self._calls, self._cookies, self._opened = calls, cookies, opened

    async def page(self, _: Request) -> Response:
        """Give the page, whatever view of it is asked for."""
        self._opened()
        return FileResponse(STUDIO / "index.html", headers={"cache-control": "no-cache"})

    async def call(self, request: Request) -> Response:
        """Make a call."""
        require_own_page(request)
        name = "{service}/{call}".format(**request.path_params)
        told = await self._calls.answer(
            name, await _body(request), self._token(request), _address(request)
        )
        return JSONResponse(told)

    async def stream(self, request: Request) -> Response:
        """Make a call with many answers, each an event; the last event says how it ended."""
        require_own_page(request)
        name = "{service}/{call}".format(**request.path_params)
        answers = self._calls.answers(
            name, await _body(request), self._token(request), _address(request)
        )
        # Its first answer decides on the status; a refusal is one like any other call's.
        first = await _first(answers, request)
        return StreamingResponse(
            _events(first, answers),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
            # A page that closes while an answer is on its way leaves the call where it is.
            background=BackgroundTask(_end, answers),
        )

    async def login(self, request: Request) -> Response:
        """Log in: name and password for cookies."""
        require_own_page(request)
        told = await self._calls.answer(
            "AuthService/Login", await _body(request), "", _address(request), inside=True
        )
        return self._with_tokens(told.pop("tokens"), told)

    async def known(self, request: Request) -> Response:
        """Say who is logged in; nobody is no failure."""
        require_own_page(request)
        token = self._token(request)
        try:
            if token:
                return JSONResponse(await self._who(token, request))
        except CallFailedError as error:
            if error.status != 401:
                raise
        if not request.cookies.get(self._cookies.refresh):
            return JSONResponse({"user": None})
        try:
            tokens = await self._refreshed(request)
        except CallFailedError as error:
            if error.status != 401:
                raise
            response = JSONResponse({"user": None})
            self._cookies.drop(response)
            return response
        return self._with_tokens(tokens, await self._who(tokens["access_token"], request))

    async def refresh(self, request: Request) -> Response:
        """New cookies for the one that refreshes."""
        require_own_page(request)
        return self._with_tokens(await self._refreshed(request), {})

    async def _refreshed(self, request: Request) -> dict[str, Any]:
        token = request.cookies.get(self._cookies.refresh, "")
        if not token:
            raise CallFailedError(401, "expected a login, found none", "NO_TOKEN", "2")
        body = json.dumps({"refresh_token": token}).encode()
        told = await self._calls.answer(
            "AuthService/Refresh", body, "", _address(request), inside=True
        )
        tokens: dict[str, Any] = told["tokens"]
        return tokens

    async def _who(self, token: str, request: Request) -> dict[str, Any]:
        return await self._calls.answer("AuthService/WhoAmI", b"{}", token, _address(request))

    async def logout(self, request: Request) -> Response:
        """End the login, here and at the server."""
        require_own_page(request)
        response = JSONResponse({})
        self._cookies.drop(response)
        try:
            token = self._token(request)
            if token:
                await self._end(token, request)
                return response
        except CallFailedError as error:
            if error.status != 401:
                raise
        # The short token has ended, the login may not have.
        try:
            await self._end((await self._refreshed(request))["access_token"], request)
        except CallFailedError as error:
            if error.status != 401:  # one that has ended by itself is as good
                raise
        return response

    async def _end(self, token: str, request: Request) -> None:
        await self._calls.answer("AuthService/Logout", b"{}", token, _address(request), inside=True)

    def _with_tokens(self, tokens: dict[str, Any], told: dict[str, Any]) -> Response:
        response = JSONResponse(told)
        self._cookies.put(response, tokens)
        return response

    def _token(self, request: Request) -> str:
        return request.cookies.get(self._cookies.access, "")


def studio(calls: WebCalls, *, secure: bool, opened: Callable[[], None]) -> Any:
    """Return the studio as an ASGI application.

    Parameters
    ----------
    calls
        Who makes its calls.
    secure
        Whether it is served over TLS.
    opened
        Told as somebody opens the page; returns at once.
    """
    answers = _Studio(calls, LoginCookies(secure), opened)
    return _Headed(
        Starlette(
            routes=[
                Route("/api/call/{service}/{call}", answers.call, methods=["POST"]),
                Route("/api/stream/{service}/{call}", answers.stream, methods=["POST"]),
                Route(SESSION_PATH, answers.login, methods=["POST"]),
                Route(SESSION_PATH, answers.logout, methods=["DELETE"]),
                Route(f"{SESSION_PATH}/known", answers.known, methods=["POST"]),
                Route(f"{SESSION_PATH}/refresh", answers.refresh, methods=["POST"]),
                Mount("/studio", StaticFiles(directory=STUDIO)),
                Route("/{view:path}", answers.page, methods=["GET"]),
            ],
            exception_handlers={CallFailedError: _failed, ClientDisconnect: _left},
        ),
        secure,
    )


async def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, CallFailedError)
    return JSONResponse(error.told, error.status)


async def _left(_: Request, __: Exception) -> Response:
    # Of a page that is closed, before it has said all of what it asks for, or had an answer.
    return Response(status_code=_CLOSED)


async def _body(request: Request) -> bytes:
    """Return a call's JSON.

    Raises
    ------
    CallFailedError
        If it is none, too large, or does not come.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/json":
        sentence = f"content-type: expected application/json, found {kind[:80]!r}"
        raise CallFailedError(415, sentence, "MALFORMED", "2")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S_MAX):
            async for part in request.stream():
                body += part
                if len(body) > MESSAGE_BYTES_MAX:
                    sentence = f"expected at most {MESSAGE_BYTES_MAX:,} bytes, found more"
                    raise CallFailedError(413, sentence, "TOO_LARGE", "2")
    except TimeoutError:
        sentence = f"expected a whole call within {BODY_S_MAX:g} s, found {len(body):,} bytes"
        raise CallFailedError(408, sentence, "LATE", "1") from None
    return bytes(body)


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


async def _first(answers: AsyncIterator[dict[str, Any]], request: Request) -> Any:
    """Return the first answer of a stream, None if it ends without one.

    Raises
    ------
    CallFailedError
        If the call is refused.
    ClientDisconnect
        If the page is closed meanwhile; the call has ended then.
    """
    try:
        # In this task, as the rest: a call knows by its context who makes it.
        async with asyncio.timeout(None) as waiting:
            watching = asyncio.create_task(_end_when_closed(request, waiting))
            try:
                return await anext(answers, None)
            finally:
                watching.cancel()
                await asyncio.wait([watching])
    except TimeoutError:
        if not waiting.expired():
            raise
        raise ClientDisconnect from None


async def _end_when_closed(request: Request, waiting: asyncio.Timeout) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    waiting.reschedule(0.0)


async def _end(answers: AsyncGenerator[dict[str, Any], None]) -> None:
    await answers.aclose()


async def _events(first: Any, rest: AsyncIterator[dict[str, Any]]) -> AsyncIterator[str]:
    if first is not None:
        yield f"data: {json.dumps(first)}\n\n"
    try:
        async for one in rest:
            yield f"data: {json.dumps(one)}\n\n"
    except CallFailedError as error:
        yield f"event: failed\ndata: {json.dumps(error.told)}\n\n"
    else:
        yield "event: ended\ndata: {}\n\n"
