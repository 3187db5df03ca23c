"""What features are called, what is said of a wrong name, and what one of each is."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from markets import session
from tapewire.config.schema import SessionHours
from tapewire.config.sessions import session_closes
from tapewire.errors import ConfigError
from tapewire.features import (
    DEFAULT_NAMES,
    FEATURES,
    FeaturePass,
    FeatureSet,
    FeatureState,
    Sampling,
    find_feature,
    labels_of,
    names_of,
)

SPECIFIED: dict[str, Any] = {
    "price_features": ["returns_1m", "returns_5m", "volatility"],
    "microstructure_features": ["book_imbalance", "trade_flow"],
    "use_time_features": True,
}


def test_the_page_has_a_row_for_every_feature_in_its_words(repo: Path) -> None:
    text = (repo / "docs" / "features.md").read_text()
    table = text.split("| name | formula | unit | source |\n|---|---|---|---|\n")[1].split("\n\n")[
        0
    ]
    rows = [f"| `{f.name}` | {f.formula} | {f.unit} | {f.source} |" for f in FEATURES]
    assert table.splitlines() == rows
    words = " ".join(text.split())
    for definition in FEATURES:
        for alias, name in definition.aliases.items():
            assert f"`{alias}` is `{name}`" in words
    assert ", ".join(f"`{name}`" for name in DEFAULT_NAMES) in words


def test_a_name_stands_for_one_feature() -> None:
    filled = [
        definition.name.replace("<window>", "30s").replace("<levels>", "7")
        for definition in FEATURES
    ]
    assert [find_feature(name).number for name in filled] == list(range(len(FEATURES)))
    assert find_feature("volatility") == find_feature("volatility_5m")
    assert find_feature("trade_flow_100ms").window_ns == 10**8
    assert find_feature("imbalance_7") == (filled.index("imbalance_7"), 0, 7)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("returns_1", "there is no feature 'returns_1': did you mean 'returns_1"),
        ("volatilty", "did you mean 'volatility'"),
        ("order_flow_imbalence_1s", "did you mean 'order_flow_imbalance_1s'"),
        ("xyz", "known: mid, spread, microprice, returns_<window>"),
        ("returns_0s", "expected a window of 1ms to 24h, found 0s"),
        ("returns_25h", "expected a window of 1ms to 24h, found 25h"),
        ("imbalance_0", "expected 1 to 100 levels, found 0"),
        ("imbalance_101", "expected 1 to 100 levels, found 101"),
    ],
)
def test_a_wrong_name_is_said(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as told:
        FeatureSet(["mid", name])
    assert said in str(told.value)


def test_a_set_is_checked() -> None:
    with pytest.raises(ConfigError, match="'mid' is listed twice"):
        FeatureSet(["mid", "spread", "mid"])
    with pytest.raises(ConfigError, match="expected 1 to 1000, found 0"):
        FeatureSet([])
    with pytest.raises(ConfigError, match="close: expected a time of day"):
        FeatureSet(["mid"], close_ns=-1)
    with pytest.raises(KeyError, match="no feature 'spread' here, but: mid"):
        FeatureSet(["mid"]).position("spread")


def test_the_specified_feature_config_loads() -> None:
    assert names_of(SPECIFIED) == [
        "returns_1m", "returns_5m", "volatility", "book_imbalance", "trade_flow",
        "time_of_day", "time_to_close",
    ]  # fmt: skip
    assert len(FeatureSet(names_of(SPECIFIED))) == 7
    assert names_of({"use_time_features": False}) == []


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"price_feature": []}, "no key 'price_feature': did you mean 'price_features'"),
        ({"x": 1}, "no key 'x': known: price_features, microstructure_features, use_time_features"),
        ({"price_features": "mid"}, "price_features: expected a list of names, found 'mid'"),
        ({"price_features": [1]}, "price_features: expected a name, found 1"),
        ({"price_features": ["midd"]}, "price_features: there is no feature 'midd': did you mean"),
        ({"use_time_features": 1}, "use_time_features: expected true or false, found 1"),
    ],
)
def test_a_wrong_feature_config_is_said(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as told:
        names_of(config)
    assert str(told.value).startswith("feature_config")
    assert said in str(told.value)


@pytest.mark.parametrize("text", ["", "100", "0ms", "0ev", "1d", "trades", "-1s", "1.5s", "25h"])
def test_a_wrong_sampling_is_said(text: str) -> None:
    with pytest.raises(ConfigError, match="every: expected a time of 1ms to 24h as 100ms"):
        Sampling.of(text)


@pytest.mark.parametrize("name", ["mid_return", "mid_return_0s", "mid_return_0ev", "mid", "ret_1s"])
def test_a_wrong_label_is_said(name: str) -> None:
    with pytest.raises(ConfigError, match=f"label {name!r}: expected mid_return_ and a time"):
        labels_of([name])


def test_a_label_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="listed twice"):
        labels_of(["mid_return_1s", "mid_return_1s"])


def test_times_run_to_the_close_that_was_given() -> None:
    night = 86_400 * 10**9
    state = FeatureState(FeatureSet(["time_of_day", "time_to_close"], close_ns=22 * 3_600 * 10**9))
    at = 20_000 * night + 21 * 3_600 * 10**9 + 500_000_000
    assert state.values(at).tolist() == [75_600.5, 3_599.5]
    assert state.value("time_to_close", at + 2 * 3_600 * 10**9) == 82_799.5
    until_midnight = FeatureState(FeatureSet(["time_to_close"]))
    assert until_midnight.values(20_000 * night + 1).tolist() == [86_399.999999999]


def test_times_run_to_the_closes_of_a_session() -> None:
    """15:00 in Chicago is 21:00 UTC, and 20:00 from Sunday, 10 March 2024 on."""
    start = 1_709_841_600 * 10**9  # 7 March, 20:00 UTC
    closes = session_closes(SessionHours(close="15:00", timezone="America/Chicago"), start)
    state = FeatureState(FeatureSet(["time_to_close"], closes_ns=closes[:5]))
    hour, day = 3_600 * 10**9, 24 * 3_600 * 10**9
    to_close = [state.value("time_to_close", start + k * day) for k in range(4)]
    assert to_close == [3_600, 3_600, 3_600, 0]
    assert state.value("time_to_close", start + hour) == 0
    assert state.value("time_to_close", start + hour + 1) == 86_399.999999999
    assert state.value("time_to_close", start + 2 * day + hour + hour) == 22 * 3_600
    assert math.isnan(state.value("time_to_close", start + 9 * day))


def test_nothing_is_known_of_a_book_that_has_had_no_event() -> None:
    state = FeatureState(FeatureSet())
    found = dict(zip(DEFAULT_NAMES, state.values(10**18), strict=True))
    assert [name for name, value in found.items() if not math.isnan(value)] == ["time_of_day"]


def test_what_is_kept_of_a_book_has_a_bound() -> None:
    ahead = FeaturePass(FeatureSet(), Sampling.of("1ev"), rows=100)
    records = session(20_000, 1, 3)
    held = set()
    for at in range(0, len(records), 1_000):
        for given in ahead.feed(records[at : at + 1_000]):
            assert len(given) <= 100
        held.add(ahead._books[0].nbytes)
    assert len(held) == 1
    assert held.pop() < 1 << 18


def test_a_pass_takes_books_as_they_come() -> None:
    records = session(6_000, 40, 3)
    ahead = FeaturePass(FeatureSet(["mid"]), Sampling.of("1ev"))
    given = list(ahead.feed(records))
    books = np.concatenate([one.rows["book"] for one in given])
    publishers, instruments = ahead.keys(books)
    assert len(set(instruments.tolist())) == 40
    assert set(publishers.tolist()) == {1}
    assert ahead.events().sum() == len(books)
