"""Runs of a server that nobody had to run: jobs that are done, with folders made of rows."""

from pathlib import Path

from analytics_rows import busy_day, manifest
from analytics_runs import finished, story
from served import Inner
from tapewire.analytics import Collector
from tapewire.runs.served_run import run_name
from tapewire.store import JobStore

CONFIG = """\
backtest:
  data_source: {type: synthetic, events: 1000}
strategy: {type: market_maker}
"""
#: An order's name, as somebody might choose it.
HOSTILE = "<img src=x onerror=alert(1)>"


def ended_run(inner: Inner, runs: Path, number: int, *, busy: bool = False) -> int:
    """Return the job of a run: a story of three orders, or a day of two strategies by seconds."""
    config = CONFIG.replace("1000", str(1000 + number))
    job = inner.store.add_job("run", {"config": config}, 1, key=f"made {number}")
    claimed = inner.store.claim_job("test", ("run",), lease_s=60)
    assert claimed is not None
    name = run_name(job.id, job.created_at)
    if busy:
        rows, legs = busy_day(300, seed=number)
        with Collector(runs / name, "seed: 0\n") as collector:
            collector.add(*rows, legs)
            collector.record_latency("batch_wall", 1_000_000, 3)
            collector.finish("complete", manifest(digest=f"{number:02}" * 16))
    else:
        finished(runs / name, story([HOSTILE, "2", "3"]) if number else None)
    with JobStore.of_job(inner.store.url, job.id, claimed.attempt) as store:
        store.finish({"run": name, "digest": "", "events": 1, "elapsed_s": 1.0, "warnings": []})
    return int(job.id)
