"""Continuous symbols and parents of a data source: what they stand for in its files.

A symbol that files map themselves (a download of ``ES.c.0``, its ``symbology.json``) is left to
them; any other is worked out from definitions, statistics and volumes (`tapewire.replay.rolls`).
"""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapewire.compiled.units import NS_PER_DAY
from tapewire.config.schema import DatabentoSource
from tapewire.errors import NoDataError
from tapewire.market.continuous import ContinuousName, continuous_name, parent_root, root_of
from tapewire.market.times import time_text
from tapewire.replay.rolls import RollTable, date_of, futures_of, own_table, roll_table

if TYPE_CHECKING:
    from tapewire.inputs.batch_folder import Working
    from tapewire.market.continuous import ListedFuture
    from tapewire.replay import ReplayPlan
    from tapewire.replay.dbn import DbnHeader
    from tapewire.replay.volumes import BarFile

_TS_MAX: Final = 2**63 - 1
_ROOTS_TOLD: Final = 8


@dataclass(frozen=True)
class Rolls:
    """What the continuous symbols and parents of a data source stand for.

    Attributes
    ----------
    tables
        Of each continuous symbol.
    parents
        Contracts by parent symbol.
    others
        The symbols that are neither, and those that files map themselves: they stay as they are.
    keeps
        Whether a contract stays in the run after the roll, and with it what is held of it.
    bars
        Files of daily bars whose volumes were looked at.
    hashes
        xxh3_128 of files of records whose trades were added up, by path.
    """

    tables: Sequence[RollTable] = ()
    parents: Mapping[str, Sequence[str]] = field(default_factory=dict)
    others: Sequence[str] = ()
    keeps: bool = False
    bars: "Sequence[BarFile]" = ()
    hashes: Mapping[str, str] = field(default_factory=dict)

    def planned(self, plan: "ReplayPlan") -> "ReplayPlan":
        """Return a plan with contracts and times in place of their names."""
        symbols = dict.fromkeys(
            [*self.others, *(s for some in self.parents.values() for s in some)]
        )
        return dataclasses.replace(plan, symbols=tuple(symbols), windows=tuple(self._windows()))

    def _windows(self) -> list[tuple[str, int, int, int]]:
        """Return when which contracts are wanted; where they are kept from their first day on."""
        spans = [s for one in self.tables if one.source != "files" for s in one.spans()]
        if not self.keeps:
            return list(dict.fromkeys(spans))
        first: dict[tuple[str, int], int] = {}
        for symbol, number, start_ns, _ in spans:
            key = (symbol, number)
            first[key] = min(first.get(key, start_ns), start_ns)
        return [(*key, start_ns, _TS_MAX) for key, start_ns in first.items()]

    @property
    def ends(self) -> dict[int, int]:
        """When the run leaves which instrument for good, ns since the epoch, by id."""
        if self.keeps:
            return {}
        stays = {*self.others, *(s for some in self.parents.values() for s in some)}
        last: dict[int, int] = {}
        for table in self.tables:
            for symbol, number, _, end_ns in table.spans():
                named = table.source != "files" and symbol in stays
                last[number] = max(last.get(number, 0), _TS_MAX if named else end_ns)
        return {number: end_ns for number, end_ns in last.items() if end_ns < _TS_MAX}

    def meant(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the contracts that names stand for; other names as they are."""
        found: dict[str, None] = {}
        tables = {one.name: one for one in self.tables}
        for name in names:
            if name in tables:
                found.update(dict.fromkeys(span[0] for span in tables[name].spans()))
            else:
                found.update(dict.fromkeys(self.parents.get(name, (name,))))
        return tuple(found)

    def reach(self) -> dict[int, list[tuple[int, int]]]:
        """Return ``[start_ns, end_ns)`` of the times that instruments are meant for, in order.

        By id; instruments that are meant all the time are left out.
        """
        stays = {*self.others, *(s for some in self.parents.values() for s in some)}
        found: dict[int, list[tuple[int, int]]] = {}
        always: set[int] = set()
        for table in self.tables:
            for symbol, number, start_ns, end_ns in table.spans():
                if table.source != "files" and symbol in stays:
                    always.add(number)
                until_ns = _TS_MAX if self.keeps else end_ns
                found.setdefault(number, []).append((start_ns, until_ns))
        return {number: sorted(some) for number, some in found.items() if number not in always}

    def warnings(self) -> list[str]:
        """Say what deserves a look: what was assumed, and contracts that come back."""
        notes = [note for table in self.tables for note in table.notes]
        for table in self.tables if not self.keeps else ():
            seen: dict[str, None] = {}
            for symbol, _, start_ns, _ in table.spans():
                if symbol in seen and table.source != "files":
                    notes.append(
                        f"{table.name}: {symbol} comes back at {time_text(start_ns)}: what is held "
                        "of it, and its orders, stay in between, where its book stands still"
                    )
                seen[symbol] = None
        return notes

    def describe(self) -> dict[str, Any]:
        """Return the days of each symbol as plain values, for manifests and ``--json``."""
        return {
            "policy": "keep" if self.keeps else "close",
            "continuous": {table.name: table_facts(table) for table in self.tables},
            "parents": {name: list(symbols) for name, symbols in self.parents.items()},
        }


def table_facts(table: RollTable) -> dict[str, Any]:
    """Return a table as plain values."""
    return {
        "source": table.source,
        "days": [
            {
                "date": date_of(one.day),
                "symbol": one.symbol,
                "instrument_id": one.instrument_id,
                "why": one.why,
                "of": None if one.of_day is None else date_of(one.of_day),
                "figures": dict(one.figures),
            }
            for one in table.days
        ],
    }


def _silent(what: str, total_mb: int) -> Any:
    return nullcontext(lambda done_mb: None)


def with_rolls(
    plan: "ReplayPlan", source: DatabentoSource, working: "Working" = _silent
) -> "tuple[ReplayPlan, Rolls | None]":
    """Return a plan with contracts in place of continuous symbols, and what they stand for.

    The plan is returned as it is where there is no such symbol.

    Raises
    ------
    InputError
        As `rolls_of`.
    """
    if not any(root_of(symbol) for symbol in source.symbols):
        return plan, None
    rolls = rolls_of(source, working)
    return rolls.planned(plan), rolls


def rolls_of(source: DatabentoSource, working: "Working" = _silent) -> Rolls:
    """Work out what the symbols of a data source stand for.

    Volumes are added up only where a symbol goes by them.

    Raises
    ------
    MissingFileError, FormatError
        If a file can't be used.
    NoDataError
        If the files have no contract of a product, or not what a symbol goes by.
    """
    from tapewire.inputs.volumes import ContractVolumes
    from tapewire.replay.dbn import inspect

    headers = [
        inspect(path, allow_truncated=source.allow_truncated)
        for path in dict.fromkeys(map(os.fspath, source.files))
    ]
    tables: list[RollTable] = []
    names: list[ContinuousName] = []
    parents: dict[str, Sequence[str]] = {}
    others: list[str] = []
    futures: dict[str, list[ListedFuture]] = {}
    definitions = None
    for symbol in dict.fromkeys(source.symbols):
        root = root_of(symbol)
        own = own_table(symbol, headers) if root is not None else None
        if root is None or own is not None:
            others.append(symbol)
            tables += [own] if own is not None and continuous_name(symbol) else []
            continue
        if definitions is None:
            definitions = _definitions(source, headers)
        if root not in futures:
            futures[root] = futures_of(root, headers, definitions)
        if not futures[root]:
            raise NoDataError(_no_futures(symbol, root, headers))
        name = continuous_name(symbol)
        if name is not None:
            names.append(name)
        else:
            assert parent_root(symbol) == root
            parents[symbol] = tuple(dict.fromkeys(one.symbol for one in futures[root]))
    by_volume = {one.root: futures[one.root] for one in names if one.rule == "v"}
    looked_at = ContractVolumes(source, headers, working)
    volumes = looked_at.of(by_volume)
    statistics = _statistics(source) if any(one.rule == "n" for one in names) else np.empty(0)
    for name in names:
        table = roll_table(
            name, futures[name.root], volumes.get(name.root, {}), statistics,
            start_ns=source.start, end_ns=source.end,
        )  # fmt: skip
        tables.append(_with_beginnings(table, headers))
    keeps = source.roll == "keep"
    return Rolls(tables, parents, others, keeps, looked_at.bars, looked_at.hashes)


def _with_beginnings(table: RollTable, headers: "Sequence[DbnHeader]") -> RollTable:
    """Tell of contracts whose book begins on a day that no file begins with a snapshot."""
    whole = {
        header.first_ts_recv // NS_PER_DAY
        for header in headers
        if header.first_ts_recv is not None and header.begins_with_snapshot
    }
    notes = [
        f"{table.name}: no file begins with a snapshot on {date_of(start_ns // NS_PER_DAY)}: the "
        f"book of {symbol}, whose days begin there, has only the orders that come then"
        for symbol, _, start_ns, _ in table.spans()[1:]
        if start_ns // NS_PER_DAY not in whole
    ]
    return dataclasses.replace(table, notes=[*table.notes, *notes]) if notes else table


def _definitions(source: DatabentoSource, headers: "Sequence[DbnHeader]") -> Any:
    from tapewire.market.definitions import DEFINITION
    from tapewire.replay.definitions import read_definitions

    numbers = {m.instrument_id for header in headers for m in header.mappings}
    wanted = np.array(sorted(numbers), np.uint32)
    files = [read_definitions(path, wanted) for path in source.definition_files]
    return np.concatenate([np.empty(0, DEFINITION), *(file.records for file in files)])


def _statistics(source: DatabentoSource) -> Any:
    from tapewire.market.statistics import OPEN_INTEREST, STATISTICS
    from tapewire.replay.statistics import read_statistics

    files = [read_statistics(path, OPEN_INTEREST) for path in source.statistics_files]
    return np.concatenate([np.empty(0, STATISTICS), *(file.records for file in files)])


def _no_futures(symbol: str, root: str, headers: "Sequence[DbnHeader]") -> str:
    known = sorted({m.raw_symbol for header in headers for m in header.mappings})
    if not known:
        return (
            f"symbol {symbol!r}: the files carry no symbol mappings, so that no contract of {root} "
            "can be told: name instruments by their numbers"
        )
    more = f" and {len(known) - _ROOTS_TOLD:,} more" if len(known) > _ROOTS_TOLD else ""
    return (
        f"symbol {symbol!r}: expected contracts of {root}, such as {root}H4, in the files, found "
        f"{', '.join(known[:_ROOTS_TOLD])}{more}"
    )
