"""Bytes of a session become its header and blocks of whole records.

Source: the DBN specification, metadata and record header.
"""

from dataclasses import dataclass
from typing import Any, Final

import databento_dbn as dbn
import numpy as np
import numpy.typing as npt

from tapewire.errors import FormatError
from tapewire.live._kernels import pass_records

#: rtypes of what the gateway itself says.
RTYPE_ERROR: Final = 0x15
RTYPE_MAPPING: Final = 0x16
RTYPE_SYSTEM: Final = 0x17
MESSAGES: Final = np.zeros(256, np.uint8)
MESSAGES[[RTYPE_ERROR, RTYPE_MAPPING, RTYPE_SYSTEM]] = 1
#: Bytes of each, in version 1 of DBN and since; with the time of sending it is so much longer.
_MESSAGE_BYTES: Final = {RTYPE_ERROR: (80, 320), RTYPE_MAPPING: (80, 176), RTYPE_SYSTEM: (80, 320)}
_TS_OUT_BYTES: Final = 8
_PREFIX_BYTES: Final = 8
_RECORD_BYTES_MIN: Final = 16
#: Of a header; a dataset's symbols are 71 bytes each.
_HEADER_BYTES_MAX: Final = 64 << 20
#: Untyped: the vendor's stubs call enum members strings.
_DBN: Final[Any] = dbn


@dataclass(frozen=True)
class RecordBlock:
    """Whole records, one behind the other.

    Attributes
    ----------
    data
        uint8, shape (n,).
    records
        How many.
    messages
        Where among them those begin that the gateway itself says.
    ts_event_ns
        The largest of the others that are no part of a book's snapshot (those have times of long
        ago); -1 where there are none.
    """

    data: npt.NDArray[np.uint8]
    records: int
    messages: tuple[int, ...]
    ts_event_ns: int

    def bytes_at(self, start: int) -> bytes:
        """Return the record that begins there."""
        return self.data[start : start + 4 * int(self.data[start])].tobytes()


class Framer:
    """Takes a session's bytes as they come.

    Attributes
    ----------
    header : bytes
        The metadata as sent; empty until they are whole.
    metadata : databento_dbn.Metadata or None
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._left = b""
        self._passed = 0
        self.header = b""
        self.metadata: Any = None

    @property
    def left_bytes(self) -> int:
        """Of a record that is not whole yet."""
        return len(self._left)

    def feed(self, data: bytes) -> RecordBlock | None:
        """Take bytes; return the records that are whole by now, if there are any.

        Raises
        ------
        FormatError
            If they are no DBN.
        """
        data = self._left + data
        if not self.header:
            data = self._begin(data)
            if not self.header:
                self._left = data
                return None
        array = np.frombuffer(data, np.uint8)
        starts = np.empty(len(array) // _RECORD_BYTES_MIN + 1, np.int64)
        at, records, found, latest, bad = pass_records(array, len(array), MESSAGES, starts)
        if bad >= 0:
            raise FormatError(
                f"{self._where}: {self._passed + bad:,} bytes behind its header: expected a "
                f"record, found a length of {4 * data[bad]} bytes"
            )
        self._left = data[at:]
        self._passed += at
        if records == 0:
            return None
        return RecordBlock(array[:at], records, tuple(starts[:found].tolist()), latest)

    def _begin(self, data: bytes) -> bytes:
        """Take the header off, once it is there."""
        if len(data) < _PREFIX_BYTES:
            return data
        size = _PREFIX_BYTES + int.from_bytes(data[4:_PREFIX_BYTES], "little")
        if data[:3] != b"DBN" or size > _HEADER_BYTES_MAX:
            raise FormatError(
                f"{self._where}: expected the header of a DBN stream, found {data[:8]!r}"
            )
        if len(data) < size:
            return data
        try:
            self.metadata = _DBN.Metadata.decode(data[:size])
        except Exception as error:  # its own kind of error
            raise FormatError(f"{self._where}: its header can't be read: {error}") from None
        self.header = data[:size]
        return data[size:]


def decode_messages(block: RecordBlock, metadata: Any) -> list[Any]:
    """Return what the gateway itself says in a block, as Databento's own records.

    Raises
    ------
    FormatError
        If one is none of theirs.
    """
    if not block.messages:
        return []
    decoder = _DBN.DBNDecoder(
        has_metadata=False, ts_out=bool(metadata.ts_out), input_version=metadata.version
    )
    more = _TS_OUT_BYTES if metadata.ts_out else 0
    for start in block.messages:
        message = block.bytes_at(start)
        expected = _MESSAGE_BYTES[message[1]][metadata.version > 1] + more
        if len(message) != expected:  # the vendor's decoder would panic
            raise FormatError(
                f"expected a message of {expected} bytes with rtype {message[1]:#04x}, found one "
                f"of {len(message)}"
            )
        decoder.write(message)
    try:
        return list(decoder.decode())
    except Exception as error:  # its own kind of error
        raise FormatError(f"a message of the gateway's can't be read: {error}") from None


def bounds(data: npt.NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Return where each of whole records begins and ends."""
    found, at = [], 0
    lengths = data.tobytes()
    while at < len(lengths):
        end = at + 4 * lengths[at]
        found.append((at, end))
        at = end
    return found
