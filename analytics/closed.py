"""The closed trades of a finished run, one by one: when each was closed, and what it made."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tapewire.analytics.analysis import row_groups
from tapewire.analytics.exact import Int64Array, groups
from tapewire.analytics.matching import MATCHED_COLUMNS, LegTrades
from tapewire.analytics.rates import WorthSteps
from tapewire.analytics.run import Run


def closed_trades(run: Run, strategy: str | None = None) -> tuple[Int64Array, Int64Array]:
    """Return the closed trades of a run, see `tapewire.analytics.trades`.

    Where rates change, each is worth what it is at the rate of the fill that closed it; where an
    account hedges, trades are those of each side.

    Parameters
    ----------
    run
        A complete run.
    strategy
        Whose trades; None: all strategies'.

    Returns
    -------
    ndarray, ndarray
        When each was closed (ns, ascending) and its net P&L (1e-9 currency), shape (n,).
    """
    points: Mapping[str, Any] = run.manifest.get("point_values", {})
    steps = {symbol: WorthSteps(given) for symbol, given in points.items()}
    legs: dict[int, LegTrades] = {
        one["leg"]: LegTrades(
            one["multiplier_num"], one["multiplier_den"], steps.get(one["symbol"]), keep=True
        )
        for one in run.manifest["legs"]
        if strategy in (None, one["strategy_id"])
    }
    for part in row_groups(run.path / "fills.parquet", ["leg", "order_side", *MATCHED_COLUMNS]):
        buy = part["order_side"] == "BUY"
        part["signed"] = np.where(buy, part["last_qty"], -part["last_qty"])
        for leg, rows in groups(part["leg"]):
            if leg in legs:
                legs[leg].add({name: column[rows] for name, column in part.items()})
    kept = [one.kept for one in legs.values()]
    ts = np.concatenate([np.empty(0, np.int64), *(ts for ts, _ in kept)])
    net = np.concatenate([np.empty(0, np.int64), *(net for _, net in kept)])
    order = np.argsort(ts, kind="stable")
    return ts[order], net[order]
