"""The kernel that only sums up: one position at a time, no trades and no equity kept.

It does what `tapewire.candles._kernels.trade` does, from event to event: the next entry and exit
are found among bits, the first touch of a level and the extremes between by the outline. Every sum
is that kernel's to the last bit, but for the largest fall's share of its peak (1e-12).
"""

from typing import Any, Final

from tapewire.candles._bits import has_bit, next_bit
from tapewire.candles._outline import extremes, first_touch
from tapewire.candles._positions import _costs, _count, _size, within
from tapewire.candles.layout import (
    AT_CLOSE,
    ATR,
    BARS_PER_BITS,
    CLOCK,
    END,
    NO_DISTANCE,
    PERCENT,
    SHUT_AT_CLOSE,
    SHUT_AT_OPEN,
    SIGNAL,
    TARGET,
)
from tapewire.compiled.jit import jit, jit_entry, jit_inline

_INFINITY: Final = float("inf")


#: Bars that many variants are traded on before any goes on: their prices stay in the near cache.
TILE: Final = 1024


@jit_entry
def tally_all(
    terms: Any, bars: Any, outline: Any, planes: Any, leaves: Any, ends: Any, summaries: Any,
    places: Any, daily: Any,
) -> None:  # fmt: skip
    """Trade the same signals under several terms (v,): a summary and a row of days each."""
    n = len(bars[0])
    for start in range(0, n, TILE):
        stop = min(start + TILE, n)
        told = planes[:, start >> 6 : (stop + BARS_PER_BITS - 1) >> 6]
        for v in range(len(terms)):
            tally(
                terms[v], bars, outline, planes, told, leaves, ends, summaries[v], places[v],
                daily[v], start, stop,
            )  # fmt: skip


@jit
def tally(
    t: Any, bars: Any, outline: Any, planes: Any, told: Any, leaves: Any, ends: Any, s: Any, p: Any,
    daily: Any, start: int, stop: int,
) -> None:  # fmt: skip
    """Trade the entries of bars from one up to another, a multiple of 64 each but for the last.

    ``bars`` is that of `tapewire.candles._kernels.trade`. ``outline`` is that of `first_touch`;
    ``planes`` are the signals (4, words), of which ``told`` has the entries from ``start`` on;
    ``leaves`` the bars at whose open and at whose close the clock ends positions, ascending, two
    arrays that end with n. ``s`` and ``p`` are where one strategy is between two calls.
    """
    opens, highs, lows, closes, clock, atr = bars
    few, many = outline
    leaves_open, leaves_close = leaves
    n = len(closes)
    at_close = t.entry == AT_CLOSE
    shut = SHUT_AT_CLOSE if at_close else SHUT_AT_OPEN
    levels = t.stop_kind != NO_DISTANCE or t.target_kind != NO_DISTANCE
    slippage, tick_value = t.slippage, t.tick_value
    if start == 0:
        s.balance, s.peak = t.initial, t.initial
        p.long_exit, p.short_exit, p.flat = -1, -1, -1
    balance, flat, i = s.balance, p.flat, p.bar
    while True:
        signal = start + next_bit(told[0], i - start, stop - start) if i < stop else stop
        bar = signal if at_close else signal + 1
        if signal >= stop or bar >= n:
            i = max(i, stop)
            break
        i = signal + 1
        if len(clock) and clock[bar] & shut:
            continue
        # Enter.
        direction = 1 if has_bit(told[1], signal - start) else -1
        raw = float(closes[bar]) if at_close else float(opens[bar])
        entry_px = raw + direction * abs(raw) * slippage
        span = atr[signal] if len(atr) else 0.0
        risk = _away(t.stop_kind, t.stop, entry_px, span)
        reward = _away(t.target_kind, t.target, entry_px, span)
        quantity = 0.0
        if risk > 0.0 and reward > 0.0 and balance > 0.0:  # not so for NaN
            quantity = _size(t, balance, entry_px, risk if risk < _INFINITY else 0.0)
        if not quantity > 0.0:
            s.refused += 1
            continue
        if 0 <= flat < bar:
            _value(s, balance, balance)
        flat = bar
        _days(s, ends, daily, closes, bar, balance, 0.0)
        stop_px, target_px = entry_px - direction * risk, entry_px + direction * reward
        commission = _costs(t, entry_px, quantity)
        balance -= commission
        s.commission += commission
        # What ends it: bars of the clock and of signals, then levels before them.
        while leaves_open[p.next_open] <= bar:
            p.next_open += 1
        first = bar + 1 if at_close else bar
        while leaves_close[p.next_close] < first:
            p.next_close += 1
        at_open, clock_close = leaves_open[p.next_open], leaves_close[p.next_close]
        exit_bar = _exit_told(p, planes, direction, first, n) + (0 if at_close else 1)
        end = min(min(at_open, clock_close), min(exit_bar, n))
        left = end
        if levels:
            lower, upper = min(stop_px, target_px), max(stop_px, target_px)
            left = first_touch(highs, lows, few, many, first, end, lower, upper)
        raw, reason = 0.0, 0
        is_open_exit = left == end and (at_open == left or (exit_bar == left and not at_close))
        if left >= n:
            left, raw, reason = n - 1, float(closes[n - 1]), END
        elif is_open_exit:
            raw, reason = float(opens[left]), CLOCK if at_open == left else SIGNAL
        else:
            raw, reason = within(
                t.within_bar, direction, float(opens[left]), float(highs[left]), float(lows[left]),
                stop_px, target_px,
            )  # fmt: skip
            if reason == 0:
                raw, reason = float(closes[left]), CLOCK if clock_close == left else SIGNAL
        # Value the bars between, then leave.
        per_tick = direction * quantity * tick_value
        base = balance - per_tick * entry_px
        held = n if reason == END else left
        if held > bar:
            # Its closes were between its levels, but for that of the entry.
            at_worst, at_best = base + per_tick * stop_px, base + per_tick * target_px
            if (
                at_close or at_best > s.peak or s.peak - at_worst > s.max_drawdown
                or s.peak - at_worst > s.max_drawdown_share * s.peak
            ):  # fmt: skip
                least, most = extremes(closes, few, many, bar, held)
                _value_held(s, closes, bar, held, base, per_tick, least, most)
            s.busy_bars += held - bar
            _days(s, ends, daily, closes, held, base, per_tick)
        price, fee = raw, 0.0
        if reason != TARGET and reason != END:
            price = raw - direction * abs(raw) * slippage
        if reason != END:  # which is a mark, no trade
            fee = _costs(t, price, quantity)
        gross = direction * (price - entry_px) * quantity * tick_value
        balance += gross - fee
        s.commission += fee
        s.held_bars += left - bar
        _count(s, gross - fee - commission)
        s.trades += 1
        if reason == END:
            flat, i = -1, n
            break
        flat = left
        # The bar before an open says what is entered there.
        i = left - 1 if is_open_exit and not at_close else left
    s.balance, p.flat, p.bar = balance, flat, i
    if stop == n:
        if flat >= 0:
            _value(s, balance, balance)
        _days(s, ends, daily, closes, n, balance, 0.0)


@jit_inline
def _exit_told(p: Any, planes: Any, direction: int, first: int, n: int) -> int:
    """The first bar from one on that says exit; what was found before is not looked for again."""
    if direction > 0:
        if p.long_exit < first:
            p.long_exit = next_bit(planes[2], first, n)
        return p.long_exit
    if p.short_exit < first:
        p.short_exit = next_bit(planes[3], first, n)
    return p.short_exit


@jit_inline
def _away(kind: int, value: float, price: float, atr: float) -> float:
    """How far a stop or a target is from a price, in ticks; infinity: there is none."""
    if kind == NO_DISTANCE:
        return _INFINITY
    if kind == PERCENT:
        return abs(price) * value
    return atr * value if kind == ATR else value


@jit_inline
def _value(s: Any, highest: float, lowest: float) -> None:
    """Note a largest fall: from the peak, or from a value above it that comes before."""
    s.peak = max(s.peak, highest)
    fall = s.peak - lowest
    s.max_drawdown = max(s.max_drawdown, fall)
    if fall > s.max_drawdown_share * s.peak:
        s.max_drawdown_share = fall / s.peak


@jit_inline
def _value_held(
    s: Any, closes: Any, bar: int, end: int, base: float, per_tick: float, least: float, most: float
) -> None:  # fmt: skip
    """Value a position over bars whose lowest and highest close are known.

    Only where it rises above the peak, and falls from there by more than ever, does it matter
    which came first: then bars are looked at one by one.
    """
    low, high = base + per_tick * least, base + per_tick * most
    if per_tick < 0.0:
        low, high = high, low
    if high <= s.peak:
        _value(s, high, low)
    elif high - low <= s.max_drawdown and high - low <= s.max_drawdown_share * s.peak:
        s.peak = high
    else:
        for i in range(bar, end):
            now = base + per_tick * float(closes[i])
            _value(s, now, now)


@jit_inline
def _days(
    s: Any, ends: Any, daily: Any, closes: Any, end: int, base: float, per_tick: float
) -> None:
    """Write what there is as sessions end, up to a bar."""
    while s.day < len(ends) and ends[s.day] < end:
        daily[s.day] = base + per_tick * float(closes[ends[s.day]])
        s.day += 1
