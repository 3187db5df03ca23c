"""A live feed as a stream of batches: each read goes on at once to the run that trades on it."""

import time
from typing import Any, Final

import numpy as np

from tapewire.errors import FeedError, NoDataError
from tapewire.live._kernels import pick_mbo
from tapewire.live.framing import RTYPE_MAPPING, RecordBlock
from tapewire.live.recorder import Recorder
from tapewire.market.records import RECORD_BYTES
from tapewire.replay.mixed import mapping_in
from tapewire.wire import FileInfo, FileTotals, Publisher, StreamInfo, SymbolMapping, Totals
from tapewire.wire.messages import FeedState

#: Of a batch: more of them are read at once only where something was missed.
BATCH_RECORDS: Final = 8_192
#: A session names its instruments before their records; without any, it has named all by then (s).
SETTLED_S: Final = 3.0
_DBN_VERSION_AT: Final = 3


class PublishedFeed:
    """Takes a feed, publishes its MBO records, and has it recorded.

    The stream begins with the first record, once all instruments are named: `Publisher.handshake`
    waits for the run then, and what comes meanwhile waits on the line.

    Parameters
    ----------
    publisher, recorder
        Where records go, in this order: who trades on them comes first.
    """

    def __init__(self, publisher: Publisher, recorder: Recorder) -> None:
        self._publisher, self._recorder = publisher, recorder
        self._header, self._metadata = b"", None
        self._mappings: set[SymbolMapping] = set()
        self._opened_s = 0.0
        self._info: StreamInfo | None = None
        self._clocks = np.full(3, -1, np.int64)
        self._clocks[1] = 0
        self._decode_ns = 0
        self._state: FeedState = "live"

    # --- a feed -----------------------------------------------------------------------------------

    def opened(self, header: bytes, metadata: Any) -> None:
        """Take the metadata that a session begins with."""
        self._recorder.opened(header, metadata)
        if not self._header:
            self._header, self._metadata = header, metadata
            self._opened_s = time.monotonic()

    def block(self, block: RecordBlock, received_ns: int) -> None:
        """Publish records, then write them."""
        for at in block.messages:
            if block.data[at + 1] == RTYPE_MAPPING:
                self._name(block.bytes_at(at))
        at = 0
        while at < block.data.size:
            if self._info is None:
                if block.records == len(block.messages):
                    break
                self._begin()
                received_ns = time.monotonic_ns()  # the run was waited for
            slot = self._publisher.next_slot()
            rows = slot.view(np.uint8).reshape(-1, RECORD_BYTES)
            at, count, others = pick_mbo(block.data, at, rows, self._clocks)
            if others:
                raise FeedError(
                    f"expected MBO records of {RECORD_BYTES} bytes, found {others} of another "
                    "length: the gateway sends what was not asked for"
                )
            if count:
                decode_ns = time.monotonic_ns() - received_ns
                self._decode_ns += decode_ns
                self._publisher.publish(
                    count, int(self._clocks[2]), int(self._clocks[0]), decode_ns=decode_ns
                )
        self._recorder.block(block)

    def told(self, text: str, state: FeedState | None = None) -> None:
        """Pass on what has happened."""
        self._recorder.told(text)
        if state in ("live", "cut"):  # which lasts
            self._state = state
        if self._info is not None:
            self._publisher.tell(state or self._state, text)

    # --- the stream -------------------------------------------------------------------------------

    def service(self) -> None:
        """Look after the run's connection; to be called a few times a second."""
        if self._info is not None:
            self._publisher.service(0.0)
        elif self._mappings and time.monotonic() > self._opened_s + SETTLED_S:
            self._begin()

    def _name(self, record: bytes) -> None:
        mapping = mapping_in(np.frombuffer(record, np.uint8))
        if mapping is None or mapping in self._mappings:
            return
        self._mappings.add(mapping)
        if self._info is not None:
            self._publisher.tell(
                self._state,
                f"{mapping.raw_symbol} was named after the begin: it goes by its number, "
                f"{mapping.instrument_id}",
            )

    def _begin(self) -> None:
        """Say what the stream is of, and wait for who takes it."""
        metadata: Any = self._metadata
        path = self._recorder.first_path
        file = FileInfo(
            name=str(path.absolute()), size_bytes=0, dbn_version=self._header[_DBN_VERSION_AT],
            compressed=False, dataset=metadata.dataset, start_ns=metadata.start, end_ns=0,
            records=None,
        )  # fmt: skip
        self._info = StreamInfo(
            dataset=metadata.dataset, schema="mbo", files=(file,),
            mappings=tuple(sorted(self._mappings)), start_ns=metadata.start, end_ns=0,
            batch_records=BATCH_RECORDS, speed=1.0,
        )  # fmt: skip
        self._publisher.handshake(self._info)

    @property
    def has_begun(self) -> bool:
        """Whether there is a stream."""
        return self._info is not None

    def finish(self) -> None:
        """End the stream, whose recording is closed first.

        Raises
        ------
        NoDataError
            If there was nothing.
        """
        self._recorder.close()
        if self._info is None:
            raise NoDataError("nothing came of what was asked for: the market may be closed")
        self._publisher.finish(self._totals())

    def _totals(self) -> Totals:
        assert self._info is not None
        events, batches, first_ts_recv, last_ts_recv, digest = self._publisher.sent
        clamped = int(self._clocks[1])
        file = FileTotals(
            self._info.files[0].name, records_read=events, records_kept=events,
            clamped_ts_recv=clamped, content_hash=None,
        )  # fmt: skip
        return Totals(
            events=events, batches=batches, first_ts_recv=first_ts_recv,
            last_ts_recv=last_ts_recv, digest=digest, clamped_ts_recv=clamped, filtered=0,
            files=(file,), decode_s=self._decode_ns / 1e9, wait_s=self._publisher.wait_s,
            pace_s=0.0,
        )  # fmt: skip
