"""Rows of features and their labels, against tables made with the whole stream at hand."""

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generated import Market
from markets import session
from naive.dbn import read_mbo
from naive.features import Event, NaiveFeatures, events_of
from tapewire.features import DEFAULT_NAMES, FeaturePass, FeatureSet, Sampling
from tapewire.features.labels import Label, Labeller, labels_of

Key = tuple[int, int]
#: A row: (moment, book, columns).
Table = list[tuple[int, Key, list[float]]]
NAMES = (
    "mid", "microprice", "imbalance_3", "returns_7ms", "volatility_7ms", "trade_flow_1ms",
    "order_flow_imbalance_7ms", "queue_depletion_ask_1ms", "arrival_rate_1ms", "time_of_day",
)  # fmt: skip
LABELS = ("mid_return_1ms", "mid_return_20ms", "mid_return_1ev", "mid_return_50ev")
SAMPLINGS = ("1ms", "3ms", "1ev", "7ev", "trade", "bbo")


def naive_table(
    records: np.ndarray, every: str, names: tuple[str, ...], labels: tuple[str, ...] = (),
    start: int = 0,
) -> Table:  # fmt: skip
    """All rows, by looking through the list of all events."""
    known = events_of(records)
    keys = list(dict.fromkeys(zip(*(records[n].tolist() for n in ("publisher_id", "instrument_id")),
                                  strict=True)))  # fmt: skip
    last = int(records["ts_recv"].astype(np.int64).max())
    # What is asked for: (moment, events of the stream that it is as of), of which books.
    asked: dict[tuple[int, int], list[Key]]
    if every.endswith("ms"):
        step = int(every.removesuffix("ms")) * 10**6
        first = max(int(records["ts_recv"][0]), start)
        grid = range(-(-first // step) * step, last + 1, step)
        moments = [(g, sum(event.time <= g for _, _, event in known)) for g in grid]
        asked = dict.fromkeys(moments, keys)
    else:
        asked = {}
        done: dict[Key, list[Event]] = {key: [] for key in keys}
        for i, (key, _, event) in enumerate(known):
            before = done[key][-1].touch if done[key] else ([], [])
            done[key].append(event)
            taken = {
                "trade": bool(event.trades),
                "bbo": event.touch != before,
            }.get(every, every.endswith("ev") and len(done[key]) % int(every[:-2] or 1) == 0)
            if taken and event.time >= start:
                asked[event.time, i + 1] = [key]
    out: Table = []
    books = {key: NaiveFeatures() for key in keys}
    told = 0
    for (moment, n), of in asked.items():
        for key, _, event in known[told:n]:
            books[key].events.append(event)
        told = n
        for key in of:
            if books[key].events:
                row = [books[key].value(name, moment) for name in names]
                whole = [e for k, _, e in known if k == key]
                at = len(books[key].events)
                out.append(
                    (moment, key, row + [naive_label(x, whole, at, moment, last) for x in labels])
                )
    return out


def naive_label(name: str, events: list[Event], at: int, moment: int, last: int) -> float:
    """Of a row as of the first ``at`` events."""
    horizon = name.removeprefix("mid_return_")
    now = NaiveFeatures().mid_as_of(events[:at])
    if horizon.endswith("ev"):
        n = at + int(horizon[:-2])
        if n > len(events):
            return math.nan
        later = events[:n]
    else:
        end = moment + int(horizon[:-2]) * 10**6
        if end > last:
            return math.nan
        later = [e for e in events if e.time <= end]
    then = NaiveFeatures().mid_as_of(later)
    return math.nan if now is None or now <= 0 or then is None else float(then - now) / now


def table(
    records: np.ndarray, every: str, names: tuple[str, ...], labels: tuple[str, ...] = (),
    start: int = 0, batch: Callable[[], int] = lambda: 10_000, rows: int = 64,
) -> Table:  # fmt: skip
    """All rows, as they are given."""
    ahead = FeaturePass(
        FeatureSet(names), Sampling.of(every), start_ns=start, keeps_mids=bool(labels), rows=rows
    )
    labeller = Labeller(labels_of(labels), ahead.events)
    out: Table = []

    def keep(given: Any) -> None:
        for rows, found in given:
            publishers, instruments = (ids.tolist() for ids in ahead.keys(rows.rows["book"]))
            values = np.column_stack([rows.values, found]).tolist()
            for *row, numbers in zip(
                rows.rows["ts"].tolist(), publishers, instruments, values, strict=True
            ):
                out.append((row[0], (row[1], row[2]), numbers))

    at = 0
    while at < len(records):
        n = batch()
        for given in ahead.feed(records[at : at + n]):
            keep(labeller.add(given, ahead.clock))
        at += n
    for given in ahead.finish():
        keep(labeller.add(given, ahead.clock))
    keep(labeller.finish(ahead.clock))
    return out


def assert_same(found: Table, wanted: Table, names: tuple[str, ...]) -> None:
    assert [row[:2] for row in found] == [row[:2] for row in wanted]
    for (moment, key, values), (_, _, others) in zip(found, wanted, strict=True):
        wrong = [
            f"{name} of {key} at {moment}: expected {w!r}, found {f!r}"
            for name, f, w in zip(names, values, others, strict=True)
            if not (f == w or (f != f and w != w))
        ]
        assert wrong == []


def generated(seed: int, *, two: bool = False) -> np.ndarray:
    """A generated market, or two that take turns."""
    market = Market(random.Random(seed))
    for _ in range(500):
        market.step(crossing=seed % 2 == 1)
    records = market.records()
    begin = records["ts_recv"][0]
    for name in ("ts_recv", "ts_event"):
        at = records[name] >= begin
        # Some ten milliseconds; every third market has all its records at and halfway between
        # moments of the grid, many at one time, and pauses.
        slower = 75 if seed % 3 == 1 else 25
        moved = begin + (records[name][at] - begin) * slower
        records[name][at] = moved // 500_000 * 500_000 if seed % 3 == 1 else moved
    if two:
        draw = np.random.default_rng(seed)
        records["instrument_id"] = np.where(draw.random(len(records)) < 0.3, 8, 7)
        records["flags"][draw.random(len(records)) < 0.1] &= 127  # events that end without F_LAST
    return records


@pytest.mark.parametrize("every", SAMPLINGS)
@pytest.mark.parametrize("seed", range(3))
def test_rows_and_labels_equal_tables_of_the_whole_stream(every: str, seed: int) -> None:
    records = generated(seed, two=seed == 2)
    wanted = naive_table(records, every, NAMES, LABELS)
    draw = random.Random(seed)
    found = table(records, every, NAMES, LABELS, batch=lambda: draw.choice((1, 2, 30)), rows=5)
    assert_same(found, wanted, (*NAMES, *LABELS))
    assert len(found) > 5
    columns = np.array([row[2] for row in found])
    assert (~np.isnan(columns[:, -len(LABELS) + 1 :])).any(axis=0).any()


def test_labels_are_the_same_however_rows_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    from tapewire.features import labels

    records = generated(4, two=True)
    monkeypatch.setattr(labels, "_WAITING_ROWS", 1)
    # One alone, too: rows wait for the longest of several.
    for asked in (LABELS, *((label,) for label in LABELS)):
        found = table(records, "1ev", NAMES, asked, batch=lambda: 1)
        assert_same(found, naive_table(records, "1ev", NAMES, asked), (*NAMES, *asked))
    monkeypatch.setattr(labels, "_WAITING_ROWS", 7)
    # Rows are let go before the end.
    ahead = FeaturePass(FeatureSet(NAMES), Sampling.of("1ev"), keeps_mids=True, rows=8)
    labeller = Labeller(labels_of(LABELS[:1]), ahead.events)
    let_go = 0
    for given in ahead.feed(records):
        let_go += sum(len(rows) for rows, _ in labeller.add(given, ahead.clock))
        assert len(labeller._mids) < 200
    assert let_go > len(found) // 2


@pytest.mark.parametrize("every", ["1ms", "7ev"])
def test_rows_from_a_start_on_are_those_of_the_whole(every: str) -> None:
    records = generated(4)
    start = int(records["ts_recv"][len(records) // 2]) + 1
    found = table(records, every, NAMES, start=start)
    assert_same(found, naive_table(records, every, NAMES, start=start), NAMES)
    whole = table(records, every, NAMES)
    assert_same(found, [row for row in whole if row[0] >= start], NAMES)
    assert 0 < len(found) < len(whole)


def test_features_know_nothing_of_what_comes_later() -> None:
    records = generated(1)
    whole = table(records, "1ms", NAMES)
    for n in (100, 200, 400):
        part = table(records[:n], "1ms", NAMES)
        assert 0 < len(part) < len(whole)
        # Its last moment may have more events to come, at that very time.
        assert_same(part[:-1], whole[: len(part) - 1], NAMES)


def test_a_moment_has_everything_up_to_and_including_it() -> None:
    records = np.concatenate([generated(0)[:1]] * 3)
    records["action"], records["flags"], records["size"] = ord("A"), 128, 5
    records["side"] = np.frombuffer(b"BAB", "u1")
    records["order_id"] = 1, 2, 3
    records["price"] = 10**9, 2 * 10**9, 10**9
    records["ts_event"] = 10**18
    records["ts_recv"] = 10**18 + np.array([10**6, 10**6, 3 * 10**6 + 1])
    rows = table(records, "1ms", ("mid", "imbalance_1", "arrival_rate_1ms"))
    assert [row[0] - 10**18 for row in rows] == [10**6, 2 * 10**6, 3 * 10**6]
    assert [row[2][:2] for row in rows] == [[1.5, 0.0]] * 3
    # A window that begins as the book does is not known; behind it, nothing has happened since.
    assert [row[2][2] == 0.0 for row in rows] == [False, False, True]
    assert math.isnan(rows[1][2][2])


@pytest.mark.long
def test_rows_of_a_real_capture_equal_their_slow_twins(data_file: Callable[[str], Path]) -> None:
    records = read_mbo(data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"))
    start = int(records["ts_recv"][len(records) // 2])
    found = table(records, "40000ms", DEFAULT_NAMES, start=start)
    wanted = naive_table(records, "40000ms", DEFAULT_NAMES, start=start)
    assert_same(found, wanted, DEFAULT_NAMES)
    known = ~np.isnan(np.array([row[2] for row in found]))
    assert len(found) > 50
    assert (known.sum(axis=0) > 25).all()


def test_every_event_of_a_session_has_a_row() -> None:
    records = session(4_000, 1, 9)
    assert len(table(records, "1ev", ("mid",))) == len(events_of(records))


def test_a_label_is_the_change_of_the_mid() -> None:
    assert Label.of("mid_return_5m") == ("mid_return_5m", 300 * 10**9, 0)
    assert Label.of("mid_return_100ev") == ("mid_return_100ev", 0, 100)
