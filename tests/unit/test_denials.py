"""What is said of orders that never left, and of counts that deserve a look."""

import numpy as np

from analytics_rows import FakeLeg
from tapewire.analytics.denials import DENIALS_TOLD_MAX, LIMITED, Denials
from tapewire.execution.codes import DENIALS, OrderStatus, Reason
from tapewire.execution.rows import ORDER_DTYPE
from tapewire.runs.warnings import count_warnings


def denied(*rows: tuple[int, Reason]) -> np.ndarray:
    orders = np.zeros(len(rows) + 1, ORDER_DTYPE)  # the last one was not denied
    orders["status"][:-1] = OrderStatus.DENIED
    orders["status"][-1] = OrderStatus.FILLED
    for k, (leg, reason) in enumerate(rows):
        orders[k]["leg"], orders[k]["reason"] = leg, reason
    return orders


def numbered(orders: np.ndarray, k: int, limit: int, found: int, unit: int = 10**9) -> np.ndarray:
    """The same orders, the k-th with the numbers of its limit."""
    whole = orders[k]["reason"] != Reason.MAX_LOSS
    orders[k]["limit_value"], orders[k]["limit_found"] = (
        value * (1 if whole else unit) for value in (limit, found)
    )
    return orders


def test_denials_are_told_by_strategy_and_reason() -> None:
    denials = Denials()
    denials.add(denied((0, Reason.INVALID_PRICE), (1, Reason.INVALID_PRICE)))
    denials.add(numbered(denied((0, Reason.INVALID_PRICE), (2, Reason.MAX_LOSS)), 1, 1_000, 1_250))
    sizes = denied((0, Reason.MAX_ORDER_SIZE), (1, Reason.MAX_ORDER_SIZE))
    denials.add(numbered(numbered(sizes, 0, 5, 9), 1, 6, 8))
    ticks = (7 * 10**9, 250_000_000, 0)
    names = ("maker", "maker", "other")
    legs = [FakeLeg(k, names[k], tick_size=tick) for k, tick in enumerate(ticks)]
    assert denials.warnings(legs) == [
        "maker: 2 orders denied: MAX_ORDER_SIZE (above risk_limits.max_order_size 5: up to 9)",
        "maker: 3 orders denied: INVALID_PRICE (not a multiple of tick_size 0.25, 7)",
        "other: 1 order denied: MAX_LOSS (risk_limits.max_loss 1000 had been reached: 1250 lost)",
    ]
    assert Denials().warnings(legs) == []


def test_lines_about_denials_are_bounded() -> None:
    n = DENIALS_TOLD_MAX + 3
    legs = [FakeLeg(k, f"s{k:03}") for k in range(n)]
    denials = Denials()
    for _ in range(1_000):
        denials.add(denied(*((k, Reason.MAX_POSITION) for k in range(n))))
    said = denials.warnings(legs)
    assert len(said) == DENIALS_TOLD_MAX + 1
    assert said[0].startswith("s000: 1,000 orders denied: MAX_POSITION")
    assert said[-1].startswith("3 more")


def test_every_reason_for_a_denial_has_words() -> None:
    assert set(LIMITED) < DENIALS
    for reason in DENIALS:
        denials = Denials()
        denials.add(denied((0, reason)))
        (said,) = denials.warnings([FakeLeg(0, "s", tick_size=0)])
        assert said.startswith(f"s: 1 order denied: {reason.name} (")
        assert "()" not in said


def test_one_is_not_many() -> None:
    counts = {
        "fills_known_before_capture": 1, "fills_known_before_capture_ns_max": 1_500,
        "late_responses": 1, "late_responses_ns_max": 106_790_000,
    }  # fmt: skip
    early, late = count_warnings(counts, None)
    assert early.startswith("1 fill was known to its strategy")
    assert late.startswith("1 order response was told later than due, by up to 106,790.0 µs")
    counts |= {"fills_known_before_capture": 2, "late_responses": 1_234}
    early, late = count_warnings(counts, None)
    assert early.startswith("2 fills were known to their strategy")
    assert late.startswith("1,234 order responses were told later than due")
