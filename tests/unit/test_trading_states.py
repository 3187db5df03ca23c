"""Trading states of a venue, by its status records: what they are, and what they do to orders.

Worked out by hand. Latency is 50 µs each way; a state that begins at 100 is captured at 101.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import plain
import streams
from stories import INSTRUMENT, PUBLISHER, Line, Log, Played, Tape, merge, ns, play, px
from tapewire.errors import FormatError
from tapewire.market.status import (
    STATUS_DTYPE,
    TradingState,
    state_of,
    transitions_of,
    transitions_together,
)
from tapewire.replay.status import StatusFile, read_status, transitions_in
from tapewire.router import Simulation
from tapewire.strategies.plain import Context, Strategy

OPEN, PRE_OPEN, NO_CANCEL, HALTED = (
    TradingState.OPEN, TradingState.PRE_OPEN, TradingState.NO_CANCEL, TradingState.HALTED,
)  # fmt: skip
POST_CLOSE, CLOSED, UNAVAILABLE = (
    TradingState.POST_CLOSE, TradingState.CLOSED, TradingState.UNAVAILABLE,
)  # fmt: skip


def quiet_book() -> Tape:
    """Bids 100: order 1 x 5, order 2 x 4. Asks 101: order 9 x 10."""
    return Tape().add(0, 1, "B", 100, 5).add(1, 2, "B", 100, 4).add(2, 9, "A", 101, 10)


def ended(played: Played, order: str) -> tuple[str, str, float]:
    one = played.orders[order]
    return one.status, one.reason, one.closed


# --- records --------------------------------------------------------------------------------------


def status(*rows: tuple[int, int, int, str], instrument: int = INSTRUMENT) -> np.ndarray:
    """Records of (µs, action, trading event, is trading), each captured 1 µs later."""
    return np.array(
        [
            (10, 0x12, PUBLISHER, instrument, ns(t), ns(t + 1), action, 1, event, ord(trading),
             ord("~"), ord("~"), [0] * 7)
            for t, action, event, trading in rows
        ],
        STATUS_DTYPE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("action", "event", "trading", "state"),
    [
        (7, 0, "Y", OPEN), (7, 0, "~", OPEN), (7, 0, "N", HALTED),
        (1, 0, "N", PRE_OPEN), (1, 1, "N", NO_CANCEL), (1, 0, "Y", OPEN), (3, 0, "N", PRE_OPEN),
        (6, 0, "Y", OPEN), (6, 0, "N", UNAVAILABLE), (4, 0, "Y", OPEN),
        (8, 0, "Y", HALTED), (8, 0, "N", HALTED), (9, 0, "N", HALTED), (10, 0, "N", HALTED),
        (12, 0, "N", CLOSED), (12, 0, "Y", CLOSED), (13, 0, "N", POST_CLOSE),
        (15, 0, "N", UNAVAILABLE), (14, 0, "~", None), (0, 3, "~", None),
    ],
)  # fmt: skip
def test_what_a_record_says(action: int, event: int, trading: str, state: Any) -> None:
    assert state_of(action, event, ord(trading)) is state


def test_a_record_that_repeats_the_state_is_no_change_and_books_are_apart() -> None:
    mine = status((0, 7, 0, "Y"), (5, 14, 0, "~"), (6, 7, 0, "Y"), (9, 8, 0, "N"))
    other = status((3, 8, 0, "N"), (8, 7, 0, "Y"), instrument=INSTRUMENT - 1)
    both = np.concatenate([mine, other])
    found = transitions_of(both[np.argsort(both["ts_recv"], kind="stable")])
    key = PUBLISHER << 32
    assert found.tolist() == [
        (ns(3), ns(4), key | INSTRUMENT - 1, HALTED), (ns(8), ns(9), key | INSTRUMENT - 1, OPEN),
        (ns(0), ns(1), key | INSTRUMENT, OPEN), (ns(9), ns(10), key | INSTRUMENT, HALTED),
    ]  # fmt: skip


@pytest.fixture
def venues() -> tuple[np.ndarray, np.ndarray]:
    """One opens first and halts first, the other one later, and closes."""
    other = status((5, 7, 0, "Y"), (20, 8, 0, "N"), (40, 7, 0, "Y"), (50, 12, 0, "N"))
    other["publisher_id"] += 1
    return status((0, 1, 0, "N"), (10, 7, 0, "Y"), (30, 8, 0, "N")), other


def test_a_book_of_all_venues_is_in_the_state_of_the_one_that_lets_most(
    venues: tuple[np.ndarray, np.ndarray],
) -> None:
    """It trades from the first that opens to the last that halts."""
    elsewhere = status((7, 12, 0, "N"), instrument=INSTRUMENT + 1)
    rows = np.concatenate([*venues, elsewhere])
    found = transitions_together(rows[np.argsort(rows["ts_recv"], kind="stable")])
    expected = [(0, PRE_OPEN), (5, OPEN), (30, HALTED), (40, OPEN), (50, HALTED)]
    assert found.tolist() == [
        *((ns(t), ns(t + 1), INSTRUMENT, state) for t, state in expected),
        (ns(7), ns(8), INSTRUMENT + 1, CLOSED),
    ]
    assert transitions_together(rows[:0]).size == 0


def test_states_of_a_consolidated_dataset_are_those_of_its_books(
    venues: tuple[np.ndarray, np.ndarray],
) -> None:
    """Which have no publisher; those of another dataset are of its own books alone."""
    files = [
        StatusFile("a", 0, 3, dataset, "", rows)
        for dataset, rows in zip(("EQUS.MINI", "XNAS.ITCH"), venues, strict=True)
    ]
    apart = [PUBLISHER << 32 | INSTRUMENT, PUBLISHER + 1 << 32 | INSTRUMENT]
    assert np.unique(transitions_in(files)["key"]).tolist() == apart
    together = transitions_in(files, {"EQUS.MINI"})
    assert np.unique(together["key"]).tolist() == [INSTRUMENT, *apart]
    assert together["state"][together["key"] == INSTRUMENT].tolist() == [PRE_OPEN, OPEN, HALTED]


@pytest.mark.parametrize(
    "name", ["test_data.status.dbn", "test_data.status.v2.dbn.zst", "test_data.status.v3.dbn.zst"]
)
def test_files_of_every_version(data_file: Callable[[str], Path], name: str) -> None:
    """ESH1 on 28 December 2020: open, the pause after 21:15 UTC, its last 30 s, open again."""
    file = read_status(str(data_file(f"fixtures/dbn/{name}")))
    assert (len(file.records), file.dataset) == (4, "GLBX.MDP3")
    rows = transitions_in([file])
    assert rows["state"].tolist() == [OPEN, PRE_OPEN, NO_CANCEL, OPEN]
    assert rows["ts"].tolist() == [
        1609110000000000000, 1609190100000000000, 1609190970000000000, 1609191000000000000,
    ]  # fmt: skip
    assert rows["seen_ns"][1] == 1609190100007055917
    assert set(rows["key"].tolist()) == {1 << 32 | 5482}


def test_what_is_no_status_file_is_said(tmp_path: Path) -> None:
    rows = status((0, 7, 0, "Y"))
    mbo = streams.write(tmp_path / "mbo.dbn", streams.dbn_header(schema="mbo"))
    with pytest.raises(FormatError, match="has schema mbo; expected status: request the status"):
        read_status(mbo)
    wrong = rows.copy()
    wrong["rtype"] = 0xA0
    header = streams.dbn_header(schema="status")
    path = streams.write(tmp_path / "wrong.dbn", header + wrong.tobytes())
    with pytest.raises(FormatError, match=r"record 0 at byte offset \d+: expected a status record"):
        read_status(path)
    path = streams.write(tmp_path / "short.dbn", header + rows.tobytes()[:-1])
    with pytest.raises(FormatError, match="expected 40 bytes, found 39"):
        read_status(path)


# --- what states do -------------------------------------------------------------------------------


def test_without_states_all_is_as_ever(tmp_path: Path) -> None:
    log = Log().buy(10, "mine", 2)
    played = play(tmp_path, quiet_book().tick(200), log)
    other = play(tmp_path, quiet_book().tick(200), log, states=[(0, OPEN)])
    assert played.brief() == other.brief() == [("mine", 101, 2, "TAKEN", 60)]
    assert played.digest == other.digest


def test_a_market_order_waits_for_the_opening(tmp_path: Path) -> None:
    """The book is not crossed at all: it is the state that holds the order back."""
    tape = quiet_book().tick(200).tick(400)
    log = Log().buy(10, "mine", 2)
    played = play(tmp_path, tape, log, states=[(0, PRE_OPEN), (300, OPEN)])
    assert played.brief() == [("mine", 101, 2, "TAKEN", 400)]
    played = play(
        tmp_path, tape, log, states=[(0, PRE_OPEN), (300, OPEN)], market_order_in_halt="expire"
    )
    assert ended(played, "mine") == ("EXPIRED", "MARKET_HALTED", 60)


def test_a_limit_order_across_the_market_rests_until_the_opening(tmp_path: Path) -> None:
    """It keeps its place of the pre-open; the ask was there first and has its price."""
    tape = quiet_book().tick(200).trade(250, (9, 1)).tick(400)
    played = play(
        tmp_path, tape, Log().buy(10, "mine", 2, 102), states=[(0, PRE_OPEN), (300, OPEN)]
    )
    assert played.brief() == [("mine", 101, 2, "TAKEN", 400)]
    assert played.orders["mine"].arrived == 60


def test_the_pre_open_takes_changes_and_cancels(tmp_path: Path) -> None:
    log = Log().buy(10, "moved", 2, 99).replace(100, "moved", 2, 98).buy(20, "gone", 1, 99)
    log.cancel(110, "gone")
    tape = quiet_book().tick(300)
    played = play(tmp_path, tape, log, states=[(0, PRE_OPEN)])
    assert (played.orders["moved"].price, played.orders["moved"].status) == (98, "NEW")
    assert ended(played, "gone") == ("CANCELED", "USER_CANCEL", 160)


def test_shortly_before_the_opening_orders_come_but_do_not_go(tmp_path: Path) -> None:
    log = Log().buy(10, "mine", 2, 99).cancel(100, "mine").replace(110, "mine", 3, 98)
    log.buy(120, "late", 1, 99).cancel(260, "mine")
    tape = quiet_book().tick(400)
    states = [(0, PRE_OPEN), (140, NO_CANCEL), (300, OPEN)]
    played = play(tmp_path, tape, log, states=states, event_log=True)
    assert ended(played, "mine") == ("CANCELED", "USER_CANCEL", 310)
    assert played.orders["late"].status == "NEW"
    assert played.orders["mine"].replaces == 0
    refused = [c for c in played.changes("mine") if c[0] == "REFUSED"]
    assert [(c[1], c[5], c[6]) for c in refused] == [
        ("NO_CANCEL", 150, 200), ("NO_CANCEL", 160, 210),
    ]  # fmt: skip
    assert played.counts["refused_no_cancel"] == 2


def test_a_mass_cancel_that_is_not_taken_is_told_as_of_the_order_it_names(tmp_path: Path) -> None:
    log = Log().buy(10, "mine", 2, 99).buy(20, "other", 2, 98).mass_cancel(100, "mine")
    log.mass_cancel(260, "other")
    states = [(0, PRE_OPEN), (140, NO_CANCEL), (300, OPEN)]
    played = play(tmp_path, quiet_book().tick(400), log, states=states, event_log=True)
    refused = [c for name in ("mine", "other") for c in played.changes(name) if c[0] == "REFUSED"]
    assert [(c[1], c[5], c[6]) for c in refused] == [("NO_CANCEL", 150, 200)]
    assert ended(played, "mine") == ended(played, "other") == ("CANCELED", "MASS_CANCEL", 310)
    assert played.counts["refused_no_cancel"] == 1


def test_a_halt_takes_cancels_only(tmp_path: Path) -> None:
    log = Log().buy(10, "mine", 2, 100).buy(20, "kept", 2, 100).replace(100, "mine", 2, 99)
    log.buy(110, "new", 1, 100).cancel(120, "mine")
    tape = quiet_book().tick(90).tick(300)
    played = play(tmp_path, tape, log, states=[(0, OPEN), (100, HALTED)], event_log=True)
    assert ended(played, "new") == ("REJECTED", "MARKET_HALTED", 160)
    assert ended(played, "mine") == ("CANCELED", "USER_CANCEL", 170)
    assert (played.orders["mine"].price, played.orders["kept"].status) == (100, "NEW")
    assert [c[:2] for c in played.changes("new")][1] == ("REJECTED", "MARKET_HALTED")
    assert [c[1] for c in played.changes("mine") if c[0] == "REFUSED"] == ["MARKET_HALTED"]
    assert (played.counts["entered_halted"], played.counts["refused_halted"]) == (1, 2)


@pytest.mark.parametrize("state", [CLOSED, UNAVAILABLE])
def test_a_closed_market_takes_nothing(tmp_path: Path, state: TradingState) -> None:
    """An order that was there stays there, for the next day; nothing fills it meanwhile."""
    log = Log().buy(10, "mine", 2, 100).cancel(100, "mine").buy(110, "new", 1, 100)
    tape = quiet_book().tick(90).trade(300, (1, 5), (2, 4)).tick(400)
    played = play(tmp_path, tape, log, states=[(0, OPEN), (100, state)])
    assert ended(played, "new") == ("REJECTED", "MARKET_CLOSED", 160)
    assert ended(played, "mine") == ("NEW", "END_OF_DATA", 0)
    assert played.fills == []
    assert played.counts[f"refused_{state.name.lower()}"] == 2


def test_after_the_close_only_orders_for_later_days(tmp_path: Path) -> None:
    log = Log().buy(10, "later", 2, 100).buy(20, "now", 2, 101, "IOC").buy(30, "market", 1)
    log.cancel(100, "later")
    tape = quiet_book().tick(90).tick(300)
    played = play(tmp_path, tape, log, states=[(0, POST_CLOSE)])
    assert ended(played, "later") == ("CANCELED", "USER_CANCEL", 150)
    assert ended(played, "now") == ("REJECTED", "MARKET_CLOSED", 70)
    assert ended(played, "market") == ("REJECTED", "MARKET_CLOSED", 80)


def test_a_day_order_ends_as_the_venue_closes(tmp_path: Path) -> None:
    """At 200, though the book is quiet then; a cancel that arrives at 210 finds it gone."""
    log = Log().buy(10, "day", 2, 100, "DAY").buy(20, "kept", 2, 100).cancel(160, "day")
    states = [(0, OPEN), (200, CLOSED)]
    played = play(tmp_path, quiet_book().tick(90).tick(400), log, states=states)
    assert ended(played, "day") == ("EXPIRED", "SESSION_CLOSE", 200)
    assert ended(played, "kept") == ("NEW", "END_OF_DATA", 0)
    earlier = (ns(150),)
    played = play(tmp_path, quiet_book().tick(90).tick(400), log, states=states,
                  session_closes=earlier)  # fmt: skip
    assert ended(played, "day") == ("EXPIRED", "SESSION_CLOSE", 150)


def test_volume_in_a_halt_fills_nobody(tmp_path: Path) -> None:
    """Order 3 comes behind ours; it trades at 150, which a halt forbids us, and at 350."""
    tape = quiet_book().tick(70).add(80, 3, "B", 100, 9).trade(150, (1, 5), (2, 4), (3, 1))
    tape.trade(350, (3, 4)).tick(500)
    log = Log().buy(10, "mine", 9, 100)
    assert play(tmp_path, tape, log).brief() == [
        ("mine", 100, 1, "QUEUE", 150), ("mine", 100, 4, "QUEUE", 350),
    ]  # fmt: skip
    states = [(0, OPEN), (100, HALTED), (200, OPEN)]
    assert play(tmp_path, tape, log, states=states).brief() == [("mine", 100, 4, "QUEUE", 350)]


def test_an_opening_cross_fills_what_it_would_have_filled(tmp_path: Path) -> None:
    """The book is not crossed before it, but orders have waited: 3 lots clear at 101."""
    tape = quiet_book().tick(200)
    tape.event(310, Line("T", "N", 0, px(101), 3), tape.f(9, 3), tape.m(9, 7)).tick(500)
    states = [(0, PRE_OPEN), (300, OPEN)]
    played = play(tmp_path, tape, Log().buy(10, "mine", 2, 102), states=states)
    assert played.brief() == [("mine", 101, 2, "AUCTION", 310)]


def test_a_quiet_book_has_its_states_in_time(tmp_path: Path) -> None:
    """Nothing happens in the book from 2 to 900: orders meet the state of their time."""
    log = Log().buy(10, "open", 1).buy(100, "halted", 1).buy(200, "again", 1)
    states = [(0, OPEN), (120, HALTED), (220, OPEN)]
    for batch in (0, 1):
        played = play(tmp_path, quiet_book().tick(900), log, states=states, batch=batch)
        assert played.brief() == [("open", 101, 1, "TAKEN", 60), ("again", 101, 1, "TAKEN", 250)]
        assert ended(played, "halted") == ("REJECTED", "MARKET_HALTED", 150)


def test_at_one_time_the_event_is_first_and_then_the_state_and_then_the_order(
    tmp_path: Path,
) -> None:
    tape = (
        quiet_book().tick(70).add(80, 3, "B", 100, 9).trade(150, (1, 5), (2, 4), (3, 1)).tick(300)
    )
    log = Log().buy(10, "mine", 9, 100).buy(100, "late", 1, 100)
    played = play(tmp_path, tape, log, states=[(0, OPEN), (150, HALTED)])
    assert played.brief() == [("mine", 100, 1, "QUEUE", 150)]
    assert ended(played, "late") == ("REJECTED", "MARKET_HALTED", 150)


def test_a_crossed_book_stays_halted_while_the_venue_says_open(tmp_path: Path) -> None:
    """Both have to allow a fill: the venue's state, and the policy on crossed books."""
    tape = quiet_book().add(40, 30, "B", 102, 1).tick(100).cancel(200, 30).tick(300)
    log = Log().buy(10, "mine", 1)
    played = play(tmp_path, tape, log, states=[(0, OPEN)])
    assert [f.at for f in played.fills] == [200]
    played = play(tmp_path, tape, log, states=[(0, OPEN)], policy="warn")
    assert [f.at for f in played.fills] == [60]
    played = play(tmp_path, tape, log, states=[(0, PRE_OPEN)], policy="warn")
    assert played.fills == []


def test_states_are_of_one_book(tmp_path: Path) -> None:
    other = Tape()
    other.instrument = 8
    other.add(0, 1, "B", 50, 5).add(1, 2, "A", 51, 5).tick(200)
    log = Log().buy(10, "mine", 1)
    log.symbol = "TWY"
    log.buy(20, "there", 1)
    tape = merge(quiet_book().tick(200), other)
    played = play(tmp_path, tape, log, states=[(0, CLOSED)])
    assert [f.order for f in played.fills] == ["there"]
    assert ended(played, "mine")[0] == "REJECTED"


# --- what strategies see --------------------------------------------------------------------------


class Watcher(Strategy):
    """Notes the state at every event."""

    def on_start(self, context: Context) -> None:
        self.seen: list[tuple[float, str]] = []

    def on_market_event(self, market: Any, context: Context) -> None:
        self.seen.append(((context.now - ns(0)) / 1000, market.state.name))
        watched.append(self.seen[-1])


watched: list[tuple[float, str]] = []


def test_a_strategy_sees_a_state_once_it_was_captured(tmp_path: Path) -> None:
    """It begins at 100 and is captured at 140: the event that is captured at 121 comes before."""
    watched.clear()
    tape = quiet_book().tick(120).tick(150).tick(250)
    simulation: Simulation
    simulation, _ = plain.play(Watcher, tape, states=[(0, OPEN), (100, HALTED, 140), (200, OPEN)])
    assert watched == [
        (1, "OPEN"), (2, "OPEN"), (3, "OPEN"), (121, "OPEN"), (151, "HALTED"), (251, "OPEN"),
    ]  # fmt: skip
    assert simulation.counts["entered_halted"] == 1
    watched.clear()
    plain.play(Watcher, tape)
    assert {state for _, state in watched} == {"UNKNOWN"}
