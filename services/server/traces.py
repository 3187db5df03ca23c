"""Spans of calls, for a collector that speaks OpenTelemetry's protocol; none unless asked for."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from tapewire.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

#: How a span says which of gRPC's statuses a call had, by the semantic conventions.
_STATUS: Final = "rpc.grpc.status_code"
#: Statuses that are the server's fault: the span is one that failed.
_FAULTS: Final = ("UNKNOWN", "INTERNAL", "DATA_LOSS", "UNIMPLEMENTED", "DEADLINE_EXCEEDED")


class CallSpan:
    """A span of a call, or of nothing where nobody traces."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def __enter__(self) -> "CallSpan":
        return self

    def __exit__(self, *_: object) -> None:
        """It is ended by `end`."""

    def end(self, status: str) -> None:
        """End it with the call's status."""
        if self._span is None:
            return
        from opentelemetry.trace import Status, StatusCode

        self._span.set_attribute(_STATUS, status)
        if status in _FAULTS:
            self._span.set_status(Status(StatusCode.ERROR, status))
        self._span.end()


#: Of a call where nobody traces.
NO_SPAN: Final = CallSpan()


class Traces:
    """Makes spans.

    Parameters
    ----------
    provider
        Of tracers; it is shut down with the server.
    """

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("tapewire.server")

    @classmethod
    def to(cls, endpoint: str) -> "Traces":
        """Send spans to a collector, ``http://HOST:4317`` (OTLP over gRPC), in the background.

        Raises
        ------
        ConfigError
            If the packages are missing.
        """
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise ConfigError(
                f"traces: expected OpenTelemetry, found none ({error}): "
                "pip install 'tapewire[otel]'"
            ) from None
        provider = TracerProvider(resource=Resource.create({"service.name": "tapewire"}))
        exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"))
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return cls(provider)

    def started(self, method: str, metadata: Mapping[str, Any], request_id: str) -> Any:
        """Start the span of a call, below the client's own if it tells of one (W3C)."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        told = {key: metadata[key] for key in ("traceparent", "tracestate") if key in metadata}
        service, _, call = method.strip("/").partition("/")
        return self._tracer.start_span(
            method.strip("/"),
            context=TraceContextTextMapPropagator().extract(told),
            kind=SpanKind.SERVER,
            attributes={
                "rpc.system": "grpc", "rpc.service": service, "rpc.method": call,
                "tapewire.request_id": request_id,
            },
        )  # fmt: skip

    @contextlib.contextmanager
    def asking(self, query: str) -> Iterator[None]:
        """Span a question to the store, below the call that asks it."""
        with self._tracer.start_as_current_span(f"db.{query}"):
            yield

    def close(self) -> None:
        """Send what has not been sent."""
        self._provider.shutdown()


def span_started(
    traces: Traces | None, method: str, metadata: Mapping[str, Any], request_id: str
) -> CallSpan:
    """Start a call's span, if anybody traces."""
    return CallSpan(traces.started(method, metadata, request_id)) if traces else NO_SPAN


def span_of(
    traces: Traces | None, method: str, metadata: Mapping[str, Any], request_id: str
) -> contextlib.AbstractContextManager[CallSpan]:
    """Start a call's span, which is that of all that is done within; its user ends it."""
    return NO_SPAN if traces is None else _current(traces.started(method, metadata, request_id))


@contextlib.contextmanager
def _current(span: Any) -> Iterator[CallSpan]:
    from opentelemetry.trace import use_span

    with use_span(span, record_exception=False, set_status_on_exception=False):
        yield CallSpan(span)
