"""What ``tapewire data derive`` reads: MBO records, or trades among those of other schemas."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.config.schema import DatabentoSource
from tapewire.derive import DerivedSchema
from tapewire.derive.layout import MBP_1_DTYPE, MBP_10_DTYPE, TRADE_DTYPE
from tapewire.errors import ConfigError
from tapewire.inputs.rolls import Rolls, with_rolls
from tapewire.inputs.telling import Steps
from tapewire.market.continuous import root_of
from tapewire.market.records import ACTION_TRADE, MBO_DTYPE
from tapewire.replay import ReplayPlan, open_source
from tapewire.replay.any_schema import SchemaFile, schema_of
from tapewire.replay.convert import header_of, header_with
from tapewire.replay.dbn import symbol_mappings
from tapewire.replay.filters import require_known_symbols, wanted_mappings
from tapewire.replay.levels import SCHEMAS as LEVEL_SCHEMAS
from tapewire.wire import SymbolMapping

_CHUNK_RECORDS: Final = 65_536
#: Schemas whose records tell of every trade.
_WITH_TRADES: Final = {
    "trades": TRADE_DTYPE,
    "tbbo": MBP_1_DTYPE,
    "mbp-1": MBP_1_DTYPE,
    "mbp-10": MBP_10_DTYPE,
}
_TRADE_FIELDS: Final = (
    "publisher_id", "instrument_id", "ts_event", "price", "size", "flags", "ts_recv",
    "ts_in_delta", "sequence",
)  # fmt: skip

#: MBO records, of how many records of the file, and bytes of it read so far.
Chunks = Iterator[tuple[npt.NDArray[Any], int, int]]


@dataclass(frozen=True)
class OpenedInput:
    """An input: its dataset, symbols, header of what is made of it, records with bytes read."""

    dataset: str
    mappings: tuple[Any, ...]
    header: Callable[[], bytes]
    chunks: Chunks


def planned(source: DatabentoSource) -> tuple[ReplayPlan, Rolls | None]:
    """Return which records of a file are wanted, and what continuous symbols of it stand for.

    Of records that tell of no book a file has to say that itself, as it has of other symbols.
    """
    plan = ReplayPlan(tuple(source.files), tuple(source.symbols))
    if schema_of(plan.files[0]) not in ("mbo", *LEVEL_SCHEMAS):
        return plan, None
    return with_rolls(plan, source, Steps)


def open_input(
    plan: ReplayPlan,
    wanted: DerivedSchema,
    start_ns: int | None,
    cut_ns: int | None,
    stack: ExitStack,
) -> OpenedInput:
    """Open the files of a plan until the stack is closed.

    Parameters
    ----------
    plan
        Of `planned`.
    start_ns, cut_ns
        From when on rows are wanted, and before when records are read for them.

    Raises
    ------
    ConfigError
        If the schema can't be made of the file's, or a symbol that rolls of it, or there are
        several files that are not of MBO records, which alone are merged.
    InputError
        If the file can't be used, or has no such symbol.
    """
    path = plan.files[0]
    if schema_of(path) == "mbo":
        whole = replace(plan, start_ns=start_ns, end_ns=cut_ns, warmup="full")
        source = stack.enter_context(open_source(whole))
        return OpenedInput(
            source.info.dataset, source.info.mappings,
            lambda: header_of(source, wanted.name), _mbo_chunks(source),
        )  # fmt: skip
    file = stack.enter_context(SchemaFile(path))
    if file.schema not in _WITH_TRADES or wanted.needs_book or file.schema == wanted.name:
        made_of = "mbo"
        if not wanted.needs_book:
            made_of += "".join(f", {name}" for name in _WITH_TRADES if name != wanted.name)
        raise ConfigError(
            f"schema: {wanted.name} is made of {made_of}; {path} has schema {file.schema}"
        )
    if len(plan.files) > 1:
        raise ConfigError(
            f"path: expected one file of schema {file.schema}, found {len(plan.files):,} ({path}, "
            f"{plan.files[1]}, …): derive each by itself, or name files of mbo, which are merged"
        )
    mappings = symbol_mappings(path, file.metadata)
    is_narrowed = bool(plan.symbols or plan.windows)
    if is_narrowed:
        _require_own(plan, file.schema, mappings)
        require_known_symbols(plan.symbols, [mappings])
        mappings = tuple(wanted_mappings(plan.symbols, plan.windows, mappings))
    contracts = mappings if plan.windows else None
    return OpenedInput(
        str(file.metadata.dataset), mappings,
        lambda: header_with(file.metadata, wanted.name, contracts),
        _trade_chunks(file, mappings if is_narrowed else None, cut_ns),
    )  # fmt: skip


def _require_own(plan: ReplayPlan, schema: str, mappings: Sequence[SymbolMapping]) -> None:
    """Refuse continuous symbols that a file without a book does not map itself."""
    known = {one.raw_symbol for one in mappings}
    rolling = [symbol for symbol in plan.symbols if root_of(symbol) and symbol not in known]
    if rolling:
        raise ConfigError(
            f"symbols: {rolling[0]}: {plan.files[0]} of schema {schema} does not say which "
            "contracts it means: name them by their own symbols, or derive from mbo"
        )


def _mbo_chunks(source: Any) -> Chunks:
    chunk = np.empty(_CHUNK_RECORDS, MBO_DTYPE)
    while n := source.fill(chunk):
        yield chunk[:n], n, source.disk_bytes


def _trade_chunks(
    file: SchemaFile, mappings: Sequence[SymbolMapping] | None, cut_ns: int | None
) -> Chunks:
    """Give the trades among records of another schema as MBO records.

    Of symbols with these mappings (None: of all), captured before ``cut_ns``.
    """
    dtype = _WITH_TRADES[file.schema]
    found = np.empty(_CHUNK_RECORDS, dtype)
    records = np.zeros(_CHUNK_RECORDS, MBO_DTYPE)
    while n := file.read_into(found):
        file.require_trades(found[:n])
        wanted = found["action"][:n] == b"T"
        if cut_ns is not None:
            wanted &= found["ts_recv"][:n] < cut_ns
        if mappings is not None:
            wanted &= _is_of(found[:n], mappings)
        trades = found[:n][wanted]
        records["action"] = ACTION_TRADE
        for name in _TRADE_FIELDS:
            records[name][: len(trades)] = trades[name]
        records["side"][: len(trades)] = trades["side"].view(np.uint8)
        yield records[: len(trades)], n, file.disk_bytes


def _is_of(records: npt.NDArray[Any], mappings: Sequence[SymbolMapping]) -> npt.NDArray[np.bool_]:
    """Which records are of the mapped instruments, each at its time."""
    found = np.zeros(len(records), bool)
    ids, times = records["instrument_id"], records["ts_recv"]
    for one in mappings:
        of_it = (ids == one.instrument_id) & (times >= one.start_ns) & (times < one.end_ns)
        found |= of_it
    return found
