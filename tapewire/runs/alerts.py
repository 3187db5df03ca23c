"""What a person away from the terminal is told of a session: posted to an address, in order.

Each alert is one JSON object (``session``, ``ts``, ``text``). Posting never holds a session up: it
is done by a thread, from a bounded queue; what can't be posted is counted and said at the end.
"""

import contextlib
import datetime
import os
import queue
import threading
import time
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from tapewire.errors import ConfigError

#: Alerts that wait; of more the newest are dropped, and counted.
WAITING_MAX: Final = 1_000
#: Of one try, and between two (s); how many there are.
_TIMEOUT_S: Final = 5.0
_PAUSES_S: Final = (0.5, 2.0)
#: How long the last ones may take as a session ends.
_LAST_S: Final = 10.0
_OK: Final = range(200, 300)


class Alerts:
    """Alerts of one session, until this is closed.

    Parameters
    ----------
    variable
        The environment variable that has the address, which may hold a secret and is never shown.
    session
        What the session is called.

    Attributes
    ----------
    posted, lost
        How many were, and how many could not be, so far.

    Raises
    ------
    ConfigError
        If the variable has no http or https address.
    """

    def __init__(self, variable: str, session: str) -> None:
        self._url = _address(variable)
        self._variable, self._session = variable, session
        self._waiting: queue.Queue[tuple[str, str] | None] = queue.Queue(WAITING_MAX)
        self.posted = self.lost = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._post_all, name="alerts", daemon=True)
        self._thread.start()

    def tell(self, text: str) -> None:
        """Have something posted, behind what was told before."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        try:
            self._waiting.put_nowait((now, text))
        except queue.Full:
            self.lost += 1

    def close(self) -> str:
        """Post what is left, within some seconds; return what could not be posted, in words."""
        if not self._over.is_set():
            until_s = time.monotonic() + _LAST_S
            with contextlib.suppress(queue.Full):
                self._waiting.put(None, timeout=_LAST_S)
            self._thread.join(max(0.0, until_s - time.monotonic()))
            self._over.set()
        left = self.lost + self._waiting.qsize() + (1 if self._thread.is_alive() else 0)
        if not left:
            return ""
        some = "1 alert" if left == 1 else f"{left:,} alerts"
        return f"{some} could not be posted to the address in {self._variable}"

    def _post_all(self) -> None:
        import requests

        with requests.Session() as line:
            line.trust_env = False  # no proxy, no credentials of a file
            while (alert := self._waiting.get()) is not None:
                ts, text = alert
                content = {"session": self._session, "ts": ts, "text": text}
                for pause_s in (*_PAUSES_S, None):
                    try:
                        answer = line.post(
                            self._url, json=content, timeout=_TIMEOUT_S, allow_redirects=False
                        )
                        was_posted = answer.status_code in _OK
                    except requests.RequestException:
                        was_posted = False
                    if was_posted or pause_s is None or self._over.wait(pause_s):
                        break
                self.posted += was_posted
                self.lost += not was_posted

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _address(variable: str) -> str:
    found = os.environ.get(variable, "").strip()
    try:
        parts = urlsplit(found)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address:
        what = "something else" if found else "nothing"
        raise ConfigError(
            f"live.alerts: expected an http or https address in the environment variable "
            f"{variable}, found {what}"
        )
    return found
