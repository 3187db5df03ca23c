"""Kernels of a session's gateway: how many messages it takes in a second.

The window slides: of any `max_messages_per_second` + 1 messages of a session in a row, the last
leaves a second or more after the first. New orders, cancels and replaces count alike.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.compiled.units import NS_PER_S
from tapewire.positions.layout import send_time_at


@jit
def gateway_refuses(limits: Any, send_times: int, now_ns: int) -> bool:
    """Whether the session's gateway rejects a message that is sent now."""
    if limits.gateway_rate == 0 or limits.gateway_queues != 0:
        return False
    oldest = send_time_at(send_times, limits.gateway_offset + limits.gateway_next)
    return oldest.ts > 0 and now_ns - oldest.ts < NS_PER_S


@jit
def pass_gateway(limits: Any, send_times: int, now_ns: int) -> int:
    """Count a message that the session sends now; returns when it leaves the gateway.

    One that is queued leaves when the window allows, behind all before it.
    """
    oldest = send_time_at(send_times, limits.gateway_offset + limits.gateway_next)
    leaves_ns = now_ns
    if limits.gateway_queues != 0 and oldest.ts > 0:
        leaves_ns = max(now_ns, oldest.ts + NS_PER_S)
    oldest.ts = leaves_ns
    limits.gateway_next = (limits.gateway_next + 1) % limits.gateway_rate
    return leaves_ns
