"""Rows of the simulation as columns of numbers and words, as the tables of a run have them."""

from enum import IntEnum
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.exact import Int64Array
from tapewire.analytics.ledger import account_money
from tapewire.analytics.markouts import HORIZONS
from tapewire.analytics.rates import Conversion
from tapewire.analytics.tables import Names, order_costs
from tapewire.errors import SimulationError
from tapewire.execution.codes import (
    FillReason,
    Liquidity,
    OrderStatus,
    PositionEffect,
    Reason,
    Side,
)

#: Columns of rows by name: int64, or words as objects.
Part: TypeAlias = dict[str, NDArray[Any]]

_FILL: Final = ("leg", "last_px", "last_qty", "commission", "position", "ts_event", "ts_placed",
                "impact")  # fmt: skip
_MARKOUT: Final = ("leg", "last_px", "last_qty", "ts_event", "mid",
                   *(f"mid_{name}" for name in HORIZONS))  # fmt: skip
_ORDER: Final = ("leg", "quantity", "filled_qty", "replaces", "ts_sent")


def fill_part(rows: NDArray[np.void]) -> Part:
    """Return what metrics are computed from of ``FILL_DTYPE`` rows, shape (n,)."""
    return {
        **{name: rows[name] for name in _FILL},
        "order_side": _words(rows["side"], Side, "order side"),
        "liquidity_side": _words(rows["liquidity"], Liquidity, "liquidity side"),
        "reason": _words(rows["reason"], FillReason, "fill reason"),
        "queue_ahead": rows["lots_ahead"],
        "position_effect": _words(rows["effect"], PositionEffect, "position effect"),
    }


def order_part(rows: NDArray[np.void], names: Names) -> Part:
    """Return what metrics are computed from of rows of ``ORDER_DTYPE`` or ``COST_DTYPE``."""
    return {
        **{name: rows[name] for name in _ORDER},
        "order_side": _words(rows["side"], Side, "order side"),
        "status": _words(rows["status"], OrderStatus, "order status"),
        "reason": _words(rows["reason"], Reason, "order reason"),
        **order_costs(rows, names),
    }


def markout_part(rows: NDArray[np.void]) -> Part:
    """Return what metrics are computed from of ``MARKOUT_DTYPE`` rows, shape (n,)."""
    return {
        **{name: rows[name] for name in _MARKOUT},
        "order_side": _words(rows["side"], Side, "order side"),
        "liquidity_side": _words(rows["liquidity"], Liquidity, "liquidity side"),
    }


def sample_part(rows: NDArray[np.void], names: Names, conversion: Conversion) -> Part:
    """Return what metrics are computed from of ``SAMPLE_DTYPE`` rows, in order."""
    money = account_money(rows, names.num[rows["leg"]], names.den[rows["leg"]])
    money = conversion.convert(rows, names.legs, money)
    return {"leg": rows["leg"], "ts": rows["ts"], "position": rows["position"], **money}


def _words(values: Int64Array, codes: type[IntEnum], what: str) -> NDArray[Any]:
    """Return the names of codes; a code nobody named is a bug of the simulation."""
    low = int(min(codes))
    table = np.full(int(max(codes)) - low + 1, None, object)
    named = np.zeros(table.size, bool)
    for code in codes:
        table[int(code) - low], named[int(code) - low] = code.name, True
    at = np.clip(values - low, 0, table.size - 1)
    wrong = np.flatnonzero(~named[at] | (at != values - low))
    if wrong.size:
        raise SimulationError(
            f"expected {what} of {', '.join(f'{int(c)}={c.name}' for c in codes)}, "
            f"found {values[wrong[0]]}"
        )
    return np.asarray(table[at])
