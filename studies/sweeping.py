"""Every combination that a study says, each a trial."""

from collections.abc import Callable

from tapewire.config.schema import RunConfig
from tapewire.studies.axes import Trial, combinations, count
from tapewire.studies.base import Base
from tapewire.studies.conducting import Means, conduct, plan_of
from tapewire.studies.estimate import Estimate, Rates, Size, data_of, estimate, groups_of
from tapewire.studies.measuring import measured
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


def estimate_sweep(
    base: RunConfig,
    settings: StudySettings,
    size: Size,
    rates: Rates | None = None,
    announce: Callable[[str], None] = lambda text: None,
) -> Estimate:
    """Say what a sweep would take, without doing it.

    Parameters
    ----------
    base, settings
        As of `sweep_checked`.
    size
        Of the study and the cluster.
    rates
        Of a core; None: two passes of the first trials are measured here, for seconds each.
    announce
        Told what takes a moment.

    Raises
    ------
    TapewireError
        See `tapewire.sweep`.
    """
    check_metrics(settings)
    count(settings)
    first = Base(base.to_dict(), list(settings.vary))
    planned = [first.planned(Trial(k, v)) for k, v in enumerate(combinations(settings), 1)]
    groups = groups_of(planned)
    sizes = [(len(group), *data_of(group[0])) for group in groups]
    return estimate(sizes, measured(groups[0], announce) if rates is None else rates, size)
