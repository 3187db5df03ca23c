"""Ahead of the simulation: batches are received, rows made of them, models served, in a thread.

It goes a bounded number of batches ahead. The simulation takes a batch as soon as every signal that
could take effect within it is there, so a slow model costs time only where its answer is due.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import zmq

from tapewire.bridge import protocol as msg
from tapewire.bridge.desk import Desk
from tapewire.features import FeaturePass, FeatureRows, FeatureSet, RowReach, Sampling

IntArray = npt.NDArray[np.int64]

#: Instruments have rows all the time.
ALL_ROWS: Final = RowReach({})
#: Longest sleep in any wait.
_WAIT_SLICE_S: Final = 0.1
#: Sleep of the thread that serves the models, where it has nothing else to do.
_SERVE_SLICE_S: Final = 0.001


@dataclass(frozen=True)
class ReadyBatch:
    """A batch that the simulation may take.

    Attributes
    ----------
    records : (n,) MBO_DTYPE
        Its own copy; valid until the next batch is asked for.
    books : sequence of int
        Keys of all books that the passes know by then, in the order of their first records.
    until_ns : int
        Nothing of this batch happens later in any strategy's local time but for its feed latency.
    """

    records: npt.NDArray[Any]
    books: Sequence[int]
    until_ns: int


class _Pass:
    """One pass over the data, for all desks that want the same rows."""

    def __init__(
        self, features: tuple[str, ...], every: str, start_ns: int, closes_ns: Sequence[int],
        reach: RowReach,
    ) -> None:  # fmt: skip
        names = FeatureSet(features, closes_ns=closes_ns)
        self.ahead = FeaturePass(names, Sampling.of(every), start_ns=start_ns)
        self._reach = reach
        self.desks: list[Desk] = []
        self.keys: list[int] = []
        self._meant: list[npt.NDArray[np.bool_]] = []  # by desk: which books are its own

    def feed(self, records: npt.NDArray[Any], describe: "Describe") -> None:
        for rows in self.ahead.feed(records):
            self._hand_out(rows, describe)

    def finish(self, describe: "Describe") -> None:
        for rows in self.ahead.finish():
            self._hand_out(rows, describe)

    def _hand_out(self, rows: FeatureRows, describe: "Describe") -> None:
        if self._reach:
            rows = self._reach.within(rows, self.ahead)
        if not len(rows):
            return
        books = rows.rows["book"].astype(np.int64)
        self.note_books(describe)
        for desk, meant in zip(self.desks, self._meant, strict=True):
            mine = meant[books]
            if mine.all():
                desk.add(rows.rows["ts"], books, rows.values)
            elif mine.any():
                desk.add(rows.rows["ts"][mine], books[mine], rows.values[mine])

    def note_books(self, describe: "Describe") -> None:
        """Take note of books that have come, and tell the models of theirs."""
        known = len(self.keys)
        count = self.ahead.book_n
        if count == known:
            return
        publishers, instruments = self.ahead.keys(np.arange(known, count))
        ids = list(zip(publishers.tolist(), instruments.tolist(), strict=True))
        self.keys += [publisher << 32 | instrument for publisher, instrument in ids]
        self._meant = self._meant or [np.zeros(0, np.bool_) for _ in self.desks]
        for k, desk in enumerate(self.desks):
            meant = [desk.spec.meant(*one) for one in ids]
            self._meant[k] = np.append(self._meant[k], meant).astype(np.bool_)
            desk.add_instruments(
                [describe(known + j, *one) for j, one in enumerate(ids) if meant[j]]
            )


#: Index, publisher id and instrument id to what a model is told of an instrument.
Describe = Callable[[int, int, int], msg.BridgeInstrument]


class Ahead:
    """The thread, and what it has ready.

    Parameters
    ----------
    desks
        Of the models; served by the thread from when batches are asked for.
    answered
        The condition that the desks notify.
    describe
        What models are told of an instrument.
    start_ns
        Rows before it are nobody's.
    closes_ns : sequence of int
        When sessions close, for features; none: not known.
    batches_max
        How many batches it may be ahead.
    reach
        When instruments have rows.
    """

    def __init__(
        self,
        desks: Sequence[Desk],
        answered: threading.Condition,
        describe: Describe,
        *,
        start_ns: int = 0,
        closes_ns: Sequence[int] = (),
        batches_max: int = 16,
        reach: RowReach = ALL_ROWS,
    ) -> None:
        self._desks = desks
        self._changed = answered
        self._describe = describe
        self._passes: dict[tuple[tuple[str, ...], str], _Pass] = {}
        for desk in desks:
            wanted = (desk.spec.features, desk.spec.every)
            if wanted not in self._passes:
                self._passes[wanted] = _Pass(*wanted, start_ns, closes_ns, reach)
            self._passes[wanted].desks.append(desk)
        self._first = next(iter(self._passes.values()))
        self._batches_max = batches_max
        self._ready: deque[ReadyBatch] = deque()
        self._buffers: list[npt.NDArray[Any]] = []
        self._until_ns = 0
        self._is_waited_for = False
        self._is_over = False
        self._stopping = False
        self._error: BaseException | None = None
        self._poller = zmq.Poller()
        for desk in desks:
            if desk.spec.mode != "lockstep":
                self._poller.register(desk.line.fd, zmq.POLLIN)

    def batches(
        self, source: Iterable[npt.NDArray[Any]], check: Callable[[], None],
        stop: Callable[[], None] = lambda: None,
    ) -> Generator[ReadyBatch]:  # fmt: skip
        """Yield every batch of the source, then an empty one: behind it nothing more comes.

        Parameters
        ----------
        source
            Batches, each valid until the next; iterated in the thread.
        check
            Called while there is nothing ready; may raise.
        stop
            Has the source end soon, if nobody wants its batches any more.

        Raises
        ------
        BaseException
            What the source raised.
        """
        thread = threading.Thread(
            target=self._run, args=(iter(source),), name="tapewire-ahead", daemon=True
        )
        thread.start()
        try:
            while (batch := self._next(check)) is not None:
                yield batch
                with self._changed:
                    if batch.records.base is not None and len(batch.records):
                        self._buffers.append(batch.records.base)
        finally:
            with self._changed:
                self._stopping = True
                self._changed.notify_all()
            stop()
            thread.join()

    def _next(self, check: Callable[[], None]) -> ReadyBatch | None:
        with self._changed:
            while not self._ready:
                if self._error is not None:
                    raise self._error
                if self._is_over:
                    return None
                self._is_waited_for = True
                self._changed.notify_all()
                self._changed.wait(_WAIT_SLICE_S)
                self._changed.release()
                try:
                    check()
                finally:
                    self._changed.acquire()
            self._is_waited_for = False
            batch = self._ready.popleft()
            self._changed.notify_all()
            return batch

    def wait_answers(self, until_ns: int, check: Callable[[Sequence[Desk]], None]) -> None:
        """Wait until every signal up to a local time, but for feed latencies, is there.

        ``check`` is called with the desks that are waited for, now and then; it may raise.
        """
        with self._changed:
            while True:
                late = [
                    desk
                    for desk in self._desks
                    if desk.spec.mode == "pipelined"
                    and desk.fault is None
                    and desk.next_effect_ns <= until_ns + desk.spec.feed_ns
                ]
                if not late:
                    self._is_waited_for = False
                    return
                self._is_waited_for = True
                self._changed.notify_all()
                self._changed.wait(_WAIT_SLICE_S)
                self._changed.release()
                try:
                    check(late)
                finally:
                    self._changed.acquire()
                if self._error is not None:
                    raise self._error

    # --- the thread -----------------------------------------------------------------------------

    def _run(self, source: Iterator[npt.NDArray[Any]]) -> None:
        try:
            for records in source:
                self._pass(records)
                if self._stopping:
                    return
            for each in self._passes.values():
                each.finish(self._describe)
            for desk in self._desks:
                if desk.spec.mode != "lockstep":
                    desk.close_market(self._until_ns, is_end=True)
            self._offer(np.zeros(0, np.int8))
            with self._changed:
                self._is_over = True
                self._changed.notify_all()
            while not self._stopping:
                self._serve()
        except BaseException as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _pass(self, records: npt.NDArray[Any]) -> None:
        for each in self._passes.values():
            each.feed(records, self._describe)
            each.note_books(self._describe)
        # As the kernels read them: a clock that is not given is below all others.
        clocks = (records[name].view(np.int64) for name in ("ts_recv", "ts_event"))
        latest = max(int(one.max()) for one in clocks)
        self._until_ns = max(self._until_ns, latest)
        self._offer(self._copied(records))

    def _copied(self, records: npt.NDArray[Any]) -> npt.NDArray[Any]:
        with self._changed:
            buffer = self._buffers.pop() if self._buffers else None
        if buffer is None or buffer.size < records.size:
            buffer = np.empty(max(records.size, 1), records.dtype)
        copy = buffer[: records.size]
        copy[:] = records
        return copy

    def _offer(self, records: npt.NDArray[Any]) -> None:
        """Hand a batch over, once there is room; serve the models meanwhile."""
        batch = ReadyBatch(records, tuple(self._first.keys), self._until_ns)
        self._serve()
        while not self._stopping:
            with self._changed:
                if len(self._ready) < self._batches_max:
                    self._ready.append(batch)
                    self._changed.notify_all()
                    return
            self._serve()

    def _serve(self) -> None:
        """Send rows and take answers; sleeps a little where there is nothing to do."""
        with self._changed:
            everything = self._is_waited_for or len(self._ready) >= self._batches_max
        for desk in self._desks:
            if desk.spec.mode != "lockstep":
                desk.ship(everything=everything or self._is_over)
                desk.serve()
        if everything or self._is_over:
            self._poll()

    def _poll(self) -> None:
        """Sleep until a model has said something, or for a short while."""
        if self._poller.sockets:
            self._poller.poll(round(_SERVE_SLICE_S * 1_000))
        else:
            with self._changed:
                self._changed.wait(_SERVE_SLICE_S)
