"""Limits of all strategies of a run together.

Times and market as in test_limits: what happens at 300 is shown at 301, 50 µs each way.
"""

from pathlib import Path
from typing import Any

import pytest

from stories import START_NS, Log, Played, Tape, play
from tapewire.positions.codes import Limit, LimitAction
from tapewire.router import RiskLimits, StrategySpec
from tapewire.strategies import STRATEGIES

UNIT = 10**9


def market() -> Tape:
    return Tape().add(0, 1, "B", 100, 1000).add(1, 9, "A", 101, 1000).tick(200)


def move(tape: Tape, t: float, bid: float) -> Tape:
    return tape.event(t, tape.m(1, price=bid), tape.m(9, price=bid + 1))


def together(
    folder: Path, tape: Tape, log: Log, other: Log, portfolio: RiskLimits | None, **settings: Any
) -> Played:
    """Two logs in one run; orders by their names, which differ."""
    beside = StrategySpec(
        "other", STRATEGIES["order_log"], {"path": other.write(folder / "other.csv")}
    )
    return play(folder, tape, log, others=[beside], portfolio=portfolio, **settings)


def reasons(played: Played) -> dict[str, str]:
    return {name: order.reason for name, order in played.orders.items()}


def trips(played: Played) -> list[tuple[Any, ...]]:
    return [
        (t.strategy_id, (t.ts_ns - START_NS) / 1000, t.limit, t.bound, t.found, t.action)
        for t in played.simulation.limit_trips()
    ]


def test_what_each_lost_is_added_up(tmp_path: Path) -> None:
    """Long 2 and short 1 from 101 / 100: at 90.5 that is -21 and +9.5; both are halted at -11.5."""
    tape = move(market(), 300, 90).tick(900)
    log = Log().buy(10, "long", 2).buy(150, "rest", 1, 80).sell(400, "late", 2)
    other = Log().sell(10, "short", 1).sell(150, "offer", 1, 120).buy(400, "cover", 1)
    limits = RiskLimits(max_loss=11 * UNIT)
    played = together(tmp_path, tape, log, other, limits)
    # The one that was named last is valued first: +9.5, then -21.
    assert trips(played) == [
        (None, 301, Limit.MAX_LOSS, 11 * UNIT, 11 * UNIT + UNIT // 2, LimitAction.HALT)
    ]
    assert reasons(played) == {
        "long": "NONE", "rest": "LOSS_CANCEL", "late": "PORTFOLIO_LOSS",
        "short": "NONE", "offer": "LOSS_CANCEL", "cover": "PORTFOLIO_LOSS",
    }  # fmt: skip
    canceled = [played.orders[name].closed for name in ("rest", "offer")]
    assert canceled == [351, 351]
    assert played.simulation.loss_halts() == [], "none of them reached a limit of its own"


def test_flatten_closes_what_each_holds(tmp_path: Path) -> None:
    tape = move(market(), 300, 90).tick(400).tick(900)
    limits = RiskLimits(max_loss=11 * UNIT, on_max_loss="flatten")
    played = together(tmp_path, tape, Log().buy(10, "long", 2), Log().sell(10, "short", 1), limits)
    assert [int(played.last_sample(leg)["position"]) for leg in (0, 1)] == [0, 0]
    last = played.rows.fills[-2:]
    assert sorted(zip(last["side"].tolist(), last["last_qty"].tolist(), strict=True)) == [
        (-1, 2), (1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("action", ["deny", "cancel_all"])
def test_each_may_reduce_its_own(tmp_path: Path, action: str) -> None:
    tape = move(market(), 300, 90).tick(900)
    log = Log().buy(10, "long", 2).sell(400, "less", 1, 120).buy(410, "more", 1, 80)
    other = Log().sell(10, "short", 1).buy(400, "cover", 1, 80).sell(410, "further", 1, 120)
    limits = RiskLimits(max_loss=11 * UNIT, on_max_loss=action)  # type: ignore[arg-type]
    assert reasons(together(tmp_path, tape, log, other, limits)) == {
        "long": "NONE", "less": "END_OF_DATA", "more": "PORTFOLIO_LOSS",
        "short": "NONE", "cover": "END_OF_DATA", "further": "PORTFOLIO_LOSS",
    }  # fmt: skip


def test_position_rate_and_messages_of_all(tmp_path: Path) -> None:
    """Both together: 3 lots to a side, or 3 orders in a second, or 3 messages for a trade."""
    tape = market().tick(900)
    log = Log().buy(10, "a", 2, 90).buy(30, "b", 1, 90).sell(50, "c", 1, 120)
    other = Log().buy(20, "x", 1, 90).buy(40, "y", 1, 90).sell(60, "z", 1, 120)
    for limits, reason, stopped in (
        (RiskLimits(max_position=3), "PORTFOLIO_POSITION", {"b", "y"}),
        (RiskLimits(max_orders_per_second=3), "PORTFOLIO_ORDER_RATE", {"y", "c", "z"}),
        (RiskLimits(max_messages_per_trade=3), "PORTFOLIO_MESSAGES_PER_TRADE", {"y", "c", "z"}),
        (RiskLimits(max_order_size=1), "PORTFOLIO_ORDER_SIZE", {"a"}),
    ):
        found = reasons(together(tmp_path, tape, log, other, limits))
        assert {name for name, said in found.items() if said == reason} == stopped
        assert {said for name, said in found.items() if name not in stopped} == {"END_OF_DATA"}


def test_exposures_of_all(tmp_path: Path) -> None:
    """At 100.5: long 2 and short 2 are 402 gross, nothing net."""
    tape = market().tick(900)
    log = Log().buy(10, "long", 2).buy(400, "more", 1, 90)
    other = Log().sell(120, "short", 2).sell(410, "further", 1, 120)
    for limits, stopped in (
        (RiskLimits(max_gross_exposure=450 * UNIT), {"more", "further"}),
        (RiskLimits(max_net_exposure=201 * UNIT), set()),
        (RiskLimits(max_net_exposure=200 * UNIT), {"long", "short"}),
        (RiskLimits(max_gross_exposure=510 * UNIT), {"further"}),
    ):
        played = together(tmp_path, tape, log, other, limits)
        denied = {name for name, order in played.orders.items() if order.status == "DENIED"}
        assert denied == stopped


def test_what_is_refused_uses_up_nothing(tmp_path: Path) -> None:
    """An order that its strategy's own limit stops is none of all, and the other way round."""
    tape = market().tick(900)
    log = Log().buy(10, "large", 5, 90).buy(20, "a", 1, 90).buy(40, "b", 1, 90)
    other = Log().buy(30, "x", 1, 90)
    played = together(
        tmp_path, tape, log, other, RiskLimits(max_orders_per_second=2, max_position=2),
        limits=RiskLimits(max_order_size=2, max_orders_per_second=2),
    )  # fmt: skip
    assert reasons(played) == {
        "large": "MAX_ORDER_SIZE", "a": "END_OF_DATA", "x": "END_OF_DATA",
        "b": "PORTFOLIO_POSITION",
    }  # fmt: skip


def test_batches_change_nothing_and_a_limit_out_of_reach_neither(tmp_path: Path) -> None:
    tape = move(market(), 300, 90).tick(400).tick(900)
    log = Log().buy(10, "long", 2).buy(150, "rest", 1, 80).sell(400, "late", 2)
    other = Log().sell(10, "short", 1).sell(150, "offer", 1, 120).buy(400, "cover", 1)
    tight = RiskLimits(max_loss=11 * UNIT, on_max_loss="flatten")
    found = {
        together(tmp_path, tape, log, other, tight, batch=batch).simulation.digest()
        for batch in (0, 1, 3)
    }
    assert len(found) == 1
    free = together(tmp_path, tape, log, other, None).simulation.digests()
    far = together(tmp_path, tape, log, other, RiskLimits(max_loss=10**6 * UNIT))
    assert far.simulation.digests() == free
    assert far.simulation.digest() not in found


def test_a_slower_strategy_is_stopped_in_its_own_time(tmp_path: Path) -> None:
    """The limit is reached at 301 of the one; what the other sent before that is not stopped."""
    tape = move(market(), 300, 90).tick(400).tick(900)
    log = Log().buy(10, "long", 2)
    other = Log().buy(299, "before", 1, 80).buy(302, "after", 1, 80)
    played = together(tmp_path, tape, log, other, RiskLimits(max_loss=20 * UNIT))
    assert reasons(played) == {
        "long": "NONE", "before": "LOSS_CANCEL", "after": "PORTFOLIO_LOSS",
    }  # fmt: skip
