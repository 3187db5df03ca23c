"""Random draws said again, and orders enough to see what they make of delays."""

import numpy as np

from stories import Log, Played, Tape

WORD = (1 << 64) - 1


def splitmix(z: int) -> int:
    """The finalizer of splitmix64."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def draw(seed: int, purpose: int, counter: int) -> int:
    """What `compiled/draws.py` draws, in Python's integers."""
    golden = 0x9E3779B97F4A7C15
    key = splitmix((seed + golden * purpose) & WORD)
    return splitmix((key + golden * (counter + 1)) & WORD) >> 1


def draw_for(key: int, order: int, purpose: int, counter: int) -> int:
    """One of several draws about one order, for one purpose."""
    return draw(draw(key, purpose, order), purpose, counter)


def orders_of(played: Played) -> np.ndarray:
    """Rows of orders, as they were sent."""
    return played.rows.orders[np.argsort(played.rows.orders["client_order_id"])]


def many_orders(n: int, every_us: int) -> tuple[Tape, Log]:
    """A quiet market, and a bid far below it every few µs."""
    tape = Tape().add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 5)
    log = Log()
    for k in range(n):
        log.buy(100 + every_us * k, f"o{k}", 1, 90)
        tape.tick(100 + every_us * k + every_us // 2)
    return tape.tick(200 + every_us * n + 10_000), log
