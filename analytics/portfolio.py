"""Profit and loss by instrument, over all strategies of a run, in exact integers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tapewire.analytics.exact import decimal_text
from tapewire.analytics.ledger import Leg
from tapewire.analytics.metrics.inputs import Tally


@dataclass(frozen=True)
class InstrumentTotals:
    """What all strategies together made of one instrument at one publisher.

    Attributes
    ----------
    strategies
        How many of them traded it.
    position
        Lots held at the end, signed, of all together: longs and shorts offset each other.
    volume
        Lots bought and sold.
    realized, unrealized, fees
        1e-9 currency.
    """

    publisher_id: int
    instrument_id: int
    symbol: str
    strategies: int
    position: int
    volume: int
    realized: int
    unrealized: int
    fees: int

    @property
    def pnl(self) -> int:
        """Net of fees, 1e-9 currency: the sum over all instruments is the run's."""
        return self.realized + self.unrealized - self.fees

    def to_dict(self) -> dict[str, Any]:
        """Return it as a manifest has it: money exact, as text."""
        return {
            "publisher_id": self.publisher_id,
            "instrument_id": self.instrument_id,
            "symbol": self.symbol,
            "strategies": self.strategies,
            "position": self.position,
            "volume": self.volume,
            "realized_pnl": decimal_text(self.realized),
            "unrealized_pnl": decimal_text(self.unrealized),
            "fees": decimal_text(self.fees),
            "net_pnl": decimal_text(self.pnl),
        }


def by_instrument(
    legs: Sequence[Leg], tallies: Mapping[int, Tally], positions: Mapping[int, int]
) -> list[InstrumentTotals]:
    """Add up legs by their instrument, in the order in which they were opened.

    Parameters
    ----------
    legs
        The run's leg table.
    tallies
        What was gathered of each leg that has rows.
    positions
        Lots that each of them holds at its last sample; 0 where it has none.
    """
    books: dict[tuple[int, int], list[int]] = {}
    for k in sorted(tallies):
        books.setdefault((legs[k].publisher_id, legs[k].instrument_id), []).append(k)
    found = []
    for (publisher_id, instrument_id), mine in books.items():
        whole = sum((tallies[k] for k in mine), Tally())
        found.append(
            InstrumentTotals(
                publisher_id, instrument_id, legs[mine[0]].symbol,
                len({legs[k].strategy_id for k in mine if tallies[k].fills.count}),
                sum(positions.get(k, 0) for k in mine),
                whole.fills.volume, whole.pnl.realized, whole.pnl.unrealized, whole.pnl.fees,
            )
        )  # fmt: skip
    return found
