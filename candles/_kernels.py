"""The engine's kernel: one strategy's signals become trades, bar by bar.

Numbers of a price are ticks, whole or float. While nothing is open, bars without an entry are
passed over eight at a time.
"""

from typing import Any, Final

from tapewire.candles._positions import enter, leave, within
from tapewire.candles.layout import (
    AT_CLOSE,
    BARS_PER_WORD,
    CLOCK,
    END,
    ENTER_LONG,
    ENTRIES,
    ENTRIES_WORD,
    EXIT_LONG,
    EXIT_SHORT,
    LEAVE_AT_CLOSE,
    LEAVE_AT_OPEN,
    SHUT_AT_CLOSE,
    SHUT_AT_OPEN,
    SIGNAL,
)
from tapewire.compiled.jit import jit, jit_entry, jit_inline

_INFINITY: Final = float("inf")


@jit_entry
def simulate(
    terms: Any, bars: Any, words: Any, codes: Any, ends: Any, slots: Any, summary: Any,
    trades: Any, equity: Any, daily: Any,
) -> None:  # fmt: skip
    """Trade one strategy; see `trade`."""
    trade(terms[0], bars, words, codes, ends, slots, summary[0], trades, equity, daily)


@jit
def trade(
    t: Any, bars: Any, words: Any, codes: Any, ends: Any, slots: Any, s: Any,
    trades: Any, equity: Any, daily: Any,
) -> None:  # fmt: skip
    """Trade one strategy.

    ``bars`` is open, high, low, close (n,), the clock's marks (n,) or (0,), the average true range
    (n,) or (0,). ``words`` and ``codes`` are the same signals. ``equity`` (n,) and ``daily`` (one
    per end of a session) are filled as far as they are long, ``trades`` too; ``slots`` has room
    for every open position.
    """
    opens, highs, lows, closes, clock, atr = bars
    n = len(closes)
    s.balance = t.initial
    s.peak = t.initial
    pending = 0
    i = 0
    while i < n:
        if s.open == 0 and pending & ENTRIES == 0:
            pending = 0
            j = _next_entry(words, codes, i, n)
            _stay(s, ends, equity, daily, i, j)
            i = j
        elif pending == 0:
            i = _hold(t, s, slots, codes, highs, lows, closes, clock, ends, equity, daily, i)
        if i >= n:
            break
        marks = clock[i] if len(clock) else 0
        # At the open.
        price = float(opens[i])
        if marks & LEAVE_AT_OPEN:
            _leave_all(t, s, slots, trades, price, i, CLOCK)
        if pending:
            _leave_told(t, s, slots, trades, pending, price, i)
            if pending & ENTRIES and not marks & SHUT_AT_OPEN:
                _enter_told(t, s, slots, pending, price, i, atr[i - 1] if len(atr) else 0.0)
        # Within the bar.
        if s.open and t.stop_kind + t.target_kind:
            _leave_within(t, s, slots, trades, price, float(highs[i]), float(lows[i]), i)
        # At the close.
        price = float(closes[i])
        if marks & LEAVE_AT_CLOSE:
            _leave_all(t, s, slots, trades, price, i, CLOCK)
        pending = codes[i]
        if t.entry == AT_CLOSE:
            _leave_told(t, s, slots, trades, pending, price, i)
            if pending & ENTRIES and not marks & SHUT_AT_CLOSE:
                _enter_told(t, s, slots, pending, price, i, atr[i] if len(atr) else 0.0)
            pending = 0
        _mark(t, s, slots, ends, equity, daily, price, i)
        i += 1
    if s.open:
        _leave_all(t, s, slots, trades, float(closes[n - 1]), n - 1, END)


@jit_inline
def _next_entry(words: Any, codes: Any, i: int, n: int) -> int:
    """The next bar from one on that enters; n: there is none."""
    while i < n and i % BARS_PER_WORD:
        if codes[i] & ENTRIES:
            return i
        i += 1
    if i >= n:
        return n
    word = i // BARS_PER_WORD
    while word < len(words) and words[word] & ENTRIES_WORD == 0:
        word += 1
    i = word * BARS_PER_WORD
    while i < n and codes[i] & ENTRIES == 0:
        i += 1
    return min(i, n)


@jit_inline
def _stay(s: Any, ends: Any, equity: Any, daily: Any, i: int, j: int) -> None:
    """Nothing is open from bar i up to j: write that where it is asked for."""
    if len(equity):
        equity[i:j] = s.balance
    while s.day < len(ends) and ends[s.day] < j:
        if len(daily):
            daily[s.day] = s.balance
        s.day += 1


@jit
def _hold(
    t: Any, s: Any, slots: Any, codes: Any, highs: Any, lows: Any, closes: Any,
    clock: Any, ends: Any, equity: Any, daily: Any, i: int,
) -> int:  # fmt: skip
    """Pass over bars in which nothing happens to what is open, and value it; the first other one.

    Together, positions are worth what they cost and so much a tick, and stay while prices are
    within the nearest of their levels.
    """
    worth, per_tick, lower, upper = s.balance, 0.0, -_INFINITY, _INFINITY
    for k in range(s.open):
        one = slots[k]
        value = one.direction * one.quantity * t.tick_value
        worth -= value * one.entry_px
        per_tick += value
        lower = max(lower, min(one.stop_px, one.target_px))
        upper = min(upper, max(one.stop_px, one.target_px))
    peak, deepest, share = s.peak, s.max_drawdown, s.max_drawdown_share
    first, n, end = i, len(closes), len(closes)
    if s.day < len(ends):
        end = ends[s.day]
    while i < n and codes[i] == 0:
        if lows[i] <= lower or highs[i] >= upper or (len(clock) and clock[i]):
            break
        now = worth + per_tick * closes[i]
        peak = max(peak, now)
        fall = peak - now
        deepest = max(deepest, fall)
        if fall > share * peak:
            share = fall / peak
        if len(equity):
            equity[i] = now
        if i == end:
            if len(daily):
                daily[s.day] = now
            s.day += 1
            end = ends[s.day] if s.day < len(ends) else n
        i += 1
    s.peak, s.max_drawdown, s.max_drawdown_share = peak, deepest, share
    s.busy_bars += i - first
    return i


@jit_inline
def _mark(
    t: Any, s: Any, slots: Any, ends: Any, equity: Any, daily: Any, price: float, i: int
) -> None:
    """A bar ends: value what is open, note the largest fall, and the session's end."""
    worth, per_tick = s.balance, 0.0  # rounded as `_hold` does
    for k in range(s.open):
        one = slots[k]
        value = one.direction * one.quantity * t.tick_value
        worth -= value * one.entry_px
        per_tick += value
    worth += per_tick * price
    s.busy_bars += s.open > 0
    if worth > s.peak:
        s.peak = worth
    fall = s.peak - worth
    if fall > s.max_drawdown:
        s.max_drawdown = fall
    if fall > s.max_drawdown_share * s.peak:
        s.max_drawdown_share = fall / s.peak
    if len(equity):
        equity[i] = worth
    if s.day < len(ends) and ends[s.day] == i:
        if len(daily):
            daily[s.day] = worth
        s.day += 1


@jit_inline
def _leave_all(t: Any, s: Any, slots: Any, trades: Any, price: float, i: int, reason: int) -> None:
    """Close every position."""
    while s.open:
        leave(t, s, slots, trades, 0, price, i, reason)


@jit_inline
def _leave_told(t: Any, s: Any, slots: Any, trades: Any, code: int, price: float, i: int) -> None:
    """Close what a signal says: all that is open is of one direction."""
    if s.open:
        told = EXIT_LONG if slots[0].direction > 0 else EXIT_SHORT
        if code & told:
            _leave_all(t, s, slots, trades, price, i, SIGNAL)


@jit_inline
def _enter_told(t: Any, s: Any, slots: Any, code: int, price: float, i: int, atr: float) -> None:
    """Open what a signal says, unless there is no room, or the other direction is open."""
    direction = 1 if code & ENTER_LONG else -1
    if s.open < t.max_positions and (s.open == 0 or slots[0].direction == direction):
        enter(t, s, slots, price, direction, i, atr)


@jit_inline
def _leave_within(
    t: Any, s: Any, slots: Any, trades: Any, opened: float, high: float, low: float, i: int
) -> None:
    """Close what the bar's range ends, oldest first."""
    k = 0
    while k < s.open:
        one = slots[k]
        price, reason = within(
            t.within_bar, one.direction, opened, high, low, one.stop_px, one.target_px
        )
        if reason:
            leave(t, s, slots, trades, k, price, i, reason)
        else:
            k += 1
