"""Tables that people hand in, as CSV or Parquet: cells as they stand there, or one clear error."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tapewire.errors import FormatError, MissingFileError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

#: What a table may have that somebody has sent: its rows, its cells, its text.
ROWS_MAX: Final = 1_000_000
CELLS_MAX: Final = 10_000_000
TEXT_BYTES_MAX: Final = 256_000_000
_ROWS_AT_ONCE: Final = 65_536


def is_parquet(path: Path) -> bool:
    """Whether a table is Parquet, by its name."""
    return path.suffix.lower() in (".parquet", ".pq")


def read_table(path: Path, what: str) -> "pa.Table":
    """Read a table; every cell of a CSV is text: neither price nor time passes through a float.

    Parameters
    ----------
    path
        Parquet if its name ends in .parquet or .pq, else CSV with a header.
    what
        What it should be, for the message: ``an order log``.

    Raises
    ------
    MissingFileError, FormatError
        If it can't be read, or is neither.
    """
    import pyarrow as pa

    try:
        if is_parquet(path):
            import pyarrow.parquet as pq

            with pq.ParquetFile(path) as parquet:
                require_whole(path, parquet.metadata)
                return _named(path, parquet.read())
        from pyarrow import csv

        with path.open("rb") as file:
            names = file.readline().decode("utf-8-sig", "replace").strip().split(",")
        types = {name.strip().strip('"'): pa.string() for name in names}
        options = csv.ConvertOptions(column_types=types)
        return _named(path, csv.read_csv(path, convert_options=options))
    except FileNotFoundError as error:
        raise MissingFileError(f"{path}: expected {what}, found no such file") from error
    except OSError as error:
        raise MissingFileError(f"{path}: can't be read: {error}") from error
    except (pa.ArrowException, UnicodeDecodeError) as error:  # or names that are no UTF-8
        raise FormatError(f"{path}: expected {what} as CSV or Parquet: {error}") from error


def require_whole(path: Path | str, found: "pq.FileMetaData") -> None:
    """Refuse a Parquet file whose footer contradicts itself: rows would be missing.

    Raises
    ------
    FormatError
        If its row groups have not the rows that it says it has.
    """
    # No more is asked of it: a damaged column's entry ends the process within Arrow.
    rows = sum(found.row_group(k).num_rows for k in range(found.num_row_groups))
    if rows != found.num_rows:
        raise FormatError(
            f"{path}: expected {found.num_rows:,} rows, as its footer says, found {rows:,} in its "
            "row groups: it is damaged"
        )


def require_small(path: Path, what: str) -> None:
    """Refuse a table of somebody we need not trust that is larger in memory than it should be.

    A few kilobytes of Parquet can stand for any number of cells, and for text of any length. They
    may take any memory before that shows: see `tapewire.compiled.measured`.

    Raises
    ------
    FormatError
        If it has more than `ROWS_MAX`, `CELLS_MAX` or `TEXT_BYTES_MAX`, or columns of lists, or is
        no table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not is_parquet(path):
        with path.open("rb") as file:
            _require_few(path, what, "rows", sum(1 for _ in file), ROWS_MAX)
        return
    try:
        with pq.ParquetFile(path) as parquet:
            found, schema = parquet.metadata, parquet.schema_arrow
            require_whole(path, found)
        _require_few(path, what, "rows", found.num_rows, ROWS_MAX)
        _require_few(path, what, "cells", found.num_rows * len(schema), CELLS_MAX)
        nested = [field.name for field in schema if pa.types.is_nested(field.type)]
        if nested:
            raise FormatError(f"{path}: expected {what} in plain columns, found {nested[0]!r}")
        groups = [found.row_group(k) for k in range(found.num_row_groups)]
        size = sum(group.total_byte_size for group in groups)
        _require_few(path, what, "bytes", size, TEXT_BYTES_MAX)
        # As words of a dictionary, each is there once, however often it is said.
        texts_at = [k for k, one in enumerate(schema) if not pa.types.is_primitive(one.type)]
        texts = [schema[k].name for k in texts_at]
        with pq.ParquetFile(path, read_dictionary=texts) as parquet:
            size = 0
            # All columns: pages of numbers, too, may be larger than is said of them.
            for part in parquet.iter_batches(_ROWS_AT_ONCE, use_threads=False):
                size += sum(_text_bytes(part.column(k)) for k in texts_at)
                _require_few(path, what, "bytes of text", size, TEXT_BYTES_MAX)
    except MemoryError as error:
        raise FormatError(
            f"{path}: expected {what} of at most {TEXT_BYTES_MAX:,} bytes, found more"
        ) from error
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        # What can't be measured is not read either.
        raise FormatError(f"{path}: expected {what} as CSV or Parquet: {error}") from error


def _text_bytes(column: "pa.Array") -> int:
    """Return how long all texts of a column are together, with each as often as it is said."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type) or pa.types.is_primitive(column.type.value_type):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary).take(column.indices)
    return int(pc.sum(lengths.cast(pa.int64())).as_py() or 0)


def _require_few(path: Path, what: str, of: str, count: int, most: int) -> None:
    if count > most:
        raise FormatError(f"{path}: expected {what} of at most {most:,} {of}, found {count:,}")


def _named(path: Path, table: "pa.Table") -> "pa.Table":
    """Return the table if every column can be asked for by its name."""
    try:
        names = table.column_names
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{path}: expected names of columns in UTF-8, found none: {error}"
        ) from None
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise FormatError(
            f"{path}: expected columns of different names, found {min(twice)!r} twice"
        )
    return table
