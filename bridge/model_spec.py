"""A model as a run was told of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tapewire.bridge import protocol as msg
from tapewire.bridge.latency import InferenceLatency
from tapewire.wire.keys import ServerKeys

Policy = Literal["halt", "flatten", "continue_without", "restart"]


@dataclass(frozen=True)
class ModelSpec:
    """A model as a run was told of it.

    Attributes
    ----------
    strategy_id : str
    features : tuple of str
        Names of the features room; the columns of its rows.
    every : str
        When a book has a row, as `features.Sampling` reads it.
    parameters : mapping
        Of the model, as JSON has them.
    meant : callable (publisher_id, instrument_id) -> bool
        Whether a book is one of its own.
    latency : InferenceLatency
    key : int
        Of the strategy's own draws.
    feed_ns : int
        How long after its moment a row is known at the strategy, at most.
    mode, on_failure : str
    command : tuple of str, optional
        What starts it, but for the address; None: it is started by somebody else.
    endpoint : str
        Where it connects.
    rows_max : int
        Most rows of a message.
    connect_timeout_s, answer_timeout_s : float
    closes_ns : tuple of int
        Times at which sessions close, ascending.
    keys : ServerKeys, optional
        Of an endpoint that may be reached from other hosts.
    """

    strategy_id: str
    features: tuple[str, ...]
    every: str
    endpoint: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    meant: Callable[[int, int], bool] = lambda publisher_id, instrument_id: True
    latency: InferenceLatency = field(default_factory=InferenceLatency)
    key: int = 0
    feed_ns: int = 0
    mode: msg.Mode = "pipelined"
    on_failure: Policy = "halt"
    command: tuple[str, ...] | None = None
    rows_max: int = 4_096
    connect_timeout_s: float = 30.0
    answer_timeout_s: float = 30.0
    closes_ns: tuple[int, ...] = ()
    own_columns: tuple[str, ...] = ()
    keys: ServerKeys | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that it is sent."""
        return self.features + self.own_columns
