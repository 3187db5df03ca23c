"""Parquet files whose footer says another number of rows than there are."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapewire.compiled.tables import read_table
from tapewire.errors import FormatError

ROWS = 7


def contradictory(path: Path) -> list[bytes]:
    """Files with a byte of the footer changed, so that Arrow would read fewer rows as all."""
    pq.write_table(pa.table({"a": range(ROWS), "b": ["x"] * ROWS}), path)
    data = path.read_bytes()
    begin = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    found = []
    for at in range(begin, len(data) - 8):
        if data[at] != 2 * ROWS:  # numbers are zigzag
            continue
        broken = data[:at] + bytes([2 * ROWS - 2]) + data[at + 1 :]
        try:
            table = pq.read_table(pa.BufferReader(broken))
        except (OSError, pa.ArrowException):
            continue
        if table.num_rows < ROWS:
            found.append(broken)
    return found


def test_fewer_rows_are_not_presented_as_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    broken = contradictory(path)
    assert broken
    assert read_table(path, "rows").num_rows == ROWS
    for data in broken:
        path.write_bytes(data)
        with pytest.raises(FormatError, match=r"x\.parquet: expected .* it is damaged"):
            read_table(path, "rows")
