"""Legacy DBZ files, the form before DBN version 1: their metadata.

A DBZ file is zstd throughout: a skippable frame that holds the metadata (fixed fields, then symbols
that are compressed again), and frames of records as version 1 has them.

Source: databento/dbn, ``decode/dbz.rs``; the metadata are decoded by Databento's own decoder.
"""

import os
from typing import Final

import zstandard
from databento_dbn import Metadata

from tapewire.errors import FormatError
from tapewire.replay.dbn_counts import require_true_symbols

DBZ_PREFIX: Final = b"DBZ"
#: What stands for DBZ where DBN versions are told.
DBZ_VERSION: Final = 0
_FRAME_HEADER_BYTES: Final = 8
_FIXED_BYTES: Final = 96
#: Of the frame, and of its symbols once decompressed: Databento's decoder takes any size.
_FRAME_BYTES_MAX: Final = 16 << 20
_SYMBOLS_BYTES_MAX: Final = 96 << 20
_STEP_BYTES: Final = 1 << 20


def dbz_metadata(path: str, fd: int, size: int) -> Metadata:
    """Return the metadata of a DBZ file.

    Raises
    ------
    FormatError
        If they are truncated, corrupt or too large.
    """
    head = os.pread(fd, _FRAME_HEADER_BYTES, 0)
    length = int.from_bytes(head[4:], "little")
    if not _FIXED_BYTES <= length <= min(_FRAME_BYTES_MAX, size - _FRAME_HEADER_BYTES):
        raise FormatError(
            f"{path}: its DBZ header claims {length} bytes; expected {_FIXED_BYTES} to "
            f"{_FRAME_BYTES_MAX} in a file of {size} bytes: the file is corrupt or truncated"
        )
    frame = os.pread(fd, _FRAME_HEADER_BYTES + length, 0)
    # Before the decoder, which reserves memory for whatever is claimed, and ends the process.
    require_true_symbols(path, _symbols(path, frame[_FRAME_HEADER_BYTES + _FIXED_BYTES :]))
    try:
        return Metadata.decode(frame)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the decoder is not an Exception
        raise FormatError(f"{path}: its DBZ header is corrupt: {str(error)[:200]}") from None


def _symbols(path: str, packed: bytes) -> bytes:
    """Decompress the symbols of a header, no more than may be."""
    symbols = bytearray()
    try:
        with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
            while part := reader.read(_STEP_BYTES):
                symbols += part
                if len(symbols) > _SYMBOLS_BYTES_MAX:
                    raise FormatError(
                        f"{path}: its DBZ header holds more than {_SYMBOLS_BYTES_MAX} bytes of "
                        "symbols: the file is corrupt"
                    )
    except zstandard.ZstdError as error:
        raise FormatError(f"{path}: its DBZ header is corrupt: {error}") from None
    return bytes(symbols)
