"""Accounts at a broker, for a server: seen by a process of its own, killed at once.

Their sessions run beside the server. What it has of them is a folder, as a person on the host has;
a kill is a file in there, which their rails look for many times a second.
"""

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from tapewire.errors import ConfigError, TapewireError
from tapewire.live.rails.places import account_folder
from tapewire.live.rails.switch import kill_switch, killed_because
from tapewire.services.server.asking import QuestionLine
from tapewire.services.server.database import Database

T = TypeVar("T")
#: What reads journals.
FUNCTION: Final = "tapewire.live.rails.accounts:answer"
#: How long that may take, s; it begins no further journal after a sixth of it.
SEEN_S: Final = 60.0
#: Whoever asks within so many s is told the same.
FRESH_S: Final = 1.0
WAITING_MAX: Final = 32
#: A kill waits so long, s, for the audit log, and then no longer.
AUDIT_S: Final = 2.0
WHY_LENGTH_MAX: Final = 500
#: What is said where there are none.
NONE: Final = (
    "accounts: expected a server that was given a folder of them (tapewire serve --accounts)"
)


class AccountDesk:
    """Looks at accounts, and kills them.

    Parameters
    ----------
    database
        Where kills are noted.
    folder
        Whose folders are those of accounts; None: there are none.
    """

    def __init__(self, database: Database, folder: Path | None) -> None:
        self._database = database
        self._folder = folder.absolute() if folder is not None else None
        self._line = QuestionLine(FUNCTION, SEEN_S, WAITING_MAX)
        self._log = structlog.get_logger("tapewire.server")
        self._one_asks = asyncio.Lock()
        self._seen: tuple[float, dict[str, Any]] | None = None
        self._going: set[asyncio.Task[Any]] = set()

    @property
    def has_accounts(self) -> bool:
        """Whether this server was given a folder of them."""
        return self._folder is not None

    async def seen(self) -> dict[str, Any]:
        """Return all accounts; see `tapewire.live.rails.accounts.answer`.

        Raises
        ------
        ConfigError
            If this server has no folder of them.
        MissingFileError
            If that is gone.
        """
        told = {"accounts": str(self._required())}
        async with self._one_asks:
            if self._seen is None or time.monotonic() - self._seen[0] > FRESH_S:
                answered = await self._line.ask(told, "accounts")
                self._seen = time.monotonic(), answered
            return self._seen[1]

    async def kill(self, name: str, why: str, *, by: str, where: str) -> tuple[str, bool]:
        """Have an account's rails cancel everything and send no more orders.

        It is noted first, and done all the same where the audit log can't be written: then the
        server's log has it, and the account's own file. Once begun it is done, whether or not
        whoever asked still listens.

        Parameters
        ----------
        name
            Of its folder.
        why
            What is told whoever asks; may be empty.
        by, where
            Who kills it, and from where, in words.

        Returns
        -------
        str
            Why it is killed: what was said first.
        bool
            Whether it was killed before.

        Raises
        ------
        ConfigError
            If this server has no folder of accounts, or ``why`` is too long.
        MissingFileError
            If there is no such account.
        OutputError
            If the kill can't be written, which is noted, too.
        """
        root = self._required()
        if len(why) > WHY_LENGTH_MAX:
            raise ConfigError(
                f"why: expected at most {WHY_LENGTH_MAX} characters, found {len(why):,}"
            )
        folder = await asyncio.to_thread(account_folder, root, name)
        return await asyncio.shield(self._kept(self._killed(folder, why.strip(), by, where)))

    async def _killed(self, folder: Path, why: str, by: str, where: str) -> tuple[str, bool]:
        said = f"killed from {where} by {by}" + (f": {why}" if why else "")
        before = await asyncio.to_thread(killed_because, folder)
        name = folder.name
        if before is None:
            noting = self._kept(self._note(by, "kill_account", name, {"why": why}))
            await asyncio.wait((noting,), timeout=AUDIT_S)
        try:  # also where it seems to be there: what can't be read may not be
            await asyncio.to_thread(kill_switch, folder, said)
        except TapewireError as error:
            await self._note(by, "kill_account_failed", name, {"error": str(error)})
            raise
        finally:
            self._seen = None
        if before is not None:
            return before, True
        self._log.warning("killed an account", account=name, user=by, why=why)
        return await asyncio.to_thread(killed_because, folder) or said, False

    def _kept(self, what: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin something that goes on to its end, whoever stops waiting for it."""
        task = asyncio.create_task(what)
        self._going.add(task)
        task.add_done_callback(self._going.discard)
        return task

    async def _note(self, by: str, action: str, name: str, details: dict[str, str]) -> None:
        """Write to the audit log; what it can't take is told by the server's log, and no error."""
        try:
            await self._database.ask(
                "note_kill", lambda store: store.note(by, action, name, details)
            )
        except Exception as error:  # whatever a database has: a kill goes on
            self._log.error(
                "not in the audit log", action=action, account=name, user=by, **details,
                why_not=str(error),
            )  # fmt: skip

    def _required(self) -> Path:
        if self._folder is None:
            raise ConfigError(NONE)
        return self._folder

    def close(self) -> None:
        """End the process that looks."""
        self._line.close()
