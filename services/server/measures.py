"""Figures for Prometheus, under the names of the specification."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from tapewire.errors import EndpointError
from tapewire.services.server.tallies import LabelTally

#: Bounds of histograms, s: the specification's 5 ms and a second are among them.
_BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
#: Of jobs, which take longer than a call.
_JOB_BOUNDS_S: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0)


class _Messages(Collector):
    """Messages that came and went: of each call one comes, and one goes if it ends well."""

    def __init__(self, calls: LabelTally, parts_sent: Mapping[str, int]) -> None:
        self._calls, self._parts_sent = calls, parts_sent

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Give what is known now."""
        labels = ("method",)
        received = CounterMetricFamily("grpc_server_msg_received", "Calls.", labels=labels)
        sent = CounterMetricFamily(
            "grpc_server_msg_sent", "Answers, each of a stream.", labels=labels
        )
        came: dict[str, float] = {}
        went: dict[str, float] = dict(self._parts_sent)
        for (method, status), count in self._calls.counts().items():
            came[method] = came.get(method, 0) + count
            if status == "OK":
                went[method] = went.get(method, 0) + count
        for family, counts in ((received, came), (sent, went)):
            for method, count in counts.items():
                family.add_metric((method,), count)
            yield family


class Measures:
    """Counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._page: Any = None
        # With each call: told of by tallies, of which the page makes three figures.
        self._handling_s = LabelTally(
            "grpc_server_handling_seconds", "From a call's first byte to its status.",
            ("method", "code"), _BOUNDS_S,
        )  # fmt: skip
        self._parts_sent: dict[str, int] = {}
        self._query_s = LabelTally(
            "db_query_duration_seconds", "What the store was asked.", ("query",), _BOUNDS_S
        )
        for one in (self._handling_s, self._query_s, _Messages(self._handling_s, self._parts_sent)):
            self.registry.register(one)
        self._refused = self._counter(
            "tapewire_refused", "Calls that were refused, by why.", "reason"
        )
        self._logins = self._counter("trading_logins", "Logins by what came of them.", "status")
        self._connections = Gauge(
            "db_connections_active", "Questions to the store that go on.", registry=self.registry
        )
        self._strategies: Gauge | None = None
        self._jobs_s: Histogram | None = None
        self._live: tuple[Gauge, Gauge] | None = None

    def _counter(self, name: str, told: str, label: str) -> Counter:
        return Counter(name, told, (label,), registry=self.registry)

    def handled(self, method: str, status: str, elapsed_s: float) -> None:
        """Count a call that has ended."""
        self._handling_s.add((method, status), elapsed_s)

    def sent(self, method: str) -> None:
        """Count a message of a stream."""
        self._parts_sent[method] = self._parts_sent.get(method, 0) + 1

    def refused(self, reason: str) -> None:
        """Count a call that was refused."""
        self._refused.labels(reason).inc()

    def login(self, status: str) -> None:
        """Count a login."""
        self._logins.labels(status).inc()

    def asked(self, query: str, elapsed_s: float) -> None:
        """Count what the store was asked."""
        self._query_s.add((query,), elapsed_s)

    @contextlib.contextmanager
    def connected(self) -> Iterator[None]:
        """Count a question that goes on."""
        with self._connections.track_inprogress():
            yield

    # --- of the whole store, which one process tells of -------------------------------------------

    def stored(self, generated: int, tested: int) -> None:
        """Say how many strategies were ever kept, and how many results of them.

        Named as the specification has it, ``…_total``, which a counter here would have to count
        itself; what a store knows outlives its servers.
        """
        if self._strategies is None:
            self._strategies = Gauge(
                "trading_strategies_total", "Strategies kept by searches, and results of them.",
                ("status",), registry=self.registry,
            )  # fmt: skip
        self._strategies.labels("generated").set(generated)
        self._strategies.labels("tested").set(tested)

    def backtested(self, elapsed_s: float) -> None:
        """Count a job of backtests that has ended."""
        if self._jobs_s is None:
            self._jobs_s = Histogram(
                "trading_backtests_duration_seconds", "Jobs of backtests, from start to end.",
                registry=self.registry, buckets=_JOB_BOUNDS_S,
            )  # fmt: skip
        self._jobs_s.observe(elapsed_s)

    def live(self, positions_open: int, pnl: float) -> None:
        """Say in how many books sessions that go on hold lots, and what they have made together.

        Their currencies are added as they are. Named as the specification has it, as above.
        """
        if self._live is None:
            self._live = (
                Gauge(
                    "trading_live_positions_open", "Positions of sessions that go on.",
                    registry=self.registry,
                ),
                Gauge(
                    "trading_live_pnl_total", "Profit of sessions that go on, after fees.",
                    registry=self.registry,
                ),
            )  # fmt: skip
        self._live[0].set(positions_open)
        self._live[1].set(pnl)

    # --- the page ---------------------------------------------------------------------------------

    def serve(self, host: str, port: int) -> int:
        """Serve the page over HTTP, in threads of its own; return the port.

        Raises
        ------
        EndpointError
            If nobody can listen there.
        """
        try:
            self._page, _ = start_http_server(port, host, self.registry)
        except OSError as error:
            raise EndpointError(
                f"{host}:{port}: nobody can listen there for metrics ({error.strerror})"
            ) from None
        return int(self._page.server_port)

    def close(self) -> None:
        """End the page."""
        if self._page is not None:
            self._page.shutdown()
            self._page.server_close()
            self._page = None
