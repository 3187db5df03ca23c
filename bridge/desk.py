"""What the run has to do with one model: rows go out, answers come in, each in its time.

A desk is worked by one thread, which serves its line; another one may take the signals.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from tapewire.bridge import protocol as msg
from tapewire.bridge.answers import signals_of
from tapewire.bridge.figures import BridgeFigures
from tapewire.bridge.latency import InferenceLatency, LatencyDraws
from tapewire.bridge.line import ModelLine
from tapewire.bridge.process import ModelProcess
from tapewire.errors import ProtocolError
from tapewire.wire.keys import ServerKeys

IntArray = npt.NDArray[np.int64]

#: Of the time of a row that is not there.
NEVER: Final = 2**63 - 1
#: A model that keeps a state is asked for it once in so many messages.
STATE_EVERY: Final = 16
#: Messages that may be kept for one that has to go on from its state.
KEPT_MAX: Final = 4 * STATE_EVERY
#: How often a model is started again; and how often in a row without that it answers anything.
RESTARTS_MAX: Final = 100
#: Of a model that nobody waits for: while so many rows are unanswered it is sent no more.
FLYING_ROWS_MAX: Final = 1 << 18
#: Longest sleep in a wait for an answer.
_WAIT_S: Final = 0.05
RESTARTS_IN_VAIN_MAX: Final = 3
#: A process is seen to end so long after its connection, at most; and ends so long after it was
#: asked to, or is killed.
_END_SEEN_S: Final = 0.5
_ASKED_END_S: Final = 1.0

Policy = Literal["halt", "flatten", "continue_without", "restart"]


@dataclass(frozen=True)
class ModelSpec:
    """A model as a run was told of it.

    Attributes
    ----------
    strategy_id : str
    features : tuple of str
        Names of the features room; the columns of its rows.
    every : str
        When a book has a row, as `features.Sampling` reads it.
    parameters : mapping
        Of the model, as JSON has them.
    meant : callable (publisher_id, instrument_id) -> bool
        Whether a book is one of its own.
    latency : InferenceLatency
    key : int
        Of the strategy's own draws.
    feed_ns : int
        How long after its moment a row is known at the strategy, at most.
    mode, on_failure : str
    command : tuple of str, optional
        What starts it, but for the address; None: it is started by somebody else.
    endpoint : str
        Where it connects.
    rows_max : int
        Most rows of a message.
    connect_timeout_s, answer_timeout_s : float
    closes_ns : tuple of int
        Times at which sessions close, ascending.
    keys : ServerKeys, optional
        Of an endpoint that may be reached from other hosts.
    """

    strategy_id: str
    features: tuple[str, ...]
    every: str
    endpoint: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    meant: Callable[[int, int], bool] = lambda publisher_id, instrument_id: True
    latency: InferenceLatency = field(default_factory=InferenceLatency)
    key: int = 0
    feed_ns: int = 0
    mode: msg.Mode = "pipelined"
    on_failure: Policy = "halt"
    command: tuple[str, ...] | None = None
    rows_max: int = 4_096
    connect_timeout_s: float = 30.0
    answer_timeout_s: float = 30.0
    closes_ns: tuple[int, ...] = ()
    own_columns: tuple[str, ...] = ()
    keys: ServerKeys | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that it is sent."""
        return self.features + self.own_columns


@dataclass
class _Item:
    """A message with rows, or one that comes between them."""

    first_row: int
    ts: IntArray
    books: IntArray
    values: npt.NDArray[np.float64]
    effect_ns: IntArray
    message: msg.Message | None = None  # instead of rows
    sent_s: float = 0.0

    @property
    def stop(self) -> int:
        """The row behind it."""
        return self.first_row + len(self.ts)

    def from_row(self, row: int) -> "_Item":
        """What is left of it where the rows before one were answered."""
        at = row - self.first_row
        if at <= 0 or self.message is not None:
            return self
        return _Item(row, self.ts[at:], self.books[at:], self.values[at:], self.effect_ns[at:])


class Desk:
    """One model of a run.

    Parameters
    ----------
    spec
    answered
        Notified when there is an answer, or none will come.

    Attributes
    ----------
    fault : str or None
        Why the model is lost for the run, in words.
    rows : int
        Rows so far.
    answered_rows : int
        Rows that have their answer.
    skipped_rows : int
        Rows that a free-running model, too slow for them, was never sent.
    """

    def __init__(self, spec: ModelSpec, answered: threading.Condition) -> None:
        self.spec = spec
        self.figures = BridgeFigures()
        self.fault: str | None = None
        self.rows = self.answered_rows = self.skipped_rows = 0
        self.next_effect_ns = NEVER
        self.restarts = 0
        self.has_said_goodbye = False
        self._has_left = False  # nobody serves it any more
        self._is_over = False  # all answers that matter are there
        self._in_vain = 0  # restarts since its last answer
        self._answered = answered
        self._draws = LatencyDraws(spec.latency, spec.key)
        self._effect_ns = 0  # of the last row
        self._pending: list[_Item] = []
        self._kept: deque[_Item] = deque()  # sent or to be sent, until nothing can need them
        self._to_send = 0  # position in _kept
        self._messages = 0
        self._heard_row = 0  # the next one that the model will answer
        self._state: tuple[int, bytes] = (0, b"")
        self._instruments: list[msg.BridgeInstrument] = []
        self._known = np.zeros(0, np.bool_)
        self._told = 0  # instruments that the model was told of
        self._ready = False
        self._progress_s = time.monotonic()  # when it last did what it has to
        self._signals: list[npt.NDArray[Any]] = []
        self._closes = deque(spec.closes_ns)
        self._process: ModelProcess | None = None
        self.line = ModelLine(spec.endpoint, len(spec.columns), keys=spec.keys)
        self._start()

    # --- the model comes ------------------------------------------------------------------------

    def _start(self) -> None:
        self._ready = False
        self._progress_s = time.monotonic()
        if self.spec.command is not None:
            self._process = ModelProcess(
                self.spec.strategy_id, self.spec.command, self.line.endpoint
            )

    @property
    def is_ready(self) -> bool:
        """Whether the model is there and was welcomed."""
        return self._ready

    @property
    def is_lost(self) -> bool:
        """Whether it will answer nothing more."""
        return self._has_left

    @property
    def ends_run(self) -> bool:
        """Whether the run can't go on without it."""
        return self.spec.on_failure in ("halt", "restart")

    @property
    def waits_for(self) -> str:
        """What the desk waits for, for a line of progress."""
        if not self._ready:
            return f"the model of {self.spec.strategy_id} to connect"
        return f"the model of {self.spec.strategy_id} to answer row {self._heard_row:,}"

    def _welcome(self, hello: msg.BridgeHello) -> None:
        first_row, state = self._state
        if not hello.keeps_state:
            first_row, state = self.answered_rows, b""
        spec = self.spec
        self.line.send(
            msg.BridgeWelcome(
                msg.PROTOCOL, spec.strategy_id, spec.mode, spec.columns, hello.dtype,
                spec.latency.low_ns, spec.rows_max, json.dumps(dict(spec.parameters)),
                first_row, len(state),
            ),
            [np.frombuffer(state, np.uint8)] if state else [],
        )  # fmt: skip
        self._hello = hello
        self._dtype = np.dtype(hello.dtype).newbyteorder("<")
        self._heard_row = first_row
        self._told = 0
        while self._kept and self._kept[0].stop <= first_row and self._kept[0].message is None:
            self._kept.popleft()
        if self._kept:
            self._kept[0] = self._kept[0].from_row(first_row)
        self._to_send = 0
        self._ready = True
        self._progress_s = time.monotonic()

    # --- rows go out ----------------------------------------------------------------------------

    def add_instruments(self, instruments: list[msg.BridgeInstrument]) -> None:
        """Take books that rows may be about from here on."""
        self._instruments += instruments
        size = max((one.index for one in self._instruments), default=-1) + 1
        self._known = np.zeros(size, np.bool_)
        self._known[[one.index for one in self._instruments]] = True

    def add(self, ts: IntArray, books: IntArray, values: npt.NDArray[np.float64]) -> None:
        """Take rows, by time, that come after all before them.

        Parameters
        ----------
        ts, books : (n,)
            Moments, ns, and instruments.
        values : (n, columns)
        """
        while self._closes and len(ts) and ts[-1] >= self._closes[0]:
            close_ns = self._closes.popleft()
            cut = int(np.searchsorted(ts, close_ns))
            self._add(ts[:cut], books[:cut], values[:cut])
            self.close_market(close_ns, is_end=False)
            ts, books, values = ts[cut:], books[cut:], values[cut:]
        self._add(ts, books, values)

    def _add(self, ts: IntArray, books: IntArray, values: npt.NDArray[np.float64]) -> None:
        if not len(ts):
            return
        effect_ns = ts + self.spec.feed_ns + self._draws.draw(len(ts))
        # Signals don't overtake one another, as the rows that they answer did not.
        if len(ts) > 1:
            effect_ns = np.maximum.accumulate(effect_ns)
        effect_ns = np.maximum(effect_ns, self._effect_ns)
        self._effect_ns = int(effect_ns[-1])
        if self.fault is not None:  # nobody will answer them
            self.rows += len(ts)
            return
        if self.spec.mode == "free_running" and self.rows - self.answered_rows > FLYING_ROWS_MAX:
            self.skipped_rows += len(ts)
            return
        with self._answered:
            if self.next_effect_ns == NEVER:
                self.next_effect_ns = int(effect_ns[0])
        self._pending.append(_Item(self.rows, ts, books, values, effect_ns))
        self.rows += len(ts)

    def close_market(self, ts_ns: int, *, is_end: bool) -> None:
        """Say that the market has closed, behind all rows so far."""
        self._tell(msg.Close(ts_ns, is_end))

    def tell(self, updates: list[msg.OrderUpdate]) -> None:
        """Say what became of orders, behind all rows so far."""
        for at in range(0, len(updates), msg.UPDATES_MAX):
            self._tell(msg.Updates(tuple(updates[at : at + msg.UPDATES_MAX])))

    def _tell(self, message: msg.Message) -> None:
        self.ship(everything=True)
        none = np.zeros(0, np.int64)
        self._kept.append(_Item(self.rows, none, none, np.zeros((0, 0)), none, message))

    def ship(self, *, everything: bool) -> None:
        """Make messages of the rows that wait: whole ones, or all."""
        size = self.spec.rows_max
        if len(self._pending) == 1 and everything and len(self._pending[0].ts) <= size:
            self._kept.append(self._pending.pop())
            return
        waiting = sum(len(item.ts) for item in self._pending)
        if waiting < (1 if everything else size):
            return
        first = self._pending[0].first_row
        ts, books, values, effect_ns = (
            np.concatenate([getattr(item, name) for item in self._pending])
            for name in ("ts", "books", "values", "effect_ns")
        )
        stop = waiting if everything else waiting - waiting % size
        for at in range(0, stop, size):
            to = min(at + size, stop)
            self._kept.append(
                _Item(first + at, ts[at:to], books[at:to], values[at:to], effect_ns[at:to])
            )
        self._pending = []
        if stop < waiting:
            self._pending.append(
                _Item(first + stop, ts[stop:], books[stop:], values[stop:], effect_ns[stop:])
            )

    def _send_waiting(self) -> None:
        """Send what may be sent."""
        if not self._ready or not self._tell_instruments():
            return
        now_s = time.monotonic()
        while self._to_send < len(self._kept):
            item = self._kept[self._to_send]
            if item.message is not None:
                sent = self.line.send(item.message)
            else:
                sent = self._send_rows(item)
            if not sent:
                return
            if self._heard_row >= item.first_row:  # nothing was due before it
                self._progress_s = now_s
            item.sent_s = now_s
            self._to_send += 1

    def _tell_instruments(self) -> bool:
        while self._told < len(self._instruments):
            some = self._instruments[self._told : self._told + msg.INSTRUMENTS_PER_MESSAGE]
            if not self.line.send(msg.Instruments(tuple(some))):
                return False
            self._told += len(some)
        return True

    def _send_rows(self, item: _Item) -> bool:
        wants_state = (
            self.spec.on_failure == "restart"
            and self._hello.keeps_state
            and self._messages % STATE_EVERY == STATE_EVERY - 1
        )
        sent = self.line.send(
            msg.FeatureBatch(item.first_row, len(item.ts), wants_state),
            [
                item.ts.astype(msg.TIME, copy=False),
                item.books.astype(msg.INSTRUMENT),
                item.values.astype(self._dtype, copy=False),
            ],
        )
        if sent:
            self._messages += 1
            self.figures.frame_rows.add(len(item.ts))
            self.figures.queue_depth.add(self._to_send + 1)
        return sent

    # --- answers come in ------------------------------------------------------------------------

    def serve(self) -> None:
        """Send what waits and take what has come; never waits itself."""
        if self._has_left:
            return
        if self._listen():
            self._send_waiting()
            self.line.keep_up()
            self._look_after()

    def _listen(self, until_row: int = NEVER) -> bool:
        """Take what has come, or as much as answers the rows before one; False: it is lost."""
        try:
            for message, arrays in self.line.received():
                self._take(message, arrays)
                if self.is_lost:
                    return False
                if self.answered_rows >= until_row:
                    break
        except ProtocolError as error:
            self.line.drop(str(error))
            self._lose(f"{self._called}: {error}")
            return False
        return True

    def _look_after(self) -> None:
        """Whether the model lives, and gets on."""
        if self._process is not None and (ended := self._process.ended()) is not None:
            self._lose(ended)
        elif self._ready and self.line.lost is not None:
            self._lose(self._how_it_ended() or f"{self._called}, {self.line.lost}")
        else:
            self._require_progress()

    @property
    def _called(self) -> str:
        return f"the model of {self.spec.strategy_id}"

    def _take(self, message: msg.Message, arrays: list[np.ndarray]) -> None:
        if isinstance(message, msg.BridgeHello):
            if self._ready:
                raise ProtocolError("expected one hello, found a second one")
            self._welcome(message)
        elif isinstance(message, msg.SignalBatch):
            self._take_answer(message, arrays)
        elif isinstance(message, msg.State):
            if message.next_row != self._heard_row:
                raise ProtocolError(
                    f"expected the state behind row {self._heard_row - 1}, found one with "
                    f"next_row {message.next_row}"
                )
            self._state = (message.next_row, arrays[0].tobytes() if arrays else b"")
            self._forget()
        elif isinstance(message, msg.BridgeError):
            # Text of a peer has no line breaks; the lines of a traceback are worth having.
            said = message.message.replace("\\n", "\n")
            self._lose(f"{self._called} failed: {said}", is_told=True)
        elif isinstance(message, msg.BridgeGoodbye):
            self._lose(f"{self._called} left before the data ended: {message.reason}")
        else:
            name = msg.name_of(message)
            raise ProtocolError(f"expected an answer, found a {name} message")

    def _take_answer(self, message: msg.SignalBatch, arrays: list[np.ndarray]) -> None:
        first, stop = message.first_row, message.first_row + message.rows
        sent_stop = self._kept[self._to_send - 1].stop if self._to_send else self._heard_row
        if first != self._heard_row or stop > sent_stop:
            raise ProtocolError(
                f"expected an answer from row {self._heard_row} on, of at most "
                f"{sent_stop - self._heard_row} rows, found one to rows {first} to {stop - 1}"
            )
        self._heard_row = stop
        now_s = self._progress_s = time.monotonic()
        self.figures.inference.add(message.busy_ns // 1_000)
        effects, books = self._told_of(first, stop, now_s)
        signals, rows = signals_of(message, arrays, effects, books, self._known)
        if first < self.answered_rows:  # started again: what it answered before stands
            signals = signals[rows >= self.answered_rows - first]
        with self._answered:
            if signals.size:
                self._signals.append(signals)
            if stop > self.answered_rows:
                self._in_vain = 0
                self.answered_rows = stop
                self.next_effect_ns = self._effect_of(stop)
            self._answered.notify_all()
        self._forget()

    def _told_of(self, first: int, stop: int, now_s: float) -> tuple[IntArray, IntArray]:
        """When rows take effect, and their instruments; the messages that they end are answered."""
        effects, books = [], []
        for item in self._kept:
            if item.first_row >= stop:
                break
            if item.stop > first and item.message is None:
                at, to = max(first - item.first_row, 0), min(stop, item.stop) - item.first_row
                effects.append(item.effect_ns[at:to])
                books.append(item.books[at:to])
                if item.stop <= stop:
                    self.figures.round_trip.add(round((now_s - item.sent_s) * 1e6))
        if len(effects) == 1:
            return effects[0], books[0]
        return np.concatenate(effects), np.concatenate(books)

    def _effect_of(self, row: int) -> int:
        """When the signals of a row take effect; NEVER if it is not there yet."""
        for items in (self._kept, self._pending):
            for item in items:
                if item.first_row <= row < item.stop:
                    return int(item.effect_ns[row - item.first_row])
        return NEVER

    def _forget(self) -> None:
        """Let go of messages that nothing can need any more."""
        needed = min(self.answered_rows, self._heard_row)
        keeps = self.spec.on_failure == "restart" and self._ready and self._hello.keeps_state
        if keeps:
            needed = min(needed, self._state[0])
        while self._to_send and (item := self._kept[0]).stop <= needed:
            if keeps and item.message is not None and item.stop == needed:
                return  # it came behind the state, which does not know of it
            self._kept.popleft()
            self._to_send -= 1
        if self._to_send > KEPT_MAX and self._kept[KEPT_MAX].stop <= self.answered_rows:
            raise ProtocolError(
                f"expected its state behind one of the last {KEPT_MAX} messages, found none"
            )

    # --- it is lost -----------------------------------------------------------------------------

    def _require_progress(self) -> None:
        now_s = time.monotonic()
        if not self._ready:
            limit_s, what = self.spec.connect_timeout_s, "has not connected"
        elif self._to_send and self._heard_row < self._kept[self._to_send - 1].stop:
            limit_s, what = self.spec.answer_timeout_s, f"has not answered row {self._heard_row}"
        elif self._to_send < len(self._kept):
            limit_s, what = self.spec.answer_timeout_s, "reads nothing"
        else:
            self._progress_s = now_s
            return
        if now_s - self._progress_s > limit_s:
            refused = "" if self._ready else "".join(f"; {text}" for text in self.line.refused[-1:])
            self._lose(f"{self._called} {what} for {limit_s:g} s{refused}")

    def _how_it_ended(self) -> str | None:
        """How its process ended, if it did: that is seen a little later than its connection."""
        if self._process is None:
            return None
        self._process.wait_end(_END_SEEN_S)
        return self._process.ended()

    def _lose(self, why: str, *, is_told: bool = False) -> None:
        """The model is gone, or to be: start it again or give it up."""
        self._ready = False
        if self.line.peer is not None:
            self.line.drop(why)
        if self._process is not None:
            if not is_told:
                why = self._process.last_words(why)
            self._process.ask_end()
            self._process.wait_end(_ASKED_END_S)
            self._process.close()
            self._process = None
        self.figures.faults.append(why)
        if self.spec.on_failure == "restart" and not self._is_over:
            if self.restarts < RESTARTS_MAX and self._in_vain < RESTARTS_IN_VAIN_MAX:
                self.restarts += 1
                self._in_vain += 1
                self._start()
                return
            why = f"{why}; it was started again {self.restarts} times"
        self._pending.clear()
        self._kept.clear()
        self._to_send = 0
        with self._answered:
            self.fault = None if self._is_over else why
            self._has_left = True
            self.next_effect_ns = NEVER
            self._answered.notify_all()

    def wait_all(self, check: Callable[[], None] = lambda: None) -> None:
        """Send all rows there are and wait for their answers, or until none will come.

        ``check`` is called now and then; it may raise.
        """
        self.ship(everything=True)
        if self.fault is None:
            self._send_waiting()
        look_s = time.monotonic() + _WAIT_S
        while self.answered_rows < self.rows and self.fault is None:
            if self.line.wait(_WAIT_S) and self._listen(self.rows):
                self._send_waiting()
            if (now_s := time.monotonic()) > look_s:
                look_s = now_s + _WAIT_S
                check()
                self.serve()

    # --- for whoever follows --------------------------------------------------------------------

    def take_signals(self) -> list[npt.NDArray[Any]]:
        """Signals that have come since, by their time; call it with the condition held."""
        taken, self._signals = self._signals, []
        return taken

    def end(self) -> None:
        """The data have ended: what is still to come changes nothing, nor does a model's loss."""
        self._is_over = True

    def say_goodbye(self) -> None:
        """All is done: the model may leave."""
        self.has_said_goodbye = self.line.send(msg.BridgeGoodbye(""))

    @property
    def is_idle(self) -> bool:
        """Whether everything was sent and answered, or nothing more will be."""
        done = not self._pending and self._to_send == len(self._kept)
        return self._has_left or (done and self.answered_rows == self.rows)

    def ask_end(self) -> None:
        """The model is to end, whatever it is at."""
        if not self.has_said_goodbye:
            self.line.drop("the run ended before its data")
        if self._process is not None:
            self._process.ask_end()

    def wait_end(self, until_s: float) -> None:
        """Give its process time to end by itself."""
        if self._process is not None:
            self._process.wait_end(until_s - time.monotonic())

    def close(self) -> None:
        """Kill the model's process, if there is one yet, and give back the address."""
        if self._process is not None:
            self._process.close()
        self.line.close()
