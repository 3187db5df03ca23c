"""How far a run's figures spread when its trades are drawn again, for a page: bands and a fan."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapewire.analytics import Run
from tapewire.analytics.formats import percent
from tapewire.errors import ConfigError

if TYPE_CHECKING:
    from tapewire.studies.spreads import MethodDraws

RESAMPLES_MAX: Final = 10_000
RESAMPLES: Final = 2_000
#: Of the draws at each point of a fan.
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_POINTS_MAX: Final = 400


def spread_of(run: Run, resamples: int | None, seed: int | None) -> dict[str, Any]:
    """Return bands of each figure and fans of P&L, of trades drawn again and in other orders.

    Parameters
    ----------
    run
        A complete one.
    resamples
        How often; None: `RESAMPLES`.
    seed
        Of the draws; None: as ``tapewire montecarlo`` has it.

    Raises
    ------
    ConfigError
        If a number is out of its bounds.
    """
    from tapewire.studies.monte_carlo import settings_in
    from tapewire.studies.spreads import trade_draws

    count = RESAMPLES if resamples is None else resamples
    if not 1 <= count <= RESAMPLES_MAX:
        raise ConfigError(f"resamples: expected 1 to {RESAMPLES_MAX:,}, found {count:,}")
    given = {"resamples": count, **({} if seed is None else {"seed": seed})}
    draws = trade_draws(run, None, settings_in(None, given), lambda text: None)
    return {"methods": [_method(one) for one in draws]}


def _method(draws: "MethodDraws") -> dict[str, Any]:
    from tapewire.studies.spread_page import figure_text, label_of, title_of

    rows = []
    for band in draws.bands:
        shown = (band.own, band.q05, band.q50, band.q95)
        texts = [figure_text(band.metric, value) for value in shown]
        rows.append([label_of(band.metric), *texts, percent(band.percentile)])
    return {
        "method": draws.method, "why_not": draws.why_not, "rows": rows, "ends": list(draws.ends),
        "title": title_of(draws.method, draws.facts) if not draws.why_not else draws.method,
        "fan": _fan(draws),
    }  # fmt: skip


def _fan(draws: "MethodDraws") -> dict[str, Any] | None:
    """Return quantiles of the running P&L at few points, and the run's own there."""
    if draws.paths is None or draws.own_path is None or not draws.paths.size:
        return None
    points = draws.paths.shape[1]
    at = np.unique(np.linspace(0, points - 1, min(points, _POINTS_MAX)).astype(np.intp))
    found = np.quantile(draws.paths[:, at], QUANTILES, axis=0)
    return {
        "quantiles": {
            f"{100 * q:g} %": row.tolist() for q, row in zip(QUANTILES, found, strict=True)
        },
        "own": draws.own_path[at].tolist(),
    }
