"""What a synthetic market is like: measured numbers, as a JSON file, and the tables they become."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from tapewire.errors import ConfigError, MissingFileError
from tapewire.replay.markets._books import FAR_TICKS_MAX, NEAR
from tapewire.replay.markets._clock import COMPONENTS
from tapewire.replay.markets._tables import (
    DEPTHS,
    FACTOR_ONE,
    QUANTILES_N,
    QUEUES,
    SIZES_N,
    SPREADS,
    TABLES_DTYPE,
    TOUCH,
    WEIGHT_ONE,
)

FORMAT: Final = "tapewire-market-1"
#: Times over which an event's pull on later ones decays, in seconds.
DECAYS_S: Final = (3e-6, 6e-5, 1e-3, 2e-2, 4e-1, 8.0)
assert len(DECAYS_S) == COMPONENTS
#: A process whose events have more children than that each goes on for ever, or nearly.
BRANCHING_MAX: Final = 0.98
_TICK_MAX: Final = 10**12
_SHARES: Final = ("follow", "walk", "rest", "refresh")

Numbers = tuple[float, ...]
Sizes = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class MarketModel:
    """The numbers a synthetic market is drawn by; all rates are per event of the book.

    Attributes
    ----------
    symbol : str
        What it was measured on; empty where it was not.
    tick_size : int
        In 1e-9.
    price : int
        Where the first session begins, in 1e-9.
    rate_per_s : float
        Events per second that no other event caused.
    branching : (6,)
        Events that each event causes on average, by `DECAYS_S`.
    add : (3, 27)
        New orders per side: for a spread of 1, 2 and 3 or more ticks, by depth (improving by 2 or
        more ticks, by 1, at the touch, then each tick, the last one for all beyond).
    touch_add, touch_cancel, touch_modify : (7,)
        Factors at the touch by orders in its queue: up to 1, 2, 4, 8, 16, 32, and more.
    cancel, modify : (25,)
        Per order, by ticks from the touch.
    trade : (7,)
        Per side, by orders in the queue that is taken from.
    move : (27,)
        Shares of depths that modified orders go to.
    moves, downs : (2,)
        Shares of modifies that change the price, or take lots away: at the touch, elsewhere.
    follow : float
        Share of improving orders on the side that did not empty.
    walk, rest : float
        Share of trades that go on beyond a level they emptied, or leave an order there.
    refresh : float
        Share of filled orders that show again at the back of the queue.
    far_ticks, delay_ns : (65,)
        Quantiles of the depth of orders far away, and of ``ts_recv − ts_event``.
    touch_sizes, near_sizes, far_sizes, trade_sizes : pairs of lots and share
    profile : (25,)
        Orders per depth as a session begins, and of those beyond.
    volatility_ticks : float
        Of the efficient price, per root of a second.
    pull : float
        How the flow leans towards it, per tick.
    """

    symbol: str
    tick_size: int
    price: int
    rate_per_s: float
    branching: Numbers
    add: tuple[Numbers, ...]
    touch_add: Numbers
    touch_cancel: Numbers
    touch_modify: Numbers
    cancel: Numbers
    modify: Numbers
    trade: Numbers
    move: Numbers
    moves: Numbers
    downs: Numbers
    follow: float
    walk: float
    rest: float
    refresh: float
    far_ticks: tuple[int, ...]
    delay_ns: tuple[int, ...]
    touch_sizes: Sizes
    near_sizes: Sizes
    far_sizes: Sizes
    trade_sizes: Sizes
    profile: Numbers
    volatility_ticks: float
    pull: float

    @property
    def events_per_s(self) -> float:
        """Mean rate of events."""
        return self.rate_per_s / (1 - sum(self.branching))

    @property
    def orders(self) -> int:
        """Orders a session begins with, about."""
        return int(2 * sum(self.profile))

    def to_json(self) -> str:
        """The model as a file has it."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model's file.

        Raises
        ------
        MissingFileError
            If it can't be read.
        ConfigError
            If it is no such file, or a number in it can't be.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "is no text"
            raise MissingFileError(
                f"{path}: expected a market model, can't be read: {why}"
            ) from None
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{path}: line {error.lineno}: expected JSON: {error.msg}") from None
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ConfigError(f'{path}: format: expected "{FORMAT}", a file of data calibrate')
        del values["format"]
        return cls.of(values, str(path))

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str) -> Self:
        """A model of plain values, checked; ``where`` begins the messages.

        Raises
        ------
        ConfigError
            If a key is missing or unknown, or a number can't be.
        """
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                raise ConfigError(f"{where}: {name}: is no key of a market model")
        checked: dict[str, Any] = {}
        for name in names:
            if name not in values:
                raise ConfigError(f"{where}: {name}: is missing")
            checked[name] = _checked(name, values[name], f"{where}: {name}")
        if min(sum(row[TOUCH:]) for row in checked["add"]) < _LEAST:
            raise ConfigError(f"{where}: add: expected orders that come at every spread")
        if checked["cancel"][0] * min(checked["touch_cancel"]) < _LEAST:
            raise ConfigError(f"{where}: cancel: expected cancels at the touch, in every queue")
        if sum(checked["branching"]) > BRANCHING_MAX:
            raise ConfigError(f"{where}: branching: expected a sum of at most {BRANCHING_MAX}")
        return cls(**checked)

    def tables(self) -> npt.NDArray[Any]:
        """What the kernels draw by: ``TABLES_DTYPE``, shape (1,)."""
        out = np.zeros(1, TABLES_DTYPE)
        t = out[0]
        for name in ("add", "cancel", "modify", "trade"):
            t[name] = _scaled(getattr(self, name), WEIGHT_ONE)
        for name in ("touch_add", "touch_cancel", "touch_modify", "moves", "downs", "follow",
                     "walk", "rest", "refresh", "pull"):  # fmt: skip
            t[name] = _scaled(getattr(self, name), FACTOR_ONE)
        t["away"] = t["add"][:, TOUCH + 1 :].sum(axis=1)
        t["leave"] = t["cancel"] + t["modify"]
        t["move"] = np.cumsum(_scaled(self.move, WEIGHT_ONE))
        t["far"], t["delay"] = self.far_ticks, self.delay_ns
        for k, pairs in enumerate((self.touch_sizes, self.near_sizes, self.far_sizes)):
            t["sizes"][k] = _lookup(pairs)
        t["lots"] = _lookup(self.trade_sizes)
        return out


_SHAPES: Final[Mapping[str, tuple[int, ...]]] = {
    "branching": (COMPONENTS,),
    "add": (SPREADS, DEPTHS),
    "touch_add": (QUEUES,),
    "touch_cancel": (QUEUES,),
    "touch_modify": (QUEUES,),
    "cancel": (NEAR + 1,),
    "modify": (NEAR + 1,),
    "trade": (QUEUES,),
    "move": (DEPTHS,),
    "moves": (2,),
    "downs": (2,),
    "profile": (NEAR + 1,),
    "far_ticks": (QUANTILES_N,),
    "delay_ns": (QUANTILES_N,),
}
_NUMBER_MAX: Final = 1e6
#: Beyond these, products of weights would not fit in 63 bits, or orders in their book.
_MOST: Final[Mapping[str, float]] = {
    "add": 100.0, "trade": 100.0, "cancel": 1.0, "modify": 1.0, "touch_add": 32.0,
    "touch_cancel": 32.0, "touch_modify": 32.0, "profile": 1e5, "far_ticks": FAR_TICKS_MAX,
    "delay_ns": 1e12,
}  # fmt: skip
#: Something has to be able to happen in every book: orders come, and at the touch they go.
_LEAST: Final = 1e-4


def _checked(name: str, value: Any, where: str) -> Any:
    """The value of a key as the model has it."""
    if name == "symbol":
        if not isinstance(value, str):
            raise ConfigError(f"{where}: expected text, found {value!r}")
        return value
    if name.endswith("_sizes"):
        return _checked_sizes(value, where)
    if name in ("tick_size", "price"):
        if type(value) is not int or abs(value) >= 2**62 or (name == "tick_size" and value < 1):
            raise ConfigError(f"{where}: expected a whole number of 1e-9, found {value!r}")
        if name == "tick_size" and value > _TICK_MAX:
            raise ConfigError(f"{where}: expected at most {_TICK_MAX}, found {value}")
        return value
    whole = name in ("far_ticks", "delay_ns")
    most = _MOST.get(name, _NUMBER_MAX)
    shape = _SHAPES.get(name, ())
    try:
        array = np.array(value, np.float64)
    except (ValueError, TypeError):
        array = np.full(0, np.nan)
    if array.shape != shape:
        raise ConfigError(f"{where}: expected {_shape_words(shape)}, found another shape")
    if not np.isfinite(array).all() or (array < 0).any() or (array > most).any():
        raise ConfigError(f"{where}: expected numbers from 0 to {most:g}")
    if name in (*_SHARES, "moves", "downs") and (array > 1).any():
        raise ConfigError(f"{where}: expected shares from 0 to 1")
    if name in ("rate_per_s", "volatility_ticks") and not array > 0:
        raise ConfigError(f"{where}: expected a number above 0")
    if whole and (np.diff(array) < 0).any():
        raise ConfigError(f"{where}: expected quantiles that do not fall")
    if name in ("add", "trade", "move") and not (array.sum(axis=-1) > 0).all():
        raise ConfigError(f"{where}: expected a number above 0 among them")
    if len(shape) == 2:
        return tuple(tuple(map(float, row)) for row in array)
    if not shape:
        return float(array)
    return tuple(map(int if whole else float, array))


def _shape_words(shape: tuple[int, ...]) -> str:
    if not shape:
        return "a number"
    return " lists of ".join(map(str, shape)) + " numbers"


def _checked_sizes(value: Any, where: str) -> Sizes:
    pairs = []
    for pair in value if isinstance(value, list | tuple) else ():
        match pair:
            case [int(lots), int() | float() as share] if (
                0 < lots < 2**20 and math.isfinite(share) and share > 0
            ):
                pairs.append((lots, float(share)))
            case _:
                raise ConfigError(f"{where}: expected pairs of lots and a share, found {pair!r}")
    if not pairs:
        raise ConfigError(f"{where}: expected at least one pair of lots and a share")
    return tuple(sorted(pairs))


def _scaled(values: Any, one: int) -> npt.NDArray[np.int64]:
    return np.rint(np.array(values, np.float64) * one).astype(np.int64)


def _lookup(pairs: Sizes) -> npt.NDArray[np.int64]:
    """A table with each number of lots as often as its share has it."""
    lots, shares = np.array(pairs, np.float64).T
    edges = np.cumsum(shares) / shares.sum()
    at = np.searchsorted(edges, (np.arange(SIZES_N) + 0.5) / SIZES_N)
    return np.asarray(lots[np.minimum(at, len(lots) - 1)], np.int64)
