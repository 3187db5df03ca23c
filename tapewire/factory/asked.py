"""What a generation is asked for, as a store keeps it, so that it can be gone on with."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Self

from tapewire.candles import BacktestConfig
from tapewire.candles.optimizer import OBJECTIVES
from tapewire.errors import ConfigError
from tapewire.generator import StrategyConstraints
from tapewire.generator.drawing import TIMEFRAMES
from tapewire.generator.guards import FoldFitness, GuardSettings
from tapewire.generator.guards.holdout import SHARE
from tapewire.inputs.candles import CandleRequest

METHODS: Final = ("random", "genetic", "grammar")
#: Fitness by folds of the search's bars.
WALK_FORWARD: Final = "walk_forward"
#: Strategies of one generation.
STRATEGIES_MAX: Final = 1_000_000
#: Those that are evaluated and kept together, where nobody says how many.
BATCH: Final = 500
POPULATION: Final = 100
GENERATIONS: Final = 50


@dataclass(frozen=True)
class FactorySettings:
    """What is asked for.

    Attributes
    ----------
    method : str
        ``random``, ``genetic`` or ``grammar``.
    count : int
        Strategies; of ``genetic`` this is ``population`` times ``generations``.
    seed : int
    batch : int
        Strategies that are kept together; of ``genetic``, a generation is a batch.
    population, generations : int
        Of ``genetic``.
    grammar : str, optional
        The text of a grammar; None: the one that comes along.
    timeframes : tuple of str
        The primary one first.
    constraints : StrategyConstraints
    objective : str
        A metric, see `tapewire.candles.optimizer.OBJECTIVES`, or ``walk_forward``: the median, or
        what the guards take, of Sharpe ratios of folds. The highest is fittest.
    assumptions : tuple of str
        ``key=value`` of `tapewire.candles.BacktestConfig`.
    trades_min : int
        A strategy with fewer closed trades has no fitness.
    holdout_share : float
        The last part of the bars, in whole sessions, which no search sees.
    guards : tuple of str
        ``key=value`` of `tapewire.generator.guards.GuardSettings`, ``folds=3``, ``take=worst``,
        ``off=costs,trades``.

    Raises
    ------
    ConfigError
        If one is wrong, naming it.
    """

    method: str = "random"
    count: int = 1_000
    seed: int = 0
    batch: int = BATCH
    population: int = POPULATION
    generations: int = GENERATIONS
    grammar: str | None = None
    timeframes: tuple[str, ...] = TIMEFRAMES
    constraints: StrategyConstraints = field(default_factory=StrategyConstraints)
    objective: str = OBJECTIVES[1]
    assumptions: tuple[str, ...] = ()
    trades_min: int = 10
    holdout_share: float = SHARE
    guards: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value, known in (
            ("method", self.method, METHODS),
            ("objective", self.objective, (*OBJECTIVES, WALK_FORWARD)),
        ):
            if value not in known:
                raise ConfigError(f"{name}: expected one of {', '.join(known)}, found {value!r}")
        for name in ("count", "batch", "trades_min"):
            value = getattr(self, name)
            if not 1 <= value <= STRATEGIES_MAX:
                raise ConfigError(f"{name}: expected 1 to {STRATEGIES_MAX:,}, found {value:,}")
        if not 0 < self.holdout_share <= 0.9:
            raise ConfigError(
                f"holdout_share (--holdout): expected above 0, 0.9 at most, found "
                f"{self.holdout_share:g}: what is best in a search needs bars that it did not see"
            )
        if self.grammar is not None and self.method != "grammar":
            raise ConfigError(f"grammar: expected with method grammar only, found {self.method}")
        self.config()
        self.guard_settings()

    def guard_settings(self) -> GuardSettings:
        """Return the guards that strategies are held against.

        Raises
        ------
        ConfigError
            If a key is unknown or a value wrong, naming it.
        """
        return guards_of(self.guards)

    @property
    def metric(self) -> str:
        """What strategies are traded for; a fitness by folds is worked out of the same trades."""
        return OBJECTIVES[1] if self.objective == WALK_FORWARD else self.objective

    def config(self) -> BacktestConfig:
        """Return the assumptions of every backtest."""
        return CandleRequest("", settings=self.assumptions).config()

    def as_json(self) -> dict[str, Any]:
        """Return it JSON-ready; `of_json` takes it."""
        allowed = self.constraints.allowed_indicators
        return {
            **asdict(self),
            "timeframes": list(self.timeframes),
            "assumptions": list(self.assumptions),
            "guards": list(self.guards),
            "constraints": {
                **asdict(self.constraints),
                "allowed_indicators": None if allowed is None else list(allowed),
            },
        }

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Self:
        """Return what `as_json` made a mapping of."""
        given = dict(values)
        for name in ("timeframes", "assumptions", "guards"):
            given[name] = tuple(given[name])
        return cls(**{**given, "constraints": StrategyConstraints(**given["constraints"])})


def guards_of(texts: Sequence[str]) -> GuardSettings:
    """Return guards of ``key=value``; see `FactorySettings.guards`.

    Raises
    ------
    ConfigError
        If a key is unknown or a value wrong, naming it.
    """
    known = {one.name: one.default for one in fields(GuardSettings)}
    of_folds = {one.name: one.default for one in fields(FoldFitness)}
    given: dict[str, Any] = {}
    folds: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        into = folds if name in of_folds else given
        default = {**known, **of_folds}.get(name)
        if not equals or default is None or name in into:
            expected = ", ".join(sorted({*known, *of_folds} - {"fold_fitness"}))
            raise ConfigError(f"guard: expected KEY=VALUE, each of {expected} once, found {text!r}")
        into[name] = _guard_value(name, value, default)
    if folds:
        given["fold_fitness"] = FoldFitness(**folds)
    return GuardSettings(**given)


def _guard_value(name: str, text: str, default: Any) -> Any:
    if isinstance(default, tuple):
        return tuple(text.split(","))
    if isinstance(default, str):
        return text
    try:
        return type(default)(text)
    except ValueError:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise ConfigError(f"guard: {name}: expected {kind}, found {text!r}") from None


def sizes_of(
    method: str, count: int | None, population: int | None, generations: int | None
) -> dict[str, int]:
    """Return how many strategies are asked for, as `FactorySettings` has it.

    Parameters
    ----------
    method
        Its name.
    count, population, generations
        What was said; None: nothing. Of ``genetic``, a count is so many generations of the
        population, the last one whole.

    Raises
    ------
    ConfigError
        If a number is too small, or for another method.
    """
    if method != "genetic":
        for name, value in (("population", population), ("generations", generations)):
            if value is not None:
                raise ConfigError(f"{name}: expected with method genetic only, found {method}")
        return {"count": 1_000 if count is None else count}
    for name, value in (("count", count), ("population", population), ("generations", generations)):
        if value is not None and value < 1:
            raise ConfigError(f"{name}: expected at least 1, found {value}")
    if count is not None and generations is not None:
        raise ConfigError("expected --count or --generations of a genetic search, found both")
    size = population or min(POPULATION, count or POPULATION)
    if count is not None:
        generations = -(-count // size)
    rounds = generations or GENERATIONS
    return {"count": size * rounds, "population": size, "generations": rounds}
