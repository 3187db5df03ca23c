"""An account's folder as somebody beside it sees it: what the journal comes to, who holds it."""

from dataclasses import dataclass
from pathlib import Path

from tapewire.errors import ConfigError
from tapewire.live.rails.journal import journal_files, read_records
from tapewire.live.rails.ledger import AccountLedger
from tapewire.live.rails.messages import RailsState
from tapewire.live.rails.records import SessionBegan, SessionEnded, StateChanged
from tapewire.live.rails.switch import killed_because


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


def look_at_account(folder: Path) -> AccountSeen:
    """Read an account's journal, whoever writes it meanwhile.

    Raises
    ------
    ConfigError
        If there is none.
    FormatError
        If it is damaged.
    """
    files = journal_files(folder)
    if not files:
        raise ConfigError(f"{folder}: expected an account's folder with its journal, found none")
    ledger = AccountLedger()
    account = ended = state = ""
    for record in read_records(files[-1]):
        ledger.apply(record)
        if isinstance(record, SessionBegan):
            account, ended = record.account, ""
        elif isinstance(record, SessionEnded):
            ended = record.text
        elif isinstance(record, StateChanged):
            state = RailsState(record.state).name + (f": {record.text}" if record.text else "")
    return AccountSeen(account, ledger.session, ended, state, killed_because(folder), ledger)
