"""``python -m tapewire.live.rails``: the rails of one session, started by its engine.

An error is one line of JSON on standard error, ``{"kind": …, "message": …}``, and the exit code of
its class. Settings come on standard input, as JSON; they hold no credentials.
"""

import argparse
import contextlib
import json
import signal
import sys
import traceback
from typing import Final

from tapewire.children import is_loaded
from tapewire.errors import TapewireError
from tapewire.live.rails.hosting import RailsHost
from tapewire.live.rails.settings import read_settings, require_confirmed

_BYTES_MAX: Final = 1 << 20


def main(argv: list[str] | None = None) -> int:
    """Run the child process; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tapewire.live.rails")
    parser.add_argument("--connect", required=True, metavar="ADDRESS")
    parser.add_argument("--parent-pid", required=True, type=int, metavar="PID")
    parser.add_argument("--role", default="", help="of whoever starts it")
    parser.add_argument("--confirmed", metavar="WORDS", help="what they typed, for mode: live")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's, which says what to do
    try:
        settings = read_settings(sys.stdin.buffer.read(_BYTES_MAX), "settings")
        require_confirmed(settings, arguments.role, arguments.confirmed)
        host = RailsHost(settings, arguments.connect, arguments.parent_pid)
        is_loaded()
        host.run()
    except TapewireError as error:
        return _report(type(error).__name__, str(error), error.exit_code)
    except Exception as error:  # a bug: where it was is for us, the line for the engine
        # Not what it says: an adapter's own error may quote what it logged in with.
        with contextlib.suppress(OSError):
            traceback.print_tb(error.__traceback__)
        return _report("TapewireError", f"the rails failed: {type(error).__name__}", 1)
    return 0


def _report(kind: str, message: str, exit_code: int) -> int:
    with contextlib.suppress(OSError):  # the engine may be gone, and its pipe with it
        print(json.dumps({"kind": kind, "message": message}), file=sys.stderr, flush=True)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
