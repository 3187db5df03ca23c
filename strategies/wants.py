"""What a strategy asks for: which books, what of them it sees, and what it is called for."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from tapewire.errors import ConfigError
from tapewire.features.sets import FeatureSet

#: Levels per side that a view may show.
DEPTH_MAX: Final = 1_000
#: Trades that a view may keep.
TRADES_MAX: Final = 1 << 20
#: `on_trades` is called when so many have gathered, at the latest; twice as many are kept for it.
TRADES_UNSHOWN_MAX: Final = 1 << 13


@dataclass(frozen=True)
class Wants:
    """What a strategy sees and when; nothing it does not ask for costs anything.

    A strategy is called by the hooks it has. It is called at the time at which it may know, and
    whatever it looks at then is as of that time: what it wants to see moves its clock, too.

    Parameters
    ----------
    symbols : tuple of str
        Which instruments, by symbol or wildcard (``ES*``); none: all there are. A configuration's
        ``symbols`` come first.
    book : str
        When `on_book` is called: ``price`` (a best price changed), ``bbo`` (price or size at the
        best bid or ask changed), ``depth`` (one of the ``depth`` best levels changed).
    depth : int
        Levels per side to be seen, up to 1,000.
    trades_kept : int
        How many of the last trades stay to be seen, up to 1,048,576.
    session : bool
        Open, high, low, last, volume and VWAP of the session.
    features : tuple of str
        Names of features, as ``docs/features.md`` lists them.
    queue_places : bool
        Orders and lots ahead of its resting orders, as of the last event.
    together : bool
        One instance over all its books, in one time; otherwise each book has its own.

    Raises
    ------
    ConfigError
        If something is not as above.
    """

    symbols: tuple[str, ...] = ()
    book: Literal["price", "bbo", "depth"] = "bbo"
    depth: int = 0
    trades_kept: int = 0
    session: bool = False
    features: tuple[str, ...] = ()
    queue_places: bool = False
    together: bool = False

    def __post_init__(self) -> None:
        given: Any = self.symbols
        if isinstance(given, str) or not all(isinstance(symbol, str) for symbol in given):
            raise ConfigError(f"symbols: expected a tuple of symbols, found {given!r}")
        object.__setattr__(self, "symbols", tuple(given))
        object.__setattr__(self, "features", tuple(self.features))
        if self.features:
            FeatureSet(self.features)
        if self.book not in ("price", "bbo", "depth"):
            raise ConfigError(f"book: expected 'price', 'bbo' or 'depth', found {self.book!r}")
        for name, most in (("depth", DEPTH_MAX), ("trades_kept", TRADES_MAX)):
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= most:
                what = f"a whole number from 0 to {most:,}"
                raise ConfigError(f"{name}: expected {what}, found {value!r}")
        if self.book == "depth" and self.depth == 0:
            raise ConfigError("book: 'depth' needs a depth of at least 1, found 0")

    @property
    def has_view(self) -> bool:
        """Whether it sees anything of a book beyond its touch."""
        return self.depth > 0 or self.trades_kept > 0 or self.session
