"""Strategies that reached their loss limit: when, at what, and what became of their positions."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import numpy as np

from tapewire.router._memory import Memory
from tapewire.router._roster import Roster

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
        ``halt`` or ``flatten``, see `RiskLimits.on_max_loss`.
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
        moment = f"{np.datetime64(self.ts_ns, 'ns')}".replace("T", " ")
        return (
            f"{self.strategy_id} reached max_loss {_money(self.max_loss):,} at {moment} UTC with a "
            f"P&L of {_money(self.pnl):,} and was halted"
        )

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
            "pnl": str(_money(self.pnl)),
            "max_loss": str(_money(self.max_loss)),
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
                int(limits["max_loss"]), "flatten" if limits["flatten"] else "halt",
                int(limits["halt_cancels"]), int(limits["halt_orders"]), positions,
            )
        )  # fmt: skip
    return sorted(found, key=lambda halt: (halt.ts_ns, halt.strategy_id))


def _money(units: int) -> Decimal:
    """1e-9 currency as a decimal with two places, more only where they say something."""
    exact = Decimal(units).scaleb(-9)
    cents = exact.quantize(Decimal("0.01"))
    return cents if cents == exact else exact.normalize()


def _sent(orders: int) -> str:
    return f", {orders:,} closing order{'' if orders == 1 else 's'} sent" if orders else ""
