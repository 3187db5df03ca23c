"""One day of a run whose days are apart: a simulation of its own, by whoever plays it."""

import contextlib
import dataclasses
import pickle
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.atomic import output_errors
from tapewire.compiled.units import NS_PER_DAY
from tapewire.config.loading import load_config
from tapewire.config.schema import RunConfig
from tapewire.errors import FlaggedDataError, FormatError, NoDataError, ProtocolError, TapewireError
from tapewire.market.times import time_text
from tapewire.processes.signals import Signals
from tapewire.runs.day_ends import DayEnd, end_name, leave_end, rows_of, writing_days
from tapewire.runs.day_rows import DayRows
from tapewire.runs.days import DayApart
from tapewire.runs.feed import Feed
from tapewire.runs.flagged import located
from tapewire.runs.hooks import Hooks, RunProgress
from tapewire.runs.manifest import RunFacts, applied
from tapewire.runs.standing import money_now
from tapewire.runs.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapewire.executors.tasks import Tell
    from tapewire.replay.status import StatusFile
    from tapewire.router import Simulation
    from tapewire.runs.contracts import Contracts
    from tapewire.wire import StreamInfo

#: What every day's task finds in the folder of the days.
_CONFIG: Final = "config.yaml"
_GIVEN: Final = "given"
#: A worker says so often how far it is.
_TELL_EVERY_S: Final = 0.2


@dataclasses.dataclass(frozen=True)
class DaysGiven:
    """What is known of all days before the first of them, and the same for each.

    Attributes
    ----------
    stream
        That all of them together would be.
    contracts
        Its instruments.
    status
        Files with trading states.
    """

    stream: "StreamInfo"
    contracts: "Contracts"
    status: "Sequence[StatusFile]" = ()


def play_day(
    config: RunConfig,
    given: DaysGiven,
    day: DayApart,
    rows: Path,
    hooks: Hooks,
    signals: Signals,
) -> DayEnd | None:
    """Play a day; its rows go into a file.

    Parameters
    ----------
    config
        The run's.
    given
        What is the same on all days.
    day
        Which one.
    rows
        Where `tapewire.runs.day_rows.rows_in` finds its rows.
    hooks, signals
        Told of after each batch, and asked.

    Returns
    -------
    DayEnd or None
        None: the filters leave none of its records.

    Raises
    ------
    TapewireError
        As a run of the day alone would; `FormatError` if its files go on for more than a day.
    """
    facts = RunFacts(config)
    with contextlib.ExitStack() as stack:
        stream = Stream(facts, None, hooks, signals, stack, plan=day.plan)
        sink = DayRows(rows)
        stack.callback(sink.close)
        info = facts.info = stream.begin()
        simulation = facts.simulation = _simulation(config, given, info, day)
        simulation.touch_memory()
        feed = Feed(simulation, sink, facts.clock, _within_a_day(hooks, day), signals)
        try:
            feed.run(stream.receiver)
            totals = facts.totals = stream.receiver.totals
            stream.wait_end()
        except NoDataError:
            return None
        except FlaggedDataError as flagged:
            raise located(flagged, info.files, signals.check) from None
        except TapewireError as error:
            raise stream.named(error) from None
        assert totals is not None
        _require_a_day(day, totals.first_ts_recv, totals.last_ts_recv)
        if applied(simulation.counts) != totals.events:
            raise ProtocolError(
                f"expected {totals.events} events in the simulation, found "
                f"{applied(simulation.counts)}"
            )
        clock = facts.clock
        look = simulation.look()
        made = money_now(look.accounts(), simulation.worths())
        return DayEnd(
            legs=list(simulation.legs),
            fee_names=list(simulation.fee_line_names),
            series_names=list(simulation.series_names),
            counts=dict(simulation.counts),
            now_ns=simulation.now_ns,
            fee_lines=simulation.fee_lines(),
            loss_halts=simulation.loss_halts(),
            limit_trips=simulation.limit_trips(),
            guessed=simulation.guessed_queues(),
            flagged=simulation.flagged(),
            books=look.books(),
            gross=(made["pnl"] + made["fees"]).tolist(),
            digest=simulation.digest(),
            totals=totals,
            latencies=sink.latencies,
            stages_s=(clock.receive_s, clock.simulate_s, clock.collect_s),
        )


def _simulation(
    config: RunConfig, given: DaysGiven, info: "StreamInfo", day: DayApart
) -> "Simulation":
    """The day's simulation: of the whole run's instruments, with seeds and a warm-up of its own."""
    from tapewire.router import Simulation
    from tapewire.runs import wiring

    made = wiring.simulation_config(
        config, given.stream, given.status, given.contracts,
        touches=config.backtest.output.markouts,
    )  # fmt: skip
    strategies = tuple(
        spec if spec.seed is None else dataclasses.replace(spec, seed=day.seed(spec.seed))
        for spec in made.strategies
    )
    return Simulation(
        dataclasses.replace(
            made,
            strategies=strategies,
            seed=day.seed(made.seed),
            warmup_until_ns=info.warmup_until_ns,
            day_end=config.backtest.replay.day_end,
        )
    )


def _within_a_day(hooks: Hooks, day: DayApart) -> Hooks:
    """Have files of several days refused as soon as a batch shows it."""
    began_ns = 0

    def progress(progress: RunProgress) -> None:
        nonlocal began_ns
        began_ns = began_ns or progress.now_ns
        _require_a_day(day, began_ns, progress.now_ns)
        hooks.progress(progress)

    return dataclasses.replace(hooks, progress=progress)


def _require_a_day(day: DayApart, first_ns: int, last_ns: int) -> None:
    if last_ns - first_ns > NS_PER_DAY:
        raise FormatError(
            f"{', '.join(day.plan.files[:5])}: expected files of one day each with days apart, "
            f"found records from {time_text(first_ns)} to {time_text(last_ns)}; cut them with "
            "`tapewire data convert --start … --end …`"
        )


# --- in a process of its own ----------------------------------------------------------------------


def leave_for_tasks(folder: Path, config: RunConfig, given: DaysGiven) -> None:
    """Leave in the folder of the days what every task needs.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    with output_errors(folder):
        (folder / _CONFIG).write_text(config.to_yaml())
        (folder / _GIVEN).write_bytes(pickle.dumps(given))


def task_of(folder: Path, day: DayApart, *, keep: bool) -> dict[str, Any]:
    """What `do_day` is given."""
    return {"folder": str(folder.absolute()), "day": day.to_dict(), "keep": keep}


def do_day(argument: dict[str, Any], tell: "Tell") -> int:
    """Play a day for another process; return the events.

    Parameters
    ----------
    argument
        As `task_of` makes it.
    tell
        Told how far it is: events, simulated time in ns, P&L in currency.
    """
    folder, day = Path(argument["folder"]), DayApart.from_dict(argument["day"])
    config = load_config(folder / _CONFIG)
    given: DaysGiven = pickle.loads((folder / _GIVEN).read_bytes())
    told_s = 0.0

    def progress(progress: RunProgress) -> None:
        nonlocal told_s
        now_s = time.monotonic()
        if now_s - told_s >= _TELL_EVERY_S:
            told_s = now_s
            tell([progress.events, progress.now_ns, progress.pnl()])

    hooks = Hooks(progress=progress)
    with writing_days(folder, alone=False), Signals() as signals:
        (folder / end_name(day)).unlink(missing_ok=True)  # of a worker that died after it
        end = play_day(config, given, day, rows_of(folder, day), hooks, signals)
        leave_end(folder, day, end, keep=argument["keep"])
    return 0 if end is None else end.counts["events"]
