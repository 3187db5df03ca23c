"""Tables that people hand in, as CSV or Parquet: cells as they stand there, or one clear error."""

from pathlib import Path
from typing import TYPE_CHECKING

from tapewire.errors import FormatError, MissingFileError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


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
        if path.suffix.lower() in (".parquet", ".pq"):
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
