"""Market data as they happen, and orders that are real: feeds, brokers, and rails between them.

Its parts are loaded when they are asked for: a process of rails needs none of the kernels that a
feed does.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "FeedCounts": "feed",
    "FeedRequest": "subscription",
    "FeedSink": "feed",
    "GatewayAddress": "subscription",
    "LiveFeed": "feed",
    "Recorder": "recorder",
    "recover_recordings": "recorder",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tapewire.live' has no attribute {name!r}")
    module = importlib.import_module(f"tapewire.live.{_HOMES[name]}")
    value = globals()[name] = getattr(module, name)
    return value
