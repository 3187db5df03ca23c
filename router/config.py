"""What a simulation is made from, in exact units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from tapewire.execution.layout import NEVER
from tapewire.execution.models import Models
from tapewire.market.instruments import InstrumentTable
from tapewire.positions.layout import CUT
from tapewire.router.doubts import FlagPolicy
from tapewire.strategies.definition import StrategyDefinition

OFF: Final = -1


Action = Literal["deny", "cancel_all", "halt", "flatten"]


@dataclass(frozen=True)
class RiskLimits:
    """Limits of one strategy instance, or of all of a run together; -1 switches one off.

    What the first six say is checked before an order leaves. With ``on_…: deny`` an order that
    would pass the limit is denied, and that is all. The last three are losses, measured whenever
    what is known is valued. What follows when a limit is reached holds for the rest of the run,
    after ``max_daily_loss`` for the rest of the session.

    Attributes
    ----------
    max_position : int
        Lots per instrument and publisher, either way, counting open orders as if filled.
    max_order_size : int
        Lots.
    max_loss : int
        1e-9 currency, net of fees, over all instruments.
    max_orders_per_second : int
        New orders and replaces in any window of one second.
    max_gross_exposure, max_net_exposure : int
        1e-9 currency at the marks, counting open orders as if filled: the worth of what is held
        in each instrument, added up without its sign, and with it.
    max_messages_per_trade : int
        Orders, replaces and cancels sent by the number of fills; before the first there may be as
        many as for one.
    max_daily_loss : int
        1e-9 currency, since the last session closed.
    max_drawdown : int
        1e-9 currency, from the best P&L so far, 0 at least.
    on_… : str
        What follows: ``deny``, only orders that reduce a position leave; ``cancel_all``, and open
        orders are canceled; ``halt``, they are, and no order leaves; ``flatten``, and the
        simulation closes positions with market orders.
    """

    max_position: int = OFF
    max_order_size: int = OFF
    max_loss: int = OFF
    max_orders_per_second: int = OFF
    on_max_loss: Action = "halt"
    max_gross_exposure: int = OFF
    max_net_exposure: int = OFF
    max_messages_per_trade: int = OFF
    max_daily_loss: int = OFF
    max_drawdown: int = OFF
    on_max_order_size: Action = "deny"
    on_max_position: Action = "deny"
    on_max_gross_exposure: Action = "deny"
    on_max_net_exposure: Action = "deny"
    on_max_messages_per_trade: Action = "deny"
    on_max_orders_per_second: Action = "deny"
    on_max_daily_loss: Action = "halt"
    on_max_drawdown: Action = "halt"

    def bound(self, key: str) -> int:
        """A limit by its key."""
        return int(getattr(self, key))

    def action(self, key: str) -> Action:
        """What follows when a limit is reached, by its key."""
        action: Action = getattr(self, f"on_{key}")
        return action


@dataclass(frozen=True)
class GatewayLimit:
    """What the gateway of each strategy's session takes in any second, and when it is cut off.

    Attributes
    ----------
    max_messages_per_second : int
        New orders, cancels and replaces, over all its books; 0: any number.
    when_exceeded : str
        ``reject``: the strategy is told at once; ``queue``: it leaves when the window allows. What
        the simulation itself sends, at the loss limit, is never rejected.
    disconnects : tuple of (int, int)
        Local times, ns, from and until when the session is cut, ascending: nothing can be sent, and
        word from the exchange waits. What the simulation itself sends waits, too.
    on_disconnect : str
        What the venue does then: ``cancel_all`` orders of the session, ``cancel_day``: all but
        those that are GTC or GTD, or ``keep`` them.
    detection_ns : int
        How long the venue takes to notice; a cut that is over by then it does not.
    """

    max_messages_per_second: int = 0
    when_exceeded: Literal["reject", "queue"] = "reject"
    disconnects: tuple[tuple[int, int], ...] = ()
    on_disconnect: Literal["cancel_all", "cancel_day", "keep"] = "cancel_all"
    detection_ns: int = 0

    def cuts(self) -> npt.NDArray[Any]:
        """The times in which the session is cut, dtype `CUT`, and one that begins never."""
        rows = np.full(len(self.disconnects) + 1, NEVER, CUT)
        for row, (at_ns, until_ns) in zip(rows, self.disconnects, strict=False):
            cancel_ns = at_ns + self.detection_ns
            noticed = self.on_disconnect != "keep" and cancel_ns < until_ns
            row["at"], row["until"] = at_ns, until_ns
            row["cancel_ns"] = cancel_ns if noticed else NEVER
            row["spares_dated"] = self.on_disconnect == "cancel_day"
        return rows


@dataclass(frozen=True)
class StrategySpec:
    """One strategy of a run.

    Attributes
    ----------
    strategy_id : str
        Its name in every result; unique in the run.
    definition : StrategyDefinition
    parameters : mapping
        Complete and checked, as ``definition.parameters`` declares them.
    symbols, publishers : tuple
        What it trades; empty means everything in the stream. A symbol may have wildcards
        (``ES*``, ``GOOG?``).
    limits : RiskLimits
    models : Models or None
        Its own models; None: the simulation's.
    seed : int or None
        Of what is drawn at random for it; None: the simulation's.
    gateway : GatewayLimit or None
        Of its session; None: the simulation's.
    shared_book : str
        Strategies with one name here meet each other where they trade one book; empty: it meets
        nobody. They have one fill model and one queue model.
    self_trade : str
        What prevents a trade of its orders with one another's, or with those of who shares the book
        with it: ``none`` (its own never meet), ``cancel_newest``, ``cancel_oldest``,
        ``cancel_both`` or ``decrement``.
    hedges : bool
        Longs and shorts of an instrument stand beside each other, see `tapewire.execution.sides`;
        else they are netted.
    """

    strategy_id: str
    definition: StrategyDefinition
    parameters: Mapping[str, Any] = field(default_factory=dict)
    symbols: tuple[str, ...] = ()
    publishers: tuple[int, ...] = ()
    limits: RiskLimits = RiskLimits()
    models: Models | None = None
    seed: int | None = None
    gateway: GatewayLimit | None = None
    shared_book: str = ""
    self_trade: str = "none"
    hedges: bool = False


@dataclass(frozen=True)
class SimulationConfig:
    """Everything that decides a simulation's result, beside its records.

    Attributes
    ----------
    instruments : InstrumentTable
    strategies : tuple of StrategySpec
    portfolio : RiskLimits or None
        Limits of all strategies together; None: they don't hang on one another.
    models : Models
        Of latency, fills, the queue, impact and fees, of all strategies without their own.
    seed : int
        Of all that is drawn at random, for all strategies without their own.
    gateway : GatewayLimit or None
        Of each strategy's session that has none of its own; None: it takes any number of messages.
    crossed_policy : str
        ``warn``: match as ever; ``halt_fills``: nothing but an auction fills while the real book is
        locked or crossed; ``abort``: the run fails.
    market_order_in_halt : str
        ``wait``: for the reopening, and takes part in its auction; ``expire``: at once.
    unseen_trades : str
        Trades without a resting order in the data. ``fill_through``: one at a worse price than an
        order's fills it, up to the size traded; ``fill``: one at its own price, too; ``pro_rata``:
        of both it has its part by size among all orders at its price; ``ignore``.
    book_clear : str
        What a clear of the book that no snapshot follows does to our orders: ``cancel``, ``keep``.
    fill_notice : str
        ``response``: a strategy learns of its fills one response latency after they happened,
        which may be before the record that caused them was captured; ``feed``: no earlier than
        that record reaches it.
    mark_price : str
        What positions are valued at: ``mid`` of the best prices; ``last`` trade; ``side_aware``,
        the bid for longs and the ask for shorts.
    event_log : bool
        Report every change of every order, too.
    touches : bool
        Report where best prices are whenever they move, in books with strategies.
    sample_interval_ns : int
        Market time between rows of the account table.
    publishers : tuple of int
        Publishers that may be in the stream, where that is known; one alone lets an order log
        leave them out.
    warmup_until_ns : int
        Records before this ``ts_recv`` only build the books: strategies, accounts, counts and
        samples begin with the first one after them. 0: there are none.
    session_closes : tuple of int
        Local times at which sessions close, ns, ascending; none: the data are one session.
    rates : mapping
        By symbol, of instruments in currencies whose rates change: from when on, ns, a price point
        is worth how much of the account's by lot, as numerator and denominator, ascending; the
        first is in force from the start.
    flags : FlagPolicy
        What is done where a record says something of itself. ``stop``: the run ends there;
        ``mark``: its book is in doubt until it is certain again, and its strategies and fills wait.
    transitions : ndarray or None
        Changes of the trading states of books, ``market.status.TRANSITION``, sorted by book and
        time. A book without any is as if it were open at all times.
    day_end : str
        Where the data are a day that is played apart: orders are canceled at its end, and what is
        held then is closed at the last best price of the other side (``flatten``), or fails the
        run (``refuse``). Empty: the data end, and that is all.
    abroad : bool
        Orders are not simulated: they leave by `Simulation.abroad`, which is told what a broker
        says of them.
    """

    instruments: InstrumentTable
    strategies: tuple[StrategySpec, ...] = ()
    portfolio: RiskLimits | None = None
    models: Models = field(default_factory=Models)
    seed: int = 0
    gateway: GatewayLimit | None = None
    crossed_policy: Literal["warn", "halt_fills", "abort"] = "halt_fills"
    market_order_in_halt: Literal["wait", "expire"] = "wait"
    unseen_trades: Literal["fill_through", "ignore", "pro_rata", "fill"] = "fill_through"
    book_clear: Literal["cancel", "keep"] = "cancel"
    fill_notice: Literal["response", "feed"] = "response"
    mark_price: Literal["mid", "last", "side_aware"] = "mid"
    event_log: bool = False
    touches: bool = False
    sample_interval_ns: int = 1_000_000_000
    publishers: tuple[int, ...] = ()
    warmup_until_ns: int = 0
    session_closes: tuple[int, ...] = ()
    rates: Mapping[str, Sequence[tuple[int, int, int]]] = field(default_factory=dict)
    flags: FlagPolicy = field(default_factory=FlagPolicy)
    transitions: npt.NDArray[Any] | None = field(default=None, compare=False)
    day_end: Literal["", "flatten", "refuse"] = ""
    abroad: bool = False

    @property
    def rate_changes(self) -> tuple[int, ...]:
        """When any rate changes, ns, ascending."""
        return tuple(sorted({ts for steps in self.rates.values() for ts, _, _ in steps[1:]}))
