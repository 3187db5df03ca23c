"""How much of what is best is luck: published examples, and markets of pure noise."""

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.analytics import snooping
from tapewire.analytics.metrics.returns import probability_of_sharpe


def noise(blocks: int, trials: int, seed: int = 1) -> snooping.Returns:
    return np.random.Generator(np.random.PCG64(seed)).normal(0.0, 1.0, (blocks, trials))


def test_the_published_example_of_the_deflated_sharpe_ratio() -> None:
    # Bailey, Lopez de Prado (2014), "A numerical example": the best of 100 trials has 2.5 a year
    # over five years of 250 days, with skewness -3 and kurtosis 10; ratios vary by 1/2.
    luck = snooping.expected_best(0.5 / 250, 100)
    assert luck == pytest.approx(0.1132, abs=5e-5)
    found = probability_of_sharpe(2.5 / math.sqrt(250), 1250, -3.0, 10.0, luck)
    assert found == pytest.approx(0.9004, abs=5e-5)
    # With 46 trials it is 0.9505 there; with normal results, of 88.
    few = snooping.expected_best(0.5 / 250, 46)
    assert probability_of_sharpe(2.5 / math.sqrt(250), 1250, -3.0, 10.0, few) == pytest.approx(
        0.9505, abs=5e-5
    )
    many = snooping.expected_best(0.5 / 250, 88)
    assert probability_of_sharpe(2.5 / math.sqrt(250), 1250, 0.0, 3.0, many) == pytest.approx(
        0.9505, abs=5e-5
    )


def test_the_expected_best_of_normal_numbers_is_what_draws_have() -> None:
    drawn = noise(4_000, 50).max(axis=1).mean()
    assert snooping.expected_best(1.0, 50) == pytest.approx(drawn, rel=0.02)
    assert snooping.expected_best(1.0, 1) == 0.0


def test_sharpe_by_hand() -> None:
    returns = np.array([[1.0, 2.0], [3.0, 2.0], [2.0, 2.0]])
    assert snooping.sharpe(returns)[0] == pytest.approx(
        statistics.mean([1, 3, 2]) / statistics.stdev([1, 3, 2])
    )
    assert math.isnan(snooping.sharpe(returns)[1])


def test_noise_deflates_and_a_real_edge_does_not() -> None:
    returns = noise(500, 100)
    best = int(np.argmax(snooping.sharpe(returns)))
    lucky = snooping.deflated_sharpe(returns, best)
    assert lucky is not None
    assert lucky < 0.9
    returns[:, 7] += 0.4
    true = snooping.deflated_sharpe(returns, 7)
    assert true is not None
    assert true > 0.99


def test_too_little_is_not_judged() -> None:
    assert snooping.deflated_sharpe(noise(7, 3), 0) is None
    assert snooping.reality_check(noise(7, 3), seed=1) is None
    assert snooping.overfitting(noise(7, 3)) is None
    assert snooping.overfitting(noise(100, 1)) is None
    assert snooping.deflated_sharpe(np.ones((20, 2)), 0) is None


def test_the_reality_check_rejects_an_edge_and_keeps_noise_at_its_rate() -> None:
    edge = noise(300, 20)
    edge[:, 3] += 0.3
    found = snooping.reality_check(edge, seed=1, draws=500)
    assert found is not None
    assert found < 0.02
    # Of noise, values are spread evenly: about a tenth of markets are below a tenth.
    values = [snooping.reality_check(noise(120, 10, s), seed=s, draws=200) for s in range(60)]
    low = sum(v is not None and v < 0.1 for v in values)
    assert 1 <= low <= 14  # binomial(60, 0.1): outside of it once in 2,000 times


def test_a_reality_check_by_hand() -> None:
    # One draw per possible order of eight blocks is too many; a market that never changes has one.
    returns = np.tile([[1.0, 0.5]], (8, 1))
    assert snooping.reality_check(returns, seed=3, draws=50) == 0.0
    assert snooping.reality_check(np.zeros((8, 2)), seed=3, draws=50) == 1.0


def slow_overfitting(returns: snooping.Returns, parts: int) -> tuple[float, float]:
    """The definition, step by step."""
    blocks, trials = returns.shape
    size = blocks // parts
    rows = [range(k * size, (k + 1) * size) for k in range(parts)]
    below = losing = count = 0
    for half in itertools.combinations(range(parts), parts // 2):
        inside = [r for k in half for r in rows[k]]
        outside = [r for k in range(parts) if k not in half for r in rows[k]]

        def ratio(trial: int, at: list[int]) -> float:
            values = [float(returns[r, trial]) for r in at]
            return statistics.mean(values) / statistics.stdev(values)

        best = max(range(trials), key=lambda t: ratio(t, inside))
        mine = ratio(best, outside)
        rank = 1 + sum(ratio(t, outside) < mine for t in range(trials))
        below += rank / (trials + 1) <= 0.5
        losing += sum(float(returns[r, best]) for r in outside) < 0
        count += 1
    return below / count, losing / count


@given(seed=st.integers(0, 10_000), trials=st.integers(2, 5), blocks=st.integers(8, 21))
@settings(max_examples=25)
def test_overfitting_is_its_definition(seed: int, trials: int, blocks: int) -> None:
    returns = noise(blocks, trials, seed)
    found = snooping.overfitting(returns, parts=6)
    assert found is not None
    parts = min(6, blocks // 2 // 2 * 2)
    assert (found.probability, found.loss_probability) == slow_overfitting(returns, parts)
    assert found.halves == math.comb(parts, parts // 2)


def test_overfitting_of_one_that_is_always_best_is_none_and_of_noise_half() -> None:
    returns = noise(160, 8)
    found = snooping.overfitting(returns, parts=8)
    assert found is not None
    assert 0.2 < found.probability < 0.85
    returns[:, 2] += 3.0
    sure = snooping.overfitting(returns, parts=8)
    assert sure is not None
    assert sure.probability == sure.loss_probability == 0.0


@given(blocks=st.integers(1, 60), seed=st.integers(0, 1000))
@settings(max_examples=50)
def test_stretches_are_as_many_and_follow_one_another(blocks: int, seed: int) -> None:
    found = snooping.stretches(blocks, np.random.Generator(np.random.PCG64(seed)))
    assert found.shape == (blocks,)
    assert ((found >= 0) & (found < blocks)).all()
    if blocks >= 30:
        follows = (found[1:] == (found[:-1] + 1) % blocks).mean()
        assert follows > 0.3
