"""Files of derived records: DBN, compressed or not, and Parquet."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from tapewire.derive import DerivedSchema
from tapewire.inputs.columns import TIME_TYPE, letter_column, time_column
from tapewire.wire import SymbolMapping

ENDINGS: Final = (".dbn", ".dbn.zst", ".parquet")
#: What Databento's own files are compressed with.
_ZSTD_LEVEL: Final = 3
#: As Databento's own tables have them: both clocks and the letters first, then the rest.
_FIRST: Final = (
    "ts_recv", "ts_event", "rtype", "publisher_id", "instrument_id", "action", "side", "depth",
)  # fmt: skip
_LEFT_OUT: Final = ("length", "_reserved1", "_reserved2", "_reserved3")
_TIMES: Final = ("ts_recv", "ts_event")

#: Takes a block of records.
RowWriter = Callable[[npt.NDArray[Any]], object]


class _Symbols:
    """Says each record's symbol on its day; its instrument's number where it has none."""

    def __init__(self, mappings: Sequence[SymbolMapping]) -> None:
        self._mappings: dict[int, list[SymbolMapping]] = {}
        for m in mappings:
            self._mappings.setdefault(m.instrument_id, []).append(m)

    def __call__(self, rows: npt.NDArray[Any]) -> pa.Array:
        """Return the column of symbols, beside records of one schema, shape (n,)."""
        names = rows.dtype.names or ()
        clock = rows["ts_recv" if "ts_recv" in names else "ts_event"].astype(np.int64)
        ids, places = np.unique(rows["instrument_id"], return_inverse=True)
        words = [str(number) for number in ids]
        indices = places.astype(np.int32)
        for k, number in enumerate(ids):
            for m in self._mappings.get(int(number), ()):
                words.append(m.raw_symbol)
                on_its_days = (places == k) & (clock >= m.start_ns) & (clock < m.end_ns)
                indices[on_its_days] = len(words) - 1
        return pa.DictionaryArray.from_arrays(pa.array(indices), pa.array(words))


@contextmanager
def open_writer(
    output: Path,
    file: BinaryIO,
    schema: DerivedSchema,
    header: bytes,
    mappings: Sequence[SymbolMapping],
) -> Iterator[RowWriter]:
    """Give what writes blocks of records to an open file, in the format that its name says.

    Parameters
    ----------
    output
        The name: ``….dbn``, ``….dbn.zst`` or ``….parquet``.
    header
        Of the DBN file.
    mappings
        Symbols, for the table.
    """
    if output.name.endswith(".parquet"):
        names = table_columns(schema)
        table = pa.schema([(name, _type_of(schema.dtype, name)) for name in names])
        symbols = _Symbols(mappings)
        with pq.ParquetWriter(file, table, compression="zstd") as writer:
            yield lambda rows: writer.write_batch(_batch(rows, table, symbols))
    elif output.name.endswith(".zst"):
        packer = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True)
        with packer.stream_writer(file, closefd=False) as stream:
            stream.write(header)
            yield lambda rows: stream.write(rows.view(np.uint8).data)
    else:
        file.write(header)
        yield lambda rows: file.write(rows.view(np.uint8).data)


def table_columns(schema: DerivedSchema) -> list[str]:
    """Return the columns of a table of records, in Databento's order, ``symbol`` last."""
    fields = [name for name in schema.dtype.names or () if name not in _LEFT_OUT]
    first = [name for name in _FIRST if name in fields]
    return [*first, *(name for name in fields if name not in first), "symbol"]


def _type_of(dtype: np.dtype[Any], name: str) -> pa.DataType:
    if name == "symbol":
        return pa.dictionary(pa.int32(), pa.string())
    if name in _TIMES:
        return TIME_TYPE
    return pa.string() if dtype[name].kind == "S" else pa.from_numpy_dtype(dtype[name])


def _batch(rows: npt.NDArray[Any], table: pa.Schema, symbols: _Symbols) -> pa.RecordBatch:
    columns = []
    for name in table.names:
        if name == "symbol":
            columns.append(symbols(rows))
        elif name in _TIMES:
            columns.append(time_column(rows[name]))
        elif rows.dtype[name].kind == "S":
            columns.append(letter_column(np.ascontiguousarray(rows[name])))
        else:
            columns.append(pa.array(rows[name]))
    return pa.record_batch(columns, schema=table)
