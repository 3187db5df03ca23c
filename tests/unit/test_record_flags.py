"""What records say of themselves: counted, and what a run does about it; worked out by hand.

Latency is 50 µs each way; records are captured 1 µs after they happened.
"""

from pathlib import Path
from typing import Any, ClassVar

import pytest

import plain
from stories import SNAPSHOT, Line, Log, Played, Tape, merge, ns, play, px, us
from tapewire import Strategy, Wants
from tapewire.errors import FlaggedDataError
from tapewire.market.flags import FlagKind
from tapewire.router import FlaggedBook, FlagPolicy
from tapewire.strategies.plain import Context

MAYBE_BAD, BAD_RECV, MISSING, CLEAR = FlagKind
BAD, LATE = 4, 8
R = Line("R", "N", 0, px(None), 0)


def policy(action: Any, *kinds: FlagKind) -> FlagPolicy:
    return FlagPolicy(dict.fromkeys(kinds or FlagKind, action))


def quiet_book() -> Tape:
    """Bids 100: order 1 x 5, order 2 x 4. Asks 101: order 9 x 10."""
    return Tape().add(0, 1, "B", 100, 5).add(1, 2, "B", 100, 4).add(2, 9, "A", 101, 10)


def flagged(line: Line, flag: int) -> Line:
    return line._replace(flags=flag)


def whole_book(tape: Tape, size: int) -> list[Line]:
    """What a snapshot of `quiet_book` lists, when order 1 has a size."""
    return [tape.a(1, "B", 100, size), tape.a(2, "B", 100, 4), tape.a(9, "A", 101, 10)]


def only(played: Played) -> FlaggedBook:
    [book] = played.simulation.flagged()
    return book


def counted(played: Played) -> list[int]:
    return list(only(played).counts.values())


# --- counting -------------------------------------------------------------------------------------


def all_kinds() -> Tape:
    """Each kind in another number: two lost, one late, three without an end, one clear."""
    tape = quiet_book().event(10, flagged(tape_tick(), BAD)).event(20, flagged(tape_tick(), BAD))
    tape.event(30, flagged(tape_tick(), LATE))
    for t in (40, 50, 60):
        tape.event(t, tape_tick(), last=False)
    tape.event(70, R)
    return tape.add(80, 3, "B", 99, 1)


def tape_tick() -> Line:
    return Line("N", "N", 0, px(None), 0)


def test_each_kind_is_counted_by_book_and_goes_on(tmp_path: Path) -> None:
    other = Tape()
    other.instrument = 8
    other.add(5, 1, "B", 50, 5).event(15, flagged(tape_tick(), BAD))
    played = play(tmp_path, merge(all_kinds(), other), Log().buy(500, "mine", 1, 90))
    mine, there = played.simulation.flagged()
    assert (mine.symbol, list(mine.counts.values())) == ("TWX", [2, 1, 3, 1])
    assert (there.symbol, list(there.counts.values())) == ("TWY", [1, 0, 0, 0])
    assert played.counts["maybe_bad_book"] == 3
    assert (mine.marked_n, mine.marked_events, mine.in_doubt) == (0, 0, False)


def test_what_is_no_incident_is_not_counted(tmp_path: Path) -> None:
    """A clear as Databento begins a session with; a snapshot with its own and old times."""
    tape = (
        Tape()
        .event(-9, flagged(R, LATE), last=False)
        .add(1, 1, "B", 100, 5)
        .add(2, 9, "A", 101, 10)
        .tick(20)
    )
    tape.snapshot(30, [tape.a(1, "B", 100, 5), flagged(tape.a(9, "A", 101, 10), LATE)], clear=True)
    played = play(tmp_path, tape.tick(200), Log().buy(10, "mine", 1), flags=policy("stop"))
    assert played.simulation.flagged() == []
    assert played.counts["clears"] == 2
    assert played.brief() == [("mine", 101, 1, "TAKEN", 60)]


# --- stop -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "at", "said"),
    [
        (MAYBE_BAD, 10, "flagged MAYBE_BAD_BOOK"), (BAD_RECV, 30, "flagged BAD_TS_RECV"),
        (MISSING, 40, "ended without F_LAST"), (CLEAR, 70, "clears the book"),
    ],
)  # fmt: skip
def test_a_run_stops_at_the_first_of_its_kind(
    tmp_path: Path, kind: FlagKind, at: int, said: str
) -> None:
    with pytest.raises(FlaggedDataError, match=said) as caught:
        play(tmp_path, all_kinds(), Log().buy(5, "mine", 1), flags=policy("stop", kind))
    error = caught.value
    assert (error.kind, error.publisher_id, error.instrument_id) == (kind.key, 1, 7)
    assert (error.ts_event, error.ts_recv) == (ns(at), ns(at + 1))
    assert "TWX (publisher 1), 2023-11-14T22:13:20.0000" in str(error)


def test_an_event_that_the_data_do_not_end_stops_it_too(tmp_path: Path) -> None:
    tape = quiet_book().event(40, tape_tick(), last=False)
    with pytest.raises(FlaggedDataError, match="F_LAST") as caught:
        play(tmp_path, tape, Log().buy(5, "mine", 1), flags=policy("stop", MISSING))
    assert caught.value.ts_event == ns(40)


def test_books_that_nobody_trades_stop_nothing(tmp_path: Path) -> None:
    other = Tape()
    other.instrument = 8
    other.add(5, 1, "B", 50, 5).event(15, flagged(tape_tick(), BAD)).event(25, R)
    log = Log().buy(10, "mine", 1)
    records = merge(quiet_book().tick(200), other)
    config = {"flags": policy("stop")}
    assert play(tmp_path, records, log, **config).brief() == [("mine", 101, 1, "TAKEN", 60)]


# --- mark -----------------------------------------------------------------------------------------


def lost(tape: Tape) -> Tape:
    """At 80 records are said to be lost, at 110 a lot trades at 100."""
    return tape.event(80, flagged(tape_tick(), BAD)).trade(110, (1, 1))


def two_orders() -> Log:
    """A bid of 3 lots at 100.5, there from 60 on, and an order to take 1, there at 90."""
    return Log().buy(10, "mine", 3, 100.5).buy(40, "market", 1)


def test_lost_records_hold_fills_back_until_a_snapshot(tmp_path: Path) -> None:
    tape = lost(quiet_book())
    tape.snapshot(150, whole_book(tape, 4), event_us=150).trade(200, (1, 2)).tick(300)
    for action in ("continue", "mark"):
        played = play(tmp_path, tape, two_orders(), flags=policy(action))
        late = [("mine", 100.5, 2, "TRADE_THROUGH", 200)]
        if action == "mark":  # what took waited, what came by in between is nobody's
            assert played.brief() == [("market", 101, 1, "TAKEN", 150), *late]
        else:
            early = [("market", 101, 1, "TAKEN", 90), ("mine", 100.5, 1, "TRADE_THROUGH", 110)]
            assert played.brief() == [*early, *late]
    book = only(played)
    assert counted(played) == [1, 0, 0, 0]
    assert (book.marked_n, book.marked_events, book.in_doubt) == (1, 2, False)


def test_a_clear_ends_the_doubt_as_well(tmp_path: Path) -> None:
    """An R with F_LAST: from there on the book is what its records say."""
    tape = lost(quiet_book()).event(150, R).add(160, 11, "B", 100, 5).add(170, 12, "A", 103, 5)
    played = play(
        tmp_path, tape.tick(300), Log().buy(125, "market", 1), flags=policy("mark", MAYBE_BAD)
    )
    assert played.brief() == [("market", 103, 1, "TAKEN", 175)]
    assert only(played).marked_events == 2


def test_without_either_the_doubt_lasts(tmp_path: Path) -> None:
    """And what a snapshot lists that is itself said to lack records ends none."""
    tape = lost(quiet_book())
    tape.event(150, *(flagged(line, BAD | SNAPSHOT) for line in whole_book(tape, 4)))
    played = play(tmp_path, tape.trade(200, (1, 2)).tick(300), two_orders(), flags=policy("mark"))
    assert played.fills == []
    assert [played.orders[name].status for name in ("mine", "market")] == ["NEW", "NEW"]
    book = only(played)
    assert (book.marked_n, book.marked_events, book.in_doubt) == (1, 5, True)


def test_a_wrong_capture_time_holds_back_its_own_event(tmp_path: Path) -> None:
    tape = quiet_book().tick(70)
    for t, flag in ((100, 0), (110, LATE), (120, 0)):
        lines = [tape.t("A", 100, 1), tape.f(1, 1), tape.c(1, 1)]
        tape.event(t, *(flagged(line, flag) for line in lines))
    log = Log().buy(10, "mine", 9, 100.5)
    played = play(tmp_path, tape.tick(200), log, flags=policy("mark", BAD_RECV))
    assert [fill.at for fill in played.fills] == [100, 120]
    assert (only(played).counts[BAD_RECV], only(played).marked_events) == (3, 1)


def test_an_event_without_its_end_holds_back_until_one_is_whole(tmp_path: Path) -> None:
    tape = quiet_book().tick(70)
    for t, last in ((100, True), (110, False), (120, False), (130, True)):
        tape.event(t, tape.t("A", 100, 1), tape.f(1, 1), tape.c(1, 1), last=last)
    log = Log().buy(10, "mine", 9, 100.5)
    played = play(tmp_path, tape.tick(200), log, flags=policy("mark", MISSING))
    assert [fill.at for fill in played.fills] == [100, 130]
    assert (only(played).counts[MISSING], only(played).marked_events) == (2, 2)


def test_after_a_clear_fills_wait_for_both_sides(tmp_path: Path) -> None:
    tape = quiet_book().event(100, R).add(150, 11, "A", 101, 5).add(160, 12, "B", 99, 5).tick(300)
    log = Log().buy(70, "market", 1)  # there at 120
    played = play(tmp_path, tape, log, flags=policy("mark", CLEAR))
    assert played.brief() == [("market", 101, 1, "TAKEN", 160)]
    assert only(played).marked_events == 2


def test_a_doubt_of_the_warm_up_lasts_into_the_run(tmp_path: Path) -> None:
    tape = lost(quiet_book()).tick(150)
    tape.snapshot(250, whole_book(tape, 4), event_us=250).tick(300)
    played = play(
        tmp_path, tape, Log().buy(130, "market", 1), flags=policy("mark"),
        warmup_until_ns=ns(120),
    )  # fmt: skip
    assert played.brief() == [("market", 101, 1, "TAKEN", 250)]
    assert (only(played).marked_n, counted(played)) == (1, [0, 0, 0, 0])


class Watching(Strategy):
    """Keeps what it is shown of a book, in the class: (µs, whether it is ready, best bid)."""

    wants = Wants(book="bbo")
    seen: ClassVar[list[tuple[float, bool, float]]] = []

    def note(self, context: Context) -> None:
        market = context.market
        self.seen.append((us(context.now), market.ready, (market.best_bid or 0) / 10**9))

    def on_start(self, context: Context) -> None:
        context.set_timer(at=ns(115))

    def on_book(self, market: Any, context: Context) -> None:
        self.note(context)

    def on_timer(self, timer: Any, context: Context) -> None:
        self.note(context)


def test_strategies_wait_and_then_see_the_book_as_it_stands() -> None:
    """Adds of 90 and 100 improve the bid in the dark; timers go on, and know that it is."""
    tape = quiet_book().event(80, flagged(tape_tick(), BAD)).add(90, 3, "B", 100.25, 1)
    tape.add(100, 4, "B", 100.5, 1)
    lines = [tape.a(4, "B", 100.5, 1), tape.a(3, "B", 100.25, 1), *whole_book(tape, 5)]
    tape.snapshot(150, lines, event_us=150).add(200, 5, "B", 100.75, 1)
    before = [(1, True, 100), (2, True, 100), (3, True, 100)]
    Watching.seen.clear()
    plain.play(Watching, tape)
    assert Watching.seen == [
        *before, (91, True, 100.25), (101, True, 100.5), (115, True, 100.5), (201, True, 100.75),
    ]  # fmt: skip
    Watching.seen.clear()
    plain.play(Watching, tape, flags=policy("mark"))
    assert Watching.seen == [
        *before, (115, False, 100.5), (151, True, 100.5), (201, True, 100.75),
    ]  # fmt: skip
