"""``tapewire candles …``: one backtest, a grid of one strategy."""

import json
import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self

from rich.console import Console

from tapewire.candles import BacktestConfig, BacktestResult, Candles, read_candles
from tapewire.candles.families import find_family
from tapewire.candles.optimizer import OBJECTIVES, checked_rows, optimize, require_sessions
from tapewire.errors import ConfigError
from tapewire.inputs.candle_outputs import (
    all_cores,
    require_table_path,
    say_result,
    stoppable,
    write_table,
)
from tapewire.inputs.candle_walks import best_so_far, require_room, walk_lines, walked
from tapewire.inputs.telling import Steps, tell
from tapewire.processes.signals import interruptible

_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_RANGE_MAX: Final = 1_000_000
#: Metrics that are printed of a variant.
_SHOWN: Final = ("total_return", "sharpe_annualised", "max_drawdown", "closed_trades", "win_rate")


@dataclass(frozen=True)
class CandleRequest:
    """What is asked for, as it was typed.

    Attributes
    ----------
    strategy : str
    parameters : sequence of str
        ``name=value``, ``name=1,2,3`` or ``name=1:9:2`` (both ends included).
    settings : sequence of str
        ``key=value`` of `BacktestConfig`.
    symbol, interval, faults : see `read_candles`
    tick_size : str, optional
        Currency.
    """

    strategy: str
    parameters: Sequence[str] = ()
    settings: Sequence[str] = ()
    symbol: str | None = None
    interval: str = "1m"
    tick_size: str | None = None
    faults: str = "error"

    def read(self, path: str | os.PathLike[str]) -> Candles:
        """Read the candles of one file."""
        from tapewire.compiled.numbers import to_price

        tick = None
        if self.tick_size is not None:
            try:
                tick = to_price(self.tick_size, "tick_size")
            except ValueError as error:
                raise ConfigError(str(error)) from None
            if tick <= 0:
                raise ConfigError(f"tick_size: expected above 0, found {self.tick_size}")
        if self.faults not in ("error", "repair"):
            raise ConfigError(f"faults: expected error or repair, found {self.faults!r}")
        return read_candles(
            Path(path), symbol=self.symbol, interval=self.interval, tick_size=tick,
            faults=self.faults,
        )  # fmt: skip

    def config(self) -> BacktestConfig:
        """Return the assumptions."""
        return BacktestConfig.of({key: _value(text) for key, text in _pairs(self.settings)})

    def grid(self) -> dict[str, list[Any]]:
        """Return the values of each parameter."""
        return {name: _values(name, text) for name, text in _pairs(self.parameters)}


def _pairs(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    seen = set()
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise ConfigError(f"expected NAME=VALUE, found {text!r}")
        if name in seen:
            raise ConfigError(f"{name}: expected once, found twice; values are separated by commas")
        seen.add(name)
        yield name, value


def _value(text: str) -> Any:
    """Return a number, true, false, none, or the text."""
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    if re.fullmatch(r"[-+]?\d{1,18}", text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _values(name: str, text: str) -> list[Any]:
    parts = text.split(":")
    if len(parts) != 3:
        return [_value(part.strip()) for part in text.split(",")]
    first, last, step = (_value(part.strip()) for part in parts)
    numbers = all(isinstance(one, int | float) for one in (first, last, step))
    if not numbers or not step > 0 or not first <= last:
        raise ConfigError(f"{name}: expected FIRST:LAST:STEP with a step above 0, found {text!r}")
    count = int((last - first) / step + 1e-9) + 1
    if count > _RANGE_MAX:
        raise ConfigError(f"{name}: expected at most {_RANGE_MAX:,} values, found {count:,}")
    if all(isinstance(one, int) for one in (first, last, step)):
        return [first + i * step for i in range(count)]
    exact, by = Decimal(parts[0].strip()), Decimal(parts[2].strip())
    return [float(exact + i * by) for i in range(count)]  # 0.3, not 0.30000000000000004


def told_apart(paths: Sequence[Path]) -> list[str]:
    """Return what files are called in a table: their names, or if two share one, their paths."""
    different = set(paths)
    names_do = len({path.name for path in different}) == len(different)
    return [path.name if names_do else str(path) for path in paths]


# --- one ------------------------------------------------------------------------------------------


def run_candles(
    path: Path,
    request: CandleRequest,
    *,
    trades: Path | None = None,
    equity: Path | None = None,
    as_json: bool = False,
    console: Console | None = None,
) -> BacktestResult:
    """Trade one set of parameters on one file, and say what came of it.

    Raises
    ------
    ConfigError
        If something typed is wrong; several values of a parameter are for ``optimize``.
    InputError, OutputError, InterruptedRunError
        As reading and writing.
    """
    for output in (trades, equity):
        require_table_path(output)
    family, config, grid = find_family(request.strategy), request.config(), request.grid()
    for name, values in grid.items():
        if len(values) != 1:
            raise ConfigError(f"{name}: expected one value, found {len(values)}; see optimize")
    (row,) = checked_rows(family, grid)
    with interruptible():
        result = family.run(request.read(path), row, config)
        for output, table in ((trades, "trades"), (equity, "equity_curve")):
            if output is not None:
                write_table(output, getattr(result, table))
    if console is not None:
        say_result(result, console, as_json=as_json)
    return result


# --- many -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BestVariants:
    """The best of a grid.

    Attributes
    ----------
    strategy : str
    parameters : list of str
        Their names.
    variants : int
        How many were traded.
    objective : str
    best : list of dict
        Parameters and metrics, the best first.
    elapsed_s : float
    interval_ns : int
        How long a bar is.
    best_so_far : list of (int, float)
        See `tapewire.inputs.candle_walks.best_so_far`.
    walk : dict, optional
        See `tapewire.inputs.candle_walks.walked`.
    """

    strategy: str
    parameters: list[str]
    variants: int
    objective: str
    best: list[dict[str, Any]]
    elapsed_s: float
    interval_ns: int = 0
    best_so_far: list[list[float]] = field(default_factory=list)
    walk: dict[str, Any] | None = None

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Self:
        """Return what JSON was made of, in which infinity is the text ``inf``."""
        words = {"inf": math.inf, "-inf": -math.inf}
        best = [
            {name: words.get(value, value) if isinstance(value, str) else value
             for name, value in one.items()}
            for one in values["best"]
        ]  # fmt: skip
        return cls(**{**values, "best": best})

    def say(self, console: Console, *, as_json: bool) -> None:
        """Print them."""
        if as_json:
            told = {name: getattr(self, name) for name in ("strategy", "variants", "objective")}
            told["best"] = self.best
            if self.walk is not None:
                told["walk"] = self.walk
            console.out(json.dumps(told, indent=2), highlight=False)
            return
        tell(
            console,
            f"{self.strategy}: {self.variants:,} variants in {self.elapsed_s:.1f} s, best first",
        )
        for one in self.best:
            tell(console, f"  {_told(one, self.parameters)}")
        if self.walk is not None:
            for line in walk_lines(self.walk, self.variants):
                tell(console, line)


def optimize_candles(
    path: Path,
    request: CandleRequest,
    *,
    objective: str = "sharpe_annualised",
    top: int = 10,
    jobs: int | None = None,
    output: Path | None = None,
    walk: Mapping[str, Any] | None = None,
    as_json: bool = False,
    console: Console | None = None,
) -> list[dict[str, Any]]:
    """Trade every combination on one file, and say which were best; returns those.

    With ``walk`` also what was best window by window, and what it made next: see `find_best`.

    Raises
    ------
    ConfigError, InputError, OutputError, InterruptedRunError
        As `run_candles`.
    """
    found = find_best(
        path, request, objective=objective, top=top, jobs=jobs, output=output, walk=walk
    )
    if console is not None:
        found.say(console, as_json=as_json)
    return found.best


def find_best(
    path: Path,
    request: CandleRequest,
    *,
    objective: str = "sharpe_annualised",
    top: int = 10,
    jobs: int | None = None,
    output: Path | None = None,
    walk: Mapping[str, Any] | None = None,
) -> BestVariants:
    """Trade every combination on one file, and return the best; see `optimize_candles`.

    With ``walk``, the best are chosen window by window, too: see `candle_walks.walked`.
    """
    if objective not in OBJECTIVES:
        expected = ", ".join(OBJECTIVES)
        raise ConfigError(f"objective: expected one of {expected}, found {objective!r}")
    require_table_path(output)
    family, config = find_family(request.strategy), request.config()
    rows = checked_rows(family, request.grid())
    began_s = time.perf_counter()
    with ExitStack() as stack:
        stack.enter_context(stoppable())
        candles = request.read(path)
        require_sessions(objective, candles.interval_ns)
        if walk is not None:
            require_room(len(rows), candles)
        steps = stack.enter_context(Steps(f"{family.name}, variants", len(rows)))
        result = optimize(
            candles, rows, config, strategy=family, jobs=jobs or all_cores(),
            progress=lambda done, _: steps(done), keep_daily=walk is not None,
        )  # fmt: skip
        by_window = None
        if walk is not None:
            by_window = walked(result, candles, config.initial_balance, walk)
        if output is not None:
            write_table(output, result.table)
    return BestVariants(
        family.name, list(rows[0]), len(rows), objective, result.best(objective, top),
        round(time.perf_counter() - began_s, 3), candles.interval_ns,
        best_so_far(result, objective), by_window,
    )  # fmt: skip


def _told(one: Mapping[str, Any], parameters: Sequence[str]) -> str:
    shown = [f"{name}={one[name]}" for name in parameters]
    values = ((name, one[name]) for name in _SHOWN)
    return "  ".join(
        [*shown, *(f"{n} {'–' if v is None else format(v, '.6g')}" for n, v in values)]
    )
