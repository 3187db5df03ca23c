"""Fits how events beget events: a Hawkes process whose kernel is a sum of exponentials.

The decays are given, the branching ratios are found by expectation and maximisation, which climbs
to the greatest likelihood (Lewis and Mohler, A nonparametric EM algorithm for multiscale Hawkes
processes, 2011). Sums of exponentials over octaves of time come near the power laws that markets
have (Hardiman, Bercot and Bouchaud, Critical reflexivity in financial markets, European Physical
Journal B 86 (2013)).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.units import NS_PER_S
from tapewire.replay.markets._em import em_step
from tapewire.replay.markets.model import BRANCHING_MAX, DECAYS_S

_ROUNDS: Final = 200
#: Gain in likelihood per event below which it is found.
_GAIN_MIN: Final = 1e-7
EVENTS_MIN: Final = 200
#: So that rounding does not pass the limit.
_BRANCHING_KEPT: Final = BRANCHING_MAX - 1e-4


@dataclass(frozen=True)
class HawkesFit:
    """What was found.

    Attributes
    ----------
    rate_per_s : float
        Events that no other one caused, per second.
    branching : (k,) float64
        Events that each causes on average, by decay.
    log_likelihood : float
        Per event, of times in seconds.
    rounds : int
        Of climbing.
    """

    rate_per_s: float
    branching: npt.NDArray[np.float64]
    log_likelihood: float
    rounds: int


def fit_hawkes(
    times_ns: npt.NDArray[np.int64], decays_s: tuple[float, ...] = DECAYS_S
) -> HawkesFit:
    """Fit rate and branching ratios to the times of events.

    Parameters
    ----------
    times_ns : (n,) int64
        In order; n at least `EVENTS_MIN`.
    decays_s
        Times after which an event's pull on others is down to 1/e.

    Raises
    ------
    ValueError
        If there are too few events, or no time between the first and the last.
    """
    if times_ns.size < EVENTS_MIN or times_ns[-1] <= times_ns[0]:
        raise ValueError(f"expected at least {EVENTS_MIN} events in some time")
    t = (times_ns - times_ns[0]) / NS_PER_S
    span = float(t[-1])
    beta = 1 / np.array(decays_s)
    # What of each event's pull lies within the time that was seen.
    seen = np.array([np.sum(-np.expm1(-b * (span - t))) for b in beta])
    rate = 0.1 * t.size / span
    branching = np.full(beta.size, 0.8 / beta.size)
    shares: npt.NDArray[Any] = np.zeros(beta.size + 2)
    before, rounds = -np.inf, 0
    for rounds in range(1, _ROUNDS + 1):  # noqa: B007
        em_step(t, rate, branching, beta, shares)
        likelihood = (shares[-1] - rate * span - branching @ seen) / t.size
        rate = shares[0] / span
        branching = shares[1:-1] / np.maximum(seen, 1e-300)
        if likelihood - before < _GAIN_MIN:
            break
        before = likelihood
    total = branching.sum()
    if total > _BRANCHING_KEPT:
        branching = branching * (_BRANCHING_KEPT / total)
    rate = max(rate, (1 - branching.sum()) * t.size / span)  # the mean rate is what was seen
    return HawkesFit(rate, branching, float(likelihood), rounds)
