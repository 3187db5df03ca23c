"""Who plays the days of a run: this process, one after the other, or workers, several at a time."""

import gc
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire import errors
from tapewire.errors import InterruptedRunError, PeerLostError, SimulationError, TapewireError
from tapewire.processes.signals import Signals
from tapewire.runs import one_day
from tapewire.runs.day_ends import DayEnd, kept_day, leave_end, rows_of
from tapewire.runs.hooks import Hooks, RunProgress

if TYPE_CHECKING:
    from tapewire.config.schema import RunConfig
    from tapewire.executors import Failure, Task
    from tapewire.runs.days import DayApart
    from tapewire.runs.joining import JoinedDays

#: How often a day is begun whose process dies.
_ATTEMPTS: Final = 2
#: How long a day may take; nobody waits for longer.
_DAY_TIMEOUT_S: Final = 24 * 3600.0

Played = Generator[tuple["DayApart", "DayEnd | None"], None, None]


class Far:
    """How far the days are together; several threads may say how far theirs is.

    Parameters
    ----------
    hooks
        Told.
    events_total
        Events of all days, exact or estimated.
    joined
        The days that are joined.
    """

    def __init__(self, hooks: Hooks, events_total: int, joined: "JoinedDays") -> None:
        self.hooks = hooks
        self._total = events_total
        self._joined = joined
        self._began_s = time.perf_counter()
        self._guard = threading.Lock()
        self._under_way: dict[int, tuple[int, int, float]] = {}  # events, ns, P&L by day
        self._events, self._now_ns, self._pnl = 0, 0, 0.0
        self._standing = joined.standing()

    def heard(self, number: int, events: int, now_ns: int, pnl: float) -> None:
        """Take how far a day is."""
        with self._guard:
            self._under_way[number] = (events, now_ns, pnl)
            self._say()

    def has_joined(self, day: "DayApart") -> None:
        """Count a day with those that are joined."""
        with self._guard:
            self._under_way.pop(day.number, None)
            joined = self._joined
            self._events, self._now_ns = joined.counts["events"], joined.now_ns
            self._pnl, self._standing = joined.pnl(), joined.standing()
            self._say()

    def _say(self) -> None:
        days = self._under_way.values()
        pnl, standing = self._pnl + sum(day[2] for day in days), self._standing
        self.hooks.progress(
            RunProgress(
                self._events + sum(day[0] for day in days),
                self._total,
                time.perf_counter() - self._began_s,
                max([self._now_ns, *(day[1] for day in days)]),
                lambda: pnl,
                lambda: standing,
            )
        )


def as_played(config: "RunConfig") -> "RunConfig":
    """Have a day's records travel within the process of who plays it, where nothing else is said.

    A replay's process of its own would take longer to start than a small day to play, and with
    several workers the cores have enough to do.
    """
    replay = config.backtest.replay
    if replay.transport != "auto" and replay.workers == 1:
        return config
    replay = replay.model_copy(update={"transport": "inproc"})
    backtest = config.backtest.model_copy(update={"replay": replay})
    return config.model_copy(update={"backtest": backtest})


def played_here(
    config: "RunConfig", given: one_day.DaysGiven, days: "Sequence[DayApart]", parts: Path,
    far: Far, signals: Signals, *, keep: bool = False,
) -> Played:  # fmt: skip
    """Play the days one after the other; give each with what came of it, None: no record.

    ``keep`` leaves what came of each beside its rows, for a run that goes on after this one.

    Raises
    ------
    TapewireError
        As the first day that fails, which it names.
    """
    for day in days:

        def progress(progress: RunProgress, number: int = day.number) -> None:
            far.heard(number, progress.events, progress.now_ns, progress.pnl())

        hooks = Hooks(far.hooks.announce, progress, far.hooks.working)
        rows = rows_of(parts, day)
        try:
            end = one_day.play_day(config, given, day, rows, hooks, signals)
        except InterruptedRunError:
            raise
        except TapewireError as error:
            error.args = (f"{day.date}: {error}",)
            raise
        if keep:
            leave_end(parts, day, end, keep=True)
        gc.collect()  # a simulation's parts name each other, and its blocks are large
        yield day, end


def played_by_workers(
    config: "RunConfig", given: one_day.DaysGiven, days: "Sequence[DayApart]", parts: Path,
    far: Far, signals: Signals, workers: int, *, keep: bool = False,
) -> Played:  # fmt: skip
    """As `played_here`, by processes; a day whose process dies is begun once more.

    Raises
    ------
    TapewireError
        As the first day that fails, which it names; `PeerLostError` where its process died.
    """
    from tapewire.executors import ProcessExecutor

    one_day.leave_for_tasks(parts, config, given)
    by_number = {day.number: day for day in days}
    waiting: dict[int, DayEnd | None] = {}
    turns = [day.number for day in days]

    def hear(number: int, said: Any) -> None:
        far.heard(number, *said)

    with ProcessExecutor(workers, attempts=_ATTEMPTS) as pool:
        outcomes = pool.outcomes(_tasks(days, parts, keep=keep), hear)
        while True:
            with signals.immediate():  # who waits for a day is interrupted at once
                outcome = next(outcomes, None)
            if outcome is None:
                break
            day = by_number[outcome.key]
            if outcome.failure is not None:
                raise _error_of(day, outcome.failure)
            waiting[day.number] = kept_day(parts, day).end
            while turns and turns[0] in waiting:
                turn = turns.pop(0)
                yield by_number[turn], waiting.pop(turn)


def _tasks(days: "Sequence[DayApart]", parts: Path, *, keep: bool) -> "Iterator[Task]":
    from tapewire.executors import Task

    for day in days:
        argument = one_day.task_of(parts, day, keep=keep)
        yield Task(day.number, "tapewire.runs.one_day:do_day", argument, _DAY_TIMEOUT_S)


def _error_of(day: "DayApart", failure: "Failure") -> TapewireError:
    """What a day's failure is to the user: an error of its class, which names the day."""
    message = f"{day.date}: {failure.message}"
    if failure.kind == "lost":
        return PeerLostError(f"{message}, {_ATTEMPTS} times")
    kind = getattr(errors, failure.error, None)
    if failure.kind == "raised" and not (
        isinstance(kind, type) and issubclass(kind, TapewireError)
    ):
        return SimulationError(f"{message}\n{failure.traceback}")
    if kind is errors.StrategyError or kind is None:
        kind = SimulationError
    error: TapewireError = kind(message)
    return error
