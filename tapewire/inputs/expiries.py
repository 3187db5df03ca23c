"""When instruments of market data files expire, as definitions beside the data or in it say."""

import os

import numpy as np

from tapewire.config.schema import DatabentoSource
from tapewire.errors import NoDataError
from tapewire.market.definitions import facts_of
from tapewire.market.times import time_text
from tapewire.replay.beside import read_beside
from tapewire.replay.dbn import inspect
from tapewire.replay.definitions import DefinitionFile, is_meant, read_definitions


def expiries_in(source: DatabentoSource) -> tuple[dict[int, int], list[str]]:
    """Return when instruments of a data source expire, by id, and notes on those that had before.

    Of several definitions of an instrument the last captured at or before the start of the data
    counts, or else the first. An id that stands for several symbols in the data is left out.

    Returns
    -------
    expiries_ns
        ns since the epoch; of instruments whose definition says it.
    notes
        Who had expired when the data begin.

    Raises
    ------
    MissingFileError, FormatError
        If a file can't be used.
    NoDataError
        If a file of definitions is of another dataset.
    """
    paths = list(dict.fromkeys(map(os.fspath, source.files)))
    captured = [one for one in (read_beside(path).definitions for path in paths) if one is not None]
    if not source.definition_files and not captured:
        return {}, []
    headers = [inspect(path, allow_truncated=source.allow_truncated) for path in paths]
    symbols: dict[int, set[str]] = {}
    for mapping in (one for header in headers for one in header.mappings):
        symbols.setdefault(mapping.instrument_id, set()).add(mapping.raw_symbol)
    names = {number: min(some) for number, some in symbols.items() if len(some) == 1}
    wanted = np.array(list(names), np.uint32)
    files = [read_definitions(path, wanted) for path in source.definition_files]
    _require_dataset(files, {header.dataset for header in headers})
    start_ns = source.start or min(header.first_ts_recv or header.start_ns for header in headers)
    rows = [
        row
        for file in (*files, *captured)
        for row in file.records
        if int(row["instrument_id"]) in names and is_meant(row, names)
    ]
    rows.sort(key=lambda row: int(row["ts_recv"]))
    chosen: dict[int, int | None] = {}
    for row in rows:
        number = int(row["instrument_id"])
        if number not in chosen or int(row["ts_recv"]) <= start_ns:
            chosen[number] = facts_of(row).expiration
    known = {number: ts for number, ts in chosen.items() if ts is not None}
    notes = [
        f"{names[number]} expired at {time_text(ts)}, before the data begin: it has no rows"
        for number, ts in sorted(known.items())
        if ts <= start_ns
    ]
    return known, notes


def _require_dataset(files: list[DefinitionFile], datasets: set[str]) -> None:
    for file in files:
        if file.dataset not in datasets:
            raise NoDataError(
                f"{file.path}: has definitions of {file.dataset}; expected those of "
                f"{' or '.join(sorted(datasets))}: name the file of that dataset, or leave it out"
            )
