"""The second set of books: every account rebuilt from the fills, and compared with the kernel's.

The simulation keeps position, cash, fees and realised P&L as it goes. The ledger never looks at
how; it adds up the fills as they arrive, in exact integers, and at the end the two must agree to
the last unit. A run whose books disagree is a failed run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.exact import groups, magnitude, multiply, running_total, to_int64, total
from tapewire.analytics.sides import SideCosts, Sides
from tapewire.errors import SimulationError
from tapewire.execution.codes import OrderStatus, PositionEffect
from tapewire.market.records import UNDEF_PRICE

#: What `Ledger.check` proves, in the words of the manifest.
CHECKS: Final = (
    "sum of signed fill quantities = position, after every fill and at the end",
    "minus the sum of signed quantity x price over fills = cash",
    "sum of fill commissions = fees",
    "sum of fill quantities = volume = sum of filled quantities over orders",
    "largest absolute position over fills = maximum position",
    "position 0 implies realised P&L = cash, unless a long and a short side are held",
    "realised P&L of two sides = that of each at its own average cost",
    "realised + unrealised - fees = P&L",
)


class Leg(Protocol):
    """One (strategy, book) pair of the run, as the simulation describes it."""

    @property
    def leg(self) -> int:
        """Index of the pair in the run; what every row's ``leg`` refers to."""

    @property
    def strategy_id(self) -> str:
        """The strategy's name in this run."""

    @property
    def publisher_id(self) -> int:
        """Databento's publisher of the book."""

    @property
    def instrument_id(self) -> int:
        """The venue's instrument of the book."""

    @property
    def symbol(self) -> str:
        """The instrument's raw symbol."""

    @property
    def multiplier_num(self) -> int:
        """Numerator of the contract multiplier."""

    @property
    def multiplier_den(self) -> int:
        """Denominator of the contract multiplier."""

    @property
    def tick_size(self) -> int:
        """Tick size in 1e-9; 0 when unknown."""

    @property
    def client_order_labels(self) -> Sequence[str] | None:
        """The user's own order ids, label of number k at k - 1; None for plain numbers."""

    @property
    def position_limit(self) -> int | None:
        """Lots that the absolute position may have; None without such a limit."""


@dataclass
class Account:
    """One leg's totals. Cash and realised P&L in price units x lots, fees in 1e-9 currency."""

    position: int = 0
    cash: int = 0
    fees: int = 0
    volume: int = 0
    max_position: int = 0
    fills: int = 0
    orders: int = 0
    order_filled: int = 0
    samples: int = 0
    sample: NDArray[np.void] | None = field(default=None, repr=False)
    #: Of a leg that hedges.
    sides: SideCosts | None = None


class Ledger:
    """Accounts per leg, fed with the simulation's rows in order."""

    def __init__(self) -> None:
        self.accounts: dict[int, Account] = {}
        self.first_sample_ns: int | None = None
        self.last_sample_ns: int | None = None

    def account(self, leg: int) -> Account:
        """Return the leg's account, opening it on first use."""
        return self.accounts.setdefault(leg, Account())

    def add_fills(self, fills: NDArray[np.void], legs: Sequence[Leg]) -> None:
        """Add fills (``FILL_DTYPE``, in order) and check each row's position on the way.

        Raises
        ------
        SimulationError
            At the first fill whose position column is not the running sum, or which has no sense.
        """
        for leg, rows in groups(fills["leg"]):
            mine = fills[rows]
            account = self.account(leg)
            side, quantity = mine["side"], mine["last_qty"]
            wrong = np.flatnonzero((np.abs(side) != 1) | (quantity <= 0))
            if wrong.size:
                bad = mine[wrong[0]]
                _mismatch(
                    legs, leg, f"fill {account.fills + int(wrong[0]) + 1}",
                    "side 1 or -1 and a positive quantity", f"{bad['side']} and {bad['last_qty']}",
                )  # fmt: skip
            signed = side * quantity
            position = running_total(signed, account.position)
            wrong = np.flatnonzero(position != mine["position"])
            if wrong.size:
                at = int(wrong[0])
                _mismatch(
                    legs, leg, f"position after fill {account.fills + at + 1}",
                    position[at], mine["position"][at],
                )  # fmt: skip
            account.position = int(position[-1])
            account.max_position = max(account.max_position, magnitude(position))
            account.cash -= total(multiply(signed, mine["last_px"]))
            account.fees += total(mine["commission"])
            account.volume += total(quantity)
            account.fills += len(mine)
            if mine["effect"][0] != PositionEffect.NONE:
                if account.sides is None:
                    account.sides = SideCosts(Sides())
                closes = mine["effect"] == PositionEffect.CLOSE
                account.sides.add(signed, mine["last_px"], closes)

    def add_orders(self, orders: NDArray[np.void]) -> None:
        """Add orders (``ORDER_DTYPE``), one row per order over the whole run."""
        for leg, rows in groups(orders["leg"]):
            account = self.account(leg)
            account.orders += len(rows)
            account.order_filled += total(orders["filled_qty"][rows])

    def add_samples(self, samples: NDArray[np.void], legs: Sequence[Leg]) -> None:
        """Add samples (``SAMPLE_DTYPE``, in order); the last per leg is its final account."""
        if samples.size == 0:
            return
        first, last = int(samples["ts"].min()), int(samples["ts"].max())
        self.first_sample_ns = min(first, self.first_sample_ns or first)
        self.last_sample_ns = max(last, self.last_sample_ns or last)
        for leg, rows in groups(samples["leg"]):
            account = self.account(leg)
            ts = samples["ts"][rows]
            before = ts[0] if account.sample is None else int(account.sample["ts"])
            back = np.flatnonzero(np.diff(ts, prepend=before) < 0)
            if back.size:
                at = int(back[0])
                _mismatch(
                    legs, leg, f"time of sample {account.samples + at + 1}",
                    f"no earlier than {ts[at - 1] if at else before} ns", f"{ts[at]} ns",
                )  # fmt: skip
            account.samples += len(rows)
            account.sample = samples[rows[-1]].copy()

    def check(self, legs: Sequence[Leg]) -> dict[str, object]:
        """Compare every account with its leg's last sample; return the result for the manifest.

        Raises
        ------
        SimulationError
            At the first difference, naming leg, figure, and both values.
        """
        for leg, account in sorted(self.accounts.items()):
            if account.order_filled != account.volume:
                _mismatch(
                    legs, leg, "filled quantity over orders", account.volume, account.order_filled
                )
            sample = account.sample
            if sample is None:
                if account.fills:
                    _mismatch(legs, leg, "final account", "a last sample", "none")
                continue
            for what, ours in (
                ("position", account.position),
                ("cash", account.cash),
                ("fees", account.fees),
                ("volume", account.volume),
                ("max_position", account.max_position),
            ):
                if int(sample[what]) != ours:
                    _mismatch(legs, leg, f"final {what}", ours, int(sample[what]))
            realized = int(sample["realized"])
            if account.sides is not None:
                if realized != account.sides.realized:
                    _mismatch(legs, leg, "final realised P&L of both sides",
                              account.sides.realized, realized)  # fmt: skip
            elif account.position == 0 and realized != account.cash:
                _mismatch(legs, leg, "final realised P&L when flat", account.cash, realized)
        return {
            "result": "exact",
            "checks": list(CHECKS),
            "legs": len(self.accounts),
            "fills": sum(a.fills for a in self.accounts.values()),
        }


def account_money(
    samples: NDArray[np.void], num: NDArray[np.int64], den: NDArray[np.int64]
) -> dict[str, NDArray[np.int64]]:
    """Turn raw samples into money, in exact 1e-9 currency units.

    Parameters
    ----------
    samples
        ``SAMPLE_DTYPE`` rows, shape (n,).
    num, den
        Contract multiplier of each row, as a fraction; shape (n,).

    Returns
    -------
    dict
        ``realized_pnl``, ``unrealized_pnl``, ``fees``, ``pnl``, each int64 of shape (n,):
        gross = (cash + position x mark) x num // den; realised = realized x num // den;
        unrealised = gross - realised; P&L = gross - fees, so that the parts add up exactly.

    Raises
    ------
    SimulationError
        If a figure leaves the 64-bit range, or an open position has no mark.
    """
    position = samples["position"]
    unmarked = samples["mark"] == UNDEF_PRICE
    if np.any(unmarked & (position != 0)):
        row = samples[np.flatnonzero(unmarked & (position != 0))[0]]
        raise SimulationError(
            f"expected a mark for the open position of leg {row['leg']} at {row['ts']} ns, "
            f"found none for {row['position']} lots"
        )
    mark = np.where(unmarked, 0, samples["mark"])
    value = multiply(position, mark)
    if value.dtype == object or magnitude(samples["cash"]) + magnitude(value) > 2**62:
        value = value.astype(object)
    gross = multiply(samples["cash"] + value, num) // den
    realized = multiply(samples["realized"], num) // den
    fees = samples["fees"]
    return {
        "realized_pnl": to_int64(realized, "realised P&L"),
        "unrealized_pnl": to_int64(gross.astype(object) - realized, "unrealised P&L")
        if object in (gross.dtype, realized.dtype)
        else gross - realized,
        "fees": fees.astype(np.int64, copy=True),
        "pnl": to_int64(gross - fees, "P&L"),
    }


#: Orders that were stopped before they left; their quantity was never in the market.
NEVER_SENT: Final = (int(OrderStatus.DENIED),)


def _mismatch(
    legs: Sequence[Leg], leg: int, what: str, expected: object, found: object
) -> NoReturn:
    who = f"leg {leg}"
    if 0 <= leg < len(legs):
        who += f" (strategy {legs[leg].strategy_id!r}, {legs[leg].symbol})"
    raise SimulationError(
        f"the books do not balance: {who}, {what}: expected {expected} from its fills, "
        f"found {found} in the simulation's account"
    )
