"""Kernels of a session's gateway: how many messages it takes in a second, and when it is cut off.

The window slides: of any `max_messages_per_second` + 1 messages of a session in a row, the last
leaves a second or more after the first. New orders, cancels and replaces count alike. While the
session is cut nothing leaves and no word comes in.
"""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.compiled.units import NS_PER_S
from tapewire.positions.layout import cut_at, send_time_at


@jit
def gateway_refuses(limits: Any, send_times: int, now_ns: int) -> bool:
    """Whether the session's gateway rejects a message that is sent now."""
    if limits.gateway_rate == 0 or limits.gateway_queues != 0:
        return False
    oldest = send_time_at(send_times, limits.gateway_offset + limits.gateway_next)
    return oldest.ts > 0 and now_ns - oldest.ts < NS_PER_S


@jit
def pass_gateway(limits: Any, send_times: int, cuts: int, now_ns: int) -> int:
    """Count a message that the session sends now; returns when it leaves the gateway.

    One that is queued leaves when the window allows, behind all before it, and what would leave
    while the session is cut leaves as it is back.
    """
    leaves_ns = now_ns
    if limits.gateway_rate == 0:
        return connected_ns(cuts, leaves_ns)
    oldest = send_time_at(send_times, limits.gateway_offset + limits.gateway_next)
    if limits.gateway_queues != 0 and oldest.ts > 0:
        leaves_ns = max(now_ns, oldest.ts + NS_PER_S)
    leaves_ns = connected_ns(cuts, leaves_ns)
    oldest.ts = leaves_ns
    limits.gateway_next = (limits.gateway_next + 1) % limits.gateway_rate
    return leaves_ns


@jit
def connected_ns(cuts: int, ts: int) -> int:
    """A time itself or, where the session is cut then, the end of that; ``cuts`` 0: it never is."""
    if cuts == 0:
        return ts
    k = 0
    while cut_at(cuts, k).until <= ts:
        k += 1
    cut = cut_at(cuts, k)
    return cut.until if cut.at <= ts else ts
