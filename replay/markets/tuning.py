"""Brings a model's sessions nearer to what was measured, by making and measuring them.

Rates as they were measured make a market whose queues settle a little elsewhere, because what
happens hangs on what happened. So sessions are made and measured, each number is moved to where
what hangs on it would be right, and so on: the simulated method of moments (McFadden, Econometrica
57 (1989)), a moment per number.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.units import NS_PER_S
from tapewire.replay.markets._books import NEAR
from tapewire.replay.markets._tables import TOUCH
from tapewire.replay.markets.fitting import plain
from tapewire.replay.markets.measuring import FlowMeasure, Measured
from tapewire.replay.markets.model import MarketModel
from tapewire.replay.markets.session import Contract, MarketSession

ROUNDS: Final = 16
#: Events to be made per round, about, and the sessions they are in.
_EVENTS: Final = 300_000
_SESSIONS_MAX: Final = 16
_SESSION_S_MAX: Final = 4 * 3600.0
_START_NS: Final = 1_709_562_600_000_000_000
#: The largest factor of a round, and how much of it is believed at first and at last.
_FACTOR_MAX: Final = 2.0
_DAMPING: Final = (0.7, 0.3)
#: Events that are thought to have been seen beside those that were.
_PRIOR: Final = 8.0
_PULL: Final = (0.02, 3.0)
#: Orders per event and side; more would come at a spread that is hardly ever met.
_ADD_MAX: Final = 10.0


def sample(model: MarketModel, seconds: float, seed: int) -> Measured:
    """Make sessions as long as something else was, and measure them.

    Parameters
    ----------
    seconds : float
        Length of a session; longer ones are cut at 4 hours.
    """
    length = min(max(seconds, 1.0), _SESSION_S_MAX)
    n = int(np.ceil(_EVENTS / max(length * model.events_per_s, 1.0)))
    parts = []
    for k in range(min(max(n, 2), _SESSIONS_MAX)):
        contract = Contract("X", 1, "X", model.tick_size, model.price)
        end_ns = _START_NS + int(length * NS_PER_S)
        session = MarketSession(
            model, [contract], start_ns=_START_NS, end_ns=end_ns, seed=seed, name=f"sample {k}",
            records=20 * _EVENTS,
        )  # fmt: skip
        measure = FlowMeasure(1, 1, model.tick_size)
        for records in session.chunks():
            measure.feed(records)
        parts.append(measure.measured())
    return Measured.together(parts)


def tune(
    model: MarketModel, real: Measured, *, rounds: int = ROUNDS, seed: int = 0,
    on_round: Callable[[int], None] = lambda done: None,
) -> MarketModel:  # fmt: skip
    """Return a model whose sessions are nearer to what was measured.

    Parameters
    ----------
    model
        As `fitting.fit_model` made it of ``real``.
    """
    for k in range(rounds):
        made = sample(model, real.seconds, seed + k)
        share = _DAMPING[0] + (_DAMPING[1] - _DAMPING[0]) * k / max(rounds - 1, 1)
        model = _nearer(model, real, made, share)
        on_round(k + 1)
    return model


def _nearer(model: MarketModel, real: Measured, made: Measured, share: float) -> MarketModel:
    """One round: numbers are moved to where what hangs on them would be right."""
    t, u = real.tally, made.tally
    scale = real.steps / max(made.steps, 1)

    def lack(name: str) -> npt.NDArray[np.float64]:
        """How often it was met or happened there, over here; damped."""
        there, here = t[name] + _PRIOR, u[name] * scale + _PRIOR
        return np.asarray(np.clip(there / here, 1 / _FACTOR_MAX, _FACTOR_MAX) ** share)

    # Too few orders at a depth: more come, fewer are canceled.
    orders = lack("orders_met")
    add = np.array(model.add)
    add[:, TOUCH : TOUCH + NEAR + 1] *= np.sqrt(orders)
    # Too long at a wide spread: more improve.
    add[:, :TOUCH] /= lack("spreads_met")[:, None]
    changed: dict[str, Any] = {
        "add": np.minimum(add, _ADD_MAX),
        "cancel": np.minimum(np.array(model.cancel) / np.sqrt(orders), 1),
        "modify": np.minimum(np.array(model.modify) * (lack("modify") / orders), 1),
        "trade": np.array(model.trade)
        * (t["trade"].sum() / max(u["trade"].sum() * scale, 1)) ** share,
    }
    for name, count in (("walk", "emptied_walked"), ("rest", "emptied_rested"),
                        ("refresh", "refreshed")):  # fmt: skip
        ratio = lack(count) / lack("filled" if name == "refresh" else "emptied")
        changed[name] = min(float(getattr(model, name) * ratio), 1.0)
    changed["trade_sizes"] = _sizes(model, t["trade_sizes"], u["trade_sizes"], share)
    long, short = (60 if real.seconds > 1_200 else 10), 1
    changed["volatility_ticks"] = model.volatility_ticks * _ratio(real, made, long) ** share
    # What it moves within a second hangs on how hard it is pulled; twice as hard is not twice.
    pull = model.pull * _ratio(real, made, short) ** (2 * share)
    changed["pull"] = min(max(pull, _PULL[0]), _PULL[1])
    return MarketModel.of(
        asdict(model) | {name: plain(value) for name, value in changed.items()}, "the model"
    )


def _ratio(real: Measured, made: Measured, horizon: int) -> float:
    there, here = real.volatility[horizon], made.volatility[horizon]
    if not (there > 0 and here > 0):
        return 1.0
    return float(np.clip(there / here, 1 / _FACTOR_MAX, _FACTOR_MAX))


def _sizes(model: MarketModel, there: Any, here: Any, share: float) -> list[list[float]]:
    """Lots of trades: those that come out too seldom, by class of size, are drawn more often."""
    classes = np.floor(np.log2(np.maximum(np.arange(there.size), 1))).astype(int)
    a = np.bincount(classes, there) / max(there.sum(), 1)
    b = np.bincount(classes, here) / max(here.sum(), 1)
    prior = _PRIOR / max(there.sum(), 1)
    factors = np.clip((a + prior) / (b + prior), 1 / _FACTOR_MAX, _FACTOR_MAX) ** share
    shares = np.array([p * factors[min(int(np.log2(n)), factors.size - 1)]
                       for n, p in model.trade_sizes])  # fmt: skip
    shares /= shares.sum()
    return [[n, float(p)] for (n, _), p in zip(model.trade_sizes, shares, strict=True)]
