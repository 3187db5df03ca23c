"""Tables that people hand in, as CSV or Parquet: cells as they stand there, or one clear error."""

from pathlib import Path
from typing import TYPE_CHECKING

from tapewire.errors import FormatError, MissingFileError

if TYPE_CHECKING:
    import pyarrow as pa


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

            return pq.read_table(path)
        from pyarrow import csv

        with path.open("rb") as file:
            names = file.readline().decode("utf-8-sig", "replace").strip().split(",")
        types = {name.strip().strip('"'): pa.string() for name in names}
        return csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=types))
    except FileNotFoundError as error:
        raise MissingFileError(f"{path}: expected {what}, found no such file") from error
    except OSError as error:
        raise MissingFileError(f"{path}: can't be read: {error}") from error
    except pa.ArrowInvalid as error:
        raise FormatError(f"{path}: expected {what} as CSV or Parquet: {error}") from error
