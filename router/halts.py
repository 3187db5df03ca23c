"""Strategies that reached their loss limit: when, at what, and what became of their positions."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tapewire.positions.codes import LOSS, Limit, LimitAction
from tapewire.router._memory import Memory
from tapewire.router._roster import Roster
from tapewire.router.trips import LimitTrip, money

_POSITIONS_TOLD: Final = 5


@dataclass(frozen=True)
class HaltedPosition:
    """What a halted strategy held in one book, in lots: when it was halted, and at the end."""

    symbol: str
    publisher_id: int
    at_halt: int
    at_end: int


@dataclass(frozen=True)
class LossHalt:
    """A strategy instance that reached ``risk_limits.max_loss``.

    Attributes
    ----------
    strategy_id : str
    ts_ns : int
        Its local time, ns since the epoch.
    pnl, max_loss : int
        1e-9 currency: its P&L as it knew it then, and the limit.
    policy : str
        What follows, see `RiskLimits.on_max_loss`.
    cancels : int
        Cancels sent for its open orders.
    closing_orders : int
        Market orders sent to close its positions.
    positions : tuple of HaltedPosition
        In every book it traded.
    """

    strategy_id: str
    ts_ns: int
    pnl: int
    max_loss: int
    policy: str
    cancels: int
    closing_orders: int
    positions: tuple[HaltedPosition, ...]

    def headline(self) -> str:
        """Who reached what, when and at what."""
        action = LimitAction[self.policy.upper()]
        return LimitTrip(
            self.strategy_id, self.ts_ns, Limit.MAX_LOSS, self.max_loss, -self.pnl, action
        ).headline()

    def sentence(self) -> str:
        """The headline, and what became of orders and positions."""
        orders = f"{self.cancels:,} open order{'' if self.cancels == 1 else 's'} canceled"
        held = [p for p in self.positions if p.at_halt or p.at_end]
        if not held:
            became = "it held no position"
        else:
            became = ", ".join(
                f"position in {p.symbol} {p.at_halt:+,} then, {p.at_end:+,} at the end"
                for p in held[:_POSITIONS_TOLD]
            )
            if len(held) > _POSITIONS_TOLD:
                became += f", and {len(held) - _POSITIONS_TOLD} more"
        return (
            f"{self.headline()}: {orders}, {became} "
            f"(on_max_loss: {self.policy}{_sent(self.closing_orders)})"
        )

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON; money as exact decimal text."""
        return {
            "strategy_id": self.strategy_id,
            "ts": f"{np.datetime64(self.ts_ns, 'ns')}Z",
            "ts_ns": self.ts_ns,
            "pnl": str(money(self.pnl)),
            "max_loss": str(money(self.max_loss)),
            "on_max_loss": self.policy,
            "cancels": self.cancels,
            "closing_orders": self.closing_orders,
            "positions": [vars(position) for position in self.positions],
        }


def loss_halts(memory: Memory, roster: Roster) -> list[LossHalt]:
    """Strategy instances that reached their loss limit, in the order of time."""
    found = []
    for instance in np.flatnonzero(memory.limits.records["halt_ns"][: roster.instance_n]):
        limits, legs = memory.limits.records[instance], roster.legs_of(int(instance))
        positions = tuple(
            HaltedPosition(
                leg.symbol, leg.publisher_id,
                int(memory.legs.records[leg.leg]["halt_position"]),
                int(memory.accounts.records[leg.leg]["position"]),
            )
            for leg in legs
        )  # fmt: skip
        found.append(
            LossHalt(
                legs[0].strategy_id, int(limits["halt_ns"]), int(limits["halt_pnl"]),
                int(limits["bounds"][LOSS]), LimitAction(limits["actions"][LOSS]).name.lower(),
                int(limits["halt_cancels"]), int(limits["halt_orders"]), positions,
            )
        )  # fmt: skip
    return sorted(found, key=lambda halt: (halt.ts_ns, halt.strategy_id))


def _sent(orders: int) -> str:
    return f", {orders:,} closing order{'' if orders == 1 else 's'} sent" if orders else ""
