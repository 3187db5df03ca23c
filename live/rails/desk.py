"""The rails of one session: what is asked for is checked, journaled, sent; answers come back.

Without sockets, waits or clocks: who owns a `RailsDesk` hands it commands and the time, and has it
take a turn many times a second. Its order of things never changes: a record is on the disk before
the order goes out, and before the engine is told. An order whose outcome is unknown is never sent
again; it counts as open at its full size until a report of the account settles it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tapewire.errors import BrokerDownError, BrokerError, reason_of
from tapewire.live.brokers.protocol import Broker
from tapewire.live.orders import (
    AccountReport,
    BrokerDown,
    BrokerEvent,
    BrokerNotice,
    BrokerUp,
    CancelOrder,
    CancelRejected,
    Command,
    NewOrder,
    OrderDenied,
    OrderFilled,
    OrderUnclear,
    ReplaceOrder,
    ReplaceRejected,
)
from tapewire.live.rails.journal import Journal
from tapewire.live.rails.lease import Lease
from tapewire.live.rails.ledger import RailsOrder
from tapewire.live.rails.markets import Markets
from tapewire.live.rails.messages import PositionNow, RailsState, RailsTold
from tapewire.live.rails.numbering import OrderNumbers
from tapewire.live.rails.reconciling import Reconciler
from tapewire.live.rails.records import (
    JOURNAL_VERSION,
    DifferenceFound,
    KeptHorizon,
    LimitReached,
    SessionBegan,
    SessionEnded,
    StateChanged,
)
from tapewire.live.rails.rules import Losses, Rules
from tapewire.live.rails.settings import RailsSettings, WindUp, in_ns
from tapewire.live.rails.settling import Settlement, words_of
from tapewire.live.rails.switch import kill_switch, killed_because
from tapewire.live.rails.winding import FLATTEN_TRIES_MAX, Winder
from tapewire.live.soundness import require_sound
from tapewire.positions.codes import Limit
from tapewire.wire.codec import Message

#: Of a reason that travels.
_WHY_MAX: Final = 500
#: Records of one append: far below what a frame of the journal takes.
_APPEND_MAX: Final = 500
#: Between two tries to reach a broker (s): it doubles from the first to the second.
RECONNECT_S: Final = (1.0, 30.0)
_LETTERS_TOLD_MAX: Final = 2_000


class RailsDesk:
    """See the module.

    Parameters
    ----------
    settings
    lease
        Of this session.
    broker
        Not connected yet.
    tell
        Takes what the engine shall hear: `ToEngine`.
    now_ns
        The time, ns since the epoch: it is only ever handed in.

    Attributes
    ----------
    session
        What client order ids begin with.
    duplicates
        Commands and events that came once more, and were not heeded.

    Raises
    ------
    FormatError, OutputError
        Of the journal.
    """

    def __init__(
        self,
        settings: RailsSettings,
        lease: Lease,
        broker: Broker,
        tell: Callable[[Message], None],
        now_ns: int,
    ) -> None:
        self.settings, self._lease, self._broker, self._tell = settings, lease, broker, tell
        self._folder = Path(settings.folder)
        self._waits = settings.waits
        self._losses = Losses()
        self.journal = Journal(self._folder, self.told, also=self._losses.apply)
        self.journal.keep_besides(self._losses.kept)
        self.ledger = self.journal.ledger
        lease.raise_epoch(self.ledger.epoch)
        self.session = f"s{lease.epoch}"
        self.markets = Markets(settings.waits)
        self.rules = Rules(settings, self.ledger, self.markets, self._losses)
        self._winder = Winder(
            self.ledger, self.session, in_ns(self._waits.retry), in_ns(self._waits.answer)
        )
        self._numbers = OrderNumbers(self.session)
        self.duplicates = 0
        self._is_up = self._is_final = False
        self._reconciler = Reconciler(settings, self.ledger, self.rules, broker)
        self._connect_ns: int | None = now_ns
        self._pause_s = RECONNECT_S[0]
        self._wind_up: WindUp = "keep"
        self._earlier: set[str] = set()  # open orders of earlier sessions, which nobody waits for
        self._differences: list[str] = []
        self._until_ns: int | None = None
        self._told_state: tuple[RailsState, str] | None = None
        self._begin(now_ns)

    def _begin(self, now_ns: int) -> None:
        records: list[Message] = []
        if self.ledger.horizon_ns == 0:  # no session has begun yet, in whichever file
            records.append(KeptHorizon(now_ns))  # what was before the journal is not in it
        records.append(
            SessionBegan(JOURNAL_VERSION, self.settings.account, self.session, self._lease.epoch)
        )
        self.journal.begin_file(now_ns)
        self.journal.append(now_ns, *records)
        if self.settings.cancels_earlier:
            self._earlier = set(self.ledger.open)
        for limit in self._losses.reached:
            self._want_after(limit)
        self._look_for_kill(now_ns)

    # --- what the engine asks for -----------------------------------------------------------------

    def command(self, command: Command, now_ns: int) -> None:
        """Take a command: it is sent, or the engine is told why not.

        Raises
        ------
        LeaseError
            If another session has taken the account over: nothing is sent any more.
        OutputError
            If the journal can't be written: nothing was sent.
        """
        if isinstance(command, NewOrder):
            self._new(command, now_ns)
        elif isinstance(command, CancelOrder):
            self._cancel(command, now_ns)
        else:
            self._replace(command, now_ns)

    def _new(self, order: NewOrder, now_ns: int) -> None:
        name = order.client_order_id
        if self.ledger.order(name) is not None:
            self.duplicates += 1  # the same id twice is one order
            return
        reason = self._numbers.take(name) or _unsound(order)
        reason = reason or self.rules.deny_new(order, now_ns)
        if reason:
            self._tell(OrderDenied(name, reason[:_WHY_MAX], 0, now_ns))
            return
        self._send_new(order, now_ns)

    def _send_new(self, order: NewOrder, now_ns: int) -> None:
        """Journal an order and send it."""
        self._lease.require_held()
        self.journal.append(now_ns, order)
        try:
            self._broker.submit(order)
        except BrokerError as error:  # nothing was sent
            why = self._refusal(error, now_ns)
            self._record(now_ns, OrderDenied(order.client_order_id, why, 0, now_ns))

    def _cancel(self, command: CancelOrder, now_ns: int) -> None:
        order = self.ledger.order(command.client_order_id)
        self.rules.count_cancel(now_ns)
        if order is None or not order.is_open:
            state = "not known" if order is None else order.status.name
            why = f"UNKNOWN_ORDER: it is {state}"
            self._tell(CancelRejected(command.client_order_id, why, 0, now_ns))
        else:
            self._send_cancel(command, now_ns)

    def _send_cancel(self, command: CancelOrder, now_ns: int) -> None:
        self._lease.require_held()
        self.journal.append(now_ns, command)
        try:
            self._broker.cancel(command)
        except BrokerError as error:
            why = self._refusal(error, now_ns)
            self._record(now_ns, CancelRejected(command.client_order_id, why, 0, now_ns))

    def _replace(self, command: ReplaceOrder, now_ns: int) -> None:
        name = command.client_order_id
        order = self.ledger.order(name)
        if order is None or not order.is_open:
            reason = "UNKNOWN_ORDER: it is not open"
        else:
            reason = _unsound(command) or self.rules.deny_replace(
                order, command.price, command.quantity, now_ns
            )
        if reason:
            self._tell(ReplaceRejected(name, reason[:_WHY_MAX], 0, now_ns))
            return
        self._lease.require_held()
        self.journal.append(now_ns, command)
        try:
            self._broker.replace(command)
        except BrokerError as error:
            why = self._refusal(error, now_ns)
            self._record(now_ns, ReplaceRejected(name, why, 0, now_ns))

    def _refusal(self, error: BrokerError, now_ns: int) -> str:
        """Why a broker sends nothing; one that is down has a word of its own on the way."""
        if isinstance(error, BrokerDownError) and self._is_up:
            self._hear_down(BrokerDown(str(error)[:_WHY_MAX], False, 0, now_ns), now_ns)
        return f"{reason_of(type(error).__name__)}: {error}"[:_WHY_MAX]

    # --- what the broker says ---------------------------------------------------------------------

    def _record(self, now_ns: int, *records: Message) -> None:
        """Journal records, then tell the engine those that are events."""
        for at in range(0, len(records), _APPEND_MAX):
            part = records[at : at + _APPEND_MAX]
            self.journal.append(now_ns, *part)
            for one in part:
                if isinstance(one, BrokerEvent):
                    self._tell(one)

    def told(self, text: str) -> None:
        """Have a person read something."""
        self._tell(RailsTold(text[:_LETTERS_TOLD_MAX]))

    def _hear(self, events: Sequence[BrokerEvent], now_ns: int) -> None:
        for event in events:
            if isinstance(event, AccountReport):
                self._hear_report(event, now_ns)
            elif isinstance(event, BrokerUp):
                self._is_up, self._connect_ns, self._pause_s = True, None, RECONNECT_S[0]
                self._record(now_ns, event)
                self._reconciler.unsettle("the account is being reconciled", now_ns)
            elif isinstance(event, BrokerDown):
                self._hear_down(event, now_ns)
            elif isinstance(event, BrokerNotice):
                self._tell(event)
            else:
                self._hear_order(event, now_ns)

    def _hear_down(self, event: BrokerDown, now_ns: int) -> None:
        self._is_up = False
        self._record(now_ns, event)
        self._reconciler.forget(f"the broker is away: {event.reason_text}")
        if event.is_final:
            self._is_final = True
            self.told(f"the broker is not tried again: {event.reason_text}")
            return
        if self._connect_ns is None:
            self._connect_ns = now_ns + in_ns(self._pause_s)
            self._pause_s = min(2 * self._pause_s, RECONNECT_S[1])

    def _hear_order(self, event: BrokerEvent, now_ns: int) -> None:
        if self.ledger.says_nothing_new(event):
            self.duplicates += 1
            return
        name = str(getattr(event, "client_order_id", ""))
        order = self.ledger.order(name)
        self._record(now_ns, event)
        if order is None:
            self._reconciler.unsettle(
                f"the broker speaks of {name}, which the journal does not know", now_ns
            )
        elif isinstance(event, OrderUnclear):
            self._reconciler.unsettle(
                f"the outcome of {name} is unknown: {event.reason_text}", now_ns
            )
        elif isinstance(event, OrderFilled) and _is_overfilled(order):
            self._reconciler.unsettle(
                f"{name} has filled {order.filled} of {order.quantity} lots", now_ns
            )
        elif isinstance(event, OrderFilled) and not name.startswith(f"{self.session}-"):
            # The engine does not know the order, and is told what came of it.
            symbol = order.order.symbol
            self._tell(PositionNow(symbol, self.ledger.position(symbol).lots))

    # --- reconciliation ---------------------------------------------------------------------------

    def _hear_report(self, report: AccountReport, now_ns: int) -> None:
        settlement = self._reconciler.settle(report)
        if settlement is None:
            return
        self._record(now_ns, *settlement.records)
        found = [str(one) for one in settlement.differences]
        if found != self._differences:  # else it was told: it is asked again and again
            self._differences = found
            self._record(
                now_ns, *(DifferenceFound(str(d), d.is_settled) for d in settlement.differences)
            )
            for words in words_of(settlement.differences):
                self.told(words)
        self._cancel_strangers(settlement, now_ns)
        if self._reconciler.judge(settlement, now_ns):
            for symbol, held in self.ledger.positions.items():
                self._tell(PositionNow(symbol, held.lots))

    def _cancel_strangers(self, settlement: Settlement, now_ns: int) -> None:
        if not self.settings.cancels_strangers:
            return
        for one in settlement.strangers:
            if one.client_order_id:
                self._send_cancel(CancelOrder(one.client_order_id, now_ns), now_ns)

    # --- turns ------------------------------------------------------------------------------------

    def turn(self, now_ns: int) -> None:
        """Hear the broker, look at limits, times and the kill file, and do what is due."""
        self._look_for_kill(now_ns)
        if self._connect_ns is not None and now_ns >= self._connect_ns and not self._is_final:
            self._connect_ns = None
            self._connect(now_ns)
        self._hear(self._broker.poll(0.0), now_ns)
        self._look_for_silence(now_ns)
        if self._is_up:
            try:
                self._reconciler.look(now_ns)
            except BrokerError as error:
                self._refusal(error, now_ns)
        self._measure(now_ns)
        self._wind(now_ns)
        self._tell_state(now_ns)

    def _connect(self, now_ns: int) -> None:
        try:
            self._broker.connect()
        except BrokerError as error:
            self._hear_down(BrokerDown(str(error)[:_WHY_MAX], False, 0, now_ns), now_ns)

    def _look_for_silence(self, now_ns: int) -> None:
        """An answer that is overdue is none."""
        if not self._is_up:
            return
        for name, order in list(self.ledger.open.items()):
            if order.is_unknown or not order.is_waiting:
                continue
            if now_ns - max(order.sent_ns, order.asked_ns) > in_ns(self._waits.answer):
                why = f"no answer within {self._waits.answer:g} s"
                self._record(now_ns, OrderUnclear(name, why, 0, now_ns))
                self._reconciler.unsettle(f"the outcome of {name} is unknown: {why}", now_ns)

    def _measure(self, now_ns: int) -> None:
        records = self.rules.measure(now_ns)
        for words in self.rules.valuer.unpriced(now_ns):
            self.told(words)
        if not records:
            return
        self._record(now_ns, *records)
        for one in records:
            if isinstance(one, LimitReached):
                limit = Limit(one.limit)
                action = self.rules.action_of(limit)
                self.told(f"{limit.name} is reached: lost {one.found}; {action}")
                self._want_after(limit)

    def _want_after(self, limit: Limit) -> None:
        """Wind up as far as a limit that is reached asks for."""
        action = self.rules.action_of(limit)
        if action != "deny":
            self._want("flatten" if action == "flatten" else "cancel")

    def _tell_state(self, now_ns: int) -> None:
        standing = self.rules.standing()
        if standing != self._told_state:
            self._told_state = standing
            state, text = standing
            self.journal.append(now_ns, StateChanged(int(state), text[:_LETTERS_TOLD_MAX]))
            self.told(f"{state.name}: {text}" if text else state.name)

    # --- ends -------------------------------------------------------------------------------------

    def kill(self, why: str, now_ns: int) -> None:
        """Cancel everything, send no more orders: until a person resets it."""
        if self.rules.killed:
            return
        self.rules.killed = why
        self._want(self.settings.on_kill)
        kill_switch(self._folder, why)

    def _look_for_kill(self, now_ns: int) -> None:
        why = None if self.rules.killed else killed_because(self._folder)
        if why is not None:
            self.kill(why, now_ns)

    def end(self, why: str, wind_up: WindUp, now_ns: int) -> None:
        """End the session: wind up so far, within a time; see `is_over`."""
        if self._until_ns is None:
            self.rules.halted = why
            self._until_ns = now_ns + in_ns(self._waits.ending)
        self._want(wind_up)

    def _want(self, wind_up: WindUp) -> None:
        """Wind up at least so far."""
        order: tuple[WindUp, ...] = ("keep", "cancel", "flatten")
        self._wind_up = max(self._wind_up, wind_up, key=order.index)

    def _wind(self, now_ns: int) -> None:
        if not self._is_up or (self._wind_up == "keep" and not self._earlier):
            return
        only = self._earlier if self._wind_up == "keep" else None
        for cancel in self._winder.cancels(now_ns, only):
            self._send_cancel(cancel, now_ns)
        if self._wind_up == "flatten" and not self.rules.unsettled:
            for order in self._winder.flattening(now_ns):
                self._tell(order)  # what is said of it means nothing to the engine otherwise
                self._send_new(order, now_ns)
            for symbol in self._winder.give_up():
                self.told(f"{symbol}: could not be closed in {FLATTEN_TRIES_MAX} tries: close it")
        if not (self._until_ns or self.rules.killed or self.rules.halted):
            # Of a limit: once done, what it lets through may be sent.
            done = self._winder.is_flat() if self._wind_up == "flatten" else not self.ledger.open
            self._wind_up = "keep" if done else self._wind_up

    def is_over(self, now_ns: int) -> bool:
        """Whether a session that ends is wound up, or its time for that is over."""
        if self._until_ns is None:
            return False
        if now_ns >= self._until_ns or self._wind_up == "keep":
            return True
        return self._winder.is_flat() if self._wind_up == "flatten" else not self.ledger.open

    def close(self, why: str, now_ns: int) -> str:
        """Give the account back; return what is left of it, in words."""
        left = [f"{len(self.ledger.open)} orders open" if self.ledger.open else ""]
        unknown = len(self.ledger.unknown)
        left.append(f"{unknown} of them of unknown outcome" if unknown else "")
        left += [f"{h.lots:+d} lots of {s}" for s, h in self.ledger.positions.items() if h.lots]
        text = f"{why}; left: {', '.join(one for one in left if one) or 'nothing'}"
        self.journal.append(now_ns, SessionEnded(text[:_LETTERS_TOLD_MAX]))
        self.journal.close()
        self._broker.close()
        self._lease.give_back()
        return text


def _unsound(command: Command) -> str:
    """What is wrong with a command by itself; empty if nothing is."""
    try:
        require_sound(command)
    except BrokerError as error:
        return f"INVALID_TERMS: {error}"
    return ""


def _is_overfilled(order: RailsOrder) -> bool:
    return order.filled > max(order.quantity, order.requested)
