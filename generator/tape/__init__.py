"""Strategies of bars, traded on records: bars are made of trades, orders meet the book."""

from tapewire.generator.tape.declared import declared_definition
from tapewire.generator.tape.strategy import BarStrategy

__all__ = ["BarStrategy", "declared_definition"]
