"""What a compiled strategy consists of, and how its functions become machine code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from numba import types

from tapewire.compiled.jit import BOUNDSCHECK

from .layout import CONTEXT

Hook = Callable[[Any, Any], None]

#: Hooks in the order of ``INSTANCE.hooks``.
HOOKS: Final = (
    "on_start",
    "on_market_event",
    "on_book",
    "on_trade",
    "on_timer",
    "on_order_update",
    "on_fill",
    "on_stop",
)


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter of a strategy: its type, default, bounds and meaning.

    No default (None) makes the parameter a required one. ``type`` is int, float, bool, str or
    ``pathlib.Path`` (a file, relative to the configuration's folder).
    """

    type: type
    doc: str
    default: Any = None
    minimum: Any = None
    maximum: Any = None


@dataclass(frozen=True)
class StrategyDefinition:
    """A compiled strategy.

    Parameters
    ----------
    name : str
        The ``type`` in a configuration.
    doc : str
        One line for people.
    parameters : mapping of name to ParameterSpec
    state : structured dtype
        The strategy's own record, one per instance, zero at the start.
    on_start … on_stop : functions of (ctx, state), optional
        Plain functions; Tapewire compiles them. ``ctx`` is a ``CONTEXT`` record, ``state`` one of
        ``state``. ``on_book`` is called when the best bid or ask changed.
    prepare : callable (parameters, state record), optional
        Writes the parameters into the state record.
    price_changes_only : bool
        Call ``on_book`` only when a best price changed, not when just a size did.
    order_log : bool
        One instance over all its instruments, fed from a file of orders.
    """

    name: str
    doc: str
    parameters: Mapping[str, ParameterSpec]
    state: np.dtype[Any]
    prepare: Callable[[Mapping[str, Any], Any], None] | None = None
    on_start: Hook | None = None
    on_market_event: Hook | None = None
    on_book: Hook | None = None
    on_trade: Hook | None = None
    on_timer: Hook | None = None
    on_order_update: Hook | None = None
    on_fill: Hook | None = None
    on_stop: Hook | None = None
    price_changes_only: bool = False
    order_log: bool = False
    hooks: tuple[Hook | None, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hooks", tuple(getattr(self, name) for name in HOOKS))

    def addresses(self) -> list[int]:
        """Machine addresses of the hooks, compiled or loaded from the cache; 0 for none."""
        return [
            0 if hook is None else int(_compile_hook(hook, self.state).address)
            for hook in self.hooks
        ]

    def new_state(self, parameters: Mapping[str, Any]) -> npt.NDArray[Any]:
        """A fresh state record, shape (1,), with the parameters in it."""
        state = np.zeros(1, self.state)
        if self.prepare is not None:
            self.prepare(parameters, state[0])
        return state


@cache
def _compile_hook(hook: Hook, state: np.dtype[Any]) -> Any:
    """Compile ``hook(ctx, state)`` to a C function of two record pointers.

    Division by zero follows IEEE (``error_model``), because an exception can't leave a callback.
    """
    signature = types.void(numba.from_dtype(CONTEXT), numba.from_dtype(state))
    # An exact signature and a cached cfunc: loading it in a new process takes milliseconds.
    return numba.cfunc(signature, cache=True, error_model="numpy", boundscheck=BOUNDSCHECK)(hook)
