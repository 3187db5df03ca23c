"""Which contract a continuous symbol means: by hand, by a naive twin, and never by what comes."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import NoDataError
from tapewire.market.continuous import (
    ContinuousName,
    ListedFuture,
    continuous_name,
    delivery_end_ns,
    parent_root,
)
from tapewire.market.statistics import OPEN_INTEREST, STATISTICS
from tapewire.replay.rolls import RollTable, roll_table

DAY_NS = 86_400 * 10**9
#: 1 March 2024, a Friday.
FIRST = 19_783
NO_STATISTICS = np.empty(0, STATISTICS)


def future(symbol: str, number: int, ends: int, first: int = 0, until: int = 30) -> ListedFuture:
    """A contract that expires within day ``ends``, listed in [first, until): days from FIRST."""
    listed = ((FIRST + first) * DAY_NS, (FIRST + until) * DAY_NS)
    return ListedFuture(symbol, number, (FIRST + ends) * DAY_NS + DAY_NS // 2, (listed,), True)


H4, M4, U4 = future("XH4", 1, 4), future("XM4", 2, 25), future("XU4", 3, 29)


def table(
    rule: str, volumes: dict[int, dict[int, int]] | None = None, statistics: Any = NO_STATISTICS,
    rank: int = 0, futures: tuple[ListedFuture, ...] = (H4, M4, U4),
) -> RollTable:  # fmt: skip
    name = ContinuousName("X", rule, rank)  # type: ignore[arg-type]
    days = {FIRST + day: lots for day, lots in (volumes or {}).items()}
    return roll_table(name, futures, days, statistics)


def meant(found: RollTable, days: int) -> str:
    """The letter of the contract of each of the first days."""
    return "".join(one.symbol[1] for one in found.days[:days])


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("ES.c.0", ("ES", "c", 0)),
        ("6E.v.1", ("6E", "v", 1)),
        ("SR3.n.12", ("SR3", "n", 12)),
        ("ES.x.0", None),
        ("ES.c.01", None),
        ("ES.FUT", None),
        ("ESH4", None),
        ("BRK.B", None),
    ],
)
def test_continuous_symbols_are_told_from_others(symbol: str, parts: Any) -> None:
    name = continuous_name(symbol)
    assert (None if name is None else (name.root, name.rule, name.rank)) == parts
    assert name is None or str(name) == symbol
    assert parent_root(symbol) == ("ES" if symbol == "ES.FUT" else None)


@pytest.mark.parametrize(
    ("symbol", "root", "month"),
    [
        ("ESH4", "ES", "2024-04"),
        ("ESZ4", "ES", "2025-01"),
        ("ESH3", "ES", "2033-04"),
        ("CLF31", "CL", "2031-02"),
        ("SR3M5", "SR3", "2025-07"),
        ("ESH4-ESM4", "ES", None),
        ("MESH4", "ES", None),
        ("ESA4", "ES", None),
        ("ES", "ES", None),
    ],
)
def test_a_symbol_says_when_it_is_delivered(symbol: str, root: str, month: str | None) -> None:
    """In March 2024; a spread, another product and a letter of no month are no outrights."""
    found = delivery_end_ns(symbol, root, FIRST)
    assert (found is None) == (month is None)
    assert found is None or found == np.datetime64(f"{month}-01", "ns").astype(np.int64)


def test_by_expiry_a_contract_is_first_through_the_day_on_which_it_expires() -> None:
    assert meant(table("c"), 7) == "HHHHHMM"
    assert meant(table("c", rank=1), 7) == "MMMMMUU"


def test_by_volume_it_is_the_day_before_that_decides() -> None:
    """On day 3 nothing trades: what day 2 says holds for 3 and 4. Equal lots: the first to expire.

    On day 5 XH4 has expired, whatever it traded before.
    """
    lots = {0: {1: 10, 2: 3}, 1: {1: 5, 2: 5}, 2: {1: 4, 2: 9, 3: 1}, 4: {1: 99, 2: 7, 3: 7}}
    found = table("v", lots)
    assert meant(found, 7) == "HHHMMMM"
    assert [one.of_day and one.of_day - FIRST for one in found.days[:7]] == [None, 0, 1, 2, 2, 4, 4]
    assert found.days[3].figures == {"XM4": 9, "XH4": 4, "XU4": 1}
    assert "first to expire: no volume" in found.days[0].why
    assert meant(table("v", lots, rank=2), 6) == "UUUUUU"[:5]  # none is third when one is gone


def test_a_contract_may_come_back() -> None:
    spans = table("v", {0: {1: 2, 2: 1}, 1: {1: 1, 2: 2}, 2: {1: 2, 2: 1}}).spans()
    days = [(symbol, start_ns // DAY_NS - FIRST) for symbol, _, start_ns, _ in spans[1:4]]
    assert (spans[0][0], days) == ("XH4", [("XM4", 2), ("XH4", 3), ("XM4", 5)])
    assert (spans[0][2], spans[-1][3]) == (0, 2**63 - 1)
    assert all(one[3] == after[2] for one, after in itertools.pairwise(spans))


def interest(*rows: tuple[float, int, int], kind: int = OPEN_INTEREST) -> Any:
    """Records (day from FIRST, instrument, lots)."""
    made = np.zeros(len(rows), STATISTICS)
    for row, (day, number, lots) in zip(made, rows, strict=True):
        row["ts_recv"] = int((FIRST + day) * DAY_NS)
        row["instrument_id"], row["quantity"], row["stat_type"] = number, lots, kind
    return made


def test_open_interest_counts_if_it_was_captured_before_the_day() -> None:
    """XM4 overtakes at noon of day 1, and so is meant from day 2 on; 77 is of another product."""
    rows = interest((-0.5, 1, 10), (0.5, 2, 3), (1.5, 2, 20), (2.0, 1, 99), (0.1, 77, 500))
    assert meant(table("n", statistics=rows), 5) == "HHMHH"
    with pytest.raises(NoDataError, match=r"X\.n\.0: expected open interest of X in stat"):
        table("n", statistics=interest((-1, 77, 5)))


def test_a_day_without_so_many_contracts_is_told_of() -> None:
    only = (future("XH4", 1, 9, until=6), future("XM4", 2, 25, first=2, until=6))
    found = table("c", rank=1, futures=only)
    assert [one.day - FIRST for one in found.days] == [2, 3, 4, 5]
    assert "on 2024-03-01, 2024-03-02 there are no 2 contracts" in found.notes[-1]
    with pytest.raises(
        NoDataError, match="expected at least 3 contracts of X on a day, found 2: of all days"
    ):
        table("c", rank=2, futures=only)


volumes = st.dictionaries(
    st.integers(-3, 12), st.dictionaries(st.sampled_from([1, 2, 3, 77]), st.integers(0, 4)),
)  # fmt: skip


@given(volumes, volumes, st.integers(0, 12), st.integers(0, 2))
def test_what_comes_changes_no_day_before(
    lots: dict[int, Any], others: dict[int, Any], day: int, rank: int
) -> None:
    """Other volumes from a day on: that day, and all before it, mean the same contracts."""
    changed = {k: v for k, v in lots.items() if k < day}
    changed |= {k: v for k, v in others.items() if k >= day}
    found = [
        [one for one in table("v", some, rank=rank).days if one.day <= FIRST + day]
        for some in (lots, changed)
    ]
    assert found[0] == found[1]


@given(volumes, st.integers(0, 2))
def test_volumes_rank_as_a_naive_twin_has_it(lots: dict[int, Any], rank: int) -> None:
    found = {one.day - FIRST: one.symbol for one in table("v", lots, rank=rank).days}
    last = {"XH4": 4, "XM4": 25, "XU4": 29}
    numbers = {"XH4": 1, "XM4": 2, "XU4": 3}
    expected = {}
    for day in range(30):
        # Volumes of contracts before they are listed, on day 0, are none of theirs.
        before = [d for d in range(day) if any(lots.get(d, {}).get(n, 0) for n in (1, 2, 3)
                  if d <= list(last.values())[n - 1])]  # fmt: skip
        traded = lots[max(before)] if before else {}
        if before:
            traded = {n: v for n, v in traded.items()
                      if n != 77 and max(before) <= list(last.values())[n - 1]}  # fmt: skip
        there = [s for s in last if last[s] >= day]
        there.sort(key=lambda s: (-traded.get(numbers[s], 0), last[s]))
        if rank < len(there):
            expected[day] = there[rank]
    assert found == expected
