"""The same bytes arrive whatever way they take."""

import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import zmq

import streams
from tapewire.replay import ReplayPlan, read_records, serve, server
from tapewire.wire import Receiver, Totals, private_endpoint

COUNT = 4_321


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, np.ndarray]:
    records = streams.make_records(COUNT)
    path = tmp_path_factory.mktemp("tape") / "tape.dbn.zst"
    return streams.write(path, streams.zstd_bytes(streams.dbn_bytes(records))), records


@contextmanager
def address(transport: str) -> Iterator[str]:
    if transport == "ipc":
        with private_endpoint() as endpoint:
            yield endpoint
    else:
        yield "inproc://tape" if transport == "inproc" else "tcp://127.0.0.1:*"


def replayed(
    plan: ReplayPlan, transport: str, *, receivers: int = 1, delay_s: float = 0.0
) -> list[tuple[np.ndarray, Totals, str]]:
    """What each receiver got from a replay in a thread."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    got: list[tuple[np.ndarray, Totals, str]] = []
    bound: list[str] = []
    ready = threading.Event()
    sent: list[Totals] = []

    def publish(endpoint: str) -> None:
        def on_ready(bound_endpoint: str) -> None:
            bound.append(bound_endpoint)
            ready.set()

        sent.append(serve(plan, endpoint, receivers=receivers, context=context, ready=on_ready))

    def take() -> None:
        with Receiver(bound[0], context=context) as receiver:
            info = receiver.connect()
            parts = []
            for batch in receiver.batches():
                assert batch.flags.writeable  # one type for kernels, whatever the payload
                parts.append(batch.copy())
                time.sleep(delay_s)
            got.append((np.concatenate(parts), receiver.totals, info.payload))

    with address(transport) as endpoint:
        publisher = threading.Thread(target=publish, args=(endpoint,))
        publisher.start()
        assert ready.wait(30)
        takers = [threading.Thread(target=take) for _ in range(receivers)]
        for thread in takers:
            thread.start()
        for thread in [*takers, publisher]:
            thread.join(60)
    context.term()
    assert len(got) == receivers
    assert all(totals == sent[0] for _, totals, _ in got)
    return got


@pytest.mark.parametrize(
    ("batch_records", "batches"), [(1, COUNT), (7, 618), (4_096, 2), (65_536, 2)]
)
@pytest.mark.parametrize("payload", ["shared", "inline"])
@pytest.mark.parametrize("transport", ["inproc", "ipc", "tcp"])
def test_every_way_gives_the_same_records(
    tape: tuple[str, np.ndarray], transport: str, payload: str, batch_records: int, batches: int
) -> None:
    path, records = tape
    plan = ReplayPlan((path,), batch_records=batch_records, payload=payload)  # type: ignore[arg-type]
    [(got, totals, used)] = replayed(plan, transport)
    assert used == payload
    assert got.tobytes() == records.tobytes()
    assert (totals.events, totals.batches) == (COUNT, batches)


def test_batches_grow_until_they_are_whole(
    tape: tuple[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, records = tape
    monkeypatch.setattr(server, "_FIRST_BATCH_RECORDS", 16)
    [(got, totals, _)] = replayed(ReplayPlan((path,), batch_records=500), "inproc")
    assert got.tobytes() == records.tobytes()
    whole, rest = divmod(COUNT - 16 - 64 - 256, 500)
    assert rest
    assert totals.batches == 3 + whole + 1


def test_two_receivers_get_everything(tape: tuple[str, np.ndarray]) -> None:
    path, records = tape
    for got, _, _ in replayed(ReplayPlan((path,), batch_records=100), "ipc", receivers=2):
        assert got.tobytes() == records.tobytes()


def test_a_pathologically_slow_consumer_loses_nothing(tape: tuple[str, np.ndarray]) -> None:
    path, records = tape
    tracemalloc.start()
    try:
        [(got, totals, _)] = replayed(
            ReplayPlan((path,), batch_records=20, payload="inline"), "ipc", delay_s=0.005
        )
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert got.tobytes() == records.tobytes()
    assert totals.wait_s > 0.2  # the replay waited for it
    assert peak_bytes < 30 << 20


def test_a_consumer_that_pauses_past_every_deadline_loses_nothing(
    tape: tuple[str, np.ndarray],
) -> None:
    path, records = tape
    with private_endpoint() as endpoint:
        plan = ReplayPlan((path,), batch_records=20)
        process = streams.child(plan, endpoint, "--peer-timeout-s", "0.5")
        with Receiver(endpoint, peer_timeout_s=0.5, tick=streams.alive(process)) as receiver:
            receiver.connect()
            parts = []
            for i, batch in enumerate(receiver.batches()):
                parts.append(batch.copy())
                if i == 5:
                    time.sleep(2.0)
            assert np.concatenate(parts).tobytes() == records.tobytes()
        assert streams.outcome(process) == (0, {})


def test_a_paced_replay_takes_its_time_and_gives_the_same_records(tmp_path: Path) -> None:
    records = streams.make_records(
        3_000, ts_recv=[streams.START_NS + i * 1_000_000 for i in range(3_000)]
    )
    path = streams.write(tmp_path / "x.dbn", streams.dbn_bytes(records))
    begin_s = time.monotonic()
    [(got, totals, _)] = replayed(ReplayPlan((path,), speed=6.0), "ipc")
    assert got.tobytes() == records.tobytes()
    assert 0.49 <= time.monotonic() - begin_s < 5.0
    assert totals.pace_s > 0


@pytest.mark.parametrize(
    "name",
    [
        "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst",
        "dbeq/dbeq-basic-20240403.mbo.dbn.zst",
    ],
)
def test_real_captures_arrive_byte_for_byte(data_file: Callable[[str], Path], name: str) -> None:
    path = data_file(name)
    _, records = read_records(path)
    for payload in ("shared", "inline"):
        plan = ReplayPlan((str(path),), payload=payload)  # type: ignore[arg-type]
        [(got, totals, _)] = replayed(plan, "ipc")
        assert got.tobytes() == records.tobytes()
        assert totals.files[0].records_kept == len(records)
