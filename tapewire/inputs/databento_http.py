"""Databento's Historical HTTP API, as far as downloads need it.

Source: https://databento.com/docs/api-reference-historical. The key is sent as the user of HTTP's
basic authentication, to the gateway and hosts of databento.com alone, and never shown.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from tapewire.errors import ConfigError, DownloadError

GATEWAY: Final = "https://hist.databento.com"
KEY_VARIABLE: Final = "DATABENTO_API_KEY"
_VERSION: Final = "v0"
_VENDOR: Final = "databento.com"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
#: Longest silence of the server.
_SILENCE_S: Final = 60.0
_PAUSE_S_MAX: Final = 30.0
_TOO_MANY: Final = 429
_WORDS_MAX: Final = 300
_REFUSALS: Final = {
    401: f"Databento refuses the key in {KEY_VARIABLE} (401): see databento.com/portal/keys",
    402: "Databento asks for payment first (402): the account has no credit for this",
    403: "Databento does not let this key have it (403): its licence does not cover it",
    404: "Databento does not know it (404)",
    422: "Databento can't do as asked (422)",
    _TOO_MANY: "Databento says that these are too many requests (429): try again later",
}
#: What a line that is cut, or a server that is down, looks like.
_CUT: Final = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


def key_from_environment() -> str:
    """Return the key.

    Raises
    ------
    ConfigError
        If there is none.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        raise ConfigError(
            f"{KEY_VARIABLE}: expected your Databento key in this environment variable, found "
            "nothing: see databento.com/portal/keys"
        )
    return key


class CutError(Exception):
    """A line was cut, or a server is down: what is asked may be asked again."""

    def __init__(self, why: str, retry_after_s: float = 0.0) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class HistoricalGateway:
    """Asks a gateway; what fails for a moment is tried again until a deadline.

    Parameters
    ----------
    key
        The API key.
    url
        ``https://…``, or ``http://…`` of this host.
    patience_s
        How long one thing is tried, without getting on, until it is given up.
    pause_s
        Between the first two tries; it doubles, up to half a minute.

    Raises
    ------
    ConfigError
        If the url would send the key to another host in the clear.
    DownloadError
        From all methods: what the server refuses, or that it does not answer.
    """

    def __init__(
        self, key: str, url: str = GATEWAY, *, patience_s: float = 300.0, pause_s: float = 1.0
    ) -> None:
        self._key = key
        self.url = url.rstrip("/")
        self._host = urlsplit(url).hostname or ""
        self._require_safe(url)
        self._patience_s = patience_s
        self._pause_s = pause_s
        self._session = requests.Session()
        self._session.auth = (key, "")
        self._session.headers["accept"] = "application/json"

    def _require_safe(self, url: str) -> None:
        parts = urlsplit(url)
        safe = parts.scheme == "https" or (
            parts.scheme == "http" and (parts.hostname or "") in _LOOPBACK
        )
        if not safe or not parts.hostname:
            raise ConfigError(
                f"gateway: expected https://…, which keeps the key secret, found {url!r}"
            )

    def ask(self, endpoint: str, /, **params: str) -> Any:
        """Return the JSON of a GET of an endpoint like ``batch.list_jobs``."""
        return self._json("GET", endpoint, params=params)

    def post(self, endpoint: str, data: Mapping[str, str], *, once: bool = False) -> Any:
        """Return the JSON of a POST; with ``once`` it is not tried again if the line is cut."""
        return self._json("POST", endpoint, data=data, once=once)

    def endpoint(self, name: str) -> str:
        """Return the address of an endpoint."""
        return f"{self.url}/{_VERSION}/{name}"

    def _json(self, method: str, endpoint: str, *, once: bool = False, **more: Any) -> Any:
        url = self.endpoint(endpoint)
        for pause in self.tries(endpoint):
            try:
                with self.opened(method, url, **more) as response:
                    return response.json()
            except ValueError:
                raise DownloadError(
                    f"{endpoint}: expected JSON, found something else: is {self.url} Databento's?"
                ) from None
            except CutError as error:
                if once:
                    raise DownloadError(
                        f"{endpoint}: {error}: it may have been done all the same: look at "
                        "databento.com/portal/batch/jobs before asking again"
                    ) from None
                pause(error)
        raise AssertionError("unreachable: tries end by raising")

    def tries(self, what: str) -> "Iterator[Pause]":
        """Yield a function to be called with the reason after each try that failed for a moment.

        Raises
        ------
        DownloadError
            From that function, once the patience is used up.
        """
        pause = Pause(what, self._patience_s, self._pause_s)
        while True:
            yield pause

    @contextlib.contextmanager
    def opened(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Iterator[requests.Response]:
        """Open a response; its body is read by the caller.

        Raises
        ------
        CutError
            If the line is cut, here or while the body is read, or the server says to come later.
        """
        try:
            with self._session.request(
                method, url, headers=headers, stream=True, timeout=_SILENCE_S,
                allow_redirects=method == "GET", **more,
            ) as response:  # fmt: skip
                self._require_good(response)
                yield response
        except _CUT as error:
            raise CutError(self._without_key(f"the line was cut ({type(error).__name__})")) from (
                None
            )

    def require_ours(self, url: str) -> None:
        """Refuse an address that the key must not be sent to.

        Raises
        ------
        DownloadError
            If it is neither of the gateway's host nor of Databento's.
        """
        host = urlsplit(url).hostname or ""
        try:
            self._require_safe(url)
        except ConfigError:
            host = ""
        if host != self._host and host != _VENDOR and not host.endswith(f".{_VENDOR}"):
            raise DownloadError(
                f"expected files on {self._host} or {_VENDOR}, found one at {url!r}"
            )

    def _require_good(self, response: requests.Response) -> None:
        status = response.status_code
        if status // 100 == 2:
            return
        said = self._said(response)
        if status == _TOO_MANY or status // 100 == 5:
            after = response.headers.get("Retry-After", "")
            what = _REFUSALS.get(status, f"the server failed ({status})")
            raise CutError(f"{what}{said}", float(after) if after.isdigit() else 0.0)
        raise DownloadError(f"{_REFUSALS.get(status, f'Databento refuses it ({status})')}{said}")

    def _said(self, response: requests.Response) -> str:
        """What the server says of a refusal, in its words."""
        try:
            detail = response.json().get("detail")
        except (ValueError, AttributeError):
            return ""
        if isinstance(detail, dict):
            detail = detail.get("message")
        if not isinstance(detail, str) or not detail:
            return ""
        words = " ".join("".join(c if c.isprintable() else " " for c in detail).split())
        return f": {self._without_key(words[:_WORDS_MAX])}"

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "…")

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


class Pause:
    """Waits between tries, longer each time, and gives up after a while without getting on."""

    def __init__(self, what: str, patience_s: float, pause_s: float) -> None:
        self._what = what
        self._patience_s = patience_s
        self._first_s = self._next_s = pause_s
        self._until_s = time.monotonic() + patience_s

    def got_on(self) -> None:
        """Something came: patience begins anew."""
        self._next_s = self._first_s
        self._until_s = time.monotonic() + self._patience_s

    def __call__(self, why: CutError) -> None:
        """Wait, or give up with the reason."""
        wait_s = max(self._next_s, why.retry_after_s)
        if time.monotonic() + wait_s > self._until_s:
            raise DownloadError(
                f"{self._what}: given up after {self._patience_s:.0f} s without getting on: {why}"
            )
        time.sleep(wait_s)
        self._next_s = min(2 * self._next_s, _PAUSE_S_MAX)
