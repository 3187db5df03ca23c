"""What instruments settled at on each day of the data, from files of statistics."""

import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np

from tapewire.analytics.settlements import SettlementPrices
from tapewire.compiled.units import NS_PER_DAY, NS_PER_S
from tapewire.config.schema import SessionHours
from tapewire.config.sessions import session_closes
from tapewire.market.statistics import settlements_in
from tapewire.runs.contracts import Contracts

if TYPE_CHECKING:
    from tapewire.wire import StreamInfo

#: Days that are known where the data do not say when they end.
_DAYS_MAX: Final = 20 * 366
#: Days before the first price, where the data do not say when they begin.
_DAYS_BEFORE: Final = 366


def settlement_prices(
    contracts: Contracts, hours: SessionHours | None, info: "StreamInfo"
) -> SettlementPrices:
    """Bring together when days end and what the instruments of a stream settled at.

    A day is that of the local date on which its session closes, a UTC day where none is
    configured. Of a symbol that stands for several instruments no price is known.
    """
    files = contracts.expiries.files
    if not files:
        return SettlementPrices()
    records = np.concatenate([file.records for file in files])
    prices = {}
    for symbol in contracts.table.symbols:
        ids = contracts.table.ids_of(symbol)
        known = settlements_in(records, ids[0]) if len(ids) == 1 else {}
        if known:
            prices[symbol] = sorted(known.items())
    start_ns = info.start_ns
    if not start_ns:  # captures of several schemas do not say when they begin
        if not prices:
            return SettlementPrices()
        first = min(day for known in prices.values() for day, _ in known)
        start_ns = max(0, first - _DAYS_BEFORE) * NS_PER_DAY
    if hours is None:
        first = start_ns // NS_PER_DAY
        closes = [((day + 1) * NS_PER_DAY, day) for day in range(first, first + _DAYS_MAX)]
    else:
        zone = ZoneInfo(hours.timezone)
        closes = [(ts, _day_of(ts, zone)) for ts in session_closes(hours, start_ns)]
    return SettlementPrices(_up_to(closes, info.end_ns), prices)


def _up_to(closes: list[tuple[int, int]], end_ns: int) -> list[tuple[int, int]]:
    """Leave out closes after the second one at or behind the end of the data (0: not known)."""
    if not end_ns:
        return closes
    ended = sum(ts < end_ns for ts, _ in closes)
    return closes[: ended + 2]


def _day_of(ts: int, zone: ZoneInfo) -> int:
    moment = datetime.datetime.fromtimestamp(ts // NS_PER_S, zone)
    return (moment.date() - datetime.date(1970, 1, 1)).days
