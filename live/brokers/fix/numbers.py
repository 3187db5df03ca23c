"""The numbers of a FIX session's messages, kept on the disk: what was sent, what was taken.

Of what goes out, numbers are kept ahead: after a kill a session goes on behind all that may have
been sent, and the venue is told that there is nothing in between. Of what comes in, a number counts
as taken once its owner has come back for more: after a kill the venue is asked for the rest again.
"""

from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tapewire.atomic import atomic_write, output_errors
from tapewire.errors import BrokerError, ConfigError

#: Numbers kept ahead of what was sent.
AHEAD: Final = 1_000
#: Taken messages between two writes.
TAKEN_MAX: Final = 200
_FORMAT: Final = 1
_FILE_BYTES_MAX: Final = 4_096
_Number = Annotated[int, Meta(ge=1, le=2**53)]


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    between: tuple[str, str]
    next_out: _Number
    next_in: _Number


class SequenceNumbers:
    """The next number each way.

    Parameters
    ----------
    path
        The file; its folder is there.
    between
        Who sends and who is sent to: a file is of one session.

    Attributes
    ----------
    next_out, next_in : int
        Of the next message to be sent, and the next one that is expected.

    Raises
    ------
    BrokerError
        If there is a file that can't be read.
    ConfigError
        If it is another session's.
    OutputError
        If it can't be written.
    """

    def __init__(self, path: Path, between: tuple[str, str]) -> None:
        self._path, self._between = path, between
        self.next_out = self.next_in = 1
        self._taken = 1
        self._kept = self._read()
        if self._kept is not None:
            self.next_out = self._kept.next_out
            self.next_in = self._taken = self._kept.next_in

    def _read(self) -> _Kept | None:
        with output_errors(self._path, "read"):
            if not self._path.exists():
                return None
            with self._path.open("rb") as file:
                data = file.read(_FILE_BYTES_MAX)
        try:
            kept = msgspec.json.decode(data, type=_Kept)
        except msgspec.DecodeError as error:
            raise BrokerError(
                f"{self._path}: expected the numbers of a session, found {data[:60]!r} ({error}): "
                "put back a whole one, or remove it and agree with the venue to begin at 1"
            ) from None
        if kept.format != _FORMAT or kept.between != self._between:
            raise ConfigError(
                f"{self._path}: expected numbers of {self._between[0]} to {self._between[1]}, "
                f"found those of {kept.between[0]} to {kept.between[1]}: choose another folder"
            )
        return kept

    def take_out(self) -> int:
        """Return the number of a message that is sent now; it is kept as sent."""
        number = self.next_out
        self.next_out += 1
        if self._kept is None or number >= self._kept.next_out:
            self._write(number + AHEAD)
        return number

    def acknowledge(self, taken: int) -> None:
        """Note that all that came below a number is in its owner's hands."""
        self._taken = max(self._taken, taken)
        if self._kept is not None and self._taken - self._kept.next_in >= TAKEN_MAX:
            self._write(self._kept.next_out)

    def begin_anew(self, next_out: int = 1) -> None:
        """Go back to 1 both ways, as agreed with the venue; of what is sent, some may be gone."""
        self.next_out, self.next_in, self._taken = next_out, 1, 1
        self._write(next_out)

    def close(self) -> None:
        """Keep the numbers as they are: nothing more is sent."""
        self._write(self.next_out)

    def _write(self, next_out: int) -> None:
        kept = _Kept(_FORMAT, self._between, next_out, self._taken)
        if kept != self._kept:
            atomic_write(self._path, msgspec.json.encode(kept))
            self._kept = kept
