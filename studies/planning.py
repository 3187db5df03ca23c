"""Which trials are run together: over one pass of the data, in one process."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

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
    passes = []
    for members in groups.values():
        begin = 0
        for size in packed(len(members), len(groups), workers, trials_max):
            passes.append(Pass(tuple(members[begin : begin + size])))
            begin += size
    return passes


def packed(members: int, groups: int, workers: int, trials_max: int = PASS_TRIALS_MAX) -> list[int]:
    """Return how many trials each pass of a group has; they differ by one at most.

    Parameters
    ----------
    members
        Trials of the group.
    groups
        How many groups there are.
    workers, trials_max
        See `passes_of`.
    """
    # A group alone is split until every worker has a part; of many, each is work enough.
    parts_min = max(1, math.ceil(workers / max(1, groups)))
    count = max(math.ceil(members / trials_max), min(parts_min, members))
    if count > 1 and groups == 1:  # no worker is left over with the last of them
        count = math.ceil(count / workers) * workers
    count = min(count, members)
    size, more = divmod(members, count)
    return [size + (k < more) for k in range(count)]
