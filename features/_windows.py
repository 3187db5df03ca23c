"""Kernels of windows of time: what was kept as they begin, and the path of the mid within them."""

import math
from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.features.layout import (
    BASE_NOW,
    BASE_UNKNOWN,
    EVENTS,
    MID,
    STEP_ENTRIES,
    WINDOW_ENTRIES,
    path_at,
    step_at,
    window_at,
    word_at,
)
from tapewire.market.records import UNDEF_PRICE


@jit_inline
def enter_parts(state: Any, now_ns: int) -> None:
    """Write down what ends before a moment; an event of that moment comes next."""
    for k in range(state.window_n):
        window = window_at(state.windows, k)
        if now_ns >= window.next_ns:
            _enter_part(state, window, now_ns)
    for k in range(state.path_n):
        path = path_at(state.paths, k)
        if now_ns >= path.next_ns:
            _enter_step(state, path, now_ns)


@jit
def _enter_part(state: Any, window: Any, now_ns: int) -> None:
    """The part of the last event is over: what was kept then is what it leaves."""
    if state.kept[EVENTS] > 0:
        at = (window.n & (WINDOW_ENTRIES - 1)) * window.width
        word_at(window.ring, at).value = window.part
        for k in range(1, window.width):
            word_at(window.ring, at + k).value = state.kept[window.kept[k - 1]]
        window.n += 1
    window.part = now_ns // window.part_ns
    window.next_ns = (window.part + 1) * window.part_ns


@jit
def _enter_step(state: Any, path: Any, now_ns: int) -> None:
    """The step of the last event is over, at the mid as it is."""
    if state.kept[MID] != UNDEF_PRICE:
        entry = step_at(path.ring, path.n & (STEP_ENTRIES - 1))
        entry.step = path.step
        entry.mid = state.kept[MID]
        entry.square = _square_since(state, path)
        path.n += 1
    path.step = now_ns // path.step_ns
    path.next_ns = (path.step + 1) * path.step_ns


@jit_inline
def _square_since(state: Any, path: Any) -> float:
    """Squared log return of the mid since the last step that was written down."""
    mid = state.kept[MID]
    if path.n == 0:
        return 0.0
    before = step_at(path.ring, (path.n - 1) & (STEP_ENTRIES - 1)).mid
    if before == mid and mid > 0:
        return 0.0
    if before <= 0 or mid <= 0:
        return math.nan
    change = math.log(mid / before)
    return change * change


@jit_inline
def locate(state: Any, window: Any, now_ns: int) -> None:
    """Find what a window that ends at a moment begins from."""
    first = (now_ns - window.length_ns) // window.part_ns
    window.span_ns = now_ns - first * window.part_ns
    if state.kept[EVENTS] > 0 and window.part < first:
        window.base = BASE_NOW
        return
    # The last entry before the first part. Moments may be asked for in any order: a step each
    # way from where it was the last time costs least, as they mostly go on.
    oldest = max(window.n - WINDOW_ENTRIES, 0)
    at = max(window.near, oldest)
    while at < window.n and _part_of(window, at) < first:
        at += 1
    while at > oldest and _part_of(window, at - 1) >= first:
        at -= 1
    window.near = at
    window.base = at - 1 if at > oldest else BASE_UNKNOWN


@jit_inline
def _part_of(window: Any, entry: int) -> int:
    """The part an entry is of."""
    return word_at(window.ring, (entry & (WINDOW_ENTRIES - 1)) * window.width).value


@jit_inline
def kept_before(state: Any, column: Any) -> int:
    """What a column's window had kept as it began; its base is known."""
    window = window_at(state.windows, column.part)
    if window.base == BASE_NOW:
        return state.kept[column.kept]
    at = (window.base & (WINDOW_ENTRIES - 1)) * window.width
    return word_at(window.ring, at + column.word).value


@jit_inline
def is_known(state: Any, column: Any) -> bool:
    """Whether a column's window begins when the book was there already."""
    return window_at(state.windows, column.part).base != BASE_UNKNOWN


@jit_inline
def squares(state: Any, path: Any, now_ns: int) -> float:
    """Sum of the squared returns of a path's steps, latest first; NaN where it begins too late."""
    first = (now_ns - path.length_ns) // path.step_ns
    if state.kept[MID] == UNDEF_PRICE:
        return math.nan
    if path.step < first:
        return 0.0
    total = _square_since(state, path)
    at = path.n
    oldest = max(path.n - STEP_ENTRIES, 0)
    while at > oldest:
        at -= 1
        entry = step_at(path.ring, at & (STEP_ENTRIES - 1))
        if entry.step < first:
            return total
        total += entry.square
    return math.nan
