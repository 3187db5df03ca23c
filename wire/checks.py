"""What makes a stream lossless: every batch follows the one before it. Without sockets."""

import numpy as np

from tapewire.errors import ProtocolError
from tapewire.wire.frames import BatchHeader, StreamDigest, payload_checksum
from tapewire.wire.messages import Totals


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
        where = f"batch sequence {header.sequence}"
        if header.first_record != self.records:
            raise ProtocolError(
                f"{where} begins at record offset {header.first_record}, expected {self.records}"
            )
        if header.record_count > self._batch_records:
            raise ProtocolError(
                f"{where} has {header.record_count} records, the stream allows "
                f"{self._batch_records}"
            )
        if self._last_ts_recv is not None and header.first_ts_recv < self._last_ts_recv:
            raise ProtocolError(
                f"{where} (record offset {header.first_record}) begins at ts_recv "
                f"{header.first_ts_recv}, before the previous one ended at {self._last_ts_recv}"
            )

    def accept(self, header: BatchHeader, records: np.ndarray) -> None:
        """Check the payload of the next batch and count it."""
        found = payload_checksum(records)
        if found != header.checksum:
            raise ProtocolError(
                f"batch sequence {header.sequence} (record offset {header.first_record}) fails "
                f"its checksum: expected {header.checksum:#018x}, found {found:#018x}"
            )
        if not self.batches:
            self._first_ts_recv = header.first_ts_recv
        self._last_ts_recv = header.last_ts_recv
        self.batches += 1
        self.records += header.record_count
        self._digest.add(header)

    def require_totals(self, totals: Totals) -> None:
        """Check what the sender says it sent against what came."""
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
