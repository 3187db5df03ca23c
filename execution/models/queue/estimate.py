"""Where an order stands in a queue of which the data tell the size alone: a guess that is kept.

Lots ahead of an order begin as all that its level shows when it joins. A trade at its price takes
them from the front. When the level changes from V to V' lots, C = V - V' - the lots that traded
there since it last changed; where C > 0, a part p of it stood behind the order, and

    front' = front - (1 - p) C + min(back - p C, 0), of 0 to V' lots, back being V - front;

else front' = min(front, V'). What p is, a model says.

Source: hftbacktest's ``RiskAdverseQueueModel`` and ``ProbQueueModel``
(<https://github.com/nkaz001/hftbacktest>, hftbacktest/src/backtest/models/queue.rs), after Rigtorp,
Estimating order queue position
(<https://rigtorp.se/2013/06/08/estimating-order-queue-position.html>). Places are whole 2^-30 lots
and p is rounded to that, so that all but p is exact. There a front below 0 is kept, after which p
may be no number; nobody ahead is 0 here.
"""

from collections.abc import Mapping
from decimal import Decimal
from math import log
from typing import Any, Final

from tapewire.compiled.jit import jit
from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.queue.fifo import FIFO

#: A lot, in the unit that places are counted in.
LOT: Final = 1 << 30
#: Lots of a level that are told apart.
LEVEL_LOTS_MAX: Final = 2**32 - 1

# What p is: of models that guess.
EXACT: Final = 0  # nothing is guessed
RISK_ADVERSE: Final = 1  # 1
LOG: Final = 2  # f(back) / (f(back) + f(front)), f(x) = log(1 + x)
LOG_2: Final = 3  # f(back) / f(back + front)
POWER: Final = 4  # as LOG, f(x) = x^n
POWER_2: Final = 5  # as LOG_2
POWER_3: Final = 6  # 1 - f(front / (front + back))

#: So that no power of a level's lots is beyond a float's range.
_N_MAX: Final = 16
N: Final = ParameterSpec(
    Decimal, "power: with a higher one, more is taken to leave where there is more",
    Decimal(3), 0, _N_MAX,
)  # fmt: skip


def estimating_model(kind: int, name: str, doc: str, *, power: bool = False) -> ModelDefinition:
    """A queue model that guesses; its kernel is told what the guess says is behind an order."""

    def estimate(parameters: Mapping[str, Any]) -> tuple[int, float]:
        return kind, float(parameters.get("n", 0))

    return ModelDefinition(
        family="queue",
        name=name,
        doc=doc,
        kernel=FIFO.kernel,
        parameters={"n": N} if power else {},
        whole_level=True,
        estimate=estimate,
    )


@jit
def front_after(kind: int, n: float, front: int, before: int, after: int, traded: int) -> int:
    """What is ahead of an order after its level has changed, in `LOT`: 0 to all there is.

    ``front`` is what was, after the trades; ``before`` and ``after`` are the level's lots,
    ``traded`` those that traded there since it last changed.
    """
    gone = before - after - traded
    if gone > 0 and kind != RISK_ADVERSE:
        back = before * LOT - front
        behind = _part_behind(kind, n, front / LOT, back / LOT)
        front += min(back - behind * gone, 0) - (LOT - behind) * gone
    return max(0, min(front, after * LOT))


@jit
def _part_behind(kind: int, n: float, front: float, back: float) -> int:
    """The part of lots that left which stood behind, in `LOT` of 1; one of both is above 0."""
    if kind == POWER_3:
        part = 1.0 - (front / (front + back)) ** n
    else:
        logarithmic = kind <= LOG_2
        whole = front + back
        part = log(1.0 + back) if logarithmic else back**n
        if kind == LOG_2 or kind == POWER_2:
            part /= log(1.0 + whole) if logarithmic else whole**n
        else:
            part /= part + (log(1.0 + front) if logarithmic else front**n)
    return int(part * LOT + 0.5)
