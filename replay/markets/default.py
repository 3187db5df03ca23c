"""The market that comes along: round numbers of the kind an index future has in quiet hours."""

from typing import Any, Final

import numpy as np

from tapewire.replay.markets._books import NEAR
from tapewire.replay.markets._tables import DEPTHS, QUANTILES_N, TOUCH
from tapewire.replay.markets.fitting import plain
from tapewire.replay.markets.model import MarketModel

_TICK: Final = 250_000_000
_PRICE: Final = 5_000_000_000_000
_SIZES: Final = [[1, 0.72], [2, 0.1], [3, 0.06], [4, 0.04], [5, 0.02], [8, 0.02], [10, 0.04]]
_TRADES: Final = [
    [1, 0.52], [2, 0.15], [3, 0.06], [4, 0.05], [6, 0.05], [8, 0.04], [12, 0.04], [20, 0.05],
    [40, 0.04],
]  # fmt: skip


def default_model() -> MarketModel:
    """Return the model that is used where no other is given."""
    behind = np.arange(1, NEAR)
    near = 0.013 / behind**1.2 + 0.0007
    add = np.zeros((3, DEPTHS))
    add[:, TOUCH] = 0.12, 0.07, 0.045
    add[:, TOUCH + 1 : TOUCH + NEAR] = near
    add[:, -1] = 0.035
    add[1:, 0] = 0.0, 0.015
    add[1:, 1] = 0.106, 0.21
    move = np.zeros(DEPTHS)
    move[:2] = 0.0002, 0.005
    move[TOUCH : TOUCH + 6] = 0.17, 0.145, 0.14, 0.12, 0.07, 0.05
    move[TOUCH + 6 : -1] = 0.004
    move[-1] = 0.21
    values: dict[str, Any] = {
        "symbol": "",
        "tick_size": _TICK,
        "price": _PRICE,
        "rate_per_s": 0.86,
        "branching": [0.13, 0.28, 0.31, 0.07, 0.06, 0.08],
        "add": add,
        "touch_add": [1.4, 1.4, 1.3, 1.2, 1.0, 0.66, 0.37],
        "touch_cancel": [6.0, 5.0, 2.9, 2.2, 1.3, 0.53, 0.2],
        "touch_modify": [1.7, 1.5, 1.4, 1.2, 1.0, 0.86, 0.77],
        "cancel": [0.0062, *(0.0005 / behind**1.5 + 0.00006), 0.0000035],
        "modify": [0.0017, *(0.001 / behind**1.1), 0.000006],
        "trade": [0.115, 0.07, 0.053, 0.037, 0.02, 0.011, 0.011],
        "move": move,
        "moves": [0.74, 0.93],
        "downs": [0.26, 0.07],
        "follow": 0.65,
        "walk": 0.085,
        "rest": 0.17,
        "refresh": 0.015,
        # From NEAR on, half of them within twice as far, the last at 960 ticks.
        "far_ticks": np.rint(NEAR * 40 ** (np.arange(QUANTILES_N) / (QUANTILES_N - 1))),
        "delay_ns": np.rint(80_000 + 20_000 * 25 ** (np.arange(QUANTILES_N) / QUANTILES_N)),
        "touch_sizes": _SIZES,
        "near_sizes": _SIZES,
        "far_sizes": _SIZES,
        "trade_sizes": _TRADES,
        "profile": [13.0, *(20 + 0.25 * behind), 1_200.0],
        "volatility_ticks": 0.36,
        "pull": 0.38,
    }
    return MarketModel.of({name: plain(value) for name, value in values.items()}, "the model")
