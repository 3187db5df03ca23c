"""A synthetic market over one session or many days: which contracts, when, at what prices."""

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tapewire.compiled.draws import key_of
from tapewire.compiled.units import NS_PER_DAY, NS_PER_S
from tapewire.errors import ConfigError
from tapewire.replay.markets import calendar
from tapewire.replay.markets._tables import PRICE_BITS
from tapewire.replay.markets.calendar import ListedContract
from tapewire.replay.markets.default import default_model
from tapewire.replay.markets.model import MarketModel
from tapewire.replay.markets.pathologies import Disturbance
from tapewire.replay.markets.session import RECORDS_MAX, Contract, MarketSession

INSTRUMENTS_MAX: Final = 100
DAYS_MAX: Final = 750
EVENTS_DEFAULT: Final = 2_000_000
RECORDS_MIN: Final = 64
#: Currency per price unit and lot of every contract.
MULTIPLIER: Final = 50
_HOURS_MAX: Final = 23.0
_FIRST_INSTRUMENT_ID: Final = 90_001
#: Ids of a product's contracts, from its first on.
_IDS_PER_PRODUCT: Final = 1_000
#: Records per event of the flow, about.
_RECORDS_PER_EVENT: Final = 1.28
#: Records there must be at least, over those of the snapshots.
_SNAPSHOT_FACTOR: Final = 1.2
#: A contract's price above that of the one before it, and products' prices above each other's.
_CARRY: Final = 0.01
_PRODUCT_STEP: Final = 0.1
#: Of a night's hours, those that count for how far the price goes.
_NIGHT: Final = 0.2
_LETTERS: Final = 26


@dataclass(frozen=True)
class MarketPlan:
    """What is asked for.

    Attributes
    ----------
    model : MarketModel
    events : int, optional
        Records: exactly so many of one session without ``hours``, else about so many in all.
    instruments : int
        Products, or, without ``days``, instruments that don't expire.
    days : int, optional
        Trading days; None: one session.
    hours : float, optional
        Length of a session.
    seed : int
        Any 64-bit integer.
    correlation : float
        Of the instruments' returns, 0 to 1.
    first_day : date
    open_utc : time
        When each session begins, UTC.
    pathologies : tuple of str
        See `pathologies.PATHOLOGIES`.

    Raises
    ------
    ConfigError
        If an argument is out of range.
    """

    model: MarketModel = field(default_factory=default_model)
    events: int | None = None
    instruments: int = 1
    days: int | None = None
    hours: float | None = None
    seed: int = 0
    correlation: float = 0.0
    first_day: dt.date = calendar.FIRST_DAY
    open_utc: dt.time = calendar.OPEN
    pathologies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _within("instruments", self.instruments, 1, INSTRUMENTS_MAX)
        _within("seed", self.seed, -(2**63), 2**64 - 1)
        _within("correlation", self.correlation, 0, 1)
        if self.days is not None:
            _within("days", self.days, 1, DAYS_MAX)
        if self.hours is not None:
            _within("hours", self.hours, 0.001, _HOURS_MAX)
        sessions = self.instruments * (self.days or 1)
        if self.events is not None:
            _within("events", self.events, RECORDS_MIN * sessions, 10**12)


@dataclass(frozen=True)
class MarketDay:
    """One session of a market.

    Attributes
    ----------
    date : date
        Its trading day, UTC.
    start_ns, end_ns : int
    contracts : tuple of Contract
    listed : tuple
        What the calendar says of each contract; None of those that don't expire.
    """

    date: dt.date
    start_ns: int
    end_ns: int
    contracts: tuple[Contract, ...]
    listed: tuple[ListedContract | None, ...]


class SyntheticMarket:
    """The sessions of a market, one after the other.

    Parameters
    ----------
    plan : MarketPlan

    Attributes
    ----------
    days : list of MarketDay
        Those that have begun; prices of a later one hang on how the one before it ended.
    disturbance : Disturbance
        What was put in on purpose.
    """

    def __init__(self, plan: MarketPlan) -> None:
        self.plan = plan
        self.disturbance = Disturbance(plan.pathologies)
        self.model = self.disturbance.model(plan.model)
        self.dates = calendar.trading_days(plan.first_day, plan.days or 1)
        self.days: list[MarketDay] = []
        tick, price = self.model.tick_size, self.model.price
        self._prices = [
            round(price * (1 + _PRODUCT_STEP * k) / tick) * tick for k in range(plan.instruments)
        ]
        # A contract keeps its distance from the product's price when those before it expire.
        self._carry = round(abs(price) * _CARRY / tick) * tick
        self._first_number = calendar.contracts_on("", self.dates[0])[0].number
        self._ids: dict[str, int] = {}
        self._require_room()

    def sessions(self) -> Iterator[tuple[MarketDay, MarketSession]]:
        """Yield each session; it has to be gone through before the next one."""
        more: dict[str, int] = {}
        for number, date in enumerate(self.dates):
            day = self.day_of(date)
            self.days.append(day)
            session = MarketSession(
                self.model, day.contracts, start_ns=day.start_ns, end_ns=day.end_ns,
                seed=self.plan.seed, records=self._records(),
                name=str(number), **more,
            )  # fmt: skip
            yield day, session
            engine = session.engine[0]
            more = {name: int(engine[name]) for name in ("order_id", "sequence")}
            self._go_on(day, session, number)

    def _records(self) -> int:
        """Most records of a session."""
        plan = self.plan
        if plan.days is None and plan.hours is None:
            return plan.events or EVENTS_DEFAULT
        return RECORDS_MAX

    def _length_ns(self) -> int:
        plan = self.plan
        if plan.days is None and plan.hours is None:
            return 366 * NS_PER_DAY  # the records end it
        return int((plan.hours or calendar.HOURS) * 3_600 * NS_PER_S)

    def _activity(self) -> float:
        """Factor of the rate of events, so that there are about as many as were asked for."""
        plan = self.plan
        if plan.days is None and (plan.hours is None or plan.events is None):
            return 1.0
        seconds = self._length_ns() / NS_PER_S * len(self.dates)
        each = self.model.events_per_s * _RECORDS_PER_EVENT * seconds * plan.instruments
        return (self._wanted() - self._snapshots()) / each

    def _wanted(self) -> int:
        return self.plan.events or EVENTS_DEFAULT

    def _snapshots(self) -> int:
        """Records of all snapshots, about."""
        listed = 1 if self.plan.days is None else calendar.LISTED
        return (self.model.orders + 1) * self.plan.instruments * listed * len(self.dates)

    def _require_room(self) -> None:
        plan = self.plan
        if plan.days is None and (plan.hours is None or plan.events is None):
            return
        least = round(self._snapshots() * _SNAPSHOT_FACTOR)
        if self._wanted() < least:
            raise ConfigError(
                f"events: expected at least {least:,}, of which most are the snapshots that the "
                f"sessions begin with, found {self._wanted():,}"
            )

    def day_of(self, date: dt.date) -> MarketDay:
        """A day's contracts, at the prices that stand."""
        midnight = dt.datetime.combine(date, self.plan.open_utc, dt.UTC)
        start_ns = int(midnight.timestamp()) * NS_PER_S
        contracts: list[Contract] = []
        listed: list[ListedContract | None] = []
        for k, price in enumerate(self._prices):
            if self.plan.days is None:
                contracts.append(self._contract(f"TWA{k + 1}", f"TWA{k + 1}", price, k, 1.0))
                listed.append(None)
                continue
            product = product_name(k)
            for one in calendar.contracts_on(product, date):
                at = price + (one.number - self._first_number) * self._carry
                contracts.append(self._contract(one.symbol, product, at, k, one.share))
                listed.append(one)
        end_ns = start_ns + self._length_ns()
        return MarketDay(date, start_ns, end_ns, tuple(contracts), tuple(listed))

    def _contract(self, symbol: str, product: str, price: int, k: int, share: float) -> Contract:
        first = _FIRST_INSTRUMENT_ID + (0 if self.plan.days is None else _IDS_PER_PRODUCT * k)
        if symbol not in self._ids:
            before = sum(1 for other in self._ids if _same_product(other, product))
            self._ids[symbol] = first + (k if self.plan.days is None else before)
        return Contract(
            symbol=symbol, instrument_id=self._ids[symbol], product=product,
            tick_size=self.model.tick_size, price=price, activity=self._activity() * share,
            correlation=self.plan.correlation,
        )  # fmt: skip

    def _go_on(self, day: MarketDay, session: MarketSession, number: int) -> None:
        """Take a session's last prices over, and let the night move them."""
        tick = self.model.tick_size
        closed = NS_PER_DAY - min(day.end_ns - day.start_ns, NS_PER_DAY)
        deviation = self.model.volatility_ticks * math.sqrt(closed / NS_PER_S * _NIGHT)
        seen: set[str] = set()
        for k, contract in enumerate(day.contracts):
            if contract.product in seen:
                continue
            place = len(seen)
            seen.add(contract.product)
            # Twelve uniform draws, less their mean, are nearly normal.
            draws = [
                key_of(self.plan.seed, "night", number, contract.product, i) for i in range(12)
            ]
            night = deviation * (sum(draw / 2**63 for draw in draws) - 6)
            moved = (int(session.books[k]["path"]) >> PRICE_BITS) + round(night)
            self._prices[place] += moved * tick


def product_name(k: int) -> str:
    """TWA, TWB, …, TWZ, TWAA, …"""
    letters = chr(ord("A") + k % _LETTERS)
    return f"TW{letters}" if k < _LETTERS else f"TW{chr(ord('A') + k // _LETTERS - 1)}{letters}"


def _same_product(symbol: str, product: str) -> bool:
    return symbol[:-2] == product


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{name}: expected {least:,} to {most:,}, found {value:,}")
