"""On generated markets a run from a start on, warmed up or by a snapshot, trades as a whole one."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generated import UNIT, Market, generated_log, with_terms, write
from stories import START_NS, configure, run
from tapewire.market.instruments import OrderRules
from tapewire.replay.cut import StartCut


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@given(
    st.integers(0, 2**32 - 1),
    st.integers(20, 250),
    st.floats(0, 1),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 1, 7]),
)
@settings(max_examples=80)
def test_orders_sent_after_the_start_fare_alike(
    folder: Path, seed: int, events: int, share: float, crossing: bool, spread: bool, batch: int
) -> None:
    draw = random.Random(seed)
    market = Market(draw)
    for _ in range(events):
        market.step(crossing)
    records = market.records()
    if len(records) < 2:
        return
    if spread:  # each record of an event at its own time: starts may fall within events
        records["ts_recv"] += np.arange(len(records), dtype=np.uint64)
    start_ns = int(records["ts_recv"][int(share * (len(records) - 1))])
    cut = StartCut(start_ns)
    size = batch or len(records)
    parts = [cut.pass_on(records[at : at + size]) for at in range(0, len(records), size)]
    from_cut = np.concatenate([*parts, cut.rest(start_ns)])

    # Where the start falls within an event, the file that is cut begins at that event's end.
    first_ns = int(from_cut["ts_recv"][0])
    span = max(1, market.clock - first_ns)
    rows = generated_log(draw, 25, span, lambda: draw.randint(-2, 3) * UNIT)
    log = [replace(row, ts=row.ts + first_ns - START_NS) for row in rows]
    policy = draw.choice(("halt_fills", "warn"))
    rules = OrderRules()
    by_last_trade = draw.random() < 0.5
    if by_last_trade:  # which a file that is cut does not have
        rules = OrderRules(band=draw.choice((UNIT, 2 * UNIT)))
        log = with_terms(draw, log, lambda: draw.randint(-2, 3) * UNIT, protected=False)
    config = configure(write(log, folder), policy=policy, rules=rules)
    whole, tables = run(config, records)
    warm, warm_tables = run(replace(config, warmup_until_ns=start_ns), records, batch)
    begun, begun_tables = run(config, from_cut, batch)
    others = (
        [(warm, warm_tables)] if by_last_trade else [(warm, warm_tables), (begun, begun_tables)]
    )
    for other, other_tables in others:
        assert other_tables.fills.tolist() == tables.fills.tolist()
        assert other_tables.orders.tolist() == tables.orders.tolist()
        assert other.digests() == whole.digests()
    before = int((np.maximum.accumulate(records["ts_recv"]) < start_ns).sum())
    assert warm.counts["warmup_records"] == before
    assert warm.counts["events"] == len(records) - before
