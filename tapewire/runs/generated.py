"""Strategies generated into a file, one a line: what ``tapewire candles batch`` trades."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from tapewire.atomic import atomic_file, require_replaceable
from tapewire.candles.rules import DeclaredStrategy, strategy_text
from tapewire.errors import ConfigError, OutputError
from tapewire.generator import (
    StrategyConstraints,
    StrategyGrammar,
    complexity_score,
    derive_strategies,
    draw_strategies,
)
from tapewire.inputs.candle_outputs import stoppable
from tapewire.inputs.telling import Steps

#: Strategies of one file at most: as many as a batch takes.
COUNT_MAX: Final = 1_000_000
#: How strategies of a file are made: nothing is known of what they are worth.
METHODS: Final = ("random", "grammar")


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
    method: str = "random",
    grammar: Path | None = None,
    force: bool = False,
) -> GeneratedStrategies:
    """Make strategies and write them as JSON, one a line.

    Parameters
    ----------
    output
        A name that ends in ``.jsonl``.
    count
        How many.
    seed, constraints, timeframes
        See `tapewire.generator.draw_strategies`.
    method
        One of `METHODS`.
    grammar
        A file of a grammar, of method ``grammar`` alone; None: the one that comes along.
    force
        Replace a file that is there.

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
    drawn = _made(method, grammar, count, seed, constraints, timeframes)
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


def _made(
    method: str,
    grammar: Path | None,
    count: int,
    seed: int,
    constraints: StrategyConstraints | None,
    timeframes: Sequence[str],
) -> Iterator[DeclaredStrategy]:
    if method not in METHODS:
        raise ConfigError(f"--method: expected one of {', '.join(METHODS)}, found {method!r}")
    if method == "random":
        if grammar is not None:
            raise ConfigError("--grammar: expected --method grammar beside it")
        return draw_strategies(count, seed=seed, constraints=constraints, timeframes=timeframes)
    rules = StrategyGrammar.shipped() if grammar is None else StrategyGrammar.load(grammar)
    return derive_strategies(
        count, grammar=rules, seed=seed, constraints=constraints, timeframes=timeframes
    )
