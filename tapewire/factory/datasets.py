"""The bars that strategies are searched on: read, and told from all others by their content."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from tapewire.candles import Candles
from tapewire.candles.columns import BarColumns
from tapewire.candles.declared import DeclaredBars
from tapewire.candles.frames import Timeframes
from tapewire.candles.optimizer import require_sessions
from tapewire.candles.sessions import SessionClock
from tapewire.candles.timeframes import timeframe_name
from tapewire.errors import ConfigError, InputError
from tapewire.generator.guards import Holdout
from tapewire.inputs.candles import CandleRequest
from tapewire.runs.declared import session_of

_COLUMNS: Final = ("ts_event", "open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class FactoryBars:
    """Bars, the clock of their sessions, and what they are known by.

    Attributes
    ----------
    candles : Candles
    clock : SessionClock, optional
        None: sessions begin at midnight, UTC.
    name : str
        What a store calls them; two different sets of bars can't share one.
    digest : str
        SHA-256 of the bars, their symbol, interval, tick and clock, hexadecimal.
    description : dict
        JSON-ready: the above in words, and how the file was read, so that it can be read again.
    """

    candles: Candles
    clock: SessionClock | None
    name: str
    digest: str
    description: dict[str, Any]

    def holdout(self, share: float, *, openings: int = 0) -> Holdout:
        """Keep the last sessions closed, see `tapewire.generator.guards.Holdout.of`.

        Raises
        ------
        ConfigError
            If there are fewer than two sessions.
        """
        try:
            return Holdout.of(self.candles, share, self.clock, openings=openings)
        except ConfigError as error:
            raise ConfigError(f"{self.description['path']}: {error}") from None

    def sessions(self, candles: Candles) -> int:
        """Return how many sessions some of the bars lie in."""
        spans = (self.clock or SessionClock()).spans_of(candles.ts_event)
        return len(np.unique(spans[0]))

    def search_candles(self, share: float) -> Candles:
        """Return the bars that a search may see."""
        return self.holdout(share).search

    def require_timeframes(self, names: Sequence[str], share: float, metric: str) -> None:
        """Refuse timeframes of which the bars that a search may see make none, or have no metric.

        Parameters
        ----------
        names
            The first is the one that is traded on.
        share
            Of the holdout.
        metric
            What strategies are chosen by, see `tapewire.candles.optimizer.OBJECTIVES`.

        Raises
        ------
        ConfigError, InputError
            Naming the file.
        """
        seen = self.search_candles(share)
        base, columns = timeframe_name(seen.interval_ns), BarColumns.of_candles(seen)
        try:
            bars = DeclaredBars(seen, Timeframes.of(columns, base, names, self.clock))
            require_sessions(metric, bars.traded(names[0]).interval_ns)
        except (ConfigError, InputError) as error:
            raise type(error)(f"{self.description['path']}: {error}") from None


def read_bars(
    path: Path,
    request: CandleRequest | None = None,
    *,
    session: str | None = None,
    name: str | None = None,
) -> FactoryBars:
    """Read bars and work out what they are known by.

    Parameters
    ----------
    path
        See `tapewire.candles.read_candles`.
    request
        Symbol, interval and what else says how they are read; None: as they are.
    session
        When sessions begin, see `tapewire.runs.declared.session_of`.
    name
        None: the file's name, the symbol and the length of a bar.

    Raises
    ------
    ConfigError, InputError
        As reading; the message names the file.
    """
    request = request or CandleRequest("")
    clock, candles = session_of(session), request.read(path)
    identity = {
        "symbol": candles.symbol,
        "interval_ns": candles.interval_ns,
        "tick_size": candles.tick_size,
        "clock": clock_words(clock),
    }
    called = name or _called(path, candles, session)
    if not called.isprintable() or len(called) > 200:
        raise ConfigError(f"dataset: expected a name of at most 200 letters, found {called!r}")
    digest = bars_digest(candles, identity)
    description = {
        "name": called,
        **identity,
        "bars": len(candles),
        "first_ns": int(candles.ts_event[0]),
        "last_ns": int(candles.ts_event[-1]),
        "path": str(path.absolute()),
        "read": {
            "symbol": request.symbol,
            "interval": request.interval,
            "tick_size": request.tick_size,
            "faults": request.faults,
            "session": session,
        },
    }
    return FactoryBars(candles, clock, called, digest, description)


def read_again(description: dict[str, Any], path: Path | None = None) -> FactoryBars:
    """Read the bars of a description, from where they were or from another place.

    Raises
    ------
    ConfigError, InputError
        As `read_bars`.
    """
    read = dict(description["read"])
    session = read.pop("session")
    where = path or Path(description["path"])
    return read_bars(
        where, CandleRequest("", **read), session=session, name=description["name"]
    )  # fmt: skip


def require_same_bars(bars: FactoryBars, known: dict[str, Any], digest: str, whose: str) -> None:
    """Refuse bars that are not those of a description.

    Raises
    ------
    ConfigError
        Saying what is expected and what was found.
    """
    if bars.digest != digest:
        raise ConfigError(
            f"{bars.description['path']}: expected the bars of {whose}, {described(known)}, "
            f"digest {digest[:12]}, found {described(bars.description)}, digest {bars.digest[:12]}"
        )


def described(description: dict[str, Any]) -> str:
    """Return what bars a description is of, in words."""
    first, last = (
        str(np.datetime64(description[key], "ns"))[:16] for key in ("first_ns", "last_ns")
    )
    return f"{description['bars']:,} bars from {first} to {last}"


def bars_digest(candles: Candles, identity: dict[str, Any]) -> str:
    """Return SHA-256 of bars and of what they are, as 64 hexadecimal digits."""
    found = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
    for name in _COLUMNS:
        found.update(np.ascontiguousarray(getattr(candles, name), "<i8").tobytes())
    return found.hexdigest()


def clock_words(clock: SessionClock | None) -> str:
    """Return a clock as one line, the same for all spellings of it."""
    known = clock or SessionClock()
    return f"{known.start}-{known.end or known.start} {known.timezone}"


def _called(path: Path, candles: Candles, session: str | None) -> str:
    seconds = candles.interval_ns / 1e9
    parts = [path.name, candles.symbol, f"{seconds:g}s", clock_words(session_of(session))]
    return " ".join(part for part in parts if part)
