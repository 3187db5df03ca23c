"""Which records of a file are wanted, as tables for the filter kernel."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tapewire.errors import NoDataError
from tapewire.market.instruments import instrument_id_of
from tapewire.replay import _kernels as kernels
from tapewire.replay.plan import ReplayPlan
from tapewire.wire import SymbolMapping

_TS_MAX: Final = 2**63 - 1
_SHOWN_SYMBOLS: Final = 12
_HASH_FACTOR: Final = 0x9E3779B1  # as in the kernel


@dataclass(frozen=True)
class RecordFilter:
    """The tables of :func:`tapewire.replay._kernels.filter_records` for one file."""

    start_ns: int
    end_ns: int
    publishers: np.ndarray
    table: np.ndarray
    spans: np.ndarray
    warmup_until_ns: int = kernels.CLOCK_MIN
    begins: np.ndarray = field(default_factory=lambda: no_begins())

    @classmethod
    def for_file(cls, plan: ReplayPlan, mappings: Sequence[SymbolMapping]) -> "RecordFilter":
        """Build the filter of a plan for a file with these symbols."""
        publishers = np.zeros(65_536 if plan.publishers else 0, np.uint8)
        publishers[list(plan.publishers)] = 1
        is_narrowed = bool(plan.symbols or plan.windows)
        table, spans = _instrument_table(
            wanted_mappings(plan.symbols, plan.windows, mappings) if is_narrowed else None
        )
        from_ns = plan.start_ns if plan.warmup_until_ns is None else None
        return cls(
            start_ns=kernels.CLOCK_MIN if from_ns is None else from_ns,
            end_ns=_TS_MAX if plan.end_ns is None else plan.end_ns,
            publishers=publishers,
            table=table,
            spans=spans,
        )


def no_begins() -> np.ndarray:
    """Return a table of `book_begins` in which no book is."""
    return np.full((1, 2), -1, np.int64)


def book_begins(begins_ns: Mapping[int, int]) -> np.ndarray:
    """Return the open-addressing table of the clocks from which books' records are wanted.

    Parameters
    ----------
    begins_ns
        Clock (ns) by book: ``publisher_id << 32 | instrument_id``.
    """
    size = 1
    while size < 2 * len(begins_ns) + 1:
        size *= 2
    table = np.full((size, 2), -1, np.int64)
    for key, begin_ns in begins_ns.items():
        at = (key * _HASH_FACTOR) & (size - 1)
        while table[at, 0] != -1:
            at = (at + 1) & (size - 1)
        table[at] = key, begin_ns
    return table


def _instrument_table(
    mappings: Iterable[SymbolMapping] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the open-addressing table and the spans it points into; None: all match."""
    if mappings is None:
        return np.zeros((0, 3), np.int64), np.zeros((0, 2), np.int64)
    by_id: dict[int, list[SymbolMapping]] = {}
    for mapping in mappings:
        by_id.setdefault(mapping.instrument_id, []).append(mapping)
    size = 4
    while size < 2 * len(by_id):
        size *= 2
    table = np.full((size, 3), -1, np.int64)
    spans: list[tuple[int, int]] = []
    for instrument_id, rows in by_id.items():
        at = (instrument_id * _HASH_FACTOR) & (size - 1)
        while table[at, 0] != -1:
            at = (at + 1) & (size - 1)
        table[at] = instrument_id, len(spans), len(spans) + len(rows)
        spans += [(row.start_ns, row.end_ns) for row in rows]
    return table, np.array(spans, np.int64).reshape(-1, 2)


def wanted_mappings(
    symbols: Sequence[str],
    windows: Sequence[tuple[str, int, int, int]],
    mappings: Sequence[SymbolMapping],
) -> list[SymbolMapping]:
    """Return a file's mappings of symbols, and of windows as far as they reach (`ReplayPlan`)."""
    return [*_of_symbols(symbols, mappings), *_within(windows, mappings)]


def _of_symbols(symbols: Sequence[str], mappings: Sequence[SymbolMapping]) -> list[SymbolMapping]:
    """Return a file's mappings of these symbols; numbers it has no symbol for map to themselves."""
    names = set(symbols)
    found = [m for m in mappings if m.raw_symbol in names]
    names.difference_update(m.raw_symbol for m in found)
    mapped = {m.instrument_id for m in mappings}
    for name in sorted(names):
        number = instrument_id_of(name)
        if number is not None and number not in mapped:
            found.append(SymbolMapping(name, number, kernels.CLOCK_MIN, _TS_MAX))
    return found


def _within(
    windows: Sequence[tuple[str, int, int, int]], mappings: Sequence[SymbolMapping]
) -> list[SymbolMapping]:
    """Return a file's mappings of the windows' symbols, each as far as its windows reach."""
    by_instrument: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for symbol, number, start_ns, end_ns in windows:
        by_instrument.setdefault((symbol, number), []).append((start_ns, end_ns))
    found = []
    for m in mappings:
        for start_ns, end_ns in by_instrument.get((m.raw_symbol, m.instrument_id), ()):
            since, until = max(start_ns, m.start_ns), min(end_ns, m.end_ns)
            if since < until:
                found.append(SymbolMapping(m.raw_symbol, m.instrument_id, since, until))
    return found


def require_known_symbols(wanted: Sequence[str], files: Sequence[Sequence[SymbolMapping]]) -> None:
    """Raise NoDataError for a symbol that no file has, with the nearest ones it may mean.

    Parameters
    ----------
    wanted
        Symbols, or the numbers of instruments that a file has no symbol for.
    files
        The mappings of each file.
    """
    known = {m.raw_symbol for mappings in files for m in mappings}
    for symbol in wanted:
        if symbol in known:
            continue
        number = instrument_id_of(symbol)
        if number is not None:
            named = [next((m for m in ms if m.instrument_id == number), None) for ms in files]
            if None in named:
                continue
            raise NoDataError(
                f"symbol {symbol!r}: instrument {number} has a symbol in the files: name it as "
                f"{named[0].raw_symbol!r}"  # type: ignore[union-attr]
            )
        if not known:
            raise NoDataError(
                f"symbol {symbol!r}: the files carry no symbol mappings; name instruments by "
                "their numbers (instrument_id), as `tapewire data inspect FILE` lists them"
            )
        near = difflib.get_close_matches(symbol.upper(), sorted(known)[:20_000], n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        shown = ", ".join(sorted(known)[:_SHOWN_SYMBOLS])
        more = f" and {len(known) - _SHOWN_SYMBOLS} more" if len(known) > _SHOWN_SYMBOLS else ""
        raise NoDataError(f"symbol {symbol!r} is in no file{hint} (known: {shown}{more})")
