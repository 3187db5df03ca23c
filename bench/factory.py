"""Strategies made by rule: drawn, traded as they are drawn, and bred."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from tapewire.bench.candles import BARS, BARS_QUICK
from tapewire.bench.measure import Row, Scale, row_of, timed
from tapewire.bench.processes import run_child
from tapewire.children import module_command
from tapewire.errors import SimulationError

DRAWN: Final = 1_000
TRADED: Final = 10_000
TRADED_QUICK: Final = 300
POPULATION: Final = 500
GENERATIONS: Final = 50
POPULATION_QUICK: Final = 40
GENERATIONS_QUICK: Final = 3
NAMES: Final = ("strategies drawn", "drawn and traded", "drawn and judged", "genetic search")


def factory_rows(scale: Scale) -> Iterator[Row]:
    """Draw strategies; draw and trade many, and judge them; breed some by what they are worth.

    Yields
    ------
    Row
        Group ``factory``. Figures: ``backtests_per_s``, ``trades_each`` (not of judged ones),
        ``cpu_s``, ``peak_mb``.
    """
    drawn, traded, judged, bred = NAMES
    yield timed(
        "factory", drawn, DRAWN, lambda: _draw(scale.seed), runs=scale.runs,
        note="1,000 of up to 5 indicators, 3 timeframes; records are strategies",
    )  # fmt: skip
    bars = BARS_QUICK if scale.quick else BARS
    count = TRADED_QUICK if scale.quick else TRADED
    asked = {"bars": bars, "seed": scale.seed}
    yield _search(traded, "random", {**asked, "count": count}, f"{count:,}, in batches of 1,000")
    note = f"{count:,} at once, held against every guard but the holdout's"
    yield _search(judged, "judged", {**asked, "count": count}, note)
    population = POPULATION_QUICK if scale.quick else POPULATION
    generations = GENERATIONS_QUICK if scale.quick else GENERATIONS
    asked |= {"population": population, "generations": generations}
    note = f"{population} strategies, {generations} generations; states made, not written"
    yield _search(bred, "genetic", asked, note)


def _draw(seed: int) -> Callable[[], object]:
    from tapewire.generator import draw_strategies

    return lambda: list(draw_strategies(DRAWN, seed=seed))


def _search(name: str, kind: str, asked: dict[str, int], note: str) -> Row:
    """Have a process of its own search; one whose strategies never traded is not believed."""
    command = [*module_command("tapewire.bench._factory_worker"), kind, json.dumps(asked)]
    said: dict[str, Any] = json.loads(run_child(command))
    if not said["trades"]:
        raise SimulationError(f"{name}: expected trades of {said['backtests']:,} strategies")
    each = {"trades_each": round(said["trades"] / said["backtests"], 1)} if kind != "judged" else {}
    figures = {
        "backtests_per_s": round(said["backtests"] / said["wall_s"], 1),
        **each,
        "cpu_s": round(said["cpu_s"], 2),
        "peak_mb": round(said["peak_mb"]),
    }
    events = asked["bars"] * said["backtests"]
    return row_of("factory", name, events, [said["wall_s"]], note, figures)
