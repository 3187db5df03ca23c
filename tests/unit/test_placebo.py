"""Real orders sent again: hand-worked books, what differs and by what class, and the command."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tapewire as tw
from generated import Market
from naive.dbn import read_mbo
from stories import SNAPSHOT, Line, Tape, px
from tapewire.errors import ConfigError, NoDataError
from tapewire.execution.models import Models, built_in
from tapewire.validation import ClassCount, PlaceboCounts, PlaceboPass

DBEQ = "dbeq/dbeq-basic-20240403.mbo.dbn.zst"


def placebo(records: np.ndarray, step: int = 1 << 20, models: Models | None = None) -> PlaceboPass:
    """A pass over records, so many at once."""
    done = PlaceboPass(models)
    for k in range(0, len(records), step):
        done.feed(records[k : k + step])
    done.finish()
    return done


def counts(tape: Tape) -> PlaceboCounts:
    return placebo(tape.records()).counts


# --- at rest -------------------------------------------------------------------------------------


def test_a_queue_fills_as_it_did() -> None:
    # 1 is filled whole and 2 in part, then 2 is canceled; 3 is never filled, and replaced.
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 2, "B", 100, 4).add(2, 3, "B", 99, 6)
    tape.add(3, 9, "A", 102, 1)
    tape.trade(10, (1, 5), (2, 1)).modify(20, 3, price=98).cancel(30, 2)
    found = counts(tape)
    assert (found.orders, found.same_orders) == (3, 3)
    assert (found.traded_orders, found.same_traded_orders) == (2, 2)
    assert (found.lots, found.same_lots, found.extra_lots) == (6, 6, 0)
    assert found.not_sent["orders_untouched"] == 1  # the ask
    assert (found.takers, found.same_takers, found.taken_lots) == (1, 1, 6)
    assert found.classes == found.taker_classes == {}
    assert set(found.shares.values()) == {1.0}


def test_a_replaced_order_fills_at_its_new_place() -> None:
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 2, "B", 100, 5).add(2, 3, "B", 99, 5)
    tape.modify(5, 1, size=8)  # to the back, behind 2
    tape.modify(6, 3, price=100)  # behind 1
    tape.modify(7, 2, size=2)  # keeps its place
    tape.trade(10, (2, 2), (1, 8), (3, 1)).trade(20, (3, 4))
    found = counts(tape)
    assert (found.orders, found.same_orders, found.lots, found.same_lots) == (3, 3, 15, 15)


def test_an_icebergs_clips_are_sent_each_at_the_place_it_had() -> None:
    # 1 shows 2 of more. The first trade takes the clip, 2 and two lots of the next clip; what it
    # shows then, 3, is behind 4.
    tape = Tape().add(0, 1, "A", 101, 2).add(1, 2, "A", 101, 3).add(2, 3, "B", 99, 1)
    tape.event(10, tape.t("B", 101, 7), tape.f(1, 2), tape.f(2, 3), tape.f(1, 2),
               tape.c(2), tape.m(1, 1))  # fmt: skip
    tape.add(11, 4, "A", 101, 5)
    tape.trade(20, (1, 1), clips={1: 3}).trade(30, (4, 5), (1, 3))
    found = counts(tape)
    assert found.clips == 1
    assert (found.orders, found.same_orders) == (3, 3)
    assert (found.lots, found.same_lots, found.extra_lots) == (16, 16, 0)
    # The aggressor can't know of the second clip: it finds 5 of its 7 lots.
    assert found.taker_classes == {"iceberg": ClassCount(1, 2, 0)}
    assert (found.takers, found.same_takers, found.same_taken_lots) == (3, 2, 14)
    assert found.shares["taken_lots"] == 1.0


def test_what_rests_of_an_aggressor_is_sent_directly_ahead_of_it() -> None:
    tape = Tape().add(0, 1, "A", 101, 2).add(1, 2, "A", 102, 3)
    tape.trade(10, (1, 2), rest=(7, 101, 4)).add(11, 8, "B", 101, 1)
    tape.trade(20, (7, 4))
    found = counts(tape)
    assert (found.orders, found.same_orders, found.lots) == (2, 2, 6)
    assert (found.takers, found.same_takers) == (2, 2)


def test_an_order_that_was_there_before_the_data_is_not_sent() -> None:
    tape = Tape().snapshot(0, [Line("A", "B", 1, px(100), 5), Line("A", "A", 2, px(101), 5)])
    tape.add(5, 3, "B", 100, 2).trade(10, (1, 5), (3, 2))
    found = counts(tape)
    assert (found.orders, found.lots, found.same_lots) == (1, 2, 2)
    assert found.not_sent["lots_of_earlier_orders"] == 5


# --- what differs --------------------------------------------------------------------------------


def test_self_match_prevention_is_not_known_to_a_ghost() -> None:
    # 3 comes in across 2, of the same owner: 2 leaves, nothing trades.
    tape = Tape().add(0, 1, "B", 99, 1).add(1, 2, "A", 101, 2)
    tape.event(5, tape.a(3, "B", 101, 1), tape.c(2)).cancel(9, 3)
    found = placebo(tape.records())
    assert found.counts.classes == {"self_match": ClassCount(1, 0, 1)}
    assert (found.counts.orders, found.counts.same_orders) == (2, 1)
    (row,) = found.differences
    assert (row["order_id"], row["real_lots"], row["ghost_lots"], row["side"]) == (3, 0, 1, 1)
    assert found.counts.shares["lots"] == 0.0


def test_implied_volume_is_told_apart() -> None:
    # A trade at 101 in which only two of five lots have an order of this book.
    tape = Tape().add(0, 1, "A", 101, 2).add(1, 2, "A", 102, 4).add(2, 3, "B", 99, 1)
    tape.event(10, tape.t("B", 101, 5), tape.f(1, 2), tape.c(1))
    found = counts(tape)
    assert found.taker_classes == {"implied": ClassCount(1, 3, 0)}
    assert (found.orders, found.same_orders) == (1, 1)
    assert found.shares["taken_lots"] == 1.0


def test_a_trade_at_a_worse_price_than_an_order_has_is_implied() -> None:
    # It would have filled whoever rested at 101, says the policy of unseen trades.
    tape = Tape().add(0, 1, "A", 101, 2).add(1, 3, "B", 99, 1)
    tape.event(10, tape.t("B", 102, 1)).cancel(20, 1)
    found = counts(tape)
    assert found.classes == {"implied": ClassCount(1, 0, 1)}


def test_orders_in_a_closed_market() -> None:
    # 2 crosses 1 before the opening; both clear at 100 with 3, which came before.
    tape = Tape().add(0, 1, "A", 100, 3).add(1, 2, "B", 101, 2).add(2, 3, "B", 100, 1)
    tape.event(10, tape.t("N", 100, 3),
               *(tape.f(k, lots)._replace(side="N", price=px(100)) for k, lots in
                 ((1, 3), (2, 2), (3, 1))),
               tape.c(1), tape.c(2), tape.c(3))  # fmt: skip
    found = counts(tape)
    # But for 2, which the book was still open for.
    assert found.classes == {"closed": ClassCount(1, 2, 2)}
    assert (found.orders, found.same_orders, found.lots, found.same_lots) == (3, 2, 6, 4)
    assert found.not_sent["lots_without_aggressor"] == 3


def test_a_place_in_front_of_the_queue_is_found_out(synthetic_file: Path) -> None:
    records = read_mbo(synthetic_file)
    true = placebo(records).counts
    assert true.lots > 1_000
    assert set(true.shares.values()) == {1.0}
    found = placebo(records, models=Models(fill=built_in("fill", "optimistic")))
    assert found.counts.shares["lots"] < 0.9
    assert found.counts.classes["unexplained"].extra_lots > 100
    assert found.difference_n >= len(found.differences) > 100


# --- any records ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_how_records_are_cut_makes_no_difference(seed: int) -> None:
    market = Market(random.Random(seed))
    for _ in range(300):
        market.step(crossing=seed % 2 == 0)
    records = market.records()
    records["instrument_id"][1::3] += seed % 3 == 0  # events of two books, interleaved
    whole = placebo(records)
    for step in (1, 7, 100):
        cut = placebo(records, step)
        assert cut.counts == whole.counts
        assert cut.differences.tobytes() == whole.differences.tobytes()
    found = whole.counts
    assert found.same_lots + sum(one.missed_lots for one in found.classes.values()) == found.lots
    taken = found.same_taken_lots + sum(one.missed_lots for one in found.taker_classes.values())
    assert taken == found.taken_lots
    if seed % 3:
        assert "unexplained" not in {**found.classes, **found.taker_classes}


# --- the command ---------------------------------------------------------------------------------


def test_the_command_says_what_python_does(
    tapewire_here: Any, data_file: Callable[[str], Path]
) -> None:
    path = data_file(DBEQ)
    done = tapewire_here("validate", "placebo", path, "--publisher", 39, "--require", 99, "--json")
    assert done.returncode == 0, done.stderr
    report = tw.validate_placebo(path, publishers=[39])
    assert json.loads(done.stdout) == report.to_dict()
    assert report.records == 36_992
    assert report.counts.lots == report.counts.same_lots == 6_516
    assert report.counts.orders == report.counts.same_orders > 18_000
    assert report.falls_short(100) == []


def test_less_than_is_required_is_exit_code_1(
    tapewire_here: Any, tmp_path: Path, data_file: Callable[[str], Path]
) -> None:
    path = data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst")
    done = tapewire_here("validate", "placebo", path, "--require", 99.9)
    assert done.returncode == 1
    assert "less than the 99.9 % required: of them filled: 99.808 %" in done.stderr
    assert "self_match" in done.stdout


def test_nothing_to_send_is_said(data_file: Callable[[str], Path], tmp_path: Path) -> None:
    path = data_file(DBEQ)
    with pytest.raises(NoDataError, match="has top-of-book quotes only"):
        tw.validate_placebo(path, publishers=[41])
    with pytest.raises(NoDataError, match="no records of what was asked for"):
        tw.validate_placebo(path, instruments=[5])
    with pytest.raises(ConfigError, match="expected 0 to 4294967295, found -1"):
        tw.validate_placebo(path, instruments=[-1])
    snapshot = data_file("glbx/esh4-glbx-mdp3-20231224.mbo.dbn.zst")
    assert (read_mbo(snapshot)["flags"] & SNAPSHOT).all()
    with pytest.raises(NoDataError, match="none of the orders of its 8,725 records was filled"):
        tw.validate_placebo(snapshot)
