"""Many variants of one strategy on one set of candles, on all cores: threads over shared arrays."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.analytics.metrics.returns import SESSIONS_PER_YEAR
from tapewire.candles.config import BacktestConfig
from tapewire.candles.data import Candles
from tapewire.candles.families import (
    Family,
    Row,
    VariantResults,
    find_family,
    grid_rows,
    require_parameters,
)
from tapewire.candles.layout import SUMMARY
from tapewire.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

#: Told of variants that are done, and of how many.
Progress = Callable[[int, int], None]
#: Variants of one grid.
VARIANTS_MAX: Final = 10_000_000
#: What variants may be ordered by, the best first.
OBJECTIVES: Final = (
    "total_return", "sharpe_annualised", "sortino_annualised", "calmar", "profit_factor",
    "win_rate", "net_pnl",
)  # fmt: skip


class GridResult:
    """What the variants of a grid came to, in the grid's order.

    Attributes
    ----------
    rows : list of dict
        Parameters of each.
    columns : dict of arrays (m,)
        Their metrics, see `metric_columns`.
    summaries : record array (m,)
    daily : float64 (m, d)
        Equity as each session ends.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        summaries: npt.NDArray[Any],
        daily: npt.NDArray[np.float64],
        initial: float,
    ) -> None:
        self.rows = rows
        self.summaries = summaries
        self.daily = daily
        self.columns = metric_columns(summaries, daily, initial)

    def best(self, objective: str = "sharpe_annualised", count: int = 10) -> list[dict[str, Any]]:
        """Return the best variants, parameters with metrics; those without a value come last.

        Raises
        ------
        ConfigError
            If there is no such objective.
        """
        if objective not in OBJECTIVES:
            raise ConfigError(
                f"objective: expected one of {', '.join(OBJECTIVES)}, found {objective!r}"
            )
        order = np.argsort(-self.columns[objective], kind="stable")[:count]
        return [
            {**self.rows[i], **{name: plain(column[i]) for name, column in self.columns.items()}}
            for i in order.tolist()
        ]

    @property
    def table(self) -> "pa.Table":
        """One row a variant: parameters, then metrics."""
        return table_of(self.rows, self.columns)


def optimize(
    candles: Candles,
    grid: Mapping[str, Sequence[Any]] | Sequence[Row],
    config: BacktestConfig | None = None,
    *,
    strategy: str | Family = "barra_elefante",
    jobs: int = 1,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> GridResult:
    """Trade every variant of a grid.

    Parameters
    ----------
    candles
        Read, or of arrays; shared by all threads, never copied.
    grid
        Values by parameter, of which every combination is traded, or the combinations themselves.
    config
        Assumptions of all.
    strategy
        A family, or its name.
    jobs
        Threads.
    progress
        Called in this thread with variants done and in all; what it raises ends the search.
    cancel
        Set by anybody, it ends the search with ``CancelledError``.

    Raises
    ------
    ConfigError
        If a parameter is unknown or wrong, or there are too many variants.
    """
    config = config or BacktestConfig()
    family = find_family(strategy) if isinstance(strategy, str) else strategy
    rows = checked_rows(family, grid)
    summaries = np.zeros(len(rows), SUMMARY)
    daily: npt.NDArray[np.float64] | None = None
    done = 0
    for outcome in outcomes(family, candles, rows, config, jobs, cancel):
        places = np.asarray(outcome.places)
        if daily is None:
            daily = np.empty((len(rows), outcome.daily.shape[1]), np.float64)
        summaries[places], daily[places] = outcome.summaries, outcome.daily
        done += len(places)
        if progress is not None:
            progress(done, len(rows))
    if daily is None:
        raise ConfigError("grid: expected a variant, found none")
    return GridResult(rows, summaries, daily, config.initial_balance)


def checked_rows(
    family: Family, grid: Mapping[str, Sequence[Any]] | Sequence[Row]
) -> Sequence[Row]:
    """Return the combinations of a grid, refusing unknown parameters and too many of them."""
    if not isinstance(grid, Mapping):
        for row in grid:
            require_parameters(family, row)
        return grid
    require_parameters(family, grid)
    count = int(np.prod([len(values) for values in grid.values()], dtype=np.float64))
    if count > VARIANTS_MAX:
        raise ConfigError(f"grid: expected at most {VARIANTS_MAX:,} variants, found {count:,}")
    return grid_rows(grid)


def outcomes(
    family: Family,
    candles: Candles,
    rows: Sequence[Row],
    config: BacktestConfig,
    jobs: int = 1,
    cancel: threading.Event | None = None,
) -> Iterator[VariantResults]:
    """Give what variants came to, as it is there; in no order.

    Threads share the arrays; kernels let go of Python. Leaving it early stops them.
    """
    from concurrent.futures import CancelledError

    if jobs < 1:
        raise ConfigError(f"jobs: expected at least 1, found {jobs}")
    stop = cancel or threading.Event()
    tasks = family.tasks(candles, rows, config)

    def work(task: Callable[[], Iterator[VariantResults]]) -> list[VariantResults]:
        found = []
        for outcome in task():
            found.append(outcome)
            if stop.is_set():
                break
        return found

    left = threading.Event() if cancel is None else cancel
    with ThreadPoolExecutor(jobs, thread_name_prefix="tapewire-candles") as pool:
        running: set[Future[list[VariantResults]]] = {
            pool.submit(work, task) for task in islice(tasks, 2 * jobs)
        }
        try:
            while running:
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ready:
                    yield from future.result()
                if stop.is_set():
                    raise CancelledError("the search was canceled")
                running |= {pool.submit(work, task) for task in islice(tasks, len(ready))}
        finally:
            if running:
                left.set()
                stop.set()


def metric_columns(
    summaries: npt.NDArray[Any], daily: npt.NDArray[np.float64], initial: float
) -> dict[str, npt.NDArray[Any]]:
    """Return metrics of many backtests, shape (m,) each; NaN: there is no value.

    Names and formulas are those of `tapewire.analytics.metrics`; money is in currency.
    """
    s = summaries
    results = np.diff(daily, axis=1, prepend=initial)
    count = results.shape[1]
    net = s["balance"] - initial
    mean = results.mean(axis=1) if count else np.full(len(s), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = results.std(axis=1, ddof=1) if count > 1 else np.full(len(s), np.nan)
        below = np.sqrt((np.minimum(results, 0) ** 2).mean(axis=1)) if count else mean
        growth = np.maximum(s["balance"] / initial, 0.0)
        several = count > 1
        year = SESSIONS_PER_YEAR
        columns = {
            "total_return": net / initial,
            "annualised_return": mean * year / initial if several else mean * np.nan,
            "cagr": growth ** (year / count) - 1 if several else mean * np.nan,
            "sharpe_annualised": mean / deviation * year**0.5,
            "sortino_annualised": mean / below * year**0.5 if several else mean * np.nan,
            "calmar": mean * year / s["max_drawdown"] if several else mean * np.nan,
            "max_drawdown": s["max_drawdown"],
            "net_pnl": net,
            "fees": s["commission"],
            "closed_trades": s["trades"],
            "winning_trades": s["winners"],
            "losing_trades": s["losers"],
            "win_rate": s["winners"] / s["trades"],
            "profit_factor": s["profit"] / s["loss"],
            "avg_trade_pnl": (s["profit"] - s["loss"]) / s["trades"],
            "largest_win": s["largest_win"],
            "largest_loss": s["largest_loss"],
            "max_consecutive_wins": s["wins_in_a_row"],
            "max_consecutive_losses": s["losses_in_a_row"],
        }
    for name, column in columns.items():
        if column.dtype.kind == "f":
            columns[name] = np.where(np.isfinite(column), column, np.nan)
    return columns


def table_of(
    rows: Sequence[Row],
    columns: Mapping[str, npt.NDArray[Any]],
    kinds: Mapping[str, Any] | None = None,
) -> "pa.Table":
    """Return parameters, of stated Arrow types, and metrics as one table; NaN is null."""
    import pyarrow as pa

    kinds = kinds or {}
    names = list(dict.fromkeys(name for row in rows for name in row))
    parts = {name: pa.array([row.get(name) for row in rows], kinds.get(name)) for name in names}
    metrics = {name: pa.array(column, from_pandas=True) for name, column in columns.items()}
    return pa.table({**parts, **metrics})


def plain(value: Any) -> int | float | None:
    """Return a number of an array as Python has it; None for NaN."""
    number: int | float = value.item()
    return None if number != number else number
