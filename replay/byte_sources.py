"""The uncompressed bytes of a file, read in order straight into the caller's memory."""

import gzip
import os
import stat
import zlib
from pathlib import Path
from typing import Any, Final, Protocol, cast

import xxhash
import zstandard

from tapewire.errors import FormatError, MissingFileError
from tapewire.replay.zstd_frames import BYTES_PER_HEADER_MIN, HEADERS_SPARE, FrameWalker

#: Compressed bytes per read; measured against 128 KiB, which was slightly slower.
_READ_BYTES: Final = 1 << 20
#: What Databento itself uses is 2**23; a larger window is memory an attacker asks for.
WINDOW_BYTES_MAX: Final = 1 << 27


def open_file(path: str) -> tuple[int, int]:
    """Open a regular file; return descriptor and size.

    Raises
    ------
    MissingFileError
        If it is missing, a folder, something else, or unreadable.
    """
    try:
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            raise MissingFileError(f"{path}: is a folder; expected a .dbn or .dbn.zst file")
        if not stat.S_ISREG(status.st_mode):
            raise MissingFileError(f"{path}: is not a regular file; expected a .dbn file")
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    return fd, os.fstat(fd).st_size


def unreadable(path: str, error: Exception) -> MissingFileError:
    """Return the error for a file the system refuses to read."""
    if isinstance(error, FileNotFoundError):
        return MissingFileError(f"{path}: no such file; check the path in data_source")
    why = error.strerror if isinstance(error, OSError) else str(error)
    return MissingFileError(f"{path}: can't be read: {why}")


class ByteSource(Protocol):
    """The uncompressed bytes of a file, read in order."""

    def readinto(self, out: memoryview) -> int:
        """Fill ``out``; return the bytes read, fewer than its length only at the end."""

    def content_hash(self) -> str:
        """Return the xxh3_128 of the bytes read from disk so far."""

    @property
    def disk_bytes(self) -> int:
        """Bytes read from disk so far."""

    def close(self) -> None:
        """Close the file."""


class PlainBytes:
    """A file as it lies on disk."""

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._file = os.fdopen(fd, "rb", buffering=0)
        self._hash = xxhash.xxh3_128()
        self.disk_bytes = 0

    def readinto(self, out: memoryview) -> int:
        """Fill ``out`` as far as the file goes."""
        filled = 0
        while filled < len(out):
            try:
                count = self._file.readinto(out[filled:])
            except OSError as error:
                raise unreadable(self._path, error) from None
            if not count:
                break
            filled += count
        self._hash.update(out[:filled])
        self.disk_bytes += filled
        return filled

    def content_hash(self) -> str:
        """Return the xxh3_128 of the bytes read so far."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Tap:
    """Passes compressed bytes on to the decompressor; hashes them and follows the frames."""

    def __init__(self, path: str, fd: int, offset: int, hashed: xxhash.xxh3_128) -> None:
        self._path = path
        self._file = os.fdopen(fd, "rb", buffering=0)
        self._file.seek(offset)
        self.hash = hashed
        self.walker = FrameWalker()
        self.walker.offset = self.offset = offset

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._file.read(size) or b""
        except OSError as error:
            raise unreadable(self._path, error) from None
        self.hash.update(data)
        self.walker.feed(data)
        self.offset += len(data)
        if self.walker.too_many:
            raise FormatError(
                f"{self._path}: expected at least {BYTES_PER_HEADER_MIN} decompressed bytes for "
                f"each zstd frame or block, found {self.walker.headers} of them before byte offset "
                f"{self.walker.offset} holding next to nothing: the file is corrupt"
            )
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ZstdBytes:
    """A zstd file, decompressed from its beginning or from a later frame on.

    Parameters
    ----------
    offset, hashed, delivered
        Where to begin, the hash of the bytes before it, and how many came out of these.
    """

    def __init__(
        self,
        path: str,
        fd: int,
        *,
        offset: int = 0,
        hashed: xxhash.xxh3_128 | None = None,
        delivered: int = 0,
    ) -> None:
        self._path = path
        self._tap = _Tap(path, fd, offset, xxhash.xxh3_128() if hashed is None else hashed)
        self._reader: Any = zstandard.ZstdDecompressor(
            max_window_size=WINDOW_BYTES_MAX
        ).stream_reader(
            cast(Any, self._tap), read_size=_READ_BYTES, read_across_frames=True, closefd=False
        )
        self.delivered = delivered

    def readinto(self, out: memoryview) -> int:
        """Fill ``out`` as far as the file goes."""
        filled = 0
        wanted = self.delivered + len(out)
        self._tap.walker.headers_max = HEADERS_SPARE + wanted // BYTES_PER_HEADER_MIN
        try:
            while filled < len(out):
                count = self._reader.readinto(out[filled:])
                if not count:
                    break
                filled += count
        except zstandard.ZstdError as error:
            raise FormatError(
                f"{self._path}: the zstd data is corrupt in the last {_READ_BYTES >> 10} KiB "
                f"before byte offset {self._tap.offset} ({error}), after "
                f"{self.delivered} good decompressed bytes: fetch the file again"
            ) from None
        self.delivered += filled
        if filled < len(out) and not self._tap.walker.whole:
            raise TruncatedFrame(filled, self._tap.offset, self._tap.walker.frame_offset)
        return filled

    def content_hash(self) -> str:
        """Return the xxh3_128 of the bytes read so far."""
        return self._tap.hash.hexdigest()

    @property
    def disk_bytes(self) -> int:
        """Compressed bytes read so far."""
        return self._tap.offset

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._tap.close()


class _HashedFile:
    """Compressed bytes on their way to the decompressor, hashed."""

    def __init__(self, fd: int) -> None:
        self._file = os.fdopen(fd, "rb", buffering=0)
        self.hash = xxhash.xxh3_128()
        self.offset = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size) or b""
        self.hash.update(data)
        self.offset += len(data)
        return data

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self._file.close()


class GzipBytes:
    """A gzip file, decompressed."""

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._tap = _HashedFile(fd)
        self._reader = gzip.GzipFile(fileobj=cast(Any, self._tap), mode="rb")
        self.delivered = 0

    def readinto(self, out: memoryview) -> int:
        """Fill ``out`` as far as the file goes."""
        filled = 0
        try:
            while filled < len(out):
                count = self._reader.readinto(cast(Any, out[filled:]))
                if not count:
                    break
                filled += count
        except EOFError:
            raise FormatError(
                f"{self._path}: ends at byte offset {self._tap.offset}, inside its gzip data, "
                f"after {self.delivered + filled} good decompressed bytes: the file is truncated, "
                "fetch it again"
            ) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise FormatError(
                f"{self._path}: the gzip data is corrupt before byte offset {self._tap.offset} "
                f"({error}), after {self.delivered + filled} good decompressed bytes: fetch the "
                "file again"
            ) from None
        except OSError as error:
            raise unreadable(self._path, error) from None
        self.delivered += filled
        return filled

    def content_hash(self) -> str:
        """Return the xxh3_128 of the bytes read so far."""
        return self._tap.hash.hexdigest()

    @property
    def disk_bytes(self) -> int:
        """Compressed bytes read so far."""
        return self._tap.offset

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._tap.close()


class TruncatedFrame(Exception):
    """Data ended too soon; the reader of records adds what it knows.

    Attributes
    ----------
    filled
        Bytes that were given before.
    offset
        Where the data end.
    frame_offset
        Where the zstd frame begins in which they end; None: they end inside a record.
    """

    def __init__(self, filled: int, offset: int, frame_offset: int | None) -> None:
        super().__init__()
        self.filled = filled
        self.offset = offset
        self.frame_offset = frame_offset
