"""New orders that are held for as long as anything speaks against them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tapewire.router import Simulation


class Holds:
    """What speaks against new orders of a simulation: each of it by itself.

    Attributes
    ----------
    reasons : dict of str to str
        Who holds them → why, in words.
    """

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self._simulation: Simulation | None = None

    def attend(self, simulation: "Simulation") -> None:
        """Take the simulation whose orders are held, or are held already."""
        self._simulation = simulation
        simulation.hold_orders(bool(self.reasons))

    def hold(self, who: str, why: str) -> None:
        """Hold new orders for a reason; for an empty one no more, as far as this one goes."""
        if why:
            self.reasons[who] = why
        else:
            self.reasons.pop(who, None)
        if self._simulation is not None:
            self._simulation.hold_orders(bool(self.reasons))
