"""A FIX session's rules, apart from its socket: numbers, heartbeats, gaps, logon and logout.

Bytes go in with the time and messages come out; what is to be sent waits in `out`. What was sent is
never sent again: whatever the venue asks for anew was an order, a cancel or a question, and such a
thing that comes late may do what nobody wants any more. It is told that there is nothing
(SequenceReset with GapFillFlag). Source: FIX 4.4, volume 2, "FIX Session Protocol".
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from tapewire.errors import BrokerDownError, ProtocolError
from tapewire.live.brokers.fix import fields as fld
from tapewire.live.brokers.fix.frames import FixFrames, FixReceived, frame_of, require_sendable
from tapewire.live.brokers.fix.numbers import SequenceNumbers
from tapewire.live.brokers.fix.settings import FixSettings
from tapewire.live.brokers.fix.values import number_of, time_of, time_text

#: What may wait to be sent: a venue that reads nothing gets no more.
OUT_BYTES_MAX: Final = 1 << 20
LOGON_TIMEOUT_S: Final = 10.0
LOGOUT_TIMEOUT_S: Final = 2.0
#: How long what was missed may take to come (s), from one message of it to the next.
GAP_TIMEOUT_S: Final = 30.0
#: How long both ends may take to have each other's messages (s), from the connection on.
AGREE_TIMEOUT_S: Final = 120.0
_PROBE: Final = "in-order"
_PROBES_MAX: Final = 20
#: Of a heartbeat's interval: what it may be late.
GRACE: Final = 0.2
#: How far the venue's clock may be from this host's (ns).
CLOCKS_APART_NS: Final = 120 * 10**9
_COMP_ID_PROBLEM: Final = "9"
_TIME_PROBLEM: Final = "10"
_BAD_VALUE: Final = "5"
_HEARTBEAT_S_MAX: Final = 3_600


class Now(NamedTuple):
    """A moment: by a clock that never goes back (s), and the time of day (ns since the epoch)."""

    s: float
    ns: int


class SessionOverError(Exception):
    """The session is over.

    Attributes
    ----------
    is_final : bool
        Another one would end the same way.
    """

    def __init__(self, text: str, *, is_final: bool = False) -> None:
        super().__init__(text)
        self.is_final = is_final


class FixSession:
    """One connection's session, from logon to logout.

    Parameters
    ----------
    settings : FixSettings
    numbers : SequenceNumbers
    now : Now
        The logon is in `out` behind this.

    Attributes
    ----------
    out : bytearray
        To be sent; who sends takes it off.
    passed_over : list of (int, int)
        Numbers of messages, first and last, that the venue was told are nothing; who sent them
        takes them off.
    is_choked : bool
        Whether something could not be sent, as the venue did not read.
    notices : list of str
        What a person should know.
    """

    def __init__(self, settings: FixSettings, numbers: SequenceNumbers, now: Now) -> None:
        self._settings, self._numbers = settings, numbers
        self._frames = FixFrames(settings.without_password)
        self._heartbeat_s = float(settings.heartbeat_s)
        self._begun = self._heard = self._said = self._moved = now.s
        self._tested = False
        self._is_in = False
        self._leaving_s: float | None = None
        self._asked_behind = self._asked_as = 0
        self._probe_number = self._probes = 0
        self._has_agreed = False
        self.passed_over: list[tuple[int, int]] = []
        self.out = bytearray()
        self.is_choked = False
        self.notices: list[str] = []
        self._log_on(now)

    @property
    def is_up(self) -> bool:
        """Whether both ends have all that the other one has sent.

        A venue that misses messages passes over those that come before it has asked; so nothing
        but a question is sent until it has answered one.
        """
        return self.may_send and self._has_agreed and not self._asked_behind

    @property
    def may_send(self) -> bool:
        """Whether the venue has let us in, and nobody has said goodbye."""
        return self._is_in and self._leaving_s is None

    # --- out --------------------------------------------------------------------------------------

    def send(self, kind: str, body: Sequence[tuple[int, str]], now: Now) -> int:
        """Put a message behind what is to be sent; return its number.

        Raises
        ------
        BrokerDownError
            If the venue does not read.
        BrokerError
            If a value can't be sent.
        """
        if len(self.out) > OUT_BYTES_MAX:
            self.is_choked = True
            raise BrokerDownError(f"{self._settings.where} reads nothing: nothing was sent")
        require_sendable(body)  # what is not takes no number
        number = self._numbers.take_out()
        self.out += frame_of(kind, self._header(number, now), body)
        self._said = now.s
        return number

    def _header(self, number: int, now: Now) -> list[tuple[int, str]]:
        return [
            (fld.SENDER_COMP_ID, self._settings.sender_comp_id),
            (fld.TARGET_COMP_ID, self._settings.target_comp_id),
            (fld.MSG_SEQ_NUM, str(number)),
            (fld.SENDING_TIME, time_text(now.ns)),
        ]

    def _log_on(self, now: Now) -> None:
        body = [(fld.ENCRYPT_METHOD, "0"), (fld.HEART_BT_INT, str(self._settings.heartbeat_s))]
        if self._settings.reset == "logon":
            self._numbers.begin_anew()
            body.append((fld.RESET_SEQ_NUM_FLAG, fld.YES))
        if self._settings.username:
            body.append((fld.USERNAME, self._settings.username))
        if password := self._settings.password():
            body.append((fld.PASSWORD, password))
        self.send(fld.LOGON, body, now)

    def log_out(self, text: str, now: Now) -> None:
        """Say goodbye; the session is over once the venue has, too, or after two seconds."""
        if self._leaving_s is None:
            self.send(fld.LOGOUT, [(fld.TEXT, text)] if text else [], now)
            self._leaving_s = now.s

    def _gap_fill(self, first: int, last: int, now: Now) -> None:
        """Tell that there is nothing from one number to another; 0: to the newest."""
        newest = self._numbers.next_out - 1
        last = newest if last == 0 else min(last, newest)
        if first > last:
            self.notices.append(f"{self._settings.where} asks again for what was never sent")
            return
        body = [(fld.GAP_FILL_FLAG, fld.YES), (fld.NEW_SEQ_NO, str(last + 1))]
        again = [(fld.POSS_DUP_FLAG, fld.YES), (fld.ORIG_SENDING_TIME, time_text(now.ns))]
        self.out += frame_of(fld.SEQUENCE_RESET, [*self._header(first, now), *again], body)
        self._said = now.s
        self.passed_over.append((first, last))

    def _probe(self, now: Now) -> None:
        """Ask something, to see that the venue takes what is sent."""
        self._probes += 1
        if self._probes > _PROBES_MAX:
            raise SessionOverError(f"{self._settings.where} asks again and again for old messages")
        self._probe_number = self.send(fld.TEST_REQUEST, [(fld.TEST_REQ_ID, _PROBE)], now)

    def tick(self, now: Now) -> None:
        """Do what is due.

        Raises
        ------
        SessionOverError
            If the venue is silent for too long, or has taken too long.
        """
        where = self._settings.where
        if self._leaving_s is not None:
            if now.s - self._leaving_s > LOGOUT_TIMEOUT_S:
                raise SessionOverError("logged out; the other end said nothing to it")
            return
        if not self._is_in:
            if now.s - self._begun > LOGON_TIMEOUT_S:
                raise SessionOverError(f"{where} lets nobody in within {LOGON_TIMEOUT_S:.0f} s")
            return
        if self._asked_behind and now.s - self._moved > GAP_TIMEOUT_S:
            raise SessionOverError(
                f"{where} has not sent what was missed, from its message "
                f"{self._numbers.next_in} on, within {GAP_TIMEOUT_S:.0f} s"
            )
        if not self._has_agreed and now.s - self._begun > AGREE_TIMEOUT_S:
            raise SessionOverError(
                f"{where} answers no TestRequest within {AGREE_TIMEOUT_S:.0f} s of the connection"
            )
        silence_s = now.s - self._heard
        if silence_s > self._heartbeat_s * (2 + GRACE):
            raise SessionOverError(f"{where} has said nothing for {silence_s:.1f} s")
        if silence_s > self._heartbeat_s * (1 + GRACE) and not self._tested:
            self._tested = True
            self.send(fld.TEST_REQUEST, [(fld.TEST_REQ_ID, time_text(now.ns))], now)
        if now.s - self._said >= self._heartbeat_s:
            self.send(fld.HEARTBEAT, [], now)

    # --- in ---------------------------------------------------------------------------------------

    def take(self, data: bytes, now: Now) -> Iterator[FixReceived]:
        """Take bytes; give the messages that are no business of the session's, in order, once each.

        Raises
        ------
        SessionOverError
            If the venue ends it, or breaks its rules.
        """
        try:
            for message in self._frames.feed(data):
                self._heard, self._tested = now.s, False
                yield from self._take(message, now)
        except ProtocolError as error:
            raise SessionOverError(f"{self._settings.where}: {error}") from None

    def _take(self, message: FixReceived, now: Now) -> Iterator[FixReceived]:
        self._require_ours(message, now)
        if not self._is_in and not self._let_in(message, now):
            return
        expected = self._numbers.next_in
        if message.kind == fld.SEQUENCE_RESET and message.get(fld.GAP_FILL_FLAG) != fld.YES:
            self._reset_to(message, now)
        elif message.number > expected:
            self._miss(message, now)
        elif message.number < expected:
            if not message.is_duplicate:
                self._end_broken(message, now)
        else:
            self._numbers.next_in = expected + 1
            self._moved = now.s
            if message.kind not in _OF_SESSION:
                yield message
            else:
                self._obey(message, now)
            if self._asked_behind and self._numbers.next_in > self._asked_behind:
                self._asked_behind = 0
        is_quiet = self._asked_behind or self._probe_number or self._leaving_s is not None
        if not self._has_agreed and not is_quiet:
            self._probe(now)

    def _require_ours(self, message: FixReceived, now: Now) -> None:
        """Check who speaks to whom, and when."""
        here, there = self._settings.sender_comp_id, self._settings.target_comp_id
        found = (message.get(fld.SENDER_COMP_ID), message.get(fld.TARGET_COMP_ID))
        if found != (there, here):
            self._refuse(message, _COMP_ID_PROBLEM, "wrong CompID", now)
            raise SessionOverError(
                f"{self._settings.where}: expected messages of {there} to {here}, found one of "
                f"{found[0]} to {found[1]}",
                is_final=True,
            )
        try:
            apart_ns = abs(time_of(message.get(fld.SENDING_TIME)) - now.ns)
        except ValueError as error:
            self._refuse(message, _TIME_PROBLEM, "no SendingTime", now)
            raise SessionOverError(f"{self._settings.where}: SendingTime: {error}") from None
        if apart_ns > CLOCKS_APART_NS and not message.is_duplicate:
            self._refuse(message, _TIME_PROBLEM, "SendingTime accuracy problem", now)
            raise SessionOverError(
                f"{self._settings.where}: its clock and this host's are {apart_ns / 1e9:,.0f} s "
                f"apart, at most {CLOCKS_APART_NS // 10**9} are taken: set this host's"
            )

    def _refuse(self, message: FixReceived, why: str, text: str, now: Now) -> None:
        body = [
            (fld.REF_SEQ_NUM, str(message.number)), (fld.REF_MSG_TYPE, message.kind),
            (fld.SESSION_REJECT_REASON, why), (fld.TEXT, text),
        ]  # fmt: skip
        self.send(fld.REJECT, body, now)

    def _let_in(self, message: FixReceived, now: Now) -> bool:
        """Take the answer to our logon; return whether it is one that lets us in."""
        if message.kind == fld.LOGOUT:
            said = message.get(fld.TEXT) or "without a reason"
            raise SessionOverError(f"{self._settings.where} lets us not in: {said}", is_final=True)
        if message.kind != fld.LOGON:
            raise SessionOverError(
                f"{self._settings.where}: expected a Logon first, found a message of type "
                f"{message.kind}"
            )
        asked = self._settings.reset == "logon"
        if message.get(fld.RESET_SEQ_NUM_FLAG) == fld.YES and not asked:
            self._numbers.begin_anew(2)  # our logon was its message 1
            self.notices.append(
                f"{self._settings.where} begins at message 1 by its own will: what was missed "
                "won't be sent"
            )
        heartbeat_s = number_of(message.get(fld.HEART_BT_INT)) or 0
        if 0 < heartbeat_s <= _HEARTBEAT_S_MAX:
            self._heartbeat_s = float(heartbeat_s)
        self._is_in = True
        self._moved = now.s
        return True

    def _miss(self, message: FixReceived, now: Now) -> None:
        """A message comes too early: ask for those before it; it will come again with them."""
        if message.kind == fld.RESEND_REQUEST:  # or both ends would wait for each other
            self._fill(message, now)
        if message.kind == fld.LOGOUT:
            self._left(message, now)
        self._probe_number = 0  # its answer may be among what is missing
        if not self._asked_behind:
            self._ask(now)
        self._asked_behind = max(self._asked_behind, message.number)

    def _ask(self, now: Now) -> None:
        """Ask for everything from the first message on that is missing."""
        self._moved = now.s
        begin = str(self._numbers.next_in)
        body = [(fld.BEGIN_SEQ_NO, begin), (fld.END_SEQ_NO, "0")]
        self._asked_as = self.send(fld.RESEND_REQUEST, body, now)

    def _end_broken(self, message: FixReceived, now: Now) -> None:
        """A number comes twice, and not as one that may: nobody knows what was lost."""
        text = f"MsgSeqNum too low, expecting {self._numbers.next_in} but received {message.number}"
        self.log_out(text, now)
        raise SessionOverError(
            f"{self._settings.where}: expected its message {self._numbers.next_in}, found "
            f"{message.number}: agree with the venue where to go on, or set reset to logon",
            is_final=True,
        )

    def _obey(self, message: FixReceived, now: Now) -> None:
        """Do what a message of the session's own asks for."""
        if message.kind == fld.HEARTBEAT and message.get(fld.TEST_REQ_ID) == _PROBE:
            self._has_agreed = True
        elif message.kind == fld.TEST_REQUEST:
            self.send(fld.HEARTBEAT, [(fld.TEST_REQ_ID, message.get(fld.TEST_REQ_ID) or "?")], now)
        elif message.kind == fld.RESEND_REQUEST:
            self._fill(message, now)
        elif message.kind == fld.SEQUENCE_RESET:
            self._reset_to(message, now)
        elif message.kind == fld.LOGOUT:
            self._left(message, now)

    def _fill(self, message: FixReceived, now: Now) -> None:
        first = number_of(message.get(fld.BEGIN_SEQ_NO))
        last = number_of(message.get(fld.END_SEQ_NO))
        if first and last is not None:
            self._gap_fill(first, last, now)
            # Where both miss something, what is filled may hide our own question.
            if self._asked_behind and self._asked_as >= first:
                self._ask(now)
            if self._probe_number >= first:
                self._probe_number = 0
        else:
            self._refuse(message, _BAD_VALUE, "expected numbers of messages", now)

    def _reset_to(self, message: FixReceived, now: Now) -> None:
        """Go on at the number that the venue says: never at a lower one."""
        new = number_of(message.get(fld.NEW_SEQ_NO)) or 0
        if new < self._numbers.next_in:
            self._refuse(message, _BAD_VALUE, "expected a higher NewSeqNo", now)
            return
        self._moved = now.s
        if message.get(fld.GAP_FILL_FLAG) != fld.YES and new > self._numbers.next_in:
            self.notices.append(
                f"{self._settings.where} goes on at its message {new}: those from "
                f"{self._numbers.next_in} on are lost"
            )
        self._numbers.next_in = new
        if new > self._asked_behind:
            self._asked_behind = 0

    def _left(self, message: FixReceived, now: Now) -> None:
        """The venue says goodbye, or answers ours."""
        said = message.get(fld.TEXT)
        if self._leaving_s is None:
            self.log_out("", now)
        raise SessionOverError(
            f"{self._settings.where} has logged out{f': {said}' if said else ''}"
        )


#: What the session itself answers.
_OF_SESSION: Final = frozenset(
    {fld.HEARTBEAT, fld.TEST_REQUEST, fld.RESEND_REQUEST, fld.SEQUENCE_RESET, fld.LOGOUT, fld.LOGON}
)
