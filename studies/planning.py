"""Which trials are run together: over one pass of the data, in one process."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tapewire.config.schema import Backtest, ConfiguredLimits, Execution, RunConfig
from tapewire.studies.base import OWN_EXECUTION, PlannedTrial, standing_alone

#: Trials of one pass: beyond it their state no longer stays near the processor.
PASS_TRIALS_MAX: Final = 64


@dataclass(frozen=True)
class Pass:
    """Trials that share one pass over the data."""

    trials: tuple[PlannedTrial, ...]

    @property
    def name(self) -> str:
        """Tells it from others of its study, however that is packed."""
        return f"{self.trials[0].trial.number:07d}-{len(self.trials)}"

    @property
    def config(self) -> RunConfig:
        """What is run: each trial as a strategy of its own."""
        lead = self.trials[0].config
        if all(planned.config is lead for planned in self.trials):
            return lead.model_copy(update={"strategy": [p.entry for p in self.trials]})
        entries = [standing_alone(planned) for planned in self.trials]
        return lead.model_copy(update={"backtest": _neutral(lead.backtest), "strategy": entries})

    def halves(self) -> tuple["Pass", "Pass"]:
        """Return its trials as two passes."""
        middle = len(self.trials) // 2
        return Pass(self.trials[:middle]), Pass(self.trials[middle:])


def _neutral(backtest: Backtest) -> Backtest:
    """Return a backtest that lends its strategies nothing that they may have of their own.

    What one of them has not would be the backtest's, which is another trial's.
    """
    plain = Execution()
    execution = backtest.execution.model_copy(
        update={name: getattr(plain, name) for name in OWN_EXECUTION}
    )
    return backtest.model_copy(update={"execution": execution, "risk_limits": ConfiguredLimits()})


def passes_of(
    planned: Iterable[PlannedTrial], workers: int, trials_max: int = PASS_TRIALS_MAX
) -> list[Pass]:
    """Pack trials into passes: few, so that data are read seldom, but work for every worker.

    Parameters
    ----------
    planned
        In the order of their numbers.
    workers
        How many passes are done at a time.
    trials_max
        Trials of one pass.
    """
    groups: dict[str, list[PlannedTrial]] = {}
    for one in planned:
        groups.setdefault(one.group, []).append(one)
    # A group alone is split until every worker has a part; of many, each is work enough.
    parts_min = max(1, math.ceil(workers / max(1, len(groups))))
    passes = []
    for members in groups.values():
        count = max(math.ceil(len(members) / trials_max), min(parts_min, len(members)))
        if count > 1 and len(groups) == 1:  # no worker is left over with the last of them
            count = math.ceil(count / workers) * workers
        passes += [Pass(tuple(part)) for part in _even(members, min(count, len(members)))]
    return passes


def _even(members: Sequence[Any], count: int) -> list[Sequence[Any]]:
    """Cut a sequence into parts that differ by one at most."""
    size, more = divmod(len(members), count)
    parts, begin = [], 0
    for k in range(count):
        end = begin + size + (k < more)
        parts.append(members[begin:end])
        begin = end
    return parts
