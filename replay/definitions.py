"""DBN files of ``definition`` records, read whole; kept is what is asked for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.errors import FormatError
from tapewire.market.definitions import (
    DEFINITION,
    DEFINITION_BYTES,
    DEFINITION_LAYOUTS,
    DELETE,
    RTYPE_DEFINITION,
    plain_definitions,
)
from tapewire.replay.dbn import DbnFile

_CHUNK: Final = 4_096


#: Symbols that stand for whatever contract is meant that day: a venue calls it something else.
_MOVING_SYMBOL: Final = re.compile(r".+\.(?:[cnv]\.\d+|FUT|OPT|SPOT)")


@dataclass(frozen=True)
class DefinitionFile:
    """A file of instrument definitions, read to its end.

    Attributes
    ----------
    records_read
        How many it has.
    records
        ``market.definitions.DEFINITION``, shape (n,), those that were asked for, in the order of
        the file.
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


def read_definitions(path: str, wanted: npt.NDArray[Any] | None = None) -> DefinitionFile:
    """Read a file's definitions.

    Parameters
    ----------
    path
        A DBN file of schema ``definition``, plain or compressed.
    wanted
        Instrument ids, shape (m,), those of other instruments are left out; None: all.

    Raises
    ------
    MissingFileError
        If it is missing, a folder or unreadable.
    FormatError
        If it is no DBN file of definitions, or truncated.
    """
    kept = [np.empty(0, DEFINITION)]
    with DbnFile(path, schema="definition", record_bytes=DEFINITION_BYTES) as file:
        layout = DEFINITION_LAYOUTS[file.version]
        chunk = np.empty(_CHUNK * layout.itemsize, np.uint8).view(layout)
        while not file.at_end:
            found = chunk[: file.read_into(chunk)]
            _require_definitions(file, found, layout.itemsize)
            if wanted is not None:
                found = found[np.isin(found["instrument_id"], wanted)]
            kept.append(plain_definitions(found))
        return DefinitionFile(
            path, file.size_bytes, file.version, str(file.metadata.dataset),
            str(file.content_hash), file.records_read, np.concatenate(kept),
        )  # fmt: skip


def _require_definitions(file: DbnFile, records: npt.NDArray[Any], size: int) -> None:
    wrong = (records["rtype"] != RTYPE_DEFINITION) | (4 * records["length"].astype(int) != size)
    if wrong.any():
        bad = int(wrong.argmax())
        length, rtype = int(records["length"][bad]), int(records["rtype"][bad])
        number = file.records_read - len(records) + bad
        raise FormatError(
            f"{file.path}: record {number} at byte offset {file.offset_of(number)}: expected a "
            f"definition (rtype 0x13, {size} bytes), found rtype {rtype:#04x}, {length * 4} bytes: "
            "the file is corrupt or mixes schemas"
        )


def is_meant(row: Any, names: Mapping[int, str]) -> bool:
    """Whether a record defines one of the instruments of data: ids are given again on other days.

    Parameters
    ----------
    row
        Of dtype ``DEFINITION``.
    names
        Symbols of the data by instrument id; none: all are meant.
    """
    if row["security_update_action"] == DELETE:
        return False
    if not names:
        return True
    name = names[int(row["instrument_id"])]
    if name == str(row["instrument_id"]) or _MOVING_SYMBOL.fullmatch(name):
        return True
    return name == bytes(row["raw_symbol"]).split(b"\0", 1)[0].decode("ascii", "replace")
