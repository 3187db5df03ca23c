"""``tapewire.bridge.gym``: environments of the Gymnasium API, in which an agent trades.

An episode is one simulation, in this process: the engine, its latencies and its queues are those of
any run. The environment is told how to make it, and so knows nothing of configurations and files::

    env = TradingEnv(partial(tw.Simulation, "day.mbo.dbn.zst"), every="1s")
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal
from weakref import finalize

import numpy as np
import numpy.typing as npt

from tapewire.compiled.numbers import whole
from tapewire.errors import ConfigError, NoDataError
from tapewire.features import DEFAULT_NAMES, FeatureSet
from tapewire.strategies.plain.values import Span, to_ns

try:
    import gymnasium
    from gymnasium import spaces
    from gymnasium.error import ResetNeeded
    from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv

    from tapewire.bridge._episodes import OWN_COLUMNS, Decision, Episode, EpisodeEnd, Simulate
except ModuleNotFoundError as error:
    if error.name not in ("gymnasium", "greenlet"):
        raise
    raise ConfigError(
        f"tapewire.bridge.gym: expected the package {error.name}, found none: "
        "pip install 'tapewire[rl]'"
    ) from None

Observation = npt.NDArray[np.float64]
Info = dict[str, Any]

_SHORT_FLAT_LONG: Final = 3


class TradingEnv(gymnasium.Env[Observation, Any]):
    """An agent that holds a position in one instrument, and decides again at every interval.

    It decides at whole multiples of `every` (UTC), after the first event of the book. What it
    sees then is what a strategy knows at that moment: the market as the feed's latency has shown
    it, its position and P&L as it was told. What it decides is sent `latency` later, as a market
    order for what is missing, and meets the book when it arrives there. One order is under way at
    a time; what was decided meanwhile follows it. What was not filled is asked for again with the
    next decision.

    The observation is a vector of float64: the features; ``known``, 1 where all of them are, else
    0 (those that are not are 0, too); ``position``, lots; ``open_lots``, lots of orders on their
    way, signed; ``pnl``, net, in currency. The reward is the change of that P&L, and with the
    step that ends the episode up to that of the account: all rewards come to the net P&L.

    Parameters
    ----------
    simulate
        Makes the simulation of an episode: ``partial(tapewire.Simulation, "day.mbo.dbn.zst",
        start=…, end=…, instruments=…)``. It is called with ``strategies``, and with ``seed`` where
        one is given to `reset`.
    features : sequence of str
        Names, as ``docs/features.md`` lists them.
    every : str, timedelta or int
        From one decision to the next, as ``1s``.
    latency : str, timedelta or int
        From a decision to the order.
    actions : str
        ``discrete``: 0 short, 1 flat, 2 long, by `position_size`. ``continuous``: a share of it
        from -1 to 1, rounded to whole lots.
    position_size : int
        Lots.
    symbol : str, optional
        Which instrument, where the data have several.
    steps_max : int, optional
        The episode is truncated after so many steps.

    Attributes
    ----------
    observation_names : tuple of str
        What the numbers of an observation are.

    Raises
    ------
    ConfigError
        If an argument is not as above.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        simulate: Simulate,
        *,
        features: Sequence[str] = DEFAULT_NAMES,
        every: Span = "1s",
        latency: Span = "1ms",
        actions: Literal["discrete", "continuous"] = "discrete",
        position_size: int = 1,
        symbol: str | None = None,
        steps_max: int | None = None,
    ) -> None:
        if not callable(simulate):
            raise ConfigError(
                "simulate: expected what makes a simulation, as partial(tapewire.Simulation, "
                f"'day.dbn'), found {simulate!r}"
            )
        if actions not in ("discrete", "continuous"):
            raise ConfigError(f"actions: expected discrete or continuous, found {actions!r}")
        self._simulate = simulate
        self._features = FeatureSet(features).names
        self._every_ns = _span_ns("every", every, least=1)
        self._latency_ns = _span_ns("latency", latency, least=0)
        self._size = _count("position_size", position_size)
        self._steps_max = None if steps_max is None else _count("steps_max", steps_max)
        self._symbol = symbol
        self._seed: int | None = None
        self._episode: Episode | None = None
        self._last: Decision
        self._steps = 0
        self._closing: finalize[[], TradingEnv] | None = None
        self.observation_names = (*self._features, *OWN_COLUMNS)
        shape = (len(self.observation_names),)
        self.observation_space = spaces.Box(-np.inf, np.inf, shape, np.float64)
        self.action_space = (
            spaces.Discrete(_SHORT_FLAT_LONG)
            if actions == "discrete"
            else spaces.Box(-1.0, 1.0, (1,), np.float32)
        )

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Begin an episode; one that is under way is given up.

        Parameters
        ----------
        seed
            Of the simulation's own draws, such as those of latencies; the market is what the data
            are. Without one that of the last reset stays, at first that of the configuration.
        options
            Further arguments of the simulation for this episode, such as ``start`` and ``end``.

        Raises
        ------
        NoDataError
            If there is no decision before the data end.
        TapewireError
            What the simulation raises.
        """
        super().reset(seed=seed)
        self.close()
        self._seed = seed if seed is not None else self._seed
        given = dict(options or {})
        if self._seed is not None:
            given["seed"] = self._seed
        episode = Episode(
            self._simulate, symbol=self._symbol, features=self._features,
            every_ns=self._every_ns, latency_ns=self._latency_ns, options=given,
        )  # fmt: skip
        # The simulation waits for this environment, which may be forgotten.
        self._closing = finalize(self, episode.close)
        self._closing.atexit = False
        self._episode, self._steps = episode, 0
        first = self._go_on(0)
        if not isinstance(first, Decision):
            self.close()
            raise NoDataError(
                "expected at least one decision before the data end, found none: choose a shorter "
                "every, or more data"
            )
        self._last = first
        return first.observation, self._info(first)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, Info]:
        """Act, and go on to the next decision or to the end.

        Returns
        -------
        observation, reward, terminated, truncated, info
            ``info`` has ``ts_ns``, the decision's time, and at the end ``digest`` and ``fills``.

        Raises
        ------
        ConfigError
            If the action is not one of the action space.
        ResetNeeded
            If there is no episode under way.
        """
        if self._episode is None:
            raise ResetNeeded("step: expected an episode under way, found none: call reset()")
        target = self._target(action)
        self._steps += 1
        given = self._go_on(target)
        terminated = isinstance(given, EpisodeEnd)
        truncated = not terminated and self._steps == self._steps_max
        if truncated:
            given = self._episode.stop()
        assert given is not None
        seen = given.last if isinstance(given, EpisodeEnd) else given
        reward = seen.pnl - self._last.pnl
        self._last = seen
        info = self._info(seen)
        if isinstance(given, EpisodeEnd):
            info |= {"digest": given.digest, "fills": given.fills}
            self.close()
        return seen.observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Give up the episode that is under way, if there is one."""
        if self._closing is not None:
            self._closing()
        self._closing = self._episode = None

    def _go_on(self, target: int) -> Decision | EpisodeEnd | None:
        assert self._episode is not None
        try:
            return self._episode.go_on(target)
        except BaseException:
            self.close()
            raise

    def _target(self, action: Any) -> int:
        """Lots that an action stands for."""
        values = np.asarray(action)
        if isinstance(self.action_space, spaces.Discrete):
            if values.dtype.kind in "iu" and values.size == 1 and 0 <= values.item() < 3:
                return (int(values.item()) - 1) * self._size
            raise ConfigError(f"action: expected 0 (short), 1 (flat) or 2 (long), found {action!r}")
        if values.dtype.kind in "iuf" and values.size == 1 and abs(float(values.item())) <= 1:
            return math.floor(float(values.item()) * self._size + 0.5)
        raise ConfigError(f"action: expected one number from -1 to 1, found {action!r}")

    def _info(self, seen: Decision) -> Info:
        return {"ts_ns": seen.ts_ns}


def make_vec(
    simulations: Iterable[Simulate], *, asynchronous: bool = False, **settings: Any
) -> VectorEnv[Any, Any, Any]:
    """Return a vector of environments, one for each way to make a simulation: days, or seeds.

    Parameters
    ----------
    simulations
        As `TradingEnv` takes one each.
    asynchronous
        Each in a process of its own; `simulations` have to be picklable then. Otherwise they take
        turns in this one.
    **settings
        Of every `TradingEnv`.

    Raises
    ------
    ConfigError
        If there is none.
    """
    makers = [partial(TradingEnv, simulate, **settings) for simulate in simulations]
    if not makers:
        raise ConfigError("simulations: expected at least one, found none")
    if asynchronous:
        return AsyncVectorEnv(makers, context="spawn")
    return SyncVectorEnv(makers)


def _span_ns(name: str, value: Any, *, least: int) -> int:
    try:
        span_ns = to_ns(value, name)
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error)) from None
    if span_ns < least:
        raise ConfigError(f"{name}: expected at least {least} ns, found {value!r}")
    return span_ns


def _count(name: str, value: Any) -> int:
    try:
        number = whole(value, name)
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error)) from None
    if number < 1:
        raise ConfigError(f"{name}: expected a whole number from 1, found {value!r}")
    return number
