"""Many events, many starts and stops in one process: memory, descriptors and threads stay."""

import contextlib
import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import streams
import tapewire as tw
from long_days import COPIES, COPY_NS, DAY_FILE, WARM, day_of, resident_mb, slope
from soaking import Soak
from tapewire.errors import InterruptedRunError
from tapewire.replay import ReplayPlan, serve
from tapewire.replay.synth import synthesize
from tapewire.runs.hooks import Hooks, RunProgress
from tapewire.wire import Receiver, private_endpoint

EVENTS = 100_000_000
CYCLES = 1_000
#: Batches of a few records, and how many lie between two looks.
BATCHES, BATCH_RECORDS, LOOK_BATCHES = 1_000_000, 5, 1_000
#: A day of waiting has a batch for almost each of its events.
LOOK_EVENTS = 1_000
#: What rows that wait to be written by 65,536 may still add in so many, MB.
BATCH_GROWTH_MAX_MB = 64.0
#: Of resident memory behind the warm-up, and what no slope is told from.
GROWTH_MAX_MB_PER_10M, NOISE_MB = 1.0, 4.0
#: Buffers of rows fill up to a bound of their own before: of less there is no slope to tell.
EVENTS_MIN = 50_000_000
#: What a start and stop may add once pools are full; a leaked page is four times that.
CYCLE_MAX_KB = 1.0
DAY_S = 600.0
#: What buffers of rows may still add behind the warm-up of so few events.
DAY_GROWTH_MAX_MB = 16.0


def standing() -> tuple[float, int, int]:
    """Resident memory of this process, MB; its open descriptors; its threads."""
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    return resident_mb(os.getpid()), descriptors, threading.active_count()


def config(data: Path) -> dict[str, object]:
    return {
        "backtest": {
            "data_source": {"type": "databento", "files": [str(data)]},
            "replay": {"transport": "inproc"},
            "output": {"collector": "inline"},
        },
        "strategy": [{"type": "market_maker"}],
    }


@pytest.mark.soak
def test_memory_over_a_hundred_million_events(tmp_path: Path, soak: Soak) -> None:
    events = soak.count(EVENTS)
    data = tmp_path / "long.mbo.dbn.zst"
    synthesize(data, events=events, instruments=1, seed=5)
    seen: list[tuple[int, float, int, int]] = []

    def look(said: RunProgress) -> None:
        seen.append((said.events, *standing()))

    try:
        result = tw.run(config(data), output=tmp_path / "out", hooks=Hooks(progress=look))
    finally:
        data.unlink()
    assert result.manifest["events"] == events
    count, resident, descriptors, threads = (list(column) for column in zip(*seen, strict=True))
    per_event, growth_mb = slope(count, resident)
    per_10m = per_event * 1e7
    flat = per_10m < GROWTH_MAX_MB_PER_10M or growth_mb < NOISE_MB
    assert flat or events < EVENTS_MIN, (per_10m, growth_mb)
    begin = int(len(seen) * WARM)
    # At its end the file is closed, and the replay's thread is gone.
    assert max(descriptors[begin:]) == descriptors[begin], set(descriptors[begin:])
    assert max(threads[begin:]) == threads[begin], set(threads[begin:])
    soak.say(f"{events:,} events, {per_10m:+.3f} MB per 10 M behind the warm-up, "
             f"{resident[-1]:.0f} MB at the end")  # fmt: skip


@pytest.mark.soak
def test_memory_over_a_million_small_batches(tmp_path: Path, soak: Soak) -> None:
    """As many as come in a day of live data: what each one leaves would add up."""
    batches = soak.count(BATCHES)
    data = tmp_path / "long.mbo.dbn.zst"
    synthesize(data, events=batches * BATCH_RECORDS, instruments=1, seed=5)
    seen: list[tuple[float, float]] = []

    def look(said: RunProgress) -> None:
        # It is told of each batch: what is noted shall not be what grows.
        if said.events >= len(seen) * LOOK_BATCHES * BATCH_RECORDS:
            seen.append((said.events / BATCH_RECORDS, standing()[0]))

    small = {"backtest.replay.batch_records": BATCH_RECORDS}
    tw.run(config(data), output=tmp_path / "out", hooks=Hooks(progress=look), overrides=small)
    count, resident = (list(column) for column in zip(*seen, strict=True))
    per_batch, growth_mb = slope(count, resident)
    assert growth_mb < BATCH_GROWTH_MAX_MB, (per_batch, growth_mb)
    soak.say(f"{batches:,} batches, {per_batch * 1e6:+.0f} bytes each behind the warm-up, "
             f"{resident[-1]:.0f} MB at the end")  # fmt: skip


def cycle(count: int, once: Callable[[int], None]) -> str:
    """Do something again and again; say what was left of it each time."""
    resident, others = [], []
    for number in range(count):
        once(number)
        gc.collect()  # histograms of the library of that name are cycles: what is left is asked for
        mb, descriptors, threads = standing()
        resident.append(mb)
        others.append((descriptors, threads))
    per_cycle, growth_mb = slope([float(n) for n in range(count)], resident)
    assert per_cycle * 1e3 < CYCLE_MAX_KB or growth_mb < NOISE_MB, (per_cycle, growth_mb)
    begin = int(count * WARM)
    assert len(set(others[begin:])) == 1, set(others[begin:])
    return f"{count:,} starts and stops, {per_cycle * 1e3:+.2f} kB each behind the warm-up"


@pytest.mark.soak
def test_a_run_started_and_stopped(tmp_path: Path, soak: Soak) -> None:
    """Every third is stopped in the middle."""
    data = tmp_path / "short.mbo.dbn"
    synthesize(data, events=2_000, instruments=1, seed=5)

    def stop(said: RunProgress) -> None:
        raise InterruptedRunError("as it was told to")

    def once(number: int) -> None:
        hooks = Hooks(progress=stop) if number % 3 == 2 else Hooks()
        with contextlib.suppress(InterruptedRunError):
            tw.run(config(data), output=tmp_path / "out", force=True, hooks=hooks)

    soak.say(cycle(soak.count(CYCLES), once))


@pytest.mark.soak
def test_the_ends_of_a_wire_opened_and_closed(tmp_path: Path, soak: Soak) -> None:
    """Every third receiver leaves after its first batch."""
    path = streams.write(tmp_path / "x.dbn", streams.dbn_bytes(streams.make_records(2_000)))
    plan = ReplayPlan((path,), batch_records=100)

    def publish(endpoint: str, ready: threading.Event) -> None:
        with contextlib.suppress(tw.TapewireError):
            serve(plan, endpoint, ready=lambda _: ready.set())

    def once(number: int) -> None:
        ready = threading.Event()
        with private_endpoint() as endpoint:
            thread = threading.Thread(target=publish, args=(endpoint, ready))
            thread.start()
            assert ready.wait(10)
            with Receiver(endpoint) as receiver:
                receiver.connect()
                got = 0
                for batch in receiver.batches():
                    got += len(batch)
                    if number % 3 == 2:
                        break
            thread.join(20)
            assert not thread.is_alive()
            assert got == (100 if number % 3 == 2 else 2_000)

    soak.say(cycle(soak.count(CYCLES), once))


@pytest.mark.soak
def test_a_day_at_a_multiple_of_its_own_pace(
    tmp_path: Path, data_file: Callable[[str], Path], soak: Soak
) -> None:
    """A run that lasts, mostly waiting, as one beside a market does."""
    data = tmp_path / "day.mbo.dbn"
    events = day_of(data_file(DAY_FILE), data)
    seconds = soak.seconds(DAY_S)
    times = round(COPIES * COPY_NS / 1e9 / seconds)
    seen: list[tuple[float, float, int, int]] = []

    def look(said: RunProgress) -> None:
        # It is told of each batch: what is noted shall not be what grows.
        if said.events >= len(seen) * LOOK_EVENTS:
            seen.append((float(said.events), *standing()))

    result = tw.run(
        config(data), output=tmp_path / "out", hooks=Hooks(progress=look),
        overrides={"backtest.replay.speed": {"accelerated": times}},
    )  # fmt: skip
    assert result.manifest["events"] == events
    count, resident, descriptors, threads = (list(column) for column in zip(*seen, strict=True))
    _, growth_mb = slope(count, resident)
    assert growth_mb < DAY_GROWTH_MAX_MB
    begin = int(len(seen) * WARM)
    assert max(descriptors[begin:]) == descriptors[begin], set(descriptors[begin:])
    assert max(threads[begin:]) == threads[begin], set(threads[begin:])
    soak.say(f"{events:,} events of 24 hours at {times} times their pace, {growth_mb:+.1f} MB "
             f"behind the warm-up, {resident[-1]:.0f} MB at the end")  # fmt: skip
