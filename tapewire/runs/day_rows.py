"""Rows of a day on their way to the run's collector: kept in a file, as they were handed out.

A file is a series of batches: how many rows each table has, int64, then the rows of each as their
bytes, in the order of `tapewire.processes.collecting.TABLES`. It is one process's word to another
of this host, in a folder of the run's own, and goes when it has been read.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.atomic import output_errors
from tapewire.errors import OutputError
from tapewire.processes.collecting import TABLES

if TYPE_CHECKING:
    from tapewire.analytics.ledger import Leg

Batch = dict[str, npt.NDArray[Any]]

_COUNT: Final = np.dtype("<i8")


class DayRows:
    """Takes a day's rows as a collector does; they are read back by `rows_in`.

    Parameters
    ----------
    path
        Of the file; it is made anew.

    Attributes
    ----------
    latencies
        Wall-clock latencies: tag, ns, how often.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.latencies: list[tuple[str, int, int]] = []
        with output_errors(path):
            self._file = path.open("wb")

    def add(
        self,
        *,
        legs: "Sequence[Leg]",
        series_names: Sequence[str] = (),
        fee_names: Sequence[str] = (),
        **rows: npt.NDArray[Any],
    ) -> None:
        """Write the rows of a batch; what they count is told at the day's end.

        Raises
        ------
        OutputError
            If they can't be written.
        """
        tables = [np.ascontiguousarray(rows[name]) for name in TABLES]
        if not any(table.size for table in tables):
            return
        with output_errors(self.path):
            self._file.write(np.array([table.size for table in tables], _COUNT).tobytes())
            for table in tables:
                self._file.write(table.view(np.uint8).data)

    def record_latency(self, tag: str, value_ns: int, count: int = 1) -> None:
        """Keep a wall-clock latency."""
        self.latencies.append((tag, value_ns, count))

    def close(self) -> None:
        """Close the file."""
        with output_errors(self.path):
            self._file.close()


def rows_in(path: Path) -> Iterator[Batch]:
    """Yield the batches of a file, each with the tables of `TABLES`; they may be written to.

    Raises
    ------
    OutputError
        If the file is cut short or can't be read.
    """
    head = _COUNT.itemsize * len(TABLES)
    with output_errors(path, "read back"), path.open("rb") as file:
        while counts := file.read(head):
            batch = {}
            sizes = np.frombuffer(counts, _COUNT) if len(counts) == head else [-1] * len(TABLES)
            for (name, dtype), size in zip(TABLES.items(), sizes, strict=True):
                content = bytearray(file.read(max(int(size), 0) * dtype.itemsize))
                if len(content) != int(size) * dtype.itemsize:
                    raise OutputError(f"{path}: expected {size} rows of {name}, found fewer")
                batch[name] = np.frombuffer(content, dtype)
            yield batch
