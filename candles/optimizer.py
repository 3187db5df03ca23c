"""Many variants of one strategy on one set of candles, on all cores: threads over shared arrays."""

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.analytics.metrics.returns import QUANTILE_SESSIONS_MIN, SESSIONS_PER_YEAR, TAIL
from tapewire.candles.clock import have_sessions
from tapewire.candles.config import BacktestConfig
from tapewire.candles.data import Candles
from tapewire.candles.families import (
    Family,
    GridRows,
    Row,
    VariantResults,
    find_family,
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
#: Variants that are asked for together: what is known of their parameters takes memory.
BLOCK: Final = 65_536
#: What variants may be ordered by, the best first.
OBJECTIVES: Final = (
    "total_return", "sharpe_annualised", "sortino_annualised", "calmar", "profit_factor",
    "win_rate", "net_pnl",
)  # fmt: skip


#: Those of them that go by session.
_BY_SESSION: Final = ("sharpe_annualised", "sortino_annualised", "calmar")


def require_sessions(objective: str, interval_ns: int) -> None:
    """Refuse an objective that goes by session for bars that are longer than one.

    Raises
    ------
    ConfigError
        Naming those that don't.
    """
    if objective in _BY_SESSION and not have_sessions(interval_ns):
        others = ", ".join(one for one in OBJECTIVES if one not in _BY_SESSION)
        raise ConfigError(
            f"objective: expected one that needs no sessions ({others}) of bars that are longer "
            f"than a day, found {objective}"
        )


class GridResult:
    """What the variants of a grid came to, in the grid's order.

    Attributes
    ----------
    rows : sequence of dict
        Parameters of each.
    columns : dict of arrays (m,)
        Their metrics, see `metric_columns`.
    summaries : record array (m,)
    daily : float64 (m, d), optional
        Equity as each session ends, where it was kept.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        summaries: npt.NDArray[Any],
        daily: npt.NDArray[np.float64] | None,
        columns: dict[str, npt.NDArray[Any]],
    ) -> None:
        self.rows = rows
        self.summaries = summaries
        self.daily = daily
        self.columns = columns

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
    keep_daily: bool = True,
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
    keep_daily
        Keep each variant's equity by session; of millions it is most of what memory takes.

    Raises
    ------
    ConfigError
        If a parameter is unknown or wrong, there are too many variants, or equity by session is to
        be kept of some that have not as many sessions.
    """
    config = config or BacktestConfig()
    family = find_family(strategy) if isinstance(strategy, str) else strategy
    rows = checked_rows(family, grid)
    if not len(rows):
        raise ConfigError("grid: expected a variant, found none")
    summaries, initial = np.zeros(len(rows), SUMMARY), config.initial_balance
    daily: npt.NDArray[np.float64] | None = None
    columns: dict[str, npt.NDArray[Any]] = {}
    done = 0
    for outcome in outcomes(family, candles, rows, config, jobs, cancel):
        places = np.asarray(outcome.places)
        summaries[places] = outcome.summaries
        if keep_daily and daily is None:
            daily = np.empty((len(rows), outcome.daily.shape[1]), np.float64)
        if daily is not None:
            sessions = daily.shape[1], outcome.daily.shape[1]
            if sessions[0] != sessions[1]:
                raise ConfigError(
                    "keep_daily: expected variants with as many sessions, found some with "
                    f"{sessions[0]} and some with {sessions[1]}: take those of one primary "
                    "timeframe, or keep_daily=False"
                )
            daily[places] = outcome.daily
        else:
            found = metric_columns(outcome.summaries, outcome.daily, initial)
            for name, values in found.items():
                columns.setdefault(name, np.empty(len(rows), values.dtype))[places] = values
        done += len(places)
        if progress is not None:
            progress(done, len(rows))
    if daily is not None:
        columns = metric_columns(summaries, daily, initial)
    return GridResult(rows, summaries, daily, columns)


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
    return GridRows(grid)


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
    tasks = _tasks(family, candles, rows, config)

    def work(placed: _Placed) -> list[VariantResults]:
        first, task = placed
        found = []
        for one in task():
            found.append(one._replace(places=[first + place for place in one.places]))
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


#: Work of a block of variants, and the place of its first among all.
_Placed = tuple[int, Callable[[], Iterator[VariantResults]]]


def _tasks(
    family: Family, candles: Candles, rows: Sequence[Row], config: BacktestConfig
) -> Iterator[_Placed]:
    for first in range(0, len(rows), BLOCK):
        for task in family.tasks(candles, rows[first : first + BLOCK], config):
            yield first, task


def metric_columns(
    summaries: npt.NDArray[Any], daily: npt.NDArray[np.float64], initial: float
) -> dict[str, npt.NDArray[Any]]:
    """Return metrics of many backtests, shape (m,) each; NaN: there is no value.

    Names and formulas are those of `tapewire.analytics.metrics`; money is in currency.
    """
    s, year, several = summaries, SESSIONS_PER_YEAR, daily.shape[1] > 1
    results = np.diff(daily, axis=1, prepend=initial)
    count = results.shape[1]
    net = s["balance"] - initial
    mean = results.mean(axis=1) if count else np.full(len(s), np.nan)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        deviation = results.std(axis=1, ddof=1) if count > 1 else np.full(len(s), np.nan)
        below = np.sqrt((np.minimum(results, 0) ** 2).mean(axis=1)) if count else mean
        growth = np.maximum(s["balance"] / initial, 0.0)
        columns = {
            "total_return": net / initial,
            "annualised_return": mean * year / initial if several else mean * np.nan,
            "cagr": growth ** (year / count) - 1 if several else mean * np.nan,
            "sharpe_annualised": mean / deviation * year**0.5,
            "sortino_annualised": mean / below * year**0.5 if several else mean * np.nan,
            "calmar": mean * year / s["max_drawdown"] if several else mean * np.nan,
            **_tail_columns(results, mean, deviation),
            "max_drawdown": s["max_drawdown"],
            "max_drawdown_of_capital": s["max_drawdown"] / initial,
            "max_drawdown_of_peak": s["max_drawdown_share"],
            "net_pnl": net,
            "fees": s["commission"],
            "closed_trades": s["trades"],
            "winning_trades": s["winners"],
            "losing_trades": s["losers"],
            "win_rate": s["winners"] / s["trades"],
            "profit_factor": s["profit"] / s["loss"],
            "avg_trade_pnl": (s["profit"] - s["loss"]) / s["trades"],
            "avg_win": s["profit"] / s["winners"],
            "avg_loss": s["loss"] / s["losers"],
            "largest_win": s["largest_win"],
            "largest_loss": s["largest_loss"],
            "expectancy": (s["profit"] - s["loss"]) * s["losers"] / (s["trades"] * s["loss"]),
            "max_consecutive_wins": s["wins_in_a_row"],
            "max_consecutive_losses": s["losses_in_a_row"],
        }
    for name, column in columns.items():
        if column.dtype.kind == "f":
            columns[name] = np.where(np.isfinite(column), column, np.nan)
    return columns


def _tail_columns(
    results: npt.NDArray[np.float64], mean: Any, deviation: Any
) -> dict[str, npt.NDArray[np.float64]]:
    """Return what several sessions say of luck and of bad ones, shape (m,) each."""
    m, count = results.shape
    nothing = np.full(m, np.nan)
    if not m or count < QUANTILE_SESSIONS_MIN:
        return dict.fromkeys(("probabilistic_sharpe", "session_var_95", "session_es_95"), nothing)
    apart = results - mean[:, None]
    squares = apart * apart
    spread = squares.mean(axis=1)
    skewness = (squares * apart).mean(axis=1) / spread**1.5
    kurtosis = (squares * squares).mean(axis=1) / spread**2
    ratio = mean / deviation
    variance = 1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2
    above = [math.erfc(one) / 2 for one in (-ratio * np.sqrt((count - 1) / variance / 2)).tolist()]
    place = (count - 1) * TAIL
    last = math.floor(place)
    worst = np.partition(results, (last, last + 1), axis=1)[:, : last + 2]
    worst.sort(axis=1)
    quantile = worst[:, last] + (place - last) * (worst[:, last + 1] - worst[:, last])
    return {
        "probabilistic_sharpe": np.array(above),
        "session_var_95": 0.0 - quantile,
        "session_es_95": 0.0 - worst[:, : last + 1].mean(axis=1),
    }


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
