"""Rivals on bars: vectorbt's two engines and backtesting.py, the same crossovers, beside ours.

Each child gets the bars as a file, computes its own averages, and is believed only if it makes
nearly as many trades: averages of running float sums tell some crossings otherwise.
"""

import json
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapewire.bench.candles import (
    BARS,
    BARS_QUICK,
    assumptions,
    crossover_grid,
    measured,
    searcher,
    walk,
)
from tapewire.bench.measure import Row, Scale, row_of
from tapewire.bench.rivals.environments import Package, ensure, run_command
from tapewire.bench.rivals.results import Claim, parse_result
from tapewire.errors import TapewireError

if TYPE_CHECKING:
    from tapewire.candles import Candles

VECTORBT: Final = Package(
    "1.2.0", ("vectorbt==1.2.0", "numpy==2.4.6", "numba==0.68.1", "pandas==3.1.1")
)
BACKTESTING: Final = Package("0.6.5", ("backtesting==0.6.5", "numpy==2.4.6", "pandas==3.1.1"))
#: Pairs that rivals get: every so-and-so-many-th of ours; their rate is what counts.
PAIRS: Final = 45
PAIRS_SLOW: Final = 1
RUNS_MAX: Final = 3
CHILD_S_MAX: Final = 900
#: Share of our trades that a rival must have made.
TRADES_MIN: Final = 0.98


def candle_rival_rows(
    folder: Path, scale: Scale, show: Callable[[str], None]
) -> Generator[Row, None, list[str]]:
    """Measure each rival on the bars of the section ``candles``.

    Yields
    ------
    Row
        Groups ``candles`` (ours, again) and ``candle rival``.

    Returns
    -------
    list of str
        Why rows are missing.
    """
    missing: list[str] = []
    bars = BARS_QUICK if scale.quick else BARS
    candles, grid = walk(bars, scale.seed), crossover_grid(quick=scale.quick)
    path = folder / "bars.npz"
    tick = candles.tick
    names = ("open", "high", "low", "close")
    np.savez(path, **{name: getattr(candles, name) * tick for name in names})
    few = grid[:: max(1, len(grid) // PAIRS)][:PAIRS]

    def ours() -> Row:
        work, count = searcher(candles, grid, assumptions("close"), "sma_cross")
        note = f"{count} pairs; CPU time; one thread"
        return measured("crossovers, beside rivals", work, count, bars, scale.runs, note)

    yield ours()
    cases = (
        ("vectorbt", VECTORBT, "_vectorbt.py", "from_signals", few),
        ("vectorbt", VECTORBT, "_vectorbt.py", "from_order_func", few),
        ("backtesting.py", BACKTESTING, "_backtesting.py", "run", few[:PAIRS_SLOW]),
    )
    for name, package, script, way, part in cases:
        measure = partial(_rows, candles, path, (name, package, script, way), part, scale, show)
        try:
            yield from measure()
        except TapewireError as error:
            missing.append(f"{name} {way}: {error}")
            show(f"no rows of {missing[-1]}")
    return missing


def _rows(
    candles: "Candles", path: Path, rival: tuple[str, Package, str, str],
    pairs: list[dict[str, int]], scale: Scale, show: Callable[[str], None],
) -> Iterator[Row]:  # fmt: skip
    from tapewire.candles.crossovers import sweep_crossovers

    name, package, script, way = rival
    python = ensure(name.removesuffix(".py"), package, show)
    lengths = [[pair["fast"], pair["slow"]] for pair in pairs]
    trades = int(sweep_crossovers(candles, lengths, assumptions("close"))[0]["trades"].sum())
    runs, events = min(scale.runs, RUNS_MAX), len(candles) * len(pairs)
    claim = Claim(name, package.version, events, runs, least={"trades": int(trades * TRADES_MIN)})
    plan: dict[str, Any] = {"path": str(path), "pairs": lengths, "runs": runs, "way": way}
    # -I: neither our folders nor the user's site packages are importable there.
    child = [str(python), "-I", str(Path(__file__).parent / script), json.dumps(plan)]
    result = parse_result(run_command(child, CHILD_S_MAX), claim)
    rate = len(pairs) / float(np.median(result.seconds))
    figures = {
        "backtests_per_s": float(f"{rate:.3g}"),
        "trades_each": round(result.check["trades"] / len(pairs), 1),
    }
    yield row_of(
        "candle rival", f"{name} {package.version} {way}", events, result.seconds, result.what,
        figures,
    )  # fmt: skip
