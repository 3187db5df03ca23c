"""Stores of strategies for tests: bars to search on, searches, what a store holds but for times."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from tapewire.factory.asked import FactorySettings
from tapewire.factory.datasets import FactoryBars, read_bars
from tapewire.inputs.candles import CandleRequest
from tapewire.store import Store

SMALL = FactorySettings(count=24, batch=8, timeframes=("15m", "1h"), trades_min=3)


def walk_file(path: Path, *, days: int = 24, seed: int = 1) -> Path:
    """Bars of a quarter of an hour, a walk on quarters."""
    n = days * 96
    steps = np.random.Generator(np.random.PCG64(seed)).integers(-4, 5, n)
    close = 16_000 + np.cumsum(steps)
    opened = np.r_[16_000, close[:-1]]
    prices = {
        "open": opened / 4, "high": (np.maximum(opened, close) + 1) / 4,
        "low": (np.minimum(opened, close) - 1) / 4, "close": close / 4,
    }  # fmt: skip
    times = 1_709_942_400 * 10**9 + np.arange(n) * 900 * 10**9
    pq.write_table(pa.table({"ts_event": times, **prices, "volume": np.abs(steps) + 1}), path)
    return path


def walk(folder: Path) -> FactoryBars:
    """The same, read."""
    return read_bars(walk_file(folder / "bars.parquet"), CandleRequest(""))


def contents(path: Path | str, *, ids: bool = True) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a store's tables of searches, but for when they were written.

    Without `ids` the numbers are left out that a database gives, which may skip some.
    """
    found = {}
    with Store.open(str(path), create=False) as store, store.reading("look") as connection:
        for name in (
            "datasets", "generations", "batches", "strategies", "backtest_results", "verdicts",
        ):  # fmt: skip
            table = sa.Table(name, sa.MetaData(), autoload_with=connection)
            columns = [c for c in table.c if not c.name.endswith("_at")]
            if not ids:
                columns = [c for c in columns if c.name != "id" and not c.name.endswith("_id")]
            rows = connection.execute(sa.select(*columns).order_by(table.c.id)).all()
            found[name] = [tuple(map(str, row)) for row in rows]
    return found
