"""Fees: what a fill costs beside its price."""

from typing import Any

from tapewire.compiled.jit import jit_inline


@jit_inline
def commission(session: Any, lots: int) -> int:
    """Fee of a fill in 1e-9 currency units: a fixed amount per contract."""
    return session.fee_per_lot * lots
