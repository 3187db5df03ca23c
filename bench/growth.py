"""How cost and memory grow: with events, with instruments, with live orders; and memory at rest.

Every figure comes from processes of its own, so that what is resident is theirs alone. Files are
made here and read there, chunk by chunk into one buffer: neither the records nor what made them
count as memory, and reading them does not count as time.
"""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from tapewire.bench._growth_worker import Growth, GrowthPlan, status_bytes
from tapewire.bench.crowds import Activity, Crowd, crowd_symbol
from tapewire.bench.measure import Row, Scale, row_of
from tapewire.bench.processes import run_child
from tapewire.bench.runs import run_once
from tapewire.children import module_command
from tapewire.errors import SimulationError

EVENTS: Final = (1_000_000, 10_000_000, 100_000_000)
EVENTS_QUICK: Final = (1_000_000, 20_000_000)
#: Records of the session that is passed over again and again.
SESSION_RECORDS: Final = 1_000_000
#: From so many records on, one run is enough.
LONG_RECORDS: Final = 50_000_000
#: Fewer are not enough to tell a slope from how an allocator breathes.
SLOPE_RECORDS_MIN: Final = 10_000_000

BOOKS: Final = (1, 50, 5_000, 11_000)
ORDERS_PER_BOOK: Final = 100
ACTIVITIES: Final[tuple[Activity, ...]] = ("zipf", "even")
LIVE_ORDERS: Final = (1_000, 4_000, 32_000, 256_000, 1_000_000)
LIVE_ORDERS_QUICK: Final = (1_000, 4_000, 1_000_000)
#: The size that others are compared to.
LIVE_ORDERS_BASE: Final = 4_000
#: Timed records of the rows with many books or orders, and untimed ones before them, after the
#: books were filled: what was freed is then taken again in no order at all.
STEADY_RECORDS: Final = 2_000_000
STEADY_RECORDS_QUICK: Final = 1_000_000
SETTLE_RECORDS_MIN: Final = 100_000

_RUNS_MAX: Final = 3
_MB: Final = 1e6
_STRATEGY: Final = "market_maker"
#: A run at rest: how often it is looked at, and for how long nothing may have happened.
_POLL_S: Final = 0.05
_STILL_S: Final = 0.4
_IDLE_S_MAX: Final = 60.0
_HOUR_NS: Final = 3_600_000_000_000


@dataclass(frozen=True)
class _Load:
    """A stream on disk, and how to run it."""

    name: str
    plan: GrowthPlan
    orders: int = 0


def growth_rows(folder: Path, scale: Scale) -> Iterator[Row]:
    """Cost and memory by events, by instruments, by live orders; memory of a run at rest.

    Parameters
    ----------
    folder : Path
        Where the streams go; up to 700 MB of them at a time.
    scale : Scale
        At most three runs per row are done; ``scale.events`` has no part in it.

    Yields
    ------
    Row
        Groups ``growth, events``, ``growth, instruments``, ``growth, live orders`` and
        ``growth, idle``. Figures: ``ns_per_record``; ``rss_mb`` and ``peak_mb``, resident memory
        of the process at its end and at most, with a buffer of 15 MB and without records; of
        events ``rss_slope_mb_per_10m``; of live orders ``times_4k``, cost over that with 4,000.
    """
    place = folder / "growth"
    place.mkdir()
    runs = min(scale.runs, _RUNS_MAX)
    steady = STEADY_RECORDS_QUICK if scale.quick else STEADY_RECORDS
    events = EVENTS_QUICK if scale.quick else EVENTS
    yield from event_rows(place, events, SESSION_RECORDS, runs, scale.seed)
    yield from instrument_rows(place, BOOKS, steady, runs, scale.seed)
    if not scale.quick:
        yield venue_row(place, BOOKS[-1], steady, scale.seed)
    orders = LIVE_ORDERS_QUICK if scale.quick else LIVE_ORDERS
    yield from live_order_rows(place, orders, steady, runs, scale.seed)
    yield idle_row(place, scale.seed)


# --- events ---------------------------------------------------------------------------------------


def event_rows(
    folder: Path, sizes: Sequence[int], session_records: int, runs: int, seed: int
) -> Iterator[Row]:
    """The whole loop with the market maker, over one session again and again, moved on in time.

    Each pass begins with the session's snapshot, so the book begins anew; the strategy and its
    account go on.
    """
    from tapewire.replay.synth import synthesize

    path = folder / "session.dbn"
    synthesize(path, events=session_records, seed=seed)
    spawn(GrowthPlan(str(path), session_records, 0, (_STRATEGY,)))  # compiles, if need be
    for size in sizes:
        plan = GrowthPlan(str(path), size, 0, (_STRATEGY,))
        found = [spawn(plan) for _ in range(1 if size >= LONG_RECORDS else runs)]
        figures = _figures(found)
        if size >= SLOPE_RECORDS_MIN:
            slopes = [rss_slope(growth.samples) for growth in found]
            figures["rss_slope_mb_per_10m"] = round(statistics.median(slopes), 3)
        yield _row("growth, events", f"{size:,} events", found, figures,
                   f"market maker; {-(-size // session_records):,} × one session")  # fmt: skip
    path.unlink()


def rss_slope(samples: Sequence[tuple[int, int]]) -> float:
    """How resident memory grows once warm, in MB per 10 million records.

    The difference between the medians of the run's third and fourth quarter: an allocator that
    takes and gives back does not count, what is kept does.

    Parameters
    ----------
    samples : sequence of (int, int)
        Records so far and bytes resident then; at least eight.
    """
    at, resident = np.array(samples).T
    if at.size < 8:
        raise ValueError(f"expected at least 8 samples, found {at.size}")
    third = (at > at[-1] * 0.5) & (at <= at[-1] * 0.75)
    fourth = at > at[-1] * 0.75
    rise = float(np.median(resident[fourth]) - np.median(resident[third]))
    run = float(np.median(at[fourth]) - np.median(at[third]))
    return rise / _MB / run * 1e7


# --- instruments and live orders ------------------------------------------------------------------


def instrument_rows(
    folder: Path, sizes: Sequence[int], records: int, runs: int, seed: int
) -> Iterator[Row]:
    """Many books at once, their records mixed, nobody trading; 100 live orders per book.

    Both kinds of activity: by Zipf's law, as on a venue, and even, which is the hardest.
    """
    for books in sizes:
        for activity in ACTIVITIES:
            if books == 1 and activity != ACTIVITIES[0]:
                continue  # one book is as active as itself
            orders = books * ORDERS_PER_BOOK
            load = _crowd(folder, books, orders, records, seed, activity)
            found = [spawn(load.plan) for _ in range(runs)]
            Path(load.plan.path).unlink()
            kind = "" if books == 1 else f", {activity}"
            yield _row("growth, instruments", f"{books:,} instrument{'s'[: books > 1]}{kind}",
                       found, _figures(found), f"no strategy; {orders:,} live orders")  # fmt: skip


def venue_row(folder: Path, books: int, records: int, seed: int) -> Row:
    """A real ``tapewire run`` over as many books, a strategy on the busiest of them.

    Its time includes opening and filling the books.
    """
    import yaml

    load = _crowd(folder, books, books * ORDERS_PER_BOOK, records, seed, "zipf")
    strategy = {"type": _STRATEGY, "symbols": [crowd_symbol(0)]}
    config = {
        "backtest": {"data_source": {"type": "databento", "files": [load.plan.path]}},
        "strategy": [strategy],
    }
    path = folder / "venue.yaml"
    path.write_text(yaml.safe_dump(config))
    manifest, _, peak_bytes = run_once(path)
    Path(load.plan.path).unlink()
    figures = {
        "ns_per_record": round(manifest["elapsed_s"] / manifest["events"] * 1e9, 1),
        "peak_mb": round(peak_bytes / _MB, 1),
    }
    return row_of("growth, instruments", f"{books:,} instruments, zipf, tapewire run",
                  manifest["events"], [manifest["elapsed_s"]],
                  "market maker on one of them; books opened and filled", figures)  # fmt: skip


def live_order_rows(
    folder: Path, sizes: Sequence[int], records: int, runs: int, seed: int
) -> Iterator[Row]:
    """Ever more live orders in one book, as many adds as cancels, cancels hit any of them.

    All sizes in turn, as often as there are runs: what is compared is measured side by side.
    """
    loads = [_crowd(folder, 1, orders, records, seed, "even") for orders in sizes]
    pairs: list[tuple[_Load, list[Growth]]] = [(load, []) for load in loads]
    for _ in range(runs):
        for load, growths in pairs:
            growths.append(spawn(load.plan))
    costs = {load.orders: _ns_per_record(growths) for load, growths in pairs}
    for load, growths in pairs:
        figures = _figures(growths)
        if LIVE_ORDERS_BASE in costs and load.orders > LIVE_ORDERS_BASE:
            figures["times_4k"] = round(costs[load.orders] / costs[LIVE_ORDERS_BASE], 2)
        yield _row("growth, live orders", load.name, growths, figures, "no strategy; one book")
        Path(load.plan.path).unlink()


def _crowd(
    folder: Path, books: int, orders: int, records: int, seed: int, activity: Activity
) -> _Load:
    """A crowd on disk: what fills its books and settles them is not timed."""
    crowd = Crowd(books, orders, seed=seed, activity=activity)
    path = folder / f"crowd-{books}-{orders}-{activity}.dbn"
    settle = max(orders // 2, SETTLE_RECORDS_MIN)
    written = crowd.write(path, settle + records)
    plan = GrowthPlan(str(path), written, crowd.opening_records + settle)
    return _Load(f"{orders:,} live orders", plan, orders)


# --- a run at rest --------------------------------------------------------------------------------


def idle_row(folder: Path, seed: int) -> Row:
    """A real ``tapewire run`` that waits: one record came, the next one is an hour away."""
    path = folder / "idle.dbn"
    crowd = Crowd(1, 1_000, seed=seed)
    first, last = np.concatenate([chunk.copy() for chunk in crowd.opening()])[:2]
    last["ts_event"] += np.uint64(_HOUR_NS)
    last["ts_recv"] += np.uint64(_HOUR_NS)
    path.write_bytes(crowd.metadata() + first.tobytes() + last.tobytes())
    with _waiting_run(path) as (pid, ready_s):
        figures = {
            "rss_mb": round(status_bytes(pid, "VmRSS") / _MB, 1),
            "peak_mb": round(status_bytes(pid, "VmHWM") / _MB, 1),
        }
    path.unlink()
    return row_of("growth, idle", "tapewire run, waiting for data", 0, [ready_s],
                  "market maker; the run process, everything loaded", figures)  # fmt: skip


@contextlib.contextmanager
def _waiting_run(path: Path) -> Iterator[tuple[int, float]]:
    """Start a run at the pace of the records; yields its pid and the seconds until it waits."""
    with tempfile.TemporaryDirectory(prefix="tapewire-bench-") as folder:
        output = Path(folder) / "run"
        command = [*module_command("tapewire"), "run", str(path), "-o", str(output), "--quiet"]
        began_s = time.monotonic()
        process = subprocess.Popen(
            [*command, "-s", _STRATEGY, "--speed", "realtime"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            _wait_until_still(process, output, began_s + _IDLE_S_MAX)
            yield process.pid, time.monotonic() - began_s - _STILL_S
        finally:
            process.send_signal(signal.SIGINT)  # ends its replay, too
            try:
                process.wait(_IDLE_S_MAX)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _wait_until_still(process: "subprocess.Popen[bytes]", output: Path, deadline_s: float) -> None:
    """Return when the run has its folder and has used no processor time for a while."""
    used = still_since_s = 0.0
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise SimulationError(f"a run that was to wait ended with code {process.returncode}")
        fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        now = float(fields[11]) + float(fields[12])  # utime, stime
        if now != used or not output.exists():
            used, still_since_s = now, time.monotonic()
        elif time.monotonic() - still_since_s > _STILL_S:
            return
        time.sleep(_POLL_S)
    raise SimulationError(f"expected a run to wait for data within {_IDLE_S_MAX:g} s")


# --- rows -----------------------------------------------------------------------------------------


def spawn(plan: GrowthPlan) -> Growth:
    """Run a plan in a process of its own.

    Raises
    ------
    SimulationError
        If it fails.
    """
    command = [*module_command("tapewire.bench._growth_worker"), plan.to_json()]
    said: dict[str, Any] = json.loads(run_child(command).splitlines()[-1])
    return Growth(**said)


def _ns_per_record(found: Sequence[Growth]) -> float:
    return statistics.median(growth.seconds / growth.records * 1e9 for growth in found)


def _figures(found: Sequence[Growth]) -> dict[str, float]:
    return {
        "ns_per_record": round(_ns_per_record(found), 1),
        "rss_mb": round(max(growth.rss_bytes for growth in found) / _MB, 1),
        "peak_mb": round(max(growth.peak_bytes for growth in found) / _MB, 1),
    }


def _row(
    group: str, name: str, found: Sequence[Growth], figures: dict[str, float], note: str
) -> Row:
    seconds = [growth.seconds for growth in found]
    return row_of(group, name, found[0].records, seconds, note, figures)
