"""What bounds each strategy's session: its limits, its gateway, and those of all together."""

from typing import Any

from tapewire.compiled.memory import Block
from tapewire.execution.layout import NEVER
from tapewire.market.layout import NIL
from tapewire.positions.codes import LOSS_LIMITS, NO_LIMIT, Limit, LimitAction
from tapewire.positions.layout import CUT, LIMITS
from tapewire.router._memory import Memory
from tapewire.router.config import OFF, GatewayLimit, RiskLimits, SimulationConfig


class Bounds:
    """Fills in the records of limits, and makes room for what they remember and report."""

    def __init__(self, config: SimulationConfig, memory: Memory) -> None:
        self._memory = memory
        self._gateway = config.gateway
        self._session_n = len(config.session_closes)
        self._rates_change = bool(config.rate_changes)
        self._send_times_used = 0
        self._trips = 0  # that limits may report
        self._cuts: dict[GatewayLimit, Block] = {}
        if config.portfolio is not None:
            memory.portfolio = Block(LIMITS, 1)
            self._set_limits(memory.portfolio.records[0], config.portfolio)
            memory.portfolio.records[0]["owner"] = NIL
            self._make_room()

    def add(self, instance: int, given: RiskLimits, own_gateway: GatewayLimit | None) -> None:
        """Bound a new instance; its gateway is that of the simulation if it has none of its own."""
        limits = self._memory.limits.records[instance]
        self._set_limits(limits, given)
        limits["owner"] = instance
        gateway = own_gateway or self._gateway
        if gateway is not None and gateway.disconnects:
            self._memory.instances.records[instance]["cuts"] = self._cuts_of(gateway)
        if gateway is not None and gateway.max_messages_per_second:
            limits["gateway_rate"] = gateway.max_messages_per_second
            limits["gateway_queues"] = gateway.when_exceeded == "queue"
            limits["gateway_offset"] = self._send_times_used
            self._send_times_used += gateway.max_messages_per_second
        self._make_room()

    def _set_limits(self, limits: Any, given: RiskLimits) -> None:
        for limit in Limit:
            bound, action = given.bound(limit.key), given.action(limit.key)
            limits["bounds"][limit] = bound
            limits["actions"][limit] = LimitAction[action.upper()]
            if bound != OFF and (limit in LOSS_LIMITS or action != "deny"):
                limits["watched"] |= 1 << limit
        limits["stopping"] = NO_LIMIT
        for name in ("reducing_ns", "halted_ns", "day_end_ns", "peak_pnl"):
            limits[name] = NEVER
        limits["floor_pnl"] = NEVER  # to be found at the first look
        if given.max_drawdown != OFF:
            limits["peak_pnl"] = 0
        self._trips += int(limits["watched"]).bit_count()
        if given.max_daily_loss != OFF or self._rates_change:
            limits["day_end_ns"] = 0  # to be found at the first look
        if given.max_daily_loss != OFF:
            self._trips += self._session_n
        limits["window_offset"] = self._send_times_used
        if given.max_orders_per_second != OFF:
            self._send_times_used += given.max_orders_per_second

    def _make_room(self) -> None:
        for block, used in (
            (self._memory.send_times, self._send_times_used),
            (self._memory.trips, self._trips),
        ):
            if used > block.capacity:
                block.grow(2 * used)

    def _cuts_of(self, gateway: GatewayLimit) -> int:
        """Address of the times in which a session is cut; sessions cut alike have one."""
        if gateway not in self._cuts:
            rows = gateway.cuts()
            self._cuts[gateway] = Block(CUT, rows.size)
            self._cuts[gateway].records[:] = rows
        return self._cuts[gateway].address
