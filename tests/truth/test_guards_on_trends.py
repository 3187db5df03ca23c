"""Verdicts on bars with an effect that is there: what lives off it is let through, and is told."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from market_noise import hours_with_trends
from tapewire.candles import BacktestConfig, Candles
from tapewire.candles.rules import DeclaredStrategy
from tapewire.errors import ConfigError
from tapewire.generator import StrategyConstraints, draw_strategies
from tapewire.generator.canonical import strategy_hash
from tapewire.generator.guards import (
    GuardSettings,
    Holdout,
    HoldoutOpening,
    Judgement,
    Trials,
    Verdict,
    judge_all,
)
from tapewire.generator.guards.settings import HOLDOUT_CHECKS, SEARCH_CHECKS

HOURS = 1_800
COUNT = 60
CONFIG = BacktestConfig(commission_rate=0.00002)
SETTINGS = GuardSettings(judged=6, candidates=1, shuffles=39, order_draws=100, overfitting_parts=8)


@pytest.fixture(scope="module")
def trends() -> Candles:
    return hours_with_trends(HOURS, 1, drift=0.5)


@pytest.fixture(scope="module")
def strategies() -> Sequence[DeclaredStrategy]:
    bounds = StrategyConstraints(
        max_conditions=4, allowed_indicators=["close", "sma", "ema", "rsi", "roc", "macd"]
    )
    return list(draw_strategies(COUNT, seed=3, timeframes=("1h", "4h"), constraints=bounds))


@pytest.fixture(scope="module")
def opened() -> list[HoldoutOpening]:
    return []


@pytest.fixture(scope="module")
def holdout(trends: Candles) -> Holdout:
    return Holdout.of(trends)


@pytest.fixture(scope="module")
def found(
    strategies: Sequence[DeclaredStrategy], holdout: Holdout, opened: list[HoldoutOpening]
) -> Judgement:
    def on_open(opening: HoldoutOpening) -> int:
        opened.append(opening)
        return len(opened)

    return judge_all(
        strategies, holdout, SETTINGS, config=CONFIG, who="Ada", why="the last word",
        on_open=on_open,
    )  # fmt: skip


def test_what_lives_off_a_real_effect_passes_every_guard(found: Judgement) -> None:
    assert found.passed
    best = found.passed[0]
    assert [check.name for check in best.checks] == [*SEARCH_CHECKS, *HOLDOUT_CHECKS]
    assert best.sentence == "passed all 12 guards, at an error rate of 5% for the search"
    assert (best.trials, best.error_rate, best.holdout_openings) == (COUNT, 0.05, 1)
    assert best.holdout_sharpe is not None
    assert best.holdout_sharpe > 2.0
    # What does not is told what it failed, and what passed so far but was not among the best, too.
    poor = [one for one in found.verdicts if not one.passed]
    assert poor
    assert all(f"failed {len(_failed(one))} of" in one.sentence for one in poor)


def _failed(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.checks if not check.passed]


def test_at_most_the_candidates_come_to_the_holdout(found: Judgement) -> None:
    tested = [one for one in found.verdicts if one.checks[-1].name == HOLDOUT_CHECKS[-1]]
    assert len(tested) == SETTINGS.candidates
    left_out = [one for one in found.verdicts if one.checks[-1].name == "holdout"]
    assert left_out
    assert left_out[0].checks[-1].sentence == (
        "failed: not among the 1 best that were taken to the holdout"
    )
    # They are the best of those that passed all else.
    assert min(one.sharpe for one in tested) >= max(one.sharpe for one in left_out)


def test_the_holdout_was_opened_once_and_that_was_kept(
    found: Judgement, holdout: Holdout, opened: list[HoldoutOpening]
) -> None:
    assert found.verdicts
    assert [(one.who, one.why, one.forced) for one in opened] == [("Ada", "the last word", False)]
    assert opened[0].start_ns == holdout.start_ns


def test_a_judgement_is_json(found: Judgement) -> None:
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert len(told["verdicts"]) == SETTINGS.judged
    assert told["verdicts"][0]["checks"][0]["name"] == "trades"
    assert told["population"]["trials"]["count"] == COUNT


def test_a_second_opening_is_refused_or_told(
    found: Judgement, strategies: Sequence[DeclaredStrategy], holdout: Holdout
) -> None:
    assert found.passed
    with pytest.raises(ConfigError, match="opened 1 time"):
        judge_all(strategies, holdout, SETTINGS, config=CONFIG)
    forced = judge_all(strategies, holdout, SETTINGS, config=CONFIG, jobs=2, force=True)
    # The same figures, on two threads, but no rate that they hold.
    assert [one.checks for one in forced.verdicts] == [one.checks for one in found.verdicts]
    assert forced.passed[0].error_rate is None
    assert "the holdout had been opened before (1 times)" in forced.passed[0].sentence


def test_more_strategies_than_trials_are_refused(
    strategies: Sequence[DeclaredStrategy], trends: Candles
) -> None:
    with pytest.raises(ConfigError, match="at least the 60 strategies that are judged, found 59"):
        judge_all(strategies, Holdout.of(trends), SETTINGS, trials=Trials(COUNT - 1, 0.1))
    with pytest.raises(ConfigError, match="at least one to judge"):
        judge_all([], Holdout.of(trends), SETTINGS)


def test_overfitting_of_the_best_is_told_by_a_sample_of_all(
    found: Judgement, strategies: Sequence[DeclaredStrategy], trends: Candles
) -> None:
    named = {one.hash for one in found.verdicts}
    best = [one for one in strategies if strategy_hash(one) in named]
    settings = replace(SETTINGS, off=HOLDOUT_CHECKS)
    trials = found.population.trials
    told, alone = (
        judge_all(
            best, Holdout.of(trends), settings, config=CONFIG, trials=trials, sample=sample
        ).population.overfitting
        for sample in (strategies, ())
    )
    assert told == found.population.overfitting
    assert alone != told


def test_what_the_holdout_has_does_not_change_what_the_search_says(
    found: Judgement, strategies: Sequence[DeclaredStrategy], trends: Candles, holdout: Holdout
) -> None:
    other = hours_with_trends(HOURS, 2, drift=0.5)
    first = len(holdout.search)
    mixed = Candles(
        trends.ts_event,
        *(
            np.concatenate((getattr(trends, name)[:first], getattr(other, name)[first:]))
            for name in ("open", "high", "low", "close", "volume")
        ),
        trends.tick_size, trends.interval_ns, trends.symbol,
    )  # fmt: skip
    again = judge_all(strategies, Holdout.of(mixed), replace(SETTINGS, off=HOLDOUT_CHECKS),
                      config=CONFIG)  # fmt: skip
    for one, before in zip(again.verdicts, found.verdicts, strict=True):
        assert (one.hash, one.sharpe) == (before.hash, before.sharpe)
        assert one.checks == before.checks[: len(SEARCH_CHECKS)]
