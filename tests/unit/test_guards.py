"""Guards: each by hand, or against an obvious twin."""

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from declared import SPECIFIED
from market_noise import hours_with_trends
from tapewire.analytics.metrics.returns import probability_of_sharpe
from tapewire.analytics.snooping import Overfitting, deflated_sharpe, deflated_sharpe_of
from tapewire.candles import BacktestConfig, Candles
from tapewire.candles.data import PRICES
from tapewire.candles.declared import DeclaredBars, DeclaredStrategies, run_declared
from tapewire.candles.engine import VectorEngine
from tapewire.candles.optimizer import optimize
from tapewire.candles.rules import evaluate, strategy_of, strategy_of_json
from tapewire.candles.sessions import SessionClock
from tapewire.errors import ConfigError, InputError, NoDataError
from tapewire.generator.evaluating import EvaluatedStrategies
from tapewire.generator.footprints import Evaluated
from tapewire.generator.guards import (
    FoldFitness,
    GuardSettings,
    Holdout,
    Trials,
    judge_all,
    verdicts,
)
from tapewire.generator.guards.checks import (
    GuardCheck,
    HoldoutEvidence,
    holdout_checks,
    search_checks,
)
from tapewire.generator.guards.evidence import SearchEvidence, SearchPopulation
from tapewire.generator.guards.holdout import HoldoutOpening
from tapewire.generator.guards.settings import HOLDOUT_CHECKS, SEARCH_CHECKS
from tapewire.generator.guards.shuffling import reordered_bars, shuffled_bars
from tapewire.generator.guards.trade_order import fall_and_least, order_spread
from tapewire.generator.guards.trading import session_results, stressed, trade_from

YEAR = math.sqrt(252)


@pytest.fixture(scope="module")
def hours() -> Candles:
    return hours_with_trends(480, 5)


def test_the_last_sessions_are_kept_whole_and_the_search_has_nothing_of_them(
    hours: Candles,
) -> None:
    holdout = Holdout.of(hours, 0.21)
    # Twenty sessions of 24 hours: 4.2 of them, rounded up.
    assert (holdout.sessions, holdout.bars, len(holdout.search)) == (5, 120, 360)
    assert holdout.start_ns == hours.ts_event[360]
    assert "closed" in repr(holdout)
    for name in ("ts_event", "open", "high", "low", "close", "volume"):
        mine, all_of_them = getattr(holdout.search, name), getattr(hours, name)
        assert (mine == all_of_them[:360]).all()
        assert mine.base is None
        assert not np.shares_memory(mine, all_of_them)


def test_sessions_are_those_of_the_clock(hours: Candles) -> None:
    holdout = Holdout.of(hours, 0.1, SessionClock("America/Chicago", "17:00"))
    # In March 2024, after the 10th, 17:00 in Chicago is 22:00 UTC.
    assert holdout.start_ns // (3_600 * 10**9) % 24 == 22


def test_a_holdout_is_opened_once_by_name_and_that_is_kept_first(hours: Candles) -> None:
    kept: list[HoldoutOpening] = []
    holdout = Holdout.of(hours)

    def on_open(opening: HoldoutOpening) -> int:
        assert holdout.openings == len(kept)
        kept.append(opening)
        return len(kept)

    opened = holdout.open("Ada", "the last word", on_open)
    assert opened.candles is hours
    assert (opened.start_ns, opened.openings) == (holdout.start_ns, 1)
    assert kept == [
        HoldoutOpening(
            "Ada", "the last word", False, holdout.start_ns, int(hours.ts_close[-1]), 5, 120
        )
    ]
    with pytest.raises(ConfigError, match=r"opened 1 time; .* Take later data"):
        holdout.open("Ada", "again", on_open)
    assert len(kept) == 1
    again = holdout.open("Ada", "again", on_open, force=True)
    assert (again.openings, kept[1].forced) == (2, True)


def test_an_opening_that_others_keep_account_of_counts(hours: Candles) -> None:
    with pytest.raises(ConfigError, match="opened 2 times"):
        Holdout.of(hours, openings=2).open("Ada", "why not")
    # Somebody else has opened it meanwhile.
    holdout = Holdout.of(hours)
    with pytest.raises(ConfigError, match="opened 1 time"):
        holdout.open("Ada", "why not", lambda _: 2)
    assert holdout.openings == 2


@pytest.mark.parametrize("share", [0.0, 1.0, math.nan])
def test_a_share_out_of_its_range_is_refused(hours: Candles, share: float) -> None:
    with pytest.raises(ConfigError, match="expected a share above 0 and below 1"):
        Holdout.of(hours, share)


def test_what_a_holdout_needs_is_said(hours: Candles) -> None:
    with pytest.raises(ConfigError, match="at least 2 sessions, found 1"):
        Holdout.of(hours.part(0, 20))
    for who, why in (("", "x"), ("x", " ")):
        with pytest.raises(ConfigError, match=r"holdout: expected (who|why) opens it"):
            Holdout.of(hours).open(who, why)


def test_folds_by_hand() -> None:
    results = np.array([[1.0, 3, 2, 2, -1, -3], [0, 0, 0, 0, 0, 0]])
    folds = FoldFitness(3)
    # Means 2, 2, -2; deviations root 2, none, root 2.
    expected = [[math.sqrt(2) * YEAR, 0.0, -math.sqrt(2) * YEAR], [0.0, 0.0, 0.0]]
    assert folds.ratios(results) == pytest.approx(np.array(expected))
    assert folds.of(results) == pytest.approx([0.0, 0.0])
    assert FoldFitness(3, "worst").of(results) == pytest.approx([-math.sqrt(2) * YEAR, 0.0])
    # Of seven sessions the folds have two, two and three.
    longer = np.array([[1.0, 3, 1, 3, 4, 5, 9]])
    assert folds.ratios(longer)[0, 2] == pytest.approx(6 / math.sqrt(7) * YEAR)
    assert np.isnan(FoldFitness(5).ratios(results)).any()


def test_a_search_is_told_fitness_by_folds() -> None:
    held = np.zeros(3, np.int8)
    found = EvaluatedStrategies(
        [Evaluated(9.0, 4, held), Evaluated(None, 0, held)], {},
        [np.array([101.0, 104, 106, 108, 107, 104]), np.full(6, 100.0)],
    )  # fmt: skip
    told = FoldFitness(3, "worst").told(found, 100.0)
    assert told[0].fitness == pytest.approx(-math.sqrt(2) * YEAR)
    assert (told[1].fitness, told[0].trades) == (None, 4)
    with pytest.raises(ConfigError, match="at least 10 sessions for 5 folds, found 6"):
        FoldFitness(5).told(found, 100.0)
    with pytest.raises(ConfigError, match="keep_daily"):
        FoldFitness(3).told(replace(found, daily=[]), 100.0)
    for wrong in ({"folds": 1}, {"take": "best"}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            FoldFitness(**wrong)  # type: ignore[arg-type]


def bars(*rows: tuple[int, int, int, int]) -> Candles:
    opened, high, low, close = np.array(rows).T * 10**9
    return Candles.of(np.arange(len(rows)) * 60 * 10**9, opened, high, low, close,
                      np.arange(len(rows)) + 1, tick_size=10**9)  # fmt: skip


def test_bars_in_another_order_by_hand() -> None:
    # Doubled within the bar; then a gap to a half; then nothing.
    given = bars((100, 200, 100, 200), (100, 100, 100, 100), (100, 150, 50, 100))
    found = reordered_bars(given, 1, np.array([2, 1]))
    assert found.open.tolist() == [100, 200, 100]
    assert found.high.tolist() == [200, 300, 100]
    assert found.low.tolist() == [100, 100, 100]
    assert found.close.tolist() == [200, 200, 100]
    assert found.volume.tolist() == [1, 3, 2]
    assert (found.ts_event == given.ts_event).all()


def test_shuffled_bars_keep_what_came_before_and_lead_to_the_same_close(hours: Candles) -> None:
    same = reordered_bars(hours, 100, np.arange(100, len(hours)))
    for name in ("open", "high", "low", "close", "volume"):
        assert (getattr(same, name) == getattr(hours, name)).all()
    found = shuffled_bars(hours, 100, np.random.Generator(np.random.PCG64(1)))
    assert (found.close[:100] == hours.close[:100]).all()
    assert (found.close[100:-1] != hours.close[100:-1]).any()
    assert abs(int(found.close[-1]) - int(hours.close[-1])) <= 1
    assert sorted(found.volume) == sorted(hours.volume)
    assert (found.high >= np.maximum(found.open, found.close)).all()
    assert (found.low <= np.minimum(found.open, found.close)).all()
    moved, were = (np.sort(np.diff(np.log(one.close))[100:]) for one in (found, hours))
    assert moved == pytest.approx(were, abs=3 / hours.close.min())


def test_prices_that_are_no_ratios_are_refused() -> None:
    with pytest.raises(InputError, match=r"row 1: expected prices above 0.* found 0"):
        reordered_bars(bars((1, 1, 1, 1), (0, 1, 0, 1)), 0, np.array([1, 0]))


def test_orders_of_trades_by_hand() -> None:
    # First up: from 150 to 100, a third; first down: from 100 to 50, a half, which is ruin.
    assert fall_and_least(np.array([50.0, -50]), 100, compounding=False) == (1 / 3, 100.0)
    assert fall_and_least(np.array([-50.0, 50]), 100, compounding=False) == (0.5, 50.0)
    found = order_spread(
        np.array([50.0, -50.0]), 100, compounding=False, draws=400, seed=1, quantile=1.0
    )
    assert found.drawdown == 0.5
    assert found.ruin == pytest.approx(0.5, abs=0.08)
    # Half again as much, then a third less: a share of the balance before falls the same wherever.
    assert order_spread(
        np.array([50.0, -50.0]), 100, compounding=True, draws=50, seed=1
    ).drawdown == pytest.approx(1 / 3)
    assert order_spread(np.array([-150.0, 9]), 100, compounding=True, draws=9, seed=1).ruin == 1.0
    assert order_spread(np.empty(0), 100, compounding=True, draws=9, seed=1).drawdown == 0.0


@pytest.mark.parametrize("compounding", [False, True])
def test_orders_of_trades_as_all_of_them_counted_out(compounding: bool) -> None:
    pnl, initial = np.array([30.0, -45, 20, -25, 40]), 100.0

    def slow(order: tuple[int, ...]) -> tuple[float, float]:
        balance, high, fall, least, sofar = initial, initial, 0.0, initial, initial
        shares = []
        for one in pnl:
            shares.append(one / sofar)
            sofar += one
        for k in order:
            balance += balance * shares[k] if compounding else pnl[k]
            high, least = max(high, balance), min(least, balance)
            fall = max(fall, (high - balance) / high)
        return fall, least

    counted = [slow(order) for order in itertools.permutations(range(5))]
    found = order_spread(
        pnl, initial, compounding=compounding, draws=2_000, seed=3, quantile=0.5, ruin_loss=0.3
    )
    falls = sorted(fall for fall, _ in counted)
    assert falls[50] <= found.drawdown <= falls[70]
    ruined = sum(least <= 70.0 for _, least in counted) / len(counted)
    assert found.ruin == pytest.approx(ruined, abs=0.04)


def test_the_published_example_of_the_probabilistic_sharpe_ratio() -> None:
    # Bailey, Lopez de Prado (2012): a fund with 0.458 a month over two years, first as if normal,
    # then with its skewness and kurtosis; with these it takes three years to be above 95 %.
    assert probability_of_sharpe(0.458, 24, 0.0, 3.0) == pytest.approx(0.982, abs=5e-4)
    assert probability_of_sharpe(0.458, 24, -2.448, 10.164) == pytest.approx(0.913, abs=5e-4)
    assert probability_of_sharpe(0.458, 36, -2.448, 10.164) == pytest.approx(0.953, abs=6e-4)


def test_trials_are_all_that_were_tried() -> None:
    found = Trials.of([1.0, 3.0, None, math.nan])
    assert (found.count, found.variance) == (4, pytest.approx(2.0 / 252))
    assert Trials.of([1.0, 3.0], annualised=False).variance == pytest.approx(2.0)
    assert Trials.of([1.0]).variance == 0.0
    with pytest.raises(ConfigError, match="trials: expected at least 1"):
        Trials.of([])


def test_a_ratio_is_deflated_by_trials_that_are_not_at_hand() -> None:
    returns = np.random.Generator(np.random.PCG64(4)).normal(size=(60, 9))
    ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    of_all = deflated_sharpe(returns, 2)
    of_one = deflated_sharpe_of(returns[:, 2], float(ratios.var(ddof=1)), 9)
    assert of_all == pytest.approx(of_one)
    more = deflated_sharpe_of(returns[:, 2], float(ratios.var(ddof=1)), 9_000)
    assert of_all is not None
    assert more is not None
    assert more < of_all


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"error_rate": 0.0}, "error_rate: expected above 0 and below 1"),
        ({"judged": 0}, "judged: expected at least 1"),
        ({"cost_factor": 0.5}, "cost_factor: expected at least 1"),
        ({"off": ("luck",)}, "off: expected some of trades, .* found 'luck'"),
        ({"shuffles": 50}, "shuffles: expected at least 99, which 5 candidates"),
        ({"overfitting_parts": 7}, "overfitting_parts: expected an even number"),
        ({"variance_by": "me"}, "variance_by: expected one of chance, trials"),
    ],
)
def test_bounds_out_of_their_range_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        GuardSettings(**wrong)


def test_a_guard_that_holds_the_rate_cannot_be_off_unsaid() -> None:
    assert GuardSettings().stated_rate == 0.05
    assert GuardSettings(off=("costs",)).stated_rate == 0.05
    assert GuardSettings(off=("holdout_shuffled",)).stated_rate is None
    assert not GuardSettings(off=HOLDOUT_CHECKS).opens_holdout


def test_costs_are_as_many_times_as_high_and_half_a_tick_at_least(hours: Candles) -> None:
    config = BacktestConfig(commission_rate=0.001, commission_per_unit=2.0, slippage_bps=7.0)
    found = stressed(config, hours, 3.0)
    assert (found.commission_rate, found.commission_per_unit) == (0.003, 6.0)
    assert found.slippage_bps == pytest.approx(21.0)
    least = stressed(BacktestConfig(), bars((100, 100, 100, 100), (300, 300, 300, 300)), 2.0)
    # Half a tick of 200, twice: a half percent.
    assert least.slippage_bps == pytest.approx(50.0)


def test_trading_from_a_moment_on_is_as_if_nothing_had_been_said_before(hours: Candles) -> None:
    text = SPECIFIED.replace('"fast": 10, "slow": 30', '"fast": 3, "slow": 8').replace("50", "20")
    strategy, config = strategy_of_json(text), BacktestConfig(commission_rate=0.0001)
    frames = DeclaredBars.of(hours, [strategy])
    start = int(hours.ts_event[200])
    found = trade_from(strategy, frames, config, start)
    said = evaluate(strategy, frames.frames)
    muted = said.entry_long.copy()
    muted[:200] = False
    own = run_declared(strategy, frames, config).config
    plain = VectorEngine(own).run(hours, entry_long=muted, exit_long=said.exit_long)
    assert len(found.trade_records) == len(plain.trade_records) > 0
    assert found.trade_records["pnl"] == pytest.approx(plain.trade_records["pnl"])
    assert (found.trade_records["entry_bar"] + 200 == plain.trade_records["entry_bar"]).all()
    # Warm from the first bar on: the indicators of bars alone would not be.
    alone = DeclaredBars.of(hours.part(200, 480), [strategy])
    cold = evaluate(strategy, alone.frames).entry_long
    assert said.entry_long[200:].sum() > cold.sum()
    assert session_results(found).sum() == pytest.approx(found.final_balance - 100_000.0)


GOOD = np.tile([3.0, 1.0, 2.0, -1.0], 30)
STRATEGY = strategy_of_json(SPECIFIED)
POPULATION = SearchPopulation(100, 120, Trials(100, 0.01), Overfitting(0.1, 0.2, 0.5, 70))


def evidence(**changed: Any) -> SearchEvidence:
    ratio = float(GOOD.mean() / GOOD.std(ddof=1))
    made = SearchEvidence(STRATEGY, "hash", GOOD, ratio, 2.0, np.full(40, 5.0), 10.0)
    return replace(made, **changed)


def failing(found: list[Any]) -> list[str]:
    return [check.name for check in found if not check.passed]


def test_what_is_good_passes_every_guard_on_the_search() -> None:
    found = search_checks(evidence(), POPULATION, GuardSettings(), BacktestConfig())
    assert [check.name for check in found] == list(SEARCH_CHECKS)
    assert failing(found) == []
    assert found[0].sentence == "passed: closed trades 40, expected at least 30"


@pytest.mark.parametrize(
    ("changed", "population", "name", "said"),
    [
        (
            {"pnl": np.full(29, 5.0)}, {}, "trades",
            "failed: closed trades 29, expected at least 30: so few say nothing",
        ),
        (
            {"fitness": 0.0}, {}, "walk_forward",
            ("failed: median Sharpe ratio of 5 folds 0.00, expected above 0.00: it does not live "
            "in all of the time"),
        ),
        (
            {"stressed_net": -3.0}, {}, "costs",
            ("failed: net P&L at 2 times the costs -3.00, expected above 0.00: what it earns does "
            "not bear higher costs"),
        ),
        (
            {}, {"overfitting": Overfitting(0.51, 0.2, 0.5, 70)}, "overfitting",
            ("failed: probability of overfitting 0.510, expected at most 0.500: what is best in "
            "one half of the time is no better than others in the other half"),
        ),
        (
            {"pnl": np.tile([90_000.0, -60_000.0], 20)}, {}, "order_drawdown",
            "the same trades in another order fall deeper",
        ),
    ],
)  # fmt: skip
def test_each_guard_says_what_it_found(
    changed: dict[str, Any], population: dict[str, Any], name: str, said: str
) -> None:
    found = search_checks(
        evidence(**changed), replace(POPULATION, **population), GuardSettings(), BacktestConfig()
    )
    assert name in failing(found)
    assert said in next(check.sentence for check in found if check.name == name)


def test_a_ratio_that_luck_has_among_so_many_fails_and_says_how_many() -> None:
    weak = np.tile([3.0, -2.0, 1.5, -1.5], 30)
    many = replace(POPULATION, trials=Trials(4_000, 0.01))
    found = search_checks(evidence(results=weak), many, GuardSettings(), BacktestConfig())
    check = next(check for check in found if check.name == "deflated_sharpe")
    # Ratios vary by 1 / 119 by chance, which is less than they do: 0.01.
    expected = deflated_sharpe_of(weak, 1 / 119, 4_000)
    assert check.figure == expected
    assert f"deflated Sharpe ratio {expected:.4f}, expected at least 0.9500" in check.sentence
    assert check.sentence.endswith("the best of 4,000 trials is as good by luck")
    as_they_do = search_checks(
        evidence(results=weak), many, GuardSettings(variance_by="trials"), BacktestConfig()
    )
    assert as_they_do[3].figure == deflated_sharpe_of(weak, 0.01, 4_000)


def test_what_has_no_value_does_not_pass() -> None:
    none = replace(POPULATION, overfitting=None)
    flat = evidence(results=np.zeros(120), pnl=np.empty(0))
    found = search_checks(flat, none, GuardSettings(), BacktestConfig())
    assert {"deflated_sharpe", "overfitting", "overfitting_loss"} <= set(failing(found))
    assert "no value" in found[3].sentence
    assert found[3].to_dict()["figure"] is None


def test_guards_that_are_off_are_not_asked() -> None:
    settings = GuardSettings(off=("trades", "holdout_decay"))
    names = [one.name for one in search_checks(evidence(), POPULATION, settings, BacktestConfig())]
    assert names == [name for name in SEARCH_CHECKS if name != "trades"]
    kept = HoldoutEvidence(GOOD[:40], 0.8, 12, 0.01)
    assert [one.name for one in holdout_checks(evidence(), kept, 1, settings)] == [
        name for name in HOLDOUT_CHECKS if name != "holdout_decay"
    ]


def test_candidates_share_the_error_rate() -> None:
    kept = HoldoutEvidence(GOOD[:40], 0.8, 12, 0.04)
    alone = holdout_checks(evidence(), kept, 1, GuardSettings())
    assert failing(alone) == []
    assert [check.bound for check in alone[1:3]] == [0.95, 0.05]
    both = holdout_checks(evidence(), kept, 2, GuardSettings())
    assert failing(both) == ["holdout_shuffled"]
    assert "for one of 2 candidates at 5% in all" in both[2].sentence


def test_a_holdout_that_is_far_below_the_search_fails() -> None:
    poor = -GOOD[:40]
    kept = HoldoutEvidence(poor, float(poor.mean() / poor.std(ddof=1)), 5, 0.9)
    found = holdout_checks(evidence(), kept, 1, GuardSettings())
    assert failing(found) == list(HOLDOUT_CHECKS)

    # The difference of two ratios, in its deviations.
    def shape(x: Any) -> tuple[float, float]:
        s, z = x.mean() / x.std(ddof=1), (x - x.mean()) / x.std()
        return s, (1 - (z**3).mean() * s + ((z**4).mean() - 1) / 4 * s * s) / (len(x) - 1)

    (a, va), (b, vb) = shape(GOOD), shape(poor)
    expected = 0.5 * math.erfc((a - b) / math.sqrt(va + vb) / math.sqrt(2))
    assert found[3].figure == pytest.approx(expected)


def simple(primary: str) -> Any:
    rule = {"indicator": "close", "comparison": "greater_than", "value": 1.0}
    return strategy_of(
        {"name": "a", "version": "1.0", "timeframes": {"primary": primary},
         "entry_rules": {"long": rule}}
    )  # fmt: skip


def fallen(hours: Candles) -> Candles:
    """Bars that begin below 0."""
    moved = {name: getattr(hours, name) - int(hours.low[3]) for name in PRICES}
    return replace(hours, **moved)


def test_what_could_not_be_traded_in_a_holdout_is_said_while_it_is_closed(hours: Candles) -> None:
    holdout = Holdout.of(hours)
    holdout.require([simple("1h"), simple("1d")], shuffled=True)
    with pytest.raises(ConfigError, match="5m"):
        holdout.require([simple("1h"), simple("5m")])
    with pytest.raises(NoDataError, match="no complete bar of 1w there"):
        holdout.require([simple("1w")])
    below = Holdout.of(fallen(hours))
    below.require([simple("1h")])
    with pytest.raises(InputError, match="expected prices above 0"):
        below.require([simple("1h")], shuffled=True)
    assert holdout.openings == below.openings == 0


def test_a_holdout_that_can_not_be_shuffled_stays_closed(
    hours: Candles, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = evidence(strategy=simple("1h"))
    monkeypatch.setattr(verdicts, "gather", lambda *_args, **_more: (POPULATION, [found]))
    monkeypatch.setattr(
        verdicts, "search_checks", lambda *_: [GuardCheck("trades", True, 1.0, 1.0, "passed")]
    )
    kept: list[HoldoutOpening] = []
    with pytest.raises(InputError, match="expected prices above 0"):
        judge_all(
            [found.strategy], Holdout.of(fallen(hours)), on_open=lambda one: kept.append(one) or 1
        )
    assert not kept


def test_strategies_with_other_sessions_are_not_judged_together(hours: Candles) -> None:
    # The last week is not complete: its days are sessions of hours, not of weeks.
    both = [simple("1h"), simple("1w")]
    with pytest.raises(ConfigError, match="strategies: expected as many sessions of all, found"):
        judge_all(both, Holdout.of(hours), GuardSettings(fold_fitness=FoldFitness(2)))
    with pytest.raises(ConfigError, match="keep_daily: expected variants with as many sessions"):
        optimize(hours, [{"strategy": one} for one in both], strategy=DeclaredStrategies())
    rows = [{"strategy": one} for one in both]
    apart = optimize(hours, rows, strategy=DeclaredStrategies(), keep_daily=False)
    assert np.isnan(apart.columns["sharpe_annualised"]).tolist() == [False, True]


def test_bars_of_any_numbers_are_shuffled_unrounded(hours: Candles) -> None:
    floats = {name: getattr(hours, name) / 4e6 for name in PRICES}
    fine = replace(hours, **floats, volume=hours.volume.astype(float))
    same = reordered_bars(fine, 100, np.arange(100, len(hours)))
    for name in PRICES:
        assert getattr(same, name) == pytest.approx(getattr(fine, name), rel=1e-9)
