"""Pacing with a fake clock: nothing leaves early, nothing that is due waits."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import streams
from tapewire.market.records import F_SNAPSHOT
from tapewire.replay.pace import Pacer

T0 = streams.START_NS


class FakeClock:
    now_ns = 1_000

    def __call__(self) -> int:
        return self.now_ns


def run(ts: list[int], speed: float, snapshots: int = 0) -> list[int]:
    """When (ns of the fake clock since its start) each record left."""
    clock = FakeClock()
    pacer = Pacer(speed, clock)
    records = streams.make_records(len(ts), ts_recv=ts)
    records["flags"][:snapshots] |= F_SNAPSHOT
    clocks = np.array(ts, np.int64)
    left: list[int] = []
    while len(left) < len(ts):
        at = len(left)
        due = pacer.due(records[at:], clocks[at:])
        left += [clock.now_ns - 1_000] * due
        if not due:
            wait_s = pacer.wait_s(ts[at])
            assert wait_s > 0
            clock.now_ns += max(1, round(wait_s * 1e9))
    return left


def test_realtime_leaves_as_recorded() -> None:
    assert run([T0, T0 + 5, T0 + 5, T0 + 1_000], 1.0) == [0, 5, 5, 1_000]


def test_accelerated_leaves_x_times_as_fast() -> None:
    assert run([T0, T0 + 1_000, T0 + 4_000], 4.0) == [0, 250, 1_000]


def test_slower_than_recorded() -> None:
    assert run([T0, T0 + 1_000], 0.5) == [0, 2_000]


def test_a_snapshot_is_due_at_once_however_old() -> None:
    hours = 22 * 3_600 * 10**9
    assert run([T0, T0, T0 + hours, T0 + hours + 7], 1.0, snapshots=2) == [0, 0, 0, 7]


@given(st.lists(st.integers(0, 10**12), min_size=1), st.floats(1e-3, 1e6))
def test_no_record_leaves_early(offsets: list[int], speed: float) -> None:
    ts = [T0 + o for o in sorted(offsets)]
    for t, left in zip(ts, run(ts, speed), strict=True):
        due = (t - ts[0]) / speed
        assert due - 1 <= left <= due + 2 + due * 1e-9
