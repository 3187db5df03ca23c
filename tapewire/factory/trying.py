"""Strategies of a store, traded on bars: what came of it is kept beside them."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tapewire.candles import Candles
from tapewire.errors import ConfigError
from tapewire.factory.asked import FactorySettings
from tapewire.factory.datasets import FactoryBars
from tapewire.factory.keeping import new_results, stored_strategy
from tapewire.factory.opening import opened_store
from tapewire.factory.searching import require_free_name
from tapewire.generator import StrategyEvaluator
from tapewire.inputs.candle_outputs import all_cores, stoppable
from tapewire.inputs.telling import Steps

if TYPE_CHECKING:
    from tapewire.candles.rules import DeclaredStrategy
    from tapewire.store import Store

#: Of results of strategies that were tried after they were found.
TEST: Final = "test"
#: Strategies that are traded and kept together.
_BATCH: Final = 500


@dataclass(frozen=True)
class TrialTable:
    """What was tried.

    Attributes
    ----------
    store, dataset : str
    bars : int
        That they were traded on.
    is_part : bool
        Whether bars were left out: those that are closed to searches on this dataset.
    rows : list of dict
        Of each: ``id``, ``name``, ``sharpe``, ``return``, ``drawdown``, ``trades``, the best first.
    elapsed_s : float
    """

    store: str
    dataset: str
    bars: int
    is_part: bool
    rows: list[dict[str, Any]]
    elapsed_s: float


def try_strategies(
    bars: FactoryBars,
    keys: Sequence[int | str] = (),
    *,
    where: str | None = None,
    assumptions: Sequence[str] = (),
    store: str | None = None,
    jobs: int | None = None,
) -> TrialTable:
    """Trade strategies of a store on bars, and keep what came of it, batch by batch.

    Where these bars are those of a search, the part that is closed to it stays closed.

    Parameters
    ----------
    bars
        See `tapewire.factory.read_bars`.
    keys
        Ids, names or the first letters of hashes.
    where
        Instead of keys: all of which this is true, see `tapewire.store.Store.strategies`; empty:
        all there are.
    assumptions
        ``key=value`` of `tapewire.candles.BacktestConfig`.
    store
        Where they are.
    jobs
        Threads; None: one for each core.

    Raises
    ------
    ConfigError, InputError, StoreError
        If something is wrong with what is asked for, the bars or the store.
    """
    if bool(keys) == (where is not None):
        raise ConfigError("expected strategies (IDS), --where or --all, and one of these only")
    settings = FactorySettings(assumptions=tuple(assumptions))
    began_s = time.perf_counter()
    rows: list[dict[str, Any]] = []
    with opened_store(store) as opened, stoppable():
        require_free_name(opened, bars)
        candles = open_part(opened, bars)
        evaluator = StrategyEvaluator(
            candles, settings.config(), clock=bars.clock, jobs=jobs or all_cores(), keep_daily=True
        )
        dataset_id = None
        with Steps("strategies tried", len(keys) or None) as steps:
            for some in _batches(opened, keys, where):
                came = evaluator.evaluate([one for _, _, _, one in some])
                if dataset_id is None:
                    dataset_id = opened.add_dataset(bars.digest, bars.description)
                results = new_results([code for _, _, code, _ in some], came, dataset_id, TEST)
                opened.add_results(results)
                rows += [
                    {
                        "id": number, "name": name, "sharpe": one.sharpe_ratio,
                        "return": one.total_return, "drawdown": one.max_drawdown,
                        "trades": one.total_trades,
                    }
                    for (number, name, _, _), one in zip(some, results, strict=True)
                ]  # fmt: skip
                steps(len(rows))
        if not rows:
            raise ConfigError(f"{opened.url}: expected strategies, found none{_that(where)}")
        url = opened.url
    rows.sort(key=lambda one: (one["sharpe"] is None, -(one["sharpe"] or 0.0), one["id"]))
    elapsed_s = round(time.perf_counter() - began_s, 3)
    is_part = len(candles) < len(bars.candles)
    return TrialTable(url, bars.name, len(candles), is_part, rows, elapsed_s)


def open_part(store: "Store", bars: FactoryBars) -> Candles:
    """Return the bars that are open: all, or those before what is closed to searches on them."""
    known = [one for one in store.datasets() if one.digest == bars.digest]
    shares = [
        FactorySettings.of_json(one.settings).holdout_share
        for one in store.generations() if known and one.dataset_id == known[0].id
    ]  # fmt: skip
    return bars.search_candles(max(shares)) if shares else bars.candles


def _that(where: str | None) -> str:
    return f" of which {where!r} is true" if where else ""


_Stored = tuple[int, str, str, "DeclaredStrategy"]


def _batches(
    store: "Store", keys: Sequence[int | str], where: str | None
) -> "Iterator[list[_Stored]]":
    if keys:
        for first in range(0, len(keys), _BATCH):
            yield [_stored(store, key) for key in keys[first : first + _BATCH]]
        return
    after: str | None = None
    while True:
        page = store.strategies("id", descending=False, where=where or "", after=after,
                                limit=_BATCH)  # fmt: skip
        if page.rows:
            yield [_stored(store, row.id) for row in page.rows]
        if (after := page.after) is None:
            return


def _stored(store: "Store", key: int | str) -> _Stored:
    one = store.strategy(key)
    return one.id, one.name, one.hash, stored_strategy(one.name, one.source_code, one.format)
