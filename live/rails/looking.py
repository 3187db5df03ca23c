"""An account's folder as somebody beside it sees it: what the journal comes to, who holds it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tapewire.atomic import output_errors
from tapewire.errors import ConfigError
from tapewire.live.rails.journal import FILE_BYTES_MAX, JournalTail, journal_files
from tapewire.live.rails.ledger import AccountLedger
from tapewire.live.rails.messages import RailsState
from tapewire.live.rails.records import StateChanged
from tapewire.live.rails.switch import killed_because

#: A file is followed by another one long before: more is not read to be looked at.
_LOOKED_BYTES_MAX: Final = 4 * FILE_BYTES_MAX


@dataclass(frozen=True)
class AccountSeen:
    """An account, as its journal has it.

    Attributes
    ----------
    account, session
        Of the last session that began.
    ended
        How that one ended, in words; empty: it goes on, or was killed.
    state
        What it was allowed last, in words; empty before the first.
    killed
        Why nothing may be sent; None: the kill switch is not on.
    ledger
        Orders, fills, positions.
    """

    account: str
    session: str
    ended: str
    state: str
    killed: str | None
    ledger: AccountLedger


class AccountWatch:
    """An account that is looked at again and again: what was read is not read again.

    Parameters
    ----------
    folder
        The account's own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tail: JournalTail | None = None
        self._ledger = AccountLedger()

    def look(self) -> AccountSeen:
        """Return the account as of the last whole record, whoever writes it meanwhile.

        Its ledger is the one that grows with the next look.

        Raises
        ------
        ConfigError
            If there is no journal.
        FormatError
            If it is damaged.
        OutputError
            If it can't be read.
        """
        with output_errors(self._folder, "read"):
            files = journal_files(self._folder)
        if not files:
            raise ConfigError(
                f"{self._folder}: expected an account's folder with its journal, found none"
            )
        tail, self._tail = self._tail, None  # anew, should this one fail half-way
        if tail is None or not tail.is_of(files[-1]):
            tail, self._ledger = JournalTail(files[-1]), AccountLedger()
        for record in tail.new_records(_LOOKED_BYTES_MAX):
            self._ledger.apply(record)
        self._tail = tail
        ledger = self._ledger
        return AccountSeen(
            ledger.account, ledger.session, ledger.ending.text if ledger.ending else "",
            _in_words(ledger.state), killed_because(self._folder), ledger,
        )  # fmt: skip


def _in_words(state: StateChanged | None) -> str:
    if state is None:
        return ""
    name = RailsState(state.state).name
    return f"{name}: {state.text}" if state.text else name


def look_at_account(folder: Path) -> AccountSeen:
    """Read an account's journal, whoever writes it meanwhile; see `AccountWatch.look`."""
    return AccountWatch(folder).look()
