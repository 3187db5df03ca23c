"""How many events a book had lately, for models of latency that grow with them.

Events are counted in windows side by side, of a length of the model's; an event belongs to the
window that its capture time is in, and counts for what happens at the venue after it. What is asked
for is the number in the last window's length, as of any moment: all of the window at hand, and of
the one before it the share that still lies within the length, as if its events had come evenly
("sliding window counter", as rate limiters have it).
"""

from typing import Any

from tapewire.compiled.jit import jit


@jit
def roll_window(tally: Any, events: int, now_ns: int) -> int:
    """An event at ``now_ns``, the ``events``-th of its book, is there; returns the window's end."""
    start_ns = now_ns // tally.window_ns * tally.window_ns
    if start_ns > tally.window_start:
        follows = start_ns == tally.window_start + tally.window_ns
        tally.window_before = events - 1 - tally.window_first if follows else 0
        tally.window_first = events - 1
        tally.window_start = start_ns
    return tally.window_start + tally.window_ns


@jit
def load_of(tally: Any, events: int, now_ns: int) -> int:
    """Events in the window's length before ``now_ns``, of a book that has had ``events``."""
    length_ns = tally.window_ns
    start_ns = tally.window_start
    before, here = tally.window_before, events - tally.window_first
    if now_ns >= start_ns + length_ns:  # there was none since: nobody has begun another window
        before, here = here, 0
        start_ns += length_ns
        if now_ns >= start_ns + length_ns:
            before = 0
    gone_ns = min(max(now_ns - start_ns, 0), length_ns)
    return here + before * (length_ns - gone_ns) // length_ns
