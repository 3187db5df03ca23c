"""What a DBN file of another schema than MBO holds: its header, counts, and range."""

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tapewire.inputs.file_report import symbols_of, top_books
from tapewire.inputs.telling import Steps
from tapewire.replay.any_schema import SchemaFile
from tapewire.replay.dbn import symbol_mappings
from tapewire.replay.levels import SCHEMAS as LEVEL_SCHEMAS

_CHUNK_BYTES: Final = 4 << 20
_HEADER: Final = (
    ("length", "u1"), ("rtype", "u1"), ("publisher_id", "<u2"), ("instrument_id", "<u4"),
    ("ts_event", "<u8"),
)  # fmt: skip
#: Where schemas have their action and ts_recv, in bytes from the beginning of a record.
_ACTION_AT: Final = dict.fromkeys(("trades", "tbbo", "mbp-1", "mbp-10", "cmbp-1", "tcbbo"), 28)
_RECV_AT: Final = {
    **dict.fromkeys(
        ("trades", "tbbo", "mbp-1", "mbp-10", "cmbp-1", "tcbbo", "bbo-1s", "bbo-1m", "cbbo-1s",
         "cbbo-1m"), 32,
    ),
    **dict.fromkeys(("definition", "statistics", "status", "imbalance"), 16),
}  # fmt: skip
_BARS: Final = "trades and bars can be made of it with `tapewire data derive`"
_PLAYED: Final = "a run plays it where there is no mbo: levels, queue places are guessed"
#: What files of a schema are for here.
_MEANINGS: Final = {
    "definition": "what instruments are: name it in data_source.definition_files",
    "status": "trading states: name it in data_source.status_files",
    "statistics": "settlement prices, open interest: name it in data_source.statistics_files",
    "ohlcv-1d": "volumes of days, for rolls: name it in data_source.volume_files",
    "trades": f"no book, no queue places: {_BARS}",
    **dict.fromkeys(LEVEL_SCHEMAS, _PLAYED),
    **dict.fromkeys(("mbp-10", "mbp-1", "tbbo"), f"{_PLAYED}; {_BARS}"),
}
_NO_USE: Final = "a run takes mbo, or levels (mbp-10, bbo-1s, …): this file is not for it"
_TS_MAX: Final = 2**63


@dataclass
class SchemaReport:
    """What a DBN file of another schema holds. Times are ns since the epoch, UTC.

    Attributes
    ----------
    actions : dict of str to int
        Of schemas that have them.
    first_ns, last_ns
        Of the clock that the file is in the order of: ``ts_recv`` where there is one, else
        ``ts_event``. Undefined ones are left out.
    backward : int
        Records whose clock is before that of the record before.
    rtypes : dict of str to int
        Records by type.
    meaning : str
        What the file is good for in a run.
    """

    path: str
    size_bytes: int
    compressed: bool
    dbn_version: int
    dataset: str
    schema: str
    start_ns: int
    end_ns: int
    symbols: list[dict[str, Any]]
    records: int = 0
    actions: dict[str, int] = field(default_factory=dict)
    clock: str = "ts_recv"
    first_ns: int | None = None
    last_ns: int | None = None
    backward: int = 0
    rtypes: dict[str, int] = field(default_factory=dict)
    books: int = 0
    top_books: list[dict[str, Any]] = field(default_factory=list)
    meaning: str = ""


def inspect_other(path: str | os.PathLike[str]) -> SchemaReport:
    """Read a whole DBN file of any schema but MBO.

    Raises
    ------
    InputError
        If the file can't be read, is no such file, or is truncated or corrupt.
    """
    with SchemaFile(os.fspath(path)) as file:
        mappings = symbol_mappings(file.path, file.metadata)
        report = SchemaReport(
            path=file.path, size_bytes=file.size_bytes, compressed=file.compressed,
            dbn_version=file.version, dataset=str(file.metadata.dataset), schema=file.schema,
            start_ns=_known(file.metadata.start), end_ns=_known(file.metadata.end),
            symbols=symbols_of(mappings), meaning=_MEANINGS.get(file.schema, _NO_USE),
            clock="ts_recv" if file.schema in _RECV_AT else "ts_event",
        )  # fmt: skip
        dtype = _dtype_of(file.schema, file.record_bytes)
        chunk = np.empty(max(1, _CHUNK_BYTES // dtype.itemsize), dtype)
        per_book: Counter[int] = Counter()
        with Steps("reading", None) as steps:
            while n := file.read_into(chunk):
                _add(report, chunk[:n], per_book)
                steps(file.records_read)
        names = {m.instrument_id: m.raw_symbol for m in mappings}
        report.books, report.top_books = len(per_book), top_books(per_book, names)
        return report


def _known(value: int | None) -> int:
    return value if value is not None and 0 < value < _TS_MAX else 0


def _dtype_of(schema: str, size: int) -> np.dtype[Any]:
    """A record's header, and of the rest what is counted."""
    names, formats, offsets = [], [], []
    at = 0
    for name, kind in _HEADER:
        names.append(name)
        formats.append(kind)
        offsets.append(at)
        at += np.dtype(kind).itemsize
    for name, kind, places in (("action", "u1", _ACTION_AT), ("ts_recv", "<u8", _RECV_AT)):
        if schema in places:
            names.append(name)
            formats.append(kind)
            offsets.append(places[schema])
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})


def _add(report: SchemaReport, records: np.ndarray, per_book: Counter[int]) -> None:
    report.records += len(records)
    if "action" in (records.dtype.names or ()):
        for action, n in zip(*np.unique(records["action"], return_counts=True), strict=True):
            name = chr(action)
            report.actions[name] = report.actions.get(name, 0) + int(n)
    for rtype, n in zip(*np.unique(records["rtype"], return_counts=True), strict=True):
        name = f"{int(rtype):#04x}"
        report.rtypes[name] = report.rtypes.get(name, 0) + int(n)
    keys = records["publisher_id"].astype(np.int64) << 32 | records["instrument_id"]
    for key, n in zip(*np.unique(keys, return_counts=True), strict=True):
        per_book[int(key)] += int(n)
    clock = records[report.clock].astype(np.int64)
    clock = clock[clock >= 0]
    if clock.size:
        before = report.last_ns
        report.backward += int(np.count_nonzero(clock[1:] < clock[:-1]))
        report.backward += before is not None and int(clock[0]) < before
        if report.first_ns is None:
            report.first_ns = int(clock[0])
        report.last_ns = int(clock[-1])
