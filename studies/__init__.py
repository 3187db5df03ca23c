"""From one run to many: trials that differ in what somebody varies, over shared passes."""

from tapewire.studies.api import optimize, sweep
from tapewire.studies.monte_carlo import MonteCarlo, montecarlo
from tapewire.studies.session import StudyHooks, StudyProgress
from tapewire.studies.study import Study
from tapewire.studies.walkforward import walkforward

__all__ = [
    "MonteCarlo",
    "Study",
    "StudyHooks",
    "StudyProgress",
    "montecarlo",
    "optimize",
    "sweep",
    "walkforward",
]
