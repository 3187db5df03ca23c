"""A login in a browser: two cookies that scripts can't read, and who may send them along."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from tapewire.services.web.calls import CallFailedError

#: What a page says with every call: a form or a link of another site can't (a header of one's own
#: needs the server's leave first, which is never given).
MARK: Final = "x-tapewire"
#: Where the refresh token is sent to, and nowhere else.
SESSION_PATH: Final = "/api/session"


@dataclass(frozen=True)
class LoginCookies:
    """Names and flags of the cookies.

    Attributes
    ----------
    secure : bool
        Whether the page comes over TLS: then no other page of the host can set them, either.
    """

    secure: bool

    @property
    def access(self) -> str:
        """Name of the one with the access token."""
        return "__Host-tapewire" if self.secure else "tapewire"

    @property
    def refresh(self) -> str:
        """Name of the one with the refresh token."""
        return "__Secure-tapewire-refresh" if self.secure else "tapewire-refresh"

    def put(self, response: Response, tokens: Mapping[str, Any]) -> None:
        """Have a browser keep tokens, as long as they are good."""
        for name, token, ends, path in (
            (self.access, "access_token", "access_expires_at", "/"),
            (self.refresh, "refresh_token", "refresh_expires_at", SESSION_PATH),
        ):
            left = dt.datetime.fromisoformat(tokens[ends]) - dt.datetime.now(dt.UTC)
            response.set_cookie(
                name, tokens[token], max_age=max(0, int(left.total_seconds())), path=path,
                secure=self.secure, httponly=True, samesite="strict",
            )  # fmt: skip

    def drop(self, response: Response) -> None:
        """Have a browser forget them."""
        for name, path in ((self.access, "/"), (self.refresh, SESSION_PATH)):
            response.delete_cookie(
                name, path=path, secure=self.secure, httponly=True, samesite="strict"
            )


def require_own_page(request: Request) -> None:
    """Refuse what a page of another site may have sent.

    Raises
    ------
    CallFailedError
        If the mark is missing, or the browser says that it comes from elsewhere.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    is_ours = origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
    if request.headers.get(MARK) != "1" or not is_ours or site != "same-origin":
        sentence = "expected a call of this server's own page, found another one's"
        raise CallFailedError(403, sentence, "CROSS_SITE", "2")
