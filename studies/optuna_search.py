"""Optuna's samplers, asked for trials in batches: TPE, and NSGA-II for several objectives."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tapewire.errors import ConfigError
from tapewire.studies.searching import Scores, Values
from tapewire.studies.settings import Range, StudySettings

if TYPE_CHECKING:
    import optuna

    from tapewire.studies.pruning import Pruning

_MISSING: Final = "--method {method}: expected Optuna, found none: pip install 'tapewire[optuna]'"


class OptunaSearch:
    """A sampler of Optuna.

    Parameters
    ----------
    method
        ``tpe`` or ``nsga2``.
    settings
        Axes, seed, objectives.
    population
        Of a generation (``nsga2``).
    storage
        Where Optuna keeps its study, an URL; in memory without one.
    pruning, rungs
        Which of its pruners is asked, and after which days.

    Raises
    ------
    ConfigError
        If Optuna is not installed.
    """

    def __init__(
        self, method: str, settings: StudySettings, population: int, storage: str | None = None,
        pruning: "Pruning | None" = None, rungs: Sequence[tuple[int, str]] = (),
    ) -> None:  # fmt: skip
        try:
            import optuna
        except ModuleNotFoundError:
            raise ConfigError(_MISSING.format(method=method)) from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        seed = settings.seed % 2**32  # as wide as its seeds are
        sampler: optuna.samplers.BaseSampler
        if method == "nsga2":
            sampler = optuna.samplers.NSGAIISampler(seed=seed, population_size=population)
        else:
            # A batch is asked for before it is told: trials under way are kept apart.
            sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._optuna = optuna
        self._vary = settings.vary
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if pruning is not None:
            if pruning.pruner == "hyperband" and storage is not None:
                raise ConfigError("--prune hyperband: expected no --storage with it, found one")
            pruner = _pruner(optuna, pruning, rungs)
        try:
            self._study = optuna.create_study(
                # Hyperband draws brackets by the name, which would else be random.
                study_name="tapewire" if storage is None else None,
                pruner=pruner,
                sampler=sampler,
                directions=["maximize"] * len(settings.objective),
                storage=storage,
            )
        except Exception as error:  # of Optuna, SQLAlchemy or a database's driver
            if storage is None:
                raise
            first = str(error).strip().splitlines()
            raise ConfigError(
                "--storage: expected the URL of a database that Optuna can write, like "
                f"sqlite:///found.db, found {storage!r}: {type(error).__name__}: "
                f"{first[0] if first else 'no reason given'}"
            ) from None
        self._asked: dict[str, list[optuna.trial.Trial]] = {}

    def ask(self, count: int) -> list[Values]:
        """See `Search`; what it asks for twice is told at once."""
        found = []
        for _ in range(count):
            trial = self._study.ask()
            values = {name: _suggested(trial, name, given) for name, given in self._vary.items()}
            self._asked.setdefault(json.dumps(values, default=str), []).append(trial)
            found.append(values)
        return found

    def tell(self, values: Values, scores: Scores) -> None:
        """See `Search`."""
        trial = self._asked[json.dumps(values, default=str)].pop(0)
        if scores is None:
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, list(scores))

    def weigh(self, values: Values, scores: Sequence[float], excess: Sequence[float]) -> None:
        """See `Weighing`."""
        trial = self._asked[json.dumps(values, default=str)].pop(0)
        for number, far in enumerate(excess):
            trial.set_constraint(str(number), far)
        self._study.tell(trial, list(scores))

    def decide(
        self, days: int, values: Sequence[Mapping[str, Any]], scores: Sequence[float | None]
    ) -> list[bool]:
        """See `Pruner`; a trial whose objective has no value yet goes on."""
        found = []
        for one, score in zip(values, scores, strict=True):
            trial = self._asked[json.dumps(dict(one), default=str)][0]
            if score is None:
                found.append(True)
                continue
            trial.report(score, days)
            found.append(not trial.should_prune())
        return found

    def prune(self, values: Values) -> None:
        """See `Pruner`."""
        trial = self._asked[json.dumps(values, default=str)].pop(0)
        self._study.tell(trial, state=self._optuna.trial.TrialState.PRUNED)


def _pruner(
    optuna: Any, pruning: "Pruning", rungs: Sequence[tuple[int, str]]
) -> "optuna.pruners.BasePruner":
    if pruning.pruner == "median":
        return optuna.pruners.MedianPruner()  # type: ignore[no-any-return]
    if pruning.pruner == "quartile":
        return optuna.pruners.PercentilePruner(75.0)  # type: ignore[no-any-return]
    if pruning.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(  # type: ignore[no-any-return]
            min_resource=pruning.after, max_resource=pruning.next(rungs[-1][0]),
            reduction_factor=pruning.factor,
        )  # fmt: skip
    return optuna.pruners.SuccessiveHalvingPruner(  # type: ignore[no-any-return]
        min_resource=pruning.after, reduction_factor=pruning.factor
    )


def _suggested(trial: "optuna.trial.Trial", name: str, given: Any) -> Any:
    if not isinstance(given, Range):
        number = trial.suggest_categorical(name, list(range(len(given))))
        return given[int(number)]
    counted = given.values()
    if counted is not None:
        return counted[trial.suggest_int(name, 0, len(counted) - 1)]
    if given.integer:
        return trial.suggest_int(name, int(given.start), int(given.to), log=given.log)
    found = trial.suggest_float(name, float(given.start), float(given.to), log=given.log)
    return float(f"{found:.6g}")
