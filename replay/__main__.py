"""The replay as a process of its own: ``python -m tapewire.replay --bind ADDRESS [--plan JSON]``.

Prints one line of JSON, ``{"ready": ADDRESS}``, once receivers can connect. An error is one line
of JSON on standard error, ``{"kind": …, "message": …}``, and the exit code of its class.
"""

import argparse
import json
import os
import signal
import sys
import threading
import traceback
from types import FrameType

from tapewire.children import is_loaded
from tapewire.errors import InterruptedRunError, TapewireError
from tapewire.replay.plan import ReplayPlan
from tapewire.replay.server import serve
from tapewire.wire.endpoints import clear_orphaned


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tapewire.replay")
    parser.add_argument("--bind", required=True, metavar="ADDRESS")
    parser.add_argument("--plan", metavar="JSON", help="a replay plan; default: standard input")
    parser.add_argument("--receivers", type=int, default=1)
    parser.add_argument("--slots", type=int, metavar="N", help="batches under way at most")
    parser.add_argument("--peer-timeout-s", type=float, default=5.0)
    parser.add_argument("--start-timeout-s", type=float, default=300.0)
    parser.add_argument(
        "--parent-pid", type=int, metavar="PID", help="end when this process, the parent, is gone"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the child process; return its exit code."""
    arguments = _arguments(argv)
    is_loaded()
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)

    def require_parent() -> None:
        if arguments.parent_pid is not None and os.getppid() != arguments.parent_pid:
            raise InterruptedRunError(
                f"the process that started the replay (pid {arguments.parent_pid}) is gone"
            )

    try:
        text = sys.stdin.read() if arguments.plan is None else arguments.plan
        serve(
            ReplayPlan.from_json(text),
            arguments.bind,
            receivers=arguments.receivers,
            slots=arguments.slots,
            peer_timeout_s=arguments.peer_timeout_s,
            start_timeout_s=arguments.start_timeout_s,
            stop=stop,
            ready=_print_ready,
            tick=require_parent,
        )
    except TapewireError as error:
        return _report(type(error).__name__, str(error), error.exit_code)
    except Exception as error:  # a bug of ours: the traceback is for us, the line for the parent
        traceback.print_exc()
        return _report("TapewireError", f"the replay process failed: {error!r}", 1)
    finally:
        clear_orphaned(arguments.bind)  # where it was not bound yet, as well
    return 0


def _print_ready(endpoint: str) -> None:
    print(json.dumps({"ready": endpoint}), flush=True)


def _report(kind: str, message: str, exit_code: int) -> int:
    print(json.dumps({"kind": kind, "message": message}), file=sys.stderr, flush=True)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
