"""Run by vectorbt's environment: crossovers by both of its engines, on bars given in a file."""

import json
import os
import sys
import time
import warnings
from typing import Any

import numpy as np


def measure(plan: dict[str, Any]) -> dict[str, Any]:
    """Moving averages, crossings and portfolios of all pairs in one call; CPU seconds."""
    import vectorbt as vbt  # type: ignore[import-not-found]

    close = np.load(plan["path"])["close"]
    pairs = plan["pairs"]
    trades = 0
    seconds = []
    for _ in range(plan["runs"] + 1):
        began = time.process_time()
        entries, exits = _signals(vbt, close, pairs)
        wide = np.tile(close[:, None], (1, len(pairs)))
        portfolio = (_by_signals if plan["way"] == "from_signals" else _by_orders)(
            vbt, wide, entries, exits
        )
        portfolio.total_return()
        trades = int(portfolio.trades.count().sum())
        seconds.append(time.process_time() - began)
    return {
        "name": "vectorbt",
        "version": vbt.__version__,
        "events": len(close) * len(pairs),
        "runs": seconds[1:],
        "convert_s": 0,
        "what": f"{len(pairs)} pairs; MA.run, crossings, {plan['way']}, numba; CPU time",
        "check": {"trades": trades},
    }


def _signals(vbt: Any, close: Any, pairs: list[list[int]]) -> tuple[Any, Any]:
    fast = vbt.MA.run(close, [pair[0] for pair in pairs])
    slow = vbt.MA.run(close, [pair[1] for pair in pairs])
    return fast.ma_crossed_above(slow).values, fast.ma_crossed_below(slow).values


def _by_signals(vbt: Any, close: Any, entries: Any, exits: Any) -> Any:
    return vbt.Portfolio.from_signals(close, entries, exits, freq="1min", init_cash=100.0)


_ORDER: list[Any] = []
_NOTHING = 1e-9  # units: what rounding leaves is no position


def _by_orders(vbt: Any, close: Any, entries: Any, exits: Any) -> Any:
    if not _ORDER:
        from numba import njit
        from vectorbt.portfolio import nb  # type: ignore[import-not-found]

        @njit  # type: ignore[untyped-decorator]
        def order(c: Any, entries: Any, exits: Any) -> Any:
            if c.position_now < _NOTHING and entries[c.i, c.col]:
                return nb.order_nb(np.inf, c.close[c.i, c.col])
            if c.position_now > _NOTHING and exits[c.i, c.col]:
                return nb.order_nb(-c.position_now, c.close[c.i, c.col])
            return nb.order_nothing_nb()

        _ORDER.append(order)
    return vbt.Portfolio.from_order_func(
        close, _ORDER[0], entries, exits, freq="1min", init_cash=100.0
    )


def main() -> None:
    """Read the plan from the command line, print one line of JSON; libraries print to stderr."""
    warnings.simplefilter("ignore")
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        print(json.dumps(measure(json.loads(sys.argv[1]))), file=out)


if __name__ == "__main__":
    main()
