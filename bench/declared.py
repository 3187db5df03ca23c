"""Strategies declared as data, many of them over the same bars: a whole command."""

import json
import random
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tapewire.bench.candles import BARS, BARS_QUICK, TICK_SIZE, walk
from tapewire.bench.measure import Row, Scale, row_of
from tapewire.bench.processes import cost_of
from tapewire.errors import SimulationError

STRATEGIES: Final = 10_000
STRATEGIES_QUICK: Final = 300
#: Of each: eight that enter, four that leave, over the primary timeframe and three longer ones.
ENTRIES: Final = 8
EXITS: Final = 4
LONGER: Final = ("5m", "15m", "1h")
RUNS_MAX: Final = 3
_KINDS: Final = (
    "sma_cross", "rsi", "ema", "sma", "adx", "cci", "atr", "macd", "stochastic", "bbands", "close",
)  # fmt: skip

Declared = dict[str, Any]


def declared_rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Trade drawn strategies by ``tapewire candles batch``: JSON in, Parquet out, all cores.

    Yields
    ------
    Row
        Group ``candles``. Figures: ``backtests_per_s``, ``ms_each``, ``cpu_s``, ``peak_mb``.
    """
    bars, count = (BARS_QUICK, STRATEGIES_QUICK) if scale.quick else (BARS, STRATEGIES)
    strategies, candles = folder / "declared.jsonl", folder / "declared-bars.parquet"
    strategies.write_text("".join(json.dumps(one) + "\n" for one in drawn(count, scale.seed)))
    _write_bars(candles, bars, scale.seed)
    output = folder / "declared.parquet"
    command = ("candles", "batch", str(strategies), "-d", str(candles), "-o", str(output))
    costs = [cost_of(*command, "--force") for _ in range(min(scale.runs, RUNS_MAX) + 1)][1:]
    traded = _trades(output, count)
    took_s = statistics.median(cost.wall_s for cost in costs)
    figures = {
        "backtests_per_s": round(count / took_s, 1),
        "ms_each": round(1e3 * took_s / count, 3),
        "cpu_s": round(statistics.median(cost.cpu_s for cost in costs), 2),
        "peak_mb": round(max(cost.peak_mb for cost in costs)),
        "trades_each": round(traded, 1),
    }
    note = f"{count:,} of {ENTRIES + EXITS} conditions, {len(LONGER) + 1} timeframes"
    name = "declared strategies, whole command"
    yield row_of("candles", name, bars * count, [c.wall_s for c in costs], note, figures)


def drawn(count: int, seed: int) -> Iterator[Declared]:
    """Draw strategies: two groups of conditions that enter, one that leaves, a stop, a target."""
    draw = random.Random(seed)
    for k in range(count):
        first, second = (_group(draw, "OR", n) for n in (ENTRIES // 2, ENTRIES - ENTRIES // 2))
        entry = {"operator": "AND", "conditions": [first, second]}
        exits = [
            {"type": "stop_loss", "percent": draw.choice((0.5, 1.0))},
            {"type": "take_profit", "atr": 3.0},
            _group(draw, "AND", EXITS),
        ]
        yield {
            "name": f"drawn-{k:05d}",
            "version": "1.0",
            "timeframes": {"primary": "1m", "secondary": list(LONGER)},
            "entry_rules": {"long": entry},
            "exit_rules": {"long": {"operator": "OR", "conditions": exits}},
        }


def _group(draw: random.Random, operator: str, count: int) -> Declared:
    return {"operator": operator, "conditions": [_condition(draw) for _ in range(count)]}


def _condition(draw: random.Random) -> Declared:
    kind, period = draw.choice(_KINDS), draw.randrange(5, 60)
    said: Declared = {
        "indicator": kind, "comparison": draw.choice(("greater_than", "less_than")),
    }  # fmt: skip
    timeframe = draw.choice(("1m", *LONGER))
    if timeframe != "1m":
        said["timeframe"] = timeframe
    levels = {"rsi": (30, 71), "adx": (10, 30), "cci": (-100, 101), "atr": (1, 5)}
    if kind in ("sma_cross", "macd"):
        said["params"] = {"fast": draw.randrange(3, 15), "slow": draw.randrange(16, 80)}
    elif kind in levels:
        said |= {"params": {"period": period}, "value": draw.randrange(*levels[kind])}
    elif kind == "bbands":
        said |= {"params": {"period": period}, "output": "upper", "value": {"indicator": "close"}}
    elif kind == "close":
        said["value"] = {"indicator": "ema", "params": {"period": period}}
    elif kind != "stochastic":
        said |= {"params": {"period": period}, "value": {"indicator": "close"}}
    return said


def _write_bars(path: Path, bars: int, seed: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = walk(bars, seed)
    prices = {name: getattr(made, name) * TICK_SIZE for name in ("open", "high", "low", "close")}
    pq.write_table(pa.table({"ts_event": made.ts_event, **prices, "volume": made.volume}), path)


def _trades(path: Path, count: int) -> float:
    """Return trades per strategy, of a result that has all of them.

    Raises
    ------
    SimulationError
        If it has not, or nothing was traded.
    """
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    trades = sum(table["closed_trades"].to_pylist()) if table.num_rows == count else 0
    if not trades:
        raise SimulationError(
            f"expected trades of {count:,} strategies, found {trades} of {table.num_rows:,}"
        )
    return float(trades) / count
