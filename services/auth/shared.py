"""What several processes of one server know together: token buckets, and when to ask again.

It lies in memory that has no name: whoever is started with its file's number has it, too. Each row
is changed under a lock on a byte of that file, which the system takes from whoever is killed.
"""

import contextlib
import fcntl
import hashlib
import mmap
import os
import struct
from collections.abc import Callable, Iterator
from typing import Final

from tapewire.errors import ConfigError

#: Tables of buckets, by number.
TABLES: Final = 4
#: Rows of a table that a key may be in one of, and how many such sets a table has.
_WAYS: Final = 8
_SETS: Final = 4_096
_ROW: Final = struct.Struct("<Qdd")  # key, tokens, when they were counted (s)
_EPOCH: Final = struct.Struct("<Q")
_SALT_BYTES: Final = 16
_HEAD_BYTES: Final = 64
_TABLE_BYTES: Final = _SETS * _WAYS * _ROW.size
_BYTES: Final = _HEAD_BYTES + TABLES * _TABLE_BYTES


class SharedState:
    """Memory that processes share.

    Parameters
    ----------
    number
        Of its file, open for reading and writing; it stays open.

    Raises
    ------
    ConfigError
        If it is another file.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        found = os.fstat(number).st_size
        if found != _BYTES:
            raise ConfigError(f"shared memory: expected {_BYTES:,} bytes, found {found:,}")
        self._bytes = mmap.mmap(number, _BYTES)
        self._salt = self._bytes[_EPOCH.size : _EPOCH.size + _SALT_BYTES]

    @classmethod
    def new(cls) -> "SharedState":
        """Make it."""
        number = os.memfd_create("tapewire", os.MFD_CLOEXEC)
        os.ftruncate(number, _BYTES)
        # Nobody who doesn't know it can choose keys that fall into one set.
        os.pwrite(number, os.urandom(_SALT_BYTES), _EPOCH.size)
        return cls(number)

    def close(self) -> None:
        """Let it go."""
        self._bytes.close()
        os.close(self.number)

    @property
    def epoch(self) -> int:
        """Grows when what was believed of tokens is to be asked again."""
        epoch: int = _EPOCH.unpack_from(self._bytes)[0]
        return epoch

    def advance(self) -> None:
        """Have all processes ask again."""
        with self._locked(0):
            _EPOCH.pack_into(self._bytes, 0, self.epoch + 1)

    def limiter(
        self, table: int, per_second: float, burst: int, clock_s: Callable[[], float]
    ) -> "SharedLimiter":
        """Return a limiter whose buckets are in a table, from 0."""
        return SharedLimiter(self, table, per_second, burst, clock_s)

    @contextlib.contextmanager
    def _locked(self, place: int) -> Iterator[None]:
        fcntl.lockf(self.number, fcntl.LOCK_EX, 1, place)
        try:
            yield
        finally:
            fcntl.lockf(self.number, fcntl.LOCK_UN, 1, place)


class SharedLimiter:
    """As `RateLimiter`, for all processes that share its state together.

    Parameters
    ----------
    state, table
        Where its buckets are.
    per_second, burst, clock_s
        As of `RateLimiter`; the clock is the same for all processes of a host.
    """

    def __init__(
        self,
        state: SharedState,
        table: int,
        per_second: float,
        burst: int,
        clock_s: Callable[[], float],
    ) -> None:
        if not (per_second > 0 and burst >= 1 and 0 <= table < TABLES):
            raise ValueError(f"expected a rate, a burst and a table, found {per_second, burst}")
        self._state, self._first = state, _HEAD_BYTES + table * _TABLE_BYTES
        self._per_second, self._burst, self._clock_s = per_second, float(burst), clock_s

    def wait_s(self, key: str) -> float:
        """Take a token. Return 0, or the seconds until there is one; none was taken then."""
        number, at = self._place(key)
        memory = self._state._bytes
        with self._state._locked(at):
            # Within the lock: else another one's look would be later than this one's change.
            now_s = self._clock_s()
            row, tokens, counted_s = self._found(memory, number, at)
            tokens = min(self._burst, tokens + max(0.0, now_s - counted_s) * self._per_second)
            left = tokens - 1 if tokens >= 1 else tokens
            _ROW.pack_into(memory, row, number, left, now_s)
        return 0.0 if tokens >= 1 else (1 - tokens) / self._per_second

    def give_back(self, key: str) -> None:
        """Put a token back that was taken for something that shall not count."""
        number, at = self._place(key)
        memory = self._state._bytes
        with self._state._locked(at):
            row, tokens, counted_s = self._found(memory, number, at)
            _ROW.pack_into(memory, row, number, min(self._burst, tokens + 1), counted_s)

    def _place(self, key: str) -> tuple[int, int]:
        """Return a key's number, never 0, and where its set begins."""
        digest = hashlib.blake2b(key.encode(), digest_size=12, key=self._state._salt).digest()
        number = int.from_bytes(digest[:8], "little") or 1
        which = int.from_bytes(digest[8:], "little") % _SETS
        return number, self._first + which * _WAYS * _ROW.size

    def _found(self, memory: mmap.mmap, number: int, at: int) -> tuple[int, float, float]:
        """Return a key's row, or one for it: a free one, or that used longest ago."""
        oldest, oldest_s = at, float("inf")
        for row in range(at, at + _WAYS * _ROW.size, _ROW.size):
            found, tokens, counted_s = _ROW.unpack_from(memory, row)
            if found == number:
                return row, tokens, counted_s
            if not found:
                return row, self._burst, self._clock_s()
            if counted_s < oldest_s:
                oldest, oldest_s = row, counted_s
        return oldest, self._burst, self._clock_s()
