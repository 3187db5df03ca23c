"""What a strategy consists of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tapewire.compiled.callbacks import address_of_hook
from tapewire.compiled.parameters import ParameterSpec
from tapewire.compiled.user_kernels import KernelFault
from tapewire.errors import ConfigError
from tapewire.strategies.binding import Bound
from tapewire.strategies.layout import CONTEXT, OUTSIDE
from tapewire.strategies.place import Calls, Place
from tapewire.strategies.wants import Wants

Hook = Callable[[Any, Any], None]

#: Hooks in the order of ``layout.HOOK_…``.
HOOKS: Final = (
    "on_start",
    "on_market_event",
    "on_book",
    "on_trade",
    "on_timer",
    "on_order_update",
    "on_fill",
    "on_stop",
    "on_trades",
    "on_session_close",
)


@dataclass(frozen=True)
class StrategyDefinition:
    """A strategy as a set of functions.

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
        Plain functions; Tapewire compiles them, unless ``compiled`` is off. ``ctx`` is a
        ``CONTEXT`` record, ``state`` one of ``state``. ``on_book`` is called when the best bid or
        ask changed.
    prepare : callable (parameters, state record), optional
        Writes the parameters into the state record.
    wants : Wants
        Which books it sees, how much of them, and when ``on_book`` is called.
    compiled : bool
        Otherwise the functions are called as they are, with the same records: the loop is left for
        each call, which takes microseconds instead of nanoseconds.
    outside : callable (Place), optional
        Of a strategy that is no set of functions: makes an instance of it at its place, and returns
        what is called for each hook, without arguments.
    is_external : bool
        It follows a model in a process of its own.
    free_parameters : bool
        They are the model's: whatever a configuration says.
    model : str, optional
        The model that it brings, as ``package.module:Class``.
    binding : subclass of Bound
        What a strategy of this kind is to a run.
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
    on_trades: Hook | None = None
    on_session_close: Hook | None = None
    wants: Wants = field(default_factory=Wants)
    compiled: bool = True
    outside: Callable[[Place], Calls] | None = None
    is_external: bool = False
    free_parameters: bool = False
    model: str | None = None
    binding: type[Bound] = Bound
    hooks: tuple[Hook | None, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.compiled and self.on_trades is not None:
            raise ValueError("on_trades: expected a strategy in plain Python, found a compiled one")
        object.__setattr__(self, "hooks", tuple(getattr(self, name) for name in HOOKS))

    def addresses(self) -> list[int]:
        """What the loop calls for each hook: an address of machine code, OUTSIDE, or 0: nothing.

        Raises
        ------
        ConfigError
            If a hook can't be compiled, with the line of its author's and the reason.
        """
        if not self.compiled:
            return [0 if hook is None else OUTSIDE for hook in self.hooks]
        return [self._address(name, hook) for name, hook in zip(HOOKS, self.hooks, strict=True)]

    def _address(self, name: str, hook: Hook | None) -> int:
        try:
            return 0 if hook is None else address_of_hook(hook, CONTEXT, self.state)
        except KernelFault as fault:
            raise ConfigError(f"strategy {self.name}: {name} can't be compiled: {fault}") from None

    def bind(self, parameters: Mapping[str, Any]) -> Bound:
        """Make what a run has of this strategy, with complete and checked parameters.

        Raises
        ------
        InputError
            If a file that they name is not as it should be.
        """
        return self.binding(self, parameters)
