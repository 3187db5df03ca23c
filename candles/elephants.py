"""The elephant bar (Barra Elefante): far larger than bars before it, on volume, almost all body.

A bar is one if its amplitude (high - low) is at least so many times the rolling mean of
amplitudes, its volume at least so many times that of volumes, both shadows together at most a share
of its amplitude, and it begins within the hours. Both means are over the last ``lookback`` bars,
that one included. It is followed: long if it closed above its open, short if below, at the open of
the next bar, one position at a time, with stop and target in average true ranges of the signal's
bar, and closed at a time of day.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.candles._elephants import bodies, elephants, to_mean
from tapewire.candles.clock import local_ns, time_of_day, zone_of
from tapewire.candles.config import BacktestConfig
from tapewire.candles.data import Candles
from tapewire.candles.engine import Played, VectorEngine
from tapewire.candles.exits import ATR_PERIOD, ATR_PERIOD_MAX, Distance
from tapewire.candles.layout import ATR, ENTER_LONG, ENTER_SHORT, NO_DISTANCE
from tapewire.candles.ranges import average_true_ranges
from tapewire.candles.result import BacktestResult
from tapewire.candles.signals import Codes, room_for_codes
from tapewire.compiled.units import NS_PER_DAY, NS_PER_S, PRICE_UNITS
from tapewire.errors import ConfigError, FormatError

Floats = npt.NDArray[np.float64]

_MINUTE_NS: Final = 60 * NS_PER_S
_ASSUMED: Final = BacktestConfig()
#: Lookbacks whose means are kept at once.
MEANS_MAX: Final = 16
#: A detection as the kernel takes it; times of day in minutes.
_DETECTION: Final = np.dtype(
    [
        ("amplitude", "f8"), ("volume", "f8"), ("shadow", "f8"), ("start", "i8"), ("end", "i8"),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class ElephantParams:
    """Parameters of the strategy.

    Attributes
    ----------
    lookback : int
        Bars of both rolling means, 1 to 100,000.
    min_amplitude : float
        Times the mean amplitude.
    min_volume : float
        Times the mean volume; 0: any.
    max_shadow : float
        Share of the amplitude, 0 to 1.
    start, end : str
        The bar begins at ``start`` or later and before ``end``, as 09:05; the same: all day.
    stop_atr, target_atr : float, optional
        Average true ranges from the entry; None: no stop, no target.
    close_at : str, optional
        Positions are closed then.
    time_zone : str
        Of all times of day.
    atr_period : int
        Of the stop's and the target's average true range, Wilder's, 2 to 100,000.
    """

    lookback: int = 20
    min_amplitude: float = 2.0
    min_volume: float = 1.5
    max_shadow: float = 0.3
    start: str = "00:00"
    end: str = "00:00"
    stop_atr: float | None = 1.5
    target_atr: float | None = 3.0
    close_at: str | None = None
    time_zone: str = "UTC"
    atr_period: int = ATR_PERIOD

    def __post_init__(self) -> None:
        _within("lookback", self.lookback, 1, 100_000, whole=True)
        _within("atr_period", self.atr_period, 2, ATR_PERIOD_MAX, whole=True)
        for name, most in (("min_amplitude", 1e6), ("min_volume", 1e6), ("max_shadow", 1)):
            _within(name, getattr(self, name), 0, most, whole=False)
        for name in ("start", "end"):
            time_of_day(name, getattr(self, name))
        if self.close_at is not None:
            time_of_day("close_at", self.close_at)
        for name in ("stop_atr", "target_atr"):
            value = getattr(self, name)
            if value is not None:
                _within(name, value, 0, 1e6, whole=False)
                Distance.of(name, Distance("atr", value))
        zone_of("time_zone", self.time_zone)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "ElephantParams":
        """Take parameters by name.

        Raises
        ------
        ConfigError
            If there is no such parameter, or a value is wrong.
        """
        require_names(values)
        return cls(**values)

    def config(self, base: BacktestConfig) -> BacktestConfig:
        """Return a configuration with this strategy's stop, target and closing time.

        Raises
        ------
        ConfigError
            If the given one has a stop or a target beside them, or another time zone of times that
            are of a parameter.
        """
        for key, own in (("stop_loss", "stop_atr"), ("take_profit", "target_atr")):
            if getattr(base, key) is not None:
                raise ConfigError(
                    f"{key}: expected none with barra_elefante, whose parameter {own} says it, "
                    f"found {getattr(base, key)}: give {own}"
                )
        # With a close_at of its own, an assumed time zone is that of the assumed close_at alone.
        is_ours = self.close_at is not None or base.close_at is None
        if is_ours and base.time_zone not in (_ASSUMED.time_zone, self.time_zone):
            raise ConfigError(
                f"time_zone: expected that of barra_elefante's parameter time_zone, "
                f"{self.time_zone}, found {base.time_zone}: give the parameter time_zone"
            )
        stop, target = (
            None if value is None else Distance("atr", value, self.atr_period)
            for value in (self.stop_atr, self.target_atr)
        )
        return base.with_values(
            stop_loss=stop,
            take_profit=target,
            close_at=self.close_at if self.close_at is not None else base.close_at,
            time_zone=self.time_zone if self.close_at is not None else base.time_zone,
        )

    @property
    def detection(self) -> tuple[Any, ...]:
        """Return what the detection hangs on: equal for variants that differ in exits alone."""
        return tuple(getattr(self, name) for name in _DETECTING)


def _within(name: str, value: Any, least: int, most: float, *, whole: bool) -> None:
    kinds = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        what = "a whole number" if whole else "a number"
        raise ConfigError(f"{name}: expected {what} from {least} to {most:g}, found {value!r}")


_DETECTING: Final = (
    "lookback", "min_amplitude", "min_volume", "max_shadow", "start", "end", "time_zone",
)  # fmt: skip
PARAMETERS: Final = tuple(field.name for field in fields(ElephantParams))


def require_names(values: Mapping[str, Any]) -> None:
    """Refuse names that are no parameters of the strategy, with ConfigError."""
    for name in values:
        if name not in PARAMETERS:
            near = get_close_matches(name, PARAMETERS, 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(PARAMETERS)}"
            raise ConfigError(f"{name}: no parameter of the elephant bar, {hint}")


def exit_terms(
    stops: Sequence[float | None], targets: Sequence[float | None], like: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Return terms (v,) that are ``like`` but for each variant's stop and target."""
    terms = np.repeat(like, len(stops))
    for name, values in (("stop", stops), ("target", targets)):
        terms[f"{name}_kind"] = [NO_DISTANCE if value is None else ATR for value in values]
        terms[name] = [0.0 if value is None else value for value in values]
    return terms


class ElephantDetector:
    """Finds elephant bars in candles; what several sets of parameters need is computed once."""

    def __init__(self, candles: Candles) -> None:
        n = len(candles)
        self.candles = candles
        self._spans, self._shadows = np.empty(n), np.empty(n)
        self._sides = np.empty(n, np.uint8)
        bodies(
            candles.open, candles.high, candles.low, candles.close, ENTER_LONG, ENTER_SHORT,
            self._spans, self._shadows, self._sides,
        )  # fmt: skip
        self._means: dict[int, tuple[Floats, Floats]] = {}
        self._minutes: dict[str, npt.NDArray[np.int64]] = {}
        self._ranges: dict[int, Floats] = {}

    def codes(self, params: ElephantParams, out: Codes | None = None) -> Codes:
        """Return the signals of every bar, shape (n,), in ``out`` if given."""
        one = np.zeros(1, _DETECTION)
        one["shadow"] = params.max_shadow
        one["amplitude"], one["volume"] = params.min_amplitude, params.min_volume
        for name in ("start", "end"):
            one[name] = time_of_day(name, getattr(params, name)) // _MINUTE_NS
        codes = room_for_codes(len(self.candles)) if out is None else out
        spans, volumes = self.means(params.lookback)
        minutes = self.minutes(params.time_zone)
        elephants(spans, volumes, self._shadows, self._sides, minutes, one, codes)
        return codes

    def means(self, lookback: int) -> tuple[Floats, Floats]:
        """Return amplitudes and volumes in rolling means of themselves, shape (n,) each."""
        found = self._means.get(lookback)
        if found is None:
            n = len(self.candles)
            spans, volumes = found = np.empty(n), np.empty(n)
            to_mean(self._spans, lookback, spans)
            to_mean(self.candles.volume, lookback, volumes)
            if len(self._means) >= MEANS_MAX:
                self._means.clear()
            self._means[lookback] = found
        return found

    @property
    def shadows(self) -> Floats:
        """Return the share of each bar's amplitude that is shadow, shape (n,)."""
        return self._shadows

    @property
    def sides(self) -> Codes:
        """Return the code of each bar's direction, shape (n,); 0: it closed where it opened."""
        return self._sides

    def minutes(self, time_zone: str) -> npt.NDArray[np.int64]:
        """Return the minute of the day at which each bar begins, shape (n,)."""
        if time_zone not in self._minutes:
            local = local_ns(self.candles.ts_event, zone_of("time_zone", time_zone))
            self._minutes[time_zone] = local % NS_PER_DAY // _MINUTE_NS
        return self._minutes[time_zone]

    def ranges(self, periods: Iterable[int]) -> dict[int, Floats]:
        """Return average true ranges by their periods, in ticks, shape (n,) each."""
        missing = [period for period in periods if period not in self._ranges]
        self._ranges |= average_true_ranges(self.candles, missing)
        return {period: self._ranges[period] for period in periods}


def candles_of_arrays(
    ts_event: Any, open: Any, high: Any, low: Any, close: Any, volume: Any, *, tick: float = 1.0
) -> Candles:
    """Take numpy arrays as candles, without a copy.

    Parameters
    ----------
    ts_event
        int64 (n,), ns, strictly ascending.
    open, high, low, close, volume
        int64 or float64 (n,), contiguous, without NaN; high and low hold the others.
    tick
        Currency per 1 of the prices.

    Raises
    ------
    FormatError
        If an array is of another type or length, or the bars are not sound.
    """
    arrays = {"open": open, "high": high, "low": low, "close": close, "volume": volume}
    n = len(ts_event)
    for name, array in {"ts_event": ts_event, **arrays}.items():
        kinds = (np.int64,) if name == "ts_event" else (np.int64, np.float64)
        if not isinstance(array, np.ndarray) or array.dtype not in kinds or array.shape != (n,):
            found = getattr(array, "dtype", type(array).__name__)
            raise FormatError(
                f"{name}: expected an array of {n} {' or '.join(k.__name__ for k in kinds)}, "
                f"found {found} of shape {np.shape(array)}"
            )
    if not n:
        raise FormatError("candles: expected a bar, found none")
    steps = np.diff(ts_event)
    sound = (high >= open) & (high >= close) & (low <= open) & (low <= close) & (volume >= 0)
    if not sound.all() or (steps <= 0).any():
        row = int((~sound).argmax()) if not sound.all() else int((steps <= 0).argmax()) + 1
        raise FormatError(f"row {row}: expected prices between low and high at ascending times")
    interval = int(steps.min()) if n > 1 else 60 * NS_PER_S
    return Candles(ts_event, open, high, low, close, volume, round(tick * PRICE_UNITS), interval)


def run_backtest(
    candles: Candles,
    params: ElephantParams | Mapping[str, Any] | None = None,
    config: BacktestConfig | None = None,
    *,
    atr: Any = None,
) -> BacktestResult:
    """Trade one set of parameters.

    Parameters
    ----------
    candles
        Read, or of arrays (`candles_of_arrays`): they are not copied.
    params
        Themselves, or names with values; the rest as `ElephantParams` has them.
    config
        Money, costs, sizes.
    atr
        float64 (n,), in units of the prices, of every distance that hangs on one; by default
        Wilder's, of each distance's own period: the strategy's is ``atr_period``.

    Raises
    ------
    ConfigError
        If a parameter is unknown or wrong.
    """
    given = params if isinstance(params, ElephantParams) else ElephantParams.of(params or {})
    settings = given.config(config or BacktestConfig())
    detector = ElephantDetector(candles)
    ranges = detector.ranges(settings.atr_periods) if atr is None else atr
    played = Played.of(candles, settings, ranges)
    told = {name: getattr(given, name) for name in PARAMETERS}
    return VectorEngine(settings).run_codes(
        candles, played, detector.codes(given), "barra_elefante", {"parameters": told}
    )
