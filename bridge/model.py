"""What a model in a process of its own is: the class that its author derives from.

Nothing here needs compiled code, a socket or a run: a model is made, handed rows and looked at in a
test as anything else.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tapewire.bridge.protocol import Instrument, OrderUpdate
from tapewire.bridge.signals import RowSignals


@dataclass(frozen=True)
class ModelSession:
    """What a model is told before its first row.

    Attributes
    ----------
    strategy_id : str
        Its name in the run.
    mode : str
        ``pipelined``, ``lockstep`` or ``free_running``.
    columns : tuple of str
        What the columns of the features are.
    instruments : mapping of int to Instrument
        Books that rows may be about, by the index that rows name them by; it grows.
    latency_ns : int
        Declared for its inference: a row's signal takes effect after it, at least.
    rows_max : int
        Most rows of a call.
    dtype : str
        Of the features.
    """

    strategy_id: str
    mode: str
    columns: tuple[str, ...]
    instruments: Mapping[int, Instrument] = field(default_factory=dict)
    latency_ns: int = 0
    rows_max: int = 1
    dtype: str = "float64"

    def column(self, name: str) -> int:
        """Return the index of a column.

        Raises
        ------
        ValueError
            If it is not sent.
        """
        if name not in self.columns:
            raise ValueError(
                f"expected a column {name!r}, found {', '.join(self.columns)}: name it among the "
                "strategy's features"
            )
        return self.columns.index(name)


@dataclass(frozen=True)
class ModelRows:
    """What is known of the rows at hand beside their features.

    Attributes
    ----------
    ts : (n,) int64
        Their moments, ns since the epoch.
    instrument : (n,) int32
        Which of the session's instruments each is about.
    first_row : int
        Number of the first of them among all rows of the run.
    """

    ts: npt.NDArray[np.int64]
    instrument: npt.NDArray[np.int32]
    first_row: int = 0

    def __len__(self) -> int:
        return len(self.ts)


_NO_ROWS = ModelRows(np.zeros(0, np.int64), np.zeros(0, np.int32))


class StrategyBase:
    """A model: it is sent rows of features, and answers with what it wants.

    Every hook may be ``async def``; with one that is, tasks of the model's own go on between
    messages. What a hook raises ends the model, and the run is told.

    Attributes
    ----------
    batches : bool
        Rows come as a matrix, (n, columns), however many there are; False: one at a time, as
        a vector, (columns,).
    dtype : str
        Of the features: ``float64`` or ``float32``.
    session : ModelSession
        From `on_start` on.
    rows : ModelRows
        Of the features at hand, within `on_features`.

    Examples
    --------
    >>> class Contrarian(StrategyBase):
    ...     def on_features(self, features):
    ...         return -np.sign(features[:, 0])
    """

    batches: ClassVar[bool] = True
    dtype: ClassVar[str] = "float64"

    session: ModelSession = ModelSession("", "pipelined", ())
    rows: ModelRows = _NO_ROWS

    def __init__(self, **parameters: Any) -> None:
        self.parameters = parameters

    def on_start(self, session: ModelSession) -> Any:
        """The run has taken it in; rows follow. `load` is called behind this, if it is."""

    def on_features(self, features: npt.NDArray[Any]) -> Any:
        """Rows have come; read-only, and its memory is valid until this returns.

        Returns
        -------
        None
            Nothing is wanted.
        (n,) array of whole numbers
            The position wanted in each row's instrument, lots. NaN in an array of floats, and
            ``NO_TARGET``, is none. Of one row a number will do.
        mapping
            Such an array as ``target``, and one of numbers from 0 to 1 as ``confidence``, or
            either.
        RowSignals
            From `signals`: targets, and orders of its own.
        """
        raise NotImplementedError(f"{type(self).__name__} has no on_features")

    def on_update(self, update: OrderUpdate) -> Any:
        """An order of its own has changed. Not in mode pipelined, where rows are ahead of it."""

    def on_fill(self, update: OrderUpdate) -> Any:
        """An order of its own was filled, in part or whole; `on_update` was called before."""

    def on_market_close(self) -> Any:
        """The session has closed, or the data end; all rows up to then were handed over."""

    def on_stop(self) -> Any:
        """The run is done with it."""

    def save(self) -> Any:
        """Return as bytes all it needs to go on behind the last row, if it keeps such a state.

        A model started again in place of a lost one is handed it by `load`. The base keeps none:
        then a model must come to the same signals whichever row it begins with.
        """
        return

    def load(self, state: bytes) -> Any:
        """Go on from what `save` returned, in another process perhaps."""
        raise NotImplementedError(f"{type(self).__name__} has a save, and no load")

    def signals(self) -> RowSignals:
        """Return an empty answer for the rows at hand."""
        return RowSignals(len(self.rows), self.session.instruments)


def keeps_state(model: type[StrategyBase]) -> bool:
    """Whether a class of models has a state that is kept for it."""
    return model.save is not StrategyBase.save


_HOOKS = (
    "on_start", "on_features", "on_update", "on_fill", "on_market_close", "on_stop", "save", "load",
)  # fmt: skip


def has_coroutines(model: type[StrategyBase]) -> bool:
    """Whether a hook of a class of models is ``async def``."""
    return any(inspect.iscoroutinefunction(getattr(model, name)) for name in _HOOKS)
