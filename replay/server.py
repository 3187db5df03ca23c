"""The publishing loop: source → pace → wire, until the end or a reason to stop."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import zmq

from tapewire.compiled.units import NS_PER_S
from tapewire.errors import InterruptedRunError
from tapewire.market.records import MBO_DTYPE
from tapewire.replay.pace import Pacer
from tapewire.replay.plan import ReplayPlan
from tapewire.replay.source import Source, open_source
from tapewire.replay.zstd_parallel import cores
from tapewire.wire import Publisher, Totals

#: The first batch at full speed; the next ones grow fourfold, so that both ends soon have work.
_FIRST_BATCH_RECORDS: Final = 4_096
#: During long searches the connections are looked after this often.
_SERVICE_EVERY_S: Final = 0.05
#: Polls are precise to a millisecond; shorter waits are slept.
_POLL_PRECISION_S: Final = 0.002


def _no_tick() -> None:
    """Nothing to watch."""


def serve(
    plan: ReplayPlan,
    endpoint: str,
    *,
    receivers: int = 1,
    peer_timeout_s: float = 5.0,
    start_timeout_s: float = 300.0,
    slots: int | None = None,
    context: "zmq.Context[zmq.Socket[bytes]] | None" = None,
    stop: threading.Event | None = None,
    ready: Callable[[str], None] | None = None,
    tick: Callable[[], None] = _no_tick,
) -> Totals:
    """Publish a plan's records to ``receivers`` receivers, losslessly; return the totals.

    Parameters
    ----------
    endpoint
        Where to bind: ``ipc://`` in a private folder, ``tcp://`` on loopback, or ``inproc://``
        (with ``context``).
    peer_timeout_s
        A receiver that should be talking and is silent for so long (s) is lost.
    start_timeout_s
        How long (s) to wait for the receivers.
    slots
        Batches under way at most; None: by their size.
    stop
        When set, the stream ends within a fraction of a second, telling the receivers.
    ready
        Called with the bound address once receivers can connect.
    tick
        Called at least every 0.1 s while waiting or searching; may raise to end the stream.

    Raises
    ------
    InterruptedRunError
        If ``stop`` was set.
    TapewireError
        Anything a source or the wire raises; the receivers are told first.
    """
    sent = 0

    def watch() -> None:
        tick()
        if stop is not None and stop.is_set():
            raise InterruptedRunError(f"the replay was stopped after {sent} records")

    throttle = _Throttle(watch)
    # The simulation has a core of its own; decompressing on it would slow both.
    with open_source(plan, tick=throttle, threads=max(1, cores() - 1)) as source:
        publisher = Publisher(
            endpoint,
            receivers=receivers,
            batch_records=plan.batch_records,
            slots=slots,
            payload=plan.payload,
            peer_timeout_s=peer_timeout_s,
            start_timeout_s=start_timeout_s,
            context=context,
            tick=watch,
        )
        with publisher:
            throttle.call = lambda: publisher.service(0.0)
            try:
                if ready is not None:
                    ready(publisher.endpoint)
                publisher.handshake(source.info)
                stream = _Stream(source, publisher, plan, watch)
                for sent in stream.run():  # noqa: B007 - watch() reads it
                    pass
                totals = stream.totals()
                publisher.finish(totals)
            except KeyboardInterrupt:
                interrupted = InterruptedRunError(f"the replay was stopped after {sent} records")
                publisher.fail(interrupted)
                raise interrupted from None
            except BaseException as error:
                publisher.fail(error)
                raise
    return totals


class _Throttle:
    """Calls something at most every ``_SERVICE_EVERY_S``."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call
        self._next_s = 0.0

    def __call__(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _SERVICE_EVERY_S
            self.call()


class _Stream:
    """One pass from source to publisher, with the time each stage took."""

    def __init__(
        self, source: Source, publisher: Publisher, plan: ReplayPlan, watch: Callable[[], None]
    ) -> None:
        self._source = source
        self._publisher = publisher
        self._plan = plan
        self._watch = watch
        self._decode_s = 0.0
        self._batch_ns = 0  # of the last batch that was filled
        self._pace_s = 0.0

    def run(self) -> Iterator[int]:
        """Publish everything; yield the records sent after each batch."""
        return self._run_paced() if self._plan.speed is not None else self._run_max()

    def _fill(self, out: np.ndarray) -> int:
        begin_s = time.perf_counter()
        count = self._source.fill(out)
        self._batch_ns = round((time.perf_counter() - begin_s) * NS_PER_S)
        self._decode_s += self._batch_ns / NS_PER_S
        return count

    def _run_max(self) -> Iterator[int]:
        source, publisher = self._source, self._publisher
        most = min(_FIRST_BATCH_RECORDS, self._plan.batch_records)
        while True:
            self._watch()
            count = self._fill(publisher.next_slot()[:most])
            if not count:
                return
            publisher.publish(
                count, source.first_ts_recv, source.last_ts_recv, decode_ns=self._batch_ns
            )
            most = min(4 * most, self._plan.batch_records)
            yield source.events

    def _run_paced(self) -> Iterator[int]:
        assert self._plan.speed is not None
        pacer = Pacer(self._plan.speed)
        staged = np.empty(self._plan.batch_records, MBO_DTYPE)
        sent = 0
        clock = -(2**63)
        warmup_until_ns = self._plan.warmup_until_ns or 0
        while True:
            count = self._fill(staged)
            if not count:
                return
            clocks = staged["ts_recv"][:count].view(np.int64).copy()
            clocks[0] = max(clock, int(clocks[0]))
            np.maximum.accumulate(clocks, out=clocks)
            clock = int(clocks[-1])
            at = 0
            while at < count:
                self._watch()
                # What only builds books comes as fast as it can.
                due = int(np.searchsorted(clocks[at:], warmup_until_ns))
                due = due or pacer.due(staged[at:count], clocks[at:])
                if not due:
                    self._wait(pacer.wait_s(int(clocks[at])))
                    continue
                slot = self._publisher.next_slot()
                slot[:due] = staged[at : at + due]
                self._publisher.publish(
                    due, int(clocks[at]), int(clocks[at + due - 1]),
                    decode_ns=self._batch_ns * due // count,
                )  # fmt: skip
                at += due
                sent += due
                yield sent

    def _wait(self, wait_s: float) -> None:
        begin_s = time.perf_counter()
        if wait_s > _POLL_PRECISION_S:
            self._publisher.service(wait_s - _POLL_PRECISION_S / 2)
        else:
            time.sleep(wait_s)
        self._pace_s += time.perf_counter() - begin_s

    def totals(self) -> Totals:
        """Return what was sent."""
        events, batches, first_ts_recv, last_ts_recv, digest = self._publisher.sent
        return Totals(
            events=events,
            batches=batches,
            first_ts_recv=first_ts_recv,
            last_ts_recv=last_ts_recv,
            digest=digest,
            clamped_ts_recv=self._source.clamped_ts_recv,
            filtered=self._source.filtered,
            files=self._source.file_totals,
            decode_s=self._decode_s,
            wait_s=self._publisher.wait_s,
            pace_s=self._pace_s,
            duplicates=self._source.duplicates,
        )
