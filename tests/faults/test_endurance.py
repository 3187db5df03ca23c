"""Many events, many starts and stops in one process: memory, descriptors and threads stay."""

import contextlib
import gc
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zstandard

import streams
import tapewire as tw
from soaking import Soak
from tapewire.errors import InterruptedRunError
from tapewire.market.records import MBO_DTYPE
from tapewire.replay import ReplayPlan, serve
from tapewire.replay.synth import synthesize
from tapewire.runs.hooks import Hooks, RunProgress
from tapewire.wire import Receiver, private_endpoint

EVENTS = 100_000_000
CYCLES = 1_000
#: Of resident memory behind the warm-up, and what no slope is told from.
GROWTH_MAX_MB_PER_10M, NOISE_MB = 1.0, 4.0
#: Buffers of rows fill up to a bound of their own before: of less there is no slope to tell.
EVENTS_MIN = 50_000_000
#: What a start and stop may add once pools are full; a leaked page is four times that.
CYCLE_MAX_KB = 1.0
#: Part of the whole after which what is kept once is there.
WARM = 0.3
#: A day of two hours that were captured, twelve times over, in ten minutes.
DAY_FILE, COPIES, COPY_NS = "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst", 12, 7_200 * 10**9
DAY_S = 600.0
#: What buffers of rows may still add behind the warm-up of so few events.
DAY_GROWTH_MAX_MB = 16.0


def standing() -> tuple[float, int, int]:
    """Resident memory of this process, MB; its open descriptors; its threads."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    return pages * os.sysconf("SC_PAGESIZE") / 1e6, descriptors, threading.active_count()


def slope(x: list[float], y: list[float]) -> tuple[float, float]:
    """Of a straight line behind the warm-up: per one, and over all of it."""
    begin = int(len(x) * WARM)
    per_one = float(np.polyfit(x[begin:], y[begin:], 1)[0])
    return per_one, per_one * (x[-1] - x[begin])


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


def day_of(capture: Path, path: Path) -> int:
    """Write a day of copies of a capture, each behind a clear of the book; return its records."""
    with zstandard.open(capture) as file:
        data = io.BytesIO(file.read())
    header = data.read(8)
    header += data.read(int.from_bytes(header[4:], "little"))
    records = np.frombuffer(data.read(), MBO_DTYPE)
    clear = records[:1].copy()
    clear["action"], clear["side"], clear["order_id"], clear["size"] = ord("R"), ord("N"), 0, 0
    clear["price"], clear["flags"] = np.iinfo(np.int64).max, 8  # of a snapshot, no price
    one = np.concatenate([clear, records])
    with path.open("wb") as out:
        out.write(header)
        for copy in range(COPIES):
            moved = one.copy()
            moved["order_id"][1:] += np.uint64(copy << 50)
            for name in ("ts_recv", "ts_event"):
                moved[name] -= np.uint64((COPIES - 1 - copy) * COPY_NS)
            out.write(moved.tobytes())
    return COPIES * len(one)


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
