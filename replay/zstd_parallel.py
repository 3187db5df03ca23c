"""A zstd file of several frames, decompressed by several threads.

Each frame can be decompressed by itself. Frames of a few MiB (as ``pzstd`` and writers that flush
make them) go to threads, a handful at a time; a file whose frames are larger is decompressed as a
stream by `ZstdBytes`, and so is the rest of a file from the first frame on that is too large,
truncated or corrupt, which then tells what is wrong with it.
"""

import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import xxhash
import zstandard

from tapewire.replay.byte_sources import WINDOW_BYTES_MAX, TruncatedFrame, ZstdBytes
from tapewire.replay.zstd_frames import FrameWalker

#: A piece of work: adjacent frames of at least so many compressed bytes together, at most
#: so many, and so many bytes that come out.
_PIECE_BYTES_MIN: Final = 1 << 20
_PIECE_BYTES_MAX: Final = 8 << 20
_OUT_BYTES_MAX: Final = 32 << 20
THREADS_MAX: Final = 4
#: Pieces under way of all open files together (one of each is always allowed).
_PIECES_MAX: Final = 16


class _Pool:
    """The threads of this process and how many pieces are under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self.under_way = 0

    def submit(self, piece: "_Piece", out: memoryview) -> "Future[tuple[bytes, int]]":
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(THREADS_MAX, "tapewire-zstd")
            self.under_way += 1
        return self._threads.submit(piece.decompress, out)

    def done(self) -> None:
        with self._lock:
            self.under_way -= 1


_POOL: Final = _Pool()


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class _Piece:
    """Whole frames of a file, by their offsets."""

    fd: int
    begin: int
    end: int

    def read(self) -> bytes:
        """Return the compressed bytes."""
        return os.pread(self.fd, self.end - self.begin, self.begin)

    def decompress(self, out: memoryview) -> tuple[bytes, int]:
        """Write what comes out; return the compressed bytes and how many came out.

        Raises
        ------
        zstandard.ZstdError, OSError
            If that is no whole zstd, or more than there is room for.
        """
        packed = self.read()
        if len(packed) != self.end - self.begin:
            raise zstandard.ZstdError("the file has become shorter")
        decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX)
        filled = 0
        with decompressor.stream_reader(packed, read_across_frames=True) as reader:
            while count := reader.readinto(out[filled:]):
                filled += count
        if filled == len(out):
            raise zstandard.ZstdError("more comes out than there is room for")
        return packed, filled


class FramesBytes:
    """The decompressed bytes of a file of several frames; see `open_zstd`."""

    def __init__(self, path: str, fd: int, size: int, first: _Piece, threads: int) -> None:
        self._path = path
        self._fd = fd
        self._size = size
        self._threads = threads
        self._hash = xxhash.xxh3_128()
        self._delivered = 0
        self._taken = 0
        self._next = first.end
        self._offset = 0
        self._pieces: deque[tuple[_Piece, memoryview, Future[tuple[bytes, int]]]] = deque()
        self._part = self._room = memoryview(b"")
        #: Written to again and again: fresh memory costs as much as decompressing.
        self._free: list[memoryview] = []
        self._serial: ZstdBytes | None = None
        self._submit(first)

    def readinto(self, out: memoryview) -> int:
        """Fill ``out`` as far as the file goes."""
        filled = 0
        while filled < len(out):
            if self._part:
                count = min(len(self._part), len(out) - filled)
                out[filled : filled + count] = self._part[:count]
                filled += count
                self._delivered += count
                self._part = self._part[count:]
            elif self._serial is not None:
                try:
                    return filled + self._serial.readinto(out[filled:])
                except TruncatedFrame as cut:
                    raise TruncatedFrame(
                        filled + cut.filled, cut.offset, cut.frame_offset
                    ) from None
            elif not self._take():
                break
        return filled

    def _take(self) -> bool:
        """Wait for the next piece; False at the end of the file."""
        if not self._pieces:
            if self._next >= self._size:
                return False
            self._begin_serial(self._next)
            return True
        if self._room:
            self._free.append(self._room)
        piece, self._room, future = self._pieces.popleft()
        try:
            packed, count = future.result()
        except (zstandard.ZstdError, OSError):
            self._drop_pieces()
            self._begin_serial(piece.begin)
            return True
        finally:
            _POOL.done()
        self._hash.update(packed)
        self._offset = piece.end
        self._part = self._room[:count]
        self._taken += 1
        self._submit_more()
        return True

    def _submit_more(self) -> None:
        """Begin with one piece, for who wants a header only; then as many as there are threads."""
        while (
            len(self._pieces) < min(self._threads + 1, self._taken + 1) and self._next < self._size
        ):
            if self._pieces and _POOL.under_way >= _PIECES_MAX:
                return
            piece = _piece_at(self._fd, self._next, self._size)
            if piece is None:
                return
            self._next = piece.end
            self._submit(piece)

    def _submit(self, piece: _Piece) -> None:
        room = self._free.pop() if self._free else np.empty(_OUT_BYTES_MAX, np.uint8).data
        self._pieces.append((piece, room, _POOL.submit(piece, room)))

    def _begin_serial(self, offset: int) -> None:
        self._serial = ZstdBytes(
            self._path, self._fd, offset=offset, hashed=self._hash, delivered=self._delivered
        )
        self._next = self._size

    def _drop_pieces(self) -> None:
        for _, _, future in self._pieces:
            if not future.cancel():
                future.exception()
            _POOL.done()
        self._pieces.clear()

    def content_hash(self) -> str:
        """Return the xxh3_128 of the bytes read so far."""
        return self._hash.hexdigest()

    @property
    def disk_bytes(self) -> int:
        """Compressed bytes read so far."""
        return self._offset if self._serial is None else self._serial.disk_bytes

    def close(self) -> None:
        """Close the file."""
        self._drop_pieces()
        if self._serial is not None:
            self._serial.close()
        else:
            os.close(self._fd)


def open_zstd(path: str, fd: int, size: int, *, threads: int) -> ZstdBytes | FramesBytes:
    """Return the decompressed bytes of a zstd file, which closes ``fd`` at its end.

    Parameters
    ----------
    size
        Of the file, bytes.
    threads
        Use so many, at most THREADS_MAX, where it has several frames; 1: it is a stream.
    """
    if threads > 1 and size >= 2 * _PIECE_BYTES_MIN:
        first = _piece_at(fd, 0, size)
        if first is not None and first.end < size:
            return FramesBytes(path, fd, size, first, min(threads, THREADS_MAX))
    return ZstdBytes(path, fd)


def _piece_at(fd: int, begin: int, size: int) -> _Piece | None:
    """Return the next frames as a piece; None where they are too large, truncated or no zstd."""
    walker = FrameWalker()
    end = None
    while walker.offset < min(_PIECE_BYTES_MAX, size - begin):
        if walker.skip:
            walker.advance(walker.skip)
        else:
            head = os.pread(fd, walker.wanted, begin + walker.offset)
            if not head:  # it has become shorter than it was: the stream will say so
                return None
            walker.feed(head)
        if walker.broken or walker.too_many:
            return None
        if walker.whole:
            end = begin + walker.offset
            if end > size or walker.offset > _PIECE_BYTES_MAX:
                return None
            if walker.offset >= _PIECE_BYTES_MIN:
                break
    return None if end is None else _Piece(fd, begin, end)
