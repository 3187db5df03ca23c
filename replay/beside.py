"""What lies beside the MBO records of a live capture: definitions, trading states, statistics.

The live client writes the records of all schemas that it was asked for into one file, of whatever
DBN version each has. Source: the DBN specification, record header.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.errors import FormatError
from tapewire.market.definitions import (
    DEFINITION,
    DEFINITION_LAYOUTS,
    RTYPE_DEFINITION,
    plain_definitions,
)
from tapewire.market.statistics import (
    RTYPE_STATISTICS,
    SETTLEMENT_PRICE,
    STATISTICS,
    STATISTICS_LAYOUTS,
    plain_statistics,
)
from tapewire.market.status import RTYPE_STATUS, STATUS_BYTES, STATUS_DTYPE
from tapewire.replay import _kernels as kernels
from tapewire.replay.byte_sources import ByteSource, TruncatedFrame, unreadable
from tapewire.replay.dbn import DbnFile
from tapewire.replay.definitions import DefinitionFile
from tapewire.replay.statistics import StatisticsFile
from tapewire.replay.status import StatusFile

_BUFFER_BYTES: Final = 1 << 20
_TS_OUT_BYTES: Final = 8
_RTYPES: Final = (RTYPE_DEFINITION, RTYPE_STATUS, RTYPE_STATISTICS)
_WANTED: Final = np.zeros(256, np.uint8)
_WANTED[list(_RTYPES)] = 1
#: How a record lies there, by its rtype and its size in bytes.
_LAYOUTS: Final[dict[tuple[int, int], np.dtype[Any]]] = {
    **{(RTYPE_DEFINITION, one.itemsize): one for one in DEFINITION_LAYOUTS.values()},
    **{(RTYPE_STATISTICS, one.itemsize): one for one in STATISTICS_LAYOUTS.values()},
    (RTYPE_STATUS, STATUS_BYTES): STATUS_DTYPE,
}
_FILES_KEPT: Final = 32


@dataclass(frozen=True)
class Beside:
    """Records of other schemas in a capture, as if each had a file; None where it has none."""

    definitions: DefinitionFile | None = None
    status: StatusFile | None = None
    statistics: StatisticsFile | None = None


def read_beside(path: str) -> Beside:
    """Read what a file of several schemas has beside its MBO records; nothing, of other files.

    Raises
    ------
    MissingFileError, FormatError
        If it is missing, no DBN file, or has a record that can be none.
    """
    try:
        facts = Path(path).stat()
    except OSError as error:
        raise unreadable(path, error) from None
    return _read(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(_FILES_KEPT)
def _read(path: str, size_bytes: int, mtime_ns: int) -> Beside:
    """Read a file once, as long as it stays the same."""
    with DbnFile(path, schema=None) as file:
        if file.metadata.schema is not None:
            return Beside()
        found: dict[int, list[npt.NDArray[Any]]] = {rtype: [] for rtype in _RTYPES}
        read = dict.fromkeys(_RTYPES, 0)
        for rtype, records in _batches(path, file.raw, file.metadata.ts_out):
            read[rtype] += len(records)
            found[rtype].append(_kept(rtype, records))
        whole = (path, file.size_bytes, file.version, str(file.metadata.dataset))
        content = file.raw.content_hash()
        return Beside(
            definitions=DefinitionFile(
                *whole, content, read[RTYPE_DEFINITION],
                np.concatenate([np.empty(0, DEFINITION), *found[RTYPE_DEFINITION]]),
            ) if read[RTYPE_DEFINITION] else None,
            status=StatusFile(
                *whole, content,
                np.concatenate([np.empty(0, STATUS_DTYPE), *found[RTYPE_STATUS]]),
            ) if read[RTYPE_STATUS] else None,
            statistics=StatisticsFile(
                *whole, content, read[RTYPE_STATISTICS],
                np.concatenate([np.empty(0, STATISTICS), *found[RTYPE_STATISTICS]]),
            ) if read[RTYPE_STATISTICS] else None,
        )  # fmt: skip


def _kept(rtype: int, records: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if rtype == RTYPE_DEFINITION:
        return plain_definitions(records)
    if rtype == RTYPE_STATISTICS:
        return plain_statistics(records[records["stat_type"] == SETTLEMENT_PRICE])
    return records


def _batches(path: str, source: ByteSource, ts_out: bool) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Give the wanted records, batch by batch: their rtype, and they, shape (n,), all alike.

    Where the file ends too soon it has no more; the replay says so.
    """
    buffer = np.empty(_BUFFER_BYTES, np.uint8)
    starts = np.empty(_BUFFER_BYTES // 16, np.int64)
    begin = end = passed = 0
    ended = False
    while not ended:
        left = end - begin
        buffer[:left] = buffer[begin:end]
        passed += begin
        try:
            count = source.readinto(buffer[left:].data)
        except TruncatedFrame as cut:
            count = cut.filled
        end = left + count
        ended = end < len(buffer)
        begin, found, bad = kernels.find_kinds(buffer, end, _WANTED, starts)
        if bad >= 0:
            raise FormatError(
                f"{path}: {passed + bad} bytes behind its header: expected a record, found a "
                f"length of {4 * int(buffer[bad])} bytes: the file is corrupt"
            )
        alike: dict[tuple[int, int], list[bytes]] = {}
        for at in starts[:found].tolist():
            size = 4 * int(buffer[at]) - (_TS_OUT_BYTES if ts_out else 0)
            kind = int(buffer[at + 1]), size
            if kind not in _LAYOUTS:
                raise FormatError(
                    f"{path}: {passed + at} bytes behind its header: a record of rtype "
                    f"{kind[0]:#04x} has {size} bytes, as in no version of DBN: the file is corrupt"
                )
            alike.setdefault(kind, []).append(buffer[at : at + size].tobytes())
        for kind, rows in alike.items():
            yield kind[0], np.frombuffer(b"".join(rows), _LAYOUTS[kind])
