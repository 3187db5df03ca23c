"""What strategies paid, line by line, where their fee models tell lines apart."""

from tapewire.router._memory import Memory
from tapewire.router._roster import Roster
from tapewire.router.config import SimulationConfig


def fee_lines(
    config: SimulationConfig, memory: Memory, roster: Roster
) -> dict[str, dict[str, int]]:
    """Fees of each strategy by line, in 1e-9 currency; they add up to all that it paid."""
    models = {spec.strategy_id: spec.models or config.models for spec in config.strategies}
    bills: dict[str, dict[str, int]] = {}
    for leg in roster.legs:
        lines = models[leg.strategy_id].fees.definition.lines
        paid = memory.tallies.records[leg.leg]["line_fees"]
        for line, fees in zip(lines, paid, strict=False):
            bill = bills.setdefault(leg.strategy_id, dict.fromkeys(lines, 0))
            bill[line] += int(fees)
    return bills
