"""Why a strategy stopped a run, in words."""

import traceback
from typing import Any

import numpy as np

from tapewire.compiled.units import MONEY_UNITS, PRICE_UNITS
from tapewire.execution.codes import Reason
from tapewire.execution.terms import QUANTITY_MAX
from tapewire.positions.codes import PORTFOLIO_REASONS, REASONS, Limit
from tapewire.router._delivery import STEPS_AT_ONE_TIME_MAX
from tapewire.router.config import RiskLimits
from tapewire.strategies.layout import REQUESTS_MAX


def endless_answers(who: str, when: str, instance: Any, limits: RiskLimits, tick: int) -> str:
    """A strategy answers what it is told without its time ever going on."""
    denials = int(instance["denials"])
    text = (
        f"{who} answers its own messages without end at {when}: "
        f"more than {STEPS_AT_ONE_TIME_MAX:,} at one time"
    )
    if not denials:
        return f"{text}; let it wait for the next market event or a later timer"
    reason = Reason(int(instance["denial_reason"]))
    return (
        f"{text}, {denials:,} of them denials, the last for {reason.name} "
        f"({_bound(reason, limits, tick)}); a denial changes nothing in the market: let it wait "
        "for the next market event before it asks again"
    )


def _bound(reason: Reason, limits: RiskLimits, tick: int) -> str:
    """The limit that denied, with its value, as the configuration names it."""
    if reason is Reason.MAX_POSITION:
        return f"risk_limits: max_position is {limits.max_position:,} lots"
    if reason is Reason.MAX_ORDER_SIZE:
        return f"risk_limits: max_order_size is {limits.max_order_size:,} lots"
    if reason is Reason.MAX_ORDER_RATE:
        return f"risk_limits: max_orders_per_second is {limits.max_orders_per_second:,}"
    if reason in REASONS:
        limit = Limit(REASONS.index(reason))
        bound = limits.bound(limit.key)
        said = f"{bound / MONEY_UNITS:,.2f}" if limit.is_money else f"{bound:,}"
        return f"risk_limits: {limit.key} is {said}"
    if reason in PORTFOLIO_REASONS:
        return f"portfolio_limits: {Limit(PORTFOLIO_REASONS.index(reason)).key}"
    if reason is Reason.NO_MARK:
        return "an exposure is limited, and the book has no price yet"
    if reason is Reason.INVALID_PRICE:
        return (
            f"instruments: tick_size is {tick / PRICE_UNITS:g}"
            if tick
            else "the price is undefined"
        )
    if reason is Reason.INVALID_TERMS:
        return "what was asked for does not go together"
    return f"a quantity is from 1 to {QUANTITY_MAX:,} lots, and as the instrument's lot_size says"


def too_many_requests(who: str, when: str) -> str:
    """A strategy asked for more in one callback than the loop makes room for."""
    return f"{who} made more than {REQUESTS_MAX} requests in one callback at {when}"


def own_failure(strategy_id: str, hook: str, now_ns: int, symbol: str, error: BaseException) -> str:
    """What a strategy's own code raised: who, when, on what, and the lines of it that led there."""
    when = f"{np.datetime64(now_ns, 'ns')} UTC"
    lines = [f"strategy {strategy_id} failed in {hook} at {when}, on {symbol}:"]
    for frame, line in traceback.walk_tb(error.__traceback__):
        if not frame.f_globals.get("__name__", "").startswith("tapewire."):
            lines += traceback.format_list(traceback.StackSummary.extract([(frame, line)]))
    return "\n".join([*lines, *traceback.format_exception_only(error)]).rstrip()
