"""Grids of a strategy on bars, window by window: what was best until then, and what it made next.

A variant does not change with what is decided about it, so its equity by session, which a grid has
of each, is all there is to know (see `tapewire.studies.walking`). What is held over the border of a
window stays held, as it would.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from tapewire.candles import Candles
from tapewire.candles.clock import session_ends
from tapewire.candles.optimizer import GridResult
from tapewire.errors import ConfigError

#: Figures that are kept of all variants and sessions together: 400 MB.
FIGURES_MAX: Final = 50_000_000
#: Of a curve of the best so far.
_POINTS_MAX: Final = 500
_WINDOW_KEYS: Final = ("train", "test", "anchored", "purge", "embargo")
#: What a window chooses by, where nothing is said.
CHOOSES_BY: Final = "net_pnl"


def require_room(variants: int, candles: Candles) -> None:
    """Refuse more variants than equity by session can be kept of.

    Raises
    ------
    ConfigError
        Saying how many may be.
    """
    sessions = max(1, len(session_ends(candles.ts_close, candles.interval_ns)))
    if variants * sessions > FIGURES_MAX:
        raise ConfigError(
            f"parameters: expected at most {FIGURES_MAX // sessions:,} variants with walk-forward "
            f"over {sessions:,} sessions, found {variants:,}"
        )


def walked(
    result: GridResult, candles: Candles, initial: float, asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Choose the best variant of each window of sessions; say what it made afterwards.

    Parameters
    ----------
    result
        With its equity by session.
    candles
        n bars that it was traded on.
    initial
        The balance at the beginning, currency.
    asked
        ``train`` and ``test`` (sessions), and maybe ``anchored``, ``purge``, ``embargo`` and
        ``by``; see `tapewire.studies.walking.Windows`.

    Returns
    -------
    dict
        ``windows`` (of each ``train_from_ns`` to ``test_to_ns``, ``parameters``, ``score``,
        ``in_sample`` and ``out_of_sample`` in currency, ``rank``), ``session_ns`` (ends) and
        ``net_pnl`` of the sessions that were tested, ``efficiency``, ``changes``.

    Raises
    ------
    ConfigError
        If a number is wrong, or sessions are too few.
    """
    from tapewire.studies.walking import Windows, walk

    daily = result.daily
    assert daily is not None, "a grid that keeps them"
    windows = Windows(
        asked.get("train", 0), asked.get("test", 0),
        **{key: asked[key] for key in _WINDOW_KEYS[2:] if key in asked},
    )  # fmt: skip
    ends = session_ends(candles.ts_close, candles.interval_ns)
    starts = candles.ts_event[np.r_[0, ends[:-1] + 1]] if len(ends) else ends
    closes = dict(zip(starts.tolist(), candles.ts_close[ends].tolist(), strict=True))
    returns = np.diff(daily, axis=1, prepend=initial).T
    found = walk(
        returns, starts.tolist(), range(len(result.rows)), windows, asked.get("by") or CHOOSES_BY
    )
    return {
        "windows": [
            {
                "train_from_ns": one.train_from, "train_to_ns": one.train_to,
                "test_from_ns": one.test_from, "test_to_ns": one.test_to,
                "parameters": dict(result.rows[one.trial]), "score": one.score,
                "in_sample": one.in_sample, "out_of_sample": one.out_of_sample, "rank": one.rank,
            }
            for one in found.steps
        ],
        "session_ns": [closes[begin] for begin in found.blocks], "net_pnl": list(found.returns),
        "efficiency": found.efficiency, "changes": found.changes,
    }  # fmt: skip


def walk_lines(walk: Mapping[str, Any], variants: int) -> list[str]:
    """Return a walk-forward in words: what all windows made, and a line for each."""
    windows, efficiency = walk["windows"], walk["efficiency"]
    made = f"net P&L {sum(walk['net_pnl']):,.2f} out of sample, efficiency "
    made += "–" if efficiency is None else f"{100 * efficiency:.1f} %"
    made += f", another choice {walk['changes']} of {len(windows) - 1} times"
    lines = [f"walk-forward, {len(windows)} windows: {made}"]
    for one in windows:
        chosen = "  ".join(f"{name}={value}" for name, value in one["parameters"].items())
        lines.append(
            f"  {np.datetime64(one['test_from_ns'], 'ns').astype('datetime64[D]')}  {chosen}  in "
            f"sample {one['in_sample']:,.2f}  out of sample {one['out_of_sample']:,.2f}  rank "
            f"{one['rank']} of {variants}"
        )
    return lines


def best_so_far(result: GridResult, objective: str) -> list[list[float]]:
    """Return how the best of a grid grew in its order: variants until then, and the best value.

    Where it grew more than 500 times, some of the steps are left out, never the first or the last.
    """
    values = result.columns[objective]
    known = np.flatnonzero(~np.isnan(values))
    if not known.size:
        return []
    best = np.maximum.accumulate(values[known])
    grew = np.flatnonzero(np.r_[True, best[1:] > best[:-1]])
    if grew.size > _POINTS_MAX:
        grew = grew[np.unique(np.linspace(0, grew.size - 1, _POINTS_MAX).astype(np.int64))]
    return [[int(known[k]) + 1, float(best[k])] for k in grew.tolist()]
