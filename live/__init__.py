"""Market data as they happen: a session with the vendor's gateway, and what is kept of it."""

from tapewire.live.feed import FeedCounts, FeedSink, LiveFeed
from tapewire.live.recorder import Recorder, recover_recordings
from tapewire.live.subscription import FeedRequest, GatewayAddress

__all__ = [
    "FeedCounts",
    "FeedRequest",
    "FeedSink",
    "GatewayAddress",
    "LiveFeed",
    "Recorder",
    "recover_recordings",
]
