"""Derived data: what Databento's other schemas would have said of MBO records."""

from tapewire.derive.passing import Deriver, warm_up
from tapewire.derive.schemas import SCHEMAS, DerivedSchema, find_schema

__all__ = ["SCHEMAS", "DerivedSchema", "Deriver", "find_schema", "warm_up"]
