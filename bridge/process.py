"""A model's process, started for it and ended with its run."""

import os
from collections.abc import Sequence
from typing import Final

from tapewire.children import Child
from tapewire.errors import PeerLostError

#: Tells a model's process whose it is: it does not wait for a run that has died.
RUN_PID_VARIABLE: Final = "TAPEWIRE_RUN_PID"
#: How long after its end its last words may take to be heard.
_END_TIMEOUT_S: Final = 1.0
_WORDS_MAX: Final = 2_000


class ModelProcess:
    """A command that runs beside the run, with the address to connect to at its end.

    Parameters
    ----------
    strategy_id
        Whose model it is.
    command
        Without the address, which is added as ``--connect ADDRESS``.
    endpoint

    Raises
    ------
    PeerLostError
        If there is no such command.
    """

    def __init__(self, strategy_id: str, command: Sequence[str], endpoint: str) -> None:
        self._called = f"the model of {strategy_id}"
        try:
            self._process = Child(
                [*command, "--connect", endpoint],
                environment={"PYTHONUNBUFFERED": "1", RUN_PID_VARIABLE: str(os.getpid())},
            )
        except OSError as error:
            raise PeerLostError(
                f"{self._called} can't be started: {command[0]}: {error.strerror}"
            ) from None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ended(self) -> str | None:
        """How it ended, in words; None while it lives."""
        how = self._process.end_in_words()
        return None if how is None else f"{self._called} (pid {self.pid}) {how}"

    def last_words(self, why: str) -> str:
        """Why it was lost, with what it said last."""
        if self._process.code is not None:
            self._process.wait(_END_TIMEOUT_S)
        said = self._process.heard.strip()[-_WORDS_MAX:]
        if not said or said in why:
            return why
        return f"{why}; its last words:\n{said}"

    def wait_end(self, timeout_s: float) -> None:
        """Give it a moment (s) to end by itself."""
        self._process.wait(timeout_s)

    def ask_end(self) -> None:
        """Ask it to end; see `wait_end` for whether it does."""
        self._process.ask_to_end()

    def close(self) -> None:
        """Kill it and what it has started; after this it is gone."""
        self._process.kill_all()
