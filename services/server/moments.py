"""Moments of the store, as messages have them."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def put_moment(timestamp: Any, moment: datetime) -> None:
    """Set a ``google.protobuf.Timestamp``, as its own ``FromDatetime`` does in five times the time.

    Parameters
    ----------
    timestamp
        The field of a message; 1970 is set, too, which else would not be there.
    moment
        With a zone.
    """
    seconds, micros = divmod((moment - _EPOCH) // _MICROSECOND, 1_000_000)
    timestamp.seconds, timestamp.nanos = seconds, 1_000 * micros
