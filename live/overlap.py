"""What a session was sent just before it was cut, so that the next one can be met there.

A gateway asked for what was since a moment sends all records from that time of event on, those that
had come among them. They are told apart by their bytes, as often as they had come.

Source: https://databento.com/docs/api-live/basics/recovering-after-a-disconnection (which counts by
schema and instrument; bytes need no order between instruments).
"""

from collections import Counter, deque
from typing import Final

import numpy as np
import xxhash

from tapewire.live._kernels import FLAGS_AT
from tapewire.live.framing import MESSAGES, RecordBlock, bounds
from tapewire.market.records import F_SNAPSHOT, RTYPE_MBO

#: Of market time, kept of what has come (ns): how much later a record may come than a newer one.
MARGIN_NS: Final = 2 * 10**9
#: Bytes that are kept at most; with more than that in the margin, less of it is asked for again.
KEPT_BYTES_MAX: Final = 256 << 20


class Recent:
    """Blocks of the last two seconds of market time.

    Attributes
    ----------
    ts_event_ns : int
        The newest record's, ns; -1 where there was none but parts of a snapshot.
    """

    def __init__(self, margin_ns: int = MARGIN_NS, kept_bytes_max: int = KEPT_BYTES_MAX) -> None:
        self._margin_ns, self._kept_bytes_max = margin_ns, kept_bytes_max
        self._blocks: deque[RecordBlock] = deque()
        self._bytes = 0
        self._dropped_ns = -1
        self.ts_event_ns = -1

    def add(self, block: RecordBlock) -> None:
        """Take what has come."""
        if block.ts_event_ns < 0:
            return
        self._blocks.append(block)
        self._bytes += block.data.nbytes
        self.ts_event_ns = max(self.ts_event_ns, block.ts_event_ns)
        oldest = self.ts_event_ns - self._margin_ns
        while len(self._blocks) > 1 and (
            self._blocks[0].ts_event_ns < oldest or self._bytes > self._kept_bytes_max
        ):
            gone = self._blocks.popleft()
            self._bytes -= gone.data.nbytes
            self._dropped_ns = max(self._dropped_ns, gone.ts_event_ns)

    @property
    def start_ns(self) -> int:
        """From which time of event on all that has come is known here, ns."""
        return max(self.ts_event_ns - self._margin_ns, self._dropped_ns + 1, 0)

    def known(self) -> Counter[int]:
        """Return how often each record has come since `start_ns`, by the hash of its bytes."""
        start_ns, counts = self.start_ns, Counter[int]()
        for block in self._blocks:
            for at in _market_data(block):
                if ts_event(block.data, at) >= start_ns and not is_snapshot(block.data, at):
                    counts[_hash(block.bytes_at(at))] += 1
        return counts


class CatchUp:
    """Drops from a new session what the one before had brought, and all that comes before that.

    A feed that has just begun asks for more than its own begin: that is in its books already.

    Parameters
    ----------
    recent
        What that was.

    Attributes
    ----------
    dropped : int
        Records so far.
    """

    def __init__(self, recent: Recent) -> None:
        self._known = recent.known()
        self._newest_ns = recent.ts_event_ns
        self._has_met = False
        self.dropped = 0
        self.is_over = not self._known

    @property
    def missing(self) -> int:
        """Records that had come and were not sent again: the two sessions do not fit together."""
        return self._known.total()

    def left_of(self, block: RecordBlock) -> RecordBlock | None:
        """Return what is new in a block; None if nothing is."""
        if self.is_over:
            return block
        said = set(block.messages)
        kept: list[bytes] = []
        messages: list[int] = []
        at, latest = 0, -1
        for start, end in bounds(block.data):
            record = block.data[start:end].tobytes()
            if start in said:
                messages.append(at)
            else:
                name = _hash(record)
                if self._known[name] > 0:
                    self._known[name] -= 1
                    self._has_met = True
                    self.dropped += 1
                    continue
                if not self._has_met and ts_event(block.data, start) <= self._newest_ns:
                    self.dropped += 1
                    continue
                latest = max(latest, ts_event(block.data, start))
            kept.append(record)
            at += len(record)
        self.is_over = self._known.total() == 0 or latest > self._newest_ns + MARGIN_NS
        if not kept:
            return None
        data = np.frombuffer(b"".join(kept), np.uint8)
        return RecordBlock(data, len(kept), tuple(messages), latest)


def ts_event(data: np.ndarray, at: int) -> int:
    """Return the time of event of the record that begins there, ns; -1 where it has none."""
    ts = int.from_bytes(data[at + 8 : at + 16].tobytes(), "little")
    return ts if ts < 2**63 else -1


def is_snapshot(data: np.ndarray, at: int) -> bool:
    """Whether the record that begins there is of a book's snapshot."""
    return bool(data[at + 1] == RTYPE_MBO and data[at + FLAGS_AT] & F_SNAPSHOT)


def first_live_ns(block: RecordBlock) -> int:
    """Return the time of event of the first record that is no part of a snapshot, ns, or -1."""
    live = (at for at in _market_data(block) if not is_snapshot(block.data, at))
    return next((ts_event(block.data, at) for at in live), -1)


def _market_data(block: RecordBlock) -> list[int]:
    return [start for start, _ in bounds(block.data) if not MESSAGES[block.data[start + 1]]]


def _hash(record: bytes) -> int:
    return xxhash.xxh3_64_intdigest(record)
