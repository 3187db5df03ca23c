"""Bytes of a FIX session become messages that are whole, and messages bytes.

A message says how long it is and ends with the sum of its bytes; what keeps to neither is noise and
passed over, as the protocol wants it: the gap in the numbers tells what was lost. Source: FIX 4.4,
volume 2, "Message Format", "CheckSum Calculation" and "Garbled message processing".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tapewire.errors import BrokerError, ConfigError, ProtocolError
from tapewire.live.brokers.fix import fields as fld
from tapewire.wire.codec import printable

#: Of a message's body; the longest that is wanted has a few hundred.
BODY_BYTES_MAX: Final = 65_536
#: Between two good messages: more is no FIX session.
NOISE_BYTES_MAX: Final = 1 << 20
_HEAD: Final = re.compile(rb"8=(FIX[A-Za-z0-9.]{0,10})\x019=(\d{1,6})\x01")
#: As long as a head may be.
_HEAD_BYTES_MAX: Final = 32
_BEGIN: Final = b"8=FIX"
_TRAILER_BYTES: Final = 7
_SUM_MODULUS: Final = 256
_MISSING: Final = "brokers over FIX: expected simplefix, found none: pip install 'tapewire[fix]'"


@dataclass(frozen=True)
class FixReceived:
    """A message that came.

    Attributes
    ----------
    kind
        Its MsgType.
    number
        Its MsgSeqNum.
    pairs
        All fields in their order: number and value, printable, never empty.
    """

    kind: str
    number: int
    pairs: tuple[tuple[int, str], ...]
    first: dict[int, str]

    def get(self, field: int) -> str:
        """Return a field's value, where it is first; empty where it is not there."""
        return self.first.get(field, "")

    @property
    def is_duplicate(self) -> bool:
        """Whether it says that it may have been sent before."""
        return self.get(fld.POSS_DUP_FLAG) == fld.YES

    def groups(self, count: int, begins: int) -> list[dict[int, str]]:
        """Return a repeating group's entries: each begins with a certain field.

        What follows the last entry is in it, too.
        """
        found: list[dict[int, str]] = []
        inside = False
        for field, value in self.pairs:
            if field == count:
                inside = True
            elif inside and field == begins:
                found.append({field: value})
            elif found:
                found[-1].setdefault(field, value)
        return found


class FixFrames:
    """Takes a session's bytes as they come.

    Attributes
    ----------
    garbled : int
        How often something was passed over.
    """

    def __init__(self) -> None:
        self._simplefix = require_simplefix()
        self._left = b""
        self._noise_bytes = 0
        self.garbled = 0

    def feed(self, data: bytes) -> Iterator[FixReceived]:
        """Take bytes; give the messages that are whole by now.

        Raises
        ------
        ProtocolError
            If it is another version's session, or none.
        """
        self._left += data
        while (frame := self._next_frame()) is not None:
            if (message := self._read(frame)) is not None:
                self._noise_bytes = 0
                yield message

    def _next_frame(self) -> bytes | None:
        """Take the next whole frame, noise before it gone; None: there is none yet."""
        while True:
            start = self._left.find(_BEGIN)
            if start < 0:
                # The end of it may be the beginning of one.
                self._pass_over(len(self._left) - _tail_of_begin(self._left))
                return None
            self._pass_over(start)
            match = _HEAD.match(self._left)
            if match is None:
                if len(self._left) < _HEAD_BYTES_MAX and _may_be_head(self._left):
                    return None
                self._pass_over(len(_BEGIN))
                continue
            if match[1].decode() != fld.VERSION:
                raise ProtocolError(
                    f"expected a session of {fld.VERSION}, found one of {match[1].decode()}"
                )
            size = int(match[2])
            end = match.end() + size + _TRAILER_BYTES
            if size > BODY_BYTES_MAX:
                self._pass_over(len(_BEGIN))
            elif len(self._left) < end:
                return None
            elif self._left[end - _TRAILER_BYTES : end] != trailer(
                self._left[: end - _TRAILER_BYTES]
            ):
                self._pass_over(len(_BEGIN))
            else:
                frame, self._left = self._left[:end], self._left[end:]
                return frame

    def _pass_over(self, count: int) -> None:
        if not count:
            return
        self._left = self._left[count:]
        self._noise_bytes += count
        self.garbled += 1
        if self._noise_bytes > NOISE_BYTES_MAX:
            raise ProtocolError(
                f"expected messages of FIX, found {self._noise_bytes:,} bytes that are none"
            )

    def _read(self, frame: bytes) -> FixReceived | None:
        """Make a frame a message; None, and counted, if its fields can't be told apart."""
        parser = self._simplefix.FixParser(allow_empty_values=True)
        parser.append_buffer(frame)
        try:
            message = parser.get_message()
            pairs = tuple(
                (int(field), printable(value.decode("latin-1")))
                for field, value in message.pairs
                if value
            )
            first = dict(reversed(pairs))
            return FixReceived(first[fld.MSG_TYPE], int(first[fld.MSG_SEQ_NUM]), pairs, first)
        except Exception:  # whatever the library raises of it: the peer's doing
            self._noise_bytes += len(frame)
            self.garbled += 1
            return None


def trailer(before: bytes) -> bytes:
    """Return the CheckSum field of what comes before it: the sum of its bytes modulo 256."""
    return b"10=%03d\x01" % (sum(before) % _SUM_MODULUS)


def frame_of(
    kind: str, header: Sequence[tuple[int, str]], body: Sequence[tuple[int, str]]
) -> bytes:
    """Return a message as bytes.

    Parameters
    ----------
    kind
        Its MsgType.
    header, body
        Its fields in their order, sendable ones.
    """
    message = require_simplefix().FixMessage()
    message.append_pair(fld.BEGIN_STRING, fld.VERSION)
    message.append_pair(fld.MSG_TYPE, kind)
    for field, value in (*header, *body):
        message.append_pair(field, value)
    return bytes(message.encode())


def require_sendable(pairs: Sequence[tuple[int, str]]) -> None:
    """Check that fields can be sent.

    Raises
    ------
    BrokerError
        If a value has a character that no field can have, or none at all.
    """
    for field, value in pairs:
        if not value or not value.isascii() or not value.isprintable():
            raise BrokerError(
                f"field {field} of a message over FIX: expected printable ASCII, found {value!r}"
            )


def require_simplefix() -> Any:
    """Return the library that makes and reads messages.

    Raises
    ------
    ConfigError
        If it is not installed.
    """
    try:
        import simplefix
    except ImportError:
        raise ConfigError(_MISSING) from None
    return simplefix


def _tail_of_begin(data: bytes) -> int:
    """How many bytes at the end may be a beginning that is not whole."""
    return next((n for n in range(len(_BEGIN) - 1, 0, -1) if data.endswith(_BEGIN[:n])), 0)


def _may_be_head(data: bytes) -> bool:
    """Whether more bytes can make this a head."""
    return re.fullmatch(rb"8=FIX[A-Za-z0-9.]{0,10}(\x01(9(=\d{0,6})?)?)?", data) is not None
