"""Where runs are read: processes of their own, so that no chart and no story holds up a call.

There are two, each with one thing at a time: one for what takes a moment, one for what reads a
run's data again. They start when something is asked first, the former as somebody opens the page.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tapewire.errors import ConfigError
from tapewire.services.server.asking import QuestionLine

#: What answers; it is given ``what`` and the server's folders beside what is asked.
FUNCTION: Final = "tapewire.factory.served:answer"
#: What reads data again, trades again, or draws many times.
SLOW: Final = ("explain", "reconcile", "spread", "strategy_chart")
#: How long one answer may take, s.
QUICK_S: Final = 60.0
SLOW_S: Final = 600.0
#: That wait for one process.
WAITING_MAX: Final = 32


@dataclass(frozen=True)
class RunPlaces:
    """Where what a server runs is.

    Attributes
    ----------
    store : str
        The store's address.
    data, strategies : Path or None
        Folders of files that runs may name.
    runs : Path
        Of their folders.
    """

    store: str
    data: Path | None
    strategies: Path | None
    runs: Path


class RunDesk:
    """Has questions about runs answered.

    Parameters
    ----------
    places
    """

    def __init__(self, places: RunPlaces) -> None:
        self._places = places
        self._lines = {
            is_slow: QuestionLine(FUNCTION, most_s, WAITING_MAX)
            for is_slow, most_s in ((False, QUICK_S), (True, SLOW_S))
        }

    async def ask(self, what: str, **told: Any) -> dict[str, Any]:
        """Return the answer to a question.

        Raises
        ------
        TapewireError
            As the command that does the same.
        QueueFullError
            If too many wait.
        Refused
            If it takes too long, or something else went wrong.
        """
        return await self._lines[what in SLOW].ask(self._argument(what, told), what)

    def start(self) -> None:
        """Have the process for what takes a moment started by now, and go on at once.

        It takes seconds, which nobody waits for who asks later.
        """
        self._lines[False].start(self._argument("describe", {}))

    def _argument(self, what: str, told: dict[str, Any]) -> dict[str, Any]:
        places = self._places
        return {
            **told, "what": what, "store": places.store, "runs": str(places.runs),
            "data": str(places.data) if places.data else None,
            "strategies": str(places.strategies) if places.strategies else None,
        }  # fmt: skip

    def close(self) -> None:
        """End the processes."""
        for line in self._lines.values():
            line.close()


def plain_text(found: dict[str, Any]) -> str:
    """Return an answer as the JSON of a message."""
    return json.dumps(found, ensure_ascii=False)


def in_text(data: bytes) -> str:
    """Return bytes as a question can hold them."""
    return base64.b64encode(data).decode()


def require_data(data: bytes, bytes_max: int) -> None:
    """Refuse a file that is none.

    Raises
    ------
    ConfigError
        If it is empty, or too large.
    """
    if not 1 <= len(data) <= bytes_max:
        raise ConfigError(f"data: expected 1 to {bytes_max:,} bytes, found {len(data):,}")
