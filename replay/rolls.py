"""Which contract a continuous symbol means on each UTC day, and so which records are wanted.

Nothing of a day itself decides about it: volumes are those of the last day before that had any,
open interest is what was captured before the day began, expiries are known ahead.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.units import NS_PER_DAY
from tapewire.errors import FormatError, NoDataError
from tapewire.market.continuous import (
    RULES,
    ContinuousName,
    ListedFuture,
    continuous_name,
    delivery_end_ns,
    ranked,
)
from tapewire.market.statistics import DELETED, OPEN_INTEREST, UNDEF_QUANTITY
from tapewire.replay.dbn import DbnHeader
from tapewire.replay.volumes import DayVolumes
from tapewire.wire import SymbolMapping

_EPOCH: Final = dt.date(1970, 1, 1)
_TS_MAX: Final = 2**63 - 1
#: A range of sixty years: what a header says of its symbols may be anything.
_DAYS_MAX: Final = 22_000
_FUTURE: Final = b"F"
_NAMED_MAX: Final = 5
_UNDEF_TIME: Final = 2**63 - 1


@dataclass(frozen=True)
class RollDay:
    """What a continuous symbol means on a UTC day.

    Attributes
    ----------
    day
        Days since the epoch.
    symbol, instrument_id
        Of the contract.
    why
        What it was chosen by, in words.
    of_day
        The day whose volume it was; None: it went by something else.
    figures
        Lots by symbol, of all contracts that were listed; empty by expiry.
    """

    day: int
    symbol: str
    instrument_id: int
    why: str
    of_day: int | None = None
    figures: Mapping[str, int] = field(default_factory=dict)

    @property
    def start_ns(self) -> int:
        """When the day begins, ns since the epoch."""
        return self.day * NS_PER_DAY


@dataclass(frozen=True)
class RollTable:
    """The days of one continuous symbol, in order.

    Attributes
    ----------
    name
        The symbol.
    source
        ``files``: their own headers (or ``symbology.json``) say it; ``definitions`` or ``symbols``:
        what says when contracts expire.
    notes
        What deserves a look.
    """

    name: str
    source: str
    days: Sequence[RollDay]
    notes: Sequence[str] = ()

    def spans(self) -> list[tuple[str, int, int, int]]:
        """Return (symbol, instrument id, from, until) of each stretch of days with one contract.

        The first begins before all data, and the last ends behind them.
        """
        spans: list[tuple[str, int, int, int]] = []
        for one in self.days:
            if spans and spans[-1][1] == one.instrument_id:
                continue
            if spans:
                spans[-1] = (*spans[-1][:3], one.start_ns)
            begin_ns = one.start_ns if spans else 0
            spans.append((one.symbol, one.instrument_id, begin_ns, _TS_MAX))
        return spans


def futures_of(
    root: str, headers: Iterable[DbnHeader], definitions: npt.NDArray[Any]
) -> list[ListedFuture]:
    """Return the outright contracts of a product that files have.

    Parameters
    ----------
    root
        The product; its contracts are those whose definition names it as their asset, or, without
        one, the symbols that are it, a month's letter and a year's digits.
    headers
        Of the files of market data.
    definitions
        ``market.definitions.DEFINITION``, shape (n,).
    """
    listed: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for header in headers:
        for mapping in header.mappings:
            key = (mapping.raw_symbol, mapping.instrument_id)
            listed.setdefault(key, []).append((mapping.start_ns, mapping.end_ns))
    start = root.encode()
    maybe = np.char.startswith(definitions["raw_symbol"], start) | (definitions["asset"] == start)
    defined = _first_definitions(definitions[maybe])
    futures = []
    for (symbol, number), times in sorted(listed.items()):
        record = defined.get((symbol, number))
        ends_ns = delivery_end_ns(symbol, root, min(times)[0] // NS_PER_DAY)
        if record is not None:
            is_future = record["instrument_class"] == _FUTURE
            if not is_future or _text(record["asset"]) != root:
                continue
            expires_ns = int(record["expiration"])
            if 0 < expires_ns < _UNDEF_TIME:
                futures.append(ListedFuture(symbol, number, expires_ns, tuple(times), True))
                continue
        if ends_ns is not None:
            futures.append(ListedFuture(symbol, number, ends_ns, tuple(times)))
    return futures


def _first_definitions(records: npt.NDArray[Any]) -> dict[tuple[str, int], Any]:
    """Return the first definition of each symbol: of later ones nothing was known yet."""
    first: dict[tuple[str, int], Any] = {}
    for at in np.argsort(records["ts_recv"], kind="stable"):
        record = records[at]
        key = (_text(record["raw_symbol"]), int(record["instrument_id"]))
        first.setdefault(key, record)
    return first


def _text(value: Any) -> str:
    return bytes(value).split(b"\0", 1)[0].decode("ascii", "replace")


def roll_table(
    name: ContinuousName,
    futures: Sequence[ListedFuture],
    volumes: DayVolumes,
    statistics: npt.NDArray[Any],
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> RollTable:
    """Say which contract a continuous symbol means on each day that files have contracts for.

    Parameters
    ----------
    name
        The symbol.
    futures
        The contracts of its product, at least one (`futures_of`).
    volumes
        Of all files; looked at where volume is what it goes by.
    statistics
        ``market.statistics.STATISTICS``, shape (n,); looked at where that is open interest.
    start_ns, end_ns
        Only days that are in part in [start, end), if any is.

    Raises
    ------
    NoDataError
        If no day has so many contracts, there is no open interest at all, or a file does not say
        which days it is of.
    """
    interest = _open_interest(futures, statistics) if name.rule == "n" else []
    if name.rule == "n" and not interest:
        raise NoDataError(
            f"symbol {name}: expected open interest of {name.root} in statistics_files, found none"
        )
    days: list[RollDay] = []
    unranked: list[int] = []
    most = 0
    there = _days_of(name, futures)
    asked = [
        day
        for day in there
        if (start_ns is None or start_ns < (day + 1) * NS_PER_DAY)
        and (end_ns is None or day * NS_PER_DAY < end_ns)
    ]
    for day in asked or there:
        figures, of_day, why = None, None, "first to expire"
        if name.rule == "v":
            figures, of_day = _volumes_before(day, futures, volumes)
            why = "volume of the day before that traded last"
        elif name.rule == "n":
            figures = _interest_before(day, interest)
            why = "last open interest known as the day began"
        if name.rule != "c" and figures is None:
            why = f"first to expire: no {RULES[name.rule]} is known of a time before"
        order = ranked(futures, day * NS_PER_DAY, figures)
        most = max(most, len(order))
        if name.rank >= len(order):
            if order:
                unranked.append(day)
            continue
        meant = order[name.rank]
        shown = {one.symbol: figures.get(one.symbol, 0) for one in order} if figures else {}
        days.append(RollDay(day, meant.symbol, meant.instrument_id, why, of_day, shown))
    if not days:
        raise NoDataError(
            f"symbol {name}: expected at least {name.rank + 1} contracts of {name.root} on a day, "
            f"found {most}: of all days there are {_listed([one.symbol for one in futures])}"
        )
    source = "definitions" if all(one.is_defined for one in futures) else "symbols"
    return RollTable(str(name), source, days, _notes(name, futures, days, unranked))


def own_table(symbol: str, headers: Iterable[DbnHeader]) -> RollTable | None:
    """Return the days of a continuous symbol as files say them themselves; None: none does.

    Raises
    ------
    FormatError
        If they say two instruments of a continuous symbol for one time.
    """
    rolls = continuous_name(symbol) is not None
    found: dict[int, int] = {}
    said: dict[int, tuple[SymbolMapping, str]] = {}
    for header in headers:
        for mapping in header.mappings:
            if mapping.raw_symbol != symbol:
                continue
            for day in _days_within(mapping.start_ns, mapping.end_ns, symbol):
                found.setdefault(day, mapping.instrument_id)
                first, path = said.setdefault(day, (mapping, header.path))
                if (
                    rolls
                    and first.instrument_id != mapping.instrument_id
                    and first.start_ns < mapping.end_ns
                    and mapping.start_ns < first.end_ns
                ):
                    raise FormatError(
                        f"symbol {symbol}: expected one instrument on {date_of(day)}, found "
                        f"{first.instrument_id} in {path} and {mapping.instrument_id} in "
                        f"{header.path}: leave one of them out"
                    )
    days = [
        RollDay(day, symbol, number, "the symbology of the files") for day, number in found.items()
    ]
    return RollTable(symbol, "files", sorted(days, key=lambda one: one.day)) if days else None


def _notes(
    name: ContinuousName,
    futures: Sequence[ListedFuture],
    days: Sequence[RollDay],
    unranked: Sequence[int],
) -> list[str]:
    notes = []
    if guessed := [one.symbol for one in futures if not one.is_defined]:
        notes.append(
            f"{name}: no definition says when {_listed(guessed)} expires: taken as the end of its "
            "delivery month (definition_files)"
        )
    if guesses := [date_of(one.day) for one in days if "is known of" in one.why]:
        notes.append(
            f"{name}: no {RULES[name.rule]} of a time before {_listed(guesses)} is in the files: "
            "the first to expire was taken (files of the days before, with start, give it)"
        )
    if unranked:
        notes.append(
            f"{name}: on {_listed([date_of(day) for day in unranked])} there are no "
            f"{name.rank + 1} contracts: what was meant last stays"
        )
    return notes


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED_MAX:,} more" if len(names) > _NAMED_MAX else ""
    return ", ".join(names[:_NAMED_MAX]) + more


def date_of(day: int) -> str:
    """Write a day since the epoch as a date."""
    return (_EPOCH + dt.timedelta(day)).isoformat()


def _days_of(name: ContinuousName, futures: Sequence[ListedFuture]) -> list[int]:
    days: set[int] = set()
    for one in futures:
        for since, until in one.listed:
            days.update(_days_within(since, min(until, one.ends_ns), str(name)))
    return sorted(days)


def _days_within(start_ns: int, end_ns: int, symbol: str) -> range:
    days = range(start_ns // NS_PER_DAY, -(-end_ns // NS_PER_DAY))
    if len(days) > _DAYS_MAX:
        raise NoDataError(
            f"symbol {symbol}: expected files that say for which days their symbols are, found "
            f"{len(days):,} days"
        )
    return days


def _volumes_before(
    day: int, futures: Sequence[ListedFuture], volumes: DayVolumes
) -> tuple[dict[str, int] | None, int | None]:
    """Return lots by symbol of the last day before that has any, and that day."""
    for before in sorted((one for one in volumes if one < day), reverse=True):
        of_day = volumes[before]
        figures = {
            one.symbol: of_day[one.instrument_id]
            for one in futures
            if one.instrument_id in of_day
            and one.is_listed(before * NS_PER_DAY, (before + 1) * NS_PER_DAY)
        }
        if any(figures.values()):
            return figures, before
    return None, None


def _open_interest(
    futures: Sequence[ListedFuture], records: npt.NDArray[Any]
) -> list[tuple[int, str, int]]:
    """Return (ts_recv, symbol, lots) of contracts, as they were captured."""
    names = {one.instrument_id: one.symbol for one in futures}
    mine = records[
        (records["stat_type"] == OPEN_INTEREST)
        & (records["update_action"] != DELETED)
        & (records["quantity"] != UNDEF_QUANTITY)
    ]
    return sorted(
        (int(row["ts_recv"]), names[int(row["instrument_id"])], int(row["quantity"]))
        for row in mine
        if int(row["instrument_id"]) in names
    )


def _interest_before(day: int, interest: Sequence[tuple[int, str, int]]) -> dict[str, int] | None:
    figures = {symbol: lots for ts_recv, symbol, lots in interest if ts_recv < day * NS_PER_DAY}
    return figures or None
