"""When a report of the account is asked for, and whether trading may begin after it."""

from typing import Final

from tapewire.errors import BrokerError
from tapewire.live.brokers.protocol import Broker
from tapewire.live.orders import AccountReport
from tapewire.live.rails.ledger import AccountLedger
from tapewire.live.rails.rules import Rules
from tapewire.live.rails.settings import RailsSettings, in_ns
from tapewire.live.rails.settling import Settlement, SettlingTerms, settle, words_of

_LETTERS_MAX: Final = 2_000


class Reconciler:
    """Asks until journal and venue agree; until then the rules let nothing new out.

    Parameters
    ----------
    settings, ledger, rules, broker
        Of the desk.
    """

    def __init__(
        self, settings: RailsSettings, ledger: AccountLedger, rules: Rules, broker: Broker
    ) -> None:
        self._settings, self._waits = settings, settings.waits
        self._ledger, self._rules, self._broker = ledger, rules, broker
        self._asked_ns: int | None = None  # a report that has not come yet
        self._ask_ns: int | None = None  # when to ask for the next one
        self._doubtful: set[str] = set()  # what the last one left open

    def unsettle(self, why: str, now_ns: int) -> None:
        """Let nothing new out until a report agrees with the journal."""
        self._rules.unsettled = why
        self._ask_ns = now_ns

    def forget(self, why: str) -> None:
        """The connection is gone: what was asked is not answered any more."""
        self._asked_ns = self._ask_ns = None
        self._rules.unsettled = why

    def look(self, now_ns: int) -> None:
        """Ask for a report if one is due, or an earlier one overdue.

        Raises
        ------
        BrokerError
            If it can't be asked for; it is tried again.
        """
        if self._asked_ns is not None and now_ns - self._asked_ns > in_ns(self._waits.report):
            self._asked_ns = None
            self.unsettle(f"no report within {self._waits.report:g} s", now_ns)
        if self._ask_ns is None or now_ns < self._ask_ns:
            return
        self._asked_ns, self._ask_ns = now_ns, None
        doubtful = [one for name, one in self._ledger.open.items() if name in self._doubtful]
        named = {one.order.client_order_id: one.order for one in self._ledger.unknown + doubtful}
        try:
            self._broker.request_report(self._ledger.horizon_ns, list(named.values()))
        except BrokerError:
            self._asked_ns, self._ask_ns = None, now_ns + in_ns(self._waits.retry)
            raise

    def settle(self, report: AccountReport) -> Settlement | None:
        """Hold a report against the journal; None if nobody asked for it since the last cut."""
        if self._asked_ns is None:
            return None
        terms = SettlingTerms(
            self._asked_ns, in_ns(self._waits.absence), self._settings.adopts_positions,
            self._settings.cancels_strangers, self._rules.valuer.last_px(),
        )  # fmt: skip
        self._asked_ns = None
        return settle(self._ledger, report, terms)

    def judge(self, settlement: Settlement, now_ns: int) -> bool:
        """Whether trading may begin, once a settlement is journaled; else it is asked again."""
        self._doubtful = {one.where for one in settlement.open}
        if self._ask_ns is not None:
            return False  # something has happened since
        waiting = settlement.strangers if self._settings.cancels_strangers else []
        if settlement.open or self._ledger.unknown or waiting:
            words = "; ".join(words_of(settlement.open)) or "orders have to end yet"
            self._rules.unsettled = f"not reconciled: {words}"[:_LETTERS_MAX]
            self._ask_ns = now_ns + in_ns(self._waits.retry)
            return False
        self._rules.unsettled = ""
        return True
