"""What trades do to the mid afterwards: the response function, and the propagator behind it.

The response R of a lag is the mean of side x return of the mid from just before a trade to that lag
after it (Bouchaud, Gefen, Potters and Wyart, Fluctuations and response in financial markets,
Quantitative Finance 4 (2004)). Trades follow each other with the same side, so R has what came with
later trades in it. The propagator G takes that out: return = sum over earlier trades of side x
f(lots) x [G(lag at the step's end) - G(at its start)] + noise, by least squares over steps of equal
length with lags in octaves (as Eisler, Bouchaud and Kockelkoren, The price impact of order book
events, Quantitative Finance 12 (2012), do). f is the lots (``linear``) or their root
(``square_root``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Shape = Literal["linear", "square_root"]

SHAPES: Final[tuple[Shape, ...]] = ("linear", "square_root")
#: Lags of the response function: events of the book, and ns.
EVENT_LAGS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
TIME_LAGS_NS: Final = tuple(
    int(ms * 1_000_000) for ms in (1, 10, 100, 500, 1_000, 5_000, 10_000, 60_000)
)
STEP_NS_MIN: Final = 10_000_000
LAG_NS_MAX: Final = 100_000_000_000
#: Steps that a file is cut into at most, and how many are worked on at once.
_STEPS_MAX: Final = 4_000_000
_CHUNK: Final = 250_000
#: A file has to be that many longest lags long.
_LAGS_IN_SPAN: Final = 20
_BPS: Final = 10_000


@dataclass(frozen=True)
class Trading:
    """Trades and mids of one book, in the order of their times; times in ns.

    Attributes
    ----------
    ts, event : (n,) int64
        When each trade was captured, and how many events the book had then.
    lots : (n,) int64
        Signed: above 0 where the aggressor bought.
    mid_ts, mid_event : (m,) int64
        When the mid became what it is in ``mid``.
    mid : (m,) float64
        In price, NaN where a side was empty.
    """

    ts: IntArray
    event: IntArray
    lots: IntArray
    mid_ts: IntArray
    mid_event: IntArray
    mid: FloatArray

    @property
    def span_ns(self) -> int:
        """From the first trade to the last mid."""
        return int(max(self.mid_ts[-1], self.ts[-1]) - self.ts[0])


@dataclass(frozen=True)
class Response:
    """The mid a lag after trades: mean of side x return in basis points, and its standard error."""

    lag: int
    unit: Literal["events", "ns"]
    bps: float
    stderr_bps: float
    bps_per_lot: float
    trades: int


@dataclass(frozen=True)
class Propagator:
    """G at some lags, as it was found freely, and the curve that fits it best.

    Attributes
    ----------
    shape : str
        f of the lots.
    lag_ns : (k,) float64
    bps, stderr_bps : (k,) float64
        G, for f of 1.
    push_bps : float
        What the curve begins at; 0 where none fits.
    decay : dict
        A section ``decay`` of ``market_impact``: what becomes of the push.
    curve_bps : (k,) float64
        The curve at the same lags.
    explained : float
        Share of the variance of returns that the curve explains.
    """

    shape: Shape
    lag_ns: FloatArray
    bps: FloatArray
    stderr_bps: FloatArray
    push_bps: float
    decay: dict[str, Any]
    curve_bps: FloatArray
    explained: float


def responses(trading: Trading) -> list[Response]:
    """The response function at lags in events and in time."""
    found = []
    by_event = _before(trading.mid_event, trading.event)
    by_time = _before(trading.mid_ts, trading.ts)
    last_event, last_ns = int(trading.mid_event[-1]), int(trading.mid_ts[-1])
    for event_lag in EVENT_LAGS:
        later = trading.event + event_lag
        after = np.searchsorted(trading.mid_event, later, "right") - 1
        found.append(_response(trading, by_event, after, later <= last_event, event_lag, "events"))
    for lag_ns in TIME_LAGS_NS:
        later = trading.ts + lag_ns
        after = np.searchsorted(trading.mid_ts, later, "right") - 1
        found.append(_response(trading, by_time, after, later <= last_ns, lag_ns, "ns"))
    return [one for one in found if one.trades > 1]


def _before(moments: IntArray, trades: IntArray) -> IntArray:
    """Position of the last mid before each trade; -1: there is none."""
    return np.searchsorted(moments, trades, "left") - 1


def _response(
    trading: Trading,
    before: IntArray,
    after: IntArray,
    there: npt.NDArray[np.bool_],
    lag: int,
    unit: Literal["events", "ns"],
) -> Response:
    known = there & (before >= 0)
    was, is_now = trading.mid[before[known]], trading.mid[after[known]]
    with np.errstate(invalid="ignore", divide="ignore"):
        returns = np.where(was > 0, (is_now / was - 1) * _BPS, np.nan)
    lots = trading.lots[known]
    use = np.isfinite(returns)
    returns, lots = returns[use], lots[use].astype(np.float64)
    n = returns.size
    if n < 2:
        return Response(lag, unit, 0.0, 0.0, 0.0, n)
    signed = np.sign(lots) * returns
    per_lot = float((lots * returns).sum() / (lots * lots).sum())
    error = float(signed.std(ddof=1) / np.sqrt(n))
    return Response(lag, unit, float(signed.mean()), error, per_lot, n)


def step_ns_of(span_ns: int) -> int:
    """Length of a step, whole ms."""
    return max(STEP_NS_MIN, -(-span_ns // _STEPS_MAX // 1_000_000) * 1_000_000)


def propagator(trading: Trading, shape: Shape) -> Propagator:
    """Fit G freely, then the curve that a configuration can have.

    Raises
    ------
    ValueError
        If the trades are too few, or too much alike, to tell lags apart.
    """
    step_ns = step_ns_of(trading.span_ns)
    longest = min(LAG_NS_MAX, trading.span_ns // _LAGS_IN_SPAN) // step_ns
    ends = [1]
    while 2 * ends[-1] <= longest:
        ends.append(2 * ends[-1])
    edges = np.array([0, *ends])
    normal, moment, power, n = _normal_equations(trading, shape, step_ns, edges)
    if n <= 2 * len(ends) or np.linalg.matrix_rank(normal) < len(ends):
        raise ValueError("expected trades that are enough, and spread enough, to tell lags apart")
    slopes: FloatArray = np.linalg.solve(normal, moment).astype(np.float64)
    noise = max(power - float(slopes @ moment), 0.0) / (n - len(ends))
    widths: FloatArray = np.diff(edges).astype(np.float64)
    summed = np.tril(np.ones((len(ends), len(ends)))) * widths
    free = summed @ slopes
    errors = np.sqrt(np.diag(summed @ np.linalg.inv(normal) @ summed.T) * noise)
    # A trade falls somewhere into its step: half of one before its end on average.
    lag_ns: FloatArray = (np.array(ends, np.float64) - 0.5) * step_ns
    push, decay, curve, left = _best_curve(normal, slopes, widths, lag_ns, noise)
    # What the curve leaves of the power is the free fit's rest, and how far it is from that.
    rest = power - float(slopes @ moment) + left
    explained = 1 - rest / power if power > 0 else 0.0
    return Propagator(shape, lag_ns, free, errors, push, decay, curve, explained)


def _normal_equations(
    trading: Trading, shape: Shape, step_ns: int, edges: IntArray
) -> tuple[FloatArray, FloatArray, float, int]:
    """X'X, X'y, y'y and the number of rows, of returns in bps on what was traded lags before."""
    start = int(trading.ts[0]) - step_ns
    steps = int(trading.span_ns // step_ns) + 1
    size = np.abs(trading.lots).astype(np.float64)
    weight = np.sign(trading.lots) * (size if shape == "linear" else np.sqrt(size))
    slot = np.minimum((trading.ts - start) // step_ns, steps - 1)
    traded = np.bincount(slot, weight, steps)
    sums = np.concatenate([[0.0], np.cumsum(traded)])
    at = start + np.arange(steps + 1) * step_ns
    place = np.searchsorted(trading.mid_ts, at, "right") - 1
    mids = np.where(place >= 0, trading.mid[np.maximum(place, 0)], np.nan)
    scale = float(np.nanmean(mids)) if np.isfinite(mids).any() else 1.0
    returns = np.diff(mids) / abs(scale or 1.0) * _BPS
    k = edges.size - 1
    normal, moment, power, n = np.zeros((k, k)), np.zeros(k), 0.0, 0
    for rows in _chunks(steps):
        last = rows[:, None] - edges[None, :] + 1
        before = sums[np.maximum(last, 0)]
        x = before[:, :-1] - before[:, 1:]
        y = returns[rows]
        use = np.isfinite(y)
        x, y = x[use], y[use]
        normal += x.T @ x
        moment += x.T @ y
        power += float(y @ y)
        n += y.size
    return normal, moment, power, n


def _chunks(steps: int) -> Iterator[IntArray]:
    for first in range(0, steps, _CHUNK):
        yield np.arange(first, min(first + _CHUNK, steps))


def _best_curve(
    normal: FloatArray, slopes: FloatArray, widths: FloatArray, lag_ns: FloatArray, noise: float
) -> tuple[float, dict[str, Any], FloatArray, float]:
    """Push, section, curve and what it misses of the free fit, of the best one by AIC."""
    best: tuple[float, float, dict[str, Any], FloatArray, float] | None = None
    for numbers, decay, fading in _candidates(lag_ns):
        shapes = [np.ones_like(lag_ns)] + ([] if fading is None else [fading])
        parts, curve, left = _fitted(normal, slopes, widths, shapes)
        score = left / noise + 2 * (numbers + np.count_nonzero(parts)) if noise > 0 else left
        if best is None or score < best[0]:
            push = float(parts.sum())
            permanent = round(float(parts[0]) / push, 3) if push > 0 else 0.0
            section = {**decay, "permanent": permanent}
            best = float(score), push, section, curve, left
    assert best is not None
    return best[1:]


def _candidates(
    lag_ns: FloatArray,
) -> Iterator[tuple[int, dict[str, Any], FloatArray | None]]:
    """Curves that a configuration can have: how many numbers they have, and what fades."""
    yield 0, {"type": "none"}, None
    low, high = lag_ns[0] / 1e6, lag_ns[-1] / 1e6
    for half_life_ms in np.geomspace(low, 2 * high, 60):
        decay = {"type": "exponential", "half_life_ms": round(float(half_life_ms), 3)}
        yield 1, decay, np.exp2(-lag_ns / 1e6 / half_life_ms)
    for after_ms in np.geomspace(low / 4, min(high / 10, 60_000), 24):
        for exponent in np.arange(0.1, 1.001, 0.05):
            decay = {
                "type": "power_law",
                "exponent": round(float(exponent), 3),
                "after_ms": round(float(after_ms), 3),
            }
            yield 2, decay, (1 + lag_ns / 1e6 / after_ms) ** -exponent


def _fitted(
    normal: FloatArray, slopes: FloatArray, widths: FloatArray, shapes: list[FloatArray]
) -> tuple[FloatArray, FloatArray, float]:
    """Parts of at least 0 of some curves, their sum, and by how much it misses the free fit."""
    columns = np.column_stack([np.diff(shape, prepend=0.0) / widths for shape in shapes])
    inner, outer = columns.T @ normal @ columns, columns.T @ normal @ slopes
    found: tuple[float, FloatArray] | None = None
    for chosen in ([0, 1], [0], [1], [])[0 if len(shapes) == 2 else 1 :]:
        if any(k >= len(shapes) for k in chosen):
            continue
        parts = np.zeros(len(shapes))
        if chosen:
            parts[chosen] = np.linalg.lstsq(inner[np.ix_(chosen, chosen)], outer[chosen])[0]
        if (parts < 0).any():
            continue
        off = columns @ parts - slopes
        left = float(off @ normal @ off)
        if found is None or left < found[0]:
            found = left, parts
    assert found is not None  # nothing at all always fits
    left, parts = found
    return parts, np.column_stack(shapes) @ parts, left
