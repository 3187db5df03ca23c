"""Models in processes of their own: the wire there and back, and what a run with one costs."""

import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import zmq

from tapewire.bench.measure import Row, Scale, row_of
from tapewire.bench.runs import APART, measured_run
from tapewire.bench.workload import Workload
from tapewire.bridge.desk import Desk
from tapewire.bridge.model_spec import ModelSpec
from tapewire.bridge.protocol import BridgeInstrument
from tapewire.children import module_command
from tapewire.errors import SimulationError
from tapewire.wire import private_endpoint

_COLUMNS: Final = 20
#: Rows of a message, and of a run; the last says whether the short bench has it too.
_FRAMES: Final = ((1, 20_000, False), (256, 2_000_000, True), (4_096, 8_000_000, True))
_LOCKSTEP_ROWS: Final = 5_000
#: Rows in flight, at least; more where a message is large.
_FLYING_ROWS: Final = 4_096
_FLYING_FRAMES: Final = 8
_MODELS: Final = "tapewire.bench.bridge_models"
_TIMEOUT_S: Final = 60.0
#: A model beside the market maker: a row for each hundred events.
_FOLLOWER: Final = {
    "type": "external",
    "class": f"{_MODELS}:Leaning",
    "features": ["imbalance_1", "mid"],
    "every": "100ev",
}


def bridge_rows(work: Workload, scale: Scale) -> Iterator[Row]:
    """Rows there and signals back, a round trip, and whole runs with and without a model.

    Yields
    ------
    Row
        Group ``bridge``.
    """
    for rows_max, total, quick in _FRAMES:
        if quick or not scale.quick:
            yield _wire(rows_max, total // 4 if scale.quick else total, scale.runs)
    yield _round_trip(scale.runs)
    maker: list[dict[str, Any]] = [{"type": "market_maker"}]
    for name, strategies in (
        ("run, market maker", maker),
        ("run, market maker and a model, pipelined", [*maker, _FOLLOWER]),
    ):
        yield measured_run(
            "bridge", name, work, work.raw, scale.runs, APART,
            "replay beside it; a model has a row for each 100 events", strategies,
        )  # fmt: skip


class _Served:
    """A desk with the model that asks for nothing, in a process of its own."""

    def __init__(self, endpoint: str, rows_max: int) -> None:
        self.desk = Desk(
            ModelSpec(
                "bench", tuple(f"column_{k}" for k in range(_COLUMNS)), "1ev", endpoint,
                command=(*module_command("tapewire"), "bridge", "serve", f"{_MODELS}:Nothing"),
                rows_max=rows_max,
            ),
            threading.Condition(),
        )  # fmt: skip
        self._poller = zmq.Poller()
        self._poller.register(self.desk.line.fd, zmq.POLLIN)
        self.work_until(lambda: self.desk.is_ready)
        self.desk.add_instruments([BridgeInstrument(0, 1, 1, "bench", 0)])

    def work_until(self, done: Any) -> None:
        """Serve the model until something holds."""
        until_s = time.monotonic() + _TIMEOUT_S
        while not done():
            self.desk.serve()
            if self.desk.fault is not None or time.monotonic() > until_s:
                raise SimulationError(self.desk.fault or f"no answer for {_TIMEOUT_S:g} s")
            if not done():
                self._poller.poll(1)

    def close(self) -> None:
        """End the model."""
        self.desk.say_goodbye()
        self.desk.close()


def _rows(n: int) -> tuple[Any, Any, Any]:
    values = np.random.default_rng(1).normal(size=(n, _COLUMNS))
    return np.arange(n), np.zeros(n, np.int64), values


def _wire(rows_max: int, total: int, runs: int) -> Row:
    flying = max(_FLYING_FRAMES * rows_max, _FLYING_ROWS)
    rows = _rows(rows_max)
    seconds = []
    with private_endpoint() as endpoint:
        served = _Served(endpoint, rows_max)
        desk = served.desk
        try:
            for run in range(runs + 1):
                began_s, stop = time.perf_counter(), desk.rows + total
                while desk.answered_rows < stop:
                    while desk.rows < stop and desk.rows - desk.answered_rows < flying:
                        desk.add(*rows)
                    desk.ship(everything=True)
                    room = stop if desk.rows >= stop else desk.rows - flying + rows_max
                    served.work_until(lambda room=room: desk.answered_rows >= room)
                if run:
                    seconds.append(time.perf_counter() - began_s)
        finally:
            served.close()
    note = f"{_COLUMNS} columns of float64 there, a target back; ipc, the model on the other core"
    return row_of("bridge", f"wire, {rows_max:,} rows a message", total, seconds, note)


def _round_trip(runs: int) -> Row:
    rows = _rows(1)
    seconds, trips_us = [], []
    with private_endpoint() as endpoint:
        served = _Served(endpoint, 1)
        desk = served.desk
        try:
            for run in range(runs + 1):
                began_s = time.perf_counter()
                for _ in range(_LOCKSTEP_ROWS):
                    sent_s = time.perf_counter()
                    desk.add(*rows)
                    desk.wait_all()
                    if run:
                        trips_us.append((time.perf_counter() - sent_s) * 1e6)
                if run:
                    seconds.append(time.perf_counter() - began_s)
        finally:
            served.close()
    p50, p99 = np.percentile(trips_us, [50, 99])
    figures = {"p50_us": round(float(p50), 1), "p99_us": round(float(p99), 1)}
    note = "one row there and its answer back, one after another"
    return row_of("bridge", "lockstep round trip", _LOCKSTEP_ROWS, seconds, note, figures)
