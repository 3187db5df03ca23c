"""DBN files of ``statistics`` records: what instruments settled at, how much of them is held."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.errors import FormatError
from tapewire.market.statistics import (
    RTYPE_STATISTICS,
    SETTLEMENT_PRICE,
    STATISTICS,
    STATISTICS_BYTES,
    STATISTICS_LAYOUTS,
    plain_statistics,
)
from tapewire.replay.dbn import DbnFile

_CHUNK: Final = 16_384


@dataclass(frozen=True)
class StatisticsFile:
    """A file of statistics, read to its end.

    Attributes
    ----------
    records
        ``STATISTICS``, shape (n,): those of the kind that was asked for, in the order of the file.
    records_read
        Of any kind.
    content_hash
        xxh3_128 of its bytes on disk.
    """

    path: str
    size_bytes: int
    version: int
    dataset: str
    content_hash: str
    records_read: int
    records: npt.NDArray[Any]


def read_statistics(path: str, kind: int = SETTLEMENT_PRICE) -> StatisticsFile:
    """Read a file's statistics of one kind.

    Parameters
    ----------
    path
        A DBN file of schema ``statistics``, plain or compressed.
    kind
        The ``stat_type``: settlement prices, or open interest.

    Raises
    ------
    MissingFileError
        If it is missing, a folder or unreadable.
    FormatError
        If it is no DBN file of statistics, or truncated.
    """
    kept = [np.empty(0, STATISTICS)]
    with DbnFile(path, schema="statistics", record_bytes=STATISTICS_BYTES) as file:
        layout = STATISTICS_LAYOUTS[file.version]
        chunk = np.empty(_CHUNK * layout.itemsize, np.uint8).view(layout)
        while not file.at_end:
            found = chunk[: file.read_into(chunk)]
            wrong = found["rtype"] != RTYPE_STATISTICS
            wrong |= 4 * found["length"].astype(int) != layout.itemsize
            if wrong.any():
                bad = int(wrong.argmax())
                number = file.records_read - len(found) + bad
                raise FormatError(
                    f"{path}: record {number} at byte offset {file.offset_of(number)}: expected "
                    f"statistics (rtype 0x18, {layout.itemsize} bytes), found rtype "
                    f"{int(found['rtype'][bad]):#04x}, {4 * int(found['length'][bad])} bytes: the "
                    "file is corrupt or mixes schemas"
                )
            kept.append(plain_statistics(found[found["stat_type"] == kind]))
        return StatisticsFile(
            path, file.size_bytes, file.version, str(file.metadata.dataset),
            str(file.content_hash), file.records_read, np.concatenate(kept),
        )  # fmt: skip
