"""What a model consists of: a definition like a strategy's, and one chosen with its parameters."""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.parameters import ParameterSpec, with_defaults
from tapewire.errors import ConfigError

#: Families, and what a kernel of each is asked, beside its state; said in the family's folder.
FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "latency": ("leg", "sent_ns", "bits", "load"),
    "fill": ("leaves", "traded", "beyond", "whole", "incoming", "past", "bits"),
    "queue": ("leaves", "volume", "behind", "place", "orders", "standing", "algorithm", "bits"),
    "impact": ("price", "lots", "multiplier_num", "multiplier_den"),
    "fees": (
        "price",
        "lots",
        "liquidity",
        "multiplier_num",
        "multiplier_den",
        "traded",
        "publisher_id",
        "line",
    ),
}

#: Longest window that a load is counted in.
WINDOW_NS_MAX: Final = 1_000_000_000
#: State of a model that has none.
NO_STATE: Final = np.dtype([("unused", "i8")])


@dataclass(frozen=True)
class ModelDefinition:
    """A model of one family: of latency, fills, the queue, impact or fees.

    Attributes
    ----------
    family : str
    name : str
        The ``type`` in a configuration.
    doc : str
        One line for people.
    kernel : function of (state, *words)
        A plain function that numba can compile; what it is asked and what it answers, in int64, is
        said in ``execution/models/<family>/__init__.py``.
    parameters : mapping of name to ParameterSpec
    state : structured dtype
        Its record, zero at the start.
    prepare : callable (parameters, state record), optional
        Writes the parameters into the state record. What it returns is kept for as long as the
        record is: arrays whose addresses the record has.
    bounds : callable (parameters), optional
        Of a latency model: per leg, the smallest and the largest delay it can give, in ns. Where
        both are one, it is not asked.
    window_ns : callable (parameters), optional
        Of a latency model: the length of the window whose events are its ``load``, in ns, at most
        `WINDOW_NS_MAX`.
    hears_feed : callable (parameters), optional
        Of a latency model: its ``load`` is the feed latency of the book's last event instead, ns;
        from the venue's sending on where it answers True, else from its matching on.
    check : callable (parameters), optional
        Raises ValueError, as `ParameterFault` where it has a place, if parameters don't fit
        together.
    decay : callable (parameters), optional
        Of an impact model: what becomes of what a fill has pushed, shape (1,) of
        `impact.decay.DECAY`; None: it concerns that fill alone.
    lines : tuple of str
        Of a fee model: what a commission is made of, where it can say that apart.
    draws : bool
        Of a fill or queue model: whether it wants random bits, else they are 0. A latency model
        that varies always has them.
    whole_level : bool
        Of a fill or queue model: whether it is told of all volume at an order's price and of the
        queue there; else of the volume behind the order only, as ``fifo`` needs it.
    ticks : callable (parameters), optional
        Of a fill model: how many ticks worse than an order's price volume has to trade to be
        ``beyond`` it; 1 if there is none.
    estimate : callable (parameters), optional
        Of a queue model: how it guesses places from the sizes of levels, and a power, see
        `queue.estimate`; ``behind`` is as guessed then. None: places are those of the data.

    Raises
    ------
    ConfigError
        If there is no such family, or its kernels are asked something else.
    """

    family: str
    name: str
    doc: str
    kernel: Callable[..., Any]
    parameters: Mapping[str, ParameterSpec] = field(default_factory=dict)
    state: np.dtype[Any] = NO_STATE
    prepare: Callable[[Mapping[str, Any], Any], object] | None = None
    bounds: Callable[[Mapping[str, Any]], tuple[tuple[int, int], ...]] | None = None
    window_ns: Callable[[Mapping[str, Any]], int] | None = None
    hears_feed: Callable[[Mapping[str, Any]], bool] | None = None
    check: Callable[[Mapping[str, Any]], None] | None = None
    decay: Callable[[Mapping[str, Any]], npt.NDArray[Any] | None] | None = None
    lines: tuple[str, ...] = ()
    draws: bool = False
    whole_level: bool = False
    ticks: Callable[[Mapping[str, Any]], int] | None = None
    estimate: Callable[[Mapping[str, Any]], tuple[int, float]] | None = None

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            known = ", ".join(FAMILIES)
            raise ConfigError(
                f"model {self.name}: expected a family of {known}, found {self.family!r}"
            )
        taken = tuple(inspect.signature(self.kernel).parameters)
        if len(taken) != 1 + len(FAMILIES[self.family]):
            raise ConfigError(
                f"{self.family} model {self.name}: expected a kernel of "
                f"(state, {', '.join(FAMILIES[self.family])}), found one of ({', '.join(taken)})"
            )


@dataclass(frozen=True)
class Model:
    """A model with its parameters, checked against its definition and completed.

    Raises
    ------
    ConfigError
        If a parameter is not declared or out of bounds, or a required one is missing.
    """

    definition: ModelDefinition
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            complete = with_defaults(self.definition.parameters, self.parameters)
            if self.definition.check is not None:
                self.definition.check(complete)
        except ValueError as error:
            name = f"{self.definition.family} model {self.definition.name}"
            raise ConfigError(f"{name}: {error}") from None
        object.__setattr__(self, "parameters", complete)

    @cached_property
    def files(self) -> dict[str, tuple[int, str]]:
        """Bytes and sha256 of every file that a parameter names, by path, as first asked for."""
        names = [name for name, spec in self.definition.parameters.items() if spec.type is Path]
        paths = [Path(self.parameters[name]) for name in names if self.parameters[name] is not None]
        return {str(path): _fingerprint(path) for path in paths}

    def new_state(self) -> tuple[npt.NDArray[Any], object]:
        """A state record, shape (1,), with the parameters in it, and what must be kept with it."""
        state = np.zeros(1, self.definition.state)
        kept = None
        if self.definition.prepare is not None:
            kept = self.definition.prepare(self.parameters, state[0])
        return state, kept


def _fingerprint(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest
