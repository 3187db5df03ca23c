"""What is asked of a Monte Carlo study: a finished run, or a configuration, and what is drawn."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError, MissingFileError
from tapewire.runs.result import RunResult
from tapewire.studies.axes import MARKET, Trial
from tapewire.studies.conducting import PLAN_VERSION
from tapewire.studies.contents import made_by
from tapewire.studies.factors import MonteCarloSettings, Perturbation
from tapewire.studies.folder import read_plan
from tapewire.studies.perturbing import default_perturbations, market_seeds, perturbed_trials
from tapewire.studies.settings import StudySettings

#: Of a study with trials: what stands in its plan where a sweep has what varies.
STUDY: Final = "study"


@dataclass(frozen=True)
class Spreading:
    """What is done, beside what is drawn of the run itself.

    Attributes
    ----------
    plan
        What the study's folder remembers.
    settings
        What is drawn, and how.
    strategy
        Whose result spreads; None: that of all together.
    config, trials
        What is run, where anything is.
    run
        The finished run that is drawn from, where it is there already.
    perturb
        What differs between the trials, by name.
    unused
        What the configuration has no use for, and why.
    model
        What synthetic markets are like, as JSON.
    """

    plan: dict[str, Any]
    settings: MonteCarloSettings
    strategy: str | None
    config: RunConfig | None = None
    run: RunResult | None = None
    trials: tuple[Trial, ...] = ()
    perturb: Mapping[str, Perturbation] | None = None
    unused: Mapping[str, str] | None = None
    model: str | None = None


def of_run(run: RunResult, strategy: str | None, settings: MonteCarloSettings) -> Spreading:
    """Return what is drawn of a finished run: its trades and days, nothing is run.

    Raises
    ------
    ConfigError
        If it is not complete, or has no such strategy.
    """
    if run.status != "complete":
        raise ConfigError(f"{run.path}: expected a complete run, found one that is {run.status}")
    names = strategies_of(run)
    if strategy is not None and strategy not in names:
        raise ConfigError(
            f"--strategy: expected one of {', '.join(names)} in {run.path}, found {strategy!r}"
        )
    asked = [name for name in ("perturb", "draws", "markets")
             if name in settings.model_fields_set and getattr(settings, name)]  # fmt: skip
    if asked:
        raise ConfigError(
            f"{run.path}: expected nothing to perturb and no markets with a finished run, found "
            f"{asked[0]}: give its config.yaml instead"
        )
    plan = {
        "version": PLAN_VERSION,
        "kind": "montecarlo",
        "run": {"path": str(run.path.absolute()), "digest": run.manifest["digest"]},
        "strategy": strategy,
        "montecarlo": _told(replace_draws(settings, 0)),
    }
    return Spreading(plan, settings, strategy, run=run)


def of_config(
    config: RunConfig, settings: MonteCarloSettings, output: Path, *, resume: bool
) -> Spreading:
    """Return what is run and drawn around a configuration.

    Parameters
    ----------
    output, resume
        The study's folder: what markets are like is not measured again where it goes on.

    Raises
    ------
    ConfigError
        If the configuration has no use for what is to be drawn.
    """
    perturb = settings.perturb
    unused: dict[str, str] = {}
    if settings.draws and perturb is None:
        _require_one(config)
        perturb, unused = default_perturbations(config)
        if not perturb:
            raise ConfigError("perturb: expected something to perturb, or --draws 0, found none")
    trials: list[Trial] = []
    if settings.draws:
        _require_one(config)
        trials = perturbed_trials(config, perturb or {}, settings.draws, settings.seed)
    market, model = None, None
    if settings.markets:
        _require_one(config)
        seeds = market_seeds(settings.markets, settings.seed)
        trials += [Trial(settings.draws + k, {MARKET: seed}) for k, seed in enumerate(seeds, 1)]
        model = _model(settings, output, resume=resume)
        market = {"model": model, "hours": settings.market_hours,
                  "records": settings.market_records}  # fmt: skip
    plan: dict[str, Any] = {
        "version": PLAN_VERSION,
        "kind": "montecarlo",
        **made_by(config),
        "base": config.to_dict(),
        "montecarlo": _told(settings),
        "market": market,
    }
    if trials:
        listed = {"method": "list", "trials": [dict(one.values) for one in trials],
                  "block": settings.block}  # fmt: skip
        study = StudySettings.model_validate(listed)
        plan[STUDY] = study.model_dump(mode="json", by_alias=True, exclude_none=True)
    strategy = config.strategy[0].name if len(config.strategy) == 1 else None
    return Spreading(plan, settings, strategy, config, None, tuple(trials), perturb, unused, model)


def replace_draws(settings: MonteCarloSettings, draws: int) -> MonteCarloSettings:
    """Return settings with another number of perturbed runs."""
    return settings.model_copy(update={"draws": draws})


def _require_one(config: RunConfig) -> None:
    if len(config.strategy) > 1:
        raise ConfigError(
            "expected one strategy to perturb, found "
            f"{', '.join(entry.name for entry in config.strategy)}: choose one (-s), or draw its "
            "trades and days alone (--draws 0)"
        )


def _told(settings: MonteCarloSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json", by_alias=True, exclude_none=True)


def _model(settings: MonteCarloSettings, output: Path, *, resume: bool) -> str | None:
    """Return the model of the markets; one that was measured before is not measured again."""
    from tapewire.inputs.market_sessions import session_model

    if resume and settings.like is not None:
        with contextlib.suppress(MissingFileError):
            there = read_plan(output)
            known = there.get("montecarlo", {}), there.get("market") or {}
            if all(known[0].get(k) == getattr(settings, k) for k in ("like", "symbol")):
                return known[1].get("model")
    return session_model(settings.like, settings.symbol, settings.calibration)


def strategies_of(run: RunResult) -> list[str]:
    """Return the names of a run's strategies, in the order of their legs."""
    return list(dict.fromkeys(str(leg["strategy_id"]) for leg in run.manifest["legs"]))
