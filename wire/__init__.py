"""The wire room: what both ends of the replay → router stream agree on.

Framing, control messages, socket factory, addresses, credits and shared-memory slots.
"""

from tapewire.wire.endpoints import private_endpoint, split_endpoint
from tapewire.wire.frames import MAX_BATCH_RECORDS
from tapewire.wire.messages import (
    FileInfo,
    FileTotals,
    Payload,
    PayloadChoice,
    StreamInfo,
    SymbolMapping,
    Totals,
    Warmup,
)
from tapewire.wire.publisher import Publisher
from tapewire.wire.receiver import Receiver

__all__ = [
    "MAX_BATCH_RECORDS",
    "FileInfo",
    "FileTotals",
    "Payload",
    "PayloadChoice",
    "Publisher",
    "Receiver",
    "StreamInfo",
    "SymbolMapping",
    "Totals",
    "Warmup",
    "private_endpoint",
    "split_endpoint",
]
