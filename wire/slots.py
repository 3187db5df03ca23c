"""Shared-memory slots: where batches lie when both ends are on one host.

The slots are an anonymous memory file (``memfd``), sealed in size. A receiver opens it through
``/proc/<pid>/fd/<n>`` during the handshake and maps it; then the sender closes its descriptor.
It never has a name in a file system, so there is nothing to unlink and nothing is left behind,
whichever process is killed when. It is open to the same user only, and does not count against
the size of ``/dev/shm`` (64 MB in a container by default).

The first page holds a random token, so that a receiver can tell that the path led to the right
file: in another process namespace the same path may lead anywhere.
"""

import contextlib
import fcntl
import mmap
import os
import re
import secrets
from pathlib import Path
from typing import Final

import numpy as np

from tapewire.errors import EndpointError
from tapewire.market.records import MBO_DTYPE, RECORD_BYTES
from tapewire.wire.messages import SlotsOffer

SLOTS_MAX: Final = 64
_PAGE_BYTES: Final = 4_096
_TOKEN_BYTES: Final = 16
#: With its pages at once, not one by one while batches already travel.
_MAP_FLAGS: Final = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)


def boot_id() -> str:
    """Return an id of this boot of this host; empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def slot_bytes_for(batch_records: int) -> int:
    """Return the size of a slot for batches of at most ``batch_records``: whole pages."""
    return -(-batch_records * RECORD_BYTES // _PAGE_BYTES) * _PAGE_BYTES


class SlotsWriter:
    """The sender's end: ``slots`` areas for ``batch_records`` records each.

    Raises
    ------
    EndpointError
        If the system has no anonymous memory files, or no memory left for this one.
    """

    def __init__(self, slots: int, batch_records: int) -> None:
        self.slot_bytes = slot_bytes_for(batch_records)
        self._fd = -1
        size = _PAGE_BYTES + slots * self.slot_bytes
        try:
            self._fd = os.memfd_create("tapewire-slots", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(self._fd, size)
            fcntl.fcntl(self._fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
            self._map = mmap.mmap(self._fd, size, _MAP_FLAGS)
        except (OSError, AttributeError) as error:
            self._close_fd()
            raise EndpointError(
                f"can't make {size >> 20} MiB of shared memory for batches ({error}): "
                "use payload: inline, or a smaller batch_records"
            ) from None
        token = secrets.token_bytes(_TOKEN_BYTES)
        self._map[:_TOKEN_BYTES] = token
        self.offer = SlotsOffer(f"/proc/{os.getpid()}/fd/{self._fd}", token, self.slot_bytes)
        self.arrays = _slot_arrays(self._map, slots, self.slot_bytes, batch_records)

    def seal_off(self) -> None:
        """Close the descriptor: who has mapped the slots keeps them, nobody else gets in."""
        self._close_fd()

    def _close_fd(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def close(self) -> None:
        """Let go of the memory."""
        self._close_fd()
        self.arrays = []
        _close_map(self._map)


class SlotsReader:
    """The receiver's end of a :class:`SlotsOffer`.

    Raises
    ------
    OSError
        If the offered memory can't be opened or is not what was offered: another host,
        container or user. The caller falls back to inline payload, or says so.
    """

    def __init__(self, offer: SlotsOffer, pid: int, slots: int, batch_records: int) -> None:
        if not re.fullmatch(rf"/proc/{pid}/fd/[0-9]{{1,9}}", offer.path):
            raise OSError(f"not a path of shared memory of process {pid}: {offer.path[:80]!r}")
        if not 1 <= slots <= SLOTS_MAX or offer.slot_bytes != slot_bytes_for(batch_records):
            raise OSError(f"{slots} slots of {offer.slot_bytes} bytes do not fit the stream")
        size = _PAGE_BYTES + slots * offer.slot_bytes
        fd = os.open(offer.path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            # Without the seal, a peer that shrinks the file could kill this process (SIGBUS).
            if not fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK:
                raise OSError("the shared memory is not sealed")
            if os.fstat(fd).st_size != size:
                raise OSError("the shared memory has another size than was offered")
            self._map = mmap.mmap(fd, size, _MAP_FLAGS)
        finally:
            os.close(fd)
        if self._map[:_TOKEN_BYTES] != offer.token:
            self._map.close()
            raise OSError("the shared memory belongs to another stream")
        self.arrays = _slot_arrays(self._map, slots, offer.slot_bytes, batch_records)

    def close(self) -> None:
        """Let go of the memory; views still held by the caller keep it mapped until they go."""
        self.arrays = []
        _close_map(self._map)


def _slot_arrays(
    memory: mmap.mmap, slots: int, slot_bytes: int, batch_records: int
) -> list[np.ndarray]:
    return [
        np.frombuffer(memory, MBO_DTYPE, batch_records, _PAGE_BYTES + i * slot_bytes)
        for i in range(slots)
    ]


def _close_map(memory: mmap.mmap) -> None:
    with contextlib.suppress(BufferError):  # a batch is still being looked at
        memory.close()
