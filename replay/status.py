"""DBN files of ``status`` records, read whole: they are few."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.errors import FormatError
from tapewire.market.status import (
    RTYPE_STATUS,
    STATUS_BYTES,
    STATUS_DTYPE,
    STATUS_LENGTH_WORDS,
    transitions_of,
    transitions_together,
)
from tapewire.replay.dbn import DbnFile

_CHUNK: Final = 16_384


@dataclass(frozen=True)
class StatusFile:
    """A file of status records, read to its end.

    Attributes
    ----------
    records
        ``STATUS_DTYPE``, shape (n,), in the order of the file.
    content_hash
        xxh3_128 of its bytes on disk.
    """

    path: str
    size_bytes: int
    version: int
    dataset: str
    content_hash: str
    records: npt.NDArray[Any]


def read_status(path: str) -> StatusFile:
    """Read a file's status records.

    Raises
    ------
    MissingFileError
        If it is missing, a folder or unreadable.
    FormatError
        If it is no DBN file of status records, or truncated.
    """
    chunks = []
    with DbnFile(path, schema="status", record_bytes=STATUS_BYTES) as file:
        while not file.at_end:
            chunk = np.empty(_CHUNK, STATUS_DTYPE)
            chunks.append(chunk[: file.read_into(chunk)])
            _require_status(file, chunks[-1])
        return StatusFile(
            path, file.size_bytes, file.version, str(file.metadata.dataset),
            str(file.content_hash), np.concatenate(chunks),
        )  # fmt: skip


def _require_status(file: DbnFile, records: npt.NDArray[Any]) -> None:
    """Check the records that were read last, before more of them take memory."""
    wrong = (records["rtype"] != RTYPE_STATUS) | (records["length"] != STATUS_LENGTH_WORDS)
    if wrong.any():
        bad = int(wrong.argmax())
        number = file.records_read - len(records) + bad
        length, rtype = int(records["length"][bad]), int(records["rtype"][bad])
        raise FormatError(
            f"{file.path}: record {number} at byte offset {file.offset_of(number)}: expected a "
            f"status record (rtype 0x12, 40 bytes), found rtype {rtype:#04x}, {length * 4} bytes: "
            "the file is corrupt or mixes schemas"
        )


def transitions_in(
    files: Sequence[StatusFile], consolidated: Collection[str] = ()
) -> npt.NDArray[Any]:
    """Return the changes of state that the files tell of together.

    Parameters
    ----------
    consolidated
        Datasets whose books are of all publishers together.

    Returns
    -------
    ndarray
        ``tapewire.market.status.TRANSITION``, shape (n,), sorted by book and time.
    """
    together = [file.records for file in files if file.dataset in consolidated]
    apart = [
        file.records[(file.records["publisher_id"] != 0) | (file.dataset not in consolidated)]
        for file in files
    ]
    found = [transitions_together(_by_capture(together)), transitions_of(_by_capture(apart))]
    transitions = np.concatenate(found)
    return transitions[np.argsort(transitions["key"], kind="stable")]


def _by_capture(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    records = np.concatenate([np.empty(0, STATUS_DTYPE), *parts])
    return records[np.argsort(records["ts_recv"], kind="stable")]
