"""Latency: when a request reaches the exchange, when a response reaches the strategy.

Fixed, one way = network + processing, the same both ways. Other models take the same arguments.
"""

from typing import Any

from tapewire.compiled.jit import jit_inline


@jit_inline
def arrival_ns(instance: Any, sent_ns: int) -> int:
    """Exchange time at which a request sent at a local time arrives."""
    return sent_ns + instance.entry_ns


@jit_inline
def response_ns(instance: Any, ts_event: int) -> int:
    """Local time at which a response to something at an exchange time arrives."""
    return ts_event + instance.response_ns
