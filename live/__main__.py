"""The market stream as a process of its own: ``python -m tapewire.live --bind ADDRESS``.

What is wanted comes as JSON on standard input (`StreamPlan`), the key by the environment. It prints
one line of JSON, ``{"ready": ADDRESS}``, once a run can connect. SIGINT ends the stream as whole,
SIGTERM and the end of its parent as it is. An error is one line of JSON on standard error,
``{"kind": …, "message": …}``, and the exit code of its class.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from tapewire.children import is_loaded
from tapewire.errors import FeedError, InterruptedRunError, TapewireError
from tapewire.live.feed import LiveFeed
from tapewire.live.plan import KEY_VARIABLE, StreamPlan
from tapewire.live.publishing import BATCH_RECORDS, PublishedFeed
from tapewire.live.recorder import Recorder
from tapewire.live.warming import warm_up
from tapewire.wire import Publisher
from tapewire.wire.endpoints import clear_orphaned

#: Of market time: a session is one file.
_ROTATE_NS = 7 * 86_400 * 10**9
_LOOK_S = 0.1


class _Stream:
    """One feed, from its plan to its end."""

    def __init__(self, plan: StreamPlan, endpoint: str, parent_pid: int) -> None:
        self._plan, self._endpoint, self._parent_pid = plan, endpoint, parent_pid
        self._stopping = self._ending = False

    def stop(self, number: int, frame: FrameType | None) -> None:
        """End as whole, or, by another signal or asked twice, as it is."""
        self._ending = self._ending or self._stopping or number != signal.SIGINT
        self._stopping = True

    def _require_wanted(self) -> None:
        if self._ending:
            raise InterruptedRunError("the market stream was stopped")
        if os.getppid() != self._parent_pid:
            raise InterruptedRunError(
                f"the process that started the market stream (pid {self._parent_pid}) is gone"
            )

    def run(self) -> None:
        """Serve the feed to its end."""
        plan = self._plan
        recorder = Recorder(Path(plan.folder), plan.request, _ROTATE_NS, _hear_nothing)
        publisher = Publisher(
            self._endpoint, batch_records=BATCH_RECORDS, tick=self._require_wanted,
            peer_timeout_s=plan.peer_timeout_s,
        )  # fmt: skip
        with publisher, contextlib.ExitStack() as stack:
            stack.callback(recorder.close)
            print(json.dumps({"ready": publisher.endpoint}), flush=True)
            sink = PublishedFeed(publisher, recorder)
            feed = LiveFeed(
                plan.request, os.environ.get(KEY_VARIABLE, ""), sink, address=plan.address,
                patience_s=plan.patience_s,
            )  # fmt: skip

            try:
                try:
                    asyncio.run(self._serve(feed, sink))
                except FeedError as error:  # what has come is a stream: so is what was made of it
                    if not sink.has_begun:
                        raise
                    sink.told(str(error), "cut")
                self._require_wanted()
                sink.finish()
            except BaseException as error:
                publisher.fail(error)
                raise

    async def _serve(self, feed: LiveFeed, sink: PublishedFeed) -> None:
        """Take the feed, and look after the run meanwhile, whatever the feed waits for."""
        taking = asyncio.create_task(feed.run(lambda: self._stopping))
        while not taking.done():
            try:
                self._require_wanted()
                sink.service()
            except BaseException:
                taking.cancel()
                raise
            await asyncio.wait((taking,), timeout=_LOOK_S)
        await taking


def _hear_nothing(text: str) -> None:
    """The run is told."""


def main(argv: list[str] | None = None) -> int:
    """Run the child process; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tapewire.live")
    parser.add_argument("--bind", required=True, metavar="ADDRESS")
    parser.add_argument("--parent-pid", required=True, type=int, metavar="PID")
    arguments = parser.parse_args(argv)
    is_loaded()
    try:
        stream = _Stream(
            StreamPlan.from_json(sys.stdin.read()), arguments.bind, arguments.parent_pid
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stream.stop)
        warm_up()
        stream.run()
    except TapewireError as error:
        return _report(type(error).__name__, str(error), error.exit_code)
    except Exception as error:  # a bug of ours: the traceback is for us, the line for the parent
        traceback.print_exc()
        return _report("TapewireError", f"the market stream failed: {error!r}", 1)
    finally:
        clear_orphaned(arguments.bind)  # where it was not bound yet, as well
    return 0


def _report(kind: str, message: str, exit_code: int) -> int:
    said: dict[str, Any] = {"kind": kind, "message": message}
    print(json.dumps(said), file=sys.stderr, flush=True)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
