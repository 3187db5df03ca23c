"""The collector as a process of its own: ``python -m tapewire.processes.collector_main``.

It takes the rows of one run and writes its folder. An error is one line of JSON on standard error,
``{"kind": …, "message": …}``, and the exit code of its class. Where the run is gone, the folder's
manifest says so.
"""

import argparse
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet  # noqa: F401 (now, while the run loads its kernels)

from tapewire.analytics import Collector
from tapewire.analytics.settlements import SettlementPrices
from tapewire.children import is_loaded
from tapewire.errors import PeerLostError, ProtocolError, TapewireError
from tapewire.processes.collecting import (
    CODEC,
    FRAME_BYTES_MAX,
    FRAMES_MAX,
    TABLES,
    WINDOW,
    BeginDocument,
    CollectDone,
    CollectedLeg,
    CollectEnded,
    CollectHello,
    CollectPing,
    CollectRows,
    CollectWords,
    FailDocument,
    NamesDocument,
    Rows,
    read_rows,
)
from tapewire.wire.credit import CreditReturn
from tapewire.wire.link import Link
from tapewire.wire.liveness import PEER_TIMEOUT_S
from tapewire.wire.sockets import WAIT_SLICE_S


class Collecting:
    """One run's rows, from the first message to the manifest.

    Parameters
    ----------
    endpoint
        Where the run is bound.
    run_pid
        Its process, the parent of this one.
    """

    def __init__(self, endpoint: str, run_pid: int) -> None:
        self._run_pid = run_pid
        self._link = Link(
            endpoint,
            context=None,
            peer_timeout_s=PEER_TIMEOUT_S,
            message_bytes_max=FRAME_BYTES_MAX,
            frames_max=FRAMES_MAX,
        )
        self._credit = CreditReturn(WINDOW)
        self._collector: Collector | None = None
        self._finishing = False
        self._legs: list[CollectedLeg] = []
        self._series: list[str] = []
        self._fees: list[str] = []
        self._tags: list[str] = []
        self._document = bytearray()
        self._parts: list[list[Rows]] = []

    def run(self) -> None:
        """Take messages until the run's folder is done.

        Raises
        ------
        TapewireError
            If the folder or a table can't be written, or the run is gone or says what it may not.
        """
        self._link.open()
        self._link.allow(2 * WINDOW * FRAME_BYTES_MAX)
        try:
            self._say(CollectHello(os.getpid()))
            while not self._take_next():
                pass
        finally:
            if self._collector is not None:
                self._collector.close()  # no trace of a run without an end
            self._link.close()

    def _take_next(self) -> bool:
        """Take a message, and wait for one if there is none; whether it was the last."""
        is_closed = self._link.closed_by_peer
        frames = self._link.receive()
        if frames is None:
            if self._credit.owed:
                self._give_back()
            if is_closed or os.getppid() != self._run_pid:
                self._be_orphaned()
            self._link.wait(WAIT_SLICE_S)
            return False
        header = CODEC.decode(frames[0].buffer, bytes_max=FRAME_BYTES_MAX)
        parts = [frame.buffer for frame in frames[1:]]
        if isinstance(header, CollectPing):
            return False
        if not isinstance(header, CollectRows | CollectWords):
            raise ProtocolError(f"expected rows or words of the run, found {type(header).__name__}")
        if header.number != self._credit.released:
            raise ProtocolError(
                f"expected message {self._credit.released} of the run, found {header.number}"
            )
        ended = False
        if isinstance(header, CollectRows):
            self._take_rows(header, parts)
        else:
            self._document += b"".join(parts)
            if not header.more:
                document, self._document = bytes(self._document), bytearray()
                ended = self._take_document(header.about, document)
        if self._credit.release():
            self._give_back()
        return ended

    def _take_rows(self, header: CollectRows, parts: list[memoryview]) -> None:
        batches, latencies = read_rows(header, parts)
        collector = self._collecting()
        for tag, value_ns, count in latencies.tolist():
            collector.record_latency(self._tags[tag], value_ns, count)
        if batches and (header.more or self._parts):
            self._parts.append(batches[0])
            if header.more:
                return
            tables = zip(*self._parts, strict=True)
            batches, self._parts = [[np.concatenate(table) for table in tables]], []
        for batch in batches:
            # A view would keep all of its message in memory until its table's row group is full.
            named = dict(zip(TABLES, [rows.copy() for rows in batch], strict=True))
            collector.add(**named, legs=self._legs, series_names=self._series, fee_names=self._fees)

    def _take_document(self, about: str, document: bytes) -> bool:
        """Do what a document says; whether the folder is done with that."""
        if about == "begin":
            begin = msgspec.json.decode(document, type=BeginDocument)
            self._collector = Collector(
                Path(begin.out_dir), begin.config_yaml, force=begin.force, resume=begin.resume,
                event_log=begin.event_log, markouts=begin.markouts,
                initial_capital=begin.initial_capital, margins=begin.margins,
                rates=begin.rates,
                settlements=SettlementPrices(begin.closes, begin.settlements),
            )  # fmt: skip
            self._say(CollectEnded(""))
            return False
        if about == "names":
            names = msgspec.json.decode(document, type=NamesDocument)
            # New lists: a row group that is being written has the old ones.
            self._legs = [*self._legs, *names.legs]
            self._series = [*self._series, *names.series]
            self._fees = [*self._fees, *names.fees]
            self._tags += names.tags
            return False
        path = self._finish(document) if about == "finish" else self._fail(document)
        self._say(CollectEnded(str(path)))
        return True

    def _finish(self, document: bytes) -> Path:
        self._finishing = True
        try:
            return self._collecting().finish(manifest=json.loads(document))
        except KeyboardInterrupt:  # the manifest says that it was stopped
            return self._collecting().fail("incomplete", "stopped")
        finally:
            self._finishing = False

    def _fail(self, document: bytes) -> Path:
        fail = msgspec.json.decode(document, type=FailDocument)
        return self._collecting().fail(
            fail.status, fail.reason, fail.manifest, keep_rows=fail.keep_rows
        )

    def _collecting(self) -> Collector:
        if self._collector is None:
            raise ProtocolError("expected to be told how to begin before anything else")
        return self._collector

    def _be_orphaned(self) -> None:
        """Say in the manifest that the run went before its end, and end."""
        reason = f"the run process (pid {self._run_pid}) is gone"
        if self._collector is not None:
            self._collector.fail("incomplete", reason)
        raise PeerLostError(reason)

    def _give_back(self) -> None:
        self._say(CollectDone(self._credit.released))
        self._credit.told()

    def _say(self, message: Any) -> None:
        self._link.send(CODEC.encode(message))

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Stop writing the report, if that is what goes on; the run says what else to do."""
        if self._finishing:
            raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> int:
    """Run the child process; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tapewire.processes.collector_main")
    parser.add_argument("--connect", required=True, metavar="ADDRESS")
    parser.add_argument("--parent-pid", required=True, type=int, metavar="PID")
    arguments = parser.parse_args(argv)
    is_loaded()
    collecting = Collecting(arguments.connect, arguments.parent_pid)
    signal.signal(signal.SIGINT, collecting.interrupt)
    signal.signal(signal.SIGTERM, _leave)
    try:
        collecting.run()
    except TapewireError as error:
        return _report(type(error).__name__, str(error), error.exit_code)
    except Exception as error:  # a bug of ours: the traceback is for us, the line for the run
        traceback.print_exc()
        return _report("TapewireError", f"the collector process failed: {error!r}", 1)
    return 0


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _report(kind: str, message: str, exit_code: int) -> int:
    print(json.dumps({"kind": kind, "message": message}), file=sys.stderr, flush=True)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
