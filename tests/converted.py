"""Converted strategies for tests: files of code loaded, a market whose trades make bars."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from stories import Tape
from tapewire.candles import Candles
from tapewire.candles.rules import DeclaredStrategy
from tapewire.config.finding import load_strategy
from tapewire.derive import SCHEMAS, Deriver
from tapewire.generator.converting import convert
from tapewire.router import StrategySpec
from tapewire.strategies import StrategyDefinition

TICK = 0.25


def module_of(path: Path) -> ModuleType:
    """The module of a file, as somebody who has it imports it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def written(strategy: DeclaredStrategy, target: str, folder: Path, **options: Any) -> Path:
    """The file of a strategy's code."""
    path = folder / f"{strategy.name.replace('-', '_')}_{target}.py"
    path.write_text(convert(strategy, target, **options))
    return path


def defined(strategy: DeclaredStrategy, target: str, folder: Path) -> StrategyDefinition:
    """What a run finds in a strategy's file: of its JSON, or of its code."""
    if target == "declared":
        path = folder / f"{strategy.name}.json"
        path.write_text(strategy.model_dump_json(exclude_none=True))
    else:
        path = written(strategy, target, folder)
    return load_strategy(str(path), folder).definition


def spec_of(name: str, definition: StrategyDefinition, **given: Any) -> StrategySpec:
    """A strategy as a run takes it."""
    values = {one: spec.default for one, spec in definition.parameters.items()} | given
    return StrategySpec(name, definition, values)


def market(trades: int, seed: int, pace: int = 1) -> np.ndarray:
    """Records of a book two ticks wide that walks, and of trades every few seconds, with gaps.

    ``pace`` times as slow, there are fewer in a bar.
    """
    rng = np.random.default_rng(seed)
    steps_s = rng.choice([1, 5, 20, 45, 90, 4_000], trades, p=[0.3, 0.3, 0.2, 0.15, 0.045, 0.005])
    moves = rng.integers(-2, 3, trades)
    tape, middle, now_us = Tape(), 16_000, 0
    tape.add(0, 1, "B", (middle - 1) * TICK, 500).add(1, 2, "A", (middle + 1) * TICK, 500)
    for step_s, move in zip(steps_s.tolist(), moves.tolist(), strict=True):
        now_us += step_s * pace * 1_000_000 + 100
        middle += move
        bid, ask = (middle - 1) * TICK, (middle + 1) * TICK
        # The side that goes away first: the book is never crossed.
        first, second = ((2, ask), (1, bid)) if move > 0 else ((1, bid), (2, ask))
        tape.modify(now_us, first[0], price=first[1]).modify(now_us + 1, second[0], price=second[1])
        tape.event(now_us + 2, tape.t("B" if move >= 0 else "A", middle * TICK, 1 + abs(move)))
        tape.tick(now_us + 200_000)
    return tape.records()


def minutes_of(records: np.ndarray) -> Candles:
    """Bars of a minute that the trades make."""
    deriver = Deriver(SCHEMAS["ohlcv-1m"])
    parts = [block.copy() for block in deriver.feed(records)]
    bars = np.concatenate([*parts, *(block.copy() for block in deriver.finish())])
    prices = [bars[name] for name in ("open", "high", "low", "close")]
    return Candles.of(
        bars["ts_event"].astype(np.int64), *prices, bars["volume"].astype(np.int64),
        tick_size=int(TICK * 10**9), interval_ns=60 * 10**9, symbol="", faults="error",
        where="bars",
    )  # fmt: skip
