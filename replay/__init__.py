"""The replay room: sources of records, their merge by ``ts_recv``, pacing, publishing."""

from tapewire.replay.plan import BATCH_RECORDS_DEFAULT, ReplayPlan
from tapewire.replay.server import serve
from tapewire.replay.source import Source, open_source, read_records

__all__ = [
    "BATCH_RECORDS_DEFAULT",
    "ReplayPlan",
    "Source",
    "open_source",
    "read_records",
    "serve",
]
