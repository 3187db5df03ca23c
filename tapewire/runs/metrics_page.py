"""What monitoring asks a run for while it goes: a page of figures in Prometheus's text format."""

import errno
import os
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from tapewire.compiled.units import NS_PER_S, PRICE_UNITS
from tapewire.errors import ConfigError
from tapewire.runs.turns import Turns

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from tapewire.runs.hooks import RunProgress
    from tapewire.runs.standing import Standing, StandingLine

#: Nobody but this host asks.
ADDRESS: Final = "127.0.0.1"
#: Shortest time between two looks at the run (s).
_INTERVAL_S: Final = 0.25
#: Sleep of the server's thread between two looks at whether it should end (s).
_POLL_S: Final = 0.1
#: How long somebody may take to ask (s).
_ASK_TIMEOUT_S: Final = 5.0
_LABELS: Final = ("strategy", "symbol", "publisher_id", "instrument_id")


class MetricsPage:
    """Serves where a run stands, at ``http://127.0.0.1:PORT/metrics``.

    The run's own thread puts the figures there, four times a second at most; who asks gets the last
    ones and never makes the run wait.

    Parameters
    ----------
    port

    Raises
    ------
    ConfigError
        If the port is taken or not for this user, or the package prometheus_client is missing.
    """

    def __init__(self, port: int) -> None:
        try:
            from prometheus_client import CollectorRegistry, MetricsHandler
        except ModuleNotFoundError:
            raise ConfigError(
                "metrics_port: expected the package prometheus_client, found none: "
                "pip install 'tapewire[metrics]'"
            ) from None
        self._turns = Turns(_INTERVAL_S)
        self._figures: _Figures | None = None
        self._before = (time.monotonic(), 0)
        registry = CollectorRegistry()
        registry.register(self)
        asked = type("Asked", (MetricsHandler,), {"registry": registry, "timeout": _ASK_TIMEOUT_S})
        try:
            self._server = _Server((ADDRESS, port), asked)
        except OSError as error:
            why = (
                "a port that is free" if error.errno == errno.EADDRINUSE else "a port to listen at"
            )
            found = os.strerror(error.errno or 0)
            raise ConfigError(f"metrics_port: expected {why}, found {port}: {found}") from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="tapewire-metrics", daemon=True
        )
        self._thread.start()

    def progress(self, progress: "RunProgress") -> None:
        """Take where the run stands, if it is time."""
        if not self._turns.begin():
            return
        now_s = time.monotonic()
        before_s, events = self._before
        self._before = now_s, progress.events
        rate = (progress.events - events) / max(now_s - before_s, 1e-9)
        self._figures = _Figures(progress, progress.standing(), rate)
        self._turns.end()

    def collect(self) -> "Iterator[Metric]":
        """Yield the figures, as prometheus_client asks for them; none before the first batch."""
        figures = self._figures
        if figures is not None:
            yield from figures.of_run()
            yield from figures.of_legs()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    def server_bind(self) -> None:
        """Bind, and ask no name server what this host is called."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing on the run's terminal of somebody who hung up."""


class _Figures:
    """Where a run stood, as Prometheus has it. Names and meanings are in docs/watching.md."""

    def __init__(self, progress: "RunProgress", standing: "Standing", rate: float) -> None:
        self._progress = progress
        self._standing = standing
        self._rate = rate

    def of_run(self) -> "Iterator[Metric]":
        """Yield what the run has one figure of."""
        progress, standing = self._progress, self._standing
        counts = standing.counts
        yield _counter("events", "Market records simulated.", progress.events)
        yield _gauge(
            "events_expected", "Records of all input, or an estimate.", progress.events_total
        )
        yield _gauge("events_per_second", "Records per second of wall time since the last look.",
                     self._rate)  # fmt: skip
        yield _gauge("elapsed_seconds", "Wall time since the first batch.", progress.elapsed_s)
        yield _gauge("simulated_time_seconds", "Capture time of the last record, Unix time.",
                     progress.now_ns / NS_PER_S)  # fmt: skip
        yield _counter("orders_sent", "Orders that strategies sent.", counts["orders_sent"])
        yield _counter("orders_denied", "Orders that a limit stopped.", counts["orders_denied"])
        yield _gauge("loss_halts", "Strategy instances at their loss limit.", counts["loss_halts"])
        yield _gauge("warnings", "Warnings so far.", len(standing.warnings))

    def of_legs(self) -> "Iterator[Metric]":
        """Yield what each strategy has of each of its books."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        lines = self._standing.lines()
        legs = [(_labels(line), line) for line in lines]
        waiting = Counter(
            (order.strategy_id, order.publisher_id, order.instrument_id)
            for order in self._standing.orders
        )
        pnl = _of_legs(GaugeMetricFamily, "pnl", "Net P&L in currency, after fees.")
        fees = _of_legs(GaugeMetricFamily, "fees", "Fees in currency.")
        position = _of_legs(GaugeMetricFamily, "position", "Lots held, signed.")
        mark = _of_legs(GaugeMetricFamily, "mark_price", "Price the position is valued at.")
        waits = _of_legs(GaugeMetricFamily, "open_orders", "Orders at the exchange.")
        fills = _of_legs(CounterMetricFamily, "fills", "Fills.")
        lots = _of_legs(CounterMetricFamily, "filled_lots", "Lots traded.")
        orders = _of_legs(
            CounterMetricFamily, "orders", "Orders that came to an end, by status.", "status"
        )
        for labels, line in legs:
            pnl.add_metric(labels, line.pnl)
            fees.add_metric(labels, line.fees)
            position.add_metric(labels, line.position)
            if line.mark is not None:
                mark.add_metric(labels, line.mark / PRICE_UNITS)
            key = line.strategy_id, line.publisher_id, line.instrument_id
            waits.add_metric(labels, waiting[key])
            fills.add_metric(labels, line.fills)
            lots.add_metric(labels, line.volume)
            for status, n in line.ended.items():
                orders.add_metric([*labels, status], n)
        yield from (pnl, fees, position, mark, waits, fills, lots, orders)


def _labels(line: "StandingLine") -> list[str]:
    return [line.strategy_id, line.symbol, str(line.publisher_id), str(line.instrument_id)]


def _of_legs(family: Any, name: str, text: str, *more: str) -> Any:
    return family(f"tapewire_{name}", text, labels=[*_LABELS, *more])


def _counter(name: str, text: str, value: float) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    return CounterMetricFamily(f"tapewire_{name}", text, value=value)


def _gauge(name: str, text: str, value: float) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(f"tapewire_{name}", text, value=value)
