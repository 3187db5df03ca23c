"""How a queue shares volume out, and what fill models make of it: the twins of those models.

A queue is a list of lots, in order of time, ours among them at one place.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any


@dataclass
class Steps:
    """The steps that venues take, as their documentation tells them."""

    top_lots_min: int = 1
    top_lots_max: int = 0
    lead_percent: int = 0
    fifo_percent: int = 0
    pro_rata_lots_min: int = 1
    leveling: bool = False

    def shares(self, queue: list[int], volume: int) -> list[int]:
        """What each order of the queue gets of a volume."""
        got = [0] * len(queue)
        left = volume

        def give(k: int, lots: int) -> int:
            got[k] += lots
            return left - lots

        if volume >= sum(queue):
            return queue
        if queue[0] >= self.top_lots_min:
            left = give(0, min(queue[0], self.top_lots_max, left))
        left -= int(Fraction(left * self.lead_percent, 100))
        by_size = int(Fraction(left * (100 - self.fifo_percent), 100))
        keep = by_size
        left -= keep
        for k, lots in enumerate(queue):
            left = give(k, min(lots - got[k], left))
        left = keep
        rest = [lots - got[k] for k, lots in enumerate(queue)]
        nothing = []
        for k, lots in enumerate(rest):
            share = int(Fraction(by_size * lots, sum(rest))) if sum(rest) else 0
            if share < self.pro_rata_lots_min:
                share = 0
            if share == 0:
                nothing.append(k)
            left = give(k, share)
        if self.leveling:
            for k in nothing:
                if left and queue[k] > got[k]:
                    left = give(k, 1)
        for k, lots in enumerate(queue):
            left = give(k, min(lots - got[k], left))
        return got


def by_steps(**steps: Any) -> Callable[[list[int], int, int, int], int]:
    """(queue, place, volume, random bits) to lots."""
    return lambda queue, place, volume, bits: Steps(**steps).shares(queue, volume)[place]


def by_weight(queue: list[int], place: int, volume: int, bits: int) -> int:
    """A share by size, its fraction a lot with that probability."""
    if volume >= sum(queue):
        return queue[place]
    share = Fraction(volume * queue[place], sum(queue))
    fraction = share - int(share)
    return int(share) + (bits >> 33 < int(fraction * 2**30))


BY_TIME = {"fifo_percent": 100}
QUEUES: dict[str, Callable[[list[int], int, int, int], int]] = {
    "pro_rata": by_steps(),
    "size_weighted": by_weight,
    "allocation": by_steps(top_lots_max=10**9, pro_rata_lots_min=2),
    "split": by_steps(fifo_percent=40, pro_rata_lots_min=2),
    "threshold_pro_rata": by_steps(top_lots_max=10**9, pro_rata_lots_min=2),
    "fifo_lmm": by_steps(lead_percent=20, fifo_percent=100),
    "venue": by_steps(fifo_percent=100),
}


@dataclass
class FillRule:
    """What a fill model lets an order have.

    ``at_price`` says whether volume at the order's own price counts: yes, no, or with probability
    p; ``ticks`` how far beyond the price volume has to be; ``first`` that nobody stands ahead.
    """

    at_price: Decimal = Decimal(1)
    ticks: int = 1
    first: bool = False

    def counts(self, bits: int) -> bool:
        return Decimal(bits >> 1) / 2**62 < self.at_price


FILLS = {
    "mbo_queue": FillRule(),
    "probabilistic": FillRule(Decimal("0.5")),
    "trade_through": FillRule(Decimal(0)),
    "pessimistic": FillRule(Decimal(0)),
    "optimistic": FillRule(first=True),
}


def a_queue(draw: random.Random) -> list[int]:
    """Some orders, many of them small."""
    return [draw.choice((1, 1, 2, 3, 5, 20)) for _ in range(draw.randint(1, 12))]
