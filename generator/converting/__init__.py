"""Declared strategies as code that somebody could have written: in three forms, and as text."""

from tapewire.generator.converting.targets import TARGETS, convert

__all__ = ["TARGETS", "convert"]
