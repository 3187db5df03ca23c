"""Money at rates that change: what is realised at the time of its fill, the rest at its mark's.

A leg whose instrument is in another currency has steps: from when on a price point is worth how
much of the account's. Its account at average cost is kept here once more, fill by fill, and what
each fill realises is turned into the account's currency at the rate of its ``ts_event``, rounded
down. A sample of the simulation says after how many lots it was taken, and so after which fill.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.exact import Int64Array, groups, multiply, to_int64
from tapewire.analytics.ledger import Leg
from tapewire.analytics.sides import SideCosts, Sides
from tapewire.errors import SimulationError
from tapewire.execution.codes import PositionEffect
from tapewire.market.records import UNDEF_PRICE

#: By symbol: (from when on, ns; numerator and denominator of what a price point is worth by lot),
#: ascending; the first holds before its time, too.
Rates: TypeAlias = Mapping[str, Sequence[tuple[int, int, int]]]


class WorthSteps:
    """What a price point of one instrument is worth, over time."""

    def __init__(self, steps: Sequence[tuple[int, int, int]]) -> None:
        self._ts = np.array([ts for ts, _, _ in steps], np.int64)
        self._num = np.array([num for _, num, _ in steps], np.int64)
        self._den = np.array([den for _, _, den in steps], np.int64)

    def at(self, ts: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Return numerators and denominators in force at times, shape (n,) each."""
        which = self.which(ts)
        return self._num[which], self._den[which]

    def which(self, ts: Int64Array) -> NDArray[np.intp]:
        """Return which step is in force at each time."""
        return np.maximum(np.searchsorted(self._ts, ts, "right") - 1, 0)

    def ratio(self, which: int) -> tuple[int, int]:
        """Return numerator and denominator of a step."""
        return int(self._num[which]), int(self._den[which])


@dataclass
class _Booked:
    """A leg's account at average cost; what is kept after each fill that a sample may be of."""

    position: int = 0
    cost: int = 0  # of the open lots, price units x lots
    volume: int = 0
    realized: int = 0  # price units x lots
    money: int = 0  # the same in 1e-9 of the account's currency
    kept: list[tuple[int, int, int]] = field(default_factory=lambda: [(0, 0, 0)])
    sampled: list[int] = field(default_factory=list)  # `money` of samples not converted yet
    last: int = 0  # `money` of the last one that was
    sides: SideCosts | None = None  # of one that hedges

    def fill(self, signed: int, price: int, num: int, den: int) -> None:
        """Book lots as `tapewire.positions.accounting.book_fill` does."""
        closing = 0
        if self.position * signed < 0:
            closing = min(abs(signed), abs(self.position))
            cost = self.cost * closing // abs(self.position)
            gained = price * closing * (1 if self.position > 0 else -1) - cost
            self.cost -= cost
            self._keep(gained, num, den)
        opening = abs(signed) - closing
        self.cost += price * (opening if signed > 0 else -opening)
        self.position += signed
        self._count(signed)

    def fill_sides(
        self, signed: Int64Array, price: Int64Array, closes: NDArray[np.bool_],
        num: Int64Array, den: Int64Array,
    ) -> None:  # fmt: skip
        """Book fills of an account with a long and a short side."""
        if self.sides is None:
            self.sides = SideCosts(Sides())
        gains = self.sides.add(signed, price, closes)
        for lots, *gained in zip(signed.tolist(), gains, num.tolist(), den.tolist(), strict=True):
            self._keep(*gained)
            self._count(lots)

    def _keep(self, gained: int, num: int, den: int) -> None:
        self.realized += gained
        self.money += gained * num // den

    def _count(self, signed: int) -> None:
        self.volume += abs(signed)
        self.kept.append((self.volume, self.realized, self.money))


class Conversion:
    """Turns accounts of legs in other currencies into money; of none where there are no rates."""

    def __init__(self, rates: Rates | None = None) -> None:
        self._steps = {symbol: WorthSteps(steps) for symbol, steps in (rates or {}).items()}
        self._booked: dict[int, _Booked] = {}

    def __bool__(self) -> bool:
        return bool(self._steps)

    def of(self, leg: Leg) -> WorthSteps | None:
        """Return the steps of a leg's instrument; None where its worth never changes."""
        return self._steps.get(leg.symbol)

    def add_fills(self, fills: NDArray[np.void], legs: Sequence[Leg]) -> None:
        """Take fills (``FILL_DTYPE``), in order, before the samples that follow them."""
        for leg, rows in groups(fills["leg"]):
            steps = self.of(legs[leg])
            if steps is None:
                continue
            booked = self._booked.setdefault(leg, _Booked())
            mine = fills[rows]
            num, den = steps.at(mine["ts_event"])
            signed, price = mine["side"] * mine["last_qty"], mine["last_px"]
            if mine["effect"][0] != PositionEffect.NONE:
                closes = mine["effect"] == PositionEffect.CLOSE
                booked.fill_sides(signed, price, closes, num, den)
                continue
            for values in zip(
                signed.tolist(), price.tolist(), num.tolist(), den.tolist(), strict=True
            ):
                booked.fill(*values)

    def add_samples(self, samples: NDArray[np.void], legs: Sequence[Leg]) -> None:
        """Take samples (``SAMPLE_DTYPE``), in order, behind the fills before them.

        Raises
        ------
        SimulationError
            If a sample is not of an account that the fills make.
        """
        for leg, rows in groups(samples["leg"]):
            if self.of(legs[leg]) is None:
                continue
            booked = self._booked.setdefault(leg, _Booked())
            mine = samples[rows]
            volumes = np.array([volume for volume, _, _ in booked.kept], np.int64)
            at = np.searchsorted(volumes, mine["volume"])
            for k, sample in zip(at.tolist(), mine, strict=True):
                volume, units, money = booked.kept[min(k, len(booked.kept) - 1)]
                if volume != sample["volume"] or units != sample["realized"]:
                    raise SimulationError(
                        f"the books do not balance: leg {leg} (strategy {legs[leg].strategy_id!r}, "
                        f"{legs[leg].symbol}), realised P&L after {sample['volume']} lots: "
                        f"expected {units} after {volume} from its fills, found "
                        f"{sample['realized']} in the simulation's account"
                    )
                booked.sampled.append(money)
            booked.kept = booked.kept[min(int(at[-1]), len(booked.kept) - 1) :]

    def convert(
        self, samples: NDArray[np.void], legs: Sequence[Leg], money: dict[str, Int64Array],
        *, again: bool = False,
    ) -> dict[str, Int64Array]:  # fmt: skip
        """Return the money of samples with that of legs in other currencies at their rates.

        Parameters
        ----------
        samples
            ``SAMPLE_DTYPE``, shape (n,), as they were added, each once.
        legs
            The run's leg table.
        money
            What `tapewire.analytics.ledger.account_money` makes of them.
        again
            It is one sample, the last of its leg, which was converted before.
        """
        if not self._steps or not samples.size:
            return money
        money = {name: values.copy() for name, values in money.items()}
        for leg, rows in groups(samples["leg"]):
            steps = self.of(legs[leg])
            if steps is None:
                continue
            mine, booked = samples[rows], self._booked[leg]
            found = [booked.last] if again else booked.sampled[: len(mine)]
            booked.last = found[-1]
            booked.sampled = booked.sampled if again else booked.sampled[len(mine) :]
            realized = to_int64(np.array(found, object), "realised P&L")
            num, den = steps.at(mine["ts"])
            mark = np.where(mine["mark"] == UNDEF_PRICE, 0, mine["mark"])
            units = multiply(mine["position"], mark).astype(object)
            units = units + mine["cash"].astype(object) - mine["realized"].astype(object)
            opened = to_int64(units * num.astype(object) // den, "unrealised P&L")
            money["realized_pnl"][rows] = realized
            money["unrealized_pnl"][rows] = opened
            money["pnl"][rows] = realized + opened - mine["fees"]
        return money
