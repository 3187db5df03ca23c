"""Inference latency: how long after its row a signal takes effect, as declared, not as measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from tapewire.errors import ConfigError

IntArray = npt.NDArray[np.int64]

#: Of a strategy's inference latencies, apart from all other draws.
_INFERENCE: Final = 0x1FE2
_LATENCY_NS_MAX: Final = 86_400 * 10**9


@dataclass(frozen=True)
class InferenceLatency:
    """How inference latencies are made.

    Attributes
    ----------
    type : str
        ``fixed``; ``uniform`` from ``low_ns`` to ``high_ns``; ``lognormal`` with a median and a
        sigma of its logarithm; ``recorded``, one for each row.
    low_ns, high_ns : int
        Bounds; of a fixed one both are it, and a lognormal one is cut to them.
    median_ns, sigma : float
        Of a lognormal one.
    recorded_ns : sequence of int
        Of a recorded one.
    """

    type: Literal["fixed", "uniform", "lognormal", "recorded"] = "fixed"
    low_ns: int = 0
    high_ns: int = 0
    median_ns: float = 0.0
    sigma: float = 0.0
    recorded_ns: Sequence[int] = ()

    @classmethod
    def fixed(cls, ns: int) -> "InferenceLatency":
        """The same for every row."""
        return cls(low_ns=ns, high_ns=ns)


class LatencyDraws:
    """The latencies of one strategy's rows, in their order: they hang on key and row alone.

    Parameters
    ----------
    latency
    key
        Of the strategy's own draws: of the run's seed and its name.
    """

    def __init__(self, latency: InferenceLatency, key: int) -> None:
        self._latency = latency
        keys = np.array([key & (2**64 - 1), _INFERENCE], np.uint64)
        self._random = np.random.Generator(np.random.Philox(key=keys))
        self._rows = 0

    def draw(self, n: int) -> IntArray:
        """Latencies of the next rows, (n,) ns.

        Raises
        ------
        ConfigError
            If fewer were recorded than there are rows.
        """
        latency, first = self._latency, self._rows
        self._rows += n
        if latency.type == "fixed":
            return np.full(n, latency.low_ns, np.int64)
        if latency.type == "recorded":
            if self._rows > len(latency.recorded_ns):
                raise ConfigError(
                    "inference_latency: expected a recorded latency for each row, found "
                    f"{len(latency.recorded_ns):,} of them and row {first + n - 1:,}"
                )
            return np.asarray(latency.recorded_ns[first : self._rows], np.int64)
        # One draw for a row, whatever batches the rows come in.
        if latency.type == "uniform":
            span = latency.high_ns - latency.low_ns
            drawn = latency.low_ns + self._random.random(n) * span
        else:
            drawn = latency.median_ns * np.exp(latency.sigma * _normal(self._random.random(n)))
        return np.clip(drawn, latency.low_ns, latency.high_ns or _LATENCY_NS_MAX).astype(np.int64)


def _normal(uniform: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Standard normal quantiles, by the rational approximation of Acklam (2003), to 1.2e-9.

    The generator's own normal draws take a varying number of random words.
    """
    p = np.clip(uniform, 1e-12, 1 - 1e-12)
    tail = np.sqrt(-2 * np.log(np.where(p < 0.5, p, 1 - p)))
    outer = _ratio(_C, _D, tail) * np.where(p < 0.5, 1, -1)
    q = p - 0.5
    inner = q * _ratio(_A, _B, q * q)
    return np.where(np.abs(q) <= 0.5 - 0.02425, inner, outer)


def _ratio(
    top: tuple[float, ...], bottom: tuple[float, ...], x: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.polyval(top, x) / np.polyval(bottom, x)


_A: Final = (-3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2,
             1.383577518672690e2, -3.066479806614716e1, 2.506628277459239e0)  # fmt: skip
_B: Final = (-5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2,
             6.680131188771972e1, -1.328068155288572e1, 1.0)  # fmt: skip
_C: Final = (-7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838e0,
             -2.549732539343734e0, 4.374664141464968e0, 2.938163982698783e0)  # fmt: skip
_D: Final = (7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996e0,
             3.754408661907416e0, 1.0)  # fmt: skip
