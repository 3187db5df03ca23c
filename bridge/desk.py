"""What the run has to do with one model: rows go out, answers come in, each in its time.

A desk is worked by one thread, which serves its line; another one may take the signals.
"""

import json
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.bridge import protocol as msg
from tapewire.bridge.answers import signals_of
from tapewire.bridge.figures import BridgeFigures
from tapewire.bridge.latency import LatencyDraws
from tapewire.bridge.line import ModelLine
from tapewire.bridge.model_spec import ModelSpec
from tapewire.bridge.outbox import Outbox, OutboxItem
from tapewire.bridge.process import ModelProcess
from tapewire.errors import ProtocolError
from tapewire.wire.network import LIBZMQ, Network

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
_ASKED_END_S: Final = 0.5


class Desk:
    """One model of a run.

    Parameters
    ----------
    spec
    answered
        Notified when there is an answer, or none will come.
    network
        What its line stands on.

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

    def __init__(
        self, spec: ModelSpec, answered: threading.Condition, network: Network = LIBZMQ
    ) -> None:
        self.spec = spec
        self._now_s = network.now_s
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
        self._outbox = Outbox(spec.rows_max)
        self._messages = 0
        self._heard_row = 0  # the next one that the model will answer
        self._state: tuple[int, bytes] = (0, b"")
        self._instruments: list[msg.BridgeInstrument] = []
        self._known = np.zeros(0, np.bool_)
        self._told = 0  # instruments that the model was told of
        self._ready = False
        self._progress_s = self._now_s()  # when it last did what it has to
        self._signals: list[npt.NDArray[Any]] = []
        self._closes = deque(spec.closes_ns)
        self._process: ModelProcess | None = None
        self.line = ModelLine(spec.endpoint, len(spec.columns), keys=spec.keys, network=network)
        self._start()

    # --- the model comes ------------------------------------------------------------------------

    def _start(self) -> None:
        self._ready = False
        self._progress_s = self._now_s()
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
        self._outbox.rewind(first_row)
        self._ready = True
        self._progress_s = self._now_s()

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
        self._outbox.add(OutboxItem(self.rows, ts, books, values, effect_ns))
        self.rows += len(ts)

    def close_market(self, ts_ns: int, *, is_end: bool) -> None:
        """Say that the market has closed, behind all rows so far."""
        self._outbox.tell(self.rows, msg.Close(ts_ns, is_end))

    def tell(self, updates: list[msg.OrderUpdate]) -> None:
        """Say what became of orders, behind all rows so far."""
        for at in range(0, len(updates), msg.UPDATES_MAX):
            some = msg.Updates(tuple(updates[at : at + msg.UPDATES_MAX]))
            self._outbox.tell(self.rows, some)

    def ship(self, *, everything: bool) -> None:
        """Make messages of the rows that wait: whole ones, or all."""
        self._outbox.ship(everything=everything)

    def _send_waiting(self) -> None:
        """Send what may be sent."""
        if not self._ready or not self._tell_instruments():
            return
        now_s = self._now_s()
        while (item := self._outbox.next) is not None:
            if item.message is not None:
                sent = self.line.send(item.message)
            else:
                sent = self._send_rows(item)
            if not sent:
                return
            if self._heard_row >= item.first_row:  # nothing was due before it
                self._progress_s = now_s
            self._outbox.note_sent(now_s)

    def _tell_instruments(self) -> bool:
        while self._told < len(self._instruments):
            some = self._instruments[self._told : self._told + msg.INSTRUMENTS_PER_MESSAGE]
            if not self.line.send(msg.Instruments(tuple(some))):
                return False
            self._told += len(some)
        return True

    def _send_rows(self, item: OutboxItem) -> bool:
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
            self.figures.queue_depth.add(self._outbox.sent + 1)
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
        sent_stop = self._outbox.sent_stop(self._heard_row)
        if first != self._heard_row or stop > sent_stop:
            raise ProtocolError(
                f"expected an answer from row {self._heard_row} on, of at most "
                f"{sent_stop - self._heard_row} rows, found one to rows {first} to {stop - 1}"
            )
        self._heard_row = stop
        now_s = self._progress_s = self._now_s()
        self.figures.inference.add(message.busy_ns // 1_000)
        effects, books, sent_s = self._outbox.told_of(first, stop)
        for each_s in sent_s:
            self.figures.round_trip.add(round((now_s - each_s) * 1e6))
        signals, rows = signals_of(message, arrays, effects, books, self._known)
        if first < self.answered_rows:  # started again: what it answered before stands
            signals = signals[rows >= self.answered_rows - first]
        with self._answered:
            if signals.size:
                self._signals.append(signals)
            if stop > self.answered_rows:
                self._in_vain = 0
                self.answered_rows = stop
                self.next_effect_ns = self._outbox.effect_of(stop, NEVER)
            self._answered.notify_all()
        self._forget()

    def _forget(self) -> None:
        """Let go of messages that nothing can need any more."""
        needed = min(self.answered_rows, self._heard_row)
        keeps = self.spec.on_failure == "restart" and self._ready and self._hello.keeps_state
        if keeps:
            needed = min(needed, self._state[0])
        outbox = self._outbox
        outbox.forget(needed, has_state=keeps)
        if outbox.sent > KEPT_MAX and outbox.kept_stop(KEPT_MAX) <= self.answered_rows:
            raise ProtocolError(
                f"expected its state behind one of the last {KEPT_MAX} messages, found none"
            )

    # --- it is lost -----------------------------------------------------------------------------

    def _require_progress(self) -> None:
        now_s = self._now_s()
        if not self._ready:
            limit_s, what = self.spec.connect_timeout_s, "has not connected"
        elif self._heard_row < self._outbox.sent_stop(0):
            limit_s, what = self.spec.answer_timeout_s, f"has not answered row {self._heard_row}"
        elif self._outbox.next is not None:
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
        self._outbox.clear()
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
        look_s = self._now_s() + _WAIT_S
        while self.answered_rows < self.rows and self.fault is None:
            if self.line.wait(_WAIT_S) and self._listen(self.rows):
                self._send_waiting()
            if (now_s := self._now_s()) > look_s:
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
        is_done = self._outbox.is_empty and self.answered_rows == self.rows
        return self._has_left or is_done

    def ask_end(self) -> None:
        """The model is to end, whatever it is at."""
        if not self.has_said_goodbye:
            self.line.drop("the run ended before its data")
        if self._process is not None:
            self._process.ask_end()

    def wait_end(self, until_s: float) -> None:
        """Give its process time to end by itself."""
        if self._process is not None:
            self._process.wait_end(until_s - self._now_s())

    def close(self) -> None:
        """Kill the model's process, if there is one yet, and give back the address."""
        if self._process is not None:
            self._process.close()
        self.line.close()
