"""Captures: what a stream of MBO records holds, and whether it is sound."""

from tapewire.capture.passing import CaptureCounts, CapturePass, warm_up

__all__ = ["CaptureCounts", "CapturePass", "warm_up"]
