"""A broker over FIX 4.4: commands become messages, messages events, one session after the other."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final

from tapewire.atomic import output_errors
from tapewire.errors import BrokerDownError, BrokerError, ProtocolError
from tapewire.live import orders as said
from tapewire.live.brokers.fix import commands
from tapewire.live.brokers.fix import fields as fld
from tapewire.live.brokers.fix.executions import Executions
from tapewire.live.brokers.fix.frames import FixReceived, require_simplefix
from tapewire.live.brokers.fix.known import FixOrder, FixOrders, Request
from tapewire.live.brokers.fix.line import GatewayLine, LineCutError
from tapewire.live.brokers.fix.numbers import SequenceNumbers
from tapewire.live.brokers.fix.reporting import Inquiry
from tapewire.live.brokers.fix.session import OUT_BYTES_MAX, FixSession, Now, SessionOverError
from tapewire.live.brokers.fix.settings import FixSettings
from tapewire.live.brokers.fix.values import number_of
from tapewire.live.soundness import require_sound

CONNECT_TIMEOUT_S: Final = 10.0
#: Between two tries (s): it doubles from the first to the second.
PAUSES_S: Final = (0.5, 30.0)
#: Longest wait before heartbeats and deadlines are looked at again.
_LOOK_S: Final = 0.2
#: Requests of one order that may be without an answer.
_PENDING_MAX: Final = 16
_NUMBERS_FILE: Final = "numbers.json"
_CLOSE_S: Final = 3.0


def _read_clocks() -> Now:
    return Now(time.monotonic(), time.time_ns())


class FixBroker:
    """An adapter of one account at one broker, as `tapewire.live.brokers.protocol` has them.

    Parameters
    ----------
    settings : FixSettings
    pauses_s
        Between two tries that fail: the first, and the longest.
    clocks
        Where the time comes from.

    Raises
    ------
    ConfigError
        If the library that it needs is not installed, or the folder is another session's.
    OutputError
        If the folder can't be written.
    """

    def __init__(
        self, settings: FixSettings, *, pauses_s: tuple[float, float] = PAUSES_S,
        clocks: Callable[[], Now] = _read_clocks,
    ) -> None:  # fmt: skip
        require_simplefix()
        with output_errors(settings.folder):
            settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._settings, self._clocks, self._pauses_s = settings, clocks, pauses_s
        between = (settings.sender_comp_id, settings.target_comp_id)
        self._numbers = SequenceNumbers(settings.folder / _NUMBERS_FILE, between)
        self._orders = FixOrders()
        self._executions = Executions(self._orders, settings, self._emit)
        self._events: list[said.BrokerEvent] = []
        self._line: GatewayLine | None = None
        self._session: FixSession | None = None
        self._inquiry: Inquiry | None = None
        self._questions: dict[int, str] = {}
        self._is_up = self._is_wanted = False
        self._handed_out = self._numbers.next_in
        self._pause_s, self._not_before_s = 0.0, float("-inf")
        self._begun_s = 0.0
        self._last_report = 0

    # --- a session's begin and end ----------------------------------------------------------------

    def connect(self) -> None:
        """Begin a session: `BrokerUp` comes of it, or `BrokerDown`."""
        self._settings.password()  # what is missing is told to who configured it
        if self._line is None:
            self._is_wanted = True
            self._advance(self._clocks())

    def _advance(self, now: Now) -> None:
        """Go on with what leads to a session."""
        try:
            if self._line is None and self._is_wanted and now.s >= self._not_before_s:
                self._is_wanted, self._begun_s = False, now.s
                self._line = GatewayLine(self._settings)
            if self._line is None or self._session is not None:
                return
            if self._line.advance():
                self._orders.forget_sent()
                self._questions.clear()
                self._session = FixSession(self._settings, self._numbers, now)
                self._flush()
            elif now.s - self._begun_s > CONNECT_TIMEOUT_S:
                raise LineCutError(f"can't be reached within {CONNECT_TIMEOUT_S:.0f} s")
        except LineCutError as error:
            self._down(f"{self._settings.where} {error}", now)

    def _down(self, text: str, now: Now, *, is_final: bool = False) -> None:
        """The session is over, or there was none."""
        if self._session is not None and self._line is not None:
            self._tell_notices(now)
            with contextlib.suppress(LineCutError):
                self._line.write(self._session.out)  # a last word, if it goes
        if self._line is not None:
            self._line.close()
        self._line = self._session = None
        self._pause_s = 0.0 if self._is_up else self._pause_s
        self._pause_s = min(max(self._pauses_s[0], 2 * self._pause_s), self._pauses_s[1])
        self._not_before_s = now.s + self._pause_s
        self._is_up = False
        for order in self._orders.unanswered():
            why = "the session ended before the venue said what became of it"
            self._emit(said.OrderUnclear(order.client_order_id, why, 0, now.ns))
        if self._inquiry is not None:
            self._inquiry.fail("the session ended")
            self._end_inquiry(now)
        self._emit(said.BrokerDown(self._safe(text), is_final, 0, now.ns))

    def close(self) -> None:
        """End the session, within a few seconds; what comes meanwhile counts as not taken."""
        self._is_wanted = False
        now = self._clocks()
        end_s = now.s + _CLOSE_S
        if self._session is not None and self._session.may_send:
            with contextlib.suppress(BrokerDownError):  # it reads nothing, goodbyes neither
                self._session.log_out("", now)
        while self._session is not None and now.s < end_s:
            self._work(_LOOK_S)
            now = self._clocks()
        if self._line is not None:
            self._down("closed", now)
        self._numbers.close()

    # --- commands ---------------------------------------------------------------------------------

    def submit(self, order: said.NewOrder) -> None:
        """Send an order."""
        require_sound(order)
        session, now = self._require_up(), self._clocks()
        if order.client_order_id in self._orders:
            text = f"{order.client_order_id} was sent before: it is one order"
            self._emit(said.BrokerNotice(text, 0, now.ns))
            return
        try:
            known = commands.known_order(order, self._settings)
            body = commands.new_order(known, self._settings, now.ns)
            number = session.send(fld.NEW_ORDER_SINGLE, body, now)
        except BrokerDownError:
            raise
        except BrokerError as error:
            why = str(error)[: said.REASON_CHARS_MAX]
            self._emit(said.OrderDenied(order.client_order_id, why, 0, now.ns))
            return
        self._orders.add(known)
        self._note(known, number, order.client_order_id, "new")

    def cancel(self, request: said.CancelOrder) -> None:
        """Ask for an order to be taken back."""
        require_sound(request)
        session, now = self._require_up(), self._clocks()
        order = self._open_order(request.client_order_id)
        if isinstance(order, str):
            self._emit(said.CancelRejected(request.client_order_id, order, 0, now.ns))
            return
        name = self._orders.next_request_id(order.client_order_id, now.ns)
        body = commands.cancel(order, name, self._settings, now.ns)
        self._note(order, session.send(fld.ORDER_CANCEL_REQUEST, body, now), name, "cancel")

    def replace(self, request: said.ReplaceOrder) -> None:
        """Ask for an order to be changed."""
        require_sound(request)
        session, now = self._require_up(), self._clocks()
        order = self._open_order(request.client_order_id)
        if isinstance(order, str):
            self._emit(said.ReplaceRejected(request.client_order_id, order, 0, now.ns))
            return
        name = self._orders.next_request_id(order.client_order_id, now.ns)
        try:
            body = commands.replace(
                order, name, request.price, request.quantity, self._settings, now.ns
            )
        except BrokerError as error:
            self._emit(said.ReplaceRejected(request.client_order_id, str(error), 0, now.ns))
            return
        number = session.send(fld.ORDER_CANCEL_REPLACE_REQUEST, body, now)
        self._note(order, number, name, "replace")

    def _open_order(self, client_order_id: str) -> FixOrder | str:
        """An order that something can be asked of, or why not."""
        order = self._orders.get(client_order_id)
        if order is None:
            return "not known here: ask for a report first"
        if not order.is_open:
            return "it has ended"
        if len(order.pending) >= _PENDING_MAX:
            return f"{_PENDING_MAX} requests wait for an answer"
        return order

    def _note(self, order: FixOrder, number: int, name: str, request: Request) -> None:
        """Something of an order is under way."""
        order.pending[name] = request
        self._orders.sent(number, name)
        self._flush()

    def _require_up(self) -> FixSession:
        if self._session is None or not self._is_up or not self._session.may_send:
            raise BrokerDownError(f"no session with {self._settings.where}: nothing was sent")
        return self._session

    # --- reports ----------------------------------------------------------------------------------

    def request_report(self, since_ns: int, unsettled: Sequence[said.NewOrder] = ()) -> None:
        """Ask for the account as the broker has it; one that is under way is given up."""
        session, now = self._require_up(), self._clocks()
        if self._inquiry is not None:
            self._inquiry.fail("another one was asked for")
            self._end_inquiry(now)
        named = {order.client_order_id: order for order in self._orders.unanswered()}
        for order in unsettled:
            known = self._orders.get(order.client_order_id)
            named[order.client_order_id] = known or FixOrder(
                order.client_order_id, order.symbol, order.side, order.quantity, price=order.price
            )
        self._last_report = max(self._last_report + 1, now.ns // 10**6)
        self._inquiry = Inquiry(
            self._settings, self._orders, self._executions, number=self._last_report,
            since_ns=since_ns, named=tuple(named.values()), begun_s=now.s,
        )  # fmt: skip
        self._questions.clear()
        for kind, body, part in self._inquiry.questions(now.ns):
            self._questions[session.send(kind, body, now)] = part
        self._flush()

    def _end_inquiry(self, now: Now) -> None:
        inquiry, self._inquiry = self._inquiry, None
        if inquiry is not None:
            self._emit(inquiry.report(now.ns))

    # --- what comes -------------------------------------------------------------------------------

    def poll(self, wait_s: float) -> list[said.BrokerEvent]:
        """Return what has happened, in order; wait for something at most so long (s)."""
        self._numbers.acknowledge(min(self._handed_out, self._numbers.next_in))
        end_s = self._clocks().s + wait_s
        while True:
            left_s = end_s - self._clocks().s
            self._work(0.0 if self._events else max(0.0, min(left_s, _LOOK_S)))
            if self._events or left_s <= 0:
                break
        events, self._events = self._events, []
        self._handed_out = self._numbers.next_in
        return events

    def _work(self, wait_s: float) -> None:
        """Read, write, and do what is due."""
        if self._line is None:
            if wait_s:
                time.sleep(wait_s)
            self._advance(self._clocks())
            return
        session = self._session
        self._line.wait(wait_s, to_write=session is not None and bool(session.out))
        now = self._clocks()
        self._advance(now)
        session = self._session
        if session is None or self._line is None:
            return
        try:
            self._line.write(session.out)
            for message in session.take(self._line.read(), now):
                self._hear(message, now)
            session.tick(now)
            self._line.write(session.out)
            # Nothing more can be sent, or could not: who was told that takes it for down.
            if session.is_choked or len(session.out) > OUT_BYTES_MAX:
                raise LineCutError("reads nothing")
        except SessionOverError as error:
            self._down(str(error), now, is_final=error.is_final)
        except LineCutError as error:
            self._down(f"{self._settings.where} {error}", now)
        except BrokerError as error:  # of what the session itself had to send
            self._down(str(error), now)
        except ProtocolError as error:
            self._down(f"{self._settings.where}: {error}", now)
        else:
            self._look(session, now)

    def _look(self, session: FixSession, now: Now) -> None:
        """See whether the session is one by now, and whether a report has all it wants."""
        self._tell_notices(now)
        self._tell_passed_over(session, now)
        if session.is_up and not self._is_up:
            self._is_up, self._pause_s = True, 0.0
            self._emit(said.BrokerUp(self._settings.target_comp_id, 0, now.ns))
        inquiry = self._inquiry
        if inquiry is None:
            return
        if now.s - inquiry.begun_s > self._settings.report_timeout_s:
            inquiry.fail(f"not all has come within {self._settings.report_timeout_s:g} s")
        if inquiry.is_done:
            self._end_inquiry(now)

    def _hear(self, message: FixReceived, now: Now) -> None:
        """Take a message that is no business of the session's."""
        if self._inquiry is not None and self._inquiry.take(message):
            return
        if message.kind == fld.EXECUTION_REPORT:
            self._executions.report(message, now.ns)
        elif message.kind == fld.ORDER_CANCEL_REJECT:
            self._executions.cancel_reject(message, now.ns)
        elif message.kind in (fld.REJECT, fld.BUSINESS_MESSAGE_REJECT):
            part = self._questions.get(number_of(message.get(fld.REF_SEQ_NUM)) or 0, "")
            if self._inquiry is not None and part:
                self._inquiry.fail(f"{part}: refused: {message.get(fld.TEXT) or 'without reason'}")
            else:
                self._executions.not_taken(message, now.ns)

    def fileno(self) -> int | None:
        """Return the socket's, where there is one."""
        return None if self._line is None else self._line.fileno()

    def _flush(self) -> None:
        """Send at once what goes at once; a cut is found with the next look."""
        if self._line is not None and self._session is not None:
            with contextlib.suppress(LineCutError):
                self._line.write(self._session.out)

    def _tell_passed_over(self, session: FixSession, now: Now) -> None:
        """What was sent in this session, and the venue had not taken: nobody knows what it does."""
        for first, last in session.passed_over:
            for name in self._orders.sent_between(first, last):
                why = "the venue asked for it again: it may have passed over it"
                client_order_id = self._orders.of_request(name, "")
                self._emit(said.OrderUnclear(client_order_id, why, 0, now.ns))
            if self._inquiry and any(first <= number <= last for number in self._questions):
                self._inquiry.fail("the venue passed over a question: ask again")
        session.passed_over.clear()

    def _tell_notices(self, now: Now) -> None:
        if self._session is not None:
            for text in self._session.notices:
                self._emit(said.BrokerNotice(self._safe(text), 0, now.ns))
            self._session.notices.clear()

    def _safe(self, text: str) -> str:
        return self._settings.without_password(text)[: said.REASON_CHARS_MAX]

    def _emit(self, event: said.BrokerEvent) -> None:
        """Take an event, held to its bounds: what is in it, a venue has written."""
        try:
            said.ORDERS.decode(said.ORDERS.encode(event), bytes_max=said.MESSAGE_BYTES_MAX)
        except ProtocolError as error:
            event = _instead_of(event, f"what the venue says is out of bounds: {error}")
        self._events.append(event)


def _instead_of(event: said.BrokerEvent, text: str) -> said.BrokerEvent:
    """What is told where an event can't be: nothing may be concluded."""
    why, ts_recv = text[: said.REASON_CHARS_MAX], event.ts_recv
    if isinstance(event, said.AccountReport):
        return said.AccountReport(
            (), (), (), event.has_fills, event.has_positions, False, why, 0, ts_recv
        )
    client_order_id = getattr(event, "client_order_id", "")
    if client_order_id:
        return said.OrderUnclear(client_order_id, why, 0, ts_recv)
    return said.BrokerNotice(why, 0, ts_recv)
