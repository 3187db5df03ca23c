"""The closed trades of a finished run, one by one: when each was closed, and what it made."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tapewire.analytics.analysis import row_groups
from tapewire.analytics.exact import Int64Array, groups
from tapewire.analytics.run import Run
from tapewire.analytics.trades import TradeMatcher

_COLUMNS = ["leg", "order_side", "last_px", "last_qty", "commission", "position", "ts_event"]


def closed_trades(run: Run, strategy: str | None = None) -> tuple[Int64Array, Int64Array]:
    """Return the closed trades of a run, see `tapewire.analytics.trades`.

    Parameters
    ----------
    run
        A complete run whose contracts' worth does not change with rates.
    strategy
        Whose trades; None: all strategies'.

    Returns
    -------
    ndarray, ndarray
        When each was closed (ns, ascending) and its net P&L (1e-9 currency), shape (n,).
    """
    legs: Mapping[int, Mapping[str, Any]] = {one["leg"]: one for one in run.manifest["legs"]}
    matchers: dict[int, TradeMatcher] = {}
    for number, leg in legs.items():
        if strategy in (None, leg["strategy_id"]):
            matchers[number] = TradeMatcher(leg["multiplier_num"], leg["multiplier_den"])
            matchers[number].kept = []
    for part in row_groups(run.path / "fills.parquet", _COLUMNS):
        for leg_number, rows in groups(part["leg"]):
            if (matcher := matchers.get(leg_number)) is None:
                continue
            mine = {name: column[rows] for name, column in part.items()}
            buy = mine["order_side"] == "BUY"
            signed = np.where(buy, mine["last_qty"], -mine["last_qty"])
            matcher.add(
                signed, mine["last_px"], mine["commission"], mine["position"], mine["ts_event"]
            )
    kept = [one for matcher in matchers.values() for one in matcher.kept or ()]
    ts = np.concatenate([np.empty(0, np.int64), *(ts for ts, _ in kept)])
    net = np.concatenate([np.empty(0, np.int64), *(net for _, net in kept)])
    order = np.argsort(ts, kind="stable")
    return ts[order], net[order]
