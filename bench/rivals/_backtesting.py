"""Run by backtesting.py's environment: one crossover at a time, on bars given in a file."""

import json
import os
import sys
import time
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np


def measure(plan: dict[str, Any]) -> dict[str, Any]:
    """One backtest a pair; CPU seconds."""
    import pandas as pd  # type: ignore[import-untyped,unused-ignore]
    from backtesting import Backtest, Strategy  # type: ignore[import-not-found]
    from backtesting.lib import crossover  # type: ignore[import-not-found]

    bars = np.load(plan["path"])
    names = {"Open": "open", "High": "high", "Low": "low", "Close": "close"}
    index = pd.date_range("2024-01-02", periods=len(bars["close"]), freq="min")
    frame = pd.DataFrame({name: bars[key] for name, key in names.items()}, index=index)

    def mean(values: Any, length: int) -> Any:
        return pd.Series(values).rolling(length).mean()

    class Cross(Strategy):  # type: ignore[misc]
        fast, slow = 10, 30

        def init(self) -> None:
            self.quick = self.I(mean, self.data.Close, self.fast)
            self.calm = self.I(mean, self.data.Close, self.slow)

        def next(self) -> None:
            if crossover(self.quick, self.calm):
                self.buy()
            elif crossover(self.calm, self.quick):
                self.position.close()

    trades = 0
    seconds = []
    for _ in range(plan["runs"] + 1):
        began = time.process_time()
        trades = 0
        for fast, slow in plan["pairs"]:
            test = Backtest(frame, Cross, cash=1e9, trade_on_close=True)
            trades += int(test.run(fast=fast, slow=slow)["# Trades"])
        seconds.append(time.process_time() - began)
    return {
        "name": "backtesting.py",
        "version": version("backtesting"),
        "events": len(frame) * len(plan["pairs"]),
        "runs": seconds[1:],
        "convert_s": 0,
        "what": f"{len(plan['pairs'])} pairs, one after the other, trade_on_close; CPU time",
        "check": {"trades": trades},
    }


def main() -> None:
    """Read the plan from the command line, print one line of JSON; libraries print to stderr."""
    warnings.simplefilter("ignore")
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        print(json.dumps(measure(json.loads(sys.argv[1]))), file=out)


if __name__ == "__main__":
    main()
