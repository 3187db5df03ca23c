"""What strategies paid, line by line, where their fee models tell lines apart."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.jit import jit_entry
from tapewire.errors import SimulationError
from tapewire.execution.layout import party_at, tally_at
from tapewire.execution.models.fees import ask_fee
from tapewire.execution.models.record import FEE_LINES_MAX, models_at
from tapewire.execution.rows import FEE_DTYPE
from tapewire.execution.words import BY_SETTLEMENT
from tapewire.execution.worths import follow_worth
from tapewire.router._memory import Memory
from tapewire.router._roster import Roster
from tapewire.router.config import SimulationConfig

NO_FEES: Final = np.zeros(0, FEE_DTYPE)
_NOTHING: Final = np.zeros(FEE_LINES_MAX, np.int64)


class Bills:
    """Says of each fill what its lines cost: asks the fee models again, behind the loop.

    Attributes
    ----------
    names : list of str
        What the rows count: every line of any of the models.
    """

    def __init__(self, config: SimulationConfig, memory: Memory, roster: Roster) -> None:
        models = [config.models, *(spec.models for spec in config.strategies if spec.models)]
        lines = [model.fees.definition.lines for model in models]
        self.names = list(dict.fromkeys(name for names in lines for name in names))
        self._memory, self._roster = memory, roster
        self._lines_of = {
            spec.strategy_id: (spec.models or config.models).fees.definition.lines
            for spec in config.strategies
        }
        self._traded = np.zeros(1, np.int64)  # lots by leg
        self._paid: dict[int, npt.NDArray[np.int64]] = {}  # by leg, fees of its model's lines
        self._fills = 0

    def take(self, fills: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A row for each line of each fill, dtype ``FEE_DTYPE``; every fill once, in order.

        Raises
        ------
        SimulationError
            If the lines of a fill do not add up to its commission.
        """
        if not self.names or not fills.size:
            return NO_FEES
        legs = self._roster.legs
        if self._traded.size < len(legs):
            self._traded = np.append(self._traded, np.zeros(len(legs), np.int64))
        parts = np.zeros((fills.size, FEE_LINES_MAX), np.int64)
        bill_fills(self._memory.states[1], fills, self._traded, parts)
        rows = []
        for leg in np.unique(fills["leg"]).tolist():
            lines = self._lines_of[legs[leg].strategy_id]
            mine = np.flatnonzero(fills["leg"] == leg)
            if lines:
                self._check(fills, parts, mine)
                self._paid[leg] = self._paid.get(leg, 0) + parts[mine].sum(axis=0)
                rows.append(self._rows_of(fills, parts, mine, lines))
        first = self._fills
        self._fills += fills.size
        if not rows:
            return NO_FEES
        found = np.concatenate(rows)
        found = found[np.lexsort((found["line"], found["fill"]))]
        found["fill"] += first
        return found

    def totals(self) -> dict[str, dict[str, int]]:
        """Fees of each strategy by line so far, in 1e-9 currency; they add up to all it paid."""
        bills: dict[str, dict[str, int]] = {}
        for leg in self._roster.legs:
            lines = self._lines_of[leg.strategy_id]
            for line, fees in zip(lines, self._paid.get(leg.leg, _NOTHING), strict=False):
                bill = bills.setdefault(leg.strategy_id, dict.fromkeys(lines, 0))
                bill[line] += int(fees)
        return bills

    def _check(
        self, fills: npt.NDArray[Any], parts: npt.NDArray[np.int64], mine: npt.NDArray[np.int64]
    ) -> None:
        wrong = np.flatnonzero(parts[mine].sum(axis=1) != fills["commission"][mine])
        if wrong.size:
            at = mine[wrong[0]]
            raise SimulationError(
                f"expected lines of a fee that add up to the commission {fills['commission'][at]} "
                f"of the fill at {fills['ts_event'][at]} ns, found {parts[at].sum()}"
            )

    def _rows_of(
        self, fills: npt.NDArray[Any], parts: npt.NDArray[np.int64], mine: npt.NDArray[np.int64],
        lines: Sequence[str],
    ) -> npt.NDArray[Any]:  # fmt: skip
        rows = np.zeros((mine.size, len(lines)), FEE_DTYPE)
        for name in ("leg", "client_order_id", "publisher_id", "instrument_id", "ts_event"):
            rows[name] = fills[name][mine][:, None]
        rows["fill"] = mine[:, None]
        rows["line"] = [self.names.index(line) for line in lines]
        rows["fee"] = parts[mine, : len(lines)]
        return rows.reshape(-1)


@jit_entry
def bill_fills(executions: Any, fills: Any, traded: Any, parts: Any) -> None:
    """What each line of each fill costs, with the lots that its leg traded before."""
    execution = executions[0]
    for k in range(fills.shape[0]):
        row = fills[k]
        if row.reason == BY_SETTLEMENT:  # without a fee
            continue
        party = party_at(execution.parties, row.leg)
        tally = tally_at(execution.tallies, row.leg)
        if tally.worths != 0:
            follow_worth(party, tally, row.ts_event)
        models = models_at(execution.models, party.models)
        for line in range(models.fee_lines):
            parts[k, line] = ask_fee(
                models.fees, models.fees_call, models.fees_state,
                row.last_px, row.last_qty, row.liquidity, party.multiplier_num,
                party.multiplier_den, traded[row.leg], party.publisher_id, line,
            )  # fmt: skip
        traded[row.leg] += row.last_qty
