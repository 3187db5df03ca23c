"""Frames of a journal's file: how records lie on the disk, and which of them are whole.

A file begins with `FILE_MAGIC`. Behind it lie frames, one for each append::

    bytes   what
    4       `FRAME_MAGIC`
    4       length of the payload, little-endian
    8       number of the frame in its file, from 0
    8       xxh3_64 of the number and the payload
    …       the payload: of each record its length in 4 bytes and its bytes

An append is synced before the next one begins; so a process that was killed, or a host that lost
its power, leaves at most the last frame torn. Anything whole behind one that is not is damage, and
nothing is cut off then.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import xxhash

from tapewire.errors import FormatError

FILE_MAGIC: Final = b"TWRAILS1"
FRAME_MAGIC: Final = b"\xf1TWJ"
#: Longest payload of a frame (bytes); a longer one is damage.
PAYLOAD_BYTES_MAX: Final = 1 << 20
_HEAD: Final = struct.Struct("<4sIQQ")
_NUMBER: Final = struct.Struct("<Q")
_LENGTH: Final = struct.Struct("<I")


@dataclass(frozen=True)
class JournalFrames:
    """What a file holds.

    Attributes
    ----------
    payloads : list of list of bytes
        Of each whole frame its records.
    whole_bytes, torn_bytes
        Where the last whole frame ends, and how much lies behind it.
    """

    payloads: list[list[bytes]]
    whole_bytes: int
    torn_bytes: int


def frame_of(number: int, records: Sequence[bytes]) -> bytes:
    """Return the frame of an append.

    Raises
    ------
    ValueError
        If it is too long.
    """
    payload = b"".join(part for one in records for part in (_LENGTH.pack(len(one)), one))
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise ValueError(f"a frame of {len(payload)} bytes, at most {PAYLOAD_BYTES_MAX} allowed")
    return _HEAD.pack(FRAME_MAGIC, len(payload), number, _check(number, payload)) + payload


def read_frames(data: bytes, where: str, *, begins_at: int = 0, number: int = 0) -> JournalFrames:
    """Read the content of a file.

    Parameters
    ----------
    data
        The file's bytes, or those from ``begins_at`` on.
    where
        What errors call it.
    begins_at, number
        Where the frame of that number begins, of a file whose earlier ones are known; else 0.

    Raises
    ------
    FormatError
        If it is no journal, or damaged before its last frame.
    """
    at = 0
    if not begins_at:
        if data[: len(FILE_MAGIC)] != FILE_MAGIC:
            if FILE_MAGIC.startswith(data):  # of a host that lost its power
                return JournalFrames([], 0, len(data))
            raise FormatError(
                f"{where}: expected a journal beginning with {FILE_MAGIC!r}, found "
                f"{data[: len(FILE_MAGIC)]!r}"
            )
        at = len(FILE_MAGIC)
    payloads: list[list[bytes]] = []
    while (payload := _whole_at(data, at, number + len(payloads))) is not None:
        payloads.append(list(_records_of(payload, where, begins_at + at)))
        at += _HEAD.size + len(payload)
    _require_torn(data, at, number + len(payloads), where, begins_at)
    return JournalFrames(payloads, begins_at + at, len(data) - at)


def _check(number: int, payload: bytes) -> int:
    return xxhash.xxh3_64_intdigest(_NUMBER.pack(number) + payload)


def _whole_at(data: bytes, at: int, number: int) -> bytes | None:
    """The payload of the frame of that number at a place; None if there is none."""
    if len(data) - at < _HEAD.size:
        return None
    magic, length, found, check = _HEAD.unpack_from(data, at)
    payload = data[at + _HEAD.size : at + _HEAD.size + length]
    if magic != FRAME_MAGIC or found != number or length > PAYLOAD_BYTES_MAX:
        return None
    return payload if len(payload) == length and check == _check(number, payload) else None


def _require_torn(data: bytes, at: int, number: int, where: str, begins_at: int) -> None:
    """Check that what lies behind the last whole frame can be one that was being written."""
    place = data.find(FRAME_MAGIC, at + 1)
    while place >= 0:
        if len(data) - place >= _HEAD.size:
            later = _HEAD.unpack_from(data, place)[2]
            if later >= number and _whole_at(data, place, later) is not None:
                raise FormatError(
                    f"{where}: frame {number} at byte {begins_at + at} is damaged, and frame "
                    f"{later} at byte {begins_at + place} is whole: this is no torn end, so "
                    "nothing was cut off: restore the file, or move it away and reconcile by hand"
                )
        place = data.find(FRAME_MAGIC, place + 1)
    if len(data) - at > _HEAD.size + PAYLOAD_BYTES_MAX:
        raise FormatError(
            f"{where}: {len(data) - at} bytes behind byte {begins_at + at} are no frame, at most "
            f"{_HEAD.size + PAYLOAD_BYTES_MAX} can be a torn one: the file is damaged"
        )


def _records_of(payload: bytes, where: str, at: int) -> Iterator[bytes]:
    place = 0
    while place < len(payload):
        length = _LENGTH.unpack_from(payload, place)[0] if len(payload) - place >= 4 else -1
        place += _LENGTH.size
        if not 0 <= length <= len(payload) - place:
            raise FormatError(f"{where}: the frame at byte {at} has records beyond its end")
        yield payload[place : place + length]
        place += length
