"""Rows that wait come back as they went in, and take about the memory that they have."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.analytics.waiting import WaitingRows
from tapewire.execution.rows import FILL_DTYPE

RECORDS = np.zeros(0, FILL_DTYPE)
WORDS = np.zeros((0, 3), np.int64)


@given(
    steps=st.lists(st.one_of(st.none(), st.integers(0, 3), st.integers(200, 700)), max_size=300),
    none=st.sampled_from([RECORDS, WORDS]),
)
def test_what_went_in_comes_back_in_its_order(steps: list[int | None], none: np.ndarray) -> None:
    waiting, twin, number = WaitingRows(none), [none], 0
    for rows in [*steps, None]:
        if rows is None:
            taken = waiting.take()
            assert taken.dtype == none.dtype
            assert np.array_equal(taken, np.concatenate(twin))
            twin = [none]
        else:
            part = np.zeros((rows, *none.shape[1:]), none.dtype)
            part[part.dtype.names[0] if part.dtype.names else ...] = number
            waiting.add(part)
            twin.append(part)
            number += 1
        assert len(waiting) == sum(map(len, twin))


@pytest.mark.parametrize("none", [RECORDS, WORDS])
def test_small_parts_take_little_more_than_their_rows(none: np.ndarray) -> None:
    waiting = WaitingRows(none)
    part = np.zeros((1, *none.shape[1:]), none.dtype)
    tracemalloc.start()
    try:
        for _ in range(20_000):
            waiting.add(part.copy())
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 20_000 * part.nbytes * 1.3


def test_large_parts_are_not_copied_before_they_are_taken() -> None:
    waiting = WaitingRows(WORDS)
    parts = [np.full((1_000, 3), number) for number in range(100)]
    tracemalloc.start()
    try:
        for part in parts:
            waiting.add(part)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < parts[0].nbytes
    waiting.clear()
    assert not waiting
    assert waiting.take().shape == (0, 3)
