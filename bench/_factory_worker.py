"""A search in a process of its own: ``python -m tapewire.bench._factory_worker KIND JSON``.

Prints one line of JSON: wall time, processor time, peak memory, backtests, trades. What compiles,
or loads what was compiled, is done before on a few strategies.
"""

import json
import resource
import sys
import time
from typing import Any, Final

from tapewire.bench.candles import walk
from tapewire.candles import BacktestConfig
from tapewire.candles.rules import DeclaredStrategy
from tapewire.generator import GeneticSearch, GeneticSettings, StrategyEvaluator, draw_strategies
from tapewire.generator.guards import GuardSettings, Holdout, judge_all
from tapewire.generator.guards.settings import HOLDOUT_CHECKS
from tapewire.inputs.candle_outputs import all_cores

FRAMES: Final = ("1m", "5m", "15m", "1h")
#: Of strategies that are drawn: as many as a batch of the factory at the most.
_BATCH: Final = 1_000


def _searched(kind: str, asked: dict[str, int], evaluator: StrategyEvaluator) -> tuple[int, int]:
    """Return how many strategies were traded, and their trades; of judged ones, all checks."""
    count = trades = 0

    def traded(strategies: list[DeclaredStrategy]) -> Any:
        nonlocal count, trades
        found = evaluator.evaluate(strategies).evaluated
        count += len(found)
        trades += sum(one.trades for one in found)
        return found

    if kind == "genetic":
        settings = GeneticSettings(asked["population"], asked["generations"])
        search = GeneticSearch(settings, seed=asked["seed"], timeframes=FRAMES)
        while not search.done:
            search.tell(traded(search.ask()))
            search.state()
        return count, trades
    if kind == "judged":
        drawn = list(draw_strategies(asked["count"], seed=asked["seed"], timeframes=FRAMES))
        # The holdout opens for what passes all else, which hangs on what was drawn.
        guards, holdout = GuardSettings(off=HOLDOUT_CHECKS), Holdout.of(evaluator.candles)
        found = judge_all(drawn, holdout, guards, config=evaluator.config, jobs=evaluator.jobs)
        return found.population.evaluated, sum(len(one.checks) for one in found.verdicts)
    part: list[DeclaredStrategy] = []
    for strategy in draw_strategies(asked["count"], seed=asked["seed"], timeframes=FRAMES):
        part.append(strategy)
        if len(part) == _BATCH:
            traded(part)
            part = []
    if part:
        traded(part)
    return count, trades


def main() -> None:
    """Search as the arguments say."""
    kind, asked = sys.argv[1], json.loads(sys.argv[2])
    candles = walk(asked["bars"], asked["seed"])
    config = BacktestConfig(commission_rate=0.00002, slippage_bps=0.5)
    evaluator = StrategyEvaluator(candles, config, jobs=all_cores())
    few = {**asked, "count": 20, "population": 10, "generations": 2}
    _searched(kind, few, StrategyEvaluator(candles, config, jobs=all_cores()))
    began_s, used_s = time.perf_counter(), time.process_time()
    count, trades = _searched(kind, asked, evaluator)
    print(
        json.dumps(
            {
                "wall_s": time.perf_counter() - began_s,
                "cpu_s": time.process_time() - used_s,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024,
                "backtests": count,
                "trades": trades,
            }
        )
    )


if __name__ == "__main__":
    main()
