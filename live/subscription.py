"""What is asked of a live gateway, and where that is."""

import re
from dataclasses import dataclass
from typing import Final, Self

from tapewire.errors import ConfigError

#: The port of Databento's own gateways.
PORT: Final = 13000
SCHEMAS: Final = ("mbo", "definition", "status", "statistics")
STYPES: Final = ("raw_symbol", "parent", "continuous", "instrument_id")
#: How often the gateway says that it is there where it has nothing to send (s): 5 is the least.
HEARTBEAT_S: Final = 10
_DATASET: Final = re.compile(r"[A-Z0-9]{2,8}\.[A-Z0-9]{2,8}")
_SYMBOLS_MAX: Final = 2_000
_PORT_MAX: Final = 65_535


@dataclass(frozen=True)
class FeedRequest:
    """What a session subscribes to, in Databento's words.

    Attributes
    ----------
    dataset
        Like ``GLBX.MDP3``.
    symbols
        ``ALL_SYMBOLS`` for all of it.
    schemas
        Of `SCHEMAS`; ``mbo`` is one of them.
    stype_in
        What the symbols are.
    start_ns
        Where to begin, ns since the epoch, at most 24 hours ago; None: now, with a snapshot of the
        books.

    Raises
    ------
    ConfigError
        If there is no such thing.
    """

    dataset: str
    symbols: tuple[str, ...]
    schemas: tuple[str, ...] = ("mbo",)
    stype_in: str = "raw_symbol"
    start_ns: int | None = None

    def __post_init__(self) -> None:
        if not _DATASET.fullmatch(self.dataset):
            raise ConfigError(f"dataset: expected one like GLBX.MDP3, found {self.dataset!r}")
        if not self.symbols or len(self.symbols) > _SYMBOLS_MAX:
            raise ConfigError(
                f"symbols: expected 1 to {_SYMBOLS_MAX:,}, found {len(self.symbols):,}: "
                "ALL_SYMBOLS is all of a dataset"
            )
        for symbol in self.symbols:
            if not symbol or not symbol.isprintable() or any(one in symbol for one in " ,|=\n"):
                raise ConfigError(f"symbols: expected plain symbols, found {symbol!r}")
        unknown = [one for one in self.schemas if one not in SCHEMAS]
        if unknown or "mbo" not in self.schemas or len(set(self.schemas)) < len(self.schemas):
            found = ", ".join(self.schemas) or "none"
            raise ConfigError(
                f"schemas: expected mbo, and beside it some of {', '.join(SCHEMAS[1:])}, found "
                f"{found}"
            )
        if self.stype_in not in STYPES:
            raise ConfigError(
                f"stype_in: expected one of {', '.join(STYPES)}, found {self.stype_in!r}"
            )


@dataclass(frozen=True)
class GatewayAddress:
    """A host and a port."""

    host: str
    port: int = PORT

    @classmethod
    def of_dataset(cls, dataset: str) -> Self:
        """Return Databento's own for a dataset."""
        return cls(f"{dataset.lower().replace('.', '-')}.lsg.databento.com")

    @classmethod
    def typed(cls, text: str) -> Self:
        """Read ``host:port``.

        Raises
        ------
        ConfigError
            If it is none.
        """
        host, colon, port = text.rpartition(":")
        if not colon or not host or not port.isdecimal() or not 0 < int(port) <= _PORT_MAX:
            raise ConfigError(f"gateway: expected host:port, found {text!r}")
        return cls(host.strip("[]"), int(port))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
