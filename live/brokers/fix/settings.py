"""What a session with a broker over FIX is configured by."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from tapewire.errors import ConfigError

HEARTBEAT_S: Final = (1, 300)
_PORTS: Final = (1, 65_535)
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_ID_CHARS_MAX: Final = 64
_REPORT_S_MAX: Final = 300.0
_PLAIN: Final = (
    "sender_comp_id", "target_comp_id", "account", "username", "security_exchange",
    "position_type",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FixSettings:
    """Where a broker is, who we are there, and what it can.

    Attributes
    ----------
    host, port
        Where its gateway listens.
    sender_comp_id, target_comp_id
        Who we are, and who it is, as agreed.
    account
        Tag 1 of every order.
    folder
        Where the session's numbers are kept; made if it is not there. It belongs to one session.
    username
        Tag 553 of the logon; empty: none is sent.
    password_variable
        The environment variable that has the password, tag 554; empty: none is sent. The password
        itself is in no configuration, and nothing shows it.
    heartbeat_s
        How often each end says that it is there where it has nothing else to say.
    reset
        ``never``: numbers go on from session to session, so that what was missed comes again;
        ``logon``: each session begins at 1, and what was missed is lost but for reports.
    tls
        Whether the line is encrypted, and the gateway's certificate checked. Off loopback a
        password never goes over a line that is not; a plain one may be a tunnel's end.
    symbols
        What the venue calls a symbol, where it has another name.
    security_exchange
        Tag 207 of every order; empty: none is sent.
    reduce_only
        ``refuse``: an order that may only reduce is denied, as FIX 4.4 has no such; ``close``: it
        is sent with PositionEffect C, where the venue takes that for it.
    has_fills, has_positions
        Whether the venue answers TradeCaptureReportRequest and RequestForPositions.
    position_type
        Which PosType counts where the venue tells several of a position.
    report_timeout_s
        How long a report may take.

    Raises
    ------
    ConfigError
        If there can be no such session.
    """

    host: str
    port: int
    sender_comp_id: str
    target_comp_id: str
    account: str
    folder: Path
    username: str = ""
    password_variable: str = ""
    heartbeat_s: int = 30
    reset: Literal["never", "logon"] = "never"
    tls: bool = True
    symbols: dict[str, str] = field(default_factory=dict)
    security_exchange: str = ""
    reduce_only: Literal["refuse", "close"] = "refuse"
    has_fills: bool = True
    has_positions: bool = True
    position_type: str = "TQ"
    report_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        for name in ("host", "sender_comp_id", "target_comp_id", "account"):
            if not getattr(self, name):
                raise ConfigError(f"{name}: expected one, found none")
        for name in _PLAIN:
            _require_plain(name, getattr(self, name))
        for ours, theirs in self.symbols.items():
            _require_plain(f"symbols.{ours}", theirs)
        if len(set(self.symbols.values())) < len(self.symbols):
            raise ConfigError("symbols: expected another name for each, found one twice")
        _require_within("port", self.port, *_PORTS)
        _require_within("heartbeat_s", self.heartbeat_s, *HEARTBEAT_S)
        _require_within("report_timeout_s", self.report_timeout_s, 0.1, _REPORT_S_MAX)
        for name, words in (("reset", ("never", "logon")), ("reduce_only", ("refuse", "close"))):
            if getattr(self, name) not in words:
                raise ConfigError(
                    f"{name}: expected {' or '.join(words)}, found {getattr(self, name)!r}"
                )
        if self.password_variable and not self.tls and self.host not in _LOOPBACK:
            raise ConfigError(
                f"tls: expected true where a password goes to {self.host}, found false: have the "
                "gateway's encrypted port, or a tunnel on this host"
            )
        self.password()

    def password(self) -> str:
        """Return what the environment variable has; empty where none is named.

        Raises
        ------
        ConfigError
            If it is named and not set, or can't be sent.
        """
        name = self.password_variable
        if not name:
            return ""
        found = os.environ.get(name, "")
        if not found or not found.isascii() or not found.isprintable():
            what = "something else" if found else "nothing"
            raise ConfigError(
                f"password_variable: expected printable ASCII in the environment variable {name}, "
                f"found {what}"
            )
        return found

    def without_password(self, text: str) -> str:
        """Return a text that somebody may see, whoever wrote it."""
        name = self.password_variable
        found = os.environ.get(name, "") if name else ""
        return text.replace(found, "***") if found else text

    @property
    def where(self) -> str:
        """The other end, as messages call it."""
        return f"{self.target_comp_id} at {self.host}:{self.port}"


def _require_plain(name: str, text: str) -> None:
    if len(text) > _ID_CHARS_MAX or not text.isascii() or (text and not text.isprintable()):
        raise ConfigError(
            f"{name}: expected at most {_ID_CHARS_MAX} printable ASCII characters, found {text!r}"
        )


def _require_within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{name}: expected {least:g} to {most:g}, found {value:g}")
