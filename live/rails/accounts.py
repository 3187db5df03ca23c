"""All accounts of a folder, as a server tells of them: read in a process of its own."""

import functools
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tapewire.errors import FormatError, TapewireError
from tapewire.live.rails.journal import journal_files
from tapewire.live.rails.looking import AccountSeen, AccountWatch
from tapewire.live.rails.places import account_names
from tapewire.live.rails.switch import killed_because

#: Accounts that are told of, and positions of one.
ACCOUNTS_MAX: Final = 100
POSITIONS_MAX: Final = 100
#: Once this has passed (s) no further journal is begun; those that were read are known next time.
LOOK_S: Final = 10.0

Json = dict[str, Any]


def answer(argument: Mapping[str, Any], tell: Callable[[Any], None]) -> Json:
    """Tell a server of all accounts, in a process of its own, which knows what it has read.

    Parameters
    ----------
    argument
        ``accounts``: their folder.

    Returns
    -------
    dict
        ``accounts``, each as `ListAccounts` has it, and how many more there are (``left_out``).
        One whose journal can't be read has ``problem``, and the others are told all the same.
    """
    root = Path(argument["accounts"])
    names = account_names(root)
    until_s = time.monotonic() + LOOK_S
    seen = [_account(root, name, until_s) for name in names[:ACCOUNTS_MAX]]
    return {"accounts": seen, "left_out": max(0, len(names) - ACCOUNTS_MAX)}


def _account(root: Path, name: str, until_s: float) -> Json:
    folder, here = root / name, f"{root}{os.sep}"
    killed = killed_because(folder)
    shown: Json = {"name": name, "killed": killed and killed.replace(here, "")}
    if time.monotonic() > until_s:
        late = f"{name}: not read, those before took more than {LOOK_S:.0f} s: ask again"
        return {**shown, "problem": late}
    try:
        if any(one.is_symlink() for one in journal_files(folder)[-1:]):
            raise FormatError(f"{folder}: expected a journal of its own, found a link")
        return {**shown, **_figures(_watch(folder).look())}
    except (TapewireError, OSError) as error:
        return {**shown, "problem": str(error).replace(here, "")}


@functools.lru_cache(ACCOUNTS_MAX)
def _watch(folder: Path) -> AccountWatch:
    return AccountWatch(folder)


def _figures(seen: AccountSeen) -> Json:
    ledger = seen.ledger
    held = sorted((s, one.lots) for s, one in ledger.positions.items() if one.lots)
    return {
        "account": seen.account, "session": seen.session, "ended": seen.ended,
        "state": seen.state,
        "open_orders": len(ledger.open), "unknown_orders": len(ledger.unknown),
        "positions": [{"symbol": s, "lots": lots} for s, lots in held[:POSITIONS_MAX]],
        "positions_total": len(held),
    }  # fmt: skip
