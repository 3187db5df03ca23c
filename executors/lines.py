"""Messages between a pool and its workers: one JSON value a line."""

import json
from typing import Any, Final

#: Longest message; what is larger goes by path.
LINE_MAX: Final = 64 << 20


class MessageTooLongError(ValueError):
    """A task's values, or what it returned, are too much for a message."""


def line_of(message: dict[str, Any]) -> bytes:
    """Return a message as a line.

    Raises
    ------
    MessageTooLongError
        Above `LINE_MAX` bytes.
    TypeError, ValueError
        If it holds what JSON has no word for.
    """
    line = json.dumps(message, separators=(",", ":"), allow_nan=True).encode() + b"\n"
    if len(line) > LINE_MAX:
        raise MessageTooLongError(
            f"expected at most {LINE_MAX:,} bytes in a message, found {len(line):,}"
        )
    return line


def message_of(line: bytes) -> dict[str, Any]:
    """Return what a line says.

    Raises
    ------
    ValueError
        If it is no message.
    """
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError(f"expected a message, found {message!r:.80}")
    return message
