"""What makes a stream lossless: every batch follows the one before it. Without sockets."""

from typing import Final

import numpy as np

from tapewire.errors import ProtocolError
from tapewire.market.records import RECORD_BYTES, RECORD_LENGTH_WORDS, RTYPE_MBO
from tapewire.wire.frames import (
    MAX_BATCH_RECORDS,
    WIRE_VERSION,
    BatchHeader,
    StreamDigest,
    payload_checksum,
)
from tapewire.wire.messages import MAPPINGS_PER_MESSAGE, StreamInfo, Totals, Welcome
from tapewire.wire.slots import SLOTS_MAX

#: The one schema whose records the wire carries.
SCHEMA: Final = "mbo"
#: A record begins with its length (in words) and its type, a byte each.
_RECORD_HEAD: Final = np.frombuffer(bytes((RECORD_LENGTH_WORDS, RTYPE_MBO)), np.uint16)[0]


def require_sane(welcome: Welcome, sender: str, credits: int) -> None:
    """Check that what a sender offers is within what both ends may agree on.

    Raises
    ------
    ProtocolError
        If it is not.
    """
    info = welcome.info
    if welcome.wire_version != WIRE_VERSION:
        raise ProtocolError(
            f"this side speaks wire version {WIRE_VERSION}, {sender} version "
            f"{welcome.wire_version}: run the same Tapewire version at both ends"
        )
    if not (1 <= welcome.window <= credits and 0 <= welcome.slots <= SLOTS_MAX):
        raise ProtocolError(
            f"{sender} offers a window of {welcome.window} and {welcome.slots} slots, "
            f"expected 1 to {credits} and at most {SLOTS_MAX}"
        )
    if info.schema != SCHEMA:
        raise ProtocolError(
            f"expected a stream of schema {SCHEMA!r} from {sender}, found {info.schema!r}"
        )
    if not 1 <= info.batch_records <= MAX_BATCH_RECORDS:
        raise ProtocolError(
            f"{sender} announces batches of {info.batch_records} records, expected 1 to "
            f"{MAX_BATCH_RECORDS}"
        )
    if info.speed is not None and not info.speed > 0:
        raise ProtocolError(f"{sender} announces a speed of {info.speed}, expected one above 0")
    if len(info.mappings) != min(welcome.mappings, MAPPINGS_PER_MESSAGE):
        raise ProtocolError(
            f"{sender} announces {welcome.mappings} symbol mappings and sends "
            f"{len(info.mappings)} with its welcome, expected as many, at most "
            f"{MAPPINGS_PER_MESSAGE}"
        )


class StreamChecker:
    """Follows the batches of one stream; raises ProtocolError at the first that is wrong.

    Attributes
    ----------
    batches, records
        Accepted so far: the sequence and record offset the next batch must have.
    """

    def __init__(self, stream_id: int, batch_records: int) -> None:
        self._stream_id = stream_id
        self._batch_records = batch_records
        self.batches = 0
        self.records = 0
        self._first_ts_recv = 0
        self._last_ts_recv: int | None = None
        self._digest = StreamDigest()

    def require_next(self, header: BatchHeader) -> None:
        """Check that this is the next batch, before its payload is looked at."""
        if header.stream_id != self._stream_id:
            raise ProtocolError(
                f"a batch of stream {header.stream_id:#x} in stream {self._stream_id:#x}"
            )
        if header.sequence != self.batches:
            kind = "a gap" if header.sequence > self.batches else "a duplicate or reorder"
            raise ProtocolError(
                f"{kind} in the stream: expected batch sequence {self.batches} at record offset "
                f"{self.records}, found sequence {header.sequence} at offset "
                f"{header.first_record}"
            )
        if header.first_record != self.records:
            raise ProtocolError(
                f"batch sequence {header.sequence} begins at record offset "
                f"{header.first_record}, expected {self.records}"
            )
        if header.record_count > self._batch_records:
            raise ProtocolError(
                f"batch sequence {header.sequence} has {header.record_count} records, the stream "
                f"allows {self._batch_records}"
            )
        if self._last_ts_recv is not None and header.first_ts_recv < self._last_ts_recv:
            raise ProtocolError(
                f"{header} begins at ts_recv {header.first_ts_recv}, before the previous one "
                f"ended at {self._last_ts_recv}"
            )

    def accept(self, header: BatchHeader, records: np.ndarray) -> None:
        """Check the payload of the next batch and count it."""
        found = payload_checksum(records)
        if found != header.checksum:
            raise ProtocolError(
                f"{header} fails its checksum: expected {header.checksum:#018x}, "
                f"found {found:#018x}"
            )
        self._require_mbo(header, records)
        if not self.batches:
            self._first_ts_recv = header.first_ts_recv
        self._last_ts_recv = header.last_ts_recv
        self.batches += 1
        self.records += header.record_count
        self._digest.add(header)

    def _require_mbo(self, header: BatchHeader, records: np.ndarray) -> None:
        """Check type and length of each record: all that follows reads them as ``MboMsg``."""
        wrong = records.view(np.uint16)[:: RECORD_BYTES // 2] != _RECORD_HEAD
        if wrong.any():
            index = int(wrong.argmax())
            raise ProtocolError(
                f"batch sequence {header.sequence}: expected records of type {RTYPE_MBO:#x} and "
                f"length {RECORD_LENGTH_WORDS}, found type {int(records['rtype'][index]):#x} and "
                f"length {int(records['length'][index])} at record offset "
                f"{header.first_record + index}"
            )

    def require_totals(self, totals: Totals, info: StreamInfo) -> None:
        """Check what the sender says it sent against what came, and against what it announced."""
        found = (
            self.records,
            self.batches,
            self._first_ts_recv,
            self._last_ts_recv or 0,
            self._digest.hexdigest(),
        )
        sent = (
            totals.events,
            totals.batches,
            totals.first_ts_recv,
            totals.last_ts_recv,
            totals.digest,
        )
        if sent != found:
            raise ProtocolError(
                "the stream ends with totals (events, batches, first and last ts_recv, digest) "
                f"{sent}, but {found} arrived"
            )
        if info.records is not None and self.records != info.records:
            raise ProtocolError(
                f"the stream was announced with {info.records} records and ends after "
                f"{self.records}"
            )
        if [f.name for f in totals.files] != [f.name for f in info.files]:
            raise ProtocolError(
                f"the stream ends with totals of {len(totals.files)} files, expected those of the "
                f"{len(info.files)} that were announced"
            )
        for begun, ended in zip(info.files, totals.files, strict=True):
            whole = info.records is not None and begun.records is not None
            if ended.records_kept > ended.records_read or (
                whole and ended.records_read != begun.records
            ):
                raise ProtocolError(
                    f"{begun.name}: expected {begun.records} records, as announced, found "
                    f"{ended.records_read} read and {ended.records_kept} kept"
                )
        kept = sum(f.records_kept for f in totals.files)
        if kept - totals.duplicates != self.records:
            twice = f" ({totals.duplicates} of them twice)" if totals.duplicates else ""
            raise ProtocolError(
                f"the files of the stream gave {kept} records together{twice}, {self.records} "
                "arrived"
            )
