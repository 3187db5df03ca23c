"""Values of metrics, worked by hand, and beside those of empyrical where both mean the same."""

import math
from fractions import Fraction

import empyrical
import numpy as np
import pytest

from tapewire.analytics.arrivals import OrderCosts
from tapewire.analytics.curves import Curve
from tapewire.analytics.inventory import Inventory
from tapewire.analytics.metrics import METRICS, Inputs
from tapewire.analytics.metrics.inputs import Capital, FillTotals, OrderTotals, Pnl, Sessions
from tapewire.analytics.metrics.returns import (
    probability_of_sharpe,
    sharpe_by_session,
    sortino_by_session,
)
from tapewire.analytics.trades import TradeMatcher, TradeTotals

E9 = 10**9
METRIC = {metric.column: metric for metric in METRICS}


def value(column, **inputs):
    return METRIC[column].compute(**inputs)


def closed(*results):
    """Totals of trades of one lot each that made so much, in this order."""
    matcher = TradeMatcher(1, 1)
    n = len(results)
    signed = np.tile([1, -1], n)
    price = np.ravel([[100 * E9, 100 * E9 + r * E9] for r in results])
    position = np.tile([1, 0], n)
    ts = np.arange(2 * n) * E9
    for at in range(0, 2 * n, 6):  # in chunks, so that a streak goes through their ends
        part = slice(at, at + 6)
        matcher.add(signed[part], price[part], np.zeros_like(price[part]), position[part], ts[part])
    return matcher.totals


# --- closed trades -----------------------------------------------------------------------------


def test_wins_and_losses_by_hand():
    trades = closed(4, -2, 6, -1, 3)
    assert value("avg_win", trades=trades) == pytest.approx(13 / 3)
    assert value("avg_loss", trades=trades) == pytest.approx(1.5)
    assert value("avg_trade_pnl", trades=trades) == pytest.approx(2)
    assert value("largest_win", trades=trades) == 6 * E9
    assert value("largest_loss", trades=trades) == 2 * E9
    assert value("expectancy", trades=trades) == pytest.approx(2 / 1.5)


def test_streaks_go_through_chunks_and_a_flat_trade_ends_them():
    trades = closed(1, 2, 1, 5, -1, -1, 0, -1, -2, -3, -4, 2)
    assert value("max_consecutive_wins", trades=trades) == 4
    assert value("max_consecutive_losses", trades=trades) == 4
    assert value("max_consecutive_losses", trades=closed(-1, 0, -1)) == 1
    assert value("max_consecutive_wins", trades=closed(-1, -2)) == 0


def test_streaks_of_several_legs_do_not_join():
    together = closed(1, 1) + closed(2, 2, 2)
    assert (together.wins_in_a_row, together.largest_win) == (3, 2 * E9)


def test_where_nothing_was_closed_there_is_no_average():
    trades = TradeTotals()
    for column in ("avg_win", "avg_loss", "expectancy"):
        assert value(column, trades=trades) is None
    assert value("largest_win", trades=trades) == 0


# --- queues ------------------------------------------------------------------------------------


def test_waits_and_places_weigh_by_maker_lots():
    fills = FillTotals()
    fills.add({
        "last_qty": np.array([1, 3, 5]),
        "liquidity_side": np.array(["MAKER", "MAKER", "TAKER"], object),
        "position": np.array([1, 4, 9]),
        "ts_event": np.array([10, 20, 30]) * E9,
        "ts_placed": np.array([6, 18, 30]) * E9,
        "queue_ahead": np.array([8, 0, -(2**63)]),
        "reason": np.array(["QUEUE", "QUEUE", "TAKEN"], object),
    })  # fmt: skip
    assert value("time_in_queue_s", fills=fills) == pytest.approx((1 * 4 + 3 * 2) / 4)
    assert value("queue_ahead_of_filled", fills=fills + FillTotals()) == pytest.approx(8 / 4)
    for column in ("time_in_queue_s", "queue_ahead_of_filled"):
        assert value(column, fills=FillTotals()) is None


# --- inventory ---------------------------------------------------------------------------------


def moved(*changes, limit=None, end=None):
    """The inventory of a leg that trades signed lots at seconds, each fill in its own chunk."""
    inventory, position = Inventory(), 0
    for second, signed in changes:
        position += signed
        inventory.add({
            "order_side": np.array(["BUY" if signed > 0 else "SELL"], object),
            "last_qty": np.array([abs(signed)]), "position": np.array([position]),
            "ts_event": np.array([second * E9]),
        }, limit)  # fmt: skip
    inventory.finish(end * E9, limit)
    return inventory


def test_time_at_the_limit_is_a_part_of_the_time_since_the_first_fill():
    story = moved((10, 2), (12, 1), (15, -6), (20, 3), limit=3, end=30)
    assert value("time_at_limit", inventory=story) == (3 + 5) / 20
    both = story + moved((0, 1), limit=3, end=30) + moved((0, 9), end=90)
    assert value("time_at_limit", inventory=both) == 8 / 50
    assert value("time_at_limit", inventory=moved((10, 2), end=30)) is None
    assert value("time_at_limit", inventory=moved(limit=3, end=30)) is None


def test_an_inventory_that_goes_back_has_a_half_life():
    # 4 lots for 8 s, 2 for 8, 1 for 8, then none: they halve every 8 s, in steps.
    story = moved((0, 4), (8, -2), (16, -1), (24, -1), end=99)
    expected = math.log(2) * (16 + 4 + 1) * 8 / (4 * 2 + 2 * 1 + 1 * 1)
    assert value("inventory_half_life_s", inventory=story) == pytest.approx(expected)
    short = moved((0, -4), (8, 2), (16, 1), (24, 1), end=99)
    assert value("inventory_half_life_s", inventory=story + short) == pytest.approx(expected)
    assert value("inventory_half_life_s", inventory=moved((0, 1), (1, 1), end=9)) is None
    assert value("inventory_half_life_s", inventory=Inventory()) is None


def test_the_half_life_of_a_drawn_inventory_is_the_one_it_was_drawn_with():
    draw, position, second, changes = np.random.default_rng(3), 0, 0, []
    for _ in range(20_000):  # one comes in a second, each leaves after 7 s on average
        rate = 1 + abs(position) / 7
        second += draw.exponential(1 / rate)
        leaves = draw.random() < abs(position) / 7 / rate
        sign = 1 if draw.random() < 0.5 else -1
        changes.append((second, -int(np.sign(position)) if leaves else sign))
        position += changes[-1][1]
    lots = np.array([signed for _, signed in changes])
    inventory = Inventory()
    inventory.add({
        "order_side": np.where(lots > 0, "BUY", "SELL").astype(object), "last_qty": np.abs(lots),
        "position": np.cumsum(lots), "ts_event": np.array([int(t * E9) for t, _ in changes]),
    }, None)  # fmt: skip
    half_life = value("inventory_half_life_s", inventory=inventory)
    assert half_life == pytest.approx(7 * math.log(2), rel=0.05)


# --- costs of orders ---------------------------------------------------------------------------


def test_costs_of_orders_are_money_per_lot_and_per_worth():
    costs = OrderCosts(
        slipped_lots=4, slippage=-50 * E9, orders=2, shortfall=300 * E9,
        opportunity=Fraction(120 * E9), paper=Fraction(600_000 * E9),
    )  # fmt: skip
    assert value("slippage", costs=costs) == -50 * E9
    assert value("slippage_per_lot", costs=costs) == -12.5
    assert value("implementation_shortfall", costs=costs) == 300 * E9
    assert value("opportunity_cost", costs=costs) == 120
    assert value("shortfall_bps", costs=costs) == pytest.approx(5)
    for column in (
        "slippage", "slippage_per_lot", "implementation_shortfall", "opportunity_cost",
        "shortfall_bps",
    ):  # fmt: skip
        assert value(column, costs=OrderCosts()) is None


# --- orders ------------------------------------------------------------------------------------


def test_ratios_of_orders_by_hand():
    orders = OrderTotals()
    orders.statuses.update(FILLED=4, CANCELED=6, DENIED=3, EXPIRED=1)
    orders.replaces = 5
    fills = FillTotals(count=8)
    assert value("orders_canceled", orders=orders) == 6
    assert value("cancel_to_fill", orders=orders) == 1.5
    assert value("order_to_trade", orders=orders, fills=fills) == (11 + 5 + 6) / 8
    assert value("order_to_trade", orders=orders, fills=FillTotals()) is None
    assert value("cancel_to_fill", orders=OrderTotals()) is None


# --- sessions and capital ----------------------------------------------------------------------


def test_returns_on_capital_by_hand():
    pnl = Pnl(realized=3_000 * E9, unrealized=500 * E9, fees=1_000 * E9)
    sessions = Sessions([1_000 * E9, -500 * E9, 2_000 * E9])
    capital = Capital(50_000 * E9)
    assert value("total_return", pnl=pnl, capital=capital) == pytest.approx(0.05)
    annual = value("annualised_return", sessions=sessions, capital=capital)
    assert annual == pytest.approx(2_500 / 3 * 252 / 50_000)
    cagr = value("cagr", pnl=pnl, sessions=sessions, capital=capital)
    assert cagr == pytest.approx(1.05**84 - 1)
    fell = Curve(max_drawdown=750 * E9)
    assert value("max_drawdown_of_capital", equity=fell, capital=capital) == pytest.approx(0.015)


def test_the_largest_share_of_a_high_is_not_of_the_largest_fall():
    """From 1,200 down by 300, a quarter; then from 4,000 down by 500, an eighth."""
    curve = Curve(capital=1_000 * E9)
    pnl = np.array([0, 200, -100, 3_000, 2_500]) * E9
    for part in (slice(0, 2), slice(2, 5)):
        times = np.arange(5)[part] * E9
        curve.add(times, np.diff(pnl, prepend=0)[part])
    curve.finish()
    capital = Capital(1_000 * E9)
    assert value("max_drawdown_of_peak", equity=curve, capital=capital) == pytest.approx(0.25)
    assert value("max_drawdown", equity=curve) == 500 * E9
    at_once = Curve(capital=100 * E9)
    at_once.add(np.array([1]), np.array([-25 * E9]))
    at_once.finish()
    assert value("max_drawdown_of_peak", equity=at_once, capital=capital) == pytest.approx(0.25)


def test_who_loses_more_than_there_was_has_lost_all_of_it():
    pnl = Pnl(realized=-60 * E9)
    sessions = Sessions([-30 * E9, -30 * E9])
    assert value("cagr", pnl=pnl, sessions=sessions, capital=Capital(50 * E9)) == -1
    assert value("total_return", pnl=pnl, capital=Capital(50 * E9)) == pytest.approx(-1.2)


def test_a_rate_that_no_float_holds_is_none():
    """From 3,000 to 103,000 in two sessions: 34.3 ^ 126 is 10^193; of 100,000 more it is beyond."""
    sessions, capital = Sessions([0, 0]), Capital(3_000 * E9)
    assert value("cagr", pnl=Pnl(realized=100_000 * E9), sessions=sessions, capital=capital) > 1e190
    much = Pnl(realized=3_000_000 * E9)
    assert value("cagr", pnl=much, sessions=sessions, capital=capital) is None


def test_without_capital_there_are_no_returns():
    inputs = Inputs(pnl=Pnl(realized=5 * E9))
    row = METRICS.compute(inputs)
    for column in (
        "initial_capital", "total_return", "annualised_return", "cagr", "max_drawdown_of_capital",
        "max_drawdown_of_peak",
    ):  # fmt: skip
        assert row[column] is None
    assert row["net_pnl"] == 5 * E9


def test_sortino_and_calmar_by_hand():
    results = [100 * E9, -50 * E9, 130 * E9, -10 * E9]
    below = math.sqrt((50**2 + 10**2) / 4)
    assert sortino_by_session(results) == pytest.approx(42.5 / below * math.sqrt(252))
    assert sortino_by_session([1, 2]) is None
    assert sortino_by_session([-1]) is None
    fell = Curve(max_drawdown=85 * E9)
    calmar = value("calmar", sessions=Sessions(results), equity=fell)
    assert calmar == pytest.approx(42.5 * 252 / 85)
    assert value("calmar", sessions=Sessions(results), equity=Curve()) is None


def test_the_tail_of_sessions_by_hand():
    """Of 41 sessions the 5 % quantile is the third worst, and three are the worst."""
    sessions = Sessions([k * E9 for k in range(-20, 21)])
    assert value("session_var_95", sessions=sessions) == pytest.approx(18)
    assert value("session_es_95", sessions=sessions) == pytest.approx(19)
    few = Sessions([k * E9 for k in range(19)])
    assert value("session_var_95", sessions=few) is None
    assert value("session_es_95", sessions=few) is None


@pytest.mark.parametrize("seed", range(5))
def test_ratios_are_empyricals(seed):
    """Its formulas of returns, fed P&L: all but scale is the same, and the ratios have none."""
    drawn = np.random.default_rng(seed).normal(20, 400, 250).round(2)
    results = [round(x * 100) * E9 // 100 for x in drawn]
    returns = np.array(results) / E9
    assert sharpe_by_session(results) == pytest.approx(empyrical.sharpe_ratio(returns))
    assert sortino_by_session(results) == pytest.approx(empyrical.sortino_ratio(returns))
    sessions = Sessions(results)
    var = -empyrical.value_at_risk(returns, 0.05)
    assert value("session_var_95", sessions=sessions) == pytest.approx(var)
    shortfall = -empyrical.conditional_value_at_risk(returns, 0.05)
    assert value("session_es_95", sessions=sessions) == pytest.approx(shortfall)


def test_cagr_is_empyricals_where_returns_compound():
    """With each session's return taken on what there was then, its yearly return is ours."""
    results = [1_000 * E9, -500 * E9, 2_000 * E9, 700 * E9]
    money = np.concatenate(([50_000.0], 50_000 + np.cumsum(results) / E9))
    returns = money[1:] / money[:-1] - 1
    pnl, capital = Pnl(realized=sum(results)), Capital(50_000 * E9)
    ours = value("cagr", pnl=pnl, sessions=Sessions(results), capital=capital)
    assert ours == pytest.approx(empyrical.cagr(returns))


def test_the_probability_of_a_sharpe_ratio_is_that_of_the_published_example():
    """Bailey and Lopez de Prado (2012), 2.3: 24 months, 0.458, skewness -2.448, kurtosis 10.164."""
    assert probability_of_sharpe(0.458, 24, 0, 3) == pytest.approx(0.982, abs=5e-4)
    assert probability_of_sharpe(0.458, 24, -2.448, 10.164) == pytest.approx(0.913, abs=5e-4)


def test_the_probability_of_a_sharpe_ratio_needs_sessions_that_differ():
    results = [E9 * x for x in (3, -1, 2, 2, -2) * 4]
    values = np.array(results, float)
    apart = values - values.mean()
    expected = probability_of_sharpe(
        values.mean() / values.std(ddof=1), 20,
        (apart**3).mean() / values.std() ** 3, (apart**4).mean() / values.std() ** 4,
    )  # fmt: skip
    assert value("probabilistic_sharpe", sessions=Sessions(results)) == pytest.approx(expected)
    assert value("probabilistic_sharpe", sessions=Sessions(results[:19])) is None
    assert value("probabilistic_sharpe", sessions=Sessions([E9] * 30)) is None


def test_an_example_is_quantstats_where_that_is_right_and_else_as_the_page_says(repo):
    """Figures of quantstats 0.0.86, which brings too much along to be installed for this."""
    results = [x * E9 for x in (1000, -500, 2000, 300, -1200, 800, 150, -50, 700, -400)] * 3
    sessions, capital = Sessions(results), Capital(100_000 * E9)
    pnl, fell = Pnl(realized=sum(results)), Curve(max_drawdown=1200 * E9)
    ours = {
        "sharpe_annualised": value("sharpe_annualised", sessions=sessions),
        "sortino_annualised": value("sortino_annualised", sessions=sessions),
        "probabilistic_sharpe": value("probabilistic_sharpe", sessions=sessions),
        "session_var_95": value("session_var_95", sessions=sessions),
        "session_es_95": value("session_es_95", sessions=sessions),
        "total_return": value("total_return", pnl=pnl, capital=capital),
        "cagr": value("cagr", pnl=pnl, sessions=sessions, capital=capital),
        "calmar": value("calmar", sessions=sessions, equity=fell),
    }
    assert ours["sharpe_annualised"] == pytest.approx(5.111028249394232)
    assert ours["sortino_annualised"] == pytest.approx(10.327119284318863)
    assert ours["probabilistic_sharpe"] == pytest.approx(0.9614605918054255, rel=2e-5)
    page = (repo / "docs" / "metrics.md").read_text()
    table = page[page.index("## Beside empyrical") :]
    for line in table.splitlines():
        name, _, rest = line.removeprefix("| `").partition("` | ")
        if name in ours:
            said = rest.split(" | ")[0]
            places = len(said.partition(".")[2])
            assert f"{ours.pop(name):.{places}f}" == said
    assert not ours
