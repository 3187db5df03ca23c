"""When a fill is known: one response latency after it, or not before the feed shows its cause.

Latency is 50 µs each way unless said; records are captured 600 µs after they happened.
"""

from pathlib import Path
from typing import Any

import pytest

from stories import Log, Played, Tape, play


def slow_tape() -> Tape:
    """A bid of ours at 100 (sent at 700) is filled at 1,000, captured at 1,600."""
    tape = Tape(delay_us=600).add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 10)
    return tape.tick(800).add(1_000, 20, "A", 100, 1).tick(1_700).tick(3_000)


def fills(folder: Path, log: Log, notice: str, **settings: Any) -> Played:
    return play(folder, slow_tape(), log, fill_notice=notice, **settings)


@pytest.mark.parametrize(
    ("notice", "feed_us", "known"),
    [("response", 0, 1_050), ("feed", 0, 1_600), ("feed", 30, 1_630)],
)
def test_a_resting_orders_fill(tmp_path: Path, notice: str, feed_us: int, known: int) -> None:
    found = fills(tmp_path, Log().buy(700, "a", 1, 100), notice, feed_us=feed_us)
    assert [(f.at, f.known) for f in found.fills] == [(1_000, known)]


def test_a_response_later_than_the_feed_stays_as_late(tmp_path: Path) -> None:
    found = fills(tmp_path, Log().buy(700, "a", 1, 100), "feed", response_us=900)
    assert [f.known for f in found.fills] == [1_900]


@pytest.mark.parametrize("notice", ["response", "feed"])
def test_what_an_arriving_order_takes_is_known_by_its_response(tmp_path: Path, notice: str) -> None:
    found = fills(tmp_path, Log().buy(700, "a", 1), notice)
    assert [(f.at, f.known) for f in found.fills] == [(750, 800)]
    assert found.counts["fills_known_before_capture"] == 0


def test_notices_keep_their_order(tmp_path: Path) -> None:
    """The fill of 1,000 is told at 1,600; the cancel that was too late at 1,010 no sooner."""
    log = Log().buy(700, "a", 1, 100).cancel(960, "a").buy(970, "b", 1, 98)
    found = fills(tmp_path, log, "feed", event_log=True)
    assert [change[0::6] for change in found.changes("a")] == [
        ("SENT", 700), ("ACCEPTED", 800), ("CANCEL_SENT", 960), ("FILLED", 1_600),
        ("REFUSED", 1_600),
    ]  # fmt: skip
    assert [change[0::6] for change in found.changes("b")] == [("SENT", 970), ("ACCEPTED", 1_600)]


def test_late_news_is_counted_with_the_largest_lead(tmp_path: Path) -> None:
    tape = slow_tape().add(4_000, 30, "A", 99.5, 1).tick(5_000)
    log = Log().buy(700, "a", 1, 100).buy(3_100, "b", 1, 99.5)
    played = play(tmp_path, tape, log)
    assert [f.known for f in played.fills] == [1_050, 4_050]
    assert played.counts["fills_known_before_capture"] == 2
    assert played.counts["fills_known_before_capture_ns_max"] == 550_000
    fed = play(tmp_path, tape, log, fill_notice="feed")
    assert fed.counts["fills_known_before_capture"] == 0
    assert fed.counts["fills_known_before_capture_ns_max"] == 0


def test_what_is_told_later_than_due_is_counted_with_the_largest_delay(tmp_path: Path) -> None:
    """The event of 900, captured at 1,500, lets the log act at 1,400; the fill was due at 1,050."""
    tape = Tape(delay_us=600).add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 10)
    tape.tick(800).tick(900).add(1_000, 20, "A", 100, 1).tick(1_700).tick(3_000)
    log = Log().buy(700, "a", 1, 100).buy(1_400, "b", 1, 90)
    played = play(tmp_path, tape, log)
    assert [(f.at, f.known) for f in played.fills] == [(1_000, 1_400)]
    assert played.counts["late_responses"] == 1
    assert played.counts["late_responses_ns_max"] == 350_000
    in_time = play(tmp_path, tape, Log().buy(700, "a", 1, 100))
    assert in_time.counts["late_responses"] == in_time.counts["late_responses_ns_max"] == 0


def test_the_digest_is_the_same_in_any_batches(tmp_path: Path) -> None:
    log = Log().buy(700, "a", 1, 100).cancel(960, "a").buy(970, "b", 1, 98)
    found = {fills(tmp_path, log, "feed", batch=batch).digest for batch in (0, 1, 3)}
    assert len(found) == 1
    assert found != {fills(tmp_path, log, "response").digest}
