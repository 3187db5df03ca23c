"""CSV and Parquet files of MBO records, as Databento and its client export them, made DBN.

Numbers may be as they are in DBN or pretty (``pretty_px``, ``pretty_ts``): decimal prices are read
digit by digit, ISO 8601 times to the nanosecond. Prices that are floating-point numbers (the
client's ``to_parquet``) are rounded to 1e-9, which is exact up to four million.

Source: the DBN specification; databento/dbn, ``encode/csv``.
"""

import csv
import datetime as dt
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, Final

import databento_dbn as dbn
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tapewire.compiled.tables import require_whole
from tapewire.compiled.units import NS_PER_DAY
from tapewire.errors import FormatError
from tapewire.market.records import MBO_DTYPE, RECORD_LENGTH_WORDS, RTYPE_MBO, UNDEF_PRICE
from tapewire.replay.byte_sources import open_file, unreadable
from tapewire.replay.symbology import with_symbology

#: Names of files that are exports.
EXPORT_ENDINGS: Final = (".csv", ".csv.zst", ".csv.gz", ".parquet")
_BLOCK_BYTES: Final = 8 << 20
_BATCH_ROWS: Final = 131_072
_SNIFFED_BYTES: Final = 1 << 16
_PRICE_DIGITS: Final = 9
_FLOAT_PRICE_MAX: Final = 4e6
#: Letters of a symbol in a header of DBN version 3, which ends each with a zero.
_SYMBOL_MAX: Final = 70
_UNDEF_TS: Final = 2**64 - 1
_EPOCH: Final = dt.date(1970, 1, 1)
#: Untyped: the vendor's stubs call enum members strings.
_DBN: Final[Any] = dbn

_TIMES: Final = ("ts_recv", "ts_event")
_NUMBERS: Final = {
    "rtype": pa.uint8(), "publisher_id": pa.uint16(), "instrument_id": pa.uint32(),
    "size": pa.uint32(), "channel_id": pa.uint8(), "order_id": pa.uint64(), "flags": pa.uint8(),
    "ts_in_delta": pa.int32(), "sequence": pa.uint32(),
}  # fmt: skip
_LETTERS: Final = ("action", "side")
_COLUMNS: Final = (*_TIMES, *_NUMBERS, *_LETTERS, "price")


@dataclass
class _Seen:
    """What all records together say for a header."""

    publishers: set[int] = field(default_factory=set)
    days: set[tuple[str, int, int]] = field(default_factory=set)  # symbol, instrument id, day
    first_ns: int = 2**63 - 1
    last_ns: int = 0
    rows: int = 0


def export_to_dbn(
    path: str, output: Path, on_progress: Callable[[int], None] = lambda done: None
) -> None:
    """Write an export as a plain DBN version 3 file.

    It is read twice, a block at a time: the header says which symbols follow.

    Parameters
    ----------
    path
        A file whose name ends in one of `EXPORT_ENDINGS`.
    output
        Overwritten.
    on_progress
        Called with the records written so far.

    Raises
    ------
    MissingFileError
        If it can't be read.
    FormatError
        If it is no such file, a column is missing, or a value is none of its column.
    """
    fd, _ = open_file(path)
    os.close(fd)
    try:
        _write(path, output, on_progress)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: {str(error)[:300]}") from None


def _write(path: str, output: Path, on_progress: Callable[[int], None]) -> None:
    seen = _look(path)
    written = 0
    with output.open("wb") as file:
        file.write(_header(path, seen))
        for batch in _batches(path, [*_COLUMNS]):
            records = _records(path, batch, written)
            file.write(records.view(np.uint8).data)
            written += len(records)
            on_progress(written)
    if written != seen.rows:
        raise FormatError(
            f"{path}: has {seen.rows} rows in some columns, {written} in all: the file is corrupt"
        )


def _look(path: str) -> _Seen:
    seen = _Seen()
    for batch in _batches(path, ["ts_recv", "publisher_id", "instrument_id", "symbol"]):
        seen.rows += len(batch)
        publishers = batch["publisher_id"]
        if publishers.null_count:
            raise FormatError(f"{path}: publisher_id: expected a number in every row, found none")
        seen.publishers.update(pc.unique(publishers).to_pylist())
        times = _times(path, batch["ts_recv"])
        if len(times):
            if int(times.max()) >= 2**63 - NS_PER_DAY:
                raise FormatError(
                    f"{path}: ts_recv: expected a time up to the year 2262 in every row, found "
                    f"{int(times.max())}"
                )
            seen.first_ns = min(seen.first_ns, int(times.min()))
            seen.last_ns = max(seen.last_ns, int(times.max()))
        if "symbol" not in batch.column_names:
            continue
        days = pa.array((times // NS_PER_DAY).astype(np.int64))
        table = pa.table([batch["symbol"], batch["instrument_id"], days], ["s", "i", "d"])
        for row in table.group_by(["s", "i", "d"]).aggregate([]).to_pylist():
            if row["s"]:
                if not row["s"].isascii() or len(row["s"]) > _SYMBOL_MAX:
                    raise FormatError(
                        f"{path}: symbol: expected ASCII of at most {_SYMBOL_MAX} letters, found "
                        f"{row['s'][:_SYMBOL_MAX]!r}"
                    )
                if row["i"] is None:
                    raise FormatError(
                        f"{path}: instrument_id: expected a number in every row, found none"
                    )
                seen.days.add((row["s"], int(row["i"]), int(row["d"])))
    if not seen.publishers:
        raise FormatError(f"{path}: has no records; expected at least one")
    return seen


def _header(path: str, seen: _Seen) -> bytes:
    by_name: dict[str, list[tuple[int, int, int]]] = {}  # first day, day after the last, id
    for symbol, number, day in sorted(seen.days, key=lambda row: (row[0], row[2], row[1])):
        rows = by_name.setdefault(symbol, [])
        if rows and rows[-1][1:] == (day, number):
            rows[-1] = rows[-1][0], day + 1, number
        else:
            rows.append((day, day + 1, number))
    metadata = _DBN.Metadata(
        _dataset(path, seen.publishers),
        seen.first_ns,
        _DBN.SType.RAW_SYMBOL,
        _DBN.SType.INSTRUMENT_ID,
        _DBN.Schema.MBO,
        symbols=list(by_name),
        mappings=[
            SimpleNamespace(
                raw_symbol=name,
                intervals=[
                    SimpleNamespace(
                        start_date=_EPOCH + dt.timedelta(first),
                        end_date=_EPOCH + dt.timedelta(last),
                        symbol=str(number),
                    )
                    for first, last, number in rows
                ],
            )
            for name, rows in by_name.items()
        ],
        end=seen.last_ns + 1,
        ts_out=False,
        version=3,
    )
    beside = with_symbology(path, metadata) if not by_name else None
    return bytes(metadata if beside is None else beside)


def _dataset(path: str, publishers: set[int]) -> str:
    """Return the dataset of publishers, by the vendor's own list."""
    from databento.common.publishers import Publisher

    found = set()
    for number in sorted(publishers):
        try:
            found.add(str(Publisher.from_int(number).dataset))
        except ValueError:
            raise FormatError(
                f"{path}: publisher_id: expected one of Databento's, found {number}"
            ) from None
    if len(found) > 1:
        raise FormatError(
            f"{path}: expected records of one dataset, found {', '.join(sorted(found))}"
        )
    return found.pop()


# --- reading it -----------------------------------------------------------------------------------


def _batches(path: str, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    """Give the wanted columns that are there, a block at a time."""
    read = _parquet_batches if path.endswith(".parquet") else _csv_batches
    try:
        yield from read(path, wanted)
    except pa.ArrowException as error:
        raise FormatError(f"{path}: {str(error)[:300]}") from None
    except OSError as error:
        raise unreadable(path, error) from None


def _parquet_batches(path: str, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        require_whole(path, file.metadata)
        there = file.schema_arrow.names
        _require_columns(path, there)
        yield from file.iter_batches(_BATCH_ROWS, columns=[n for n in wanted if n in there])


def _csv_batches(path: str, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    from pyarrow import csv as arrow_csv

    names, pretty_px, pretty_ts = _sniffed(path)
    times = pa.timestamp("ns", "UTC") if pretty_ts else pa.uint64()
    prices = pa.decimal128(38, _PRICE_DIGITS) if pretty_px else pa.int64()
    types = {**dict.fromkeys(_TIMES, times), **_NUMBERS, "price": prices}
    types |= dict.fromkeys((*_LETTERS, "symbol"), pa.string())
    options = arrow_csv.ConvertOptions(
        column_types=types,
        include_columns=[name for name in wanted if name in names],
        null_values=[""],
        strings_can_be_null=False,
    )
    with (
        _opened(path) as stream,
        arrow_csv.open_csv(
            stream,
            read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
            convert_options=options,
        ) as reader,
    ):
        yield from reader


def _opened(path: str) -> BinaryIO:
    return pa.input_stream(path, compression="detect")  # type: ignore[no-any-return]


def _sniffed(path: str) -> tuple[list[str], bool, bool]:
    """Return the columns, and whether prices and times are pretty."""
    with _opened(path) as stream:
        text = stream.read(_SNIFFED_BYTES).decode(errors="replace")
    try:
        lines = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1] or text)))
    except csv.Error as error:
        raise FormatError(f"{path}: expected CSV, found none in its first lines: {error}") from None
    names = lines[0] if lines else []
    _require_columns(path, names)
    rows = [dict(zip(names, line, strict=False)) for line in lines[1:]]
    prices = [row["price"] for row in rows if row.get("price")]
    times = [row["ts_recv"] for row in rows if row.get("ts_recv")]
    pretty_ts = bool(times) and not times[0].isdigit()
    pretty_px = "." in prices[0] if prices else True
    return names, pretty_px, pretty_ts


def _require_columns(path: str, names: list[str]) -> None:
    missing = [name for name in _COLUMNS if name not in names]
    if missing:
        raise FormatError(
            f"{path}: expected the columns of schema mbo, found none called {', '.join(missing)}"
        )


# --- records --------------------------------------------------------------------------------------


def _records(path: str, batch: pa.RecordBatch, before: int) -> np.ndarray:
    """Return a batch's rows as MBO records."""
    records = np.zeros(len(batch), MBO_DTYPE)
    records["length"] = RECORD_LENGTH_WORDS
    for name in _TIMES:
        records[name] = _times(path, batch[name])
    for name, kind in _NUMBERS.items():
        column = batch[name]
        if column.null_count:
            raise FormatError(f"{path}: {name}: expected a number in every row, found none")
        try:
            records[name] = column.cast(kind).to_numpy(zero_copy_only=False)
        except pa.ArrowException as error:
            raise FormatError(f"{path}: {name}: {str(error)[:300]}") from None
    for name in _LETTERS:
        records[name] = _letters(path, name, batch[name])
    records["price"] = _prices(path, batch["price"])
    other = records["rtype"] != RTYPE_MBO
    if other.any():
        row = int(other.argmax())
        raise FormatError(
            f"{path}: row {before + row + 1}: rtype: expected {RTYPE_MBO} (MBO), found "
            f"{int(records['rtype'][row])}"
        )
    return records


def _times(path: str, column: pa.Array) -> np.ndarray:
    """Return ns since the epoch, uint64; undefined where there is none."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ns", "UTC")).cast(pa.int64())
    elif not pa.types.is_integer(column.type):
        raise FormatError(f"{path}: expected times as numbers or timestamps, found {column.type}")
    column = column.cast(pa.uint64())
    return pc.fill_null(column, _UNDEF_TS).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _letters(path: str, name: str, column: pa.Array) -> np.ndarray:
    """Return strings of one letter each as bytes."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    column = pc.fill_null(column.cast(pa.large_string()), "")
    if not pc.all(pc.string_is_ascii(column)).as_py():
        raise FormatError(f"{path}: {name}: expected one letter in every row, found another text")
    codes = column.to_numpy(zero_copy_only=False).astype("S2").view(np.uint8).reshape(-1, 2)
    if (codes[:, 1] != 0).any() or (codes[:, 0] == 0).any():
        raise FormatError(f"{path}: {name}: expected one letter in every row, found another text")
    return np.ascontiguousarray(codes[:, 0])


def _prices(path: str, column: pa.Array) -> np.ndarray:
    """Return prices in 1e-9; undefined where there is none."""
    missing = column.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_floating(column.type):
        values = pc.fill_null(column, 0.0).to_numpy(zero_copy_only=False)
        missing = missing | np.isnan(values)
        values = np.where(missing, 0.0, values)
        if (np.abs(values) > _FLOAT_PRICE_MAX).any():
            raise FormatError(
                f"{path}: price: expected floating-point numbers up to {_FLOAT_PRICE_MAX:,.0f}, "
                f"found {values[np.abs(values).argmax()]}: above, they are not exact; export with "
                'price_type="fixed"'
            )
        fixed = np.rint(values * 10**_PRICE_DIGITS).astype(np.int64)
    elif pa.types.is_decimal(column.type):
        wide = column.cast(pa.decimal128(38, _PRICE_DIGITS))
        words = np.frombuffer(wide.buffers()[1], np.int64).reshape(-1, 2)
        words = words[wide.offset : wide.offset + len(wide)]
        fixed = words[:, 0].copy()
        if (words[:, 1][~missing] != fixed[~missing] >> 63).any():
            raise FormatError(f"{path}: price: expected 63 bits in units of 1e-9, found more")
    elif pa.types.is_integer(column.type):
        fixed = pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False).copy()
    else:
        raise FormatError(f"{path}: price: expected numbers, found {column.type}")
    fixed[missing] = UNDEF_PRICE
    return fixed  # type: ignore[no-any-return]
