"""Run folders made of rows, for tests of what is in them and of what becomes of them."""

from pathlib import Path
from typing import Any

from analytics_rows import E9, Book, FakeLeg, drained, manifest
from tapewire.analytics import RUN_FILES, Collector, Run, load_run
from tapewire.execution.codes import OrderStatus, Reason

P = 4800 * E9
#: Of a run without a log of its orders' changes, whose strategies record nothing.
PLAIN_FILES = sorted(
    set(RUN_FILES)
    - {
        "events.parquet",
        "fees.parquet",
        "markouts.parquet",
        "series.parquet",
        "settlements.parquet",
        "variants.parquet",
    }
)


def story(labels: list[str] | None = None) -> Book:
    book = Book(FakeLeg(client_order_labels=labels))
    book.fill(2, P, 4 * E9).order(OrderStatus.NEW).order(OrderStatus.DENIED, Reason.MAX_POSITION)
    return book.fill(-1, P + E9, 2 * E9, maker=False).sample(P + E9)


def collect(path: Path, book: Book | None = None, **options: object) -> Collector:
    book = book or story()
    collector = Collector(path, "seed: 0\n", **options)
    collector.add(*drained(book), [book.leg])
    return collector


def finished(path: Path, book: Book | None = None, **options: object) -> None:
    with collect(path, book, **options) as collector:
        collector.record_latency("batch_wall", 1_000_000, 3)
        assert collector.finish("complete", manifest()) == path / "manifest.json"


def run_of(
    path: Path, *books: Book, legs: list[FakeLeg] | None = None, chunk: int = 7, **said: Any
) -> Run:
    """Feed the books in small pieces to a folder ``run`` there, and read the run back.

    ``said`` are further keys of its manifest.
    """
    fills, orders, samples = drained(*books)
    legs = legs or [b.leg for b in books]
    with Collector(path / "run", "seed: 0\n", row_group_rows=5) as collector:
        for at in range(0, max(len(fills), len(orders), len(samples)), chunk):
            part = slice(at, at + chunk)
            collector.add(fills[part], orders[part], samples[part], legs)
        collector.finish("complete", manifest() | said)
    return load_run(path / "run")


def names(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir())


def contents(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in path.iterdir() if p.is_file()}
