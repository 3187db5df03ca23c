"""What records say of themselves: the loop against a slow twin, on markets with flags at random."""

from pathlib import Path

import numpy as np
import pytest

from naive.book import rows
from naive.doubts import NaiveDoubts
from stories import INSTRUMENT, PUBLISHER, Log, configure, run
from tapewire.market.flags import FlagKind
from tapewire.market.records import UNDEF_PRICE
from tapewire.replay import read_records
from tapewire.replay.synth import synthesize
from tapewire.router import FlagPolicy

LAST, SNAPSHOT, MBP = 128, 32, 16
KINDS = list(FlagKind)


def flagged_market(folder: Path, seed: int) -> np.ndarray:
    """A session in which records are flagged, lose their F_LAST, and clears and snapshots come."""
    draw = np.random.default_rng(seed)
    synthesize(folder / "day.dbn", events=3_000, seed=seed)
    records = read_records(folder / "day.dbn")[1]
    records["instrument_id"], records["publisher_id"] = INSTRUMENT, PUBLISHER
    for share, bit in ((0.004, 4), (0.01, 8)):
        records["flags"][draw.random(len(records)) < share] |= bit
    records["flags"][draw.random(len(records)) < 0.01] &= 255 - LAST
    parts, before = [], 0
    for at in sorted(draw.integers(500, 2_900, 12).tolist()):
        parts.append(records[before:at])
        before = at
        again = np.repeat(records[at - 1 : at], 4)
        again["action"], again["side"] = ord("A"), [ord("N"), ord("B"), ord("A"), ord("B")]
        again["action"][0], again["price"] = ord("R"), [UNDEF_PRICE, 10**9, 2 * 10**9, 10**9]
        again["order_id"] = [0, *range(10**6 + 8 * at, 10**6 + 8 * at + 3)]
        again["size"], again["flags"] = 5, draw.choice([0, 4], 4, p=[0.9, 0.1])
        kind = draw.integers(5)
        if kind == 0:  # a clear alone
            again = again[:1]
            again["flags"] |= LAST
        elif kind == 1:  # and its book is told again, without a flag
            again["flags"][-1] |= LAST
        elif kind == 2:  # a file of levels begins
            again["flags"][0] |= SNAPSHOT | MBP
            again["flags"][-1] |= LAST
        else:  # a snapshot, with its end or not
            again["flags"] |= SNAPSHOT
            again["flags"][-1] |= LAST if kind == 3 else 0
        parts.append(again)
    return np.concatenate([*parts, records[before:]])


@pytest.mark.parametrize("seed", range(6))
def test_the_loop_agrees_with_the_slow_account(tmp_path: Path, seed: int) -> None:
    records = flagged_market(tmp_path, seed)
    log = Log().buy(0, "mine", 1).write(tmp_path / "orders.csv")
    in_doubt = 0
    for minded in ([], KINDS, KINDS[:1], KINDS[1:2], KINDS[2:3], KINDS[3:]):
        slow = NaiveDoubts({kind.key for kind in minded})
        for record in rows(records):
            slow.apply(record)
        slow.end_of_data()
        flags = FlagPolicy(dict.fromkeys(minded, "mark"))
        simulation, _ = run(configure(log, flags=flags), records, batch=701 + seed)
        [book] = simulation.flagged()
        assert {kind.key: n for kind, n in book.counts.items() if n} == dict(slow.counts)
        assert (book.marked_n, book.marked_events, book.in_doubt) == (
            slow.times, slow.events, bool(slow.doubts),
        )  # fmt: skip
        in_doubt += slow.events
        assert len(slow.counts) == len(KINDS)  # each kind occurred
    assert in_doubt > 100
