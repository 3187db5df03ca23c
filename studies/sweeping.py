"""Every combination that a study says, each a trial."""

from tapewire.config.schema import RunConfig
from tapewire.studies.axes import Trial, combinations, count
from tapewire.studies.base import Base
from tapewire.studies.conducting import Means, conduct, plan_of
from tapewire.studies.session import StudySession
from tapewire.studies.settings import StudySettings
from tapewire.studies.study import Study
from tapewire.studies.table import check_metrics


def sweep_checked(base: RunConfig, settings: StudySettings, means: Means) -> Study:
    """Try what a study says, each combination on the base configuration.

    Raises
    ------
    TapewireError
        See `tapewire.sweep`.
    """
    check_metrics(settings)
    total = count(settings)
    trials = [Trial(k, values) for k, values in enumerate(combinations(settings), 1)]
    plan = plan_of("sweep", base, settings)
    first = Base(plan["base"], list(settings.vary))
    for trial in trials:  # what is wrong is said before anything is written
        first.planned(trial)

    def work(session: StudySession) -> list[Trial]:
        session.run(trials)
        return trials

    return conduct(plan, settings, first, means, total=total, work=work)
