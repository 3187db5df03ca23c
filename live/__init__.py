"""Market data as they happen: a session with the vendor's gateway, and what is kept of it."""

from tapewire.live.feed import Feed, FeedCounts, FeedSink
from tapewire.live.recorder import Recorder, recover_recordings
from tapewire.live.subscription import FeedRequest, GatewayAddress

__all__ = [
    "Feed",
    "FeedCounts",
    "FeedRequest",
    "FeedSink",
    "GatewayAddress",
    "Recorder",
    "recover_recordings",
]
