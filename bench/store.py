"""The store: strategies kept by batches, results copied in bulk, pages anywhere among them."""

import contextlib
import hashlib
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from tapewire.bench.measure import Row, Scale, row_of
from tapewire.bench.processes import PROGRESS, run_child
from tapewire.bench.store_server import processor_s, server
from tapewire.errors import SimulationError

GROUP: Final = "store"
STRATEGIES: Final = 1_000_000
STRATEGIES_QUICK: Final = 20_000
#: Of each strategy on a server, a kind each, at once.
KINDS: Final = 10
BATCH: Final = 10_000
#: Results that are kept by batches beside those at once: a few say what one costs.
BATCHED: Final = 100_000
#: How often is said how far it is, s.
TELL_S: Final = 10.0
#: Longest a row's process may take, s.
PROCESS_S_MAX: Final = 3_600.0
PAGE_ROWS: Final = 100
PAGES: Final = 200
#: A drawn strategy as JSON has about so many letters.
_SOURCE_LETTERS: Final = 700
#: Rows copied into a bare table, so many at once.
BARE_ROWS: Final = 200_000
BLOCK_ROWS: Final = 500


def store_rows(scale: Scale, tell: Any) -> Iterator[Row]:
    """Fill a store on SQLite, and one on a PostgreSQL server that lasts as long as that takes.

    Yields
    ------
    Row
        Group ``store``: records are strategies, or results. Figures: ``peak_mb`` of the process
        that stores (the server's own apart), ``per_s``, ``client_us`` and ``server_us`` of
        processor time a row; of pages ``p50_ms``, ``p99_ms``,
        ``max_ms``, each of 100 rows behind a place drawn among all.
    """
    count = STRATEGIES_QUICK if scale.quick else STRATEGIES
    with tempfile.TemporaryDirectory(prefix="tapewire-bench-") as folder:
        tell(f"storing {count:,} strategies on SQLite …")
        yield from _filled(str(Path(folder) / "bench.db"), count, 0, "SQLite", scale.seed, tell)
    with server() as url:
        tell(f"storing {count * KINDS:,} results on PostgreSQL …")
        yield from _filled(url, count, KINDS, "PostgreSQL", scale.seed, tell)


def _filled(url: str, count: int, kinds: int, name: str, seed: int, tell: Any) -> Iterator[Row]:
    """Fill a store in a process of its own, whose memory is its own, too."""
    command = [sys.executable, "-P", "-m", "tapewire.bench.store"]
    command += [url, str(count), str(kinds), str(seed)]
    said = run_child(command, timeout_s=PROCESS_S_MAX, tell=tell)
    told: dict[str, Any] = json.loads(said)
    peak = {"peak_mb": told["peak_mb"]}
    notes = {
        "strategies": f"a result each, batches of {BATCH:,}, on the disk",
        "results": f"of {count:,} strategies, at once, drawing them included",
        "results by batches": f"the same, a transaction each {BATCH:,}, indexes kept",
        "bare COPY": "bytes of such results, into a table without indexes or keys",
    }
    for what, spent in told["spent"].items():
        figures = {"per_s": round(spent["rows"] / spent["s"]), **peak}
        for whose in ("client", "server"):
            if whose in spent:
                figures[f"{whose}_us"] = round(1e6 * spent[whose] / spent["rows"], 1)
        yield row_of(GROUP, f"{what}, {name}", spent["rows"], [spent["s"]], notes[what], figures)
    pages = sorted(told["pages_ms"])
    figures = {
        "p50_ms": round(statistics.median(pages), 3),
        "p99_ms": round(pages[len(pages) * 99 // 100], 3),
        "max_ms": round(pages[-1], 3),
    }
    seconds = [one / 1e3 for one in pages]
    note = f"each behind a drawn place, among {told['results']:,} results"
    yield row_of(GROUP, f"pages of {PAGE_ROWS}, {name}", PAGE_ROWS, seconds, note, figures)


class _Spent:
    """What was spent on rows so far: wall time, and processor time of this process and a server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.by_name: dict[str, dict[str, float]] = {}

    @contextlib.contextmanager
    def on(self, name: str, rows: int) -> Iterator[None]:
        """Count what is done within as done for rows of a name."""
        before = self._now()
        yield
        spent = self.by_name.setdefault(name, {"rows": 0})
        spent["rows"] += rows
        for key, now in self._now().items():
            spent[key] = spent.get(key, 0.0) + now - before[key]

    def _now(self) -> dict[str, float]:
        now = {"s": time.perf_counter(), "client": time.process_time()}
        return now if "://" not in self._url else now | {"server": processor_s(self._url)}


class _Told:
    """Says every few seconds how far it is."""

    def __init__(self) -> None:
        self._next_s = time.monotonic() + TELL_S

    def of(self, what: str, done: int, total: int) -> None:
        """Say how many of all are stored, if nothing was said for a while."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + TELL_S
            print(f"{PROGRESS}{what} stored: {done:,} of {total:,}", file=sys.stderr, flush=True)

    def each(self, results: Iterable[Any], total: int) -> Iterator[Any]:
        """Hand on results, and say how many."""
        for number, one in enumerate(results, 1):
            yield one
            if number % BATCH == 0:
                self.of("results", number, total)


def fill(url: str, count: int, kinds: int, seed: int) -> dict[str, Any]:
    """Store strategies, with a result each; on a server more results, at once and by batches.

    Parameters
    ----------
    url
        Of an empty store.
    count
        Of strategies.
    kinds
        Results of each that are stored at once: 0 where only strategies are stored.
    seed
        Of what is drawn.

    Returns
    -------
    dict
        ``spent``: what → ``rows``, ``s``, ``client`` and ``server`` (processor time of either, s);
        ``pages_ms``; ``peak_mb``; ``results``: how many there are.
    """
    import resource

    from tapewire.store import Store

    draw, spent, told = np.random.default_rng(seed), _Spent(url), _Told()
    batched = min(count, BATCHED) if kinds else 0
    with Store.open(url) as store:
        dataset_id = store.add_dataset("0" * 64, {"name": "bench"})
        search = store.begin_generation({}, dataset_id)
        for number in range(count // BATCH):
            told.of("strategies", number * BATCH, count)
            new = [_strategy(number * BATCH + k) for k in range(BATCH)]
            results = _results(draw, [one.hash for one in new], dataset_id, "search")
            with spent.on("strategies", BATCH):
                store.save_batch(
                    search, number, new, results, trials=BATCH, state={"batch": number}
                )
        if kinds:
            with spent.on("results", count * kinds):
                store.load_results(told.each(_drawn(draw, count, dataset_id, kinds), count * kinds))
            for number in range(batched // BATCH):
                some = range(number * BATCH, (number + 1) * BATCH)
                results = _results(draw, map(_hash, some), dataset_id, "again")
                with spent.on("results by batches", BATCH):
                    store.add_results(results)
            _copy_bare(store, spent)
            # As the server does by itself, within a minute or so.
            with store.writing("analyze") as connection:
                connection.exec_driver_sql("ANALYZE")
        total = count * (kinds + 1) + batched
        pages_ms = _pages(store, random.Random(seed), count, kinds)
        if store.trial_count(dataset_id) != total:
            raise SimulationError(f"expected {total:,} trials, found others")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024 / 1e6
    return {
        "spent": spent.by_name, "pages_ms": pages_ms, "peak_mb": round(peak), "results": total,
    }  # fmt: skip


def _drawn(draw: np.random.Generator, count: int, dataset_id: int, kinds: int) -> Iterator[Any]:
    for kind in range(kinds):
        for first in range(0, count, BLOCK_ROWS):
            hashes = map(_hash, range(first, min(first + BLOCK_ROWS, count)))
            yield from _results(draw, hashes, dataset_id, f"test-{kind}")


def _copy_bare(store: Any, spent: _Spent) -> None:
    """Copy rows as they are into a table that has nothing but rows: what no store can beat."""
    asked = f"SELECT * FROM backtest_results ORDER BY id DESC LIMIT {BARE_ROWS}"
    with store.raw() as raw, raw.cursor() as cursor:
        with cursor.copy(f"COPY ({asked}) TO STDOUT") as copy:
            blocks = [bytes(block) for block in copy]
        rows = cursor.rowcount
        cursor.execute("CREATE TEMP TABLE bare (LIKE backtest_results)")
        with spent.on("bare COPY", rows):
            with cursor.copy("COPY bare FROM STDIN") as copy:
                for first in range(0, len(blocks), BLOCK_ROWS):
                    copy.write(b"".join(blocks[first : first + BLOCK_ROWS]))
            raw.commit()


def _pages(store: Any, draw: random.Random, count: int, kinds: int) -> list[float]:
    from tapewire.store.asking import place_after, sorting_of

    took = []
    sorts = ("sharpe", "return", "drawdown", "trades")
    for k in range(PAGES):
        sort, descending = sorts[k % len(sorts)], bool(k // len(sorts) % 2)
        value = draw.randrange(1_000) if sort == "trades" else draw.gauss(0.0, 1.0)
        after = place_after(sorting_of(sort, descending=descending), value, draw.randrange(count))
        kind = f"test-{draw.randrange(kinds)}" if kinds else "search"
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


def _results(
    draw: np.random.Generator, hashes: Iterable[str], dataset_id: int, kind: str
) -> list[Any]:
    from tapewire.store import NewResult

    listed = list(hashes)
    ratios, returns, drawdowns = draw.normal(size=(3, len(listed))).tolist()
    counts = draw.integers(0, 1_000, len(listed)).tolist()
    factors = draw.random(len(listed)).tolist()
    return [
        NewResult(one, dataset_id, kind, ratio, back, down, count, {"profit_factor": factor}, one)
        for one, ratio, back, down, count, factor in zip(
            listed, ratios, returns, drawdowns, counts, factors, strict=True
        )
    ]


if __name__ == "__main__":
    print(json.dumps(fill(sys.argv[1], *map(int, sys.argv[2:5]))))
