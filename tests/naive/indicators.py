"""Each indicator by its definition: every value anew from the bars it is made of."""

import math
from collections.abc import Sequence
from typing import Any

NAN = math.nan


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _rolling(values: Sequence[float], period: int, what: Any) -> list[float]:
    return [
        NAN if i + 1 < period or values[i + 1 - period] != values[i + 1 - period]
        else what(values[i + 1 - period : i + 1])
        for i in range(len(values))
    ]  # fmt: skip


def _smoothed(values: Sequence[float], period: int, weight: float) -> list[float]:
    """From the mean of the first `period` numbers on, each next one counts by a weight."""
    first = sum(v != v for v in values) + period - 1
    out = [NAN] * len(values)
    for i in range(first, len(values)):
        if i == first:
            out[i] = _mean(values[i + 1 - period : i + 1])
        else:
            out[i] = out[i - 1] * (1 - weight) + values[i] * weight
    return out


def ema(values: Sequence[float], period: int) -> list[float]:
    return _smoothed(values, period, 2 / (period + 1))


def wilder(values: Sequence[float], period: int) -> list[float]:
    return _smoothed(values, period, 1 / period)


def true_ranges(high: Any, low: Any, close: Any) -> list[float]:
    return [NAN] + [
        max(high[i], close[i - 1]) - min(low[i], close[i - 1]) for i in range(1, len(close))
    ]


def stddev(window: Sequence[float]) -> float:
    mean = _mean(window)
    return math.sqrt(_mean([(v - mean) ** 2 for v in window]))


def _share(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


def _adx(high: Any, low: Any, close: Any, period: int) -> list[list[float]]:
    """Wilder's sums: the first `period` − 1 movements, then each sum less a part, plus the next."""
    moves = [(0.0, 0.0, 0.0)] * len(close)
    for i, span in enumerate(true_ranges(high, low, close)):
        if i:
            up, down = high[i] - high[i - 1], low[i - 1] - low[i]
            plus = up if up > down and up > 0 else 0.0
            minus = down if down > up and down > 0 else 0.0
            moves[i] = (plus, minus, span)
    sums = [math.fsum(column) for column in zip(*moves[1:period], strict=True)] or [0.0] * 3
    plus_di, minus_di, index = ([NAN] * len(close) for _ in range(3))
    for i in range(period, len(close)):
        sums = [s - s / period + m for s, m in zip(sums, moves[i], strict=True)]
        plus_di[i], minus_di[i] = _share(sums[0], sums[2]), _share(sums[1], sums[2])
        index[i] = _share(abs(plus_di[i] - minus_di[i]), plus_di[i] + minus_di[i])
    return [wilder(index, period), plus_di, minus_di]


def values(name: str, bars: Any, p: dict[str, Any]) -> list[list[float]]:
    """The outputs of an indicator of `BarColumns`, parameters complete."""
    o, high, low, close, volume = (
        list(map(float, getattr(bars, n))) for n in ("open", "high", "low", "close", "volume")
    )
    n = len(close)
    typical = [(a + b + c) / 3 for a, b, c in zip(high, low, close, strict=True)]
    changes = [NAN] + [close[i] - close[i - 1] for i in range(1, n)]
    match name:
        case "open" | "high" | "low" | "close" | "volume":
            return [
                [o, high, low, close, volume][
                    ("open", "high", "low", "close", "volume").index(name)
                ]
            ]
        case "sma":
            return [_rolling(close, p["period"], _mean)]
        case "ema":
            return [ema(close, p["period"])]
        case "wma":
            weights = range(1, p["period"] + 1)
            return [
                _rolling(
                    close,
                    p["period"],
                    lambda w: sum(a * b for a, b in zip(w, weights, strict=True)) / sum(weights),
                )
            ]
        case "sma_cross" | "ema_cross":
            how = ema if name == "ema_cross" else lambda v, k: _rolling(v, k, _mean)
            fast, slow = how(close, p["fast"]), how(close, p["slow"])
            return [[a - b for a, b in zip(fast, slow, strict=True)], fast, slow]
        case "rsi":
            gains = wilder([c if c != c else max(c, 0.0) for c in changes], p["period"])
            losses = wilder([c if c != c else max(-c, 0.0) for c in changes], p["period"])
            return [[g if g != g else _share(g, g + m) for g, m in zip(gains, losses, strict=True)]]
        case "highest":
            return [_rolling(high, p["period"], max)]
        case "lowest":
            return [_rolling(low, p["period"], min)]
        case "stochastic" | "williams_r":
            top, bottom = _rolling(high, p["period"], max), _rolling(low, p["period"], min)
            zipped = list(zip(close, top, bottom, strict=True))
            if name == "williams_r":
                return [[t if t != t else -_share(t - c, t - b) for c, t, b in zipped]]
            raw = [t if t != t else _share(c - b, t - b) for c, t, b in zipped]
            k = _rolling(raw, p["smooth"], _mean)
            d = _rolling(k, p["signal"], _mean)
            return [[a if b == b else b for a, b in zip(k, d, strict=True)], d]
        case "cci":

            def one(window: Sequence[float]) -> float:
                mean = _mean(window)
                away = _mean([abs(v - mean) for v in window])
                return (window[-1] - mean) / (0.015 * away) if away > 1e-9 else 0.0

            return [_rolling(typical, p["period"], one)]
        case "momentum" | "roc":
            k = p["period"]
            before = [NAN] * min(k, n) + close[: max(n - k, 0)]
            if name == "momentum":
                return [[c - b for c, b in zip(close, before, strict=True)]]
            return [[100 * (c / b - 1) for c, b in zip(close, before, strict=True)]]
        case "macd":
            late = p["slow"] - p["fast"]
            fast = ema([NAN] * min(late, n) + close[late:], p["fast"])
            macd = [a - b for a, b in zip(fast, ema(close, p["slow"]), strict=True)]
            signal = ema(macd, p["signal"])
            macd = [a if b == b else b for a, b in zip(macd, signal, strict=True)]
            return [macd, signal, [a - b for a, b in zip(macd, signal, strict=True)]]
        case "adx":
            return _adx(high, low, close, p["period"])
        case "atr":
            return [wilder(true_ranges(high, low, close), p["period"])]
        case "stddev":
            return [_rolling(close, p["period"], stddev)]
        case "bbands":
            middle = _rolling(close, p["period"], _mean)
            away = [p["width"] * s for s in _rolling(close, p["period"], stddev)]
            return [
                middle,
                [m + a for m, a in zip(middle, away, strict=True)],
                [m - a for m, a in zip(middle, away, strict=True)],
            ]
        case "obv":
            out = [volume[0]] if n else []
            for i in range(1, n):
                out.append(out[-1] + volume[i] * ((changes[i] > 0) - (changes[i] < 0)))
            return [out]
        case "vwap":
            out = []
            for i in range(n):
                mine = [k for k in range(i + 1) if bars.session[k] == bars.session[i]]
                lots = sum(volume[k] for k in mine)
                out.append(sum(typical[k] * volume[k] for k in mine) / lots if lots else NAN)
            return [out]
        case "mfi":
            flow = [NAN] + [
                typical[i]
                * volume[i]
                * ((typical[i] > typical[i - 1]) - (typical[i] < typical[i - 1]))
                for i in range(1, n)
            ]

            def index(window: Sequence[float]) -> float:
                up, down = (math.fsum(max(s * f, 0.0) for f in window) for s in (1, -1))
                return 0.0 if up + down < 1 else _share(up, up + down)

            return [_rolling(flow, p["period"], index)]
    raise AssertionError(name)
