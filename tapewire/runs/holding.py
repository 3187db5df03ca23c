"""New orders that are held for as long as anything speaks against them."""

from typing import TYPE_CHECKING

from tapewire.execution.codes import Reason

if TYPE_CHECKING:
    from tapewire.router import Simulation


class Holds:
    """What speaks against new orders of a simulation: each of it by itself.

    Orders are denied for the reason of whoever has held them longest.

    Attributes
    ----------
    reasons : dict of str to str
        Who holds them → why, in words.
    """

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self._codes: dict[str, Reason] = {}
        self._simulation: Simulation | None = None
        self._told = Reason.NONE

    def attend(self, simulation: "Simulation") -> None:
        """Take the simulation whose orders are held, or are held already."""
        self._simulation = simulation
        self._tell()

    def hold(self, who: str, why: str, reason: Reason) -> None:
        """Hold new orders for a reason, in words and of the tables.

        With no words: no more, as far as this one goes.
        """
        if why:
            self.reasons[who], self._codes[who] = why, reason
        else:
            self.reasons.pop(who, None)
            self._codes.pop(who, None)
        self._tell()

    def _tell(self) -> None:
        reason = next(iter(self._codes.values()), Reason.NONE)
        if self._simulation is not None and reason != self._told:
            self._told = reason
            self._simulation.hold_orders(reason)
