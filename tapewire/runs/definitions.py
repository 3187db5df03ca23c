"""The definitions that a run goes by: one for each of its instruments, of the files it names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapewire.config.schema import DatabentoSource, RunConfig
from tapewire.errors import NoDataError
from tapewire.market.definitions import DefinedFacts, facts_of
from tapewire.runs.beside import beside_of

if TYPE_CHECKING:
    from tapewire.replay.definitions import DefinitionFile
    from tapewire.wire import StreamInfo

_NAMED_MAX: Final = 5


@dataclass(frozen=True)
class Definition:
    """The definition of an instrument that a run goes by.

    Attributes
    ----------
    before_start
        Whether it was captured at or before the start; else it is the first one after.
    """

    file: str
    facts: DefinedFacts
    before_start: bool


def read_chosen(
    config: RunConfig, info: "StreamInfo"
) -> "tuple[list[DefinitionFile], dict[str, Definition]]":
    """Read the definition files of a configuration, and what captures among its data define.

    Returns
    -------
    list of DefinitionFile
    dict of str to Definition
        By symbol: the last captured at or before the start, or else the first.

    Raises
    ------
    MissingFileError, FormatError
        If a file can't be used.
    NoDataError
        If one is of another dataset, or defines no instrument of the stream.
    """
    source = config.backtest.data_source
    if not isinstance(source, DatabentoSource):
        return [], {}
    captured = [one.definitions for one in beside_of(config) if one.definitions is not None]
    if not source.definition_files and not captured:
        return [], {}
    from tapewire.replay.definitions import is_meant, read_definitions

    names: dict[int, str] = {}
    for mapping in info.mappings:
        names.setdefault(mapping.instrument_id, mapping.raw_symbol)
    wanted = np.array(list(names), np.uint32) if names else None
    files = [read_definitions(path, wanted) for path in source.definition_files]
    rows: list[tuple[int, str, str, Any]] = []  # ts_recv, symbol, file, record
    for file in files:
        if info.dataset and file.dataset not in info.dataset.split("+"):
            raise NoDataError(
                f"{file.path}: has definitions of {file.dataset}; expected those of "
                f"{info.dataset}: name the file of that dataset, or leave it out"
            )
        meant = [row for row in file.records if is_meant(row, names)]
        if not meant:
            listed = first_few(sorted(set(names.values())))
            raise NoDataError(
                f"{file.path}: expected definitions of instruments of the run"
                f"{f' ({listed})' if listed else ''}, found {file.records_read:,} of others: name "
                "the file of these instruments and days, or leave it out"
            )
        rows += [_row_of(row, names, file.path) for row in meant]
    for file in captured:
        mine = file.records if wanted is None else file.records[_is_wanted(file, wanted)]
        rows += [_row_of(row, names, file.path) for row in mine if is_meant(row, names)]
    rows.sort(key=lambda row: row[0])
    start_ns = info.warmup_until_ns or info.start_ns
    chosen: dict[str, tuple[int, str, Any]] = {}
    for ts_recv, symbol, path, row in rows:
        if symbol not in chosen or ts_recv <= start_ns:
            chosen[symbol] = ts_recv, path, row
    return [*files, *captured], {
        symbol: Definition(path, facts_of(row), ts_recv <= start_ns)
        for symbol, (ts_recv, path, row) in chosen.items()
    }


def _row_of(row: Any, names: Mapping[int, str], path: str) -> tuple[int, str, str, Any]:
    number = int(row["instrument_id"])
    return int(row["ts_recv"]), names.get(number, str(number)), path, row


def _is_wanted(file: "DefinitionFile", wanted: Any) -> Any:
    return np.isin(file.records["instrument_id"], wanted)


def first_few(names: Sequence[str]) -> str:
    """Name up to five, and how many more there are."""
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return ", ".join(names[:_NAMED_MAX]) + more
