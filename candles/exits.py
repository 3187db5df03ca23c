"""How positions end by themselves: stops, targets, stops that follow, and time."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tapewire.candles import layout
from tapewire.errors import ConfigError

DISTANCES: Final = {"fixed": layout.FIXED, "percent": layout.PERCENT, "atr": layout.ATR}
DISTANCE_KEYS: Final = ("stop_loss", "take_profit", "trailing_stop")
#: Bars of an average true range, where nothing is said, and at the most.
ATR_PERIOD: Final = 14
ATR_PERIOD_MAX: Final = 100_000
#: Bars after its entry that a position may end by time.
HOLD_BARS_MAX: Final = 10_000_000


@dataclass(frozen=True)
class Distance:
    """How far from the entry a stop or a target is.

    Attributes
    ----------
    kind : str
        ``fixed``: currency of price; ``percent``: of the entry's price; ``atr``: multiples of the
        average true range at the bar of the signal.
    value : float
        Above 0.
    period : int
        Bars of the average true range, where an engine works it out.
    """

    kind: str
    value: float
    period: int = ATR_PERIOD

    @classmethod
    def of(cls, key: str, value: Any) -> "Distance | None":
        """Take a distance as it is written: itself, ``2 %``, ``1.5 atr``, ``1.5 atr(20)``, a price,
        or nothing.

        Raises
        ------
        ConfigError
            If it is none of these, naming the key.
        """
        if value is None or isinstance(value, cls):
            found = value
        elif isinstance(value, Mapping):
            if len(value) != 1:
                raise ConfigError(f"{key}: expected one of {', '.join(DISTANCES)}, found {value}")
            kind, amount = next(iter(value.items()))
            found = cls(str(kind), amount)
        else:
            found = cls(*_written(str(value)))
        if found is not None:
            if found.kind not in DISTANCES:
                raise ConfigError(
                    f"{key}: expected one of {', '.join(DISTANCES)}, found {found.kind!r}"
                )
            number(f"{key}.{found.kind}", found.value, above=0)
            if type(found.period) is not int or not 2 <= found.period <= ATR_PERIOD_MAX:
                raise ConfigError(
                    f"{key}.period: expected a whole number from 2 to {ATR_PERIOD_MAX}, found "
                    f"{found.period}"
                )
            found = cls(found.kind, float(found.value), found.period)
        return found


def _written(text: str) -> tuple[Any, ...]:
    text = text.strip()
    ranges = re.fullmatch(r"(.*?)atr(?:\((\d{1,6})\))?", text, re.IGNORECASE)
    if ranges is not None:
        return "atr", ranges[1].strip(), int(ranges[2] or ATR_PERIOD)
    return ("percent", text[:-1].strip()) if text.endswith("%") else ("fixed", text)


@dataclass(frozen=True)
class Exits:
    """How positions of a direction end by themselves; what is left out does not end them.

    Attributes
    ----------
    stop_loss, take_profit : Distance, optional
        From the entry's price, slippage included.
    trailing_stop : Distance, optional
        From the best price since the entry, and at first from the entry's. It moves as a bar ends,
        by that bar's high, or low for short positions, and never back; it acts from the next bar
        on. A percentage is of the entry's price.
    time_exit : int, optional
        Bars after its entry a position ends, at the price it would have been entered at then: the
        open, or the close where entries are at the close.
    """

    stop_loss: Distance | None = None
    take_profit: Distance | None = None
    trailing_stop: Distance | None = None
    time_exit: int | None = None

    def __post_init__(self) -> None:
        for key in DISTANCE_KEYS:
            Distance.of(key, getattr(self, key))
        bars = self.time_exit
        if bars is not None and (type(bars) is not int or not 1 <= bars <= HOLD_BARS_MAX):
            raise ConfigError(
                f"time_exit: expected a whole number of bars from 1 to {HOLD_BARS_MAX}, found "
                f"{bars!r}"
            )

    @property
    def atr_periods(self) -> tuple[int, ...]:
        """Bars of each average true range that is needed."""
        given = (self.stop_loss, self.take_profit, self.trailing_stop)
        return tuple(one.period for one in given if one is not None and one.kind == "atr")

    def write(self, terms: Any, side: str, tick: float) -> None:
        """Write them into a record that kernels take, for prices in ticks of so much currency."""
        for name, given in self._distances():
            if given is not None:
                scale = {"fixed": tick, "percent": 100.0, "atr": 1.0}[given.kind]
                terms[f"{side}{name}_kind"] = DISTANCES[given.kind]
                terms[f"{side}{name}"] = float(given.value) / scale
        terms[f"{side}hold_bars"] = self.time_exit or 0

    def place(self, terms: Any, side: str, places: Mapping[int, int]) -> None:
        """Write where among all ranges those of each distance begin, by their periods."""
        for name, given in self._distances():
            if given is not None and given.kind == "atr":
                terms[f"{side}{name}_at"] = places[given.period]

    def _distances(self) -> tuple[tuple[str, Distance | None], ...]:
        return (
            ("stop", self.stop_loss),
            ("target", self.take_profit),
            ("trail", self.trailing_stop),
        )


def number(
    key: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> None:
    """Refuse what is no number within bounds, with ConfigError that names the key."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise ConfigError(f"{key}: expected a number, found {value!r}")
    wants = (
        ("at least", least, least is None or found >= least),
        ("above", above, above is None or found > above),
        ("below", below, below is None or found < below),
        ("at most", most, most is None or found <= most),
    )
    for words, bound, holds in wants:
        if not holds:
            raise ConfigError(f"{key}: expected {words} {bound}, found {value}")
