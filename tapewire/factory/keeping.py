"""Strategies and what came of them, as a store takes them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy.typing as npt

from tapewire.candles.optimizer import plain
from tapewire.candles.rules import DeclaredStrategy, strategy_of_json
from tapewire.errors import ConfigError
from tapewire.factory.summing import TriedStrategy
from tapewire.generator import EvaluatedStrategies, complexity_score, strategy_hash

if TYPE_CHECKING:
    from tapewire.store import NewResult, NewStrategy

#: What a store calls the format of a declared strategy.
DECLARED: Final = "json"


def new_strategies(strategies: Sequence[DeclaredStrategy], before: str) -> "list[NewStrategy]":
    """Return strategies to keep, their names behind what makes them different from all others."""
    from tapewire.store import NewStrategy

    found = []
    for strategy in strategies:
        named = strategy.model_copy(update={"name": f"{before}{strategy.name}"})
        text = json.dumps(named.model_dump(exclude_none=True), ensure_ascii=False)
        found.append(
            NewStrategy(
                strategy_hash(strategy),
                named.name,
                text,
                DECLARED,
                complexity_score=complexity_score(strategy),
            )
        )
    return found


def new_results(
    hashes: Sequence[str], came: EvaluatedStrategies, dataset_id: int, kind: str
) -> "list[NewResult]":
    """Return results to keep, of strategies in their order.

    Sharpe ratio is ``sharpe_annualised``, drawdown the largest share of a high that was lost
    (``max_drawdown_of_peak``), as the tables' columns are specified; fitness is a metric, too.
    """
    from tapewire.store import NewResult

    found = []
    for k, name in enumerate(hashes):
        metrics = _metrics(came.columns, k)
        digest = hashlib.sha256(json.dumps(metrics, sort_keys=True).encode())
        digest.update(came.daily[k].astype("<f8").tobytes())
        found.append(
            NewResult(
                name,
                dataset_id,
                kind,
                metrics["sharpe_annualised"],
                metrics["total_return"],
                metrics["max_drawdown_of_peak"],
                metrics["closed_trades"],
                {**metrics, "fitness": came.evaluated[k].fitness},
                digest.hexdigest(),
            )
        )
    return found


def tried(results: "Sequence[NewResult]") -> list[TriedStrategy]:
    """Return what a generation's sums take of results."""
    return [
        TriedStrategy(one.strategy_hash, one.metrics["fitness"], one.sharpe_ratio, one.digest)
        for one in results
    ]


def stored_strategy(name: str, source_code: str, kept_as: str) -> DeclaredStrategy:
    """Return the strategy that a store has the text of.

    Raises
    ------
    ConfigError
        If it is no declared one, or its text is none any more.
    """
    if kept_as != DECLARED:
        raise ConfigError(f"{name}: expected a declared strategy (json), found one in {kept_as}")
    return strategy_of_json(source_code, source=name)


def _metrics(columns: Mapping[str, npt.NDArray[Any]], k: int) -> dict[str, Any]:
    return {name: plain(column[k]) for name, column in columns.items()}
