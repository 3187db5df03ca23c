"""Standard streams as they may be: closed, full, or unable to show every character."""

import codecs
import os
import sys
from typing import Any, Final, TextIO

from tapewire.errors import OutputError

#: What stands for characters that a terminal does not have; others are shown by their number.
_PLAIN: Final = {
    "…": "...", "–": "-", "—": "-", "−": "-", "→": "->", "×": "x", "·": "-", "±": "+/-",
    "µ": "u", "≥": ">=", "≤": "<=", "‘": "'", "’": "'", "“": '"', "”": '"', "\u202f": " ",
    "\u00a0": " ", "•": "*", "━": "-", "─": "-", "│": "|",
}  # fmt: skip
_ERRORS: Final = "tapewire.plain"


class _Stream:
    """A standard stream that says in its own way what it can't write."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._failed(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _failed(self, error: OSError) -> None:
        """Lose it: no run ends because nobody could be told how it goes."""


class _Output(_Stream):
    def _failed(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            raise error
        drop_output()
        what = error.strerror or type(error).__name__
        raise OutputError(f"cannot write to standard output: {what}") from None


def prepare_streams() -> None:
    """Make standard streams that can be written to, whatever the process was started with.

    A closed one becomes the null device, so that no file of a run gets its number.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    codecs.register_error(_ERRORS, _plainly)
    sys.stdout = _opened(sys.stdout, 1, _Output)
    sys.stderr = _opened(sys.stderr, 2, _Stream)


def _opened(stream: Any, fd: int, kind: type[_Stream]) -> Any:
    if isinstance(stream, _Stream):
        return stream
    if stream is None:
        stream = open(fd, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (a number)
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors=_ERRORS)
    return kind(stream)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end]
    plain = (_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in wrong)
    return "".join(plain), error.end


def say(text: str, *, done: str) -> None:
    """Print to standard output, now.

    Parameters
    ----------
    done
        What is finished all the same, for the message.

    Raises
    ------
    OutputError
        If it can't be written.
    BrokenPipeError
        If its reader has left.
    """
    try:
        print(text, flush=True)
    except OutputError as error:
        raise OutputError(f"{error}; {done}") from None


def drop_output() -> None:
    """Let what is still to be written go nowhere: the end of the process writes it, too."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
