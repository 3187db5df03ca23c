"""Files of derived records: DBN, compressed or not, and Parquet."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tapewire.compiled.units import NS_PER_DAY
from tapewire.derive import DerivedSchema
from tapewire.derive.layout import KIND_BBO
from tapewire.inputs.behind import WriteBehind
from tapewire.inputs.columns import TIME_TYPE, letter_column, time_column
from tapewire.market.records import F_BAD_TS_RECV, F_SNAPSHOT
from tapewire.replay.packing import BlockWriter, Sink, packed
from tapewire.wire import SymbolMapping

ENDINGS: Final = (".dbn", ".dbn.zst", ".parquet")
#: Levels repeat so much that 3, which Databento's own files have, takes a half longer for the same.
_ZSTD_LEVEL: Final = 1
#: What repeats lies near: a window that stays near the core takes a tenth less for the same.
_ZSTD_WINDOW_LOG: Final = 17
#: Rows that are made columns at once: they stay near the core, each being read once per column.
_STEP_ROWS: Final = 1_024
#: As Databento's own tables have them: both clocks and the letters first, then the rest.
_FIRST: Final = (
    "ts_recv", "ts_event", "rtype", "publisher_id", "instrument_id", "action", "side", "depth",
)  # fmt: skip
_LEFT_OUT: Final = ("length", "_reserved1", "_reserved2", "_reserved3")
_TIMES: Final = ("ts_recv", "ts_event")

#: Takes a block of records.
RowWriter = Callable[[npt.NDArray[Any]], object]


class _Symbols:
    """Says each record's symbol on its day; its instrument's number where it has none.

    A sample's ``ts_recv`` is the end of its interval, which is no moment of it: the last one of a
    day ends at midnight. But a snapshot, and a clear with which a session begins, are captured at
    that very midnight, and of the day that begins: their flags tell.
    """

    def __init__(self, mappings: Sequence[SymbolMapping], kind: int) -> None:
        self._are_samples = kind == KIND_BBO
        self._mappings: dict[int, list[SymbolMapping]] = {}
        for m in mappings:
            self._mappings.setdefault(m.instrument_id, []).append(m)

    def __call__(self, rows: Mapping[str, npt.NDArray[Any]]) -> pa.Array:
        """Return the column of symbols, beside the columns of records, shape (n,) each."""
        clock = rows["ts_recv" if "ts_recv" in rows else "ts_event"].astype(np.int64)
        moments = [clock]
        if self._are_samples:
            midnight = clock % NS_PER_DAY == 0
            ends_day = midnight & (rows["flags"] & (F_SNAPSHOT | F_BAD_TS_RECV) == 0)
            # The last one says it; the other one does where no symbol is known for that.
            moments = [clock - (midnight & ~ends_day), clock - ends_day]
        ids, places = np.unique(rows["instrument_id"], return_inverse=True)
        words = [str(number) for number in ids]
        indices = places.astype(np.int32)
        for moment in moments:
            for k, number in enumerate(ids):
                for m in self._mappings.get(int(number), ()):
                    words.append(m.raw_symbol)
                    on_its_days = (places == k) & (moment >= m.start_ns) & (moment < m.end_ns)
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
    with ExitStack() as stack:
        sink: Sink
        if output.name.endswith(".parquet"):
            table = stack.enter_context(_Table(file, schema, mappings))
            sink = stack.enter_context(WriteBehind(table.write))
        else:
            sink = stack.enter_context(BlockWriter(file, past_cache=True))
            if output.name.endswith(".zst"):
                sink = stack.enter_context(packed(sink, _ZSTD_LEVEL, window_log=_ZSTD_WINDOW_LOG))
            sink.write(memoryview(header))
        yield lambda rows: sink.write(rows.view(np.uint8).data)


class _Table:
    """A table of records of a schema, which takes them as bytes; entered and left."""

    def __init__(
        self, file: BinaryIO, schema: DerivedSchema, mappings: Sequence[SymbolMapping]
    ) -> None:
        self._dtype = schema.dtype
        names = table_columns(schema)
        self._table = pa.schema([(name, _type_of(schema.dtype, name)) for name in names])
        self._symbols = _Symbols(mappings, schema.kind)
        self._writer = pq.ParquetWriter(
            file,
            self._table,
            compression="zstd",
            # Few times come twice: a dictionary of them is given up after it was made.
            use_dictionary=[name for name in names if name not in _TIMES],
        )

    def write(self, data: memoryview) -> None:
        """Write the records as a row group."""
        self._writer.write_batch(
            _batch(np.frombuffer(data, self._dtype), self._table, self._symbols)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()


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
    fields = [name for name in table.names if name != "symbol"]
    columns = {name: np.empty(len(rows), rows.dtype[name]) for name in fields}
    for at in range(0, len(rows), _STEP_ROWS):
        step = slice(at, at + _STEP_ROWS)
        for name in fields:
            columns[name][step] = rows[name][step]
    arrays = []
    for name in table.names:
        if name == "symbol":
            arrays.append(symbols(columns))
        elif name in _TIMES:
            arrays.append(time_column(columns[name]))
        elif rows.dtype[name].kind == "S":
            arrays.append(letter_column(columns[name]))
        else:
            arrays.append(pa.array(columns[name]))
    return pa.record_batch(arrays, schema=table)
