"""A folder of DBN files, read once: an index in it says what each file holds.

The index (`INDEX_NAME`, Parquet) has a row a file. A file is read again when its size or its time
of modification is another; what is not a usable DBN file is a row, too, with the reason.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from databento.common.constants import (
    SCHEMA_STRUCT_MAP,
    SCHEMA_STRUCT_MAP_V1,
    SCHEMA_STRUCT_MAP_V2,
)
from databento_dbn import Schema

from tapewire.atomic import atomic_file
from tapewire.compiled.units import NS_PER_DAY
from tapewire.errors import FormatError, InputError, MissingFileError, NoDataError
from tapewire.market.continuous import continuous_name, delivery_end_ns, root_of
from tapewire.replay.byte_sources import (
    ByteSource,
    PlainBytes,
    TruncatedFrame,
    ZstdBytes,
    open_file,
)
from tapewire.replay.dbn import DbnFile, symbol_mappings
from tapewire.replay.merge import warm_up
from tapewire.replay.symbology import SYMBOLOGY_FILE, with_symbology
from tapewire.replay.zstd_frames import MAGIC as ZSTD_MAGIC
from tapewire.replay.zstd_frames import is_skippable_magic
from tapewire.wire import SymbolMapping

INDEX_NAME: Final = "tapewire-catalogue.parquet"
DATA_ENDINGS: Final = (".dbn", ".dbn.zst")
_INDEX_VERSION: Final = b"3"
_VERSION_KEY: Final = b"tapewire_catalogue"
_CHUNK_BYTES: Final = 4 << 20
#: Within them lies the day before, whatever the holidays.
_VOLUME_DAYS: Final = 7
#: Magic and version, length, dataset, and then two bytes of schema (DBN specification, Metadata).
_SCHEMA_AT: Final = 24
_MIXED_NUMBER: Final = 0xFFFF
#: The schema of a live capture while it is not known whether it has MBO records.
_MIXED: Final = "mixed"
_TS_MAX: Final = 2**63 - 1
_SYMBOL_FIELDS: Final = ("symbol", "instrument_id", "start_ns", "end_ns")
_SYMBOL: Final = pa.struct(list(zip(_SYMBOL_FIELDS, [pa.string(), *[pa.int64()] * 3], strict=True)))
_TABLE: Final = pa.schema(
    [
        ("path", pa.string()),
        ("size_bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("xxh3_128", pa.string()),
        ("dataset", pa.string()),
        ("schema", pa.string()),
        ("version", pa.int64()),
        ("records", pa.int64()),
        ("first_ns", pa.int64()),
        ("last_ns", pa.int64()),
        ("symbols", pa.list_(_SYMBOL)),
        ("problem", pa.string()),
    ],
    metadata={_VERSION_KEY: _INDEX_VERSION},
)


@dataclass(frozen=True)
class CatalogueFile:
    """A file of a catalogue.

    Attributes
    ----------
    path
        Relative to the folder.
    mtime_ns
        When it was modified last, ns since the epoch.
    xxh3_128
        Hash of its bytes on disk, as a run's manifest has it.
    schema
        Databento's name of it; ``mbo`` of a live capture that has such records, ``mixed`` of one
        that has none; empty where the header can't be read.
    records
        That it has; of a live capture the MBO records; where it has a problem those before it.
    first_ns, last_ns
        Smallest and largest ``ts_recv`` of its records (``ts_event`` in schemas that have no
        other), ns since the epoch; 0 in a file without records; where it has a problem, the
        first read and the last that its header claims; the last read where it is truncated and
        claims none, as captures do.
    symbols
        Its symbols with their instrument ids and days, where it names none those of the
        ``symbology.json`` beside it.
    problem
        Why it can't be used, or not to its end; empty: it can.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    xxh3_128: str = ""
    dataset: str = ""
    schema: str = ""
    version: int = 0
    records: int = 0
    first_ns: int = 0
    last_ns: int = 0
    symbols: tuple[SymbolMapping, ...] = ()
    problem: str = ""

    def has(self, symbols: Sequence[str], start_ns: int | None, end_ns: int | None) -> bool:
        """Whether it has records of that time, and one of the symbols, if there are any.

        Where it has a problem: whether it may have them, as far as its header says.
        """
        if not (self.schema if self.problem else self.records):
            return False
        if end_ns is not None and self.first_ns >= end_ns:
            return False
        if start_ns is not None and self.last_ns < start_ns:
            return False
        return not symbols or _may_have_any(self) or not self.names().isdisjoint(symbols)

    def names(self) -> set[str]:
        """The symbols that it has while it has records."""
        return {
            m.raw_symbol
            for m in self.symbols
            if m.start_ns <= self.last_ns and self.first_ns < m.end_ns
        }


def _may_have_any(file: CatalogueFile) -> bool:
    """Whether a file is broken so that its symbols can't be told."""
    return bool(file.problem) and not file.symbols


def index_folder(
    folder: str | os.PathLike[str],
    on_progress: Callable[[int], None] | None = None,
) -> tuple[list[CatalogueFile], int]:
    """Bring a folder's index up to date; files in folders below it count, hidden ones don't.

    Parameters
    ----------
    on_progress
        Called now and then with the bytes looked at so far, as they lie on disk.

    Returns
    -------
    files : list of CatalogueFile
        All of them, by path.
    read : int
        How many were read anew.

    Raises
    ------
    MissingFileError
        If there is no such folder.
    OutputError
        If the index can't be written.
    """
    folder = Path(folder)
    _require_folder(folder)
    try:
        known = {file.path: file for file in read_catalogue(folder)}
    except InputError:  # none yet, or another version's: made anew
        known = {}
    files: list[CatalogueFile] = []
    read = done = 0
    for path in _data_files(folder):
        status = path.stat()
        name = path.relative_to(folder).as_posix()
        before = known.get(name)
        if before and _is_as_it_was(before, path, status):
            files.append(before)
        else:
            files.append(_looked_into(path, name, status, partial(_told, on_progress, done)))
            read += 1
        done += status.st_size
        _told(on_progress, done, 0)
    table = pa.Table.from_pylist([_as_row(file) for file in files], schema=_TABLE)
    with atomic_file(folder / INDEX_NAME) as out:
        pq.write_table(table, out)
    return files, read


def _is_as_it_was(before: CatalogueFile, path: Path, status: os.stat_result) -> bool:
    """Whether a file need not be read again."""
    if not before.symbols and path.with_name(SYMBOLOGY_FILE).is_file():
        return False  # what may name them now
    return (before.size_bytes, before.mtime_ns) == (status.st_size, status.st_mtime_ns)


def _told(on_progress: Callable[[int], None] | None, before: int, count: int) -> None:
    if on_progress is not None:
        on_progress(before + count)


def read_catalogue(folder: str | os.PathLike[str]) -> list[CatalogueFile]:
    """Return what a folder's index says.

    Raises
    ------
    MissingFileError
        If there is no index.
    FormatError
        If it can't be read, or another version of Tapewire wrote it.
    """
    path = Path(folder) / INDEX_NAME
    advice = f"make it with tapewire data index {folder}"
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file; {advice}")
    try:
        table = pq.read_table(path)
        version = (table.schema.metadata or {}).get(_VERSION_KEY)
        if version != _INDEX_VERSION or not table.schema.equals(_TABLE):
            raise FormatError(f"{path}: is no catalogue of this version of Tapewire; {advice}")
        return [
            CatalogueFile(
                **{**row, "symbols": tuple(SymbolMapping(*s.values()) for s in row["symbols"])}
            )
            for row in table.to_pylist()
        ]
    except (pa.ArrowException, OSError) as error:
        raise FormatError(f"{path}: can't be read: {str(error)[:200]}; {advice}") from None


def find_files(
    folder: str | os.PathLike[str],
    *,
    symbols: Sequence[str] = (),
    start_ns: int | None = None,
    end_ns: int | None = None,
    schema: str = "mbo",
) -> list[str]:
    """Return the files of a catalogue that have records of symbols in [start, end), by time.

    A file that is broken is among them where its header says that it may have such records: whoever
    reads it says what is wrong, or plays what is whole of it.

    For a continuous symbol or a parent those of its product's outrights; where it goes by volume
    those of the week before, too.

    Raises
    ------
    MissingFileError, FormatError
        As `read_catalogue`; FormatError also if a file is another one now than when it was indexed,
        or one has no header that says what it has.
    NoDataError
        If a symbol, or the time, is in none of them.
    """
    known = read_catalogue(folder)
    for file in known:
        if not file.schema:
            raise FormatError(
                f"{file.problem}: whether it is needed can't be told: fetch it again or take it "
                f"out of {folder}, then tapewire data index {folder}"
            )
    files = [file for file in known if file.schema == schema]
    meant = names_meant(files, symbols)
    names = [name for some in meant.values() for name in some]
    since_ns = start_ns
    if start_ns is not None and any(_goes_by_volume(name) for name in symbols):
        since_ns = start_ns - _VOLUME_DAYS * NS_PER_DAY
    fits = not symbols or bool(names)
    found = [
        file
        for file in files
        if (fits or _may_have_any(file)) and file.has(names, since_ns, end_ns)
    ]
    there = set().union(*(file.names() for file in found)) if found else set()
    missing = [name for name, some in meant.items() if there.isdisjoint(some)]
    if any(_may_have_any(file) for file in found):
        missing = []
    if missing or not found:
        ever = set().union(*(file.names() for file in files)) if files else set()
        never = [name for name in missing if name not in ever]
        what = f"no {', '.join(never or missing)}" if missing else "no records"
        when = "" if never else " at that time"
        raise NoDataError(
            f"{folder}: has {what}{when} in its {len(files):,} indexed files of schema {schema}: "
            f"tapewire data list {folder} shows what there is"
        )
    found.sort(key=lambda file: (file.first_ns, file.path))
    for file in found:
        _require_same(Path(folder), file)
    return [str(Path(folder) / file.path) for file in found]


def names_meant(
    files: Sequence[CatalogueFile], symbols: Sequence[str]
) -> dict[str, frozenset[str]]:
    """Return the symbols of files that each symbol may mean: itself, or a product's outrights."""
    known = frozenset().union(*(file.names() for file in files))
    meant = {}
    for name in symbols:
        root = None if name in known else root_of(name)
        meant[name] = frozenset({name})
        if root is not None:
            meant[name] = frozenset(s for s in known if delivery_end_ns(s, root, 0) is not None)
    return meant


def _goes_by_volume(name: str) -> bool:
    parts = continuous_name(name)
    return parts is not None and parts.rule == "v"


def _require_same(folder: Path, file: CatalogueFile) -> None:
    path = folder / file.path
    try:
        status = path.stat()
    except OSError:
        raise MissingFileError(
            f"{path}: is gone since it was indexed: tapewire data index {folder}"
        ) from None
    if (status.st_size, status.st_mtime_ns) != (file.size_bytes, file.mtime_ns):
        raise FormatError(
            f"{path}: is another file now than when it was indexed: tapewire data index {folder}"
        )


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: expected a folder of .dbn and .dbn.zst files")


def _data_files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(root) / name
            if name.endswith(DATA_ENDINGS) and not name.startswith(".") and path.is_file():
                yield path


def _as_row(file: CatalogueFile) -> dict[str, Any]:
    return {
        **asdict(file),
        "symbols": [dict(zip(_SYMBOL_FIELDS, mapping, strict=True)) for mapping in file.symbols],
    }


def _looked_into(
    path: Path, name: str, status: os.stat_result, told: Callable[[int], None]
) -> CatalogueFile:
    """Read a whole file; what is wrong with it becomes its problem."""
    found: dict[str, Any] = {
        "path": name,
        "size_bytes": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }
    try:
        _look(str(path), told, found)
    except InputError as error:
        found["problem"] = str(error)
    return CatalogueFile(**found)


def _look(path: str, told: Callable[[int], None], found: dict[str, Any]) -> None:
    """Note what a file says and has, in place, as far as it can be read."""
    number, found["version"] = _peek(path)
    schema = _schema_name(number)
    found["schema"] = "mbo" if schema == _MIXED else schema
    found["last_ns"] = _TS_MAX  # until it is read to its end: what it may have
    dtype = _record_dtype(path, found["schema"], found["version"])
    with DbnFile(path, schema=None) as header:
        found["dataset"] = str(header.metadata.dataset)
        symbols = symbol_mappings(path, header.metadata)
        if not symbols and (schema == _MIXED or header.metadata.ts_out):
            warm_up()
            symbols = header.recorded_mappings()
        if not symbols and (beside := with_symbology(path, header.metadata)) is not None:
            symbols = symbol_mappings(path, beside)
        found["symbols"] = symbols
        found["first_ns"] = _known_ts(header.metadata.start)
        header_end_ns = _known_ts(header.metadata.end)
        end_ns = max([header_end_ns, *(m.end_ns for m in symbols)])
        found["last_ns"] = end_ns - 1 if end_ns else _TS_MAX
    clock = "ts_recv" if "ts_recv" in (dtype.names or ()) else "ts_event"
    records = 0
    first, last = _TS_MAX, 0
    chunk = np.empty(max(1, _CHUNK_BYTES // dtype.itemsize), dtype)
    with DbnFile(
        path, schema=found["schema"], record_bytes=dtype.itemsize, allow_truncated=True
    ) as file:
        while count := file.read_into(chunk):
            _require_records(path, chunk[:count], records)
            times = chunk[clock][:count]
            first, last = min(first, int(times.min())), max(last, int(times.max()))
            records += count
            found["records"], found["first_ns"] = records, first
            told(file.disk_bytes)
        if schema == _MIXED and not records:
            found["schema"] = _MIXED
            left_out = file.left_out or "it has no records"
            raise FormatError(f"{path}: expected MBO records, found none: {left_out}")
        if file.truncated:
            if records and not header_end_ns:  # a live capture: of later days it can't be
                found["last_ns"] = min(last, _TS_MAX)
            raise FormatError(f"{file.truncated}, or play what is whole with --allow-truncated")
        found["xxh3_128"] = file.content_hash or ""
        found["first_ns"] = first if records else 0
        found["last_ns"] = min(last, _TS_MAX)


def _known_ts(value: int | None) -> int:
    return value if value is not None and 0 < value <= _TS_MAX else 0


def _require_records(path: str, records: np.ndarray, before: int) -> None:
    """Refuse a file whose records are not as long as its schema's."""
    wrong = records["length"].astype(np.int64) * 4 != records.dtype.itemsize
    if wrong.any():
        bad = int(wrong.argmax())
        raise FormatError(
            f"{path}: record {before + bad}: expected {records.dtype.itemsize} bytes, found "
            f"{int(records['length'][bad]) * 4}: the file is corrupt or mixes schemas"
        )


def _peek(path: str) -> tuple[int, int]:
    """Return the schema's number and the version in a file's header; the rest is not looked at."""
    fd, _ = open_file(path)
    magic = os.pread(fd, 4, 0)
    compressed = magic == ZSTD_MAGIC or is_skippable_magic(magic)
    source: ByteSource = ZstdBytes(path, fd) if compressed else PlainBytes(path, fd)
    head = bytearray(_SCHEMA_AT + 2)
    try:
        count = source.readinto(memoryview(head))
    except TruncatedFrame as error:
        count = error.filled
    finally:
        source.close()
    if count < len(head) or head[:3] != b"DBN":
        raise FormatError(f"{path}: is not a DBN file: expected it to begin with b'DBN'")
    return int.from_bytes(head[_SCHEMA_AT:], "little"), head[3]


def _schema_name(number: int) -> str:
    """Return what Databento calls a schema, ``mixed`` of several; the number if it is unknown."""
    if number == _MIXED_NUMBER:
        return _MIXED
    try:
        return str(Schema.from_int(number))
    except Exception:
        return str(number)


def _record_dtype(path: str, schema: str, version: int) -> np.dtype[np.void]:
    structs = {1: SCHEMA_STRUCT_MAP_V1, 2: SCHEMA_STRUCT_MAP_V2, 3: SCHEMA_STRUCT_MAP}
    if schema.isdigit():
        raise FormatError(f"{path}: has an unknown schema ({schema})")
    struct: Any = structs.get(version, {}).get(Schema.from_str(schema))
    if struct is None:
        raise FormatError(f"{path}: is DBN version {version}; expected version 1, 2 or 3")
    dtype: np.dtype[np.void] = np.dtype(struct._dtypes)
    return dtype
