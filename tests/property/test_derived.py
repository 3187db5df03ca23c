"""Derived records against their slow twin, on generated streams and on a real file."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generated import Market
from naive.dbn import read_mbo
from naive.derived import NaiveDeriver
from tapewire.derive import SCHEMAS, Deriver
from tapewire.market.records import MBO_DTYPE, UNDEF_PRICE

SIDED = "GLBX.MDP3"


def derived(records: np.ndarray, name: str, dataset: str, step: int, room: int) -> list[Any]:
    """All rows, of batches of ``step`` records, with room for few rows at once."""
    deriver = Deriver(SCHEMAS[name], dataset, rows=room)
    found: list[Any] = []
    for at in range(0, len(records), step):
        for block in deriver.feed(records[at : at + step]):
            assert 0 < len(block) <= max(room, 3)
            found += block.tolist()
    for block in deriver.finish():
        found += block.tolist()
    return found


def expected(records: np.ndarray, name: str, *, sided: bool) -> list[Any]:
    twin = NaiveDeriver(name, sided).apply(records)
    twin.flush()
    return twin.rows


def anything(draw: random.Random, n: int) -> np.ndarray:
    """Records of few ids, prices and books, of every action, flag and time that there is."""
    rows, event, recv = [], 1_700_000_000 * 10**9, 1_700_000_000 * 10**9
    for i in range(n):
        event += draw.choice((0, 0, 1, 10**8, 61 * 10**9))
        recv = max(event, recv + draw.choice((-(10**9), 0, 0, 1, 10**8, 10**9)))
        if draw.random() < 0.1:
            recv = -(-recv // 10**9) * 10**9  # the very end of an interval
        publisher = draw.choice((1, 1, 40))
        action = draw.choice("AAAAAMMCCTTFRN")
        flags = draw.choice((128, 128, 128, 0, 0, 130, 136))
        flags |= 64 * (publisher == 40 and action == "A") + 32 * (draw.random() < 0.1)
        price = draw.choice((UNDEF_PRICE, -(10**9), *(k * 250_000_000 for k in range(14))))
        rows.append((
            14, 160, publisher, draw.choice((1, 1, 2)), event, draw.randint(0, 9), price,
            draw.choice((0, 1, 2, 3, 2**32 - 1)), flags, 0, ord(action),
            ord(draw.choice("BBBAAAN")), recv, draw.randint(-5, 5), i,
        ))  # fmt: skip
    return np.array(rows, MBO_DTYPE)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    name=st.sampled_from(sorted(SCHEMAS)),
    sided=st.booleans(),
    step=st.sampled_from([1, 7, 1_000]),
)
def test_any_stream(seed: int, name: str, sided: bool, step: int) -> None:
    records = anything(random.Random(seed), 80)
    dataset = SIDED if sided else "XNAS.ITCH"
    assert derived(records, name, dataset, step, 3) == expected(records, name, sided=sided)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_markets_that_keep_to_the_rules(name: str) -> None:
    """Over some thirty intervals, with trades in many of them."""
    span_ns = 30 * (SCHEMAS[name].interval_ns or 10**9)
    rows = 0
    for seed in range(4):
        market = Market(random.Random(seed))
        while len(market.rows) < 600:
            market.step(crossing=False)
        records = np.array(market.rows, MBO_DTYPE)
        first, last = records["ts_recv"].min(), records["ts_recv"].max()
        for clock in ("ts_event", "ts_recv"):
            records[clock] = first + (records[clock] - first) * (span_ns // (last - first))
        found = derived(records, name, SIDED, 50, 100)
        assert found == expected(records, name, sided=True)
        rows += len(found)
    assert rows > 4 * 10


@pytest.mark.parametrize("name", ["mbp-10", "mbp-1", "bbo-1s", "ohlcv-1m"])
def test_a_part_of_a_real_file(name: str, data_file: Callable[[str], Path]) -> None:
    records = read_mbo(data_file("glbx/esm4-glbx-mdp3-20240508-snapshot.mbo.dbn.zst"))
    assert derived(records, name, SIDED, 4_096, 500) == expected(records, name, sided=True)
