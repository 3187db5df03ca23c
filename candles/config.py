"""What a backtest on candles assumes: money, costs, sizes, when orders fill, stops and targets."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from tapewire.candles import layout
from tapewire.candles.clock import DayClock
from tapewire.errors import ConfigError

ENTRIES: Final = {"next_open": layout.NEXT_OPEN, "close": layout.AT_CLOSE}
WITHIN_BAR: Final = {
    "chronological": layout.CHRONOLOGICAL,
    "stop_first": layout.STOP_FIRST,
    "pessimistic": layout.PESSIMISTIC,
    "optimistic": layout.OPTIMISTIC,
}
DISTANCES: Final = {"fixed": layout.FIXED, "percent": layout.PERCENT, "atr": layout.ATR}
#: Positions that may be open at once.
MAX_POSITIONS: Final = 1_000


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
    """

    kind: str
    value: float

    @classmethod
    def of(cls, key: str, value: Any) -> "Distance | None":
        """Take a distance as it is written: itself, ``2 %``, ``1.5 atr``, a price, or nothing.

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
            kind, number = next(iter(value.items()))
            found = cls(str(kind), number)
        else:
            found = cls(*_written(str(value)))
        if found is not None:
            if found.kind not in DISTANCES:
                raise ConfigError(
                    f"{key}: expected one of {', '.join(DISTANCES)}, found {found.kind!r}"
                )
            _number(f"{key}.{found.kind}", found.value, above=0)
            found = cls(found.kind, float(found.value))
        return found


def _written(text: str) -> tuple[str, Any]:
    text = text.strip()
    for ending, kind in (("%", "percent"), ("atr", "atr")):
        if text.lower().endswith(ending):
            return kind, text[: -len(ending)].strip()
    return "fixed", text


@dataclass(frozen=True)
class BacktestConfig:
    """Assumptions of a backtest on candles.

    Attributes
    ----------
    initial_balance : float
        Currency.
    commission_rate : float
        Share of the value of each trade's side: 0.001 is 0.1 %.
    commission_per_unit : float
        Currency per unit and side, beside the rate.
    slippage_bps : float
        Basis points of the price by which entries, exits and stops are worse; targets are limit
        orders and have none.
    max_positions : int
        Open at once, all of one direction.
    risk_per_trade : float, optional
        Percent of the balance: what a stop loses before costs, or, without a stop, the value of a
        position.
    quantity : float, optional
        Units of each position. With neither, a position takes the whole balance, divided by
        ``max_positions``, costs included.
    whole_units : bool
        Sizes are rounded down to whole units.
    point_value : float
        Currency per unit and 1.0 of price: 50 for ES.
    entry : str
        ``next_open``: a signal's order fills at the open of the next bar; ``close``: at the close
        of its own.
    within_bar : str
        What comes first where a bar reaches stop and target. ``chronological``: the open, then the
        extreme that is nearer to it (the stop where both are as near); ``pessimistic``: the open,
        then the stop; ``optimistic``: the open, then the target; ``stop_first``: the stop,
        whatever the open.
    stop_loss, take_profit : Distance, optional
        From the entry's price, slippage included.
    close_at, open_at : str, optional
        ``17:55``: positions are closed then, and none is opened until ``open_at`` (00:00).
    time_zone : str
        Of both.
    """

    initial_balance: float = 100_000.0
    commission_rate: float = 0.0
    commission_per_unit: float = 0.0
    slippage_bps: float = 0.0
    max_positions: int = 1
    risk_per_trade: float | None = None
    quantity: float | None = None
    whole_units: bool = False
    point_value: float = 1.0
    entry: str = "next_open"
    within_bar: str = "chronological"
    stop_loss: Distance | None = None
    take_profit: Distance | None = None
    close_at: str | None = None
    open_at: str | None = None
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        _number("initial_balance", self.initial_balance, above=0)
        _number("point_value", self.point_value, above=0)
        for name in ("commission_rate", "commission_per_unit", "slippage_bps"):
            _number(name, getattr(self, name), least=0)
        _number("commission_rate", self.commission_rate, below=1)
        _number("slippage_bps", self.slippage_bps, below=10_000)
        _one_of("entry", self.entry, ENTRIES)
        _one_of("within_bar", self.within_bar, WITHIN_BAR)
        count = self.max_positions
        if type(count) is not int or not 1 <= count <= MAX_POSITIONS:
            raise ConfigError(
                f"max_positions: expected a whole number from 1 to {MAX_POSITIONS}, found {count}"
            )
        if self.risk_per_trade is not None:
            _number("risk_per_trade", self.risk_per_trade, above=0, most=100)
            if self.quantity is not None:
                raise ConfigError("quantity: expected no quantity beside risk_per_trade")
        if self.quantity is not None:
            _number("quantity", self.quantity, above=0)
        for name in ("stop_loss", "take_profit"):
            Distance.of(name, getattr(self, name))
        if self.open_at is not None and self.close_at is None:
            raise ConfigError("open_at: expected close_at beside it")
        self.clock()

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Take keys and values as they stand in a file.

        Raises
        ------
        ConfigError
            If a key is unknown, or a value wrong, naming the key.
        """
        known = [field.name for field in fields(cls)]
        given = dict(values)
        for key in given:
            if key not in known:
                near = get_close_matches(str(key), known, 1)
                hint = f": did you mean {near[0]}?" if near else f", known: {', '.join(known)}"
                raise ConfigError(f"{key}: unknown key{hint}")
        for key in ("stop_loss", "take_profit"):
            if key in given:
                given[key] = Distance.of(key, given[key])
        return cls(**given)

    def with_values(self, **values: Any) -> Self:
        """Return the same with some values changed."""
        return replace(self, **values)

    @property
    def needs_atr(self) -> bool:
        """Whether a stop or a target hangs on the average true range."""
        both = (self.stop_loss, self.take_profit)
        return any(one is not None and one.kind == "atr" for one in both)

    def clock(self) -> DayClock | None:
        """Return the times of day at which positions end and begin; None: there are none."""
        if self.close_at is None:
            return None
        return DayClock.of(self.close_at, self.open_at or "00:00", self.time_zone)

    def terms(self, tick: float) -> npt.NDArray[Any]:
        """Return the record that kernels take, for prices in ticks of so much currency."""
        terms = np.zeros(1, layout.TERMS)
        one = terms[0]
        one["initial"] = self.initial_balance
        one["tick_value"] = tick * self.point_value
        one["commission_rate"] = self.commission_rate
        one["commission_per_unit"] = self.commission_per_unit
        one["slippage"] = self.slippage_bps / 10_000
        one["max_positions"] = self.max_positions
        one["whole_units"] = self.whole_units
        one["entry"] = ENTRIES[self.entry]
        one["within_bar"] = WITHIN_BAR[self.within_bar]
        if self.risk_per_trade is not None:
            one["sizing"], one["quantity"] = layout.RISK, self.risk_per_trade / 100
        elif self.quantity is not None:
            one["sizing"], one["quantity"] = layout.FIXED_QUANTITY, self.quantity
        for name, given in (("stop", self.stop_loss), ("target", self.take_profit)):
            if given is not None:
                scale = {"fixed": tick, "percent": 100.0, "atr": 1.0}[given.kind]
                one[f"{name}_kind"] = DISTANCES[given.kind]
                one[name] = float(given.value) / scale
        return terms


def _number(
    key: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> None:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"{key}: expected a number, found {value!r}")
    wants = (
        ("at least", least, least is None or number >= least),
        ("above", above, above is None or number > above),
        ("below", below, below is None or number < below),
        ("at most", most, most is None or number <= most),
    )
    for words, bound, holds in wants:
        if not holds:
            raise ConfigError(f"{key}: expected {words} {bound}, found {value}")


def _one_of(key: str, value: Any, known: Mapping[str, int]) -> None:
    if value not in known:
        near = get_close_matches(str(value), known, 1)
        hint = f": did you mean {near[0]}?" if near else ""
        raise ConfigError(f"{key}: expected one of {', '.join(known)}, found {value!r}{hint}")
