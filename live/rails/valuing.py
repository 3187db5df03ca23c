"""What an account has won or lost, and where that can't be told: marks, contracts, doubts.

A position counts for as long as the account's folder does, whichever instruments a session lists.
So the journal has by what each was valued, and a session that doesn't list it goes on from there.
"""

from collections.abc import Iterator
from typing import Final

from tapewire.live.rails.ledger import AccountLedger, AccountPosition
from tapewire.live.rails.markets import Markets
from tapewire.live.rails.records import PositionValued
from tapewire.live.rails.settings import RailsSettings, in_ns
from tapewire.market.records import UNDEF_PRICE

#: A mark that has moved is journaled again after so long: what a killed process may lose of it.
_VALUED_EVERY_NS: Final = 10 * 10**9
_DOUBTS_TOLD_MAX: Final = 3


class Valuer:
    """Values all that was ever held.

    Parameters
    ----------
    settings, ledger, markets
        Of the desk.

    Attributes
    ----------
    doubt
        What can't be told, or is no longer watched; empty: everything is.
    """

    def __init__(self, settings: RailsSettings, ledger: AccountLedger, markets: Markets) -> None:
        self._instruments, self._quote_ns = settings.instruments, in_ns(settings.waits.quote)
        self._ledger, self._markets = ledger, markets
        self._marks: dict[str, int] = {}  # the last of this session
        self._valued_ns = 0
        self._unpriced_ns: dict[str, int] = {}  # since when there is no price of what is held
        self._told: set[str] = set()
        self.doubt = ""

    def pnl(self) -> int | None:
        """Return what all of it comes to, 1e-9 currency; None: it can't be told, see `doubt`."""
        pnl, doubts, is_known = 0, [], True
        for symbol, held in self._ledger.positions.items():
            found = self._markets.mark(symbol, held.lots)
            if found is not None:
                self._marks[symbol] = found
            mark = self._mark(symbol, held)
            numerator, denominator = self._contract(symbol, held)
            if held.lots and mark is None:
                is_known = False
                doubts.append(f"{symbol}: no price yet to tell what {held.lots:+d} lots are worth")
            elif not numerator and held.cash + held.lots * (mark or 0):
                is_known = False
                doubts.append(f"{symbol}: what it won or lost can't be told until it is listed")
            else:
                pnl += held.pnl(mark or 0, numerator, denominator)
                if held.lots and symbol not in self._instruments:
                    doubts.append(f"{symbol}: {held.lots:+d} lots are held, and it is not listed")
        more = len(doubts) - _DOUBTS_TOLD_MAX
        doubts[_DOUBTS_TOLD_MAX:] = [f"and {more} more"] if more > 0 else []
        self.doubt = "; ".join(doubts)
        return pnl if is_known else None

    def last_px(self) -> dict[str, int]:
        """Return by symbol the last price of what is held, of this session or an earlier one."""
        found = {}
        for symbol, held in self._ledger.positions.items():
            mark = self._markets.mark(symbol, held.lots)
            mark = self._mark(symbol, held) if mark is None else mark
            if held.lots and mark is not None:
                found[symbol] = mark
        return found

    def contract(self, symbol: str) -> tuple[int, int]:
        """Return numerator and denominator of an instrument's multiplier; 0 first: not known."""
        return self._contract(symbol, self._ledger.position(symbol))

    def due(self, now_ns: int, *, is_peak: bool) -> list[PositionValued]:
        """Return what has to be journaled of the marks and contracts that `pnl` went by.

        Parameters
        ----------
        is_peak
            Whether a best P&L is: a loss from it is not to be told by older marks.
        """
        is_due = is_peak or now_ns - self._valued_ns >= _VALUED_EVERY_NS
        records = []
        for symbol, held in self._ledger.positions.items():
            mark, contract = self._mark(symbol, held), self._contract(symbol, held)
            is_other = (held.multiplier_num, held.multiplier_den) != contract
            is_moved = held.lots != 0 and mark != held.mark and (is_due or held.mark is None)
            if is_moved or (is_other and (held.lots or held.cash)):
                records.append(
                    PositionValued(symbol, UNDEF_PRICE if mark is None else mark, *contract)
                )
        if is_due and records:
            self._valued_ns = now_ns
        return records

    def unpriced(self, now_ns: int) -> Iterator[str]:
        """Yield what a person is to know of listed positions without a price, each once."""
        for symbol, held in self._ledger.positions.items():
            if not held.lots or self._markets.mark(symbol, held.lots) is not None:
                self._unpriced_ns.pop(symbol, None)
                continue
            since_ns = self._unpriced_ns.setdefault(symbol, now_ns)
            is_listed = symbol in self._instruments
            if is_listed and now_ns - since_ns > self._quote_ns and symbol not in self._told:
                self._told.add(symbol)
                yield (
                    f"{symbol}: no price of it for more than {self._quote_ns / 1e9:g} s: losses on "
                    f"{held.lots:+d} lots are told by the last one there was"
                )

    def _mark(self, symbol: str, held: AccountPosition) -> int | None:
        return self._marks.get(symbol, held.mark)

    def _contract(self, symbol: str, held: AccountPosition) -> tuple[int, int]:
        listed = self._instruments.get(symbol)
        if listed is None:
            return held.multiplier_num, held.multiplier_den
        return listed.multiplier_num, listed.multiplier_den
