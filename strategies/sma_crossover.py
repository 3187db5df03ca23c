"""Simple moving average crossover on trade prices, as in the architecture specification."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tapewire.compiled.parameters import ParameterSpec
from tapewire.strategies.context import BUY, SELL, submit_market
from tapewire.strategies.definition import StrategyDefinition

PERIOD_MAX = 4096
_NONE = 0
_LONG = 1
_SHORT = -1

STATE = np.dtype(
    [
        ("fast_period", "i8"),
        ("slow_period", "i8"),
        ("position_size", "i8"),
        ("n", "i8"),  # trades seen
        ("fast_sum", "i8"),
        ("slow_sum", "i8"),
        ("signal", "i8"),
        ("prices", "i8", (PERIOD_MAX,)),  # ring of the last trade prices
    ],
    align=True,
)


def on_trade(ctx: Any, state: Any) -> None:
    """Move both averages; on a change of signal close the position and open the other way."""
    price = ctx.trade_price
    n = state.n
    state.fast_sum += price
    state.slow_sum += price
    if n >= state.fast_period:
        state.fast_sum -= state.prices[(n - state.fast_period) % PERIOD_MAX]
    if n >= state.slow_period:
        state.slow_sum -= state.prices[(n - state.slow_period) % PERIOD_MAX]
    state.prices[n % PERIOD_MAX] = price
    state.n = n + 1
    if state.n < state.slow_period:
        return
    fast = state.fast_sum / state.fast_period
    slow = state.slow_sum / state.slow_period
    signal = _LONG if fast > slow else _SHORT
    if signal == state.signal:
        return
    state.signal = signal
    if ctx.halted != 0 or ctx.ended != 0:
        return
    if ctx.position > 0:
        submit_market(ctx, SELL, ctx.position)
    elif ctx.position < 0:
        submit_market(ctx, BUY, -ctx.position)
    submit_market(ctx, BUY if signal == _LONG else SELL, state.position_size)


def prepare(parameters: Mapping[str, Any], state: Any) -> None:
    """Write the parameters into the state record."""
    for name in ("fast_period", "slow_period", "position_size"):
        state[name] = parameters[name]
    state["signal"] = _NONE


SMA_CROSSOVER = StrategyDefinition(
    name="sma_crossover",
    doc="Long while the fast average of trade prices is above the slow one, short otherwise.",
    parameters={
        "fast_period": ParameterSpec(int, "trades in the fast average", 10, 1, PERIOD_MAX - 1),
        "slow_period": ParameterSpec(int, "trades in the slow average", 20, 1, PERIOD_MAX - 1),
        "position_size": ParameterSpec(int, "lots to hold either way", 1, 1),
    },
    state=STATE,
    prepare=prepare,
    on_trade=on_trade,
)
