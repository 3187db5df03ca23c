"""Figures for Prometheus, under the names of the specification."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

#: Bounds of histograms, s: the specification's 5 ms and a second are among them.
_BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Measures:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._handling_s = Histogram(
            "grpc_server_handling_seconds", "From a call's first byte to its status.",
            ("method", "code"), registry=self.registry, buckets=_BOUNDS_S,
        )  # fmt: skip
        self._received = Counter(
            "grpc_server_msg_received", "Calls.", ("method",), registry=self.registry
        )
        self._logins = Counter(
            "trading_logins", "Logins by what came of them.", ("status",), registry=self.registry
        )
        self._query_s = Histogram(
            "db_query_duration_seconds", "What the store was asked.", ("query",),
            registry=self.registry, buckets=_BOUNDS_S,
        )  # fmt: skip

    def handled(self, method: str, status: str, elapsed_s: float) -> None:
        """Count a call that has ended."""
        self._handling_s.labels(method, status).observe(elapsed_s)
        self._received.labels(method).inc()

    def login(self, status: str) -> None:
        """Count a login."""
        self._logins.labels(status).inc()

    def asked(self, query: str, elapsed_s: float) -> None:
        """Count what the store was asked."""
        self._query_s.labels(query).observe(elapsed_s)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self.registry)
