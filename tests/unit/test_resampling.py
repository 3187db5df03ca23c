"""Series drawn again: by hand, against slow twins, against what is known of distributions."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.analytics.resampling import (
    BLOCK_FIGURES,
    TRADE_FIGURES,
    block_length,
    drawdown,
    draws,
    losses_in_a_row,
    path_places,
    places,
    profit_factor,
    resampled,
)
from tapewire.studies.bands import band_of

TRADES = np.array([5.0, -2.0, -1.0, 4.0, -3.0, -3.0, -1.0, 6.0])


class Told:
    """Stands for a generator: gives what it is told, in order."""

    def __init__(self, *given: object) -> None:
        self.given = list(given)

    def random(self, n: int) -> np.ndarray:
        found = np.array(self.given.pop(0), float)
        assert len(found) == n
        return found

    def integers(self, low: int, high: int, n: int) -> np.ndarray:
        found = np.array(self.given.pop(0), np.int64)
        assert len(found) == n
        assert ((found >= low) & (found < high)).all()
        return found


def test_stationary_blocks_by_hand() -> None:
    # A mean length of 4: a block begins where the draw is below a quarter, and first of all.
    told = Told([0.9, 0.3, 0.1, 0.5, 0.24, 0.26], [4, 5, 1])
    # Two from 4; two from 5, behind which the first follows; two from 1.
    assert places(6, "stationary", 4.0, told).tolist() == [4, 5, 5, 0, 1, 2]  # type: ignore[arg-type]


def test_circular_blocks_by_hand() -> None:
    told = Told([5, 0, 3])
    # Of 3, the last cut off: 5 and round the end, then from 0, then from 3.
    assert places(7, "circular", 3.2, told).tolist() == [5, 6, 0, 0, 1, 2, 3]  # type: ignore[arg-type]


def test_figures_by_hand() -> None:
    figures = {name: figure(TRADES) for name, figure in TRADE_FIGURES.items()}
    assert figures == {
        "net_pnl": 5.0,  # 15 - 10
        "max_drawdown": 7.0,  # from 6 after four trades to -1 after seven
        "avg_trade_pnl": 0.625,
        "win_rate": 0.375,
        "profit_factor": 1.5,
        "largest_loss": 3.0,
        "max_consecutive_losses": 3.0,
    }
    assert drawdown(np.array([-4.0, 1.0])) == 4.0  # the high begins at 0
    assert drawdown(np.array([1.0, 2.0])) == 0.0
    assert losses_in_a_row(np.array([1.0, 0.0])) == 0.0
    assert math.isnan(profit_factor(np.array([1.0])))
    blocks = {name: figure(TRADES) for name, figure in BLOCK_FIGURES.items()}
    assert blocks["sharpe_by_block"] == pytest.approx(0.625 / np.std(TRADES, ddof=1))
    assert (blocks["winning_blocks"], blocks["worst_block"]) == (0.375, -3.0)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=40))
def test_figures_are_those_of_a_slow_twin(given_values: list[int]) -> None:
    values = np.array(given_values, float)
    total = high = fall = 0.0
    run = longest = 0
    for value in given_values:
        total += value
        high = max(high, total)
        fall = max(fall, high - total)
        run = run + 1 if value < 0 else 0
        longest = max(longest, run)
    assert drawdown(values) == fall
    assert losses_in_a_row(values) == longest


@given(st.integers(1, 60), st.floats(1, 80), st.integers(0, 10**6),
       st.sampled_from(["stationary", "circular", "shuffle"]))  # fmt: skip
@settings(max_examples=80)
def test_places_are_blocks_of_neighbours(n: int, length: float, seed: int, scheme: str) -> None:
    generator = np.random.Generator(np.random.PCG64(seed))
    found = places(n, scheme, length, generator)  # type: ignore[arg-type]
    assert found.shape == (n,)
    assert found.min() >= 0
    assert found.max() < n
    if scheme == "shuffle":
        assert sorted(found) == list(range(n))
    if scheme == "circular":
        size = min(max(1, round(length)), n)
        for begin in range(0, n, size):
            part = found[begin : begin + size]
            assert ((part - part[0]) % n == np.arange(len(part))).all()


def test_stationary_blocks_are_as_long_as_they_should_be_on_average() -> None:
    # The slow twin of Politis and Romano: go on to the neighbour, or begin anew with chance 1 / m.
    n, m, count = 50, 4.0, 2_000
    mine = list(draws(np.arange(n, dtype=float), "stationary", m, count, 7, 1))
    follows = np.mean([np.mean((np.diff(one) % n) == 1) for one in mine])
    twin = random.Random(3)
    steps = []
    for _ in range(count):
        place = twin.randrange(n)
        for _ in range(n - 1):
            last, place = place, (place + 1) % n if twin.random() >= 1 / m else twin.randrange(n)
            steps.append((place - last) % n == 1)
    expected = 1 - 1 / m + 1 / m / n
    assert follows == pytest.approx(expected, abs=0.006)
    assert np.mean(steps) == pytest.approx(expected, abs=0.006)
    # Every place comes as often, and the first is no other.
    counts = np.bincount(np.concatenate(mine).astype(int), minlength=n) / count
    assert counts == pytest.approx(np.ones(n), abs=0.15)


def walk(seed: int, phi: float, n: int) -> np.ndarray:
    shocks = np.random.Generator(np.random.PCG64(seed)).normal(size=n)
    found = np.zeros(n)
    for k in range(n):
        found[k] = shocks[k] + (phi * found[k - 1] if k else 0.0)
    return found


@pytest.mark.parametrize(
    ("seed", "phi", "n", "stationary", "circular"),
    [(1, 0.0, 200, 7.580252716992034, 8.677223247294371),
     (2, 0.6, 300, 5.4566357176794815, 6.246288622452925),
     (3, -0.4, 150, 9.796386173044887, 11.214062777837011),
     (4, 0.9, 1000, 39.992142614629735, 45.779575241190706)],
)  # fmt: skip
def test_block_lengths_are_those_of_another_program(
    seed: int, phi: float, n: int, stationary: float, circular: float
) -> None:
    # arch 8.0.0, optimal_block_length.
    values = walk(seed, phi, n)
    assert block_length(values, "stationary") == pytest.approx(stationary, rel=1e-12)
    assert block_length(values, "circular") == pytest.approx(circular, rel=1e-12)


def test_a_block_is_as_long_as_a_process_that_is_known_asks_for() -> None:
    # Of x[k] = phi x[k-1] + e: G over the long-run variance is 2 phi / (1 - phi^2).
    phi, n = 0.6, 20_000
    expected = (2 * phi / (1 - phi**2)) ** (2 / 3) * n ** (1 / 3)
    assert block_length(walk(5, phi, n), "stationary") == pytest.approx(expected, rel=0.2)
    assert block_length(np.ones(30), "stationary") == 1.0
    assert block_length(np.array([1.0]), "circular") == 1.0


def test_draws_know_of_their_number_alone() -> None:
    few = list(draws(TRADES, "stationary", 2.0, 5, 9, 1))
    many = list(draws(TRADES, "stationary", 2.0, 50, 9, 1))
    assert all((a == b).all() for a, b in zip(few, many, strict=False))
    other = list(draws(TRADES, "stationary", 2.0, 5, 9, 2))
    assert any((a != b).any() for a, b in zip(few, other, strict=True))


def test_resampled_figures_and_paths_are_of_the_same_draws() -> None:
    told, paths = resampled(TRADES, TRADE_FIGURES, "circular", 2.0, 40, 3, 1)
    for k, drawn in enumerate(draws(TRADES, "circular", 2.0, 40, 3, 1)):
        assert told["net_pnl"][k] == sum(drawn.tolist())
        assert told["max_drawdown"][k] == drawdown(drawn)
        assert paths[k].tolist() == [0.0, *np.cumsum(drawn).tolist()]
    told, paths = resampled(TRADES, {"max_drawdown": drawdown}, "shuffle", 1.0, 40, 3, 1)
    assert set(paths[:, -1]) == {5.0}  # any order ends where they all do
    assert len(set(told["max_drawdown"])) > 2
    assert path_places(10_000)[[0, -1]].tolist() == [0, 10_000]


def test_all_orders_of_a_tiny_series_come_as_often() -> None:
    # 2 first: from 2 to 0. 2 last: from 0 to -2. 2 between: from 0 to -1, then from 1 to 0.
    told, _ = resampled(np.array([2.0, -1.0, -1.0]), {"dd": drawdown}, "shuffle", 1.0, 3_000, 1, 1)
    assert sorted(set(told["dd"])) == [1.0, 2.0]
    assert np.mean(told["dd"] == 1.0) == pytest.approx(1 / 3, abs=0.03)


def test_a_band_by_hand() -> None:
    band = band_of("trades", "net_pnl", [3.0, None, -1.0, 1.0, math.nan, 5.0, -3.0, math.inf], 1.0)
    assert (band.count, band.mean, band.q50, band.q25, band.q75) == (5, 1.0, 1.0, -1.0, 3.0)
    assert (band.q05, band.q95) == (pytest.approx(-2.6), pytest.approx(4.6))
    assert band.sd == pytest.approx(math.sqrt(10))
    # Two are below, one is equal: between 2 and 3 of 5.
    assert (band.percentile, band.below_zero, band.own) == (0.5, 0.4, 1.0)
    empty = band_of("trades", "net_pnl", [None], 1.0)
    assert (empty.count, empty.mean, empty.percentile, empty.own) == (0, None, None, 1.0)
    assert band_of("trades", "net_pnl", [1.0, 2.0], None).percentile is None


def test_a_band_covers_what_it_should_on_normal_values() -> None:
    # 90 % bands of the sum of 60 independent normal values hold the true sum about as often.
    held, studies, n = 0, 120, 60
    for k in range(studies):
        values = np.random.Generator(np.random.PCG64([11, k])).normal(0.3, 1.0, n)
        told, _ = resampled(values, {"net_pnl": lambda v: float(v.sum())}, "stationary", 1.0, 120,
                            k, 1)  # fmt: skip
        band = band_of("trades", "net_pnl", told["net_pnl"].tolist(), None)
        assert band.q05 is not None
        assert band.q95 is not None
        held += band.q05 <= 0.3 * n <= band.q95
        assert band.sd == pytest.approx(values.std() * math.sqrt(n), rel=0.25)
    assert 0.80 <= held / studies <= 0.96
