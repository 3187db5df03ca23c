"""The best of a generation held against luck: guards, the holdout, verdicts that are kept."""

import getpass
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.analytics.metrics.returns import SESSIONS_PER_YEAR
from tapewire.errors import ConfigError
from tapewire.factory.asked import FactorySettings, guards_of
from tapewire.factory.datasets import FactoryBars, read_again, require_same_bars
from tapewire.factory.keeping import stored_strategy
from tapewire.factory.opening import opened_store
from tapewire.factory.summing import BEST_KEPT, GenerationSums
from tapewire.generator.guards import GuardSettings, HoldoutOpening, Trials, Verdict, judge_all
from tapewire.generator.guards.settings import HOLDOUT_CHECKS
from tapewire.inputs.candle_outputs import all_cores, stoppable
from tapewire.inputs.telling import Steps

if TYPE_CHECKING:
    from tapewire.candles.rules import DeclaredStrategy
    from tapewire.store import GenerationRecord, Store, StrategyRecord

#: Of the line that says all of a verdict; the others are the guards'.
VERDICT: Final = "verdict"


@dataclass(frozen=True)
class JudgedGeneration:
    """What is to be thought of the best of a generation.

    Attributes
    ----------
    id : int
    judged, passed : int
        How many; passed are those that every guard lets through, those of the holdout, too.
    hopeful : int
        How many passed all that can be asked without the holdout.
    is_open : bool
        Whether the holdout was looked at.
    lines : list of (str, str)
        Names and what is to be thought of each, in words, the best first.
    elapsed_s : float
    """

    id: int
    judged: int
    passed: int
    hopeful: int
    is_open: bool
    lines: list[tuple[str, str]]
    elapsed_s: float


def judge_generation(
    generation_id: int,
    *,
    holdout: bool = False,
    why: str = "",
    who: str = "",
    store: "str | Store | None" = None,
    data: Path | None = None,
    guards: Sequence[str] | None = None,
    jobs: int | None = None,
    force: bool = False,
) -> JudgedGeneration:
    """Hold the best of a generation against every guard, and keep what they say.

    Parameters
    ----------
    generation_id, store
        Which, and where.
    holdout
        Ask the guards of the holdout, too: it is opened, if any strategy passes all others; that is
        kept, and refused a second time on these bars.
    why, who
        Kept with the opening; who: None is this user.
    data
        The file of its bars; None: where it was.
    guards
        ``key=value``; None: those that the generation was asked for with.
    jobs
        Threads; None: one for each core.
    force
        Open the holdout although it was opened before; verdicts say so.

    Raises
    ------
    ConfigError
        If there is nothing to judge, too few sessions, other bars, or an opened holdout.
    InputError, StoreError
        See `tapewire.factory.evolve`.
    """
    with opened_store(store) as opened:
        record = opened.generation(generation_id)
        dataset = opened.dataset(record.dataset_id)
        bars = read_again(dataset.description, data)
        require_same_bars(bars, dataset.description, dataset.digest, f"generation {generation_id}")
        settings = FactorySettings.of_json(record.settings)
        asked = settings.guard_settings() if guards is None else guards_of(guards)
        with stoppable():
            return judge(
                opened, record, bars, settings, asked, holdout=holdout, why=why, who=who,
                jobs=jobs, force=force,
            )  # fmt: skip


def judge(
    store: "Store",
    record: "GenerationRecord",
    bars: FactoryBars,
    settings: FactorySettings,
    guards: GuardSettings,
    *,
    holdout: bool = False,
    why: str = "",
    who: str = "",
    jobs: int | None = None,
    force: bool = False,
) -> JudgedGeneration:
    """Do the same in a store that is open; see `judge_generation`."""
    began_s = time.perf_counter()
    sums = GenerationSums.of_json(record.state["sums"]) if record.state else GenerationSums()
    records = _stored(store, [code for _, code in sums.best])
    if not records:
        raise ConfigError(
            f"generation {record.id}: expected a strategy with fitness to judge, found none; see "
            "--trades-min"
        )
    if not holdout:
        guards = replace(guards, off=tuple(dict.fromkeys((*guards.off, *HOLDOUT_CHECKS))))
    openings = store.holdout_openings(record.dataset_id)
    kept = bars.holdout(settings.holdout_share, openings=len(openings))

    # Where the best are not all: among them alone the best of each half is no wonder.
    others = _stored(store, sums.sample or []) if sums.tried > BEST_KEPT else []

    # Said before anything is traded: without folds there is nothing to judge by.
    guards.fold_fitness.require(bars.sessions(kept.search))

    def on_open(opening: HoldoutOpening) -> int:
        return store.open_holdout(record.dataset_id, record.id, opening.who, opening.why)

    with Steps("strategies judged", None) as steps:
        judgement = judge_all(
            _strategies(records), kept, guards, config=settings.config(),
            sample=_strategies(others),
            trials=_trials(store.trial_count(record.dataset_id), len(records), sums),
            clock=bars.clock, jobs=jobs or all_cores(), who=who or getpass.getuser(),
            why=why or f"generation {record.id} is judged", on_open=on_open, force=force,
            progress=lambda _what, done, _count: steps(done),
        )  # fmt: skip
    names = {one.hash: one.name for one in records}
    is_open = any(one.holdout_sharpe is not None for one in judgement.verdicts)
    _keep(store, record, judgement.verdicts, is_final=holdout)
    hopeful = len(judgement.passed)
    return JudgedGeneration(
        record.id, len(judgement.verdicts), hopeful if holdout else 0, hopeful, is_open,
        [(names[one.hash], _words(one, is_final=holdout)) for one in judgement.verdicts],
        round(time.perf_counter() - began_s, 3),
    )  # fmt: skip


def _stored(store: "Store", hashes: Sequence[str]) -> "list[StrategyRecord]":
    known = store.known_hashes(hashes)
    return [store.strategy(known[code]) for code in hashes if code in known]


def _strategies(records: "Sequence[StrategyRecord]") -> "list[DeclaredStrategy]":
    return [stored_strategy(one.name, one.source_code, one.format) for one in records]


def _trials(count: int, judged: int, sums: GenerationSums) -> Trials:
    """Return all that was tried on these bars; the variance is that of this generation."""
    return Trials(max(count, judged), (sums.sharpe_variance or 0.0) / SESSIONS_PER_YEAR)


def _words(one: Verdict, *, is_final: bool) -> str:
    """Return all of a verdict in words; that the holdout's guards were not asked is no fault."""
    if is_final:
        return one.sentence
    failed = [check.name for check in one.checks if not check.passed]
    if failed:
        return f"failed {len(failed)} of {len(one.checks)} guards: {', '.join(failed)}"
    return f"passed {len(one.checks)} guards; those of the holdout are not asked yet"


def _keep(
    store: "Store", record: "GenerationRecord", verdicts: Sequence[Verdict], *, is_final: bool
) -> None:
    """Keep every check, and the verdict where there is one: failed, or all guards were asked."""
    from tapewire.store import NewResult, NewVerdict

    lines, results = [], []
    for one in verdicts:
        of_it: dict[str, Any] = {
            "strategy_hash": one.hash, "generation_id": record.id, "dataset_id": record.dataset_id,
        }  # fmt: skip
        lines += [
            NewVerdict(
                test=check.name, passed=check.passed, sentence=check.sentence,
                figure=check.figure, bound=check.bound, **of_it,
            )
            for check in one.checks
        ]  # fmt: skip
        if is_final or not one.passed:
            lines.append(
                NewVerdict(
                    test=VERDICT, passed=one.passed, sentence=_words(one, is_final=is_final),
                    details={"trials": one.trials, "error_rate": one.error_rate,
                             "holdout_openings": one.holdout_openings, "off": list(one.off)},
                    **of_it,
                )
            )  # fmt: skip
        if one.holdout_sharpe is not None:
            metrics = {"sharpe_annualised": one.holdout_sharpe}
            results.append(
                NewResult(one.hash, record.dataset_id, "holdout", one.holdout_sharpe, None, None,
                          None, metrics, _digest(metrics))
            )  # fmt: skip
    store.add_verdicts(lines)
    if results:
        store.add_results(results, generation_id=record.id)


def _digest(metrics: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(metrics, sort_keys=True).encode()).hexdigest()
