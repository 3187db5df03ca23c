"""The wire room: what two processes that send to each other agree on.

Of any two: bounded typed messages (`codec`), credit (`credit`), liveness (`liveness`), who is a
peer (`seats`), addresses and sockets (`endpoints`, `network`, `sockets`, `guard`, `hub`, `link`).
Of the replay → router stream: batches, control messages, shared-memory slots, the two ends of it.

The ends are imported when they are first used: they know the market's records, and whoever shares
only the rest with them need not load compiled code.
"""

import importlib
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
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

_HOMES = {"Publisher": "tapewire.wire.publisher", "Receiver": "tapewire.wire.receiver"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tapewire.wire' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value
