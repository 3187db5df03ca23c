"""What every call goes through: who it is, how often, whether they may, what went wrong, a log."""

import contextvars
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import grpc
import grpc.aio
import structlog

from tapewire.errors import TapewireError
from tapewire.services.auth.rates import RateLimiter
from tapewire.services.auth.roles import may
from tapewire.services.auth.tokens import BadTokenError, Claims
from tapewire.services.server.failures import CallFailure, failure_of
from tapewire.services.server.measures import Measures
from tapewire.services.server.rules import RULES, Rule

_BEARER: Final = "bearer "


@dataclass(frozen=True)
class Caller:
    """Who makes a call.

    Attributes
    ----------
    claims : Claims, optional
        None where nobody has to be known.
    address : str
        Of the connection, without the port.
    request_id : str
        Of this call; in every line of the log about it.
    """

    claims: Claims | None
    address: str
    request_id: str

    @property
    def name(self) -> str:
        """Of the user, or the address."""
        return self.claims.name if self.claims else self.address


CALLER: contextvars.ContextVar[Caller] = contextvars.ContextVar("caller")


class KnowsTokens(Protocol):
    """Whoever tells whom a token is about."""

    async def claims_of(self, token: str) -> Claims:
        """Return its claims.

        Raises
        ------
        BadTokenError
            If it does not hold, or was revoked.
        """


class Refused(Exception):
    """A call that ends before it began."""

    def __init__(self, failure: CallFailure) -> None:
        super().__init__(failure.sentence)
        self.failure = failure


class CallGuard(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Stands before every call.

    Parameters
    ----------
    tokens
        Who tells whom a token is about.
    per_user, per_address
        How often one of them may call.
    measures
        Where calls are counted.
    """

    def __init__(
        self,
        tokens: KnowsTokens,
        *,
        per_user: RateLimiter,
        per_address: RateLimiter,
        measures: Measures,
    ) -> None:
        self._tokens, self._measures = tokens, measures
        self._per_user, self._per_address = per_user, per_address
        self._log = structlog.get_logger("tapewire.server")
        self._count = 0

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]],
        details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """Wrap the call's handler."""
        handler = await continuation(details)
        rule = RULES.get(details.method)
        if handler is None or rule is None:
            return None  # unimplemented: nobody learns whether there is something behind it
        metadata = dict(details.invocation_metadata or ())
        told = _Told(details.method, rule, metadata)
        if handler.response_streaming:
            streaming = _streaming(self, told, handler)
            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            return make(streaming, handler.request_deserializer, handler.response_serializer)
        return grpc.unary_unary_rpc_method_handler(
            _answering(self, told, handler), handler.request_deserializer,
            handler.response_serializer,
        )  # fmt: skip

    async def admit(self, told: "_Told", context: grpc.aio.ServicerContext) -> Caller:
        """Say who calls, or refuse.

        Raises
        ------
        Refused
            If nobody is known who has to be, it is too often, or they may not.
        """
        self._count += 1
        address = _address(context.peer())
        request_id = f"{self._count:x}"
        self._within(self._per_address, address, "address")
        claims = None
        if not told.rule.open:
            token = _token(told.metadata)
            try:
                claims = await self._tokens.claims_of(token)
            except BadTokenError as error:
                raise Refused(CallFailure("UNAUTHENTICATED", "BAD_TOKEN", str(error), 2)) from None
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
        return Caller(claims, address, request_id)

    def _within(self, limiter: RateLimiter, key: str, of: str) -> None:
        if wait_s := limiter.wait_s(key):
            raise Refused(
                CallFailure(
                    "RESOURCE_EXHAUSTED",
                    "RATE",
                    f"too many calls of one {of}: wait {wait_s:.1f} s",
                    1,
                )
            )

    def ended(self, told: "_Told", caller: Caller | None, status: str, began_s: float) -> None:
        """Count a call, and write it to the log."""
        elapsed_s = time.perf_counter() - began_s
        self._measures.handled(told.method, status, elapsed_s)
        # Who is refused is told of, too: that is where somebody tries doors.
        self._log.info(
            "call", method=told.method, status=status, duration_ms=round(elapsed_s * 1e3, 3),
            request_id=caller.request_id if caller else None,
            user=caller.name if caller else None,
        )  # fmt: skip

    def failed(self, told: "_Told", error: Exception) -> CallFailure:
        """What a client is told of an error; one that is a bug is in the log alone."""
        if isinstance(error, Refused):
            return error.failure
        if isinstance(error, TapewireError):
            return failure_of(error)
        self._log.exception("bug", method=told.method, kind=type(error).__name__)
        return CallFailure(
            "INTERNAL", "BUG", f"{told.name}: a bug of the server's; its log has the rest", 70
        )


@dataclass(frozen=True)
class _Told:
    method: str
    rule: Rule
    metadata: dict[str, Any]

    @property
    def name(self) -> str:
        return self.method.rpartition(".")[2].replace("/", ".")


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


async def _end(context: grpc.aio.ServicerContext, failure: CallFailure) -> None:
    context.set_trailing_metadata(failure.trailers)
    await context.abort(failure.code, failure.sentence)


def _answering(guard: CallGuard, told: _Told, handler: grpc.RpcMethodHandler) -> Any:
    async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
        began_s, caller, status = time.perf_counter(), None, "CANCELLED"
        try:
            caller = await guard.admit(told, context)
            CALLER.set(caller)
            answered = await handler.unary_unary(request, context)
            status = "OK"
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            failure = guard.failed(told, error)
            status = failure.status
            await _end(context, failure)
        else:
            return answered
        finally:
            guard.ended(told, caller, status, began_s)

    return answer


def _streaming(guard: CallGuard, told: _Told, handler: grpc.RpcMethodHandler) -> Any:
    inner = handler.stream_stream if handler.request_streaming else handler.unary_stream

    async def answer(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        began_s, caller, status = time.perf_counter(), None, "CANCELLED"
        try:
            caller = await guard.admit(told, context)
            CALLER.set(caller)
            async for part in inner(request, context):
                yield part
            status = "OK"
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            failure = guard.failed(told, error)
            status = failure.status
            await _end(context, failure)
        finally:
            guard.ended(told, caller, status, began_s)

    return answer
