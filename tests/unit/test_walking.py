"""Walk-forward by hand: windows, what they choose, what it made, nothing of the future."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.errors import ConfigError
from tapewire.studies.walking import SCORES, Windows, walk

#: Six blocks; trial 1 is good first, trial 2 then, trial 3 never.
RETURNS = np.array(
    [[5.0, 1.0, 0.0], [4.0, 2.0, 0.0], [1.0, 6.0, 0.0], [-3.0, 5.0, 0.0], [-2.0, 4.0, 1.0],
     [9.0, -1.0, 2.0]]
)  # fmt: skip
STARTS = [10, 20, 30, 40, 50, 60]


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        (Windows(2, 1), [([0, 1], [2]), ([1, 2], [3]), ([2, 3], [4]), ([3, 4], [5])]),
        (Windows(2, 2), [([0, 1], [2, 3]), ([2, 3], [4, 5])]),
        (Windows(2, 2, anchored=True), [([0, 1], [2, 3]), ([0, 1, 2, 3], [4, 5])]),
        (Windows(2, 1, purge=1), [([0, 1], [3]), ([1, 2], [4]), ([2, 3], [5])]),
        (Windows(2, 1, anchored=True, embargo=1),
         [([0, 1], [2]), ([0, 1, 2], [3]), ([0, 1, 2], [4]), ([0, 1, 2], [5])]),
    ],
)  # fmt: skip
def test_windows(windows: Windows, expected: object) -> None:
    assert windows.of(6) == expected


def test_a_walk_by_hand() -> None:
    found = walk(RETURNS, STARTS, [1, 2, 3], Windows(2, 2), "net_pnl")
    first, second = found.steps
    # 9 of trial 1 beat 3 and 0; then it made 1 - 3, behind 11 and 0.
    assert (first.trial, first.in_sample, first.out_of_sample, first.rank) == (1, 9.0, -2.0, 3)
    # 11 of trial 2; then 4 - 1, behind 7 and before, as trial 3 made as much, nobody else.
    assert (second.trial, second.in_sample, second.out_of_sample, second.rank) == (2, 11.0, 3.0, 2)
    assert (first.train_from, first.train_to, first.test_from, first.test_to) == (10, 20, 30, 40)
    assert found.returns == (1.0, -3.0, 4.0, -1.0)
    assert found.blocks == (30, 40, 50, 60)
    assert found.efficiency == pytest.approx((1 / 4) / (20 / 4))
    assert found.changes == 1


def test_it_may_go_by_other_scores_and_by_constraints() -> None:
    by = {name: walk(RETURNS, STARTS, [1, 2, 3], Windows(3, 3), name) for name in SCORES}
    assert by["net_pnl"].steps[0].trial == 1
    # Means over deviations: 3.33 / 2.08 beats 3 / 2.65.
    assert by["sharpe"].steps[0].trial == 1
    # Nobody lost: of equals the first.
    assert by["max_drawdown"].steps[0].trial == 1
    only = walk(RETURNS, STARTS, [1, 2, 3], Windows(3, 3), "net_pnl", {2: True, 3: True})
    assert only.steps[0].trial == 2
    with pytest.raises(ConfigError, match="found none that keeps all"):
        walk(RETURNS, STARTS, [1, 2, 3], Windows(3, 3), "net_pnl", {})
    with pytest.raises(ConfigError, match="at least 2 blocks with --by sharpe, found 1"):
        walk(RETURNS, STARTS, [1, 2, 3], Windows(1, 1), "sharpe")
    with pytest.raises(ConfigError, match="expected one of net_pnl, sharpe"):
        walk(RETURNS, STARTS, [1, 2, 3], Windows(3, 3), "luck")


@pytest.mark.parametrize(
    ("given", "said"),
    [({"train": 0, "test": 1}, "--train"), ({"train": 1, "test": 0}, "--test"),
     ({"train": 1, "test": 1, "purge": -1}, "--purge")],
)  # fmt: skip
def test_windows_that_are_none(given: dict[str, int], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Windows(**given)


def test_too_few_blocks_are_told() -> None:
    with pytest.raises(ConfigError, match=r"expected at least 9 blocks .* found 6"):
        Windows(5, 2, purge=2).of(6)


@given(
    st.integers(1, 6), st.integers(1, 4), st.booleans(), st.integers(0, 2), st.integers(0, 3),
    st.integers(0, 10**6), st.sampled_from(SCORES),
)  # fmt: skip
@settings(max_examples=60)
def test_no_window_knows_of_what_comes(
    train: int, test: int, anchored: bool, purge: int, embargo: int, seed: int, by: str
) -> None:
    train += by == "sharpe"
    embargo *= by != "sharpe"  # it may leave a window too few blocks for a deviation
    windows = Windows(train, test, anchored, purge, embargo)
    random = np.random.Generator(np.random.PCG64(seed))
    returns = random.normal(0, 1, (20, 4))
    starts, numbers = list(range(20)), [1, 2, 3, 4]
    steps = walk(returns, starts, numbers, windows, by).steps
    for k, (train_at, test_at) in enumerate(windows.of(20)):
        assert max(train_at) + purge < min(test_at)
        changed = returns.copy()
        changed[min(test_at) :] = random.normal(0, 9, changed[min(test_at) :].shape)
        again = walk(changed, starts, numbers, windows, by).steps[k]
        assert (again.trial, again.score) == (steps[k].trial, steps[k].score)
