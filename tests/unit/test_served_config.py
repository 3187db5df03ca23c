"""A server's client names files of the server's folders, wherever a configuration has one."""

from pathlib import Path
from typing import Any

import pytest

from tapewire.errors import ConfigError
from tapewire.runs.served_config import ServedPlaces, read_yaml, served_config, yaml_of

#: A strategy of a user's with a file among its parameters.
MINE = """\
from pathlib import Path

import tapewire as tw


class Mine(tw.Strategy):
    weights: Path = tw.parameter(None, "a file")
    lots: int = tw.parameter(1, "lots")
"""
RECORDED = {"type": "recorded", "file": "ok.csv"}


@pytest.fixture
def places(tmp_path: Path) -> ServedPlaces:
    found = ServedPlaces(tmp_path / "data", tmp_path / "strategies", tmp_path / "declared")
    for folder in (found.data, found.strategies):
        assert folder is not None
        folder.mkdir()
    (tmp_path / "data" / "ok.csv").write_text("x\n")
    (tmp_path / "data" / "more.csv").write_text("y\n")
    (tmp_path / "data" / "away.csv").symlink_to(tmp_path / "secret.csv")
    (tmp_path / "strategies" / "mine.py").write_text(MINE)
    (tmp_path / "secret.csv").write_text("key\n")
    return found


def asked(entry: Any, places: ServedPlaces, **backtest: Any) -> Any:
    """Return the first strategy of what a client asks for."""
    document = {
        "backtest": {
            "data_source": {"type": "synthetic", "events": 2_000},
            "instruments": {"TWA1": {"tick_size": 0.25, "multiplier": 50}},
            **backtest,
        },
        "strategy": entry,
    }
    document, lines = read_yaml(yaml_of(document))
    return served_config(document, places, str, lines).strategy[0]


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize(("kind", "key"), [("order_log", "path"), ("mine.py:Mine", "weights")])
@pytest.mark.parametrize("name", ["{}/secret.csv", "../secret.csv", "away.csv", "~/x", "none.csv"])
def test_a_file_elsewhere_is_refused_wherever_it_is_named(
    places: ServedPlaces, tmp_path: Path, kind: str, key: str, name: str, as_list: bool
) -> None:
    value, good = {key: name.format(tmp_path)}, {key: "ok.csv"}
    for where, entry in (
        (f"parameters.{key}", {"parameters": value}),
        (rf"parameters.{key}\[1\]", {"parameters": {key: ["ok.csv", *value.values()]}}),
        (rf"variants\[0\].{key}", {"variants": [value]}),
        (rf"variants\[1\].{key}", {"parameters": good, "variants": [good, value]}),
    ):
        one = {"type": kind, **entry}
        with pytest.raises(ConfigError) as refused:
            asked([one] if as_list else one, places)
        said = "expected a file in the server's folder, by its name there, found"
        assert said in str(refused.value), where
        assert len(refused.value.problems) <= 1


@pytest.mark.parametrize(("kind", "key"), [("order_log", "path"), ("mine.py:Mine", "weights")])
def test_files_of_the_folder_are_placed_there(places: ServedPlaces, kind: str, key: str) -> None:
    assert places.data is not None
    ok, more = (str(places.data.resolve() / name) for name in ("ok.csv", "more.csv"))
    found = asked({"type": kind, "parameters": {key: "ok.csv"}}, places)
    assert found.parameters[key] == ok
    found = asked({"type": kind, "parameters": {key: ["ok.csv", "more.csv"]}}, places)
    assert found.parameters[key] == [ok, more]
    found = asked({"type": kind, "variants": [{key: "ok.csv"}, {key: "more.csv"}]}, places)
    assert found.variants == [{key: ok}, {key: more}]


def test_nor_does_a_model_that_the_backtest_completes(places: ServedPlaces, tmp_path: Path) -> None:
    """A strategy's own section without a type has that of the backtest's."""
    secret = str(tmp_path / "secret.csv")
    for own in ({"file": secret}, {"file": "../secret.csv"}, {"type": "recorded", "file": secret}):
        entry = {"type": "market_maker", "execution": {"latency_model": own}}
        with pytest.raises(ConfigError, match="expected a file in the server's folder"):
            asked(entry, places, execution={"latency_model": RECORDED})
    with pytest.raises(ConfigError, match="expected a file in the server's folder"):
        asked({"type": "market_maker"}, places, execution={"latency_model": {"file": secret}})


def test_what_a_strategy_cannot_be_loaded_for_is_said_once(places: ServedPlaces) -> None:
    assert places.strategies is not None
    (places.strategies / "broken.py").write_text("raise ValueError('no')\n")
    for kind in ("broken.py", "mine.py:Yours"):
        with pytest.raises(ConfigError, match=r"strategy\.type") as refused:
            asked({"type": kind}, places)
        assert str(refused.value).count("strategy.type") == 1
