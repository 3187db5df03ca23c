"""The rules of a FIX session in virtual time, and its numbers on the disk."""

import re
import socket
import sys
import threading
from pathlib import Path

import pytest

from fix_exchange import encode
from tapewire.errors import BrokerDownError, BrokerError, ConfigError, OutputError
from tapewire.execution.codes import OrderStatus, OrderType, TimeInForce
from tapewire.live import orders as said
from tapewire.live.brokers.fix import FixBroker, FixSettings
from tapewire.live.brokers.fix.broker import CONNECT_TIMEOUT_S
from tapewire.live.brokers.fix.frames import FixFrames, FixReceived
from tapewire.live.brokers.fix.known import FixOrder
from tapewire.live.brokers.fix.line import GatewayLine
from tapewire.live.brokers.fix.numbers import AHEAD, TAKEN_MAX, SequenceNumbers
from tapewire.live.brokers.fix.session import (
    GAP_TIMEOUT_S,
    LOGON_TIMEOUT_S,
    LOGOUT_TIMEOUT_S,
    OUT_BYTES_MAX,
    FixSession,
    Now,
    SessionOverError,
)
from tapewire.live.brokers.fix.values import time_text
from tapewire.market.records import UNDEF_PRICE

START_NS = 1_795_000_000 * 10**9


def at(s: float) -> Now:
    return Now(s, START_NS + int(s * 10**9))


def settings(folder: Path, **changes: object) -> FixSettings:
    values: dict[str, object] = {
        "host": "127.0.0.1", "port": 1, "sender_comp_id": "FIRM", "target_comp_id": "VENUE",
        "account": "A", "folder": folder, "tls": False, "heartbeat_s": 10,
    }  # fmt: skip
    return FixSettings(**(values | changes))  # type: ignore[arg-type]


class Talk:
    """A session, and the other end by hand."""

    def __init__(self, folder: Path, **changes: object) -> None:
        self.settings = settings(folder, **changes)
        self.numbers = SequenceNumbers(folder / "n.json", ("FIRM", "VENUE"))
        self.session = FixSession(self.settings, self.numbers, at(0))
        self.now = 0.0

    def hear(self, kind: str, number: int, *body: tuple[int, str], dup: bool = False) -> list[str]:
        """Kinds of the messages that are passed on."""
        header = [(52, time_text(at(self.now).ns)), *([(43, "Y")] if dup else [])]
        data = encode(kind, number, list(body), header=header)
        return [one.kind for one in self.session.take(data, at(self.now))]

    def log_on(self, number: int = 1) -> None:
        """Be let in; where nothing is missing, the question that comes is answered.

        Numbers are then as if it had not been.
        """
        self.said()
        self.hear("A", number, (98, "0"), (108, str(self.settings.heartbeat_s)))
        if number == self.numbers.next_in - 1:
            self.agree()
            self.numbers.next_in -= 1
            self.numbers.next_out -= 1

    def agree(self) -> None:
        """Answer the question whether the venue takes what is sent."""
        assert not self.session.is_up
        [probe] = self.said()
        assert (probe.kind, probe.get(112)) == ("1", "in-order")
        self.hear("0", self.numbers.next_in, (112, "in-order"))
        assert self.session.is_up

    def said(self) -> list[FixReceived]:
        """What was sent since."""
        found = list(FixFrames().feed(bytes(self.session.out)))
        self.session.out.clear()
        return found

    def tick(self, s: float) -> None:
        self.now = s
        self.session.tick(at(s))


def test_without_the_library_there_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "simplefix", None)
    with pytest.raises(ConfigError, match=r"found none: pip install 'tapewire\[fix\]'"):
        FixBroker(settings(tmp_path / "folder"))
    assert not (tmp_path / "folder").exists()


def test_a_logon_opens_it_and_heartbeats_keep_it(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    [logon] = talk.said()
    assert (logon.kind, logon.number, logon.get(98), logon.get(108)) == ("A", 1, "0", "10")
    assert not talk.session.may_send
    talk.log_on()
    assert talk.session.is_up
    talk.tick(9.9)
    assert talk.said() == []
    talk.tick(10.0)
    assert [one.kind for one in talk.said()] == ["0"]


def test_silence_is_asked_about_then_ends_it(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.log_on()
    talk.tick(12.1)
    assert [one.kind for one in talk.said()] == ["1"]
    talk.tick(13.0)
    assert talk.said() == []  # once
    with pytest.raises(SessionOverError, match=r"has said nothing for 22\.1 s"):
        talk.tick(22.1)


def test_bytes_that_never_become_a_message_are_silence(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.log_on()
    for s in range(1, 22):
        assert list(talk.session.take(b"8", at(float(s)))) == []
    with pytest.raises(SessionOverError, match="has said nothing"):
        talk.tick(23.0)


def test_a_test_request_is_answered_by_its_own_words(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.log_on()
    assert talk.hear("1", 2, (112, "are you there")) == []
    [beat] = talk.said()
    assert (beat.kind, beat.get(112)) == ("0", "are you there")


def test_a_gap_is_asked_for_once_and_what_comes_is_in_order(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.log_on()
    assert talk.hear("8", 4, (37, "c")) == []
    assert talk.hear("8", 5, (37, "d")) == []
    [asked] = talk.said()
    assert (asked.kind, asked.get(7), asked.get(16)) == ("2", "2", "0")
    assert talk.session.may_send
    assert not talk.session.is_up
    assert talk.hear("8", 2, (37, "a"), dup=True) == ["8"]
    assert talk.hear("4", 3, (123, "Y"), (36, "4"), dup=True) == []
    assert talk.hear("8", 4, (37, "c"), dup=True) == ["8"]
    assert talk.hear("8", 4, (37, "c"), dup=True) == []  # told again
    assert not talk.session.is_up
    assert talk.hear("8", 5, (37, "d"), dup=True) == ["8"]
    assert talk.session.is_up


def test_a_logon_behind_a_gap_is_in_but_not_up(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.log_on(7)
    assert not talk.session.is_up
    assert [(one.kind, one.get(7)) for one in talk.said()] == [("2", "1")]
    talk.hear("4", 1, (123, "Y"), (36, "8"), dup=True)
    talk.agree()


def test_a_gap_that_does_not_move_ends_it(tmp_path: Path) -> None:
    talk = Talk(tmp_path, heartbeat_s=300)
    talk.log_on(7)
    talk.tick(GAP_TIMEOUT_S - 1)
    talk.hear("8", 1, dup=True)
    talk.tick(GAP_TIMEOUT_S + 10)
    with pytest.raises(SessionOverError, match="has not sent what was missed, from its message 2"):
        talk.tick(2 * GAP_TIMEOUT_S)


def test_where_both_ends_miss_something_the_question_is_asked_again(tmp_path: Path) -> None:
    """The other end fills our question away, with all that we tell it was nothing."""
    talk = Talk(tmp_path)
    talk.numbers.next_out = 500
    talk.log_on(7)  # 6 are missing here: asked for by message 500
    assert [(one.kind, one.number) for one in talk.said()] == [("2", 500)]
    talk.hear("2", 8, (7, "2"), (16, "0"))  # and there, from 2 on
    filled, again = talk.said()
    assert (filled.kind, filled.number, filled.get(36)) == ("4", 2, "501")
    assert (again.kind, again.number, again.get(7)) == ("2", 501, "1")


def test_a_question_that_was_passed_over_is_asked_again(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.numbers.next_out = 500
    talk.said()
    talk.hear("A", 1, (98, "0"), (108, "10"))
    assert [(one.kind, one.number) for one in talk.said()] == [("1", 500)]
    talk.hear("2", 2, (7, "2"), (16, "0"))  # sent before it had our question
    filled, again = talk.said()
    assert (filled.kind, filled.get(36), again.kind, again.number) == ("4", "501", "1", 501)
    assert talk.session.passed_over == [(2, 500)]
    assert not talk.session.is_up
    talk.hear("0", 3, (112, "in-order"))
    assert talk.session.is_up


def test_who_asks_for_old_messages_without_end_is_left(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.hear("A", 1, (98, "0"), (108, "10"))
    for number in range(2, 21):
        talk.hear("2", number, (7, "1"), (16, "0"))
    with pytest.raises(SessionOverError, match="again and again"):
        talk.hear("2", 21, (7, "1"), (16, "0"))


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [("1", "0", [("4", 1, "4")]), ("2", "2", [("4", 2, "3")]), ("1", "99", [("4", 1, "4")]),
     ("9", "0", [])],
)  # fmt: skip
def test_whatever_is_asked_for_again_is_told_to_be_nothing(
    first: str, last: str, told: list[tuple[str, int, str]], tmp_path: Path
) -> None:
    talk = Talk(tmp_path)
    talk.log_on()
    for number in (1, 2):
        talk.session.send("D", [(11, f"x{number}")], at(1))
    talk.said()
    talk.hear("2", 2, (7, first), (16, last))
    assert [(one.kind, one.number, one.get(36)) for one in talk.said()] == told
    assert bool(talk.session.notices) is (told == [])


@pytest.mark.parametrize("body", [[(7, "x"), (16, "0")], [(7, "0"), (16, "0")], [(16, "0")]])
def test_a_senseless_question_is_rejected(body: list[tuple[int, str]], tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.log_on()
    talk.hear("2", 2, *body)
    assert [(one.kind, one.get(45)) for one in talk.said()] == [("3", "2")]


def test_numbers_never_go_back(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.log_on(1)
    talk.hear("0", 2)
    talk.hear("4", 3, (36, "2"))
    assert [one.kind for one in talk.said()] == ["3"]
    with pytest.raises(SessionOverError) as error:
        talk.hear("8", 1)
    assert error.value.is_final
    [goodbye] = talk.said()
    assert goodbye.get(58) == "MsgSeqNum too low, expecting 3 but received 1"


def test_nobody_is_waited_for_without_end(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    with pytest.raises(SessionOverError, match="lets nobody in within 10 s"):
        talk.tick(LOGON_TIMEOUT_S + 0.1)
    other = Talk(tmp_path)
    other.log_on()
    other.session.log_out("done", at(5))
    assert not other.session.may_send
    with pytest.raises(SessionOverError, match="the other end said nothing"):
        other.tick(5 + LOGOUT_TIMEOUT_S + 0.1)


def test_a_goodbye_is_answered(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.log_on()
    with pytest.raises(SessionOverError, match="has logged out: closing time"):
        talk.hear("5", 2, (58, "closing time"))
    assert [one.kind for one in talk.said()] == ["5"]


def test_a_venue_that_reads_nothing_gets_no_more(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.log_on()
    talk.session.out += bytes(OUT_BYTES_MAX + 1)
    number = talk.numbers.next_out
    with pytest.raises(BrokerDownError, match="reads nothing: nothing was sent"):
        talk.session.send("D", [(11, "x")], at(1))
    assert talk.numbers.next_out == number


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("2", [(7, "9" * 4_400), (16, "0")]), ("2", [(7, "1"), (16, "9" * 19)]),
        ("4", [(123, "Y"), (36, "9" * 4_400)]), ("A", [(98, "0"), (108, "9" * 4_400)]),
    ],
)  # fmt: skip
def test_numbers_without_end_end_it(
    kind: str, fields: list[tuple[int, str]], tmp_path: Path
) -> None:
    talk = Talk(tmp_path)
    if kind != "A":
        talk.log_on()
    with pytest.raises(SessionOverError, match="expected a number of at most 18 digits"):
        talk.hear(kind, talk.numbers.next_in, *fields)


class Held(GatewayLine):
    """A connection by hand: takes what it is told to take, and has what is put into it."""

    def __init__(self) -> None:
        self.takes, self.has = True, b""

    def wait(self, wait_s: float, *, to_write: bool) -> None: ...

    def advance(self) -> bool:
        return True

    def read(self) -> bytes:
        found, self.has = self.has, b""
        return found

    def write(self, data: bytearray) -> None:
        if self.takes:
            data.clear()

    def close(self) -> None: ...


class HeldBroker:
    """A broker over such a connection, with its time; its session is up."""

    def __init__(self, folder: Path, **changes: object) -> None:
        self.now = 0.0
        self.broker = FixBroker(settings(folder, **changes), clocks=lambda: at(self.now))
        self.number = 0
        self.log_on()

    def say(self, kind: str, *body: tuple[int, str]) -> None:
        self.number += 1
        header = [(52, time_text(at(self.now).ns))]
        self.line.has += encode(kind, self.number, list(body), header=header)

    def log_on(self) -> None:
        self.line = self.broker._line = Held()
        self.broker._advance(at(self.now))
        self.number = self.broker._numbers.next_in - 1
        self.say("A", (98, "0"), (108, "10"))
        self.say("0", (112, "in-order"))
        assert isinstance(self.broker.poll(0.0)[-1], said.BrokerUp)


def test_a_venue_that_reads_nothing_is_cut(tmp_path: Path) -> None:
    """Once more waits than may, or at the latest with a heartbeat that can't be sent."""
    held = HeldBroker(tmp_path)
    held.line.takes = False
    session = held.broker._session
    assert session is not None
    while len(session.out) <= OUT_BYTES_MAX:
        session.send("D", [(58, "x" * 200)], at(held.now))
    with pytest.raises(BrokerDownError):
        session.send("D", [(58, "x" * 200)], at(held.now))
    held.now = 10.5
    [down] = held.broker.poll(0.0)
    assert isinstance(down, said.BrokerDown)
    assert (down.is_final, down.reason_text) == (
        False, "VENUE at 127.0.0.1:1 reads nothing: nothing was sent"
    )  # fmt: skip
    held.log_on()
    session = held.broker._session
    assert session is not None
    held.line.takes = False
    session.out += bytes(OUT_BYTES_MAX + 1)
    held.now += 0.1
    [down] = held.broker.poll(0.0)
    assert isinstance(down, said.BrokerDown)
    held.log_on()
    held.line.takes = False
    held.broker._session.out += bytes(OUT_BYTES_MAX + 1)  # type: ignore[union-attr]
    held.broker.close()


def test_who_was_told_that_a_venue_reads_nothing_hears_that_it_is_cut(tmp_path: Path) -> None:
    """Also where it reads again at once: else nobody would begin a session."""
    held = HeldBroker(tmp_path)
    held.broker._orders.add(FixOrder("s1-1", "ES", 1, 3, price=99 * 10**9, request_id="s1-1"))
    held.line.takes = False
    held.broker._session.out += bytes(OUT_BYTES_MAX + 1)  # type: ignore[union-attr]
    with pytest.raises(BrokerDownError, match="reads nothing: nothing was sent"):
        held.broker.cancel(said.CancelOrder("s1-1", 0))
    held.line.takes = True
    [down] = held.broker.poll(0.0)
    assert isinstance(down, said.BrokerDown)
    held.log_on()


@pytest.mark.parametrize("kind", ["2", "3"])
def test_a_number_without_end_is_a_cut(kind: str, tmp_path: Path) -> None:
    held = HeldBroker(tmp_path)
    held.say(kind, (7, "9" * 4_400), (16, "0"), (45, "9" * 4_400), (58, "?"))
    [down] = held.broker.poll(0.0)
    assert isinstance(down, said.BrokerDown)
    assert "expected a number of at most 18 digits, found one of 4,400" in down.reason_text


@pytest.mark.parametrize(("state", "keeps_name"), [("6", True), ("E", False), ("0", False)])
def test_a_report_says_whether_a_request_is_under_way(
    state: str, keeps_name: bool, tmp_path: Path
) -> None:
    """A cancel that is pending keeps its name to itself, however often it is asked for."""
    held = HeldBroker(tmp_path, has_fills=False, has_positions=False)
    held.broker._orders.add(FixOrder("s1-1", "ES", 1, 3, price=99 * 10**9, request_id="s1-1"))
    order = held.broker._orders.get("s1-1")
    assert order is not None
    held.broker.cancel(said.CancelOrder("s1-1", 0))
    [name] = order.pending
    asked_of = said.NewOrder(
        "s1-1", "one", "ES", 1, int(OrderType.LIMIT), int(TimeInForce.GTC), 99 * 10**9,
        UNDEF_PRICE, 3, False, False, 0,
    )  # fmt: skip
    of = (55, "ES"), (54, "1"), (38, "3"), (14, "0"), (151, "3"), (44, "99")
    for _ in range(3):
        held.broker.cancel(said.CancelOrder("s1-1", 0))
        held.broker.request_report(0, [asked_of])
        report_id = held.broker._inquiry._id  # type: ignore[union-attr]
        for asked in ((584, report_id), (790, f"{report_id}.0")):
            held.say("8", (11, name), (37, "V1"), asked, (150, "I"), (39, state), *of, (912, "Y"))
        [report] = held.broker.poll(0.0)
        assert isinstance(report, said.AccountReport)
        [one] = report.orders
        assert (one.is_pending, one.status) == (state != "0", OrderStatus.NEW)
        assert list(order.pending) == ([name] if keeps_name else [])
        assert order.request_id == ("s1-1" if keeps_name else name)


@pytest.mark.parametrize("comes", ["in a report", "by itself"])
def test_an_order_that_comes_behind_the_question_for_it_can_be_canceled(
    comes: str, tmp_path: Path
) -> None:
    """Asked for by name, the venue did not have it yet."""
    held = HeldBroker(tmp_path, has_fills=False, has_positions=False)
    order = said.NewOrder(
        "s1-1", "one", "ES", 1, int(OrderType.LIMIT), int(TimeInForce.GTC), 99 * 10**9,
        UNDEF_PRICE, 3, False, False, 0,
    )  # fmt: skip
    held.broker.submit(order)
    of = (55, "ES"), (54, "1"), (38, "3"), (14, "0"), (151, "3"), (44, "99")

    def ask(*found: tuple[int, str]) -> said.OrderReport:
        held.broker.request_report(0, [order])
        report_id = held.broker._inquiry._id  # type: ignore[union-attr]
        none = (37, "NONE"), (39, "8"), (103, "5"), (150, "I"), (912, "Y")
        held.say("8", (584, report_id), *none)
        held.say("8", (11, "s1-1"), (790, f"{report_id}.0"), (150, "I"), *found, *of, (912, "Y"))
        [report] = held.broker.poll(0.0)
        assert isinstance(report, said.AccountReport)
        return report.orders[0]

    assert ask((37, "NONE"), (39, "8"), (103, "5")).status == OrderStatus.REJECTED
    if comes == "in a report":
        assert ask((37, "V1"), (39, "0")).status == OrderStatus.NEW
    else:
        held.say("8", (11, "s1-1"), (37, "V1"), (17, "E1"), (150, "0"), (39, "0"), *of)
        assert isinstance(held.broker.poll(0.0)[0], said.OrderAccepted)
    held.broker.cancel(said.CancelOrder("s1-1", 0))
    assert not held.broker.poll(0.0)


def test_requests_that_cuts_took_are_forgotten_once_a_report_shows_the_order(
    tmp_path: Path,
) -> None:
    """So many may be without an answer; those of earlier connections never get one."""
    held = HeldBroker(tmp_path)
    held.broker._orders.add(FixOrder("s1-1", "ES", 1, 3, price=99 * 10**9, request_id="s1-1"))
    order = held.broker._orders.get("s1-1")
    assert order is not None
    for _ in range(20):
        held.broker.cancel(said.CancelOrder("s1-1", 0))
        assert not held.broker.poll(0.0)
        held.now += 1
        held.broker._down("cut", at(held.now))
        assert isinstance(held.broker.poll(0.0)[0], said.OrderUnclear)
        held.log_on()
        held.broker.request_report(0)
        held.broker.cancel(said.CancelOrder("s1-1", 0))  # behind the question: it has an answer yet
        report_id = held.broker._inquiry._id  # type: ignore[union-attr]
        held.say(
            "8", (11, "s1-1"), (37, "V1"), (584, report_id), (150, "I"), (39, "0"), (54, "1"),
            (55, "ES"), (38, "3"), (14, "0"), (151, "3"), (44, "99"), (912, "Y"),
        )  # fmt: skip
        assert not [e for e in held.broker.poll(0.0) if isinstance(e, said.CancelRejected)]
        [last] = order.pending
        held.say("9", (11, last), (41, "s1-1"), (37, "V1"), (39, "0"), (434, "1"), (58, "no"))
        assert isinstance(held.broker.poll(0.0)[0], said.CancelRejected)
        assert not order.pending


def test_a_name_that_is_looked_up_keeps_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def slow(*_: object, **__: object) -> list[object]:
        asked.set()
        assert may_answer.wait(60)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    now = [0.0]
    broker = FixBroker(settings(tmp_path, host="fix.venue.example"), clocks=lambda: at(now[0]))
    try:
        broker.connect()
        assert asked.wait(60)
        assert broker.fileno() is None
        assert broker.poll(0.0) == []
        now[0] = CONNECT_TIMEOUT_S + 0.1
        [down] = broker.poll(0.0)
        assert isinstance(down, said.BrokerDown)
        assert "can't be reached within 10 s" in down.reason_text
        broker.connect()
        now[0] += 1.0
        assert broker.poll(0.0) == []
        may_answer.set()
        assert broker._line is not None
        broker._line.wait(60, to_write=False)
        [down] = broker.poll(0.0)
        assert isinstance(down, said.BrokerDown)
        assert "can't be reached: Temporary failure in name resolution" in down.reason_text
    finally:
        may_answer.set()
        broker.close()


def test_numbers_are_kept_ahead_of_what_is_sent(tmp_path: Path) -> None:
    path, between = tmp_path / "n.json", ("A", "B")
    numbers = SequenceNumbers(path, between)
    sent = [numbers.take_out() for _ in range(AHEAD + 5)]
    assert sent == list(range(1, AHEAD + 6))
    killed = SequenceNumbers(path, between)  # nobody has closed it
    assert killed.next_out > sent[-1]
    assert killed.next_in == 1
    killed.take_out()
    killed.next_in = 9
    killed.acknowledge(7)
    killed.close()
    again = SequenceNumbers(path, between)
    assert (again.next_out, again.next_in) == (killed.next_out, 7)


def test_what_was_taken_is_kept_now_and_then(tmp_path: Path) -> None:
    path, between = tmp_path / "n.json", ("A", "B")
    numbers = SequenceNumbers(path, between)
    numbers.take_out()
    numbers.acknowledge(TAKEN_MAX)
    assert SequenceNumbers(path, between).next_in == 1
    numbers.acknowledge(TAKEN_MAX + 1)
    assert SequenceNumbers(path, between).next_in == TAKEN_MAX + 1
    numbers.begin_anew()
    assert SequenceNumbers(path, between).next_in == 1


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"format":1,"between":["A","B"],"next_out":0,"next_in":1}']
)
def test_numbers_that_can_not_be_read_are_told(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "n.json"
    path.write_bytes(data)
    with pytest.raises(BrokerError, match="expected the numbers of a session"):
        SequenceNumbers(path, ("A", "B"))
    assert path.read_bytes() == data


def test_numbers_of_another_session_are_not_taken(tmp_path: Path) -> None:
    SequenceNumbers(tmp_path / "n.json", ("A", "B")).close()
    with pytest.raises(ConfigError, match="expected numbers of A to C, found those of A to B"):
        SequenceNumbers(tmp_path / "n.json", ("A", "C"))
    (tmp_path / "x").mkdir()
    with pytest.raises(OutputError):
        SequenceNumbers(tmp_path / "x", ("A", "B"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"host": ""}, "host: expected one, found none"),
        ({"port": 0}, "port: expected 1 to 65535, found 0"),
        ({"sender_comp_id": "a\x01b"}, "sender_comp_id: expected at most 64 printable"),
        ({"heartbeat_s": 0}, "heartbeat_s: expected 1 to 300, found 0"),
        ({"reset": "daily"}, "reset: expected never or logon, found 'daily'"),
        ({"reduce_only": "yes"}, "reduce_only: expected refuse or close, found 'yes'"),
        ({"symbols": {"A": "X", "B": "X"}}, "symbols: expected another name for each"),
        ({"symbols": {"A": "\n"}}, "symbols.A: expected at most 64 printable"),
        ({"report_timeout_s": 0.0}, "report_timeout_s: expected 0.1 to 300"),
        ({"password_variable": "NOT_SET"}, "environment variable NOT_SET, found nothing"),
        ({"password_variable": "HOME", "host": "fix.example.com"}, "tls: expected true where"),
    ],
)
def test_settings_that_can_not_be_are_told(
    change: dict[str, object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        settings(tmp_path, **change)
