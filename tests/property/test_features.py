"""Features as kernels keep them, event by event, against those computed anew from all events."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from generated import Market
from markets import session
from naive.features import NaiveFeatures, events_of
from tapewire.compiled.jit import jit_entry
from tapewire.features import DEFAULT_NAMES, FEATURES, FeatureSet, FeatureState
from tapewire.features.updating import note_feature_trade, update_features
from tapewire.market import BookSet
from tapewire.market.layout import ASK, BID, NIL

#: Every feature, over windows from a part of a market's pauses to longer than the market.
WINDOWS = ("1ms", "7ms", "1s", "1m")
NAMES = tuple(
    name
    for definition in FEATURES
    for name in (
        [definition.name.replace("<window>", window) for window in WINDOWS]
        if "<window>" in definition.name
        else [definition.name.replace("<levels>", levels) for levels in ("1", "3", "10")]
        if "<levels>" in definition.name
        else [definition.name]
    )
)
CLOSE_NS = 79_200 * 10**9


@jit_entry
def tell_trade(features: int, lots: int, side: int) -> None:
    note_feature_trade(features, lots, side)


@jit_entry
def tell_event(features: int, market: Any, book: int, now_ns: int) -> bool:
    return update_features(features, market[0], book, now_ns)


def both(
    records: np.ndarray, features: FeatureSet
) -> Iterator[tuple[int, FeatureState, NaiveFeatures]]:
    """(time, kept, obvious) after each event."""
    books = BookSet()
    states: dict[tuple[int, int], tuple[FeatureState, NaiveFeatures]] = {}
    applied = 0
    for key, at, event in events_of(records):
        books.apply(records[applied:at])
        applied = at
        if key not in states:
            states[key] = FeatureState(features), NaiveFeatures(features.close_ns)
        state, naive = states[key]
        for lots, side in event.trades:
            tell_trade(state.address, lots, {1: BID, -1: ASK, 0: NIL}[side])
        before = naive.events[-1].touch if naive.events else ([], [])
        changed = tell_event(state.address, books._market.state, books._index(*key), event.time)
        assert changed == (event.touch != before)
        naive.events.append(event)
        yield event.time, state, naive


def expected(naive: NaiveFeatures, names: tuple[str, ...], now: int) -> np.ndarray:
    return np.array([naive.value(name, now) for name in names])


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    nan = np.isnan(a)
    return bool((nan == np.isnan(b)).all() and (a[~nan] == b[~nan]).all())


def assert_same(found: np.ndarray, wanted: np.ndarray, names: tuple[str, ...], now: int) -> None:
    wrong = [
        f"{name} at {now}: expected {w!r}, found {f!r}"
        for name, f, w in zip(names, found.tolist(), wanted.tolist(), strict=True)
        if not (f == w or (f != f and w != w))
    ]
    assert wrong == []


@pytest.mark.parametrize("seed", range(12))
def test_features_equal_their_slow_twins_on_generated_markets(seed: int) -> None:
    market = Market(random.Random(seed))
    for _ in range(400):
        market.step(crossing=seed % 2 == 1)
    draw = random.Random(-seed)
    features = FeatureSet(NAMES, close_ns=CLOSE_NS)
    known = np.zeros(len(NAMES), bool)
    for time, state, naive in both(market.records(), features):
        pauses = [draw.choice((0, 1, 999, 10_000, 10**6, 8 * 10**6, 10**9)) for _ in range(2)]
        for now in (time, *(time + pause for pause in pauses), time - 5):
            found = state.values(now)
            known |= ~np.isnan(found)
            assert_same(found, expected(naive, NAMES, now), NAMES, now)
        k = draw.randrange(len(NAMES))
        alone = state.value(NAMES[k], time)
        assert alone == state.values(time)[k] or np.isnan(alone)
    # All have been known at some time, but for windows longer than the market.
    assert {n for n, k in zip(NAMES, known, strict=True) if not k} <= {
        n for n in NAMES if n.endswith(("_1s", "_1m"))
    }


def test_features_equal_their_slow_twins_on_a_session_of_two_books() -> None:
    records = session(3_000, 2, 5)
    begin = records["ts_recv"][0]
    records["ts_recv"] = begin + (records["ts_recv"] - begin) * 60  # minutes, for the long windows
    draw = random.Random(3)
    features = FeatureSet()
    at: dict[str, int] = {}
    for time, state, naive in both(records, features):
        if draw.random() < 0.05:
            now = time + draw.choice((0, 0, 10**8, 10**10))
            found = state.values(now)
            assert_same(found, expected(naive, DEFAULT_NAMES, now), DEFAULT_NAMES, now)
            for name, value in zip(DEFAULT_NAMES, found, strict=True):
                at[name] = at.get(name, 0) + (not np.isnan(value))
    assert min(at.values()) > 20, at


def test_looking_changes_nothing() -> None:
    records = session(2_000, 1, 7)
    features = FeatureSet()
    draw = random.Random(1)
    seen: list[list[np.ndarray]] = [[], []]
    for looks in (False, True):
        for time, state, _ in both(records, features):
            if looks:
                for _ in range(draw.randrange(3)):
                    state.values(time + draw.choice((0, 10**9, 10**11)))
            seen[looks].append(state.values(time))
    assert all(same_bits(a, b) for a, b in zip(*seen, strict=True))
