"""The rows of the bench: physical limits, single stages, whole runs, and a peer beside them."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.bench.measure import Row, row_of, timed
from tapewire.market import BookSet, InstrumentTable
from tapewire.market.records import MBO_DTYPE
from tapewire.replay import BATCH_RECORDS_DEFAULT, ReplayPlan, open_source, read_records
from tapewire.router import STRATEGIES, Simulation, SimulationConfig, StrategySpec

Records = npt.NDArray[Any]

_BATCH: Final = BATCH_RECORDS_DEFAULT
_CHUNK_BYTES: Final = 1 << 20
#: Records of the rows with many variants.
VARIANT_RECORDS: Final = 500_000


class Workload:
    """One synthetic session as files and in memory."""

    def __init__(self, folder: Path, events: int, seed: int) -> None:
        from tapewire.replay.synth import synthesize

        self.raw = folder / "session.dbn"
        self.compressed = folder / "session.dbn.zst"
        for path in (self.raw, self.compressed):
            synthesize(path, events=events, instruments=1, seed=seed)
        metadata, self.records = read_records(self.raw)
        self.events = int(self.records.size)
        self.symbol = next(iter(metadata.mappings))
        self.instruments = InstrumentTable(
            [(self.symbol, int(self.records["instrument_id"][0]))],
            {self.symbol: (250_000_000, Fraction(50))},
        )


def limit_rows(work: Workload, runs: int) -> Iterator[Row]:
    """What the machine can do at best with these bytes."""
    import zstandard

    n, source = work.events, work.records.view(np.uint8)
    target = np.empty_like(source)

    def copy() -> None:
        np.copyto(target, source)

    def read(path: Path) -> Callable[[], None]:
        def go() -> None:
            buffer = bytearray(_CHUNK_BYTES)
            with path.open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass

        return go

    def decompress() -> None:
        buffer = bytearray(_CHUNK_BYTES)
        with (
            work.compressed.open("rb") as file,
            zstandard.ZstdDecompressor().stream_reader(file) as stream,
        ):
            while stream.readinto(buffer):
                pass

    yield timed("limit", "memory copy", n, lambda: copy, runs=runs, note="one core")
    yield timed("limit", "file read", n, lambda: read(work.raw), runs=runs, note="page cache")
    yield timed(
        "limit", "zstd decompression alone", n, lambda: decompress, runs=runs, note="zstandard"
    )


def stage_rows(work: Workload, runs: int) -> Iterator[Row]:
    """One stage at a time, in one process."""

    def decode(path: Path) -> Callable[[], Callable[[], None]]:
        def prepare() -> Callable[[], None]:
            source = open_source(ReplayPlan(files=(str(path),)))
            out = np.empty(_BATCH, MBO_DTYPE)

            def go() -> None:
                while source.fill(out):
                    pass

            return go

        return prepare

    def batches(feed: Callable[[Records], None]) -> Callable[[], None]:
        def go() -> None:
            for at in range(0, work.events, _BATCH):
                feed(work.records[at : at + _BATCH])

        return go

    def book() -> Callable[[], None]:
        return batches(BookSet().apply)

    def loop(*names: str) -> Callable[[], Callable[[], None]]:
        def prepare() -> Callable[[], None]:
            simulation = make_simulation(work, names)

            def feed(records: Records) -> None:
                simulation.feed(records)
                simulation.drain()

            return batches(feed)

        return prepare

    n = work.events
    yield timed("stage", "decode .dbn", n, decode(work.raw), runs=runs, note="into one buffer")
    yield timed("stage", "decode .dbn.zst", n, decode(work.compressed), runs=runs)
    yield timed("stage", "book only", n, book, runs=runs, note="from memory, one core")
    yield timed("stage", "loop, no strategy", n, loop(), runs=runs, note="from memory, one core")
    yield timed("stage", "loop, market maker", n, loop("market_maker"), runs=runs,
                note="from memory, one core")  # fmt: skip
    yield timed("stage", "loop, both examples", n, loop("market_maker", "sma_crossover"),
                runs=runs, note="from memory, one core")  # fmt: skip


def variant_rows(work: Workload, runs: int) -> Iterator[Row]:
    """Several instances of the market maker in one pass, over the first part of the session."""
    part = work.records[:VARIANT_RECORDS]

    def variants(count: int) -> Callable[[], Callable[[], None]]:
        def prepare() -> Callable[[], None]:
            simulation = make_simulation(work, ("market_maker",) * count)

            def go() -> None:
                for at in range(0, part.size, _BATCH):
                    simulation.feed(part[at : at + _BATCH])
                    simulation.drain()

            return go

        return prepare

    for count in (1, 10, 100):
        name = f"{count} market maker{'s' if count > 1 else ''}, one pass"
        note = "from memory, one core"
        yield timed("variants", name, part.size, variants(count), runs=runs, note=note)


def make_simulation(work: Workload, names: tuple[str, ...]) -> Simulation:
    """A simulation of built-in strategies with their default parameters."""
    strategies = tuple(
        StrategySpec(
            f"{name}-{k}",
            STRATEGIES[name],
            {key: spec.default for key, spec in STRATEGIES[name].parameters.items()},
        )
        for k, name in enumerate(names)
    )
    return Simulation(SimulationConfig(work.instruments, strategies))


def peer_rows(work: Workload, runs: int) -> Iterator[Row]:
    """Databento's own client on the same file, in the same run."""
    import databento

    def load() -> None:
        databento.DBNStore.from_file(work.raw).to_ndarray()

    yield timed("peer", "databento to_ndarray .dbn", work.events, lambda: load, runs=runs,
                note="records into one array, no book, no orders")  # fmt: skip


@contextmanager
def _config(work: Workload, path: Path, options: dict[str, Any]) -> Iterator[Path]:
    import yaml

    config = {
        "backtest": {
            "data_source": {"type": "databento", "files": [str(path)]},
            "replay": options,
            "instruments": {work.symbol: {"tick_size": 0.25, "multiplier": 50}},
        },
        "strategy": [{"type": "market_maker"}],
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.yaml"
        file.write_text(yaml.safe_dump(config))
        yield file


#: Starts a command and prints its peak memory. A process's peak counts its parent's from before
#: ``exec``, so the parent must be a small one.
_LAUNCHER: Final = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
sys.exit(code)
"""


def run_once(config: Path) -> tuple[dict[str, Any], float, int]:
    """One whole ``tapewire run`` in a process of its own: manifest, wall seconds, peak bytes."""
    import time

    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        command = [sys.executable, "-m", "tapewire", "run", str(config), "-o", str(output)]
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command], capture_output=True, text=True
        )
        wall_s = time.perf_counter() - began
        if done.returncode != 0:
            raise RuntimeError(f"the measured run failed: {done.stderr}")
        manifest = json.loads((output / "manifest.json").read_text())
    return manifest, wall_s, int(done.stdout)


def end_to_end_rows(work: Workload, runs: int) -> Iterator[Row]:
    """Whole runs with the market maker: decode, ZeroMQ, book, queue, accounts, strategy, files."""
    cases: tuple[tuple[str, Path, dict[str, str]], ...] = (
        (".dbn, two processes, shared memory", work.raw, {}),
        (".dbn, two processes, inline", work.raw, {"payload": "inline"}),
        (".dbn, two processes, tcp inline", work.raw, {"transport": "tcp", "payload": "inline"}),
        (".dbn, one process", work.raw, {"transport": "inproc"}),
        (".dbn.zst, two processes, shared memory", work.compressed, {}),
    )
    for name, path, options in cases:
        with _config(work, path, options) as config:
            run_once(config)
            results = [run_once(config) for _ in range(runs)]
        seconds = [manifest["elapsed_s"] for manifest, _, _ in results]
        peak_mb = max(peak for _, _, peak in results) / 1e6
        setup_s = min(manifest["setup_s"] for manifest, _, _ in results)
        yield row_of("end to end", name, work.events, seconds,
                     f"start to first batch {setup_s:.1f} s, peak {peak_mb:,.0f} MB")  # fmt: skip
