"""What orders hang on, as a strategy in plain Python says it: positions, prices, other orders."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from tapewire.compiled.numbers import whole
from tapewire.execution.codes import Peg
from tapewire.strategies.plain._kernels import ATTACH, MASS_CANCEL, OCO, PEG, REDUCE_ONLY
from tapewire.strategies.plain.orders import Order
from tapewire.strategies.plain.terms import OrderTerms

_REFERENCES: Final = {item.name.lower(): int(item) for item in Peg}


class Bracket(NamedTuple):
    """An entry and its exits, which have the lots that it has filled, between them."""

    entry: Order
    take_profit: Order
    stop_loss: Order


class Hanging:
    """Says what orders hang on, by the kernel's way in; of one context."""

    def __init__(self, address: int, hang_at: Callable[..., Any]) -> None:
        self._address = address
        self._hang_at = hang_at

    def on_terms(self, handle: int, said: OrderTerms) -> None:
        """Set what an order that was just submitted follows or reduces.

        Raises
        ------
        TypeError, ValueError
            If something is not of its kind.
        """
        if said.get("reduce_only"):
            self._hang_at(self._address, REDUCE_ONLY, handle, 0, 0)
        if (name := said.get("peg")) is not None:
            if name not in _REFERENCES:
                known = " or ".join(_REFERENCES)
                raise ValueError(f"peg: expected {known}, found {name!r}")
            ticks = whole(said.get("peg_offset_ticks", 0), "peg_offset_ticks")
            self._hang_at(self._address, PEG, handle, _REFERENCES[name], ticks)

    def together(self, handles: list[int], *, at_once: bool) -> None:
        """Put orders into one group, in which one cancels other."""
        for other in handles[1:]:
            self._hang_at(self._address, OCO, handles[0], other, at_once)

    def exits(self, entry: int, handles: list[int]) -> None:
        """Make orders exits of an entry."""
        for handle in handles:
            self._hang_at(self._address, ATTACH, entry, handle, 0)

    def cancel_all_of(self, leg: int) -> None:
        """Ask for all orders of a leg to be canceled in one message."""
        self._hang_at(self._address, MASS_CANCEL, leg, 0, 0)
