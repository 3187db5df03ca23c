"""Strategies generated into a file, one a line: what ``tapewire candles batch`` trades."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from tapewire.atomic import atomic_file, require_replaceable
from tapewire.candles.rules import strategy_text
from tapewire.errors import ConfigError, OutputError
from tapewire.generator import StrategyConstraints, complexity_score, draw_strategies
from tapewire.inputs.candle_outputs import stoppable
from tapewire.inputs.telling import Steps

#: Strategies of one file at most: as many as a batch takes.
COUNT_MAX: Final = 1_000_000


@dataclass(frozen=True)
class GeneratedStrategies:
    """What was generated.

    Attributes
    ----------
    path : str
    count, seed : int
    complexity_least, complexity_most : float
        Of `tapewire.generator.complexity_score`.
    elapsed_s : float
    first : str
        The first of them in words.
    """

    path: str
    count: int
    seed: int
    complexity_least: float
    complexity_most: float
    elapsed_s: float
    first: str

    def say(self, console: Console, *, as_json: bool) -> None:
        """Print it for people, or as one JSON object."""
        if as_json:
            print(json.dumps(asdict(self), ensure_ascii=False))
            return
        least, most = self.complexity_least, self.complexity_most
        lines = [
            (
                f"{self.count:,} strategies in {self.elapsed_s:.2f} s, complexity {least:g} to "
                f"{most:g}, seed {self.seed}"
            ),
            self.first,
            f"written to {self.path}",
        ]
        console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def generate_file(
    output: Path,
    count: int,
    *,
    seed: int = 0,
    constraints: StrategyConstraints | None = None,
    timeframes: Sequence[str],
    force: bool = False,
) -> GeneratedStrategies:
    """Draw strategies at random and write them as JSON, one a line.

    Raises
    ------
    ConfigError
        If there are not so many within the constraints, or an argument is wrong.
    OutputError
        If the file is there (without ``force``) or can't be written; nothing is left then.
    """
    if not 1 <= count <= COUNT_MAX:
        raise ConfigError(f"--count: expected 1 to {COUNT_MAX:,}, found {count:,}")
    if output.suffix != ".jsonl":
        raise ConfigError(f"--output: expected a name that ends in .jsonl, found {output.name!r}")
    require_replaceable(output)
    if output.exists() and not force:
        raise OutputError(f"{output}: there is a file already; choose another name, or --force")
    began_s = time.perf_counter()
    scores: list[float] = []
    first = ""
    drawn = draw_strategies(count, seed=seed, constraints=constraints, timeframes=timeframes)
    with stoppable(), Steps("strategies drawn", count) as steps, atomic_file(output) as file:
        for strategy in drawn:
            text = json.dumps(strategy.model_dump(exclude_none=True), ensure_ascii=False)
            file.write(f"{text}\n".encode())
            scores.append(complexity_score(strategy))
            first = first or strategy_text(strategy)
            steps(len(scores))
    elapsed_s = time.perf_counter() - began_s
    return GeneratedStrategies(
        str(output), count, seed, min(scores), max(scores), round(elapsed_s, 3), first
    )
