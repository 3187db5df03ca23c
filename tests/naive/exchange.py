"""A slow, obvious exchange for order logs: the twin of the compiled simulation on one book.

The market is the naive book. A simulated order is an entry in the very list of orders that is its
price level, so its place in the queue is its place in the list and nothing has to be numbered. Lots
are handed out one by one. Latency is fixed, there is one book and one order log.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np

from .book import F_LAST, F_MBP, F_SNAPSHOT, F_TOB, UNDEF_PRICE, Order, Record, rows
from .estimates import ESTIMATES, Guess, Part
from .impact import Pushes
from .queues import NAMES, NEVER, Mine, Row, SharedBook
from .sharing import FillRule

QUANTITY_MAX = 2**31 - 1
#: What may be asked in the venue's states, and in which of them orders trade.
ALLOWED = {
    "UNKNOWN": ("new", "replace", "cancel"),
    "OPEN": ("new", "replace", "cancel"),
    "PRE_OPEN": ("new", "replace", "cancel"),
    "NO_CANCEL": ("new",),
    "HALTED": ("cancel",),
    "POST_CLOSE": ("new", "replace", "cancel"),
    "CLOSED": (),
    "UNAVAILABLE": (),
}
MATCHING = ("UNKNOWN", "OPEN")
STOPS = ("STOP", "STOP_LIMIT")
NEXT_CLIP = -1  # in the place of an order's place among ours as the event began


@dataclass
class NaiveExchange:
    """Plays an order log through records of one book.

    ``fills`` and ``orders`` are dicts with the columns that mean something, in the order in which
    they happened.
    """

    log: Iterable[Row]
    entry_ns: int
    response_ns: int
    fee: int = 0
    impact_ppm: int = 0
    pushes: Pushes | None = None  # what the impact model remembers, if it does
    multiplier: Fraction = Fraction(1)
    tick: int = 0
    halts: bool = True
    market_waits: bool = True
    unseen_trades: str = "fill_through"
    fill_rule: FillRule = field(default_factory=FillRule)
    share: Callable[[list[int], int, int, int], int] | None = None  # by time, if there is none
    estimate: Part | None = None  # how places are guessed; None: those of the data count
    bits: Callable[[int, str, int], int] = lambda order, purpose, event: 0
    clear_cancels: bool = True
    lot: int = 1
    min_lots: int = 1
    band: int | None = None
    protection: int | None = None
    closes: tuple[int, ...] = ()
    book: SharedBook = field(default_factory=SharedBook)
    denials: list[tuple[int, Mine, str]] = field(default_factory=list)
    fills: list[dict[str, int | str]] = field(default_factory=list)
    orders: list[dict[str, int | str | None]] = field(default_factory=list)
    gapless: bool = True  # as the last event ended
    halted: bool = False
    waiting: list[Mine] = field(default_factory=list)  # market orders, for a halt to end
    stops: list[Mine] = field(default_factory=list)  # in order of arrival
    traded: list[int] = field(default_factory=list)  # prices of the event's trades
    last_trade: int | None = None
    taken: dict[int | str, int] = field(default_factory=dict)  # lots we took, by real order
    position: int = 0
    book_clock: int = 0
    #: In which the session is cut: from, until, when the venue cancels (or never), what it spares.
    cuts: list[tuple[int, int, int, tuple[str, ...]]] = field(default_factory=list)
    states: list[tuple[int, str]] = field(default_factory=list)  # of the venue: since when, which
    state_of_event: str = "UNKNOWN"
    now_state: str = "UNKNOWN"  # as what is at hand acts
    between: bool = False  # what is at hand is no event
    was_shut: bool = False  # some state since the book was last found open let nothing trade
    refused: dict[str, int] = field(default_factory=dict)

    def run(self, records: np.ndarray) -> "NaiveExchange":
        stream = list(rows(records))
        start = stream[0].ts_recv
        end = max(r.ts_recv for r in stream)
        self.requests = self.send(start, end)
        self.passed = 0  # states until then have acted
        event: list[Record] = []
        for r in stream:
            last = event[-1] if event else None
            if last and r.ts_event != last.ts_event and r.ts_recv != last.ts_recv:
                if not self.book.snapshot_open:
                    self.finish(event)
                    event = []
            if not event:
                self.arrive_before(max(r.ts_event, self.book_clock))
            self.note(event, r)
            event.append(r)
            self.book_clock = max(self.book_clock, r.ts_event)
            if r.flags & F_LAST:
                self.finish(event)
                event = []
        if event:
            self.finish(event)
        self.arrive_before(end + 1)
        for order in self.mine.values():
            if order.status in ("PENDING_NEW", "NEW", "PARTIALLY_FILLED"):
                order.reason = "END_OF_DATA"
                self.report(order)
        return self

    # --- requests -------------------------------------------------------------------------------

    def bad_quantity(self, quantity: int) -> bool:
        return not self.min_lots <= quantity <= QUANTITY_MAX or quantity % self.lot != 0

    def bad_price(self, price: int) -> bool:
        return self.tick > 0 and price % self.tick != 0

    def send(self, start: int, end: int) -> list[tuple[int, Row]]:
        """All requests that leave, by the time of their arrival."""
        self.mine: dict[str, Mine] = {}
        out = []
        for row in sorted(self.log, key=lambda r: r.ts):
            sent = max(row.ts, start)
            if sent > end:
                continue
            if row.action == "new":
                kind = row.kind
                order = Mine(
                    len(self.mine) + 1, row.side, kind, "IOC" if kind == "MARKET" else row.tif,
                    UNDEF_PRICE if row.price is None else row.price, row.quantity, sent,
                    sent=kind, trigger=UNDEF_PRICE if row.trigger is None else row.trigger,
                    expire=NEVER if row.expire is None else row.expire, least=row.least,
                    post=row.post,
                    display=row.display,
                )  # fmt: skip
                self.mine[row.name] = order
                reason = ""
                if self.bad_quantity(row.quantity):
                    reason = "INVALID_QUANTITY"
                elif row.price is not None and self.bad_price(row.price):
                    reason = "INVALID_PRICE"
                else:
                    reason = self.bad_terms(row)
                if not reason and self.is_cut(sent):
                    reason = "NO_SESSION"
                if reason:
                    self.denials.append((sent, order, reason))
                    continue
            elif (
                row.action == "replace"
                and (
                    self.bad_quantity(row.quantity)
                    or self.bad_price(row.price or 0)
                    or self.mine[row.name].kind == "MARKET"
                )
            ) or self.is_cut(sent):
                continue
            out.append((sent + self.entry_ns, row))
        for at, _, cancels, _ in self.cuts:
            if cancels < NEVER and start <= at <= end:
                place = sum(due <= cancels for due, _ in out)
                out.insert(place, (cancels, Row(at, "disconnect", "")))
        return out

    def connected(self, at: int) -> int:
        """A time, or when the session is back if it is cut then."""
        return next((until for since, until, *_ in self.cuts if since <= at < until), at)

    def is_cut(self, at: int) -> bool:
        return self.connected(at) != at

    def disconnect(self, row: Row, at: int) -> None:
        """The venue cancels what the session has there, behind all that left before the cut."""
        _, until, _, spared = next(cut for cut in self.cuts if cut[0] == row.ts)
        before = [
            k for k, (due, other) in enumerate(self.requests)
            if due - self.entry_ns < row.ts and due < until and other.action != "disconnect"
            and not self.knows_its_end(self.mine[other.name], due - self.entry_ns)
        ]  # fmt: skip
        if before:
            self.requests.insert(before[-1] + 1, (self.requests[before[-1]][0], row))
            return
        self.now_state = self.state(at)
        if "cancel" not in ALLOWED[self.now_state]:
            self.count_refusal(at)
            return
        for order in list(self.mine.values()):
            if order.status in ("NEW", "PARTIALLY_FILLED") and order.tif not in spared:
                self.take_out(order)
                self.close(order, "CANCELED", "DISCONNECTED", at)

    def knows_its_end(self, order: Mine, at: int) -> bool:
        """Whether the strategy knows that an order has ended: then it asks for nothing of it."""
        if order.status in ("PENDING_NEW", "NEW", "PARTIALLY_FILLED"):
            return False
        return order.status == "DENIED" or self.connected(order.ts_closed + self.response_ns) <= at

    def bad_terms(self, row: Row) -> str:
        """Why what is asked for does not go together, or nothing."""
        at_once = row.tif in ("IOC", "FOK")
        if (row.tif == "GTD") != (row.expire is not None):
            return "INVALID_TERMS"
        if row.post and (row.kind != "LIMIT" or at_once or row.least):
            return "INVALID_TERMS"
        if row.post == "reprice" and self.tick == 0:
            return "INVALID_TERMS"
        if row.least:
            if row.kind not in ("LIMIT", "MARKET") or (row.kind == "LIMIT" and row.tif == "FOK"):
                return "INVALID_TERMS"
            if row.least > row.quantity:
                return "INVALID_QUANTITY"
        if row.display:
            if row.kind in ("MARKET", "STOP") or at_once:
                return "INVALID_TERMS"
            if row.display > row.quantity:
                return "INVALID_QUANTITY"
        if row.trigger is not None and self.bad_price(row.trigger):
            return "INVALID_PRICE"
        return ""

    def arrive_before(self, now: int) -> None:
        """Everything that happens at the exchange before an event at ``now``."""
        while self.denials and self.denials[0][0] < now:
            sent, order, reason = self.denials.pop(0)
            self.close(order, "DENIED", reason, sent)
        self.state_of_event = self.state(now - 1)
        self.was_shut |= any(
            state not in MATCHING for ts, state in self.states if self.passed <= ts < now
        )
        self.passed = max(self.passed, now)
        while True:
            request = self.requests[0][0] if self.requests else NEVER
            there = self.waiting + self.stops + self.book.resting
            expiry = min((o.expire for o in there), default=NEVER)
            if min(request, expiry) >= now:
                return
            if expiry <= request:
                order = min(there, key=lambda o: (o.expire, o.number))
                self.take_out(order)
                self.close(order, "EXPIRED", self.time_up(order), max(expiry, self.book_clock))
                continue
            due, row = self.requests.pop(0)
            at = max(due, self.book_clock)
            if row.action == "disconnect":
                self.disconnect(row, at)
                continue
            self.now_state = self.state(at)
            order = self.mine[row.name]
            live = order.status in ("NEW", "PARTIALLY_FILLED")
            refused = self.refusal(row.action, order, at)
            if refused and row.action == "new":
                order.ts_arrived = at
                self.close(order, "REJECTED", refused, at)
                self.count_refusal(at)
            elif refused and (live or row.action == "mass_cancel"):
                self.count_refusal(at)
            else:
                self.between = True
                self.request(row, order, at)
                self.between = False

    def request(self, row: Row, order: Mine, at: int) -> None:
        if row.action == "new":
            if order.status != "DENIED":
                self.arrive(order, at)
        elif order.status not in ("NEW", "PARTIALLY_FILLED"):
            return
        elif row.action == "cancel":
            self.take_out(order)
            self.close(order, "CANCELED", "USER_CANCEL", at)
        else:
            self.replace(order, row.price or 0, row.quantity, at)

    # --- the venue's states ---------------------------------------------------------------------

    def state(self, at: int) -> str:
        return [state for ts, state in [(-1, "UNKNOWN"), *self.states] if ts <= at][-1]

    def refusal(self, action: str, order: Mine, at: int) -> str:
        """Why the venue does not take a request now; nothing if it does."""
        state = self.state(at)
        action = action.removeprefix("mass_")
        for_today = state == "POST_CLOSE" and action == "new"
        for_today &= order.tif not in ("GTC", "GTD")
        if order.status == "DENIED" or (action in ALLOWED[state] and not for_today):
            return ""
        return {"HALTED": "MARKET_HALTED", "NO_CANCEL": "NO_CANCEL"}.get(state, "MARKET_CLOSED")

    def count_refusal(self, at: int) -> None:
        state = self.state(at)
        self.refused[state] = self.refused.get(state, 0) + 1

    def take_out(self, order: Mine) -> None:
        if order in self.waiting:
            self.waiting.remove(order)
        elif order in self.stops:
            self.stops.remove(order)
        else:
            self.book.take_out(order)

    def arrive(self, order: Mine, at: int) -> None:
        order.ts_arrived = at
        order.status = "NEW"
        if order.tif == "DAY":
            shut = [ts for ts, state in self.states if state in ("CLOSED", "POST_CLOSE")]
            closes = [close for close in (*self.closes, *shut) if close > at]
            order.expire = min(closes, default=NEVER)
        self.act(order, at)

    def act(self, order: Mine, at: int) -> None:
        if order.kind == "LIMIT" and self.is_past_band(order, order.price):
            self.close(order, "REJECTED", "PRICE_BAND", at)
        elif order.kind in STOPS and self.has_traded(order, order.trigger):
            self.close(order, "REJECTED", "TRIGGER_PASSED", at)
        elif order.expire <= at:
            self.close(order, "EXPIRED", self.time_up(order), at)
        elif order.kind in STOPS:
            self.stops.append(order)
        else:
            self.enter(order, at)

    @staticmethod
    def time_up(order: Mine) -> str:
        return "SESSION_CLOSE" if order.tif == "DAY" else "GOOD_TILL_DATE"

    def is_past_band(self, order: Mine, price: int) -> bool:
        if self.band is None or self.last_trade is None:
            return False
        return (price - self.last_trade) * order.sign > self.band

    def has_traded(self, order: Mine, price: int) -> bool:
        return self.last_trade is not None and (self.last_trade - price) * order.sign >= 0

    def offered(self, order: Mine) -> list[int]:
        """The price of each lot that an order could take now if it had no limit, best first."""
        other = "A" if order.side == "B" else "B"
        return [
            price for price in self.book.prices(other) for real in self.book.real(other, price)
            for _ in range(self.free(real))
        ]  # fmt: skip

    def would_take(self, order: Mine, price: int) -> bool:
        lots = self.offered(order)
        return bool(lots) and (price - lots[0]) * order.sign >= 0

    def bound(self, order: Mine) -> bool:
        """A market order becomes the limit order that the venue makes of it, if it meets anyone."""
        protected = order.kind == "MARKET" and self.protection is not None
        if not protected and order.kind != "MARKET_TO_LIMIT":
            return True
        lots = self.offered(order)
        if not lots:
            return False
        order.price = lots[0]
        if protected:
            order.price += (self.protection or 0) * order.sign
            order.tif = "GTC" if order.tif == "IOC" else order.tif
        order.kind = "LIMIT"
        return True

    def enter(self, order: Mine, at: int) -> None:
        """An order acts for the first time."""
        if not self.holds_back(order):
            if not self.bound(order):
                self.close(order, "EXPIRED", "NO_LIQUIDITY", at)
                return
            if order.post == "reject" and self.would_take(order, order.price):
                self.close(order, "REJECTED", "POST_ONLY", at)
                return
        least = order.quantity if order.tif == "FOK" else order.least
        if least:
            if self.holds_back(order):
                self.close(order, "EXPIRED", "MARKET_HALTED", at)
                return
            within = [
                p for p in self.offered(order) if order.kind == "MARKET" or order.beats(p) >= 0
            ]
            if len(within) < least:
                self.close(order, "EXPIRED", "MIN_QUANTITY", at)
                return
        self.reprice(order)
        self.take(order, at)
        self.settle(order, at)

    def reprice(self, order: Mine) -> None:
        if order.post == "reprice" and not self.holds_back(order):
            if self.would_take(order, order.price):
                order.price = self.offered(order)[0] - self.tick * order.sign

    def trigger(self, order: Mine, at: int) -> None:
        self.stops.remove(order)
        order.ts_triggered = at
        if order.kind == "STOP" and self.protection is None:
            order.kind = "MARKET"
        else:
            if order.kind == "STOP":
                order.price = order.trigger + (self.protection or 0) * order.sign
            order.kind = "LIMIT"
        self.enter(order, at)

    @property
    def is_halted(self) -> bool:
        return self.now_state not in MATCHING or (self.halts and not self.gapless)

    def holds_back(self, order: Mine) -> bool:
        """Whether an order may not trade now: in a halt, nor past market orders that waited for its
        end and go with the next event, if it may wait behind them.
        """
        must_act = order.tif == "FOK" or order.least or order.post
        must_act = must_act or (order.kind == "LIMIT" and order.tif == "IOC")
        return self.is_halted or (self.between and bool(self.waiting) and not must_act)

    def replace(self, order: Mine, price: int, quantity: int, at: int) -> None:
        if order.sent == "STOP":
            self.move_stop(order, price, quantity, at)
            return
        if order.kind == "LIMIT" and quantity > order.filled:
            if price != order.price and self.is_past_band(order, price):
                return
            if order.post == "reject" and not self.holds_back(order):
                if self.would_take(order, price):
                    return
        if quantity <= order.filled:
            self.take_out(order)
            order.quantity = order.filled
            self.close(order, "CANCELED", "USER_CANCEL", at)
        elif price == order.price and quantity <= order.quantity:
            order.quantity = quantity
            order.shown = min(order.shown, order.leaves)
        elif order.kind == "STOP_LIMIT":
            self.take_out(order)
            order.price, order.quantity = price, quantity
            self.stops.append(order)
        else:
            self.book.take_out(order)
            order.price, order.quantity = price, quantity
            self.reprice(order)
            if self.may_stay(order, at):
                self.take(order, at)
                self.settle(order, at)

    def may_stay(self, order: Mine, at: int) -> bool:
        return True

    def after_fills(self, at: int) -> None:
        """What fills so far mean for other orders comes before anything else."""

    def move_stop(self, order: Mine, trigger: int, quantity: int, at: int) -> None:
        """A replace of a stop without a limit is of its trigger."""
        if order.ts_triggered or self.has_traded(order, trigger):
            return
        keeps = trigger == order.trigger and quantity <= order.quantity
        order.trigger, order.quantity = trigger, quantity
        if not keeps:
            self.stops.remove(order)
            self.stops.append(order)

    def settle(self, order: Mine, at: int) -> None:
        """What taking left of an order rests, or ends."""
        if order.leaves == 0:
            return
        if order.kind != "LIMIT" and self.holds_back(order) and self.market_waits:
            self.waiting.append(order)
        elif order.kind != "LIMIT" or order.tif in ("IOC", "FOK"):
            reason = "MARKET_HALTED" if self.holds_back(order) else "NO_LIQUIDITY"
            self.close(order, "EXPIRED", reason, at)
        else:
            self.join(order)

    def join(self, order: Mine) -> None:
        order.queue_ahead = sum(o.size for o in self.book.real(order.side, order.price))
        order.guess = Guess(self.estimate or ESTIMATES["risk_adverse_queue_model"])
        if self.guesses:
            order.guess.join(self.shown(order))
        self.book.put(order)

    @property
    def guesses(self) -> bool:
        """Whether places are guessed: as asked for, or for want of orders in the data."""
        return self.estimate is not None or self.book.quoted

    def shown(self, order: Mine) -> int | None:
        """Lots that the book shows at an order's price; None where it does not reach so far."""
        lots = sum(real.size for real in self.book.real(order.side, order.price))
        prices = self.book.prices(order.side)
        if self.book.quoted and prices and order.beats(prices[-1]) < 0:
            return None
        return lots

    def follow(self) -> None:
        """Levels are as the event left them."""
        for order in self.book.resting if self.guesses else []:
            level, guess = self.shown(order), order.guess
            if level is None:
                continue
            if guess.front is None or level != guess.level or not self.book.quoted:
                guess.follow(level)

    def hide(self, order: Mine, lots: int) -> bool:
        """Lots of a resting order are gone; whether it shows a next clip, behind everybody."""
        order.shown -= lots
        if not order.display or order.shown > 0 or order.leaves == 0:
            return False
        self.book.take_out(order)
        self.join(order)
        return True

    # --- taking ---------------------------------------------------------------------------------

    def key(self, real: Order) -> int | str:
        return real.side if real.order_id is None else real.order_id

    def free(self, real: Order) -> int:
        return max(0, real.size - self.taken.get(self.key(real), 0))

    def take(self, order: Mine, at: int) -> None:
        if self.holds_back(order):
            return
        other = "A" if order.side == "B" else "B"
        for price in self.book.prices(other):
            if order.kind == "LIMIT" and order.beats(price) < 0:
                return
            lots = 0
            for real in self.book.real(other, price):
                while self.free(real) and lots < order.leaves:
                    self.taken[self.key(real)] = self.taken.get(self.key(real), 0) + 1
                    lots += 1
            if lots:
                self.fill(
                    order, self.with_impact(order, price, lots, at), lots, "TAKER", "TAKEN", at
                )
            if order.leaves == 0:
                return

    def with_impact(self, order: Mine, price: int, lots: int, at: int) -> int:
        if self.pushes is not None:
            worse = price + self.pushes.take(order.sign, price, lots, at)
        else:
            notional = floor(abs(price) * lots * self.multiplier / 10**9)
            shift = ceil(Fraction(abs(price) * self.impact_ppm * notional, 10**16))
            worse = price + order.sign * shift
        return order.price if order.kind == "LIMIT" and order.beats(worse) < 0 else worse

    # --- events ---------------------------------------------------------------------------------

    def note(self, event: list[Record], r: Record) -> None:
        """Apply a record; remember what it means to resting simulated orders."""
        if not event:
            self.hits: list[tuple[str, int, int, str]] = []  # side, price, our orders ahead, why
            self.unseen: list[list[Any]] = []  # side or None, price, lots
            self.crossers: list[int | str] = []
            self.clearing_price: int | None = None
            self.cleared = {"B": 0, "A": 0}
            self.cleared_lots: list[tuple[str, int, int]] = []  # side, price, ours ahead there
            self.cleared_book: int | None = None
            self.in_auction = False
            self.unseen_of_trade: list[Any] | None = None
            # By side and price: the last rank as its first F came, and whom F took lots from.
            self.rank_then: dict[tuple[str, int], int] = {}
            self.lost: dict[tuple[str, int], list[tuple[int, int, int]]] = {}
            self.traded = []
        action, side = chr(r.action), chr(r.side)
        if action == "T":
            self.trade(r)
            if r.price != UNDEF_PRICE:
                self.last_trade = r.price
                self.traded.append(r.price)
        elif action == "F" and not self.book.is_aggressors_own(r) and not self.book.quoted:
            real = self.book.orders.get(r.order_id)
            if real is not None or side in "BA":
                if self.unseen_of_trade:
                    left = self.unseen_of_trade[2] - r.size
                    self.unseen_of_trade[2] = max(0, left)
            if r.price == UNDEF_PRICE:
                pass  # it explains its T, and is nowhere
            elif real is not None:
                self.hit(r, real)
            elif side in "BA":
                self.unseen.append([side, r.price, r.size])
        elif action == "R" and not r.flags & F_SNAPSHOT:
            self.cleared_book = self.book.counts["snapshots"]
        self.forget(r)
        self.book.apply(r)
        if action in "AM" and side in "BA" and r.price != UNDEF_PRICE:
            name = side if r.flags & F_TOB else r.order_id
            crosses = any(o.side != side and o.beats(r.price) >= 0 for o in self.book.resting)
            if crosses and name not in self.crossers:
                self.crossers.append(name)

    def trade(self, r: Record) -> None:
        side = chr(r.side)
        self.in_auction = False
        self.unseen_of_trade = None
        if r.price == UNDEF_PRICE:
            return
        if self.book.quoted:  # there the T is all that is told of a trade
            for passive in {"B": "A", "A": "B"}.get(side, "BA"):
                self.hits += [(passive, r.price, 0, "SEEN")] * r.size
            return
        waited = not self.gapless or self.was_shut
        if side not in "BA" and waited and not r.flags & F_TOB:
            self.in_auction = True
            self.auction(r.price)
            self.cleared["B"] += r.size
            self.cleared["A"] += r.size
        else:
            self.unseen_of_trade = [{"B": "A", "A": "B"}.get(side), r.price, r.size]
            self.unseen.append(self.unseen_of_trade)

    def auction(self, price: int) -> None:
        if self.clearing_price is None:
            self.clearing_price = price

    def hit(self, r: Record, real: Order) -> None:
        """How many of our orders each lot of an F would have met before it got where it did."""
        side = real.side
        auction = self.in_auction or r.price != real.price
        if auction and not self.in_auction:
            self.auction(r.price)
            self.cleared[side] += r.size
        if r.price != real.price:
            return
        better = [o for o in self.book.mine(side) if o.beats(r.price) > 0]
        level = self.book.sides[side].get(r.price, [])
        place = level.index(real)
        shown = real.size - self.book.filled[r.order_id]
        ahead = [o for o in level[:place] if isinstance(o, Mine)]
        everybody = [o for o in level if isinstance(o, Mine)]
        if not auction:
            then = self.rank_then.setdefault((side, r.price), self.book.next_rank)
            if real.rank <= then and shown > 0:
                lost = self.lost.setdefault((side, r.price), [])
                lost.append((r.order_id, real.rank, min(shown, r.size)))
        for lot in range(r.size):
            at_price = ahead if lot < shown else everybody  # an iceberg's later clips: at the back
            if auction:
                self.cleared_lots.append((side, r.price, len(at_price)))
            else:
                self.hits.append((side, r.price, len(better) + len(at_price), "SEEN"))

    def forget(self, r: Record) -> None:
        """What we took of a real order goes with the lots that leave, and with the order."""
        action, real = chr(r.action), self.book.orders.get(r.order_id)
        was_clear = self.book.snapshot_open and not self.book.snapshot_sure
        if was_clear and not r.flags & F_SNAPSHOT:
            self.taken.clear()  # an R that no snapshot followed
        if action == "R":
            for quote in "BA":
                self.taken.pop(quote, None)
            if r.flags & (F_MBP if r.flags & F_SNAPSHOT else F_LAST):
                self.taken.clear()
        elif action == "A" and r.flags & F_TOB:
            quote = [
                o for p in self.book.prices(chr(r.side)) for o in self.book.real(chr(r.side), p)
            ]
            if not quote or quote[0].price != r.price or r.size == 0:
                self.taken.pop(chr(r.side), None)
            else:
                self.limit(chr(r.side), r.size)
        elif real is None:
            return
        elif r.flags & F_SNAPSHOT:
            if action == "A" and chr(r.side) in "BA" and r.price != UNDEF_PRICE and r.size:
                self.limit(r.order_id, r.size)
        elif (
            action == "A"
            or (action == "C" and r.size >= real.size)
            or (action == "M" and r.size == 0)
        ):
            self.taken.pop(r.order_id, None)
        elif action == "C":
            self.limit(r.order_id, real.size - r.size)
        elif action == "M" and chr(r.side) in "BA" and r.price != UNDEF_PRICE:
            self.limit(r.order_id, min(r.size, real.size - self.book.filled[r.order_id]))

    def limit(self, key: int | str, lots: int) -> None:
        """No more can be taken of an order than it still has; what it gains later is new."""
        if key in self.taken:
            self.taken[key] = min(self.taken[key], max(0, lots))

    def finish(self, event: list[Record]) -> None:
        if self.book.last is not None:
            self.book.close_event()
        there = self.book.orders
        self.taken = {k: v for k, v in self.taken.items() if k in there or k in ("A", "B")}
        self.gapless = self.book.gapless
        if self.clearing_price is not None:
            self.clear_at(self.clearing_price)
        self.now_state = self.state_of_event
        cleared = self.clear_cancels and self.cleared_book == self.book.counts["snapshots"]
        reopened = (self.halted or self.was_shut) and not self.is_halted and not cleared
        self.halted = self.is_halted
        self.was_shut &= self.halted
        if reopened:
            for order in list(self.waiting):
                if order.leaves == 0:
                    continue
                self.waiting.remove(order)
                if not self.bound(order):
                    self.close(order, "EXPIRED", "NO_LIQUIDITY", self.book_clock)
                    continue
                self.take(order, self.book_clock)
                if order.status != "CANCELED":
                    self.settle(order, self.book_clock)
        if not self.halted:
            if reopened:
                self.crossers = []  # all that stands across ours meets them below
            for side in "BA" if self.hits or self.unseen or self.crossers else "":
                self.displace(side)
            if reopened:
                for side in "BA":
                    self.reopen(side)
                self.meet_company()
        self.follow()
        if cleared:
            for order in self.waiting + self.book.mine("B") + self.book.mine("A"):
                self.clear(order)
        self.after_fills(self.book_clock)
        for side in "BA":
            held = sorted(
                (o for o in self.stops if o.side == side), key=lambda o: o.trigger * o.sign
            )
            for order in held:
                if order in self.stops and any(
                    (price - order.trigger) * order.sign >= 0 for price in self.traded
                ):
                    self.trigger(order, self.book_clock)
                    self.after_fills(self.book_clock)
        if cleared:
            for order in sorted(self.stops, key=lambda o: (o.side == "A", o.trigger * o.sign)):
                self.take_out(order)
                self.close(order, "CANCELED", "BOOK_CLEARED", self.book_clock)

    def clear(self, order: Mine) -> None:
        self.take_out(order)
        self.close(order, "CANCELED", "BOOK_CLEARED", self.book_clock)

    def clear_at(self, price: int) -> None:
        """An auction: ours that are better than its price trade at it, ours at it by queue."""
        for side in "BA":
            sign = NAMES[side]
            given = 0
            at_price = [o for o in self.book.mine(side) if o.price == price]
            orders = [o for o in self.waiting if o.side == side] + self.book.mine(side)
            for order in orders:
                available = self.cleared[side]
                if order.kind == "LIMIT" and (order.price - price) * sign < 0:
                    continue
                if order in at_price:
                    k = at_price.index(order)
                    behind = sum(
                        (s, p) == (side, price) and ahead > k for s, p, ahead in self.cleared_lots
                    )
                    available = min(available, behind)
                    if order.display:
                        available = min(available, given + order.shown)
                lots = min(order.leaves, available - given)
                if lots <= 0:
                    continue
                given += lots
                if lots == order.leaves:
                    self.take_out(order)
                self.fill(order, price, lots, "MAKER", "AUCTION", self.book_clock)
                self.hide(order, lots)

    def meet_company(self) -> None:
        """Simulated orders that stand across each other meet; one log's own never do."""

    def reopen(self, side: str) -> None:
        """After a halt, what stands across trades: whoever came first has its price."""
        other = "A" if side == "B" else "B"
        for order in list(self.book.mine(side)):
            late = 0
            before = order.filled
            for price in self.book.prices(other):
                if order.beats(price) < 0:
                    break
                taken = {"early": 0, "late": 0}
                for real in self.book.real(other, price):
                    when = "early" if real.rank < order.rank else "late"
                    while self.free(real) and sum(taken.values()) < order.leaves - late:
                        self.taken[self.key(real)] = self.taken.get(self.key(real), 0) + 1
                        taken[when] += 1
                early = taken["early"]
                if price == self.clearing_price and sum(taken.values()):
                    lots = sum(taken.values())
                    self.fill(order, price, lots, "MAKER", "AUCTION", self.book_clock)
                    continue
                if early:
                    worse = self.with_impact(order, price, early, self.book_clock)
                    self.fill(order, worse, early, "TAKER", "TAKEN", self.book_clock)
                late += taken["late"]
            if late:
                self.fill(order, order.price, late, "MAKER", "CROSSED", self.book_clock)
            if order.status == "FILLED":
                self.book.take_out(order)
            elif order.filled > before:
                self.hide(order, order.filled - before)

    def displace(self, side: str) -> None:
        """The real volume would have met our orders first, one after the other.

        Each lot of ours spares a lot the aggressor reached later: first what then rested of it,
        then the real lot that it reached last.
        """
        ours = self.book.mine(side)
        hits = [hit for hit in self.hits if hit[0] == side]
        rule, event = self.fill_rule, self.book.counts["event_ends"]
        whole = rule.first or self.share is not None or self.estimate is not None
        beyond_from = 1 if rule.ticks == 1 else rule.ticks * self.tick
        given = 0
        price = None
        places = [(k, order) for k, order in enumerate(ours)]
        while places:
            k, order = places.pop(0)
            if order.leaves == 0:
                continue
            at_price = [hit for hit in hits if hit[1] == order.price and k != NEXT_CLIP]
            behind = [hit for hit in at_price if hit[2] > k]
            if self.guesses and k != NEXT_CLIP:
                behind = at_price[: order.guess.trade(len(at_price))]
            worse = [order.beats(hit[1]) for hit in hits if order.beats(hit[1]) > 0]
            unseen = [gap for gap in self.unseen_for(order) if gap > 0 or k != NEXT_CLIP]
            arrivals = [real for real in map(self.crosser, self.crossers) if real is not None]
            rest = [
                real for real in arrivals if real.side != side and order.beats(real.price) >= 0
                for _ in range(self.free(real))
            ]  # fmt: skip
            if order.price != price:
                price, given_better, came_in = order.price, given, len(rest)
                same_price = [o for o in ours if o.price == price and o.leaves]
                queue = self.queue_then(side, price, same_price)
            mine_by_time = max(0, len(behind) + len(worse) + len(unseen) - given)
            everything = len(at_price) + len(worse) + len(unseen)
            left = max(0, everything - given) if whole else mine_by_time
            if left + len(rest) == 0:
                continue
            reach = mine_by_time + len(rest)
            if self.share is not None and k != NEXT_CLIP and not self.guesses:
                volume = max(0, everything - given_better) + came_in
                place = [entry[0] for entry in queue].index(order)
                bits = self.bits(order.number, "queue", event)
                reach = self.share([lots for _, lots in queue], place, volume, bits)
            reach = min(reach, left + len(rest))
            incoming = min(len(rest), reach)
            traded = reach - incoming
            far = sum(gap >= beyond_from for gap in worse + unseen)
            beyond = min(max(0, far - given), traded)
            past = sum(order.beats(real.price) >= beyond_from for real in rest)
            past = min(past, incoming)
            without_touch = beyond + past
            if rule.first:
                reached = left + len(rest)
            elif rule.counts(self.bits(order.number, "fill", event)):
                reached = reach
            else:
                reached = without_touch
            lots = min(order.visible, reached)
            if lots == 0:
                continue
            touch = reached > without_touch
            by_volume = min(lots, left if touch else beyond)
            of_the_rest = min(lots, len(rest) if touch else past)
            for real in rest[:of_the_rest]:
                self.taken[self.key(real)] = self.taken.get(self.key(real), 0) + 1
            given += lots - of_the_rest
            reason = "TRADE_THROUGH" if worse else "UNSEEN_TRADE"
            if touch and (at_price if whole else behind):
                reason = "QUEUE"
            if lots == order.leaves:
                self.book.take_out(order)
            if by_volume:
                self.fill(order, order.price, by_volume, "MAKER", reason, self.book_clock)
            if lots > by_volume:
                crossed = lots - by_volume
                self.fill(order, order.price, crossed, "MAKER", "CROSSED", self.book_clock)
            if order.leaves and self.hide(order, lots):
                behind = sum(other.price == order.price for _, other in places)
                places.insert(behind, (NEXT_CLIP, order))

    def unseen_for(self, order: Mine) -> list[int]:
        """Of each lot without a resting order that ours is offered: how much worse it traded."""
        found = []
        for side, price, lots in self.unseen:
            gap = order.beats(price)
            met = gap == 0 and self.unseen_trades in ("fill", "pro_rata")
            if side not in (order.side, None) or not (gap > 0 or met):
                continue
            if self.unseen_trades == "pro_rata":
                level = self.book.sides[order.side][order.price]
                everybody = sum(o.visible if isinstance(o, Mine) else o.size for o in level)
                lots = lots * order.visible // everybody if order.visible else 0
            found += [gap] * (0 if self.unseen_trades == "ignore" else lots)
        return found

    def queue_then(self, side: str, price: int, ours: list[Mine]) -> list[tuple[Any, int]]:
        """The queue at a price as the event's first fill there found it: (who, lots)."""
        then = self.rank_then.get((side, price))
        queue: list[list[Any]] = [
            [real.rank, real.order_id, real.size] for real in self.book.real(side, price)
            if then is None or real.rank <= then
        ]  # fmt: skip
        for name, rank, lots in self.lost.get((side, price), []):
            still = [entry for entry in queue if entry[1] == name]
            if still:
                still[0][2] += lots
            else:
                queue.append([rank, name, lots])
                queue.sort(key=lambda entry: entry[0])
        queue += [[order.rank, order, order.visible] for order in ours]
        queue.sort(key=lambda entry: entry[0])
        return [(name, lots) for _, name, lots in queue]

    def crosser(self, name: int | str) -> Order | None:
        """A real order that came in across ours, if it is still there."""
        if isinstance(name, int):
            return self.book.orders.get(name)
        prices = self.book.prices(name)
        return self.book.real(name, prices[0])[0] if prices else None

    # --- rows -----------------------------------------------------------------------------------

    def fill(
        self, order: Mine, price: int, lots: int, liquidity: str, reason: str, at: int
    ) -> None:
        order.filled += lots
        order.status = "FILLED" if order.leaves == 0 else "PARTIALLY_FILLED"
        self.position += order.sign * lots
        self.fills.append(
            {
                "client_order_id": order.number,
                "side": order.sign,
                "last_px": price,
                "last_qty": lots,
                "liquidity": liquidity,
                "reason": reason,
                "commission": lots * self.fee,
                "position": self.position,
                "ts_event": at,
                "ts_known": self.connected(at + self.response_ns),
            }
        )
        if order.leaves == 0:
            order.ts_closed = at
            self.report(order)

    def close(self, order: Mine, status: str, reason: str, at: int) -> None:
        order.status, order.reason, order.ts_closed = status, reason, at
        self.report(order)

    def report(self, order: Mine) -> None:
        self.orders.append(
            {
                "client_order_id": order.number,
                "side": order.sign,
                "order_type": order.sent,
                "time_in_force": order.tif,
                "status": order.status,
                "reason": order.reason,
                "price": order.price,
                "quantity": order.quantity,
                "filled_qty": order.filled,
                "queue_ahead": order.queue_ahead,
                "ts_sent": order.ts_sent,
                "ts_arrived": order.ts_arrived,
                "ts_closed": order.ts_closed,
                "trigger_price": order.trigger,
                "ts_triggered": order.ts_triggered,
                "expire_ns": order.expire,
            }
        )
