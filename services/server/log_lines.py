"""The log: a line of JSON for each thing that happens, written together with those that come soon.

To write each line by itself takes as long as much else of a call. What waits is bounded, in time
and lines, and lost only with a process that is killed; a warning or an error waits for nothing.
"""

import asyncio
import atexit
import json
import logging
import threading
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import msgspec
import structlog

#: How long a line may wait, s.
WAIT_S: Final = 0.05
#: How many may; who adds one more writes them all.
LINES_MAX: Final = 1_000
_LEVELS: Final = {"info": "INFO", "exception": "ERROR"}
_written_fast: Final = msgspec.json.Encoder(enc_hook=str).encode


class LogLines:
    """Takes lines from any thread, and writes those of an event loop's thread a little later.

    Parameters
    ----------
    stream
        Where they go. One that takes nothing holds whoever writes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lock = stream, threading.Lock()
        self._lines: list[str] = []
        #: The loop that will write them.
        self._waits_for: asyncio.AbstractEventLoop | None = None

    def info(self, line: str) -> None:
        """Take a line that may wait."""
        with self._lock:
            self._lines.append(line)
            are_many = len(self._lines) >= LINES_MAX
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a thread without one, which nobody would come back to
            self.flush()
            return
        if are_many:
            self.flush()
        elif self._waits_for is not loop:
            self._waits_for = loop
            loop.call_later(WAIT_S, self._later)

    def warning(self, line: str) -> None:
        """Take a line that is written at once, behind those that wait."""
        with self._lock:
            self._lines.append(line)
        self.flush()

    msg = debug = info
    error = critical = fatal = exception = warning

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            lines, self._lines = self._lines, []
            if lines:
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()

    def _later(self) -> None:
        self._waits_for = None
        self.flush()


def write_log_to(stream: TextIO, target: str = "tapewire.server") -> LogLines:
    """Write a line of JSON for each thing that happens, with the keys of the specification.

    Returns
    -------
    LogLines
        What waits to be written, which is when the process ends at the latest.
    """
    lines = LogLines(stream)
    atexit.register(lines.flush)

    def render(logger: Any, name: str, event: Any) -> str:
        if "exc_info" in event:
            event = structlog.processors.format_exc_info(logger, name, event)
        return _json(
            {
                # Read here: what is told of has just happened.
                "timestamp": f"{datetime.now(UTC).replace(tzinfo=None).isoformat()}Z",
                "level": _LEVELS.get(name, name.upper()),
                "target": target,
                "message": event.pop("event"),
                "fields": event,
            }
        )

    # One step for all: each is a call more, and there are as many lines as calls.
    structlog.configure(
        processors=[render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: lines,
    )
    return lines


def _json(told: dict[str, Any]) -> str:
    try:
        return _written_fast(told).decode()
    except UnicodeEncodeError:  # half of a surrogate pair, as in names of files
        return json.dumps(told, default=str)
