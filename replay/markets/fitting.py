"""Makes a market's model of what was measured of a book."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.replay.markets._books import FAR_TICKS_MAX, NEAR
from tapewire.replay.markets._measuring import DEPTH_ZERO
from tapewire.replay.markets._tables import DEPTHS, QUANTILES_N, QUEUES, SPREADS, TOUCH
from tapewire.replay.markets.hawkes import fit_hawkes
from tapewire.replay.markets.measuring import Measured
from tapewire.replay.markets.model import MarketModel

FloatArray = npt.NDArray[np.float64]

#: Events in a state that count as much as all others together, where a state was seldom met.
_PRIOR: Final = 200.0
#: Different sizes that a model keeps: the most frequent.
_SIZES_MAX: Final = 200
_DIGITS: Final = 6
_SECONDS_MIN: Final = 10.0
#: Delays beyond this share are the capture's own hiccups, which would hold up all that follows.
_DELAY_SHARE: Final = 0.95
#: What the flow leans by, per tick, until `tuning` has found what fits.
PULL_START: Final = 0.3


def fit_model(measure: Measured, symbol: str, price: int) -> MarketModel:
    """Make a model of what was measured.

    Parameters
    ----------
    measure
        Of at least `hawkes.EVENTS_MIN` events.
    symbol : str
        Kept in the model.
    price : int
        Where its sessions begin, in 1e-9.

    Raises
    ------
    ValueError
        If too little was measured, in words.
    """
    tally = measure.tally
    if not tally["trade_sizes"].any():
        raise ValueError("expected trades with an aggressor's side, found none")
    if not tally["add"].any():
        raise ValueError("expected new orders, found none")
    if measure.seconds < _SECONDS_MIN:
        raise ValueError(
            f"expected at least {_SECONDS_MIN:g} s of trading, found {measure.seconds:.1f}"
        )
    clock = fit_hawkes(measure.times)
    steps = float(tally["steps"])
    orders_met = tally["orders_met"].astype(np.float64)
    touch = tally["queue_orders"].astype(np.float64)
    kinds = tally["modify_kinds"] / np.maximum(tally["modify_kinds"].sum(1, keepdims=True), 1)
    volatility = measure.volatility
    horizon = 60 if measure.seconds > 1_200 else (10 if measure.seconds > 120 else 1)
    depths = tally["add_depth"]
    far = np.arange(depths.size) - DEPTH_ZERO
    far_counts = np.where((far >= NEAR) & (far <= FAR_TICKS_MAX), depths, 0)
    values: dict[str, Any] = {
        "symbol": symbol,
        "tick_size": measure.tick,
        "price": price,
        "rate_per_s": clock.rate_per_s,
        "branching": clock.branching,
        "add": _adds(tally),
        "touch_add": _factors(tally["touch_add"], tally["queues_met"]),
        "touch_cancel": _factors(tally["touch_cancel"], touch),
        "touch_modify": _factors(tally["touch_modify"], touch),
        "cancel": tally["cancel"] / np.maximum(orders_met, 1),
        "modify": tally["modify"] / np.maximum(orders_met, 1),
        "trade": _factors(tally["trade"], tally["queues_met"])
        * (tally["trade"].sum() / (2 * steps)),
        "move": np.where(tally["move"].any(), tally["move"], np.arange(DEPTHS) == TOUCH + 1)
        / max(tally["move"].sum(), 1),
        "moves": kinds[:, 0],
        "downs": kinds[:, 1],
        "follow": tally["improved"][1] / max(tally["improved"].sum(), 1)
        if tally["improved"].any()
        else 0.5,
        "walk": tally["emptied_walked"] / max(tally["emptied"], 1),
        "rest": tally["emptied_rested"] / max(tally["emptied"], 1),
        "refresh": tally["refreshed"] / max(tally["filled"], 1),
        "far_ticks": _far_ticks(far, far_counts),
        "delay_ns": measure.time_quantiles("delays", np.linspace(0, _DELAY_SHARE, QUANTILES_N)),
        "profile": orders_met / (2 * steps),
        "volatility_ticks": max(volatility[horizon] / np.sqrt(horizon), 1e-3),
        "pull": PULL_START,
    }
    for k, name in enumerate(("touch_sizes", "near_sizes", "far_sizes")):
        counts = tally["sizes"][k]
        values[name] = _sizes(counts if counts.any() else tally["sizes"].sum(0))
    values["trade_sizes"] = _sizes(tally["trade_sizes"])
    return MarketModel.of({k: plain(v) for k, v in values.items()}, "the model")


def _adds(tally: Any) -> FloatArray:
    """New orders per event and side, by spread and depth; seldom met spreads lean on the others."""
    counts = tally["add"].astype(np.float64)
    met = 2.0 * tally["spreads_met"]
    out = np.zeros((SPREADS, DEPTHS))
    before = counts.sum(0) / max(met.sum(), 1.0)
    # Wider than a tick, somebody improves before long, seen or not.
    improves = max(counts[1, :TOUCH].sum() / max(met[1], 1.0), 0.05)
    for s in range(SPREADS):
        out[s] = (counts[s] + _PRIOR * before) / (met[s] + _PRIOR)
        if s == 0:
            out[s, :TOUCH] = 0
        else:
            lack = max(improves - out[s, :TOUCH].sum(), 0.0)
            out[s, TOUCH - 1] += lack
        before = out[s]
    return out


def _factors(counts: Any, met: Any) -> FloatArray:
    """Rates by class of queue, over the mean rate; seldom met classes are near 1."""
    mean = counts.sum() / max(float(met.sum()), 1.0)
    if mean == 0:
        return np.ones(QUEUES)
    prior = _PRIOR if met.sum() > 2 * _PRIOR else 1.0
    return np.asarray((counts / mean + prior) / (met + prior))


def _far_ticks(ticks: Any, counts: Any) -> FloatArray:
    if not counts.any():
        return np.linspace(NEAR, 4 * NEAR, QUANTILES_N).round()
    at = np.linspace(0, 1, QUANTILES_N)
    place = np.searchsorted(np.cumsum(counts), np.maximum(at * counts.sum(), 1e-9))
    return np.asarray(ticks[np.minimum(place, ticks.size - 1)], np.float64)


def _sizes(counts: Any) -> list[list[float]]:
    lots = np.flatnonzero(counts)
    lots = lots[lots > 0]
    lots = np.sort(lots[np.argsort(-counts[lots], kind="stable")][:_SIZES_MAX])
    total = counts[lots].sum()
    return [[int(n), _rounded(counts[n] / total)] for n in lots]


def _rounded(value: Any) -> float:
    """To six digits, so that another machine's last bit makes no other market."""
    return float(f"{float(value):.{_DIGITS}g}")


def plain(value: Any) -> Any:
    """Values as a file has them: lists, and numbers of six digits."""
    if isinstance(value, np.ndarray):
        return [plain(one) for one in value]
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return _rounded(value)
    return value
