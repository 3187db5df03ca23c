"""What a simulation hands out: who traded where, and the rows it reports."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tapewire.execution.rows import EVENT_DTYPE
from tapewire.positions.rows import SERIES_DTYPE


@dataclass(frozen=True)
class LegInfo:
    """One strategy instance on one book, as results name it.

    ``client_order_labels[k - 1]`` is the name of ``client_order_id`` k, where a log gave names.
    """

    leg: int
    strategy_id: str
    publisher_id: int
    instrument_id: int
    symbol: str
    tick_size: int
    multiplier_num: int
    multiplier_den: int
    client_order_labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Drained:
    """Rows reported since the last drain: copies, in the order in which they happened."""

    fills: npt.NDArray[Any]
    orders: npt.NDArray[Any]
    samples: npt.NDArray[Any]
    #: Changes of orders; none unless ``event_log`` asks for them.
    events: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, EVENT_DTYPE))
    #: Values that strategies recorded, by the time they did.
    series: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, SERIES_DTYPE))
