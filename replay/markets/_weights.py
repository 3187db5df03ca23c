"""Kernels that weigh what may happen to a book next."""

from typing import Any, Final

import numpy as np

from tapewire.compiled.jit import jit, jit_inline
from tapewire.replay.markets._books import ASK, BID, NEAR, away
from tapewire.replay.markets._tables import FACTOR_ONE, QUANTILES_N, QUEUES, TOUCH

#: What may happen on one side.
IMPROVES: Final = 0
ADDS_TOUCH: Final = 1
ADDS_AWAY: Final = 2
CANCELS_TOUCH: Final = 3
MODIFIES_TOUCH: Final = 4
LEAVES_NEAR: Final = 5  # a cancel or a modify near the touch, and farther away
LEAVES_FAR: Final = 6
TRADES: Final = 7
KINDS: Final = 8
WEIGHTS_N: Final = 2 * KINDS
_CLASSES_N: Final = (1 << (QUEUES - 2)) + 2
#: Looked up, because a loop that ends anywhere can't be guessed by the processor.
_CLASSES: Final = np.array(
    [sum(n > 1 << at for at in range(QUEUES - 1)) for n in range(_CLASSES_N)], np.int64
)
_PART: Final = 1.0 / 2**32


@jit_inline
def queue_class(count: int) -> Any:
    """Class of a queue of so many orders: up to 1, 2, 4, 8, …"""
    return _CLASSES[min(count, _CLASSES_N - 1)]


@jit_inline
def below(bits: int, n: int) -> Any:
    """A number from 0 to n − 1 by the upper 32 bits of a draw, without a division."""
    return int((bits >> 31) * _PART * n)


@jit_inline
def quantile(table: Any, bits: int) -> Any:
    """A draw by quantiles, linear between them; of the low 14 bits."""
    at = bits & (QUANTILES_N - 2)
    low = table[at]
    return low + (((table[at + 1] - low) * ((bits >> 6) & 255)) >> 8)


@jit
def _look_near(t: Any, book: Any, levels: Any, side: int) -> None:
    """Count the orders near the touch but not at it, and how likely one of them goes."""
    weight = 0
    near = 0
    level = book.best[side]
    step = away(side, 1)
    for d in range(1, NEAR):
        level += step
        count = levels[level].count
        near += count
        weight += t.leave[d] * count
    book.near_orders[side] = near
    book.near_weight[side] = weight
    book.near_stale[side] = 0


@jit
def weigh(t: Any, book: Any, levels: Any, lean: int, w: Any) -> Any:
    """Write the weight of everything that may happen; returns their sum."""
    spread = book.best[ASK] - book.best[BID]
    s = min(max(spread, 1), 3) - 1
    total = 0
    first_bid = levels[book.best[BID]].count
    first_ask = levels[book.best[ASK]].count
    class_bid = queue_class(first_bid)
    class_ask = queue_class(first_ask)
    for side in range(2):
        own = FACTOR_ONE + (lean if side == BID else -lean)  # this side's price is to improve
        other = 2 * FACTOR_ONE - own
        at = side * KINDS
        first = first_bid if side == BID else first_ask
        q = class_bid if side == BID else class_ask
        taken = class_ask if side == BID else class_bid
        w[at + IMPROVES] = 0
        if spread > 1:
            follow = FACTOR_ONE - t.follow if side == book.gone else t.follow
            improve = t.add[s, 1] + (t.add[s, 0] if spread > 2 else 0)
            # A wider spread has more prices in it, and each is as likely.
            improve = improve * max(spread - 1, 2) >> 1 if spread > 2 else improve
            w[at + IMPROVES] = (improve * follow >> 9) * own
        if book.near_stale[side]:
            _look_near(t, book, levels, side)
        far = max(book.orders[side] - book.near_orders[side] - first, 0)
        w[at + ADDS_TOUCH] = (t.add[s, TOUCH] * t.touch_add[q] >> 10) * own
        w[at + ADDS_AWAY] = t.away[s] << 10
        w[at + CANCELS_TOUCH] = (t.cancel[0] * first * t.touch_cancel[q] >> 10) * other
        w[at + MODIFIES_TOUCH] = (t.modify[0] * first * t.touch_modify[q] >> 10) * other
        w[at + LEAVES_NEAR] = book.near_weight[side] << 10
        w[at + LEAVES_FAR] = t.leave[NEAR] * far << 10
        w[at + TRADES] = t.trade[taken] * own
        for kind in range(KINDS):
            total += w[at + kind]
    return total


@jit
def near_depth(t: Any, book: Any, levels: Any, side: int, bits: int) -> Any:
    """A depth near the touch but not at it, by its orders and their weights."""
    pick = below(bits, book.near_weight[side])
    level = book.best[side]
    step = away(side, 1)
    for d in range(1, NEAR):
        level += step
        pick -= t.leave[d] * levels[level].count
        if pick < 0:
            return d
    return 0
