"""What processes of one server know together."""

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.children import Child
from tapewire.errors import ConfigError
from tapewire.services.auth import RateLimiter, SharedState

#: Takes tokens of one bucket as fast as it can; says how many it got.
TAKES = (
    "import sys, time; from tapewire.services.auth.shared import SharedState\n"
    "taking = SharedState(int(sys.argv[1])).limiter(0, 1e-6, 500, time.monotonic)\n"
    "print(sum(not taking.wait_s('ada') for _ in range(400)))"
)


@given(
    st.lists(
        st.tuples(st.floats(0, 3), st.sampled_from("abc"), st.booleans()), min_size=1, max_size=60
    ),
    st.integers(1, 5),
)
def test_shared_buckets_beside_those_of_one_process(
    steps: list[tuple[float, str, bool]], burst: int
) -> None:
    now_s = 100.0
    state = SharedState.new()
    try:
        plain = RateLimiter(2.0, burst, lambda: now_s)
        halves = [state.limiter(1, 2.0, burst, lambda: now_s) for _ in range(2)]
        for number, (wait_s, key, gives) in enumerate(steps):
            now_s += wait_s
            one = halves[number % 2]  # as two processes that take turns
            assert one.wait_s(key) == pytest.approx(plain.wait_s(key), abs=1e-9)
            if gives:
                one.give_back(key)
                plain.give_back(key)
    finally:
        state.close()


def test_processes_take_no_token_twice() -> None:
    import sys

    state = SharedState.new()
    children = [
        Child(
            [sys.executable, "-c", TAKES, str(state.number)], has_stdout=True,
            passes=(state.number,),
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        got = [int(child.stdout.read()) for child in children]
    finally:
        for child in children:
            child.end(10)
        state.close()
    assert sum(got) == 500
    assert max(got) <= 400


def test_threads_of_one_process_see_what_others_advanced() -> None:
    state = SharedState.new()
    other = SharedState(os.dup(state.number))
    seen = other.epoch
    thread = threading.Thread(target=state.advance)
    thread.start()
    thread.join()
    assert other.epoch == seen + 1
    other.close()
    state.close()


def test_a_full_set_forgets_who_came_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapewire.services.auth.shared._SETS", 1)
    now_s = 0.0
    state = SharedState.new()
    limiter = state.limiter(3, 1e-9, 1, lambda: now_s)
    for number in range(8):
        now_s += 1
        assert limiter.wait_s(f"k{number}") == 0
    assert limiter.wait_s("k7") > 0
    now_s += 1
    assert limiter.wait_s("new") == 0  # in the place of k0
    assert limiter.wait_s("k1") > 0
    now_s += 1
    assert limiter.wait_s("k0") == 0
    state.close()


def test_tables_do_not_touch_one_another() -> None:
    state = SharedState.new()
    ones = [state.limiter(table, 1e-9, 1, lambda: 1.0) for table in range(4)]
    assert [one.wait_s("ada") for one in ones] == [0] * 4
    assert all(one.wait_s("ada") > 0 for one in ones)
    with pytest.raises(ValueError, match="expected a rate"):
        state.limiter(4, 1.0, 1, lambda: 1.0)
    state.close()


def test_another_file_is_refused() -> None:
    number = os.memfd_create("other")
    try:
        with pytest.raises(ConfigError, match="shared memory: expected"):
            SharedState(number)
    finally:
        os.close(number)
