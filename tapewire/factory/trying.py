"""Strategies of a store, traded on bars: what came of it is kept beside them."""

import getpass
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapewire.candles.declared import DeclaredBars
from tapewire.candles.layout import SUMMARY
from tapewire.candles.optimizer import metric_columns
from tapewire.errors import ConfigError
from tapewire.factory.asked import FactorySettings
from tapewire.factory.datasets import FactoryBars
from tapewire.factory.keeping import new_results, stored_strategy
from tapewire.factory.opening import opened_store
from tapewire.factory.searching import require_free_name
from tapewire.generator import Evaluated, EvaluatedStrategies, StrategyEvaluator
from tapewire.generator.guards import Holdout, HoldoutOpening
from tapewire.generator.guards.holdout import OpenedHoldout
from tapewire.generator.guards.trading import trade_from
from tapewire.inputs.candle_outputs import all_cores, stoppable
from tapewire.inputs.telling import Steps

if TYPE_CHECKING:
    from tapewire.candles.rules import DeclaredStrategy
    from tapewire.store import Store

#: Of results of strategies that were tried after they were found.
TEST: Final = "test"
#: Of results on bars that no search had seen.
HOLDOUT: Final = "holdout"
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
    part : str
        Which bars of the dataset: ``all``, ``search`` (what searches may see) or ``holdout``.
    rows : list of dict
        Of each: ``id``, ``name``, ``sharpe``, ``return``, ``drawdown``, ``trades``, the best first.
    elapsed_s : float
    """

    store: str
    dataset: str
    bars: int
    part: str
    rows: list[dict[str, Any]]
    elapsed_s: float


def try_strategies(
    bars: FactoryBars,
    keys: Sequence[int | str] = (),
    *,
    where: str | None = None,
    assumptions: Sequence[str] = (),
    store: "str | Store | None" = None,
    jobs: int | None = None,
    holdout: bool = False,
    why: str = "",
    who: str = "",
    force: bool = False,
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
    holdout
        Trade on the closed part instead, with indicators that are warm from the part before. It is
        opened, which is kept, and refused a second time.
    why, who
        Kept with the opening; who: empty is this user.
    force
        Open it although it was opened.

    Raises
    ------
    ConfigError, InputError, StoreError
        If the holdout is asked for and was opened, or nothing was searched on these bars; or if
        something is wrong with what is asked for, the bars or the store.
    """
    if bool(keys) == (where is not None):
        raise ConfigError("expected strategies (IDS), --where or --all, and one of these only")
    settings = FactorySettings(assumptions=tuple(assumptions))
    began_s = time.perf_counter()
    rows: list[dict[str, Any]] = []
    kind = HOLDOUT if holdout else TEST
    with opened_store(store) as opened, stoppable():
        require_free_name(opened, bars)
        closed = closed_part(opened, bars)
        part = "all" if closed is None else HOLDOUT if holdout else "search"
        if holdout:
            if closed is None:
                raise ConfigError(
                    f"{bars.name}: expected bars that strategies were searched on, a part of which "
                    "is closed; found none in the store"
                )
            closed.require_closed(force=force)
            _require_tradable(_batches(opened, keys, where), bars, closed, settings, jobs)
            trade = _in_holdout(opened, bars, closed, settings, who, why, force=force)
            count = closed.bars
        else:
            candles = bars.candles if closed is None else closed.search
            count = len(candles)
            trade = StrategyEvaluator(
                candles, settings.config(), clock=bars.clock, jobs=jobs or all_cores(),
                keep_daily=True,
            ).evaluate  # fmt: skip
        dataset_id = None
        with Steps("strategies tried", len(keys) or None) as steps:
            for some in _batches(opened, keys, where):
                came = trade([one for _, _, _, one in some])
                if dataset_id is None:
                    dataset_id = opened.add_dataset(bars.digest, bars.description)
                results = new_results([code for _, _, code, _ in some], came, dataset_id, kind)
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
    return TrialTable(url, bars.name, count, part, rows, elapsed_s)


def closed_part(store: "Store", bars: FactoryBars) -> Holdout | None:
    """Return the bars with what is closed to searches on them; None: nothing was searched on them.

    Where searches closed parts of different size, the largest is closed.
    """
    known = [one.id for one in store.datasets() if one.digest == bars.digest]
    shares = [
        FactorySettings.of_json(one.settings).holdout_share
        for one in store.generations() if one.dataset_id in known
    ]  # fmt: skip
    if not shares:
        return None
    return bars.holdout(max(shares), openings=len(store.holdout_openings(known[0])))


def _require_tradable(
    batches: "Iterator[list[_Stored]]", bars: FactoryBars, closed: Holdout,
    settings: FactorySettings, jobs: int | None,
) -> None:  # fmt: skip
    """Refuse strategies that could not be traded in the closed part, before it is opened for any.

    They are traded on the part before, but where it has no bar for them: what is wrong with one of
    them shows there.
    """
    evaluator = StrategyEvaluator(
        closed.search, settings.config(), clock=bars.clock, jobs=jobs or all_cores()
    )
    for some in batches:
        strategies = [one for _, _, _, one in some]
        closed.require(strategies, bars.clock)
        frames = DeclaredBars.of(closed.search, strategies, bars.clock).frames
        there = [one for one in strategies if len(frames.of_name(one.timeframes.primary))]
        if there:
            evaluator.evaluate(there)


def _in_holdout(
    store: "Store", bars: FactoryBars, closed: Holdout, settings: FactorySettings, who: str,
    why: str, *, force: bool,
) -> "Callable[[Sequence[DeclaredStrategy]], EvaluatedStrategies]":  # fmt: skip
    """Return what trades strategies on the closed part, which is opened as the first ones come."""
    config, (dataset,) = settings.config(), [d for d in store.datasets() if d.digest == bars.digest]
    parts: list[OpenedHoldout] = []

    def note(opening: HoldoutOpening) -> int:
        return store.open_holdout(dataset.id, None, opening.who, opening.why)

    def trade(strategies: "Sequence[DeclaredStrategy]") -> EvaluatedStrategies:
        if not parts:
            reason = why or "strategies are tried on what no search saw"
            parts.append(closed.open(who or getpass.getuser(), reason, note, force=force))
        frames = DeclaredBars.of(parts[0].candles, strategies, bars.clock)
        results = [trade_from(one, frames, config, parts[0].start_ns) for one in strategies]
        # One by one: bars of another primary timeframe may have another number of sessions.
        figures = [
            metric_columns(
                np.array([one.summary], SUMMARY), one.daily[None], config.initial_balance
            )
            for one in results
        ]
        columns = {name: np.concatenate([one[name] for one in figures]) for name in figures[0]}
        return EvaluatedStrategies(
            [Evaluated(None, len(one.trade_records), np.empty(0, np.int8)) for one in results],
            columns, [one.daily for one in results],
        )  # fmt: skip

    return trade


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
