"""Rivals: the same file and the same market maker elsewhere, measured in the same run.

Nothing of this is installed with Tapewire. When the bench asks for rivals, each gets a virtual
environment of its own, ``<cache>/tapewire/rivals/<name>-<version>``, because their pins conflict
(``<cache>`` is ``TAPEWIRE_CACHE_DIR``, else ``XDG_CACHE_HOME``, else ``~/.cache``). pip installs
there, from wheels only, about 1 GB each:

- hftbacktest 2.4.4 with numpy 2.2.6, numba and databento (its own converter needs that one);
- NautilusTrader 1.231.0 where there is Python 3.12 (this one, one in PATH, or the one named by
  ``TAPEWIRE_RIVALS_PYTHON``), else 1.221.0, the newest that runs on 3.11.

Databento's client runs in this interpreter: Tapewire depends on it anyway. To be rid of them,
delete the folder.

A child script per rival (``_hftbacktest.py``, ``_nautilus.py``, ``_databento.py``) runs under that
Python, imports nothing of ours and prints one line of JSON. It is believed only if what it saw
agrees with our own pass over the same records: the final best bid and ask, the number of rows,
fills at all, a normal end (`results`). ``rival`` rows have their data in memory when the clock
starts; ``rival, with loading`` rows add reading and conversion.
"""

import json
import os
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.bench.measure import Row, row_of
from tapewire.bench.rivals.environments import (
    PYTHON_VARIABLE,
    Package,
    ensure,
    interpreter,
    run_command,
)
from tapewire.bench.rivals.results import Claim, Result, parse_result
from tapewire.errors import TapewireError

if TYPE_CHECKING:
    from tapewire.bench.workload import Workload

__all__ = ["rows"]

HFTBACKTEST: Final = Package(
    "2.4.4", ("hftbacktest==2.4.4", "numpy==2.2.6", "numba==0.68.1", "databento==0.87.0")
)
#: Newest first; the first one for which there is a Python is taken.
NAUTILUS: Final = (
    Package("1.231.0", ("nautilus_trader==1.231.0",), (3, 12)),
    Package("1.221.0", ("nautilus_trader==1.221.0",), (3, 11)),
)
#: Records of the session that the slow ones get: their rate is what counts.
SLOW_EVENTS: Final = 200_000
SLOW_RUNS_MAX: Final = 3
CHILD_S_MAX: Final = 900
#: The market maker's defaults, and Tapewire's default latency each way.
QUANTITY: Final = 1
MAX_INVENTORY: Final = 10
LATENCY_NS: Final = 60_000

#: Of the synthetic future and of ESH4 alike; the tick in 1e-9.
TICK_SIZE: Final = 250_000_000
MULTIPLIER: Final = 50

ESH4: Final = "glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
ESH4_SYMBOL: Final = "ESH4"

Records = npt.NDArray[Any]


@dataclass(frozen=True)
class Material:
    """One session of one instrument, and what every rival must make of it."""

    name: str
    raw: Path
    compressed: Path
    records: Records
    symbol: str
    tick_size: int
    multiplier: int

    @property
    def events(self) -> int:
        """Records in it."""
        return int(self.records.size)

    def plan(self, path: Path, runs: int, **more: Any) -> dict[str, Any]:
        """What the child is told."""
        return {
            "path": str(path),
            "events": self.events,
            "runs": runs,
            "symbol": self.symbol,
            "tick_size": self.tick_size,
            "multiplier": self.multiplier,
            "latency_ns": LATENCY_NS,
            "quantity": QUANTITY,
            "max_inventory": MAX_INVENTORY,
            **more,
        }

    def touch(self) -> dict[str, int]:
        """Best bid and ask at the end, by our own book."""
        from tapewire.market import BookSet

        books = BookSet()
        books.apply(self.records)
        (key,) = books.keys()
        bids, _, _, asks, _, _ = books.top(*key, depth=1)
        return {"best_bid": int(bids[0]), "best_ask": int(asks[0])}

    def actions(self, letters: str) -> int:
        """Number of records with one of these actions."""
        return int(np.isin(self.records["action"], [ord(letter) for letter in letters]).sum())


def rows(
    work: "Workload",
    runs: int,
    show: Callable[[str], None],
    *,
    data_dir: Path | None = None,
    slow_events: int = SLOW_EVENTS,
) -> Generator[Row, None, list[str]]:
    """Measure every rival on the bench's session, and on ESH4 where that file is.

    Parameters
    ----------
    work : Workload
        The session; files are added to its folder.
    runs : int
        Counted runs per row, of NautilusTrader at most three.
    show : callable
        Gets a line for what is installed, and for each rival that could not be measured.
    data_dir : path, optional
        The folder that has ``glbx/…esh4….mbo.dbn.zst``; by default ``TAPEWIRE_DATA``.
    slow_events : int
        Records of the session that NautilusTrader gets.

    Yields
    ------
    Row
        Groups ``rival`` and ``rival, with loading``.

    Returns
    -------
    list of str
        Why rows are missing, empty if none are: ``missing = yield from rows(…)``.
    """
    missing: list[str] = []

    def attempt(what: str, measure: Callable[[], Iterator[Row]]) -> Iterator[Row]:
        try:
            yield from measure()
        except TapewireError as error:
            missing.append(f"{what}: {error}")
            show(f"no rows of {what}: {error}")

    session = Material(
        "synthetic", work.raw, work.compressed, work.records, work.symbol, TICK_SIZE, MULTIPLIER
    )
    folder = work.raw.parent
    short = _prefix(session, slow_events, folder)
    pairs = [(session, short)]
    named = data_dir or os.environ.get("TAPEWIRE_DATA")
    if named and (Path(named) / ESH4).is_file():
        real = _esh4(Path(named) / ESH4, folder)
        pairs.append((real, real))
    else:
        missing.append(
            f"ESH4: expected {ESH4} in the folder that TAPEWIRE_DATA names, found {named or 'none'}"
        )
        show(f"no rows of {missing[-1]}")
    for whole, part in pairs:
        at = f"on {whole.name}"
        for way, path in (
            ("to_ndarray .dbn", whole.raw),
            ("to_ndarray .dbn.zst", whole.compressed),
            ("replay .dbn", whole.raw),
        ):
            measure = partial(_databento_rows, whole, way, path, runs)
            yield from attempt(f"databento {way} {at}", measure)
        yield from attempt(f"hftbacktest {at}", partial(_hftbacktest_rows, whole, runs, show))
        if whole is session:
            measure = partial(_hftbacktest_variants, work, folder, show)
            yield from attempt(f"hftbacktest, variants {at}", measure)
        yield from attempt(f"NautilusTrader {at}", partial(_nautilus_rows, part, runs, show))
    return missing


def _hftbacktest_rows(material: Material, runs: int, show: Callable[[str], None]) -> Iterator[Row]:
    python = ensure("hftbacktest", HFTBACKTEST, show)
    # Rows of one moment are one feed; one that meets an order's response may count as that.
    moments = int(np.unique(material.records["ts_recv"]).size)
    claim = Claim(
        "hftbacktest",
        HFTBACKTEST.version,
        material.events,
        runs,
        {"code": 1, "request_code": 0, **material.touch()},
        {"fills": 1, "feeds": moments * 99 // 100},
    )
    for every_feed, way in ((False, "market maker"), (True, "market maker, quotes on every feed")):
        plan = material.plan(material.raw, runs, every_feed=every_feed)
        yield from _rows_of(material, way, _ask(python, "_hftbacktest.py", plan, claim))


def _hftbacktest_variants(
    work: "Workload", folder: Path, show: Callable[[str], None]
) -> Iterator[Row]:
    """The hundred market makers of the studies, over the same part of the session."""
    from tapewire.bench.studies import VARIANTS, part_records
    from tapewire.bench.variants import variant_parameters
    from tapewire.bench.workload import head_file

    path = folder / "rivals-part.dbn"
    count = head_file(work, part_records(work.events), path)
    part = Material(
        "synthetic", path, path, work.records[:count], work.symbol, TICK_SIZE, MULTIPLIER
    )
    python = ensure("hftbacktest", HFTBACKTEST, show)
    moments = int(np.unique(part.records["ts_recv"]).size)
    claim = Claim(
        "hftbacktest",
        HFTBACKTEST.version,
        part.events,
        1,
        {"code": 1, "request_code": 0, **part.touch()},
        {"fills": VARIANTS, "feeds": VARIANTS * moments * 99 // 100},
    )
    sizes = [[p["quantity"], p["max_inventory"]] for p in map(variant_parameters, range(VARIANTS))]
    plan = part.plan(path, 1, every_feed=False, variants=sizes)
    result = _ask(python, "_hftbacktest.py", plan, claim)
    name = f"hftbacktest {result.version} {VARIANTS} variants one after another, {part.name}"
    note = f"{result.what}; from memory; records of all variants together"
    yield row_of("rival", name, part.events * VARIANTS, result.seconds, note)


def _nautilus_rows(material: Material, runs: int, show: Callable[[str], None]) -> Iterator[Row]:
    package = next((p for p in NAUTILUS if interpreter(p.python) is not None), NAUTILUS[-1])
    if package is not NAUTILUS[0]:
        newest = NAUTILUS[0]
        show(
            f"NautilusTrader {package.version}, not {newest.version}: that needs Python "
            f"{'.'.join(map(str, newest.python))}, name one in {PYTHON_VARIABLE}"
        )
    python = ensure("nautilus_trader", package, show)
    runs = min(runs, SLOW_RUNS_MAX)
    claim = Claim(
        "NautilusTrader",
        package.version,
        material.events,
        runs,
        {**material.touch(), "unprocessed": 0},
        {
            "fills": 1,
            "iterations": material.actions("ACMT"),
            "deltas": material.actions("ACM"),
        },
    )
    plan = material.plan(material.compressed, runs)
    result = _ask(python, "_nautilus.py", plan, claim)
    yield from _rows_of(material, "market maker", result)


def _databento_rows(material: Material, way: str, path: Path, runs: int) -> Iterator[Row]:
    from importlib.metadata import version

    lots = int(material.records["size"].sum(dtype=np.uint64))
    claim = Claim(
        "databento",
        version("databento"),
        material.events,
        runs,
        {"records": material.events, "lots": lots},
    )
    plan = material.plan(path, runs, way=way.split()[0])
    yield from _rows_of(material, way, _ask(Path(sys.executable), "_databento.py", plan, claim))


def _ask(python: Path, script: str, plan: dict[str, Any], claim: Claim) -> Result:
    path = Path(__file__).parent / script
    # -I: neither our folders nor the user's site packages are importable there.
    output = run_command([str(python), "-I", str(path), json.dumps(plan)], CHILD_S_MAX)
    return parse_result(output, claim)


def _rows_of(material: Material, way: str, result: Result) -> Iterator[Row]:
    name = f"{result.name} {result.version} {way}, {material.name}"
    note = result.what
    if "fills" in result.check:
        note = f"{note}; {result.check['fills']:,} fills"
    if result.convert_s == 0:
        yield row_of("rival", name, result.events, result.seconds, f"{note}; loading is part of it")
        return
    yield row_of("rival", name, result.events, result.seconds, f"{note}; from memory")
    loaded = [took + result.convert_s for took in result.seconds]
    note = f"of that {result.convert_s:.2f} s reading and converting"
    yield row_of("rival, with loading", name, result.events, loaded, note)


def _prefix(material: Material, events: int, folder: Path) -> Material:
    """The first records of a session up to the end of an event, as files of their own."""
    from tapewire.market.records import F_LAST, RECORD_BYTES

    if material.events <= events:
        return material
    ends = np.flatnonzero(material.records["flags"][:events] & F_LAST)
    n = int(ends[-1]) + 1
    with material.raw.open("rb") as file:
        head = file.read(8)
        head += file.read(int.from_bytes(head[4:8], "little"))
        content = head + file.read(n * RECORD_BYTES)
    raw, compressed = folder / "rivals-prefix.dbn", folder / "rivals-prefix.dbn.zst"
    _write(content, raw, compressed)
    return Material(
        f"synthetic, first {n:,}",
        raw,
        compressed,
        material.records[:n],
        material.symbol,
        material.tick_size,
        material.multiplier,
    )


def _esh4(compressed: Path, folder: Path) -> Material:
    """The real session, and its uncompressed form for those who want that."""
    import zstandard

    from tapewire.replay import read_records

    raw = folder / "rivals-esh4.dbn"
    with compressed.open("rb") as file, raw.open("wb") as out:
        zstandard.ZstdDecompressor().copy_stream(file, out)
    _, records = read_records(raw)
    return Material("ESH4", raw, compressed, records, ESH4_SYMBOL, TICK_SIZE, MULTIPLIER)


def _write(content: bytes, raw: Path, compressed: Path) -> None:
    import zstandard

    raw.write_bytes(content)
    compressed.write_bytes(zstandard.ZstdCompressor().compress(content))
