"""`../sma_crossover.py` as compiled functions: the same names, the same orders, one digest.

What an instance keeps is a record instead of attributes, and a ring instead of a deque; a method
`on_trade(self, trade, context)` is a function `on_trade(ctx, state)`. Tapewire compiles them.
"""

import numpy as np

from tapewire.compiled.parameters import ParameterSpec
from tapewire.strategies import StrategyDefinition
from tapewire.strategies.context import (
    BUY,
    SELL,
    first_open,
    next_open,
    order_leaves,
    order_side,
    submit_market,
)

PERIOD_MAX = 1000

STATE = np.dtype(
    [
        ("fast_period", "i8"),
        ("slow_period", "i8"),
        ("position_size", "i8"),
        ("n", "i8"),  # trades so far
        ("fast_sum", "i8"),
        ("slow_sum", "i8"),
        ("signal", "i8"),
        ("prices", "i8", (PERIOD_MAX,)),  # ring of the last prices
    ]
)


def on_trade(ctx, state):
    """Move both averages; on a change of signal close the position and open the other way."""
    n = state.n
    state.fast_sum += ctx.trade_price
    state.slow_sum += ctx.trade_price
    if n >= state.fast_period:
        state.fast_sum -= state.prices[(n - state.fast_period) % PERIOD_MAX]
    if n >= state.slow_period:
        state.slow_sum -= state.prices[(n - state.slow_period) % PERIOD_MAX]
    state.prices[n % PERIOD_MAX] = ctx.trade_price
    state.n = n + 1
    if state.n < max(state.fast_period, state.slow_period):
        return
    fast, slow = state.fast_sum / state.fast_period, state.slow_sum / state.slow_period
    signal = BUY if fast > slow else SELL
    if signal == state.signal or ctx.halted:
        return
    state.signal = signal
    # What is on its way counts as held: the answer to the last signal may not be known yet.
    held = ctx.position
    order = first_open(ctx)
    while order != -1:
        held += order_side(ctx, order) * order_leaves(ctx, order)
        order = next_open(ctx, order)
    if held != 0:
        submit_market(ctx, SELL if held > 0 else BUY, abs(held))
    submit_market(ctx, signal, state.position_size)


def prepare(parameters, state):
    """Write the parameters into the state record, which is zero at the start."""
    for name in ("fast_period", "slow_period", "position_size"):
        state[name] = parameters[name]


SMA_CROSSOVER = StrategyDefinition(
    name="SmaCrossover",
    doc="Long while the fast average of trade prices is above the slow one, short otherwise.",
    parameters={
        "fast_period": ParameterSpec(int, "trades in the fast average", 10, 1, PERIOD_MAX),
        "slow_period": ParameterSpec(int, "trades in the slow average", 20, 1, PERIOD_MAX),
        "position_size": ParameterSpec(int, "lots to hold either way", 1, 1),
    },
    state=STATE,
    prepare=prepare,
    on_trade=on_trade,
)
