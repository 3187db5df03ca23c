"""What a worker does for a server: the commands' own work, for one attempt at a job.

All that it keeps goes through a store that belongs to the attempt (`tapewire.store.JobStore`), so
that a job which is begun again, or taken over, has its effect once.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.errors import ConfigError, TapewireError
from tapewire.factory.asked import FactorySettings, sizes_of
from tapewire.factory.datasets import FactoryBars, read_bars
from tapewire.factory.files import check_data, derive_data, inspect_data, plot_data
from tapewire.factory.judging import judge_generation
from tapewire.factory.searching import evolve, generate
from tapewire.factory.trying import try_strategies
from tapewire.generator import StrategyConstraints
from tapewire.inputs.candles import CandleRequest, find_best
from tapewire.inputs.telling import steps_heard
from tapewire.runs.served_result import shown_without, without_folders
from tapewire.runs.served_run import do_run, places_of, run_name

if TYPE_CHECKING:
    from tapewire.store import JobRecord, JobStore

Json = dict[str, Any]
#: Strategies that one job tries at most: all of them are told of in its result.
TRIED_MAX: Final = 10_000
#: Variants that one job tells of.
TOP_MAX: Final = 1_000
#: How often progress is told, s.
_TOLD_S: Final = 0.1


@dataclass(frozen=True)
class JobWork:
    """A job as its work sees it.

    Attributes
    ----------
    store : JobStore
    asked : dict
        What was asked for.
    owner : str
        Who did.
    begun : int or None
        The search that an earlier attempt began, or went on with.
    folder : Path or None
        Of files that jobs may read.
    threads : int or None
        None: one for each core.
    strategies : Path or None
        Of strategies in Python or JSON that runs may name.
    run : Path or None
        The folder of the run that the job is.
    hear : function
        Told what is done, how much of it, of how much.
    """

    store: "JobStore"
    asked: Json
    owner: str
    begun: int | None
    folder: Path | None
    threads: int | None
    strategies: Path | None = None
    run: Path | None = None
    hear: Callable[[str, int, int | None], None] = lambda what, done, total: None

    def bars(self) -> FactoryBars:
        """Read the bars that are asked for."""
        given = dict(self.asked.get("bars", {}))
        path = data_file(self.folder, given.pop("data", ""))
        session, name = given.pop("session", None), given.pop("dataset", None)
        return read_bars(path, CandleRequest("", **given), session=session, name=name)


def do_job(argument: Json, tell: Callable[[Any], None]) -> None:
    """Do a job, keep what comes of it and end it.

    Parameters
    ----------
    argument
        ``store`` (its address), ``job``, ``attempt``, ``folder``, ``threads``; for runs,
        ``strategies`` and ``runs``.
    tell
        Told ``{"what", "done", "total"}``, ten times a second at most.

    Raises
    ------
    StaleAttemptError
        If somebody else does it by now, or it has ended.
    TapewireError
        As the command that does the same.
    """
    from tapewire.store import JobStore

    next_s = 0.0
    folder = argument["folder"]
    # Who asked for it is told, but not where the server has its files.
    hidden = [
        Path(argument[name]) if argument.get(name) else None
        for name in ("folder", "strategies", "runs")
    ]

    def hear(what: str, done: int, total: int | None) -> None:
        nonlocal next_s
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + _TOLD_S
            tell({"what": without_folders(what, hidden), "done": done, "total": total})

    with JobStore.of_job(argument["store"], argument["job"], argument["attempt"]) as store:
        job = store.job(store.job_id)
        work = JobWork(
            store, job.asked, job.owner, job.generation_id, Path(folder) if folder else None,
            argument["threads"], *_run_places(argument, job), hear,
        )  # fmt: skip
        try:
            with steps_heard(hear):
                result = WORK[job.kind](work)
        except TapewireError as error:
            raise type(error)(without_folders(str(error), hidden)) from None
        store.finish(_strict(shown_without(result, hidden)))


def _run_places(argument: Json, job: "JobRecord") -> tuple[Path | None, Path | None]:
    """Return the folder of strategies, and that of the run which the job is."""
    strategies, runs = argument.get("strategies"), argument.get("runs")
    folder = Path(runs).absolute() / run_name(job.id, job.created_at) if runs else None
    return Path(strategies) if strategies else None, folder


def data_file(folder: Path | None, name: str) -> Path:
    """Return the file of a folder that a name stands for.

    Raises
    ------
    ConfigError
        If there is no folder, or the name leads out of it or to no file.
    """
    if folder is None:
        raise ConfigError("data: expected a server with a folder of data (--data), found none")
    root = folder.resolve()
    shown = name[:200]
    try:
        path = (root / name).resolve()
        is_within = bool(name) and path.is_relative_to(root) and not Path(name).is_absolute()
        if is_within and path.is_file():
            return path
    except (OSError, ValueError):
        is_within = False
    found = f"nothing there: {shown!r}" if is_within else repr(shown)
    raise ConfigError(
        f"data: expected a file in the server's folder of data, by its name there, found {found}"
    )


def settings_of(asked: Mapping[str, Any]) -> FactorySettings:
    """Return what a search is asked for; what is not said is as usual.

    Raises
    ------
    ConfigError
        If something is wrong, naming it.
    """
    given = dict(asked)
    sizes: dict[str, Any] = sizes_of(
        given.pop("method", "random"), *(given.pop(k, None) for k in _SIZES)
    )  # fmt: skip
    for name in ("timeframes", "assumptions", "guards"):
        if name in given:
            given[name] = tuple(given[name])
    given["constraints"] = StrategyConstraints(**given.get("constraints", {}))
    return FactorySettings(asked.get("method", "random"), **sizes, **given)


_SIZES: Final = ("count", "population", "generations")


def _generate(work: JobWork) -> Json:
    asked, judges = work.asked, not work.asked.get("skip_judging", False)
    settings, bars = settings_of(asked.get("settings", {})), work.bars()
    if work.begun is None:
        found = generate(bars, settings, store=work.store, jobs=work.threads, judges=judges)
    else:
        found = evolve(
            work.begun, store=work.store, data=Path(bars.description["path"]), jobs=work.threads,
            judges=judges, may_be_complete=True,
        )  # fmt: skip
    return asdict(found)


def _evolve(work: JobWork) -> Json:
    asked, is_again = work.asked, work.begun is not None
    data = data_file(work.folder, asked["data"]) if asked.get("data") else None
    found = evolve(
        asked.get("generation_id", 0), store=work.store, data=data,
        generations=0 if is_again else asked.get("generations", 0), jobs=work.threads,
        force=asked.get("force", False), judges=not asked.get("skip_judging", False),
        may_be_complete=is_again,
    )  # fmt: skip
    return asdict(found)


def _test(work: JobWork) -> Json:
    asked = work.asked
    where = "" if asked.get("every") else asked.get("where")
    keys: list[int | str] = list(asked.get("keys", ()))
    if where is not None and not keys:
        keys = _ids(work.store, where)
    elif where is not None:
        raise ConfigError("expected strategies (IDS), --where or --all, and one of these only")
    if len(keys) > TRIED_MAX:
        raise ConfigError(
            f"strategies: expected at most {TRIED_MAX:,} of one job, found more; narrow --where"
        )
    found = try_strategies(
        work.bars(), keys, where=None if keys else where,
        assumptions=asked.get("assumptions", ()), store=work.store, jobs=work.threads,
        holdout=asked.get("holdout", False), why=asked.get("why", ""), who=work.owner,
        force=asked.get("force", False),
    )  # fmt: skip
    return asdict(found)


def _ids(store: "JobStore", where: str) -> list[int | str]:
    """Return those of which it is true, one more than may be at most."""
    found: list[int | str] = []
    after: str | None = None
    while len(found) <= TRIED_MAX:
        page = store.strategies("id", descending=False, where=where, after=after, limit=1_000)
        found += [row.id for row in page.rows]
        if (after := page.after) is None:
            break
    return found


def _judge(work: JobWork) -> Json:
    asked = work.asked
    data = data_file(work.folder, asked["data"]) if asked.get("data") else None
    found = judge_generation(
        asked.get("generation_id", 0), holdout=asked.get("holdout", False),
        why=asked.get("why", ""), who=work.owner, store=work.store, data=data,
        guards=asked.get("guards"), jobs=work.threads, force=asked.get("force", False),
    )  # fmt: skip
    return asdict(found)


def _optimize(work: JobWork) -> Json:
    asked, given = work.asked, dict(work.asked.get("bars", {}))
    path = data_file(work.folder, given.pop("data", ""))
    for name in ("session", "dataset"):
        if name in given:
            raise ConfigError(f"{name}: expected with declared strategies only")
    top = asked.get("top", 10)
    if not 1 <= top <= TOP_MAX:
        raise ConfigError(f"top: expected 1 to {TOP_MAX:,}, found {top:,}")
    request = CandleRequest(
        asked.get("strategy", ""), asked.get("parameters", ()), asked.get("assumptions", ()),
        **given,
    )  # fmt: skip
    objective = asked.get("objective", "sharpe_annualised")
    return asdict(
        find_best(
            path, request, objective=objective, top=top, jobs=work.threads, walk=asked.get("walk")
        )
    )


def _run(work: JobWork) -> Json:
    from tapewire.runs.served import stored_rules

    if work.run is None:
        raise ConfigError("run: expected a worker with a folder of runs (--runs), found none")
    places = places_of(work.folder, work.strategies, work.run.parent)
    try:
        return do_run(
            work.asked.get("config", ""), places, lambda which: stored_rules(work.store, which),
            work.run, work.hear,
        )  # fmt: skip
    except TapewireError as error:
        raise type(error)(without_folders(str(error), [places.declared])) from None


def _live(work: JobWork) -> Json:
    from tapewire.runs.served import stored_rules
    from tapewire.runs.served_session import do_session

    if work.run is None:
        raise ConfigError("live: expected a worker with a folder of runs (--runs), found none")
    places, store = places_of(work.folder, work.strategies, work.run.parent), work.store
    try:
        return do_session(
            work.asked.get("config", ""), work.asked.get("duration_s"), places,
            lambda which: stored_rules(store, which), work.run, work.hear,
            lambda state: store.tell_live(store.job_id, state),
        )  # fmt: skip
    except TapewireError as error:
        raise type(error)(without_folders(str(error), [places.declared])) from None


def _file(work: JobWork) -> tuple[Path, str]:
    name = work.asked.get("data", "")
    return data_file(work.folder, name), name


def _plot(work: JobWork) -> Json:
    asked = work.asked
    return plot_data(
        *_file(work), symbol=asked.get("symbol") or None, start=asked.get("start", ""),
        end=asked.get("end", ""),
    )  # fmt: skip


def _derive(work: JobWork) -> Json:
    asked, job = work.asked, work.store.job(work.store.job_id)
    return derive_data(
        work.folder, *_file(work), schema=asked.get("schema", ""),
        symbols=asked.get("symbols", ()), start=asked.get("start", ""), end=asked.get("end", ""),
        output=asked.get("output", ""), since=job.created_at if job.attempt > 1 else None,
    )  # fmt: skip


#: Kind of job → what is done for it.
WORK: Final[dict[str, Callable[[JobWork], Json]]] = {
    "generate": _generate,
    "evolve": _evolve,
    "test": _test,
    "judge": _judge,
    "optimize": _optimize,
    "run": _run,
    "live": _live,
    "inspect": lambda work: inspect_data(*_file(work)),
    "check": lambda work: check_data(*_file(work)),
    "plot": _plot,
    "derive": _derive,
}


def _strict(value: Any) -> Any:
    """Return a value as JSON can hold it: what is no number as null, infinity as ``inf``."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, dict):
        return {key: _strict(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(one) for one in value]
    return value
