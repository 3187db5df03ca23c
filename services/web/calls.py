"""Calls of a browser, answered by the handlers of gRPC's own, let in by the same guard.

JSON becomes the call's message by the protocol's own mapping, and back; what a page may do is
thereby what its user may do by any other way.
"""

import contextlib
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

import grpc
import grpc.aio
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from tapewire.services.proto import (
    accounts_pb2,
    backtests_pb2,
    data_pb2,
    health_pb2,
    jobs_pb2,
    keys_pb2,
    live_pb2,
    optimizer_pb2,
    runs_pb2,
    strategies_pb2,
)
from tapewire.services.server.failures import EXIT_CODE, REASON

#: Calls that give or take tokens: a page never sees any, they are in cookies.
_OF_TOKENS: Final = frozenset(("AuthService/Login", "AuthService/Refresh", "AuthService/Logout"))
_FILES: Final = (
    accounts_pb2, backtests_pb2, data_pb2, health_pb2, jobs_pb2, keys_pb2, live_pb2,
    optimizer_pb2,
    runs_pb2, strategies_pb2,
)  # fmt: skip
#: gRPC's status → HTTP's.
HTTP_STATUS: Final[Mapping[str, int]] = {
    "OK": 200,
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "FAILED_PRECONDITION": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNIMPLEMENTED": 404,
    "UNAVAILABLE": 503,
}


class CallFailedError(Exception):
    """A call that ended without an answer.

    Attributes
    ----------
    status : int
        HTTP's.
    told : dict
        What the page is told: ``error``, the sentence of the command line, and ``reason``.
    """

    def __init__(self, status: int, sentence: str, reason: str, exit_code: str = "1") -> None:
        super().__init__(sentence)
        self.status = status
        self.told = {"error": sentence, "reason": reason, "exit_code": int(exit_code)}


class GuardsCalls(Protocol):
    """What stands before every call."""

    def service(self, details: Any) -> Any:
        """Return a call's handler; None if there is no such call."""


@dataclass
class _Context:
    """A call's context, as far as handlers and guard ask for it."""

    address: str
    #: What a context of gRPC's has not.
    is_of_page: ClassVar[bool] = True
    code: grpc.StatusCode = grpc.StatusCode.OK
    sentence: str = ""
    trailers: dict[str, str] = field(default_factory=dict)

    def peer(self) -> str:
        return f"ipv6:{self.address}:0" if ":" in self.address else f"ipv4:{self.address}:0"

    def set_trailing_metadata(self, trailers: Any) -> None:
        self.trailers = dict(trailers)

    async def abort(self, code: grpc.StatusCode, sentence: str = "") -> None:
        self.code, self.sentence = code, sentence
        raise grpc.aio.AbortError(code.name)


@dataclass(frozen=True)
class _Details:
    method: str
    invocation_metadata: tuple[tuple[str, str], ...]


class WebCalls:
    """Makes the calls that a page asks for.

    Parameters
    ----------
    guard
        Lets each in, or not.
    """

    def __init__(self, guard: GuardsCalls) -> None:
        self._guard = guard

    async def answer(
        self, call: str, body: bytes, token: str, address: str, *, inside: bool = False
    ) -> dict[str, Any]:
        """Make a call with one answer; JSON in, JSON out.

        Parameters
        ----------
        call
            ``JobService/Get``.
        token
            An access token; empty: nobody has logged in.
        address
            Whom it is for.
        inside
            Whether it is the server's own, which may be about tokens.

        Raises
        ------
        CallFailedError
            If there is no such call, the body is not its message, or it is refused.
        """
        method = _method(call, inside=inside)
        if method.server_streaming:
            raise CallFailedError(404, f"{call}: has many answers: ask for its stream", "NO_CALL")
        request = _request(method, body)
        handler, context = self._admitted(method, token, address)
        try:
            return _plain(await handler.unary_unary(request, context))
        except grpc.aio.AbortError:
            raise _failure(context) from None

    async def answers(
        self, call: str, body: bytes, token: str, address: str
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Make a call with many answers; see `answer`. Closing it ends the call."""
        method = _method(call, inside=False)
        if not method.server_streaming:
            raise CallFailedError(404, f"{call}: has one answer: post it", "NO_CALL")
        request = _request(method, body)
        handler, context = self._admitted(method, token, address)
        try:
            async with contextlib.aclosing(handler.unary_stream(request, context)) as parts:
                async for part in parts:
                    yield _plain(part)
        except grpc.aio.AbortError:
            raise _failure(context) from None

    def _admitted(self, method: MethodDescriptor, token: str, address: str) -> tuple[Any, _Context]:
        path = f"/{method.containing_service.full_name}/{method.name}"
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        handler = self._guard.service(_Details(path, metadata))
        if handler is None:
            raise CallFailedError(404, f"{path}: expected a call of this server", "NO_CALL")
        return handler, _Context(address)


def _method(call: str, *, inside: bool) -> MethodDescriptor:
    service, _, name = call.partition("/")
    found = _SERVICES.get(service)
    method = found.methods_by_name.get(name) if found is not None else None
    if method is None or (call in _OF_TOKENS and not inside):
        raise CallFailedError(
            404, f"expected a call of this server, found {call[:80]!r}", "NO_CALL"
        )
    return method


def _request(method: MethodDescriptor, body: bytes) -> Any:
    message = message_factory.GetMessageClass(method.input_type)()
    try:
        told = json.loads(body or b"{}")
        if not isinstance(told, dict):
            raise ValueError("expected an object")
        json_format.ParseDict(told, message)
    except (ValueError, RecursionError, json_format.ParseError) as error:
        sentence = f"{method.name}: expected JSON of {method.input_type.name}: {str(error)[:200]}"
        raise CallFailedError(400, sentence, "MALFORMED", "2") from None
    return message


def _plain(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return found


def _failure(context: _Context) -> CallFailedError:
    return CallFailedError(
        HTTP_STATUS.get(context.code.name, 500), context.sentence,
        context.trailers.get(REASON, context.code.name), context.trailers.get(EXIT_CODE, "1"),
    )  # fmt: skip


def _services() -> dict[str, ServiceDescriptor]:
    return {
        name: service
        for file in _FILES
        for name, service in file.DESCRIPTOR.services_by_name.items()
    }


_SERVICES: Final = _services()
