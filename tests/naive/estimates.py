"""Places guessed from the sizes of levels, as hftbacktest's documentation and source tell them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

#: The part of what leaves that stood behind: of lots ahead and behind, both as they are.
Part = Callable[[float, float], float]


def by_log(front: float, back: float) -> float:
    f_front, f_back = math.log(1 + front), math.log(1 + back)
    return f_back / (f_back + f_front)


def by_log_of_all(front: float, back: float) -> float:
    return math.log(1 + back) / math.log(1 + (front + back))


def by_power(n: float) -> Part:
    return lambda front, back: back**n / (back**n + front**n)


def by_power_of_all(n: float) -> Part:
    return lambda front, back: back**n / (front + back) ** n


def by_power_ahead(n: float) -> Part:
    return lambda front, back: 1 - (front / (front + back)) ** n


ESTIMATES: dict[str, Part] = {
    "risk_adverse_queue_model": lambda front, back: 1.0,
    "log_prob_queue_model": by_log,
    "log_prob_queue_model2": by_log_of_all,
    "power_prob_queue_model": by_power(3),
    "power_prob_queue_model2": by_power_of_all(3),
    "power_prob_queue_model3": by_power_ahead(3),
}


@dataclass
class Guess:
    """One order's place: lots ahead, None while nothing is known of its level."""

    part: Part
    front: Fraction | None = None
    level: int = 0
    traded: int = 0

    def join(self, level: int | None) -> None:
        """It stands behind all that its level shows, if it shows anything."""
        self.front = None if level is None else Fraction(level)
        self.level, self.traded = level or 0, 0

    def trade(self, lots: int) -> int:
        """Lots trade at its price; how many of them were behind it."""
        self.traded += lots
        if self.front is None:
            return 0
        self.front -= lots
        behind = math.floor(-self.front + Fraction(1, 2))
        if behind > 0:
            self.front = Fraction(0)
            return min(lots, behind)
        self.front = max(self.front, Fraction(0))
        return 0

    def follow(self, level: int) -> None:
        """Its level has another size now."""
        if self.front is None:
            self.join(level)
            return
        gone = self.level - level - self.traded
        if gone > 0:
            back = self.level - self.front
            part = Fraction(int(self.part(float(self.front), float(back)) * 2**30 + 0.5), 2**30)
            self.front += min(back - part * gone, 0) - (1 - part) * gone
        self.front = max(Fraction(0), min(self.front, Fraction(level)))
        self.level, self.traded = level, 0
