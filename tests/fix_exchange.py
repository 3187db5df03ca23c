"""An exchange on this host that speaks FIX 4.4 and has a small book; it misbehaves when told to.

Its messages are written and read here, by hand, with nothing of what is tested. What it was sent is
kept, every message with all its fields. Source: FIX 4.4 with errata of 18 June 2003.
"""

import datetime as dt
import itertools
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

VENUE, FIRM, ACCOUNT = "VENUE", "FIRM", "ACC1"
PASSWORD = "correct-horse-battery"
Fields = list[tuple[int, str]]


def encode(kind: str, number: int, body: Fields, *, header: Fields | None = None) -> bytes:
    """A message from the exchange to the firm."""
    head = {49: VENUE, 56: FIRM, 34: str(number), 52: now(), **dict(header or [])}
    parts = [(35, kind), *head.items(), *body]
    content = b"".join(f"{tag}={value}\x01".encode("latin-1") for tag, value in parts)
    whole = b"8=FIX.4.4\x019=%d\x01" % len(content) + content
    return whole + b"10=%03d\x01" % (sum(whole) & 255)


def now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


@dataclass
class Resting:
    """An order at the exchange."""

    client: str  # the ClOrdID that it has now
    first: str
    venue: str
    symbol: str
    side: str
    price: float
    quantity: int
    tif: str
    kind: str
    filled: int = 0
    state: str = "0"
    ours: bool = True

    @property
    def leaves(self) -> int:
        return self.quantity - self.filled if self.state in "01" else 0


@dataclass
class Faults:
    """What goes wrong, and when: each list is taken from its front, once.

    Attributes
    ----------
    orders : for the orders to come: take, reject, pending (and nothing more), cut_before,
        cut_after (the answer comes in the next session only), lost (no answer ever), partial,
        nonsense, bad_state, duplicate, resent, gap, noise, garbled, slow, late, session_reject,
        business_reject
    logons : for the logons to come: refuse, silence, cut, echo, other, ids, clock, low, reset
    cancels : for the cancels to come: reject, cut_before, cut_after
    """

    orders: deque[str] = field(default_factory=deque)
    logons: deque[str] = field(default_factory=deque)
    cancels: deque[str] = field(default_factory=deque)
    reports: str = ""


class CutError(Exception):
    """The line is cut here."""


class Exchange:
    """Listens; one session at a time.

    Attributes
    ----------
    received, said : every message with its fields, of all sessions
    broken : what was no FIX, or against its rules
    new_orders : how often each ClOrdID came in a NewOrderSingle
    """

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.05)
        self.port = self._server.getsockname()[1]
        self.faults = Faults()
        self.received: list[Fields] = []
        self.said: list[Fields] = []
        self.broken: list[str] = []
        self.new_orders: Counter[str] = Counter()
        self.orders: dict[str, Resting] = {}
        self.trades: list[Fields] = []
        self.next_in = self.next_out = 1
        self.sessions = 0
        self.is_silent = False
        self.slow_s = 0.0
        self.lock = threading.RLock()
        self._sent: dict[int, tuple[str, Fields]] = {}
        self._numbers = itertools.count(1)
        self._line: socket.socket | None = None
        self._in = False
        self._over = threading.Event()
        self._heartbeat_s = 30.0

    # --- sessions ---------------------------------------------------------------------------------

    def serve(self) -> None:
        while not self._over.is_set():
            try:
                line, _ = self._server.accept()
            except TimeoutError:
                continue
            with self.lock:
                self._line, self._in = line, False
                self.sessions += 1
            with suppress(CutError, OSError):
                self._session(line)
            with self.lock:
                self._line, self._in = None, False
                line.close()
        self._server.close()

    def _session(self, line: socket.socket) -> None:
        line.settimeout(0.02)
        buffer, said = b"", time.monotonic()
        while not self._over.is_set():
            try:
                data = line.recv(65_536)
                if not data:
                    return
                buffer += data
            except TimeoutError:
                if self._line is None:
                    return
            while (cut := _frame_end(buffer)) > 0:
                frame, buffer = buffer[:cut], buffer[cut:]
                with self.lock:
                    self._take(self._read(frame))
            if time.monotonic() - said > self._heartbeat_s and not self.is_silent:
                said = time.monotonic()
                with self.lock:
                    self._send("0", [])

    def _read(self, frame: bytes) -> Fields:
        """Fields of a frame, whose length and sum are held against what they say."""
        fields = _fields(frame)
        body = frame.split(b"\x01", 2)[2]
        body = body[: body.rindex(b"10=")]
        if int(dict(fields)[9]) != len(body):
            self.broken.append(f"BodyLength of {frame!r}")
        if int(fields[-1][1]) != sum(frame[: frame.rindex(b"10=")]) % 256:
            self.broken.append(f"CheckSum of {frame!r}")
        self.received.append(fields)
        return fields

    def _take(self, fields: Fields) -> None:
        got = dict(fields)
        kind, number = got[35], int(got[34])
        if (got[49], got[56]) != (FIRM, VENUE):
            self.broken.append(f"ids of {got}")
        if kind == "A":
            self._log_on(got)
            return
        if kind == "4" and got.get(123) == "Y" and number <= self.next_in:
            self.next_in = max(self.next_in, int(got[36]))
            return
        if number < self.next_in:
            if got.get(43) != "Y":
                self.broken.append(f"number {number} again: {got}")
            return
        if number > self.next_in:
            if kind == "2":
                self._resend(int(got[7]))
            self._send("2", [(7, str(self.next_in)), (16, "0")])
            return
        if kind == "D" and self.faults.orders and self.faults.orders[0] == "cut_before":
            self.faults.orders.popleft()
            raise CutError
        if kind == "F" and self.faults.cancels and self.faults.cancels[0] == "cut_before":
            self.faults.cancels.popleft()
            raise CutError
        self.next_in += 1
        if not self.is_silent:
            self._do(kind, got)

    def _log_on(self, got: dict[int, str]) -> None:
        fault = self.faults.logons.popleft() if self.faults.logons else ""
        if fault == "silence":
            return
        if fault == "cut":
            raise CutError
        if fault == "refuse" or got.get(554) != PASSWORD:
            self._raw(encode("5", self.next_out, [(58, "not authorised")]))
            raise CutError
        if fault == "echo":
            self._raw(encode("5", self.next_out, [(58, f"bad password {got[554]}")]))
            raise CutError
        if fault == "other":
            self._raw(b"8=FIX.4.2\x019=5\x0135=0\x0110=161\x01")
            raise CutError
        self._heartbeat_s = float(got[108])
        reply: Fields = [(98, "0"), (108, got[108])]
        if got.get(141) == "Y" or fault == "reset":
            self.next_in, self.next_out = (2 if got.get(141) == "Y" else self.next_in), 1
            self._sent.clear()
            reply.append((141, "Y"))
            self.next_in = 2
        header: Fields = []
        if fault == "ids":
            header = [(49, "STRANGER")]
        elif fault == "clock":
            header = [(52, "20200101-00:00:00.000")]
        elif fault == "low":
            self.next_out = 1
        self._in = True
        self._send("A", reply, header=header)
        number = int(got[34])
        if number > self.next_in:
            self._send("2", [(7, str(self.next_in)), (16, "0")])
        elif number == self.next_in:
            self.next_in += 1

    def _resend(self, first: int) -> None:
        """Everything again that is not of the session's own, and what fills the rest."""
        fill = first
        for number in range(first, self.next_out):
            if number in self._sent:
                self._gap_fill(fill, number)
                kind, body = self._sent[number]
                again = [(43, "Y"), (122, now())]
                self._raw(encode(kind, number, body, header=again))
                fill = number + 1
        self._gap_fill(fill, self.next_out)

    def _gap_fill(self, first: int, new: int) -> None:
        if first < new:
            header = [(43, "Y"), (122, now())]
            self._raw(encode("4", first, [(123, "Y"), (36, str(new))], header=header))

    def _send(self, kind: str, body: Fields, *, header: Fields | None = None) -> int:
        """Send, and keep what is not of the session's own to be sent again."""
        number = self.next_out
        self.next_out += 1
        if kind not in "0125A4":
            self._sent[number] = (kind, body)
        if self._line is not None and self._in and not self.is_silent:
            self._raw(encode(kind, number, body, header=header))
        return number

    def _raw(self, data: bytes) -> None:
        if self._line is None:
            return
        self.said += _fields_of_good(data)
        try:
            if not self.slow_s:
                self._line.sendall(data)
                return
            for at in range(len(data)):
                self._line.sendall(data[at : at + 1])
                time.sleep(self.slow_s)
        except OSError:
            self._line = None  # what has happened has happened

    # --- what the firm asks for -------------------------------------------------------------------

    def _do(self, kind: str, got: dict[int, str]) -> None:
        if kind == "1":
            self._send("0", [(112, got[112])])
        elif kind == "2":
            self._resend(int(got[7]))
        elif kind == "5":
            self._send("5", [])
            raise CutError
        elif kind == "D":
            self._new(got)
        elif kind in "FG":
            self._change(kind, got)
        elif kind == "H":
            self._status(got)
        elif kind == "AF":
            self._all_orders(got)
        elif kind == "AD":
            self._all_trades(got)
        elif kind == "AN":
            self._positions(got)

    def _new(self, got: dict[int, str]) -> None:
        self.new_orders[got[11]] += 1
        fault = self.faults.orders.popleft() if self.faults.orders else "take"
        order = Resting(
            got[11], got[11], f"V{next(self._numbers)}", got[55], got[54],
            float(got.get(44, "nan")), int(got[38]), got.get(59, "0"), got[40],
        )  # fmt: skip
        if fault in ("session_reject", "business_reject"):
            kind = "3" if fault == "session_reject" else "j"
            more = [(373, "5")] if kind == "3" else [(380, "5")]
            self._send(kind, [(45, got[34]), (372, "D"), *more, (58, "can't read this")])
            return
        self.orders[order.first] = order
        if fault == "reject":
            order.state = "8"
            self._report(order, "8", [(103, "3"), (58, "too much")])
            return
        if fault == "lost":
            return
        if fault == "cut_after":
            line, self._line = self._line, None
            self._report(order, "0")
            self._match(order)
            self._line = line
            raise CutError
        if fault in ("pending", "bad_state", "nonsense"):
            self._odd(fault, order)
            return
        if fault == "noise":
            self._raw(b"\x00\xff not FIX \x018=FIX.4.4\x019=999999\x01" + b"x" * 300)
        if fault == "garbled":
            data = bytearray(encode("8", self.next_out, self._execution(order, "0")))
            data[-3] ^= 1
            self._raw(bytes(data))
        if fault == "gap":
            self._in = False
            self._report(order, "A")
            self._in = True
        if fault == "slow":
            self.slow_s = 0.001
        if fault == "late":
            time.sleep(0.3)
        self._report(order, "0")
        self.slow_s = 0.0
        self._match(order)
        if fault == "partial":
            self.trade(order.first, 1)
        if fault in ("duplicate", "resent"):
            self.trade(order.first, 1, how=fault)

    def _odd(self, fault: str, order: Resting) -> None:
        if fault == "pending":
            self._report(order, "A", [], state="A")
        elif fault == "bad_state":
            self._report(order, "Z", [], state="?")
        else:
            self._report(order, "F", [(32, "many"), (31, "1e5")])

    def _change(self, kind: str, got: dict[int, str]) -> None:
        fault = self.faults.cancels.popleft() if self.faults.cancels else ""
        order = next(
            (one for one in self.orders.values() if one.client == got[41] and one.ours), None
        )
        if fault == "cut_after" and order is not None:
            line, self._line = self._line, None
            order.state = "4"
            self._report(order, "4", [(41, got[41])], client=got[11])
            self._line = line
            raise CutError
        if order is None or not order.leaves or fault == "reject":
            body = [
                (37, order.venue if order else "NONE"), (11, got[11]), (41, got[41]),
                (39, order.state if order else "8"), (434, "1" if kind == "F" else "2"),
                (102, "1" if order is None else "0"),
            ]  # fmt: skip
            self._send("9", body)
            return
        old, order.client = order.client, got[11]
        if kind == "F":
            order.state = "4"
            self._report(order, "4", [(41, old)])
            return
        order.quantity = int(got[38])
        order.price = float(got.get(44, "nan"))
        self._report(order, "5", [(41, old)])
        self._match(order)

    # --- the book ---------------------------------------------------------------------------------

    def quote(self, symbol: str, side: str, price: float, quantity: int) -> None:
        """Somebody else's order comes."""
        with self.lock:
            name = f"X{next(self._numbers)}"
            order = Resting(name, name, name, symbol, side, price, quantity, "0", "2", ours=False)
            self.orders[name] = order
            self._match(order)

    def _match(self, order: Resting) -> None:
        """Price, then time; what is left rests, or ends if it may not."""
        other = "2" if order.side == "1" else "1"
        sign = 1 if order.side == "1" else -1
        resting = [
            one for one in self.orders.values()
            if one.side == other and one.symbol == order.symbol and one.leaves and one.kind != "1"
        ]  # fmt: skip
        for one in sorted(resting, key=lambda one: sign * one.price):
            if order.leaves and (order.kind == "1" or sign * (order.price - one.price) >= 0):
                lots = min(order.leaves, one.leaves)
                self._fill(one, lots, one.price)
                self._fill(order, lots, one.price)
        if order.leaves and (order.tif in "34" or order.kind == "1"):
            order.state = "C"
            self._report(order, "C")

    def _fill(self, order: Resting, lots: int, price: float, *, how: str = "") -> None:
        order.filled += lots
        order.state = "2" if order.filled == order.quantity else "1"
        if not order.ours:
            return
        execution = f"E{next(self._numbers)}"
        body = [
            (32, str(lots)),
            (31, f"{price:g}"),
            (851, "1"),
            (12, f"{0.25 * lots:g}"),
            (13, "3"),
        ]
        number = self._report(order, "F", body, execution=execution)
        self.trades.append(
            [
                (571, f"T{execution}"), (570, "N"), (17, execution), (55, order.symbol),
                (32, str(lots)), (31, f"{price:g}"), (75, now()[:8]), (60, now()), (552, "1"),
                (54, order.side), (37, order.venue), (11, order.client), (1, ACCOUNT),
            ]
        )  # fmt: skip
        if how == "duplicate":  # under a number of its own
            self._report(order, "F", body, execution=execution)
        elif how == "resent":
            self._raw(encode("8", number, self._sent[number][1], header=[(43, "Y"), (122, now())]))

    def trade(self, first: str, lots: int, *, how: str = "") -> None:
        """An order fills at its own price."""
        with self.lock:
            order = self.orders[first]
            if order.leaves:
                self._fill(order, min(lots, order.leaves), order.price, how=how)

    def say(self, first: str, kind: str, more: Fields | None = None, *, state: str = "") -> None:
        """The exchange says something of an order by its own will."""
        with self.lock:
            order = self.orders[first]
            order.state = state or order.state
            self._report(order, kind, more or [])

    def undo(self, first: str, *, price: float = 0.0) -> str:
        """The last fill of an order is taken back; or was at another price."""
        with self.lock:
            order = self.orders[first]
            last = next(dict(one) for one in reversed(self.trades) if dict(one)[37] == order.venue)
            self.trades = [one for one in self.trades if dict(one)[17] != last[17]]
            order.filled -= int(last[32])
            if price:
                order.filled += int(last[32])
                self._report(order, "G", [(19, last[17]), (32, last[32]), (31, f"{price:g}")])
            else:
                self._report(order, "H", [(19, last[17])])
            return last[17]

    def _execution(self, order: Resting, kind: str, more: Fields | None = None) -> Fields:
        return [
            (37, order.venue), (11, order.client), (17, f"E{next(self._numbers)}"), (150, kind),
            (39, order.state), (1, ACCOUNT), (55, order.symbol), (54, order.side),
            (38, str(order.quantity)), (40, order.kind),
            *([(44, f"{order.price:g}")] if order.price == order.price else []),
            (59, order.tif), (151, str(order.leaves)), (14, str(order.filled)), (6, "0"),
            (60, now()), *(more or []),
        ]  # fmt: skip

    def _report(
        self, order: Resting, kind: str, more: Fields | None = None, *, execution: str = "",
        state: str = "", client: str = "",
    ) -> int:  # fmt: skip
        if not order.ours:
            return 0
        changed = {17: execution, 39: state, 11: client}
        body = self._execution(order, kind, more)
        return self._send("8", [(tag, changed.get(tag) or value) for tag, value in body])

    # --- reports ----------------------------------------------------------------------------------

    def _status(self, got: dict[int, str]) -> None:
        order = next(
            (one for one in self.orders.values() if got[11] in (one.first, one.client)), None
        )
        more = [(790, got[790])]
        if order is None:
            body = [
                (37, "NONE"), (11, got[11]), (17, "0"), (150, "I"), (39, "8"), (103, "5"),
                (55, got[55]), (54, got[54]), (151, "0"), (14, "0"), (6, "0"), *more,
            ]  # fmt: skip
            self._send("8", body)
        else:
            self._report(order, "I", more, execution="0")

    def _all_orders(self, got: dict[int, str]) -> None:
        if self.faults.reports == "refuse":
            self._send("j", [(45, got[34]), (372, "AF"), (380, "3"), (58, "not supported")])
            return
        found = [one for one in self.orders.values() if one.ours and one.leaves]
        if not found:
            body = [
                (37, "NONE"), (17, "0"), (150, "I"), (39, "8"), (103, "5"), (55, "NONE"), (54, "1"),
                (151, "0"), (14, "0"), (6, "0"), (584, got[584]), (911, "0"), (912, "Y"),
            ]  # fmt: skip
            self._send("8", body)
        for at, order in enumerate(found):
            last = "Y" if at == len(found) - 1 else "N"
            if self.faults.reports == "short" and last == "Y":
                return
            more = [(584, got[584]), (911, str(len(found))), (912, last)]
            self._report(order, "I", more, execution="0")

    def _all_trades(self, got: dict[int, str]) -> None:
        total = (748, str(len(self.trades)))
        ask: Fields = [(568, got[568]), (569, got[569])]
        ack = [*ask, (749, "0"), (750, "0" if self.trades else "1"), (55, "NONE"), total]
        self._send("AQ", ack)
        for at, trade in enumerate(self.trades):
            last = "Y" if at == len(self.trades) - 1 else "N"
            self._send("AE", [*trade[:2], (568, got[568]), total, (912, last), *trade[2:]])

    def position(self, symbol: str) -> int:
        return sum(
            (1 if one[54] == "1" else -1) * int(one[32])
            for one in map(dict, self.trades) if one[55] == symbol
        )  # fmt: skip

    def _positions(self, got: dict[int, str]) -> None:
        symbols = sorted({dict(one)[55] for one in self.trades})
        head: Fields = [(721, f"P{next(self._numbers)}"), (710, got[710])]
        tail: Fields = [(1, ACCOUNT), (581, "1")]
        result = "0" if symbols else "2"
        self._send(
            "AO", [*head, (727, str(len(symbols))), (728, result), (729, "0"), *tail]
        )  # fmt: skip
        for symbol in symbols:
            lots = self.position(symbol)
            body = [
                *head, (727, str(len(symbols))), (728, "0"), (715, got[715]), *tail, (55, symbol),
                (730, "0"), (731, "1"), (734, "0"), (702, "1"), (703, "TQ"),
                (704, str(max(lots, 0))), (705, str(max(-lots, 0))),
            ]  # fmt: skip
            self._send("AP", body)

    # --- orders from who tests --------------------------------------------------------------------

    def cut(self) -> None:
        """Hang up."""
        with self.lock:
            if self._line is not None:
                self._line.shutdown(socket.SHUT_RDWR)
                self._line = None

    def send(self, kind: str, body: Fields, *, header: Fields | None = None) -> None:
        with self.lock:
            self._send(kind, body, header=header)

    def raw(self, data: bytes) -> None:
        with self.lock:
            self._raw(data)

    def skip(self, count: int) -> None:
        """So many numbers are taken by messages that nobody ever sees."""
        with self.lock:
            self.next_out += count

    def end(self) -> None:
        self._over.set()


def _fields(frame: bytes) -> Fields:
    parts = (part.partition(b"=") for part in frame[:-1].split(b"\x01"))
    return [(int(tag), value.decode("latin-1")) for tag, _, value in parts]


def _fields_of_good(data: bytes) -> list[Fields]:
    """The message that is said, where it is one."""
    good = data.startswith(b"8=FIX.4.4\x01") and data.endswith(b"\x01")
    return [_fields(data)] if good else []


def _frame_end(buffer: bytes) -> int:
    """Where the first whole message ends; 0: there is none."""
    head, _, rest = buffer.partition(b"\x01")
    length, soh, _ = rest.partition(b"\x01")
    if not soh:
        return 0
    end = len(head) + len(length) + 2 + int(length[2:]) + 7
    return end if len(buffer) >= end else 0


@contextmanager
def exchanging() -> Iterator[Exchange]:
    """An exchange; it is gone behind this."""
    exchange = Exchange()
    thread = threading.Thread(target=exchange.serve, daemon=True)
    thread.start()
    try:
        yield exchange
    finally:
        exchange.end()
        thread.join(5)
