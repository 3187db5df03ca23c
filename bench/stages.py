"""One stage at a time, in one process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from tapewire.bench.measure import Row, Scale, timed
from tapewire.bench.workload import LoadedSession, Records, make_simulation
from tapewire.derive import SCHEMAS, Deriver
from tapewire.features import DEFAULT_NAMES, FeaturePass, FeatureSet, Sampling
from tapewire.market import BookSet
from tapewire.market.records import MBO_DTYPE
from tapewire.replay import BATCH_RECORDS_DEFAULT, ReplayPlan, open_source
from tapewire.replay.markets.default import default_model
from tapewire.replay.markets.session import Contract, MarketSession
from tapewire.replay.markets.warming import warm_up as warm_up_markets
from tapewire.router import Simulation

_BATCH: Final = BATCH_RECORDS_DEFAULT
#: What `whole_loop` is.
LOOP_NOTE: Final = "from memory, one process; digests included"


def warm_up(work: LoadedSession) -> None:
    """Compile or load every kernel that the rows use."""
    simulation = make_simulation(work, ("market_maker", "sma_crossover"))
    simulation.feed(work.records[:_BATCH])
    simulation.finish()
    simulation.drain()
    for _ in FeaturePass(FeatureSet(), Sampling.of("100ev")).feed(work.records[:_BATCH]):
        pass
    for _ in Deriver(SCHEMAS["mbp-10"]).feed(work.records[:_BATCH]):
        pass
    warm_up_markets(lambda text: None)


def stage_rows(work: LoadedSession, scale: Scale) -> Iterator[Row]:
    """Decoding, the book, and the loop with and without strategies."""
    n, runs = work.events, scale.runs

    def decode(path: Path) -> Callable[[], Callable[[], None]]:
        def prepare() -> Callable[[], None]:
            source = open_source(ReplayPlan(files=(str(path),)))
            out = np.empty(_BATCH, MBO_DTYPE)

            def go() -> None:
                while source.fill(out):
                    pass
                source.close()

            return go

        return prepare

    def book() -> Callable[[], None]:
        books = BookSet()

        def go() -> None:
            for at in range(0, n, _BATCH):
                books.apply(work.records[at : at + _BATCH])

        return go

    def features() -> Callable[[], None]:
        ahead = FeaturePass(FeatureSet(), Sampling.of("100ev"))

        def go() -> None:
            for at in range(0, n, _BATCH):
                for _ in ahead.feed(work.records[at : at + _BATCH]):
                    pass

        return go

    def derive(name: str) -> Callable[[], Callable[[], None]]:
        def prepare() -> Callable[[], None]:
            deriver = Deriver(SCHEMAS[name], "GLBX.MDP3")

            def go() -> None:
                for at in range(0, n, _BATCH):
                    for _ in deriver.feed(work.records[at : at + _BATCH]):
                        pass

            return go

        return prepare

    def loop(*names: str) -> Callable[[], Callable[[], None]]:
        return lambda: whole_loop(make_simulation(work, names), work.records)

    def market() -> Callable[[], None]:
        model = default_model()
        contract = Contract("X", 1, "X", model.tick_size, model.price)
        session = MarketSession(
            model, [contract], start_ns=0, end_ns=1 << 62, seed=scale.seed, records=n
        )

        def go() -> None:
            for _ in session.chunks():
                pass

        return go

    note = "checked, into one buffer"
    yield timed("stage", "decode .dbn", n, decode(work.raw), runs=runs, note=note)
    yield timed("stage", "decode .dbn.zst", n, decode(work.compressed), runs=runs, note=note)
    prepared, convert_s = work.prepared
    yield timed("stage", "decode prepared", n, decode(prepared), runs=runs,
                note=f"{note}; `tapewire data convert` took {convert_s:.2f} s, once")  # fmt: skip
    yield timed("stage", "book only", n, book, runs=runs, note="from memory, one core")
    yield timed("stage", "book and features", n, features, runs=runs,
                note=f"{len(DEFAULT_NAMES)} columns, a row per 100 events of a book")  # fmt: skip
    for name in ("mbp-10", "ohlcv-1m"):
        yield timed("stage", f"derive {name}", n, derive(name), runs=runs,
                    note="from memory, into one buffer")  # fmt: skip
    yield timed("stage", "synthetic market", n, market, runs=runs,
                note="records made, not written; one book, one core")  # fmt: skip
    for name, names in (
        ("loop, no strategy", ()),
        ("loop, market maker", ("market_maker",)),
        ("loop, both examples", ("market_maker", "sma_crossover")),
    ):
        yield timed("stage", name, n, loop(*names), runs=runs, note=LOOP_NOTE)


def whole_loop(simulation: Simulation, records: Records) -> Callable[[], None]:
    """Feed records batch by batch, drain the rows, and wait for the digests of all of them."""

    def go() -> None:
        for at in range(0, records.size, _BATCH):
            simulation.feed(records[at : at + _BATCH])
            simulation.drain()
        simulation.digests()

    return go


def peer_rows(work: LoadedSession, scale: Scale) -> Iterator[Row]:
    """Databento's own client on the same file, in the same run."""
    import databento

    def load() -> None:
        databento.DBNStore.from_file(work.raw).to_ndarray()

    yield timed("peer", "databento to_ndarray .dbn", work.events, lambda: load, runs=scale.runs,
                note="records into one array, no book, no orders")  # fmt: skip
