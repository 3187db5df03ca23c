"""Token buckets: how often somebody may do something."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

#: Buckets that are kept; beyond that the one that was used longest ago is forgotten.
BUCKETS_MAX: Final = 100_000


class Limits(Protocol):
    """Whoever says how often somebody may do something."""

    def wait_s(self, key: str) -> float:
        """Take a token. Return 0, or the seconds until there is one; none was taken then."""

    def give_back(self, key: str) -> None:
        """Put a token back that was taken for something that shall not count."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class RateLimiter:
    """A bucket per key, which holds ``burst`` tokens at most and is refilled at a steady rate.

    Parameters
    ----------
    per_second : float
        Tokens that come back in a second.
    burst : int
        Tokens of a bucket that was left alone.
    clock_s
        A monotonic clock, s.
    """

    def __init__(self, per_second: float, burst: int, clock_s: Callable[[], float]) -> None:
        if not (per_second > 0 and burst >= 1):
            raise ValueError(f"expected a rate above 0 and a burst of 1, found {per_second, burst}")
        self._per_second, self._burst, self._clock_s = per_second, burst, clock_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Take a token. Return 0, or the seconds until there is one; none was taken then."""
        now_s = self._clock_s()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._burst, now_s)
            if len(self._buckets) > BUCKETS_MAX:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
            grown = bucket.tokens + (now_s - bucket.at_s) * self._per_second
            bucket.tokens, bucket.at_s = min(self._burst, grown), now_s
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0.0
        return (1 - bucket.tokens) / self._per_second

    def give_back(self, key: str) -> None:
        """Put a token back that was taken for something that shall not count."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.tokens = min(self._burst, bucket.tokens + 1)

    def __len__(self) -> int:
        return len(self._buckets)
