"""What a backtest on candles assumes: money, costs, sizes, when orders fill, stops and targets."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from tapewire.candles import layout
from tapewire.candles.clock import DayClock, zone_of
from tapewire.candles.exits import DISTANCE_KEYS, Distance, Exits, number
from tapewire.errors import ConfigError

ENTRIES: Final = {"next_open": layout.NEXT_OPEN, "close": layout.AT_CLOSE}
WITHIN_BAR: Final = {
    "chronological": layout.CHRONOLOGICAL,
    "stop_first": layout.STOP_FIRST,
    "pessimistic": layout.PESSIMISTIC,
    "optimistic": layout.OPTIMISTIC,
}
#: Positions that may be open at once.
MAX_POSITIONS: Final = 1_000


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
    stop_loss, take_profit, trailing_stop, time_exit
        How positions end by themselves, see `Exits`.
    short : Exits, optional
        How short ones do, where they differ; else as long ones.
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
    trailing_stop: Distance | None = None
    time_exit: int | None = None
    short: Exits | None = None
    close_at: str | None = None
    open_at: str | None = None
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        number("initial_balance", self.initial_balance, above=0)
        number("point_value", self.point_value, above=0)
        for name in ("commission_rate", "commission_per_unit", "slippage_bps"):
            number(name, getattr(self, name), least=0)
        number("commission_rate", self.commission_rate, below=1)
        number("slippage_bps", self.slippage_bps, below=10_000)
        _one_of("entry", self.entry, ENTRIES)
        _one_of("within_bar", self.within_bar, WITHIN_BAR)
        count = self.max_positions
        if type(count) is not int or not 1 <= count <= MAX_POSITIONS:
            raise ConfigError(
                f"max_positions: expected a whole number from 1 to {MAX_POSITIONS}, found {count}"
            )
        if self.risk_per_trade is not None:
            number("risk_per_trade", self.risk_per_trade, above=0, most=100)
            if self.quantity is not None:
                raise ConfigError("quantity: expected no quantity beside risk_per_trade")
        if self.quantity is not None:
            number("quantity", self.quantity, above=0)
        self.exits(1)
        if self.open_at is not None and self.close_at is None:
            raise ConfigError("open_at: expected close_at beside it")
        zone_of("time_zone", self.time_zone)
        self.clock()

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Take keys and values as they stand in a file.

        Raises
        ------
        ConfigError
            If a key is unknown, or a value wrong, naming the key.
        """
        known = [field.name for field in fields(cls) if field.name != "short"]
        given = dict(values)
        for key in given:
            if key not in known:
                near = get_close_matches(str(key), known, 1)
                hint = f": did you mean {near[0]}?" if near else f", known: {', '.join(known)}"
                raise ConfigError(f"{key}: unknown key{hint}")
        for key in DISTANCE_KEYS:
            if key in given:
                given[key] = Distance.of(key, given[key])
        return cls(**given)

    def with_values(self, **values: Any) -> Self:
        """Return the same with some values changed."""
        return replace(self, **values)

    def exits(self, direction: int) -> Exits:
        """Return how positions of a direction, 1 or -1, end by themselves."""
        if direction < 0 and self.short is not None:
            return self.short
        return Exits(self.stop_loss, self.take_profit, self.trailing_stop, self.time_exit)

    @property
    def needs_atr(self) -> bool:
        """Whether something that ends positions hangs on the average true range."""
        return bool(self.atr_periods)

    @property
    def atr_periods(self) -> tuple[int, ...]:
        """Bars of each average true range that is needed, ascending."""
        return tuple(sorted({*self.exits(1).atr_periods, *self.exits(-1).atr_periods}))

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
        self.exits(1).write(one, "", tick)
        if self.short is not None:
            one["short_apart"] = 1
            self.short.write(one, "short_", tick)
        return terms


def _one_of(key: str, value: Any, known: Mapping[str, int]) -> None:
    if value not in known:
        near = get_close_matches(str(value), known, 1)
        hint = f": did you mean {near[0]}?" if near else ""
        raise ConfigError(f"{key}: expected one of {', '.join(known)}, found {value!r}{hint}")
