"""Drawn strategies as code: on bars and on records they do what the rules say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bars import walk
from converted import TICK, defined, market, minutes_of, module_of, spec_of, written
from stories import configure, run
from tapewire.candles import BacktestConfig, Candles, EventDrivenEngine
from tapewire.candles.columns import BarRow
from tapewire.candles.declared import DeclaredBars, run_declared
from tapewire.candles.layout import TRADE
from tapewire.candles.rules import DeclaredStrategy, evaluate
from tapewire.candles.signals import signal_codes
from tapewire.generator import draw_strategies
from tapewire.strategies import StrategyDefinition

START_NS = 1_709_856_000 * 10**9  # midnight UTC
CONFIG = BacktestConfig(commission_rate=0.0001, slippage_bps=1.0, quantity=2.0)


def candles_of(n: int, seed: int) -> Candles:
    """Bars of five minutes, some missing."""
    bars = walk(n, seed, unit=TICK, start=16_000)
    steps = np.random.default_rng(seed).choice([1, 1, 1, 1, 2, 40], n)
    columns = [
        getattr(bars, name).astype(np.int64) for name in ("open", "high", "low", "close", "volume")
    ]
    times = START_NS + np.cumsum(steps) * 300 * 10**9
    return Candles(times, *columns, int(TICK * 10**9), 300 * 10**9)


def check_on_bars(count: int, seed: int, n: int, folder: Path) -> int:
    """Trade drawn strategies and their code, each on one engine or the other; trades in all."""
    candles, trades = candles_of(n, seed), 0
    for k, strategy in enumerate(draw_strategies(count, seed=seed, timeframes=("15m", "1h", "1d"))):
        module = module_of(written(strategy, "candles", folder))
        bars = DeclaredBars.of(candles, [strategy])
        engine = EventDrivenEngine(CONFIG) if k % 2 else None
        if engine is None:
            expected, found = run_declared(strategy, bars, CONFIG), module.run(candles, CONFIG)
        else:
            expected = run_declared(strategy, bars, engine=engine)
            found = module.run(candles, engine=engine)
        assert found.strategy_name == strategy.name
        for name in TRADE.names or ():
            np.testing.assert_array_equal(
                found.trade_records[name], expected.trade_records[name], err_msg=name
            )
        np.testing.assert_array_equal(found.equity, expected.equity)
        trades += len(found.trade_records)
    return trades


def test_code_for_bars_trades_as_its_rules(tmp_path: Path) -> None:
    assert check_on_bars(20, 1, 900, tmp_path) > 100


@pytest.mark.long
def test_two_hundred_strategies_trade_on_bars_as_their_rules(tmp_path: Path) -> None:
    assert check_on_bars(200, 2, 3_000, tmp_path) > 2_000


# --- on records -----------------------------------------------------------------------------------


def noting(definition: StrategyDefinition, kind: type[Any], notes: list[tuple[int, int]]) -> Any:
    """The definition of a class that notes what was said of each primary bar."""

    class Noting(kind):  # type: ignore[misc]
        def decided(self, bar: BarRow, code: int) -> None:
            notes.append((bar.ts_event, code))

    return Noting.definition()


def said_of_bars(strategy: DeclaredStrategy, candles: Candles) -> list[tuple[int, int]]:
    bars = DeclaredBars.of(candles, [strategy])
    said = evaluate(strategy, bars.frames)
    codes = signal_codes(
        said.count, entry_long=said.entry_long, exit_long=said.exit_long,
        entry_short=said.entry_short, exit_short=said.exit_short,
    )  # fmt: skip
    times = bars.frames.of_name(strategy.timeframes.primary).bars.ts_event
    return list(zip(times.tolist(), codes.tolist(), strict=True))


def rows_by_strategy(rows: Any, names: list[str]) -> dict[str, list[Any]]:
    """Orders and fills of each strategy, in their order, without what names it."""
    found: dict[str, list[Any]] = {name: [] for name in names}
    for table in (rows.orders, rows.fills):
        keys = [key for key in table.dtype.names if key not in ("leg", "order")]
        for row in table:
            # There is one book, and so a leg for each strategy.
            found[names[int(row["leg"])]].append(tuple(int(row[key]) for key in keys))
    return {name: sorted(one) for name, one in found.items()}


def check_on_records(
    strategies: list[DeclaredStrategy], targets: tuple[str, ...], records: Any, folder: Path,
    **given: Any,
) -> int:  # fmt: skip
    """Play strategies in all forms beside each other; orders in all."""
    notes: dict[str, list[tuple[int, int]]] = {}
    specs = []
    for strategy in strategies:
        for target in targets:
            name = f"{strategy.name}.{target}"
            definition = defined(strategy, target, folder)
            if target == "python":
                path = folder / f"{strategy.name.replace('-', '_')}_python.py"
                kind = next(
                    one for one in vars(module_of(path)).values()
                    if isinstance(one, type) and one.__module__ == path.stem
                )  # fmt: skip
                definition = noting(definition, kind, notes.setdefault(name, []))
            specs.append(spec_of(name, definition, **given))
    _, rows = run(configure(None, others=specs, tick=TICK), records, 50_000)
    by_name = rows_by_strategy(rows, [one.strategy_id for one in specs])
    candles, orders = minutes_of(records), 0
    for strategy in strategies:
        played = [by_name[f"{strategy.name}.{target}"] for target in targets]
        assert all(one == played[0] for one in played), strategy.name
        orders += len(played[0])
        if "python" in targets:
            found, expected = notes[f"{strategy.name}.python"], said_of_bars(strategy, candles)
            # The last bars are known to have ended by a later trade only.
            assert len(found) >= len(expected) - 1 > 10
            assert found == expected[: len(found)]
    return orders


TIMEFRAMES = ("1m", "5m", "1h")


def test_code_for_records_orders_what_its_rules_say(tmp_path: Path) -> None:
    drawn = list(draw_strategies(12, seed=3, timeframes=TIMEFRAMES))
    records = market(2_500, 1)
    assert check_on_records(drawn, ("declared", "python"), records, tmp_path) > 50


def test_compiled_code_orders_what_its_rules_say(tmp_path: Path) -> None:
    drawn = list(draw_strategies(3, seed=4, timeframes=TIMEFRAMES))
    records = market(2_500, 2)
    assert check_on_records(drawn, ("declared", "compiled"), records, tmp_path, quantity=3) > 5


# By ten: each is compiled for half a minute, and processes share them.
@pytest.mark.long
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("first", range(0, 100, 10))
@pytest.mark.parametrize("at_touch", [False, True])
def test_a_hundred_strategies_are_the_same_in_all_forms(
    tmp_path: Path, first: int, at_touch: bool
) -> None:
    drawn = list(draw_strategies(100, seed=5 + at_touch, timeframes=("1m", "5m", "1d")))
    records = market(6_000, 3)
    some, targets = drawn[first : first + 10], ("declared", "python", "compiled")
    # Some hardly trade.
    assert check_on_records(some, targets, records, tmp_path, at_touch=at_touch) > 0
