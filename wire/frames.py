"""The batch frame: a fixed binary header, written and read without sockets.

A batch travels as one ZeroMQ message. Its first frame is this header; with an inline payload the
records follow as a second frame, with a shared payload they lie in the slot the header names.

======  ====  ==============  ====================================================
offset  size  field           meaning
======  ====  ==============  ====================================================
0       4     magic           ``TWB1``
4       2     version         ``WIRE_VERSION``
6       2     flags           ``FLAG_SHARED`` or 0
8       8     stream_id       random per stream
16      8     sequence        batches before this one in the stream
24      8     first_record    records before this batch in the stream
32      4     record_count    1 … ``MAX_BATCH_RECORDS``
36      4     slot            shared-memory slot, ``NO_SLOT`` when inline
40      8     first_ts_recv   clock of the first record, ns
48      8     last_ts_recv    clock of the last record, ns
56      8     checksum        xxh3_64 of the payload
64      8     decode_ns       what it took to read and decode its records; 0: not told
72      8     sent_ns         ``CLOCK_MONOTONIC`` of the sender's host as it was sent; 0: not told
80      8     header_check    xxh3_64 of the 80 bytes above
======  ====  ==============  ====================================================

All little-endian. The two clocks are ``ts_recv`` clamped to be monotone within the stream, so a
receiver can check the order of batches; the records themselves are never altered.
"""

import struct
from typing import Final, NamedTuple

import numpy as np
import xxhash

from tapewire.errors import ProtocolError

WIRE_VERSION: Final = 6
MAX_BATCH_RECORDS: Final = 65_536
FLAG_SHARED: Final = 1
NO_SLOT: Final = 0xFFFF_FFFF

_MAGIC: Final = b"TWB1"
_BODY: Final = struct.Struct("<4sHHQQQIIqqQQQ")
_CHECK: Final = struct.Struct("<Q")
HEADER_BYTES: Final = _BODY.size + _CHECK.size


class BatchHeader(NamedTuple):
    """What a batch says about itself; see the module for units."""

    flags: int
    stream_id: int
    sequence: int
    first_record: int
    record_count: int
    slot: int
    first_ts_recv: int
    last_ts_recv: int
    checksum: int
    decode_ns: int = 0
    sent_ns: int = 0

    def __str__(self) -> str:
        return f"batch sequence {self.sequence} (record offset {self.first_record})"

    @property
    def shared(self) -> bool:
        """Whether the records lie in a shared-memory slot."""
        return bool(self.flags & FLAG_SHARED)


def payload_bytes(records: np.ndarray) -> memoryview:
    """Return the bytes of records, not copied."""
    return records.view(np.uint8).data


def payload_checksum(records: np.ndarray) -> int:
    """Return the xxh3_64 of the bytes of records."""
    return xxhash.xxh3_64_intdigest(payload_bytes(records))


def encode_header(header: BatchHeader) -> bytes:
    """Return the ``HEADER_BYTES`` bytes of a batch header."""
    body = _BODY.pack(_MAGIC, WIRE_VERSION, *header)
    return body + _CHECK.pack(xxhash.xxh3_64_intdigest(body))


def decode_header(frame: bytes | memoryview) -> BatchHeader:
    """Read a batch header.

    Raises
    ------
    ProtocolError
        If the frame has another length, magic, version or check value, an unknown flag, or fields
        that contradict each other.
    """
    if len(frame) != HEADER_BYTES:
        raise ProtocolError(
            f"a batch header has {HEADER_BYTES} bytes, found {len(frame)}: the stream is damaged"
        )
    magic, version, *fields = _BODY.unpack_from(frame)
    if magic != _MAGIC:
        raise ProtocolError(f"a batch header begins with {_MAGIC!r}, found {bytes(magic)!r}")
    if version != WIRE_VERSION:
        raise ProtocolError(
            f"this side speaks wire version {WIRE_VERSION}, the other side {version}: "
            "run the same Tapewire version at both ends"
        )
    (check,) = _CHECK.unpack_from(frame, _BODY.size)
    found = xxhash.xxh3_64_intdigest(bytes(frame[: _BODY.size]))
    header = BatchHeader(*fields)
    if check != found:
        raise ProtocolError(
            f"the header of batch sequence {header.sequence} fails its checksum: "
            f"expected {check:#018x}, found {found:#018x}"
        )
    _require_consistent(header)
    return header


def _require_consistent(header: BatchHeader) -> None:
    where = f"batch sequence {header.sequence}"
    if header.flags & ~FLAG_SHARED:
        raise ProtocolError(f"{where} has unknown flags {header.flags:#06x}")
    if header.shared == (header.slot == NO_SLOT):
        raise ProtocolError(f"{where} has slot {header.slot} with flags {header.flags:#06x}")
    if not 1 <= header.record_count <= MAX_BATCH_RECORDS:
        raise ProtocolError(
            f"{where} claims {header.record_count} records, expected 1 to {MAX_BATCH_RECORDS}"
        )
    if header.last_ts_recv < header.first_ts_recv:
        raise ProtocolError(
            f"{where} ends at ts_recv {header.last_ts_recv}, before it begins at "
            f"{header.first_ts_recv}"
        )


class StreamDigest:
    """A running digest over the batches of a stream: order, counts and checksums."""

    def __init__(self) -> None:
        self._hash = xxhash.xxh3_128()

    def add(self, header: BatchHeader) -> None:
        """Take in one batch."""
        self._hash.update(
            struct.pack("<QIQ", header.sequence, header.record_count, header.checksum)
        )

    def hexdigest(self) -> str:
        """Return the digest so far as 32 hexadecimal digits."""
        return self._hash.hexdigest()
