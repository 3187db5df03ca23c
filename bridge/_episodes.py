"""One episode of an environment: a simulation that stops whenever its agent has to decide."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any, Final
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
from greenlet import GreenletExit, getcurrent, greenlet

from tapewire.errors import ConfigError, StrategyError
from tapewire.strategies.plain import BUY, SELL, Context, Fill, Strategy, Timer, parameter
from tapewire.strategies.wants import Wants

#: What makes the simulation of an episode: `tapewire.Simulation` with some of its arguments.
Simulate = Callable[..., Any]
#: Records of a step: so few that signals stay the caller's own.
_RECORDS: Final = 1_000
#: Behind the features of an observation.
OWN_COLUMNS: Final = ("known", "position", "open_lots", "pnl")
_MONEY_UNITS: Final = 10**9
_DECIDE: Final = "decide"


@dataclass(frozen=True)
class Decision:
    """What an agent sees when it has to decide.

    Attributes
    ----------
    ts_ns : int
        The strategy's own time.
    observation : (columns,) float64
    pnl : float
        Net, in currency, as far as the strategy knows.
    """

    ts_ns: int
    observation: npt.NDArray[np.float64]
    pnl: float


@dataclass(frozen=True)
class EpisodeEnd:
    """How an episode ended.

    Attributes
    ----------
    last : Decision
        As of the end: position and P&L are the account's.
    digest : str
        Of the simulation.
    fills : int
    """

    last: Decision
    digest: str
    fills: int


class _Seat(Strategy):
    """Holds the position that an agent decided on."""

    episode: int = parameter(doc="number of the episode that it acts in")
    every_ns: int = parameter(doc="ns from one decision to the next")
    latency_ns: int = parameter(doc="ns from a decision to the order")

    def on_start(self, context: Context) -> None:
        self.meeting = _EPISODES[self.episode]
        self.meeting.take(context)
        self.decided: deque[int] = deque()
        self.target = 0
        first_ns = (context.now // self.every_ns + 1) * self.every_ns
        context.set_timer(at=first_ns, every=self.every_ns, name=_DECIDE)

    def on_timer(self, timer: Timer, context: Context) -> None:
        if timer.name != _DECIDE:
            self.go_to(self.decided.popleft(), context)
            return
        target = self.meeting.decide(context)
        if self.latency_ns == 0:
            self.go_to(target, context)
        else:
            self.decided.append(target)
            context.set_timer(after=self.latency_ns)

    def go_to(self, target: int, context: Context) -> None:
        self.target = target
        self.send(context)

    def send(self, context: Context) -> None:
        # One order at a time: while the market is closed they would gather by the thousand.
        missing = self.target - context.position
        if missing and not context.orders and not context.halted:
            context.submit(BUY if missing > 0 else SELL, abs(missing))

    def on_fill(self, fill: Fill, context: Context) -> None:
        self.send(context)  # if another position has been decided on meanwhile

    def on_stop(self, context: Context) -> None:
        self.meeting.see_last(context)


@cache
def _seat_of(symbol: str | None, features: tuple[str, ...]) -> type[Strategy]:
    """A class of its own for what is seen: one book, and its features."""
    wants = Wants(symbols=() if symbol is None else (symbol,), features=features)
    body = {"wants": wants, "__doc__": _Seat.__doc__, "__module__": __name__}
    return type("Agent", (_Seat,), body)


class Episode:
    """A simulation and its agent, who take turns.

    The simulation runs in a greenlet: within the callback in which the agent has to decide it is
    left, and taken up again with the decision. So the agent acts exactly where any strategy does.

    Parameters
    ----------
    simulate
        Called with ``strategies`` and `options`.
    """

    def __init__(
        self, simulate: Simulate, *, symbol: str | None, features: tuple[str, ...], every_ns: int,
        latency_ns: int, options: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self._features = features
        self._problem: ConfigError | None = None
        self._taken = False
        self._last: Decision | None = None
        number = next(_NUMBERS)
        _EPISODES[number] = self
        seat = _seat_of(symbol, features)
        strategy = seat(episode=number, every_ns=every_ns, latency_ns=latency_ns)
        self._simulation = simulate(strategies=[strategy], **options)
        self._turns = greenlet(self._play)

    # --- the agent's side -----------------------------------------------------------------------

    def go_on(self, target: int = 0) -> Decision | EpisodeEnd | None:
        """Run to the next decision, or to the end; None: nothing was ever to be decided.

        Parameters
        ----------
        target
            The position decided on, lots; of no matter for the first.
        """
        self._turns.parent = getcurrent()
        try:
            given: Decision | EpisodeEnd | None = self._turns.switch(target)
        except StrategyError:
            if self._problem is not None:
                raise self._problem from None
            raise
        return given

    def stop(self) -> EpisodeEnd:
        """End it where the agent has to decide."""
        end = self._ended(self._simulation.digest())
        self.close()
        return end

    def close(self) -> None:
        """Let nothing of it go on."""
        if self._turns:
            self._turns.parent = getcurrent()
            self._turns.throw(GreenletExit)
        self._simulation.close()

    # --- the simulation's side ------------------------------------------------------------------

    def _play(self, _: int) -> EpisodeEnd | None:
        simulation = self._simulation
        while simulation.step(_RECORDS):
            pass
        digest = simulation.finish()
        return None if self._last is None else self._ended(digest)

    def take(self, context: Context) -> None:
        """Note that a book has begun; there may be one."""
        if self._taken:
            self._problem = ConfigError(
                f"expected one instrument to trade, found {context.market.symbol} besides: name "
                "one with symbol="
            )
            raise self._problem
        self._taken = True

    def decide(self, context: Context) -> int:
        """Let the agent decide; return the position it wants."""
        self._last = self._seen(context)
        target: int = self._turns.parent.switch(self._last)
        return target

    def see_last(self, context: Context) -> None:
        """Note what is known at the end, if anything was decided."""
        if self._last is not None:
            self._last = self._seen(context)

    def _seen(self, context: Context) -> Decision:
        values = np.array([context.features[name] for name in self._features], float)
        unknown = np.isnan(values)
        values[unknown] = 0.0
        position, pnl = context.position, context.pnl / _MONEY_UNITS
        own = [float(not unknown.any()), position, context.expected_position - position, pnl]
        return Decision(context.now, np.concatenate([values, own]), pnl)

    def _ended(self, digest: str) -> EpisodeEnd:
        """The end: position and P&L are now those of the account, with what was not told yet."""
        assert self._last is not None
        (account,) = self._simulation.positions()
        observation = self._last.observation.copy()
        pnl = account.pnl / _MONEY_UNITS
        observation[-len(OWN_COLUMNS) :][[1, 3]] = account.position, pnl
        last = Decision(self._last.ts_ns, observation, pnl)
        return EpisodeEnd(last, digest, self._simulation.fills().num_rows)


_NUMBERS: Final = count(1)
_EPISODES: Final[WeakValueDictionary[int, Episode]] = WeakValueDictionary()
