"""What every call goes through: who it is, how often, whether they may, what went wrong, a log."""

import asyncio
import contextlib
import os
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import grpc
import grpc.aio
import structlog

from tapewire.errors import StoreError, TapewireError
from tapewire.services.auth.rates import Limits
from tapewire.services.auth.roles import may
from tapewire.services.auth.tokens import BadTokenError, Claims
from tapewire.services.server.callers import CALLER, Caller, KnowsTokens, Refused
from tapewire.services.server.failures import CallFailure, failure_of
from tapewire.services.server.measures import Measures
from tapewire.services.server.rules import RULES, Rule
from tapewire.services.server.traces import Traces, span_of, span_started

__all__ = ["CALLER", "REQUEST_ID", "CallGuard", "Caller", "Refused"]

_BEARER: Final = "bearer "
#: Metadata with a call's number: a client may give one, and is told of it in the trailers.
REQUEST_ID: Final = "x-request-id"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: Between two looks, s, whether who hears a stream is still known; the store is asked as seldom as
#: for calls.
HEARS_S: Final = 1.0
#: What a message becomes that is none.
_MALFORMED: Final = object()
#: What comes after the last part of a stream.
_NO_MORE: Final = object()


class CallGuard(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Stands before every call: a server has no other handler than this one.

    It is no interceptor, which gRPC would await, with what stands behind it, for each call.

    Parameters
    ----------
    tokens
        Who tells whom a token is about.
    per_user, per_address
        How often one of them may call.
    measures
        Where calls are counted.
    calls_max, streams_max
        Calls with one answer, and with many, that go on at a time; who comes then is sent away.
    traces
        Where spans of calls go.
    """

    def __init__(
        self,
        tokens: KnowsTokens,
        *,
        per_user: Limits,
        per_address: Limits,
        measures: Measures,
        calls_max: int,
        streams_max: int,
        traces: Traces | None = None,
    ) -> None:
        self._tokens, self._measures = tokens, measures
        self._per_user, self._per_address = per_user, per_address
        # Bound to how lines are written now, not looked up for each of them.
        self._log = structlog.get_logger("tapewire.server").bind()
        self.traces = traces
        #: Whether who comes now is told that the server ends.
        self.is_draining = False
        self._going, self._most = [0, 0], (calls_max, streams_max)
        # Numbers of two processes differ by what they begin with.
        self._count, self._begin = 0, os.urandom(4).hex()
        self._guarded: dict[str, _Guarded] = {}

    def guard(self, handlers: Mapping[str, grpc.RpcMethodHandler]) -> None:
        """Let calls through to these, by ``/package.Service/Call``, that have a rule."""
        for method, handler in handlers.items():
            if (rule := RULES.get(method)) is not None:
                self._guarded[method] = _Guarded(method, rule, handler)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Return what handles a call that has come, whose message has not."""
        guarded = self._guarded.get(details.method)
        if guarded is None:
            return None  # unimplemented: nobody learns whether there is something behind it
        metadata = dict(details.invocation_metadata or ())
        return _Told(self, guarded, metadata, self._number(metadata))

    def _number(self, metadata: dict[str, Any]) -> str:
        self._count += 1
        given = metadata.get(REQUEST_ID)
        if isinstance(given, str) and _REQUEST_ID.fullmatch(given):
            return given
        return f"{self._begin}-{self._count:x}"

    async def admit(self, told: "_Told", context: grpc.aio.ServicerContext) -> Caller:
        """Say who calls, or refuse.

        Raises
        ------
        Refused, BadTokenError
            If nobody is known who has to be, it is too often, or they may not.
        """
        address = told.address = _address(context.peer())
        self._let_in(told)
        self._within(self._per_address, address, "address")
        claims = None
        if not told.rule.open:
            claims = await self._tokens.claims_of(_token(told.metadata))
            self._within(self._per_user, claims.user_id, "user")
            needed = told.rule.permission
            if needed is not None and not may(claims.role, needed):
                raise Refused(
                    CallFailure(
                        "PERMISSION_DENIED",
                        "ROLE",
                        f"{told.name}: expected a role that may {needed}, found {claims.role}",
                        2,
                    )
                )
        return Caller(claims, address, told.request_id)

    def _let_in(self, told: "_Told") -> None:
        """Send away who comes when the server ends, or has enough to do."""
        if self.is_draining:
            sentence = "the server is about to end: call again, another one takes over"
            raise Refused(CallFailure("UNAVAILABLE", "DRAINING", sentence))
        # Who looks whether a busy server lives shall not think that it is dead.
        most = self._most[told.streams]
        if self._going[told.streams] > most and not told.rule.vital:
            sentence = f"the server is busy: {most:,} calls go on; try again in a second"
            raise Refused(CallFailure("RESOURCE_EXHAUSTED", "BUSY", sentence))

    def _within(self, limiter: Limits, key: str, of: str) -> None:
        if wait_s := limiter.wait_s(key):
            raise Refused(
                CallFailure(
                    "RESOURCE_EXHAUSTED",
                    "RATE",
                    f"too many calls of one {of}: wait {wait_s:.1f} s",
                    1,
                )
            )

    def began(self, told: "_Told", context: grpc.aio.ServicerContext) -> None:
        """Note that a call has come, whole."""
        told.has_begun = True
        context.set_trailing_metadata(((REQUEST_ID, told.request_id),))
        self._going[told.streams] += 1

    def ended(self, told: "_Told", caller: Caller | None, status: str, began_s: float) -> None:
        """Count a call, and write it to the log."""
        elapsed_s = time.perf_counter() - began_s
        self._going[told.streams] -= 1
        self._measures.handled(told.method, status, elapsed_s)
        # Who is refused is told of, too: that is where somebody tries doors.
        self._log.info(
            "call", method=told.method, status=status, reason=told.reason,
            duration_ms=round(elapsed_s * 1e3, 3), request_id=told.request_id,
            user=caller.claims.name if caller and caller.claims else None, address=told.address,
        )  # fmt: skip

    async def heard(self, parts: Any, claims: Claims) -> AsyncGenerator[Any, None]:
        """Give parts of a stream for as long as nobody has thrown out who hears them.

        That is looked at while nothing comes, too. A token that expires meanwhile is as good as
        when the stream began.

        Raises
        ------
        BadTokenError
            If its user was disabled or changed, or its login has ended.
        """
        due_s, coming = time.monotonic() + HEARS_S, None
        try:
            while True:
                coming = asyncio.create_task(_next(parts))
                while not coming.done():
                    await asyncio.wait({coming}, timeout=max(0.0, due_s - time.monotonic()))
                    if time.monotonic() >= due_s:
                        with contextlib.suppress(StoreError):  # it may be back at the next look
                            await self._tokens.user_of(claims)
                        due_s = time.monotonic() + HEARS_S
                if (part := coming.result()) is _NO_MORE:
                    return
                yield part
        finally:
            if coming is not None and not coming.done():
                coming.cancel()
                await asyncio.wait({coming})
            await parts.aclose()

    def sent(self, told: "_Told") -> None:
        """Count a message of a stream."""
        self._measures.sent(told.method)

    def never_began(self, told: "_Told") -> None:
        """Count a call whose message never came whole: too large, or broken off."""
        self._measures.handled(told.method, "NO_MESSAGE", 0.0)
        self._measures.refused("NO_MESSAGE")
        self._log.info("call", method=told.method, status="NO_MESSAGE", request_id=told.request_id)

    def failed(self, told: "_Told", error: Exception) -> CallFailure:
        """What a client is told of an error; one that is a bug is in the log alone."""
        if isinstance(error, BadTokenError):
            failure = CallFailure("UNAUTHENTICATED", "BAD_TOKEN", str(error), 2)
            self._measures.refused(failure.reason)
        elif isinstance(error, Refused):
            failure = error.failure
            self._measures.refused(failure.reason)
        elif isinstance(error, StoreError) and told.rule.open:
            # Where the store is, is nothing for somebody whom nobody knows.
            self._log.error(
                "store", method=told.method, error=str(error), request_id=told.request_id
            )
            sentence = "the store can't be asked now: try again in a moment"
            failure = replace(failure_of(error), sentence=sentence)
        elif isinstance(error, TapewireError):
            failure = failure_of(error)
        else:
            self._log.exception(
                "bug", method=told.method, kind=type(error).__name__, request_id=told.request_id
            )
            failure = CallFailure(
                "INTERNAL", "BUG", f"{told.name}: a bug of the server's; its log has the rest", 70
            )
        told.reason = failure.reason
        return failure


class _Guarded:
    """One of the calls that there are, as it is to be handled."""

    def __init__(self, method: str, rule: Rule, handler: grpc.RpcMethodHandler) -> None:
        self.method, self.rule = method, rule
        self.name = method.rpartition(".")[2].replace("/", ".")
        self.reads_stream: bool = handler.request_streaming
        self.streams: bool = handler.response_streaming
        self.written = handler.response_serializer
        self.inner = handler.unary_stream if self.streams else handler.unary_unary
        self.taken = handler.request_deserializer
        if self.reads_stream:
            self.inner = handler.stream_stream
        else:
            # A stream of messages is gRPC's own to read.
            self.taken = _taking(self.taken)


class _Told(grpc.RpcMethodHandler):  # type: ignore[misc]
    """A call, and what is known of it; made before its message comes, which it then handles."""

    def __init__(
        self, guard: CallGuard, of: _Guarded, metadata: dict[str, Any], request_id: str
    ) -> None:
        self._guard, self._of = guard, of
        self.method, self.rule, self.streams = of.method, of.rule, of.streams
        self.metadata, self.request_id = metadata, request_id
        self.address: str | None = None
        self.reason: str | None = None
        self.has_begun = False
        # As gRPC asks for them.
        self.request_streaming, self.response_streaming = of.reads_stream, of.streams
        self.request_deserializer, self.response_serializer = of.taken, of.written

    @property
    def name(self) -> str:
        return self._of.name

    def __del__(self) -> None:
        # gRPC drops a handler that it will not call, and tells nobody why.
        if not self.has_begun:
            self._guard.never_began(self)

    async def unary_unary(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Answer once."""
        guard = self._guard
        began_s, caller, status = time.perf_counter(), None, "CANCELLED"
        guard.began(self, context)
        with span_of(guard.traces, self.method, self.metadata, self.request_id) as span:
            try:
                caller = await guard.admit(self, context)
                CALLER.set(caller)
                _require_message(request)
                answered = await self._of.inner(request, context)
                status = "OK"
            except grpc.aio.AbortError:
                raise
            except Exception as error:
                failure = guard.failed(self, error)
                status = failure.status
                await _end(context, self, failure)
            else:
                return answered
            finally:
                span.end(status)
                guard.ended(self, caller, status, began_s)

    async def unary_stream(
        self, request: Any, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[Any]:
        """Answer many times, as long as who hears it is known."""
        guard = self._guard
        began_s, caller, status = time.perf_counter(), None, "CANCELLED"
        guard.began(self, context)
        # Not the current one of the loop's context: a generator may end in another context.
        span = span_started(guard.traces, self.method, self.metadata, self.request_id)
        try:
            caller = await guard.admit(self, context)
            CALLER.set(caller)
            _require_message(request)
            parts = self._of.inner(request, context)
            if caller.claims is not None:
                parts = guard.heard(parts, caller.claims)
            async with contextlib.aclosing(parts):
                async for part in parts:
                    guard.sent(self)
                    yield part
            status = "OK"
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            failure = guard.failed(self, error)
            status = failure.status
            await _end(context, self, failure)
        finally:
            span.end(status)
            guard.ended(self, caller, status, began_s)

    stream_stream = unary_stream


async def _next(parts: Any) -> Any:
    return await anext(parts, _NO_MORE)


def _token(metadata: dict[str, Any]) -> str:
    text = metadata.get("authorization", "")
    if not isinstance(text, str) or not text.lower().startswith(_BEARER):
        raise Refused(
            CallFailure(
                "UNAUTHENTICATED",
                "NO_TOKEN",
                "expected authorization: Bearer <token>, found none; log in: tapewire login",
                2,
            )
        )
    return text[len(_BEARER) :].strip()


def _address(peer: str) -> str:
    """``ipv4:127.0.0.1:41312`` → ``127.0.0.1``."""
    kind, _, rest = peer.partition(":")
    return rest.rpartition(":")[0] if kind in ("ipv4", "ipv6") else kind


def _taking(deserializer: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def take(data: bytes) -> Any:
        try:
            return deserializer(data)
        except Exception:  # whatever a parser says of it: gRPC would answer without a log
            return _MALFORMED

    return take


def _require_message(request: Any) -> None:
    if request is _MALFORMED:
        raise Refused(
            CallFailure(
                "INVALID_ARGUMENT", "MALFORMED",
                "expected a message of this call's type, found other bytes; is the client of "
                "another version?", 2,
            )
        )  # fmt: skip


async def _end(context: grpc.aio.ServicerContext, told: _Told, failure: CallFailure) -> None:
    context.set_trailing_metadata((*failure.trailers, (REQUEST_ID, told.request_id)))
    await context.abort(failure.code, failure.sentence)
