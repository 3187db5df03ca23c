"""How a server is set up: by options and environment, never by a secret in a file of options."""

import base64
import binascii
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tapewire.errors import ConfigError, MissingFileError
from tapewire.services.auth.tokens import SECRET_BYTES_MIN

#: The environment's variable with what signs tokens, base64.
SECRET_VARIABLE: Final = "TAPEWIRE_TOKEN_SECRET"
PORT: Final = 50_051
#: Calls at a time, with one answer and with many; who comes while so many go on is told that the
#: server is busy.
CALLS_MAX: Final = 256
STREAMS_MAX: Final = 1_024
GATEWAYS_MAX: Final = 64
DRAIN_S_MAX: Final = 3_600.0
#: Of one connection; more wait at the client, once it has heard of the bound.
CALLS_OF_CONNECTION_MAX: Final = 1_000
#: Bytes of a message that is taken.
MESSAGE_BYTES_MAX: Final = 4 << 20


@dataclass(frozen=True)
class ServerSettings:
    """A server's settings.

    Attributes
    ----------
    address : str
        ``host:port``; port 0 is any that is free.
    store : str
        Where strategies are kept.
    token_secret : bytes
    certificate, private_key : Path, optional
        PEM; without them the connection is not encrypted, which is for this host alone.
    data : Path, optional
        A folder of files that jobs may read.
    strategies : Path, optional
        A folder of strategies in Python or JSON that runs may name.
    runs : Path, optional
        Where folders of runs are; None: ``runs`` in the current folder.
    accounts : Path, optional
        A folder whose folders are those of accounts at a broker, which may be seen and killed.
    calls_max, streams_max : int
        Calls with one answer, and with many, that go on at a time.
    drain_s : float
        How long calls that go on may last when the server is to end, s.
    gateways : int
        Processes that share the port.
    gateway : int
        Which of them this one is, from 0.
    metrics : str
        ``host:port`` of the page for Prometheus; each gateway has a port of its own, the next ones.
    web : str
        ``host:port`` of the studio, a page in a browser; empty: there is none.
    traces : str
        Where spans go, ``http://HOST:4317``; empty: nowhere.
    secret_keys : str
        What seals keys of exchanges, ``id:base64,…``; empty: none are kept.
    """

    address: str
    store: str
    token_secret: bytes = field(repr=False)
    certificate: Path | None = None
    private_key: Path | None = None
    data: Path | None = None
    calls_max: int = CALLS_MAX
    streams_max: int = STREAMS_MAX
    drain_s: float = 10.0
    gateways: int = 1
    gateway: int = 0
    metrics: str = ""
    web: str = ""
    traces: str = ""
    secret_keys: str = field(default="", repr=False)
    strategies: Path | None = None
    runs: Path | None = None
    accounts: Path | None = None

    def __post_init__(self) -> None:
        host, port = host_and_port(self.address)
        if (self.certificate is None) != (self.private_key is None):
            raise ConfigError("certificate: expected beside a private key, found one of the two")
        for path in (self.certificate, self.private_key):
            if path is not None and not path.is_file():
                raise MissingFileError(f"{path}: expected a file in PEM, found none")
        require_folder(self.data)
        require_folder(self.strategies, "strategies")
        require_folder(self.accounts, "accounts")
        if self.certificate is None and not is_loopback(host):
            raise ConfigError(
                f"address: expected a certificate and its key (--certificate, --private-key) to "
                f"listen on {host}, which other hosts reach; without them only 127.0.0.1, ::1 or "
                "localhost"
            )
        if not 0 <= port < 1 << 16:
            raise ConfigError(f"address: expected a port from 0 to 65535, found {port}")
        if not 1 <= self.gateways <= GATEWAYS_MAX:
            raise ConfigError(f"gateways: expected 1 to {GATEWAYS_MAX}, found {self.gateways}")
        if not 0 <= self.drain_s <= DRAIN_S_MAX:
            raise ConfigError(f"drain: expected 0 to {DRAIN_S_MAX:,.0f} s, found {self.drain_s}")
        if self.traces and not self.traces.startswith(("http://", "https://")):
            raise ConfigError(f"traces: expected as http://127.0.0.1:4317, found {self.traces!r}")
        if self.web:
            web_host, web_port = host_and_port(self.web, "web")
            if self.certificate is None and not is_loopback(web_host):
                raise ConfigError(
                    f"web: expected this host's own address, found {web_host}; other hosts may "
                    "reach a server with a certificate"
                )
            if not (0 if self.gateways == 1 else 1) <= web_port < 1 << 16:
                raise ConfigError(
                    f"web: expected a port up to 65535 (one that gateways share: not 0), found "
                    f"{web_port}"
                )
        if self.metrics:
            _, first = host_and_port(self.metrics, "metrics")
            if not 0 <= first <= (1 << 16) - self.gateways:
                raise ConfigError(f"metrics: expected a port up to 65535 for each, found {first}")


def require_folder(folder: Path | None, option: str = "data") -> None:
    """Refuse what an option names and is no folder; None is none.

    Raises
    ------
    MissingFileError
        Naming it.
    """
    if folder is not None and not folder.is_dir():
        raise MissingFileError(f"--{option} {folder}: expected a folder, found none")


def host_and_port(address: str, key: str = "address") -> tuple[str, int]:
    """Take ``host:port`` apart.

    Raises
    ------
    ConfigError
        If it is none.
    """
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal()):
        raise ConfigError(f"{key}: expected as 127.0.0.1:{PORT}, found {address!r}")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this host reaches it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def secret_of(environment: Mapping[str, str]) -> bytes:
    """Return what signs tokens.

    Raises
    ------
    ConfigError
        If there is none in the environment, or it is too short; nothing of it is shown.
    """
    text = environment.get(SECRET_VARIABLE)
    how = f"make one: export {SECRET_VARIABLE}=$(head -c 32 /dev/urandom | base64)"
    if not text:
        raise ConfigError(f"{SECRET_VARIABLE}: expected at least 32 bytes, base64; {how}")
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except (ValueError, binascii.Error):
        raise ConfigError(
            f"{SECRET_VARIABLE}: expected base64, found something else; {how}"
        ) from None
    if len(secret) < SECRET_BYTES_MIN:
        raise ConfigError(
            f"{SECRET_VARIABLE}: expected at least {SECRET_BYTES_MIN} bytes, found {len(secret)}; "
            f"{how}"
        )
    return secret


def new_secret() -> bytes:
    """Return one for a server that ends with its process."""
    return os.urandom(SECRET_BYTES_MIN)
