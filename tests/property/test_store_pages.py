"""Pages of strategies are the whole list, cut: beside a plain twin, on both databases."""

import math
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stores import Databases, hash_of, result, strategy
from tapewire.store import Store

SORTS = {
    "sharpe": "sharpe_ratio", "return": "total_return", "drawdown": "max_drawdown",
    "trades": "total_trades", "id": "id", "name": "name",
}  # fmt: skip
COUNT = 60
#: Few values, so that there are ties; some are missing.
FIGURES = (None, -math.inf, -1.5, -0.0, 0.0, 0.1, 1 / 3, 2.0, math.inf)


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("pages")
    url = str(folder / "store.db")
    if request.param == "postgresql":
        databases: Databases = request.getfixturevalue("databases")
        url = databases.new()
    with Store.open(url) as opened:
        dataset_id = opened.add_dataset("d" * 64, {})
        names = [f"{'aZé_'[k % 4]}{k * 7919 % 100:02d}" for k in range(COUNT)]
        opened.add_strategies([strategy(k, name=names[k]) for k in range(COUNT)])
        for kind in ("search", "test"):
            some = range(0, COUNT, 1 if kind == "search" else 3)
            opened.add_results([_drawn(k, dataset_id, kind) for k in some if k % 10 != 9])
        yield opened
    shutil.rmtree(folder)


def _drawn(k: int, dataset_id: int, kind: str) -> Any:
    numbers = [int(hash_of(k)[place : place + 4], 16) for place in (0, 4, 8, 12)]
    sharpe, gain, drawdown = (FIGURES[n % len(FIGURES)] for n in numbers[:3])
    trades = None if numbers[3] % 7 == 0 else numbers[3] % 5
    return result(
        k, dataset_id, kind, sharpe_ratio=sharpe, total_return=gain, max_drawdown=drawdown,
        total_trades=trades,
    )  # fmt: skip


def _plainly(store: Store, sort: str, descending: bool, kind: str, least: int | None) -> list[int]:
    """Sort all of them in memory: those without a value last, ties by id."""
    rows = list(store.strategies("id", limit=10_000, kind=kind, descending=False).rows)
    if sort not in ("id", "name"):
        rows = [row for row in rows if row.result_id is not None]
    if least is not None:
        rows = [row for row in rows if row.total_trades is not None and row.total_trades >= least]

    def value(row: Any) -> Any:
        found = getattr(row, SORTS[sort])
        return found.encode() if sort == "name" else found

    known = [row for row in rows if value(row) is not None]
    known.sort(key=lambda row: (value(row), row.id), reverse=descending)
    unknown = sorted((row.id for row in rows if value(row) is None), reverse=descending)
    return [row.id for row in known] + unknown


@settings(max_examples=40)
@given(
    sort=st.sampled_from(sorted(SORTS)), descending=st.booleans(), limit=st.integers(1, 70),
    kind=st.sampled_from(["search", "test", "nothing"]),
    least=st.sampled_from([None, 0, 2, 9]),
)  # fmt: skip
def test_pages_are_the_list(
    store: Store, sort: str, descending: bool, limit: int, kind: str, least: int | None
) -> None:
    found: list[int] = []
    after = None
    where = "" if least is None else f"trades >= {least}"
    for turn in range(COUNT + 1):
        page = store.strategies(
            sort, descending=descending, where=where, kind=kind, after=after, limit=limit
        )
        found += [row.id for row in page.rows]
        after = page.after
        if after is None:
            break
        assert len(page.rows) == limit, turn
    assert after is None
    assert found == _plainly(store, sort, descending, kind, least)
