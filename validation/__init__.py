"""How true a simulation is: what happened in a capture, asked of the simulation again.

``placebo`` sends a capture's own orders again, and compares what becomes of them.
"""

from tapewire.validation.placebo import PlaceboPass
from tapewire.validation.results import CLASSES, ClassCount, PlaceboCounts

__all__ = ["CLASSES", "ClassCount", "PlaceboCounts", "PlaceboPass"]
