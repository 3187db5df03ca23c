"""Verdicts: each guard held against the best strategies of a search, and what comes of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from tapewire.analytics.metrics.returns import SESSIONS_PER_YEAR
from tapewire.candles import BacktestConfig
from tapewire.candles.declared import DeclaredBars
from tapewire.candles.rules import DeclaredStrategy
from tapewire.candles.sessions import SessionClock
from tapewire.generator.guards.checks import (
    GuardCheck,
    HoldoutEvidence,
    holdout_checks,
    search_checks,
)
from tapewire.generator.guards.evidence import (
    Floats,
    GuardProgress,
    SearchEvidence,
    SearchPopulation,
    Trials,
    gather,
)
from tapewire.generator.guards.holdout import Holdout, OnOpen, OpenedHoldout
from tapewire.generator.guards.settings import HOLDS_RATE, GuardSettings
from tapewire.generator.guards.trading import (
    ratio_of,
    session_results,
    shuffled_ratios,
    trade_from,
)

_YEAR: Final = SESSIONS_PER_YEAR**0.5


@dataclass(frozen=True)
class Verdict:
    """What is to be thought of one strategy.

    Attributes
    ----------
    strategy, hash
        Its name and its canonical hash.
    passed
        Every guard that is on lets it through.
    checks
        Guards, in the order they were asked; those of the holdout only of what came so far.
    sentence
        All of it in words.
    sharpe, holdout_sharpe
        Annualised, on the search and in the holdout; None: it stayed closed.
    trials
        How many were tried.
    error_rate
        Probability, at most, that any strategy of such a search passes on bars without memory; None
        if it is not held, because a guard is off or the holdout had been opened before.
    holdout_openings
        How often the holdout has been opened.
    off
        Guards that were off.
    """

    strategy: str
    hash: str
    passed: bool
    checks: tuple[GuardCheck, ...]
    sentence: str
    sharpe: float
    holdout_sharpe: float | None
    trials: int
    error_rate: float | None
    holdout_openings: int
    off: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        plain = asdict(self)
        return {**plain, "checks": [one.to_dict() for one in self.checks], "off": list(self.off)}


@dataclass(frozen=True)
class Judgement:
    """Verdicts on the best of a search, and what holds of all that was tried.

    Attributes
    ----------
    verdicts
        The best by Sharpe ratio first.
    population
        Of all strategies.
    """

    verdicts: tuple[Verdict, ...]
    population: SearchPopulation

    @property
    def passed(self) -> tuple[Verdict, ...]:
        """Those that every guard lets through."""
        return tuple(one for one in self.verdicts if one.passed)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "verdicts": [one.to_dict() for one in self.verdicts],
            "population": self.population.to_dict(),
        }


def judge_all(
    strategies: Sequence[DeclaredStrategy],
    holdout: Holdout,
    settings: GuardSettings | None = None,
    *,
    config: BacktestConfig | None = None,
    trials: Trials | None = None,
    sample: Sequence[DeclaredStrategy] = (),
    clock: SessionClock | None = None,
    jobs: int = 1,
    who: str = "judge_all",
    why: str = "strategies that passed every guard on the search",
    on_open: OnOpen | None = None,
    force: bool = False,
    progress: GuardProgress | None = None,
) -> Judgement:
    """Judge the best of some strategies.

    The holdout is opened only if a strategy passes every guard on the bars of the search.

    Parameters
    ----------
    strategies
        All that a search evaluated, or some of it and `trials`.
    holdout
        What they were searched on, and what they were not.
    settings
        Guards and bounds.
    config
        Assumptions that they are traded under.
    trials
        All that was tried on these bars, earlier searches' strategies among them; None: what is
        given here is all.
    sample
        Some of all that was tried, chosen by nothing that it came to, if `strategies` are the best
        of it: the probability of overfitting is told by these. Empty: by `strategies`.
    clock
        When sessions begin; None: at midnight, UTC.
    jobs
        Threads; they change nothing in what is found.
    who, why, on_open, force
        See `Holdout.open`.
    progress
        Called with ``search``, ``judged`` or ``shuffles``, how much of it is done, and how much
        there is; what it raises ends it.

    Raises
    ------
    ConfigError
        If nothing is given, there are fewer trials than strategies, too few sessions for the folds,
        or a holdout that has been opened and is not forced.
    NoDataError
        If there is no complete bar of a primary timeframe.
    """
    settings, config = settings or GuardSettings(), config or BacktestConfig()
    tell = progress or _tell_nobody
    population, evidence = gather(
        strategies, holdout.search, settings, config, trials=trials, sample=sample,
        clock=clock, jobs=jobs, progress=tell,
    )  # fmt: skip
    checks = [search_checks(one, population, settings, config) for one in evidence]
    qualified = [k for k, found in enumerate(checks) if all(check.passed for check in found)]
    candidates = qualified[: settings.candidates]
    kept: list[HoldoutEvidence] = []
    if candidates and settings.opens_holdout:
        holdout.require_closed(force=force)
        holdout.require(
            [one.strategy for one in evidence], clock, shuffled=settings.is_on(HOLDS_RATE)
        )
        opened = holdout.open(who, why, on_open, force=force)
        kept = _in_holdout(evidence, candidates, opened, settings, config, clock, jobs, tell)
    for k, found in enumerate(checks):
        if not settings.opens_holdout or k not in qualified:
            continue
        if k in candidates:
            found += holdout_checks(evidence[k], kept[k], len(candidates), settings)
        else:
            found.append(_left_out(len(candidates)))
    return Judgement(
        tuple(
            _verdict(one, found, kept[k].ratio if kept else None, population, holdout, settings)
            for k, (one, found) in enumerate(zip(evidence, checks, strict=True))
        ),
        population,
    )


def _in_holdout(
    evidence: Sequence[SearchEvidence],
    candidates: Sequence[int],
    opened: OpenedHoldout,
    settings: GuardSettings,
    config: BacktestConfig,
    clock: SessionClock | None,
    jobs: int,
    tell: GuardProgress,
) -> list[HoldoutEvidence]:
    """Trade all that is judged in the holdout, and the candidates on shuffles of it."""
    bars = DeclaredBars.of(opened.candles, (one.strategy for one in evidence), clock)
    kept = []
    for one in evidence:
        result = trade_from(one.strategy, bars, config, opened.start_ns)
        results = session_results(result)
        trades = len(result.trade_records)
        kept.append(HoldoutEvidence(results, ratio_of(results), trades))
    if not settings.is_on(HOLDS_RATE):
        return kept
    real = [kept[k].ratio for k in candidates]
    most = settings.error_rate / len(candidates)

    def go_on(found: Floats) -> bool:
        tell("shuffles", len(found), settings.shuffles)
        # As good as it can still come: no further order as good as the real one.
        least = (1 + (found >= real).sum(axis=0)) / (1 + settings.shuffles)
        return bool((least <= most).any())

    shuffled = shuffled_ratios(
        [evidence[k].strategy for k in candidates], opened, config, clock=clock,
        shuffles=settings.shuffles, seed=settings.seed, jobs=jobs, go_on=go_on,
    )  # fmt: skip
    for k, ratio, column in zip(candidates, real, shuffled.T, strict=True):
        share = float((1 + (column >= ratio).sum()) / (1 + len(column)))
        kept[k] = HoldoutEvidence(kept[k].results, kept[k].ratio, kept[k].trades, share)
    return kept


def _left_out(count: int) -> GuardCheck:
    said = f"failed: not among the {count} best that were taken to the holdout"
    return GuardCheck("holdout", False, None, None, said)


def _verdict(
    one: SearchEvidence,
    checks: Sequence[GuardCheck],
    holdout_ratio: float | None,
    population: SearchPopulation,
    holdout: Holdout,
    settings: GuardSettings,
) -> Verdict:
    failed = [check.name for check in checks if not check.passed]
    first = holdout.openings <= 1
    rate = settings.stated_rate if first else None
    if failed:
        said = f"failed {len(failed)} of {len(checks)} guards: {', '.join(failed)}"
    elif rate is None:
        said = f"passed {len(checks)} guards, at no error rate that could be stated"
    else:
        said = f"passed all {len(checks)} guards, at an error rate of {rate:.0%} for the search"
    if not first and holdout_ratio is not None:
        said += f"; the holdout had been opened before ({holdout.openings - 1} times)"
    if settings.off:
        said += f"; off: {', '.join(settings.off)}"
    return Verdict(
        one.strategy.name, one.hash, not failed, tuple(checks), said, one.ratio * _YEAR,
        None if holdout_ratio is None else holdout_ratio * _YEAR, population.trials.count, rate,
        holdout.openings, settings.off,
    )  # fmt: skip


def _tell_nobody(what: str, done: int, count: int) -> None:
    """Take what progress is told."""
