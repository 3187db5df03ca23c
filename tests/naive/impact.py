"""Slow, obvious impact: every push is kept for ever, and looked at anew each time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, isqrt


def square_root_shift(y_sigma_ppm: int, volume: int, price: int, lots: int) -> int:
    """Y sigma sqrt(Q / V) of a price, of Y sigma in 1e-6 basis points; the root to 2^-28."""
    weight = ceil(Fraction(abs(price) * y_sigma_ppm, 10**10))
    return ceil(Fraction(weight * isqrt(lots * 2**56 // volume), 2**28))


@dataclass
class Pushes:
    """What a strategy's own taking does to the prices it meets later.

    ``left`` says what is left of a push of 1 some ns later, ``shift`` what taking lots at a price
    shifts it by.
    """

    left: Callable[[int], float]
    shift: Callable[[int, int], int]
    inexact: float  # how far the kernel may be off, as a share of all pushes
    pushes: list[tuple[int, float]] = field(default_factory=list)  # time, signed price units
    moment: tuple[int, int] = (0, 0)  # time and side of what was taken last
    lots: int = 0
    before: float = 0

    def outstanding(self, at: int) -> float:
        return sum(push * self.left(at - then) for then, push in self.pushes)

    def take(self, sign: int, price: int, lots: int, at: int) -> int:
        """Taking lots at a price: how far from it they are paid."""
        if self.moment == (at, sign):
            self.pushes.pop()  # all that is taken in one moment is one push
        else:
            self.moment, self.lots, self.before = (at, sign), 0, self.outstanding(at)
        self.lots += lots
        shift = sign * self.shift(price, self.lots)
        self.pushes.append((at, shift))
        return round(self.before) + shift
