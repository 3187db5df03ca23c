"""The way between two processes alone: the real replay, the real receiver, no simulation."""

import contextlib
import gc
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, get_args

from tapewire.bench._kernels import fold_records
from tapewire.bench.measure import Row, Scale, row_of
from tapewire.bench.workload import LoadedSession
from tapewire.errors import ProtocolError
from tapewire.market.records import MBO_KERNEL_DTYPE
from tapewire.processes.replay_process import ReplayProcess
from tapewire.processes.signals import Signals
from tapewire.processes.transports import ThreadedReplay, temporary_endpoint
from tapewire.replay import ReplayPlan
from tapewire.wire import Payload, Receiver

if TYPE_CHECKING:
    import zmq

TRANSPORTS: Final = ("ipc", "tcp", "inproc")
BATCHES: Final = (1_024, 4_096, 16_384, 65_536)
#: Batch size at which the short bench compares the ways.
BATCH_QUICK: Final = 16_384
_PAYLOADS: Final[tuple[Payload, ...]] = get_args(Payload)
_RUNS_MAX: Final = 3
_PEER_TIMEOUT_S: Final = 5.0
_NOTE: Final = "replay in a {}; decoding it, checksums, each record read once"


def transport_rows(work: LoadedSession, scale: Scale) -> Iterator[Row]:
    """Every way records can travel, by batch size; the file is in the page cache."""
    runs = min(scale.runs, _RUNS_MAX)
    for transport in TRANSPORTS:
        for payload in _PAYLOADS:
            for batch_records in BATCHES:
                if scale.quick and not in_quick(transport, payload, batch_records):
                    continue
                plan = ReplayPlan((str(work.raw),), batch_records=batch_records, payload=payload)
                seconds = [_pass(plan, transport, work.events) for _ in range(runs + 1)][1:]
                name = f"{transport}, {payload}, batches of {batch_records:,}"
                note = _NOTE.format("thread" if transport == "inproc" else "process")
                yield row_of("transport", name, work.events, seconds, note)


def in_quick(transport: str, payload: str, batch_records: int) -> bool:
    """Whether the short bench has it: every way at one size, the usual way at every size."""
    return batch_records == BATCH_QUICK or (transport, payload) == ("ipc", "shared")


def _pass(plan: ReplayPlan, transport: str, events: int) -> float:
    """Seconds from the request for the first batch until the last one was read."""
    with _stream(plan, transport) as receiver:
        payload = receiver.connect().payload
        if payload != plan.payload:
            raise ProtocolError(f"expected {plan.payload} payload, found {payload}")
        gc.collect()
        count = folded = 0
        began_s = time.perf_counter()
        for batch in receiver.batches():
            folded ^= fold_records(batch.view(MBO_KERNEL_DTYPE))
            count += len(batch)
        took_s = time.perf_counter() - began_s
    if count != events:
        raise ProtocolError(f"expected {events:,} records over {transport}, found {count:,}")
    return took_s


@contextlib.contextmanager
def _stream(plan: ReplayPlan, transport: str) -> Iterator[Receiver]:
    """Start a replay and give the receiving end, as a run does."""
    signals = Signals()  # a signal interrupts the bench itself, see run_bench
    with contextlib.ExitStack() as stack:
        context: zmq.Context[zmq.Socket[bytes]] | None = None
        process: ReplayProcess | None = None
        if transport == "inproc":
            thread = stack.enter_context(ThreadedReplay(plan, peer_timeout_s=_PEER_TIMEOUT_S))
            thread.wait_ready(signals)
            endpoint, context = thread.endpoint, thread.context
        else:
            address = stack.enter_context(temporary_endpoint(transport))
            process = stack.enter_context(
                ReplayProcess(plan.to_json(), address, peer_timeout_s=_PEER_TIMEOUT_S)
            )
            endpoint = process.wait_ready(signals)
        receiver = Receiver(
            endpoint,
            payload=plan.payload,
            peer_timeout_s=_PEER_TIMEOUT_S,
            context=context,
            tick=process.check if process is not None else signals.check,
        )
        stack.callback(receiver.close, "the bench stopped")
        yield receiver
