"""How true a simulation is: what happened in a capture, asked of the simulation again.

``placebo`` sends a capture's own orders again, and compares what becomes of them.
"""

from tapewire.validation.placebo import CLASSES, ClassCount, PlaceboCounts, PlaceboPass

__all__ = ["CLASSES", "ClassCount", "PlaceboCounts", "PlaceboPass"]
