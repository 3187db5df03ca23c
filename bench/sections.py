"""The sections of the bench: what each measures, what it says about itself, how long it takes."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from tapewire.bench.measure import Row, Scale
from tapewire.bench.workload import LoadedSession, Workload, load_session, unpack


@dataclass
class Bench:
    """What the sections of one bench share.

    Attributes
    ----------
    folder : Path
        For files; gone after the bench.
    scale : Scale
    tell : callable
        Gets lines for the person who waits.
    missing : list of str
        Why rows are missing.
    """

    folder: Path
    scale: Scale
    tell: Callable[[str], None]
    missing: list[str] = field(default_factory=list)

    @cached_property
    def work(self) -> Workload:
        """The session most rows are measured on, made when it is first asked for."""
        from tapewire.bench.stages import warm_up

        self.tell(f"making a session of {self.scale.events:,} records …")
        work = Workload(self.folder, self.scale.events, self.scale.seed)
        self.tell("compiling kernels, or loading them …")
        warm_up(work)
        return work


@dataclass(frozen=True)
class Section:
    """One section: a table of its own.

    Attributes
    ----------
    name, title : str
    about : str
        What its rows include, for the head of the table.
    measure : callable
        Yields rows as soon as they are measured.
    full_s, quick_s : float
        Roughly how long it takes on two cores.
    rated : bool
        Whether its rows are rates; else their seconds are what counts.
    """

    name: str
    title: str
    about: str
    measure: Callable[[Bench], Iterator[Row]]
    full_s: float
    quick_s: float
    rated: bool = True


def _stages(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.collecting import collecting_rows
    from tapewire.bench.limits import limit_rows
    from tapewire.bench.stages import peer_rows, stage_rows

    yield from limit_rows(bench.work, bench.scale)
    yield from stage_rows(bench.work, bench.scale)
    yield from collecting_rows(bench.work, bench.scale, bench.folder)
    yield from peer_rows(bench.work, bench.scale)


def _runs(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.runs import end_to_end_rows

    yield from end_to_end_rows(bench.work, bench.scale)


def _variants(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.variants import variant_rows

    yield from variant_rows(bench.work, bench.scale)


def _studies(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.studies import study_rows

    yield from study_rows(bench.work, bench.scale, bench.folder)


def _callbacks(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.callbacks import callback_rows

    yield from callback_rows(bench.work, bench.scale)


def _bridge(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.bridge import bridge_rows

    yield from bridge_rows(bench.work, bench.scale)


def _transport(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.transport import transport_rows

    yield from transport_rows(bench.work, bench.scale)


def _sources(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.sources import source_rows

    yield from source_rows(bench.work, bench.scale, bench.folder)


def _candles(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.candles import candle_rows
    from tapewire.bench.declared import declared_rows

    yield from candle_rows(bench.scale)
    yield from declared_rows(bench.scale, bench.folder)


def _factory(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.factory import factory_rows

    yield from factory_rows(bench.scale)


def _candle_rivals(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.rivals.candles import candle_rival_rows

    missing = yield from candle_rival_rows(bench.folder, bench.scale, bench.tell)
    bench.missing += missing


def _store(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.store import store_rows

    yield from store_rows(bench.scale, bench.tell)


def _services(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.services import service_rows

    yield from service_rows(bench.scale, bench.tell)


def _studio(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.studio import studio_rows

    yield from studio_rows(bench.scale, bench.tell, bench.missing)


def _growth(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.growth import growth_rows

    # Rows of many processes: in the short bench one run each has to do.
    scale = replace(bench.scale, runs=1) if bench.scale.quick else bench.scale
    yield from growth_rows(bench.folder, scale)


def _latency(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.latency import latency_rows

    yield from latency_rows(bench.work, bench.scale)


def _start(bench: Bench) -> Iterator[Row]:
    from tapewire.bench.start import start_rows

    yield from start_rows(bench.folder, bench.scale)


def _rivals(bench: Bench) -> Iterator[Row]:
    from tapewire.bench import rivals
    from tapewire.bench.beside import beside_rivals_rows

    sessions: list[tuple[str, LoadedSession]] = [("synthetic", bench.work)]
    real = esh4_file()
    if real is not None:
        raw = bench.folder / "esh4.dbn"
        unpack(real, raw)
        sessions.append(("ESH4", load_session(raw, real)))
    for name, session in sessions:
        yield from beside_rivals_rows(name, session, bench.scale)
    missing = yield from rivals.rows(bench.work, bench.scale.runs, bench.tell)
    bench.missing += missing


def esh4_file() -> Path | None:
    """The real session of the rivals' rows, where ``TAPEWIRE_DATA`` leads to it."""
    from tapewire.bench.rivals import ESH4

    folder = os.environ.get("TAPEWIRE_DATA")
    path = Path(folder) / ESH4 if folder else None
    return path if path is not None and path.is_file() else None


SECTIONS: Final = (
    Section(
        "stages",
        "Limits and stages",
        "Limits are what the machine does at best with the same bytes; stages run one at a time in "
        "one process; a share of a limit tells more than a rate.",
        _stages,
        25,
        6,
    ),
    Section(
        "runs",
        "Whole runs",
        "`tapewire run` with the market maker, its account, Parquet files and report, in processes "
        "of its own; timed from the request for the first batch to the last event's effects. "
        "start s: from the call to that request; peak mb: of the run process.",
        _runs,
        130,
        35,
    ),
    Section(
        "variants",
        "Variants in one pass",
        "Market makers that differ in quantity and max_inventory, over the first part of the "
        "session: one pass of the book for all of them.",
        _variants,
        60,
        3,
    ),
    Section(
        "studies",
        "Studies",
        "`tapewire sweep` of market makers that differ in quantity and max_inventory, whole "
        "commands over the first part of the session; records are those of all variants together. "
        "cpu s: of all processes; peak mb: of the largest; times 100: a variant's time over that "
        "in a study of a hundred; scaling: time on one core over that on all and their number.",
        _studies,
        200,
        60,
    ),
    Section(
        "callbacks",
        "Strategies in plain Python",
        "The loop from memory, left for each callback. One record in so many: the session with "
        "fewer trades, a strategy called for each, beside the same one compiled.",
        _callbacks,
        40,
        8,
    ),
    Section(
        "bridge",
        "Models in processes of their own",
        "Rows of features to a model's process and signals back, and whole runs with and without "
        "one. wire: millions of rows per second instead of records.",
        _bridge,
        60,
        30,
    ),
    Section(
        "transport",
        "Transport",
        "The real replay sends the .dbn file, the real receiver checks it, nothing is simulated.",
        _transport,
        75,
        25,
    ),
    Section(
        "sources",
        "Sources",
        "Files merged, of several zstd frames, derived, converted, and of levels. cpu ns per "
        "record: of all threads, median; cpu times one, wall times one: over the median of the "
        "first row that it took turns with.",
        _sources,
        180,
        60,
    ),
    Section(
        "candles",
        "Candles",
        "Backtests on 100,000 one-minute bars, in the short bench 20,000; records are bars. "
        "backtests per s: of the median run; trades each: of a backtest; ms each, peak MB: of a "
        "strategy, of the command.",
        _candles,
        180,
        15,
    ),
    Section(
        "factory",
        "Strategies made by rule",
        "Strategies drawn, drawn and traded, bred by what they are worth, on 100,000 one-minute "
        "bars, in the short bench 20,000; records are bars. Each search is a process of its own, "
        "which has compiled before; peak MB: of that process.",
        _factory,
        150,
        15,
    ),
    Section(
        "store",
        "Store",
        "Strategies with a result each, stored by batches, and ten results of each; in the short "
        "bench 20,000 strategies. s: of storing alone; peak mb: of the process that stores; p99 "
        "ms: of pages of a hundred, each behind a drawn place.",
        _store,
        900,
        30,
        rated=False,
    ),
    Section(
        "services",
        "Services",
        "Calls of a server of one process, over one connection; records are calls. cpu us: of the "
        "server, all threads; per s core: calls that a core would answer by that; p99 ms: from "
        "when a call was due.",
        _services,
        120,
        15,
        rated=False,
    ),
    Section(
        "studio",
        "Studio",
        "Pages of 100 strategies over HTTP, each behind the one before, of a store that has a "
        "million (in the short bench 20,000); records are strategies. cpu ms: of the server, a "
        "page; core percent: of the server while ten pages watch a job; paint ms, rows ms: in a "
        "browser on this host, until something and until the strategies are seen.",
        _studio,
        300,
        45,
        rated=False,
    ),
    Section(
        "growth",
        "Growth",
        "What a record costs and what memory holds as sessions, instruments and live orders grow; "
        "streams of its own, each row in processes of its own. rss mb, peak mb: memory at the end "
        "and at most; rss slope: what is kept per 10 million records once warm; times 4k: cost "
        "over that with 4,000 live orders.",
        _growth,
        110,
        30,
    ),
    Section(
        "latency",
        "Latency",
        "Wall time from a batch at hand to its last order out, as percentiles in microseconds; "
        "none of it is the simulated latency of orders. s: a whole pass.",
        _latency,
        20,
        8,
        rated=False,
    ),
    Section(
        "start",
        "Start",
        "Seconds from the command `tapewire run` to its first event. kernels s: loading or "
        "compiling them, a part of it; whole run s: the process from start to end.",
        _start,
        45,
        10,
        rated=False,
    ),
    Section(
        "rivals",
        "Rivals",
        "The same records and the same market maker elsewhere, and here again beside them. "
        "rival: data in memory when the clock starts; rival, with loading: reading and conversion "
        "added. Ours are whole runs, which start with the file, and the loop from memory.",
        _rivals,
        200,
        90,
    ),
    Section(
        "candle-rivals",
        "Rivals on candles",
        "Crossovers of moving averages, entry at the close, on the bars of the section before; "
        "ours have every metric, vectorbt's their total return. CPU time of all threads.",
        _candle_rivals,
        60,
        30,
    ),
)
