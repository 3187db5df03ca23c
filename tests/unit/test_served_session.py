"""What a server's client may not ask a session for."""

from pathlib import Path

import pytest

from tapewire.config.schema import DatabentoSource
from tapewire.errors import ConfigError
from tapewire.runs import served_session
from tapewire.runs.served_config import ServedPlaces


@pytest.mark.parametrize(
    ("key", "value"), [("orders", {"account": "A"}), ("alerts", "PATH"), ("alerts", None)]
)
def test_what_is_for_who_has_the_host_is_refused(key: str, value: object, tmp_path: Path) -> None:
    document = {
        "strategy": {"type": "market_maker"},
        "live": {"dataset": "GLBX.MDP3", "symbols": ["ESH4"], key: value},
    }
    with pytest.raises(ConfigError, match=rf"live\.{key}: expected none from a server's client"):
        served_session.session_config(document, ServedPlaces(None, None, tmp_path), str, {})


SESSION = {
    "strategy": {"type": "market_maker"},
    "live": {"dataset": "GLBX.MDP3", "symbols": ["ESH4"]},
}


def test_a_session_keeps_what_its_data_source_says_but_for_the_files(tmp_path: Path) -> None:
    (tmp_path / "defs.dbn").write_bytes(b"")
    source = {
        "type": "databento", "files": ["../not-there.dbn"], "publishers": [1],
        "flags": {"maybe_bad_book": "stop"}, "definition_files": ["defs.dbn"],
    }  # fmt: skip
    document = {**SESSION, "backtest": {"data_source": source}}
    places = ServedPlaces(tmp_path, None, tmp_path)
    config, _ = served_session.session_config(document, places, str, {})
    found = config.backtest.data_source
    assert isinstance(found, DatabentoSource)
    assert (found.flags.maybe_bad_book, found.publishers) == ("stop", [1])
    assert [Path(one).name for one in found.files] == ["live.dbn"]
    assert found.definition_files == [str(tmp_path / "defs.dbn")]
    # One over a made-up market, or over none, is as good.
    for other in ({"data_source": {"type": "synthetic"}}, {}):
        config, _ = served_session.session_config({**SESSION, "backtest": other}, places, str, {})
        assert config.backtest.data_source.type == "databento"


@pytest.mark.parametrize("backtest", [[1], "x", 5])
def test_a_backtest_that_is_none_is_one_sentence(backtest: object, tmp_path: Path) -> None:
    document = {**SESSION, "backtest": backtest}
    with pytest.raises(ConfigError, match=r"backtest: expected a mapping, found"):
        served_session.session_config(document, ServedPlaces(None, None, tmp_path), str, {})


def test_nor_is_it_offered() -> None:
    live = served_session.session_schema()["properties"]["live"]["properties"]
    assert not {"orders", "alerts"} & live.keys()
    assert {"dataset", "symbols", "gateway"} <= live.keys()
