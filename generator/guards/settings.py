"""What a strategy is held against before it counts as more than luck."""

from dataclasses import dataclass, field
from typing import Final

from tapewire.analytics.snooping import PARTS
from tapewire.errors import ConfigError
from tapewire.generator.guards.folds import FoldFitness

#: Checks on the bars of the search, in the order they are told.
SEARCH_CHECKS: Final = (
    "trades", "walk_forward", "costs", "deflated_sharpe", "overfitting", "overfitting_loss",
    "order_drawdown", "order_ruin",
)  # fmt: skip
#: On those that were kept.
HOLDOUT_CHECKS: Final = (
    "holdout_trades", "holdout_sharpe", "holdout_shuffled", "holdout_decay",
)  # fmt: skip
#: What deflates Sharpe ratios: see `GuardSettings.variance_by`.
VARIANCES: Final = ("chance", "trials")
#: The one that holds the error rate, whatever the others do.
HOLDS_RATE: Final = "holdout_shuffled"
#: Bounds that are shares or probabilities.
_SHARES: Final = (
    "error_rate", "deflated_sharpe_min", "overfitting_max", "overfitting_loss_max",
    "order_drawdown_max", "ruin_loss", "ruin_max", "decay_min",
)  # fmt: skip
_COUNTS: Final = (
    "judged", "candidates", "trades_min", "holdout_trades_min", "overfitting_trials",
    "order_draws", "shuffles",
)  # fmt: skip


@dataclass(frozen=True)
class GuardSettings:
    """Guards and their bounds; all are on unless they are named in `off`.

    Attributes
    ----------
    error_rate : float
        Probability, at most, that any strategy of a search on bars without memory passes.
    judged : int
        Strategies that are judged: the best by Sharpe ratio.
    candidates : int
        At most so many of them are tested on the holdout: the best that pass all else.
    trades_min, holdout_trades_min : int
        Closed trades.
    fold_fitness : FoldFitness
    fold_fitness_min : float
        Annualised Sharpe ratio; the fitness has to be above it.
    cost_factor : float
        Fees and slippage are so many times what they are assumed to be, and slippage at least so
        many half ticks, for which the net P&L has to be above 0.
    deflated_sharpe_min : float
        Probability that the Sharpe ratio is above that of the luckiest of all trials.
    variance_by : str
        How far the ratios of trials vary, by which they are deflated: ``trials``, as they do;
        ``chance``, at most 1 / (d - 1), which is what chance makes of ratios of d sessions. Where
        some trials are truly good, or truly bad, they vary by more than luck.
    overfitting_max, overfitting_loss_max : float
    overfitting_trials, overfitting_parts : int
        Of `tapewire.analytics.snooping.Overfitting`, over at most so many strategies,
        evenly over all, of so many parts of time, an even number.
    order_draws : int
        Orders of trades.
    order_drawdown_max : float
        What 95 % of the orders have to stay within, a share of the high.
    ruin_loss, ruin_max : float
        Ruin is the loss of such a share of the first balance; its probability.
    shuffles : int
        Bars without memory that each candidate is traded on.
    decay_min : float
        Probability of a Sharpe ratio as low as in the holdout, were it that of the search.
    seed : int
        Of all draws.
    off : tuple of str
        Guards that nothing is held against, of `SEARCH_CHECKS` and `HOLDOUT_CHECKS`.

    Raises
    ------
    ConfigError
        If a bound is out of its range, or a guard unknown.
    """

    error_rate: float = 0.05
    judged: int = 20
    candidates: int = 5
    trades_min: int = 30
    holdout_trades_min: int = 10
    fold_fitness: FoldFitness = field(default_factory=FoldFitness)
    fold_fitness_min: float = 0.0
    cost_factor: float = 2.0
    deflated_sharpe_min: float = 0.95
    variance_by: str = "chance"
    overfitting_max: float = 0.5
    overfitting_loss_max: float = 0.5
    overfitting_trials: int = 1_000
    overfitting_parts: int = PARTS
    order_draws: int = 1_000
    order_drawdown_max: float = 0.5
    ruin_loss: float = 0.5
    ruin_max: float = 0.01
    shuffles: int = 499
    decay_min: float = 0.01
    seed: int = 1
    off: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in _SHARES:
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(
                    f"{name}: expected above 0 and below 1, found {getattr(self, name):g}"
                )
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected at least 1, found {getattr(self, name)}")
        if self.overfitting_parts < 4 or self.overfitting_parts % 2:
            raise ConfigError(
                "overfitting_parts: expected an even number of at least 4, found "
                f"{self.overfitting_parts}"
            )
        if not self.cost_factor >= 1:
            raise ConfigError(f"cost_factor: expected at least 1, found {self.cost_factor:g}")
        if self.variance_by not in VARIANCES:
            raise ConfigError(
                f"variance_by: expected one of {', '.join(VARIANCES)}, found {self.variance_by!r}"
            )
        known = (*SEARCH_CHECKS, *HOLDOUT_CHECKS)
        for name in self.off:
            if name not in known:
                raise ConfigError(f"off: expected some of {', '.join(known)}, found {name!r}")
        least = self.candidates / self.error_rate - 1
        if self.is_on(HOLDS_RATE) and self.shuffles < least - 1e-9:
            raise ConfigError(
                f"shuffles: expected at least {least:.0f}, which {self.candidates} candidates at "
                f"an error rate of {self.error_rate:g} take, found {self.shuffles}"
            )

    def is_on(self, name: str) -> bool:
        """Whether strategies are held against a guard."""
        return name not in self.off

    @property
    def opens_holdout(self) -> bool:
        """Whether any guard needs it."""
        return any(self.is_on(name) for name in HOLDOUT_CHECKS)

    @property
    def stated_rate(self) -> float | None:
        """The error rate that verdicts hold; None if what holds it is off."""
        return self.error_rate if self.is_on(HOLDS_RATE) else None
