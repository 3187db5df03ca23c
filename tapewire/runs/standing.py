"""Where a run stands between two batches: accounts, orders at the exchange, what was warned of."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.analytics.ledger import account_money
from tapewire.compiled.units import MONEY_UNITS
from tapewire.execution.codes import Liquidity, OrderStatus, Side
from tapewire.market.records import UNDEF_PRICE
from tapewire.runs.flagged import flag_warnings
from tapewire.runs.views import OpenOrder, open_orders
from tapewire.runs.warnings import count_warnings, halt_warnings

if TYPE_CHECKING:
    from tapewire.router import Drained, LegInfo, Simulation, Worths

_STATUS_N: Final = max(OrderStatus) + 1
#: Counters of a simulation that a standing has.
_COUNTS: Final = ("orders_sent", "orders_denied", "loss_halts")
#: Of the last fills, those that are there to be seen.
FILLS_MAX: Final = 20


@dataclass(frozen=True)
class StandingLine:
    """A strategy in one book, as it stands.

    Attributes
    ----------
    position, volume
        Lots: held, signed; traded.
    mark
        Price the position is valued at, in 1e-9; None where there is none yet.
    pnl, fees
        Currency; ``pnl`` is after fees.
    fills
        How many so far.
    ended
        Orders that came to an end, by their status.
    """

    strategy_id: str
    publisher_id: int
    instrument_id: int
    symbol: str
    position: int
    volume: int
    mark: int | None
    pnl: float
    fees: float
    fills: int
    ended: dict[str, int]


@dataclass(frozen=True)
class RecentFill:
    """One of the last fills.

    Attributes
    ----------
    ts_event
        When it happened at the exchange, ns.
    price
        In 1e-9.
    lots
        Sold: below 0.
    liquidity
        In the words of ``fills.parquet``.
    """

    ts_event: int
    strategy_id: str
    symbol: str
    client_order_id: str
    price: int
    lots: int
    liquidity: str


class Standing:
    """A copy of what there is to see of a run; it may be read in any thread.

    Attributes
    ----------
    orders : list of OpenOrder
        Simulated orders at the exchange.
    warnings : list of str
        What the manifest would warn of, as far as it is known.
    counts : dict of str to int
        ``orders_sent``, ``orders_denied``, ``loss_halts``.
    fills : int
        Over all strategies.
    pnl : float
        In currency, after fees, over all strategies.
    positions_open : int
        In how many books a strategy holds lots, over all strategies.
    recent : list of RecentFill
        The last `FILLS_MAX`, the newest first.
    """

    def __init__(
        self,
        legs: "Sequence[LegInfo]",
        accounts: npt.NDArray[Any],
        worths: "Worths",
        fills: npt.NDArray[np.int64],
        ended: npt.NDArray[np.int64],
        orders: list[OpenOrder],
        warnings: list[str],
        counts: dict[str, int],
        recent: Sequence[npt.NDArray[Any]] = (),
    ) -> None:
        self.orders = orders
        self.recent = _recent_fills(recent, legs)
        self.warnings = warnings
        self.counts = counts
        self.fills = int(fills.sum())
        self._legs = legs
        self._accounts = accounts
        self._fills = fills
        self._ended = ended
        self._money = money_now(accounts, worths)
        self.positions_open = int(np.count_nonzero(accounts["position"]))
        self.pnl = float(self._money["pnl"].sum(dtype=float)) / MONEY_UNITS

    def __len__(self) -> int:
        return len(self._legs)

    def lines(self, lines_max: int | None = None) -> list[StandingLine]:
        """Return the lines of all legs; with ``lines_max``, of those that traded most."""
        chosen: Any = range(len(self._legs))
        if lines_max is not None and len(self._legs) > lines_max:
            most = np.argsort(-self._accounts["volume"], kind="stable")[:lines_max]
            chosen = np.sort(most).tolist()
        return [self._line(leg) for leg in chosen]

    def _line(self, leg: int) -> StandingLine:
        info, account, ended = self._legs[leg], self._accounts[leg], self._ended[leg]
        return StandingLine(
            strategy_id=info.strategy_id,
            publisher_id=info.publisher_id,
            instrument_id=info.instrument_id,
            symbol=info.symbol,
            position=int(account["position"]),
            volume=int(account["volume"]),
            mark=None if account["mark"] == UNDEF_PRICE else int(account["mark"]),
            pnl=int(self._money["pnl"][leg]) / MONEY_UNITS,
            fees=int(self._money["fees"][leg]) / MONEY_UNITS,
            fills=int(self._fills[leg]),
            ended={status.name: int(ended[status]) for status in OrderStatus if ended[status]},
        )


class Board:
    """Counts what a run reports, and says where it stands when somebody looks.

    Parameters
    ----------
    simulation
    warnings
        What was warned of before the first record; may grow.
    """

    def __init__(self, simulation: "Simulation", warnings: Sequence[str]) -> None:
        self._simulation = simulation
        self._look = simulation.look()
        self._warnings = warnings
        self._fills = np.zeros(0, np.int64)
        self._ended = np.zeros(0, np.int64)
        self._recent: deque[npt.NDArray[Any]] = deque(maxlen=FILLS_MAX)

    def note(self, drained: "Drained") -> None:
        """Count the rows of a batch."""
        if drained.fills.size:
            self._fills = _plus(self._fills, drained.fills["leg"])
            self._recent.append(drained.fills[-FILLS_MAX:].copy())  # else all of them would stay
        if drained.orders.size:
            orders = drained.orders
            self._ended = _plus(self._ended, orders["leg"] * _STATUS_N + orders["status"])

    def standing(self) -> Standing:
        """Return where the run stands after the last batch."""
        simulation = self._simulation
        legs, counts = list(simulation.legs), simulation.counts
        ended = _padded(self._ended, len(legs) * _STATUS_N)
        return Standing(
            legs,
            self._look.accounts(),
            simulation.worths(),
            _padded(self._fills, len(legs)),
            ended.reshape(len(legs), _STATUS_N),
            open_orders(self._look, legs),
            [
                *self._warnings,
                *halt_warnings(simulation.loss_halts()),
                *count_warnings(counts, None),
                *flag_warnings(simulation.flagged()),
            ],
            {name: counts[name] for name in _COUNTS},
            list(self._recent),
        )


def money_now(accounts: npt.NDArray[Any], worths: "Worths") -> dict[str, npt.NDArray[np.int64]]:
    """As `account_money`, with what was realised at earlier rates as it was then.

    Parameters
    ----------
    accounts
        ``SAMPLE_DTYPE``, one row per leg.
    worths
        Of the same legs.
    """
    if worths.units.any():
        accounts = accounts.copy()
        for name in ("cash", "realized"):
            accounts[name] -= worths.units
    money = account_money(accounts, worths.num, worths.den)
    for name in ("realized_pnl", "pnl"):
        money[name] = money[name] + worths.money
    return money


def _recent_fills(
    batches: Sequence[npt.NDArray[Any]], legs: "Sequence[LegInfo]"
) -> list[RecentFill]:
    """Return the last fills of some batches in words, the newest first."""
    rows = [row for batch in batches for row in batch][-FILLS_MAX:]
    return [
        RecentFill(
            ts_event=int(row["ts_event"]),
            strategy_id=legs[row["leg"]].strategy_id,
            symbol=legs[row["leg"]].symbol,
            client_order_id=legs[row["leg"]].order_name(int(row["client_order_id"])),
            price=int(row["last_px"]),
            lots=int(row["last_qty"]) * Side(row["side"]),
            liquidity=Liquidity(row["liquidity"]).name,
        )
        for row in reversed(rows)
    ]


def _padded(counts: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    return np.concatenate([counts, np.zeros(n - len(counts), np.int64)])


def _plus(counts: npt.NDArray[np.int64], places: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the counts, with one more at each place; longer if need be."""
    more = np.bincount(places, minlength=len(counts))
    more[: len(counts)] += counts
    return more
