"""Longer bars of shorter ones: where they begin and end, when they are known, gaps, clocks."""

import datetime as dt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.candles.columns import BarColumns
from tapewire.candles.sessions import SessionClock
from tapewire.candles.timeframes import Timeframe, resample
from tapewire.errors import ConfigError, InputError

UTC = SessionClock()
CME = SessionClock("America/Chicago", "17:00", "16:00")
CHICAGO = SessionClock("America/Chicago", "17:00")
HOUR_NS = 3_600 * 10**9


def ns(text: str) -> int:
    return int(dt.datetime.fromisoformat(text + "+00:00").timestamp()) * 10**9


def text(ts_ns: Any) -> str:
    return dt.datetime.fromtimestamp(int(ts_ns) // 10**9, dt.UTC).strftime("%Y-%m-%d %H:%M")


def bars_at(*times: str) -> BarColumns:
    """Bars at times of which the k-th opens at k, goes to k + 3 and k − 2, closes at k + 1."""
    k = np.arange(len(times))
    return BarColumns.of([ns(t) for t in times], k, k + 3, k - 2, k + 1, 10 + k)


def minutes(first: str, count: int) -> list[str]:
    start = dt.datetime.fromisoformat(first)
    return [str(start + dt.timedelta(minutes=k)) for k in range(count)]


def test_bars_are_made_of_those_within_them() -> None:
    base = bars_at(*minutes("2024-03-04 09:58", 9))
    found = resample(base, Timeframe.of("1m"), Timeframe.of("5m"), UTC)
    assert [text(t) for t in found.bars.ts_event] == ["2024-03-04 09:55", "2024-03-04 10:00"]
    assert [text(t) for t in found.end_ns] == ["2024-03-04 10:00", "2024-03-04 10:05"]
    bars = found.bars
    assert bars.open.tolist() == [0, 2]
    assert bars.high.tolist() == [4, 9]
    assert bars.low.tolist() == [-2, 0]
    assert bars.close.tolist() == [2, 7]
    assert bars.volume.tolist() == [21, 70]
    assert found.base_count.tolist() == [2, 5], "the last bars, 10:05 and 10:06, are not complete"


def test_a_bar_is_known_when_it_ends() -> None:
    base = bars_at(*minutes("2024-03-04 09:55", 10))
    found = resample(base, Timeframe.of("1m"), Timeframe.of("5m"), UTC)
    ends = base.ts_event + 60 * 10**9
    assert found.known_at(ends).tolist() == [-1] * 4 + [0] * 5 + [1]


def test_a_gap_is_no_bar_and_what_came_before_stays_known() -> None:
    times = [*minutes("2024-03-04 10:00", 2), *minutes("2024-03-04 10:17", 4)]
    found = resample(bars_at(*times), Timeframe.of("1m"), Timeframe.of("5m"), UTC)
    assert [text(t) for t in found.bars.ts_event] == ["2024-03-04 10:00", "2024-03-04 10:15"]
    assert found.base_count.tolist() == [2, 3]
    ends = np.array([ns(t) + 60 * 10**9 for t in times])
    assert found.known_at(ends).tolist() == [-1, -1, 0, 0, 1, 1], "10:00 was over at 10:05"


def test_bars_are_counted_from_the_session_and_end_with_it() -> None:
    # 17:00 in Chicago is 23:00 UTC in winter; a session of 23 hours ends at 22:00.
    base = bars_at(*(f"2024-03-0{4 + (h + 23) // 24} {(h + 23) % 24:02}:00" for h in range(23)))
    found = resample(base, Timeframe.of("1h"), Timeframe.of("4h"), CME)
    assert [text(t)[11:] for t in found.bars.ts_event] == [
        "23:00", "03:00", "07:00", "11:00", "15:00", "19:00",
    ]  # fmt: skip
    assert text(found.end_ns[-1]) == "2024-03-05 22:00"
    assert found.base_count.tolist() == [4, 4, 4, 4, 4, 3]
    assert set(found.bars.session) == {(dt.date(2024, 3, 5) - dt.date(1970, 1, 1)).days}


def test_a_day_is_a_session_and_begins_at_the_places_own_time() -> None:
    # Sunday 10 March 2024: clocks in Chicago go forward, 17:00 is 22:00 UTC from then on.
    base = bars_at("2024-03-07 23:00", "2024-03-10 22:00", "2024-03-11 20:00", "2024-03-11 22:00")
    found = resample(base, Timeframe.of("1h"), Timeframe.of("1d"), CME)
    assert [text(t) for t in found.bars.ts_event] == ["2024-03-07 23:00", "2024-03-10 22:00"]
    assert [text(t) for t in found.end_ns] == ["2024-03-08 22:00", "2024-03-11 21:00"]
    assert found.base_count.tolist() == [1, 2]


def test_a_week_is_its_trading_days() -> None:
    base = bars_at("2024-03-03 23:00", "2024-03-08 20:00", "2024-03-10 22:00", "2024-03-17 22:00")
    found = resample(base, Timeframe.of("1h"), Timeframe.of("1w"), CME)
    assert [text(t) for t in found.bars.ts_event] == ["2024-03-03 23:00", "2024-03-10 22:00"]
    assert [text(t) for t in found.end_ns] == ["2024-03-10 21:00", "2024-03-17 21:00"]
    assert found.base_count.tolist() == [2, 1]
    assert (found.bars.session % 7 == 4).all(), "Mondays"


def test_days_are_made_weeks() -> None:
    base = bars_at(*(f"2024-03-{day:02} 00:00" for day in (4, 5, 8, 11, 17, 18)))
    found = resample(base, Timeframe.of("1d"), Timeframe.of("1w"), UTC)
    assert [text(t)[:10] for t in found.bars.ts_event] == ["2024-03-04", "2024-03-11"]
    assert found.base_count.tolist() == [3, 2]


@given(
    st.lists(st.integers(0, 40 * 24 * 12), min_size=1, max_size=60, unique=True),
    st.sampled_from(["5m", "30m", "4h", "24h", "1d", "1w"]),
    st.sampled_from([UTC, CHICAGO, SessionClock("Asia/Kolkata", "09:15")]),
)
def test_whole_and_one_by_one_are_the_same_clock(
    slots: list[int], name: str, clock: SessionClock
) -> None:
    # Forty days in which clocks change, five minutes a slot.
    times = np.array(sorted(slots), np.int64) * 300 * 10**9 + ns("2024-02-20 00:00")
    timeframe = Timeframe.of(name)
    expected = [timeframe.bounds_at(clock, int(t)) for t in times]
    assert timeframe.bounds_of(clock, times).T.tolist() == [list(one) for one in expected]
    for (start, end), ts in zip(expected, times, strict=True):
        assert start <= ts < end
        assert timeframe.bounds_at(clock, start) == (start, end)
        assert timeframe.bounds_at(clock, end)[0] == end, "the next begins where one ends"
        assert end - start <= timeframe.length_ns + HOUR_NS
    spans = [clock.span_at(int(t)) for t in times]
    assert clock.spans_of(times).T.tolist() == [list(span) for span in spans]
    assert [clock.span_of_day(span.number) for span in spans] == spans


@given(st.data())
def test_the_future_changes_no_bar_that_is_known(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 80))
    slots = sorted(data.draw(st.sets(st.integers(0, 400), min_size=n, max_size=n)))
    cut = data.draw(st.integers(1, n))
    seed = data.draw(st.integers(0, 1000))
    times = np.array(slots) * 60 * 10**9 + ns("2024-03-10 20:00")
    prices = np.random.default_rng(seed).integers(0, 100, (5, n))
    timeframe = Timeframe.of(data.draw(st.sampled_from(["5m", "15m", "1h", "1d"])))
    whole = resample(BarColumns.of(times, *prices), Timeframe.of("1m"), timeframe, CHICAGO)
    part = resample(
        BarColumns.of(times[:cut], *prices[:, :cut]), Timeframe.of("1m"), timeframe, CHICAGO
    )
    moment = np.array([times[cut - 1] + 60 * 10**9])
    known = int(whole.known_at(moment)[0]) + 1
    # What ended in a gap is complete in the data as well, once they go on.
    assert len(part) == known
    for name in ("ts_event", "open", "high", "low", "close", "volume", "session"):
        assert getattr(whole.bars, name)[:known].tolist() == getattr(part.bars, name).tolist()


@pytest.mark.parametrize("name", ["", "m", "0m", "5", "5x", "2d", "25h", "1w2", "1M", "-5m", "٣m"])
def test_a_name_that_is_no_timeframe_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="expected a timeframe as 30s, 5m, 4h, 1d or 1w"):
        Timeframe.of(name)


def test_what_does_not_fit_is_refused() -> None:
    base = bars_at(*minutes("2024-03-04 10:00", 3))
    for small, large in (("5m", "1m"), ("4m", "10m"), ("1d", "4h"), ("1w", "1d")):
        with pytest.raises(ConfigError, match=f"whole bars of {small}, found {large}"):
            resample(base, Timeframe.of(small), Timeframe.of(large), UTC)
    with pytest.raises(
        InputError, match=r"row 1 to begin where bars of 5m do.*found it 60 s later"
    ):
        resample(base, Timeframe.of("5m"), Timeframe.of("1h"), UTC)
    with pytest.raises(InputError, match=r"2024-03-04T22:30:00Z: expected bars within sessions"):
        resample(bars_at("2024-03-04 22:30"), Timeframe.of("1m"), Timeframe.of("5m"), CME)
    for wrong in ({"start": "25:00"}, {"end": "9:00"}, {"timezone": "Mars/Base"}):
        with pytest.raises(ConfigError, match=f"session {next(iter(wrong))}: expected"):
            SessionClock(**wrong)


def test_no_bars_are_no_bars() -> None:
    for name in ("5m", "1d", "1w"):
        found = resample(bars_at(), Timeframe.of("1m"), Timeframe.of(name), UTC)
        assert len(found) == len(found.end_ns) == len(found.base_count) == 0
        assert found.known_at(np.array([5])).tolist() == [-1]
